"""The comparison of two maps: curve, crossings, and maps that cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from compute.files.errors import InputError
from compute.files.mrc import write_map
from compute.jobs.compare import run
from compute.params.compare import CompareParams
from compute.signal.fourier import lowpass

BOX, PIXEL_A = 32, 2.0


def volume(seed: int, box: int = BOX) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(box, box, box)).astype(np.float32)


def compare(
    folder: Path, first: np.ndarray, second: np.ndarray, radius_A: float = 0.0, mask: str = ""
) -> dict:
    """The result for two maps of the same pixel size, through files."""
    write_map(folder / "a.mrc", first, PIXEL_A)
    write_map(folder / "b.mrc", second, PIXEL_A)
    params = CompareParams(
        map=str(folder / "a.mrc"),
        truth=str(folder / "b.mrc"),
        output=str(folder / "out" / "fsc.json"),
        mask_radius_A=radius_A,
        mask=mask,
    )
    run(params)
    return json.loads((folder / "out" / "fsc.json").read_text())


def test_a_map_agrees_with_itself_at_any_scale(tmp_path: Path) -> None:
    result = compare(tmp_path, volume(1), -0.5 * volume(1))
    assert result["fsc"][1:] == pytest.approx([-1.0] * (BOX // 2))
    result = compare(tmp_path, volume(1), 3.0 * volume(1))
    assert result["fsc"] == pytest.approx([1.0] * (BOX // 2 + 1))
    assert result["crossings"]["0.5"] == {"shell": 16, "resolution_A": pytest.approx(4.0)}


def test_unrelated_maps_do_not_agree(tmp_path: Path) -> None:
    result = compare(tmp_path, volume(1), volume(2))
    assert abs(result["mean_fsc"]) < 0.1
    assert result["crossings"]["0.143"]["shell"] < 5


def test_the_crossing_is_where_noise_takes_over(tmp_path: Path) -> None:
    signal = lowpass(torch.from_numpy(volume(1)), PIXEL_A, 8.0).numpy()
    result = compare(tmp_path, signal + 0.01 * volume(2), signal + 0.01 * volume(3))
    assert result["crossings"]["0.5"]["shell"] in (8, 9)
    assert result["shell_resolution_A"][:3] == [None, 64.0, 32.0]


def test_the_sphere_hides_what_differs_outside(tmp_path: Path) -> None:
    first, second = volume(1), volume(1)
    second[:6] = volume(2)[:6]
    whole = compare(tmp_path, first, second)
    inside = compare(tmp_path, first, second, radius_A=10.0)
    assert whole["mean_fsc"] < 0.9
    assert inside["mean_fsc"] == pytest.approx(1.0, abs=1e-5)


def test_a_mask_hides_what_differs_outside(tmp_path: Path) -> None:
    first, second = volume(1), volume(1)
    second[:6] = volume(2)[:6]
    mask = np.ones((BOX, BOX, BOX), np.float32)
    mask[:6] = 0.0
    write_map(tmp_path / "mask.mrc", mask, PIXEL_A)
    inside = compare(tmp_path, first, second, mask=str(tmp_path / "mask.mrc"))
    assert inside["mean_fsc"] == pytest.approx(1.0, abs=1e-5)
    write_map(tmp_path / "mask.mrc", mask[:16, :16, :16], PIXEL_A)
    with pytest.raises(InputError, match=r"box of 32 and .*mask\.mrc one of 16"):
        compare(tmp_path, first, second, mask=str(tmp_path / "mask.mrc"))
    with pytest.raises(ValueError, match="use one of both"):
        compare(tmp_path, first, second, radius_A=10.0, mask="mask.mrc")


def test_maps_that_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="box of 32 and .* one of 16"):
        compare(tmp_path, volume(1), volume(1, 16))
    write_map(tmp_path / "a.mrc", volume(1), 2.0)
    write_map(tmp_path / "b.mrc", volume(1), 2.1)
    with pytest.raises(InputError, match=r"2\.0000 Å and .* of 2\.1000 Å"):
        run(
            CompareParams(
                map=str(tmp_path / "a.mrc"), truth=str(tmp_path / "b.mrc"), output="unused.json"
            )
        )
