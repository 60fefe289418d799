"""Functions compiled by Numba and kept: anew for every state of the compiled modules, not only of a function's own.

Numba takes again what it compiled earlier while the file of the function is the same, though functions of other modules
that were compiled into it may have changed. What is kept therefore lies in a folder named after all of these files.
"""

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

SETTINGS: Any = numba.config
ROOT = Path(__file__).parent
OTHERS = ("expectation/posterior.py", "maximisation/symmetrise.py", "signal/shell_sums.py")
"""Modules with compiled functions beside those that are called `*_cpu.py`."""


def sources() -> list[Path]:
    """All modules with compiled functions, in order."""
    return sorted([*ROOT.glob("*/*_cpu.py"), *(ROOT / name for name in OTHERS)])


@cache
def folder() -> Path:
    """Where compiled functions are kept: under NUMBA_CACHE_DIR, if it is set, else beside our modules.

    Where that cannot be written to, Numba takes a folder of the user's.
    """
    state = hashlib.sha256()
    for path in sources():
        state.update(path.read_bytes())
    root = os.environ.get("NUMBA_CACHE_DIR") or str(ROOT / "__pycache__")
    return Path(root) / f"compiled-{state.hexdigest()[:12]}"


def has(feature: str) -> bool:
    """Whether functions are compiled for a processor with some feature, by LLVM's name for it."""
    asked = str(SETTINGS.CPU_FEATURES or "")
    if asked or SETTINGS.CPU_NAME:
        return f"+{feature}" in asked.split(",")
    return bool(llvmlite.binding.get_host_cpu_features().get(feature, False))


class LoadedAlone(FunctionCache):
    """Loads what was compiled earlier without the modules that only compiling needs.

    Numba brings all of its own implementations in before it looks whether there is anything to compile, which takes
    longer than loading our functions does. Memory for arrays within functions is all that those must find.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types of arguments, or None."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


LOADS_ALONE = all(
    hasattr(FunctionCache, name) for name in ("_guard_against_spurious_io_errors", "_load_overload")
)
"""Whether this Numba can do so: the names are its own business."""


def compiled(fastmath: bool) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: compile a function on its first call, which leaves the interpreter to other threads.

    fastmath lets sums be made in any order and takes for granted that every number is finite.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        before, SETTINGS.CACHE_DIR = SETTINGS.CACHE_DIR, str(folder())
        try:
            made: Any = numba.njit(nogil=True, fastmath=fastmath, cache=True)(function)
            if LOADS_ALONE:
                made._cache = LoadedAlone(function)
            return made
        finally:
            SETTINGS.CACHE_DIR = before

    return decorate
