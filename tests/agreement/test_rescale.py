"""Rescaled maps against `relion_image_handler`: its rounding by stored figures, our result beside its own."""

import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch

from compute import __main__ as program
from compute.files.mrc import MapFile, read_map, write_map
from compute.signal.fourier import highpass, lowpass
from compute.signal.resize import resize_map
from tests.agreement.relion_rescale import rescaled, rescaled_size, windowed
from tests.compute.signal.test_resize import blob

IS_INSTALLED = shutil.which("relion_image_handler") is not None
needs_relion = pytest.mark.skipif(not IS_INSTALLED, reason="RELION is not installed")
pytestmark = pytest.mark.agreement


def polynomial_map() -> np.ndarray:
    """The map of the numerical checks: 16 voxels of 2 Å."""
    z, y, x = np.mgrid[-8:8, -8:8, -8:8]
    return ((7 * x**2 + 3 * y**2 + 2 * z**2 + 5 * x * y + y * z) % 13).astype(np.float32)


def test_n21_coarser_with_rounding() -> None:
    size, pixel_A = rescaled_size(16, 2.0, 2.9)
    assert (size, pixel_A) == (10, pytest.approx(3.2))
    found = rescaled(polynomial_map(), size)
    assert found[0, 0, 0] == pytest.approx(6.630143, abs=1e-5)
    assert found[5, 5, 5] == pytest.approx(2.528250, abs=1e-5)
    assert found.mean() == pytest.approx(6.025391, abs=1e-5)
    assert found.std() == pytest.approx(1.699416, abs=1e-5)


def test_n22_finer_with_rounding() -> None:
    size, pixel_A = rescaled_size(16, 2.0, 1.3)
    assert (size, pixel_A) == (24, pytest.approx(1.3333334, abs=1e-6))
    found = rescaled(polynomial_map(), size)
    assert found[0, 0, 0] == pytest.approx(9.184015, abs=1e-5)
    assert found[12, 12, 12] == pytest.approx(1.883598, abs=1e-5)
    assert found.std() == pytest.approx(2.726094, abs=1e-5)


def test_n23_n24_windows_are_ours_too() -> None:
    volume = polynomial_map()
    larger, smaller = windowed(volume, 20), windowed(volume, 12)
    assert (larger[2, 2, 2], larger[1, 1, 1], smaller[0, 0, 0]) == (8, 0, 11)
    for box, expected in ((20, larger), (12, smaller), (13, windowed(volume, 13))):
        ours = resize_map(torch.from_numpy(volume), 2.0, 2.0, box)
        assert np.array_equal(ours.numpy(), expected)


@pytest.mark.parametrize(
    "box, old_A, wanted_A, size, reached_A",
    [
        (64, 3.54, 1.244, 182, 1.2448352),
        (64, 3.54, 1.0, 226, 1.0024779),
        (64, 3.54, 5.0, 44, 5.1490909),
        (63, 2.0, 1.0, 126, 1.0),
    ],
)
def test_n25_sizes(box: int, old_A: float, wanted_A: float, size: int, reached_A: float) -> None:
    assert rescaled_size(box, old_A, wanted_A) == (size, pytest.approx(reached_A, abs=1e-7))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_map("poly.mrc", polynomial_map(), 2.0)
    write_map("blob.mrc", blob(64, 3.54).numpy(), 3.54)
    return tmp_path


def relion(words: str) -> MapFile:
    """What relion_image_handler makes with these options."""
    done = subprocess.run(
        f"relion_image_handler {words} --o theirs.mrc".split(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return read_map("theirs.mrc")


def ours(words: dict) -> MapFile:
    """What our job makes with these parameters."""
    assert program.run_job({"job": "rescale", "params": words | {"output": "O/ours"}}) == 0
    return read_map("O/ours.mrc")


@needs_relion
@pytest.mark.parametrize("wanted_A, size", [(2.9, 10), (1.3, 24)])
def test_the_reference_is_what_relion_does(workplace: Path, wanted_A: float, size: int) -> None:
    theirs = relion(f"--i poly.mrc --rescale_angpix {wanted_A}")
    assert np.abs(theirs.volume - rescaled(polynomial_map(), size)).max() < 1e-5


@needs_relion
@pytest.mark.parametrize("new_A, new_box", [(1.77, 128), (1.77, 100), (7.08, 32), (7.08, 48)])
def test_where_relion_need_not_round_the_maps_agree(
    workplace: Path, new_A: float, new_box: int
) -> None:
    write_map("wide.mrc", blob(64, 3.54, 12.0).numpy(), 3.54)  # nothing at the coarser Nyquist
    theirs = relion(f"--i wide.mrc --rescale_angpix {new_A} --new_box {new_box}")
    found = ours({"maps": "wide.mrc", "new_pixel_size_A": new_A, "new_box_px": new_box})
    assert found.pixel_size_A == pytest.approx(theirs.pixel_size_A, rel=1e-6)
    assert np.abs(found.volume - theirs.volume).max() < 1e-5 * np.abs(theirs.volume).max()


@needs_relion
def test_where_relion_rounds_ours_is_the_exact_one(workplace: Path) -> None:
    theirs = relion("--i blob.mrc --rescale_angpix 1.24453125 --new_box 256")
    found = ours({"maps": "blob.mrc", "new_pixel_size_A": 1.24453125, "new_box_px": 256})
    truth = blob(256, 1.24453125).numpy()
    assert found.pixel_size_A == np.float32(1.24453125)
    assert abs(theirs.pixel_size_A - 1.24453125) > 1e-4
    assert np.abs(found.volume - truth).max() < 1e-3 < np.abs(theirs.volume - truth).max()


@needs_relion
def test_filters_and_hand_agree(workplace: Path) -> None:
    volume = torch.from_numpy(polynomial_map())
    theirs = relion("--i poly.mrc --lowpass 8").volume
    assert np.abs(lowpass(volume, 2.0, 8.0).numpy() - theirs).max() < 1e-5
    theirs = relion("--i poly.mrc --highpass 9 --filter_edge_width 4").volume
    assert np.abs(highpass(volume, 2.0, 9.0, 4.0).numpy() - theirs).max() < 1e-5
    theirs = relion("--i poly.mrc --invert_hand").volume
    assert np.array_equal(ours({"maps": "poly.mrc", "invert_hand": True}).volume, theirs)
    theirs = relion("--i poly.mrc --highpass 16 --lowpass 6 --rescale_angpix 1.0").volume
    both = {"maps": "poly.mrc", "highpass_A": 16.0, "lowpass_A": 6.0, "new_pixel_size_A": 1.0}
    assert np.abs(ours(both).volume - theirs).max() < 2e-5


@needs_relion
def test_relion_reads_our_map_and_finds_its_statistics(workplace: Path) -> None:
    ours({"maps": "blob.mrc", "new_pixel_size_A": 2.5})
    done = subprocess.run(
        "relion_image_handler --i O/ours.mrc --stats".split(), capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "2.5" in done.stdout
    with mrcfile.open("O/ours.mrc") as file:
        values = file.data
        assert file.header.dmean == pytest.approx(values.mean(dtype=float), rel=1e-5)
        assert file.header.rms == pytest.approx(values.std(dtype=float), rel=1e-5)
        assert (file.header.dmin, file.header.dmax) == (values.min(), values.max())
        assert file.header.nxstart == 0 and file.header.origin.x == 0
