"""Where the time of a search goes: what is told to whoever measures it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable


@runtime_checkable
class Meter(Protocol):
    """Measures the phases of a search and counts its work."""

    def measure(self, phase: str) -> AbstractContextManager[None]:
        """What is done within counts for this phase, less what is measured inside it."""
        ...

    def attribute(self, phase: str, seconds: float) -> None:
        """Of what is being measured, so many seconds belong to this phase, as whoever spent them tells."""
        ...

    def count(self, work: str, number: int) -> None:
        """So much more of some work has been done."""
        ...


class Unmeasured:
    """Nobody measures."""

    def measure(self, phase: str) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def attribute(self, phase: str, seconds: float) -> None:
        """Nothing."""

    def count(self, work: str, number: int) -> None:
        """Nothing."""
