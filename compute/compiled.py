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


def compiled(fastmath: bool) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: compile a function on its first call, which leaves the interpreter to other threads.

    fastmath lets sums be made in any order and takes for granted that every number is finite.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        before, SETTINGS.CACHE_DIR = SETTINGS.CACHE_DIR, str(folder())
        try:
            return numba.njit(nogil=True, fastmath=fastmath, cache=True)(function)
        finally:
            SETTINGS.CACHE_DIR = before

    return decorate
