"""Colours of local resolution and the sphere of directions."""

import numpy as np
import pytest

from tests.webapp.components.rows import curve
from webapp.components import direction_plots, local_resolution
from webapp.components.look import DARK
from webapp.components.slices import GreyScale


def test_the_best_resolution_is_the_brightest_colour_and_outside_the_mask_is_grey() -> None:
    density = np.full((1, 3), 1.0, dtype=np.float32)
    resolution = np.array([[3.0, 6.0, 3.0]], dtype=np.float32)
    mask = np.array([[1.0, 1.0, 0.0]], dtype=np.float32)
    scale = GreyScale(0.0, 1.0)
    picture = local_resolution.coloured(density, resolution, mask, scale, (3.0, 6.0))
    colours = picture.view(np.uint8).reshape(3, 4)
    assert colours[0].tolist() == [253, 231, 36, 255]
    assert colours[1].tolist() == [68, 1, 84, 255]
    assert colours[2].tolist() == [255, 255, 255, 255]


def test_values_beyond_the_scale_have_its_last_colours() -> None:
    assert local_resolution.shares(np.array([1.0, 4.0, 99.0]), 3.0, 5.0).tolist() == [0, 128, 255]
    bar = local_resolution.scale_html(3.0, 5.0)
    assert "3.00 Å" in bar and "4.00 Å" in bar and "5.00 Å" in bar


def test_the_histogram_marks_its_percentiles() -> None:
    summary = {
        "histogram": {"edges_A": [3.0, 4.0, 5.0], "voxels": [10, 30]},
        "percentiles_A": {"5": 3.1, "50": 4.2, "95": 4.9},
    }
    data = local_resolution.histogram_data(summary, (3.0, 5.0))
    assert data["local_resolution"]["right"] == [4.0, 5.0]
    assert data["percentiles"]["x"] == [3.1, 4.2, 4.9]
    assert data["percentiles"]["text"][1] == "median 4.20 Å"
    plot = local_resolution.histogram_plot(data, DARK, "local")
    assert plot.figures[0].y_range.end > 30


def test_opposite_directions_have_the_same_resolution() -> None:
    directions = [
        {"azimuth_deg": 45.0, "polar_deg": 48.18968510, "resolution_A": 4.0},
        {"azimuth_deg": 135.0, "polar_deg": 48.18968510, "resolution_A": 5.0},
        {"azimuth_deg": 225.0, "polar_deg": 48.18968510, "resolution_A": 6.0},
        {"azimuth_deg": 315.0, "polar_deg": 48.18968510, "resolution_A": 7.0},
        {"azimuth_deg": 0.0, "polar_deg": 90.0, "resolution_A": 8.0},
        {"azimuth_deg": 90.0, "polar_deg": 90.0, "resolution_A": 9.0},
    ]
    values = direction_plots.sphere_values(directions, 0)
    assert values.tolist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 8.0, 9.0, 6.0, 7.0, 4.0, 5.0]


def test_the_band_lies_between_the_extremes() -> None:
    mean = curve(20)
    table = {
        "frequency_per_A": [n / 200.0 for n in range(51)],
        "mean": mean,
        "deviation": [0.05] * 51,
        "minimum": [one - 0.1 for one in mean],
        "maximum": [one + 0.1 for one in mean],
        "whole": mean,
    }
    drawn = direction_plots.curves_data(table)["directional"]
    assert drawn["above"] == pytest.approx([one + 0.05 for one in mean])
    assert drawn["A"][:2] == ["∞", "200.00 Å"]
    assert len(direction_plots.curves_plot({"directional": drawn}, DARK, "d").figures) == 1
