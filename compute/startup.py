"""What a job leaves out of its start."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

SHAPES_ONLY = "torch._meta_registrations"
"""How operators work out the shapes of results without data, and the decompositions that this builds on. Only tracing
and compiling a model asks for them, and `import torch` spends a fourth of its time on them."""


class Postponed(ModuleType):
    """Stands for a module until something in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} is not loaded yet, and has no {name!r}")
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def shorten_import_of_torch() -> None:
    """Let torch load what no job needs when it is first asked for; to be called before torch is imported."""
    if "torch" not in sys.modules:
        sys.modules[SHAPES_ONLY] = Postponed(SHAPES_ONLY)


@contextmanager
def importing() -> Iterator[None]:
    """Look for no garbage within: imports leave none, and looking for some takes a tenth of their time."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
