"""Masks against `relion_mask_create` on the same maps."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from compute import __main__ as program
from compute.files.mrc import read_map, write_map
from tests.data import PIXEL_SIZE_A, phantom_map

pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(
        shutil.which("relion_mask_create") is None, reason="RELION is not installed"
    ),
]
AS_RELION = {"smallest_piece_percent": 0.0, "largest_hole_A3": 0.0, "lowpass_A": 0.0}


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ("--extend_inimask 0 --width_soft_edge 0", {"extend_px": 0.0, "soft_edge_px": 0.0}),
        ("--extend_inimask 3 --width_soft_edge 4", {"extend_px": 3.0, "soft_edge_px": 4.0}),
        ("--extend_inimask -1 --width_soft_edge 2", {"extend_px": -1.0, "soft_edge_px": 2.0}),
        (
            "--lowpass 15 --extend_inimask 2 --width_soft_edge 5",
            {"lowpass_A": 15.0, "extend_px": 2.0, "soft_edge_px": 5.0},
        ),
        (
            "--extend_inimask 1 --width_soft_edge 3 --invert",
            {"extend_px": 1.0, "soft_edge_px": 3.0, "invert": True},
        ),
        (
            "--extend_inimask 1 --width_soft_edge 3 --helix --z_percentage 0.3",
            {"extend_px": 1.0, "soft_edge_px": 3.0, "helix": True, "central_z_fraction": 0.3},
        ),
        ("--and other.mrc --width_soft_edge 3", {"and_map": "other.mrc", "extend_px": 0.0}),
        ("--or other.mrc --width_soft_edge 3", {"or_map": "other.mrc", "extend_px": 0.0}),
        ("--and_not other.mrc --width_soft_edge 3", {"and_not_map": "other.mrc", "extend_px": 0.0}),
        ("--or_not other.mrc --width_soft_edge 3", {"or_not_map": "other.mrc", "extend_px": 0.0}),
    ],
)
def test_masks_of_density(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, ours: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    volume = phantom_map().numpy()
    write_map("map.mrc", volume, PIXEL_SIZE_A)
    write_map("other.mrc", np.roll(volume, 4, axis=2), PIXEL_SIZE_A)
    command = f"relion_mask_create --i map.mrc --o theirs.mrc --ini_threshold 0.02 --angpix {PIXEL_SIZE_A} {words}"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=120)
    params = {"map": "map.mrc", "output": "M/ours", "threshold": 0.02} | AS_RELION | ours
    assert program.run_job({"job": "mask", "params": params}) == 0
    found, theirs = read_map("M/ours.mrc"), read_map("theirs.mrc")
    assert np.abs(found.volume - theirs.volume).max() < 1e-6
    assert 0 < found.volume.sum() < found.volume.size
    assert found.pixel_size_A == theirs.pixel_size_A == PIXEL_SIZE_A


def test_spheres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = (
        "relion_mask_create --denovo --box_size 32 --outer_radius 8 --inner_radius 4 --center_x 2 --center_y -1 "
        "--center_z 3 --width_soft_edge 4 --angpix 2 --o theirs.mrc"
    )
    subprocess.run(command.split(), check=True, capture_output=True, timeout=120)
    params = {
        "shape": "sphere",
        "box_px": 32,
        "pixel_size_A": 2.0,
        "outer_radius_px": 8.0,
        "inner_radius_px": 4.0,
        "center_x_px": 2.0,
        "center_y_px": -1.0,
        "center_z_px": 3.0,
        "soft_edge_px": 4.0,
        "output": "M/ours",
    }
    assert program.run_job({"job": "mask", "params": params}) == 0
    assert np.abs(read_map("M/ours.mrc").volume - read_map("theirs.mrc").volume).max() < 1e-6
