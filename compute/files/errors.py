"""The error for input that a user can put right."""


class InputError(ValueError):
    """A file or value from the user is wrong; the message says what, where, and what is right."""
