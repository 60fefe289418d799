"""The FSC by direction from files to a table: a missing cone is seen, an isotropic map is not blamed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compute.__main__ import run_job
from compute.jobs.directional_fsc import half_sphere
from compute.signal.masks import sphere
from tests.halves import BOX, PIXEL_A, frequency, write_halves, write_mask


def cone_halves(
    seed: int, missing_half_angle_deg: float, has_noise: bool = True
) -> tuple[tuple[torch.Tensor, torch.Tensor], np.ndarray]:
    """Half-maps of atoms in a ball with FSC 0.143 near 4 Å; within an angle of a random axis there is only noise,
    or nothing.

    Also returns the axis (x, y, z).
    """
    generator = torch.Generator().manual_seed(seed)
    s = frequency()
    ball = sphere(BOX, 16.0, 2.0)
    atoms = (torch.rand(BOX, BOX, BOX, generator=generator) < 0.03).float() / 0.03**0.5
    signal = torch.fft.rfftn(atoms * ball) * torch.exp(-25.0 * s.square())
    axis = torch.nn.functional.normalize(torch.randn(3, generator=generator), dim=0)
    k = torch.fft.fftfreq(BOX, 1 / BOX)
    x = torch.arange(BOX // 2 + 1).float()
    along = (x * axis[0] + k[:, None] * axis[1] + k[:, None, None] * axis[2]).abs()
    limit = float(np.cos(np.radians(missing_half_angle_deg)))
    is_missing = (along >= limit * s * BOX * PIXEL_A) & (s > 0) & (missing_half_angle_deg > 0)
    halves = []
    for _ in range(2):
        noise = torch.fft.rfftn(torch.randn(BOX, BOX, BOX, generator=generator))
        noise = noise * 6.0**0.5 * float(np.exp(-25.0 / 16.0))
        noise = noise if has_noise else noise.where(~is_missing, 0.0)
        halves.append(torch.fft.irfftn(noise + signal.where(~is_missing, 0.0), s=(BOX,) * 3))
    return (halves[0], halves[1]), axis.numpy()


def measured(folder: Path, halves: tuple[torch.Tensor, torch.Tensor]) -> dict[str, Any]:
    """The table of two half-maps inside the mask of their ball."""
    values = {
        "half1": write_halves(folder, halves),
        "mask": write_mask(folder, sphere(BOX, 18.0, 3.0)),
        "output": str(folder / "D" / "map"),
    }
    assert run_job({"job": "directional_fsc", "params": values}) == 0
    table: dict[str, Any] = json.loads((folder / "D" / "map_directional_fsc.json").read_text())
    return table


@pytest.mark.parametrize("seed", range(5))
def test_an_isotropic_map_is_not_blamed(seed: int, tmp_path: Path) -> None:
    table = measured(tmp_path, cone_halves(seed, 0.0)[0])
    assert not table["is_anisotropic"] and table["area_ratio"] > 0.6


@pytest.mark.parametrize("seed", range(5))
def test_a_missing_cone_of_30_degrees_is_seen(seed: int, tmp_path: Path) -> None:
    halves, axis = cone_halves(seed, 30.0)
    table = measured(tmp_path, halves)
    assert table["is_anisotropic"] and table["area_ratio"] < 0.5
    worst = min(table["directions"], key=lambda one: one["area"])
    azimuth, polar = np.radians([worst["azimuth_deg"], worst["polar_deg"]])
    seen = [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    assert np.degrees(np.arccos(min(1.0, abs(float(np.dot(seen, axis)))))) < 20.0


@pytest.mark.parametrize("seed", range(3))
def test_a_cone_without_anything_is_seen_through_the_mask(seed: int, tmp_path: Path) -> None:
    """The mask spreads the same signal into the empty cone of both halves, where it agrees with itself."""
    table = measured(tmp_path, cone_halves(seed, 30.0, has_noise=False)[0])
    assert table["is_anisotropic"] and table["area_ratio"] < 0.5


def test_the_table_is_complete(tmp_path: Path) -> None:
    table = measured(tmp_path, cone_halves(9, 30.0)[0])
    shells = BOX // 2 + 1
    for name in ("frequency_per_A", "whole", "mean", "deviation", "minimum", "maximum"):
        assert len(table[name]) == shells
    assert len(table["directions"]) == 384
    assert all(len(one["fsc"]) == shells for one in table["directions"])
    assert table["best_A"] <= table["mean_A"] <= table["worst_A"]
    assert "Smallest over largest area" in table["definition"]
    curves = np.array([one["fsc"] for one in table["directions"]])
    np.testing.assert_allclose(curves.mean(axis=0), table["mean"], atol=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_half_the_sphere_has_each_axis_once(order: int) -> None:
    angles = np.radians(half_sphere(order))
    assert len(angles) == 6 * 4**order
    azimuth, polar = angles.T
    vectors = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )
    same = np.abs(vectors @ vectors.T) > 1 - 1e-9
    assert same.sum() == len(angles)
