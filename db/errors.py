"""What the database answers when it cannot do what was asked: one sentence for the user."""

from compute.files.errors import InputError


class NotFound(InputError):
    """There is no such row, or it is in the bin."""


class Closed(NotFound):
    """There is no such project or the user may not see it: who asks is not told which."""


class Refused(InputError):
    """The request is understood and not allowed in the present state; the sentence says what would be."""


class Conflict(Refused):
    """Somebody else has changed the same thing meanwhile, or a name is taken."""


class NotAllowed(Refused):
    """It takes a higher role than the user has."""
