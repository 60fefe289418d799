"""The transforms inside of SciPy against those that it offers, and without them."""

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from compute.signal import pocketfft
from compute.signal.pocketfft import public, transforms


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(360, 360), (15, 22), (7, 13)])
def test_they_are_those_of_scipy_to_the_last_bit(kind: type, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).normal(size=shape).astype(kind)
    results = []
    for given in (transforms(), public()):
        rows = given.rows(image)
        columns = given.columns(rows.copy())
        restored = np.empty_like(image)
        given.restore(columns.copy(), restored)
        assert restored.dtype == kind
        results.append((rows, columns, restored))
        np.testing.assert_allclose(restored, image, atol=1e-5)
        np.testing.assert_allclose(columns, np.fft.rfft2(image, norm="forward"), atol=1e-6)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_compiled_ones_are_found_and_scipy_fft_stays_away() -> None:
    words = "import sys; from compute.signal.pocketfft import _compiled; found = _compiled(); "
    words += "sys.exit(found is None or 'scipy.fft' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words]).returncode == 0


def test_others_than_expected_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later SciPy may have them elsewhere, with other arguments, or with another scale."""
    compiled = pocketfft._compiled()
    assert compiled is not None
    doubled = ModuleType("doubled")
    vars(doubled).update(vars(compiled), r2c=lambda *words: 2 * compiled.r2c(*words))
    with pytest.raises(ValueError, match="other transforms"):
        pocketfft._try(pocketfft._called(doubled))
    for missing in ([".nowhere"], []):
        monkeypatch.setattr(pocketfft, "EXTENSION_SUFFIXES", missing)
        assert pocketfft._compiled() is None
    pocketfft.transforms.cache_clear()
    image, found = np.eye(6, dtype=np.float32), np.empty((6, 6), np.float32)
    given = pocketfft.transforms()
    given.restore(given.columns(given.rows(image)), found)
    np.testing.assert_allclose(found, image, atol=1e-6)
    pocketfft.transforms.cache_clear()
