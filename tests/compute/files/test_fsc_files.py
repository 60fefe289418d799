"""FSC curves as tables and XML, with the first row as other programs write it."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compute.files.fsc_files import FscCurves, write_fsc_star, write_fsc_xml
from compute.files.star import read_star, read_tables

COLUMNS = """
    rlnSpectralIndex rlnResolution rlnAngstromResolution rlnFourierShellCorrelationCorrected
    rlnFourierShellCorrelationParticleMaskFraction rlnFourierShellCorrelationUnmaskedMaps
    rlnFourierShellCorrelationMaskedMaps
    rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps
""".split()
CURVES = FscCurves(extent_A=226.56, unmasked=np.array([1.0, 0.98765432, 0.5, -0.0123456]))
MADE = (113.28, ["run_half1_class001_unfil.mrc", "run_half2_class001_unfil.mrc"])
MASKED = FscCurves(
    extent_A=226.56,
    unmasked=np.array([1.0, 0.9, 0.5, 0.1]),
    masked=np.array([1.0, 0.95, 0.6, 0.2]),
    randomised=np.array([1.0, 0.2, 0.1, 0.0]),
    corrected=np.array([1.0, 0.94, 0.55, 0.2]),
    partial_volume=np.array([1.0, 0.96, 0.7, 0.3]),
)


def test_table_has_the_columns_of_post_processing(tmp_path: Path) -> None:
    path = tmp_path / "run_fsc.star"
    write_fsc_star(path, MASKED, *MADE)
    table = read_star(path)["fsc"]
    assert list(table.columns) == COLUMNS
    expected = (MASKED.corrected, MASKED.partial_volume, MASKED.unmasked, MASKED.masked)
    for label, curve in zip(COLUMNS[3:], (*expected, MASKED.randomised), strict=True):
        assert curve is not None
        np.testing.assert_allclose(table.columns[label], curve)


def test_the_file_says_the_resolution_and_of_which_maps(tmp_path: Path) -> None:
    write_fsc_star(tmp_path / "run_fsc.star", CURVES, *MADE)
    general = read_star(tmp_path / "run_fsc.star")["general"]
    assert general.is_list
    assert {label: column[0] for label, column in general.columns.items()} == {
        "rlnFinalResolution": 113.28,
        "rlnUnfilteredMapHalf1": "run_half1_class001_unfil.mrc",
        "rlnUnfilteredMapHalf2": "run_half2_class001_unfil.mrc",
    }


def test_first_row_stands_at_999(tmp_path: Path) -> None:
    write_fsc_star(tmp_path / "run_fsc.star", CURVES, *MADE)
    rows = read_tables(tmp_path / "run_fsc.star")["fsc"]
    assert rows["rlnAngstromResolution"][0] == 999.0
    assert rows["rlnResolution"][0] == pytest.approx(0.001001, abs=5e-7)
    np.testing.assert_allclose(rows["rlnResolution"][1:], np.arange(1, 4) / 226.56, rtol=1e-8)
    np.testing.assert_allclose(rows["rlnAngstromResolution"][1:], 226.56 / np.arange(1, 4))


def test_without_a_mask_the_unmasked_curve_stands_for_all(tmp_path: Path) -> None:
    write_fsc_star(tmp_path / "run_fsc.star", CURVES, *MADE)
    columns = read_star(tmp_path / "run_fsc.star")["fsc"].columns
    for label in COLUMNS[3:7]:
        np.testing.assert_allclose(columns[label], CURVES.unmasked, rtol=1e-8)
    assert not columns[COLUMNS[7]].any()


def test_xml_is_what_emdb_takes(tmp_path: Path) -> None:
    path = tmp_path / "run_fsc.xml"
    write_fsc_xml(path, CURVES)
    root = ElementTree.parse(path).getroot()
    assert root.tag == "fsc"
    assert root.attrib["xaxis"] == "Resolution (A-1)"
    assert root.attrib["yaxis"] == "Correlation Coefficient"
    assert root.attrib["title"] == "Halfmap unmasked FSC"
    pairs = [(c.findtext("x"), c.findtext("y")) for c in root.findall("coordinate")]
    assert pairs[0] == ("0.001001", "1")
    assert pairs[1] == ("0.00441384", "0.987654")
    assert pairs[3] == ("0.0132415", "-0.0123456")
    assert len(pairs) == 4


def test_xml_of_masked_maps_holds_the_corrected_curve(tmp_path: Path) -> None:
    path = tmp_path / "run_fsc.xml"
    write_fsc_xml(path, MASKED)
    root = ElementTree.parse(path).getroot()
    assert root.attrib["title"] == "Halfmap masked-corrected FSC"
    assert [float(c.findtext("y") or "nan") for c in root] == [1.0, 0.94, 0.55, 0.2]


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = replace(CURVES, unmasked=np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="nan"):
        write_fsc_xml(tmp_path / "run_fsc.xml", broken)
    with pytest.raises(ValueError, match="nan"):
        write_fsc_star(tmp_path / "run_fsc.star", broken, *MADE)
    assert not list(tmp_path.iterdir())
