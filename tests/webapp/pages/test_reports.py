"""What is shown of masks and of selections: their figures, as the reports have them."""

from typing import Any

import pytest

from webapp.components.look import LIGHT
from webapp.components.mask_plot import mask_data, mask_plot
from webapp.pages.classes_tab import class_cards, class_rows
from webapp.pages.mask_tab import facts

REPORT: dict[str, Any] = {
    "threshold": 0.0123456,
    "threshold_reason": "as given",
    "region_volume_A3": 123456.7,
    "region_mass_kDa": 100.0,
    "volume_A3": 2345678.0,
    "mass_kDa": 1900.0,
    "box_fraction": 0.043,
    "soft_edge_A": 10.5,
    "dust_pieces": 3,
    "holes_filled": 1,
    "grade": {"grade": "good", "remarks": ["Its edge is <soft>."]},
    "levels": {"solvent": 0.0, "noise": 0.001, "molecule": 0.03, "threshold": 0.01},
    "histogram": {
        "edges": [0.0, 0.01, 0.02],
        "counts": [90, 10],
        "volume_above_A3": [100.0, 10.0],
    },
}
OVERVIEW: dict[str, Any] = {
    "particles": 10,
    "classes": [
        {
            "number": n,
            "particles": count,
            "fraction": count / 10,
            "is_selected": n == 2,
            "resolution_A": resolution,
            "accuracy_angles_deg": None,
            "accuracy_offsets_A": None,
            "slices": {"z": [[0, 255], [128, 64]]},
        }
        for n, count, resolution in ((1, 4, None), (2, 6, 7.5))
    ],
}


def test_a_mask_tells_threshold_volume_and_grade() -> None:
    text = facts(REPORT)
    assert "<b>0.01235</b>, as given" in text
    assert "<b>123 457 Å³</b>, as 100 kDa" in text
    assert "<b>2 345 678 Å³</b>, as 1 900 kDa of protein, 4.3% of the box" in text
    assert "Its edge is &lt;soft&gt;." in text


def test_the_histogram_of_a_mask_marks_its_levels() -> None:
    data = mask_data(REPORT)
    assert data["mask_marks"]["x"] == pytest.approx([0.0123456, 0.0, 0.03])
    threshold, solvent, molecule = data["mask_marks"]["label_y"]
    assert threshold < solvent == molecule, "neighbours must not write over each other"
    assert data["mask_volume"]["volume_A3"] == [100.0, 10.0]
    assert len(mask_plot(data, LIGHT, "mask").figures) == 1
    shape = mask_data({**REPORT, "histogram": None, "levels": None, "threshold": None})
    assert shape["mask_marks"]["x"] == [] and shape["mask_histogram"]["voxels"] == []


def test_classes_stand_side_by_side_with_the_kept_one_marked() -> None:
    text = class_cards(OVERVIEW)
    assert text.count("<img") == 2 and text.count('class="kept"') == 1
    assert "6 particles, 60.0% · 7.50 Å" in text and "resolution unknown" in text
    rows = class_rows(OVERVIEW)
    assert [row["kept"] for row in rows] == ["", "yes"]
    assert [row["share"] for row in rows] == [40.0, 60.0]
