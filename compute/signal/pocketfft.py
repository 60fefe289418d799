"""SciPy's Fourier transforms of images without `scipy.fft`, whose import takes as long as 300 particles."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import numpy as np

DIVIDED, PLAIN = 2, 0
"""Of the compiled functions: the result is divided by the number of values, or left as it is."""


@dataclass(frozen=True, slots=True)
class Transforms:
    """Transforms of single images (y, x); the precision is that of the image.

    rows: along x, half of them since the image is real, divided by the number of columns. columns: those along y, in
    place, divided by the number of rows. restore: back into an image, not divided; what it is given is lost.
    """

    rows: Callable[[np.ndarray], np.ndarray]
    columns: Callable[[np.ndarray], np.ndarray]
    restore: Callable[[np.ndarray, np.ndarray], None]


@cache
def transforms() -> Transforms:
    """The compiled functions that are inside of SciPy; those that it offers, where they are not as they were."""
    compiled = _compiled()
    return public() if compiled is None else _called(compiled)


def _compiled() -> ModuleType | None:
    """The extension module inside of SciPy; None where there is none that does what is wanted."""
    scipy = importlib.util.find_spec("scipy")
    places = (scipy and scipy.submodule_search_locations) or ()
    folders = [Path(place) / "fft" / "_pocketfft" for place in places]
    files = [one / f"pypocketfft{end}" for one in folders for end in EXTENSION_SUFFIXES]
    for file in files:
        spec = importlib.util.spec_from_file_location("pypocketfft", file)
        if not file.exists() or spec is None or spec.loader is None:
            continue
        try:
            found = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(found)
            _try(_called(found))
        except (ImportError, AttributeError, TypeError, ValueError):
            continue
        return found
    return None


def _called(compiled: ModuleType) -> Transforms:
    def rows(image: np.ndarray) -> np.ndarray:
        found: np.ndarray = compiled.r2c(image, (1,), True, DIVIDED, None, 1)
        return found

    def columns(transform: np.ndarray) -> np.ndarray:
        found: np.ndarray = compiled.c2c(transform, (0,), True, DIVIDED, transform, 1)
        return found

    def restore(transform: np.ndarray, image: np.ndarray) -> None:
        compiled.c2c(transform, (0,), False, PLAIN, transform, 1)
        compiled.c2r(transform, (1,), image.shape[1], False, PLAIN, image, 1)

    return Transforms(rows, columns, restore)


def _try(called: Transforms) -> None:
    """Raise ValueError where an image does not come back from its transform."""
    image = np.arange(24, dtype=np.float32).reshape(4, 6) ** 2
    transform, restored = called.columns(called.rows(image)), np.empty_like(image)
    expected = np.fft.rfft2(image, norm="forward")
    if not np.allclose(transform, expected, atol=1e-4):
        raise ValueError("other transforms than those of SciPy 1.17")
    called.restore(transform, restored)
    if not np.allclose(restored, image, atol=1e-3):
        raise ValueError("other transforms than those of SciPy 1.17")


def public() -> Transforms:
    """The same by what SciPy offers."""
    import scipy.fft

    def rows(image: np.ndarray) -> np.ndarray:
        found: np.ndarray = scipy.fft.rfft(image, axis=1, norm="forward")
        return found

    def columns(transform: np.ndarray) -> np.ndarray:
        found: np.ndarray = scipy.fft.fft(transform, axis=0, norm="forward", overwrite_x=True)
        return found

    def restore(transform: np.ndarray, image: np.ndarray) -> None:
        image[:] = scipy.fft.irfft2(transform, s=image.shape, norm="forward", overwrite_x=True)

    return Transforms(rows, columns, restore)
