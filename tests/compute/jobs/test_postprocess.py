"""Post-processing: its files and tables, planted B-factors, and input that cannot be used."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compute.__main__ import checked, run_job
from compute.files import events
from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.files.postprocess_files import read_postprocess
from compute.files.progress import read_progress
from compute.files.star import read_star
from compute.jobs.half_pair import partner
from compute.params.postprocess import PostprocessParams
from compute.signal.fourier import lowpass
from compute.signal.masks import sphere
from compute.signal.sharpening import log_amplitudes
from tests.halves import (
    BOX,
    EXTENT_A,
    MASK_RADIUS,
    PIXEL_A,
    frequency,
    planted_atoms,
    planted_halves,
    shaped,
    write_halves,
    write_mask,
)

GENERAL = """
    rlnFinalResolution rlnBfactorUsedForSharpening rlnUnfilteredMapHalf1 rlnUnfilteredMapHalf2
    rlnPostprocessedMap rlnMolecularWeight rlnParticleBoxFractionMolecularWeight
    rlnParticleBoxFractionSolventMask rlnMaskName rlnRandomiseFrom rlnPostprocessedMapMasked
    rlnFittedSlopeGuinierPlot rlnFittedInterceptGuinierPlot rlnCorrelationFitGuinierPlot
""".split()
FSC = """
    rlnSpectralIndex rlnResolution rlnAngstromResolution rlnFourierShellCorrelationCorrected
    rlnFourierShellCorrelationParticleMaskFraction rlnFourierShellCorrelationParticleMolWeight
    rlnFourierShellCorrelationUnmaskedMaps rlnFourierShellCorrelationMaskedMaps
    rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps
""".split()
GUINIER = """
    rlnResolutionSquared rlnLogAmplitudesOriginal rlnLogAmplitudesMTFCorrected
    rlnLogAmplitudesWeighted rlnLogAmplitudesSharpened rlnLogAmplitudesIntercept
""".split()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two half-maps, a mask and an MTF."""
    folder = tmp_path_factory.mktemp("halves")
    write_halves(folder, planted_halves(0))
    write_mask(folder, sphere(BOX, MASK_RADIUS, 3.0))
    rows = "".join(f"{x:.3f} {np.exp(-2 * x):.9f}\n" for x in np.linspace(0, 0.5, 51))
    (folder / "mtf.star").write_text(
        f"data_\n\nloop_\n_rlnResolutionInversePixel #1\n_rlnMtfValue #2\n{rows}"
    )
    return folder


def postprocess(given: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Run the job on the given half-maps and mask; what its summary says."""
    values = {
        "half1": str(given / "run_half1.mrc"),
        "mask": str(given / "mask.mrc"),
        "output": str(out / "postprocess"),
    }
    assert run_job({"job": "postprocess", "params": values | options}) == 0
    summary: dict[str, Any] = json.loads((out / "postprocess_summary.json").read_text())
    return summary


def warned(out: Path) -> list[str]:
    """What the job in a folder has warned of."""
    return [one.message for one in read_progress(out / "progress.jsonl") if one.kind == "warning"]


def test_files_and_tables(given: Path, tmp_path: Path) -> None:
    summary = postprocess(
        given,
        tmp_path,
        mtf=str(given / "mtf.star"),
        mtf_pixel_size_A=1.0,
        molecular_weight_kDa=30.0,
    )
    blocks = read_star(tmp_path / "postprocess.star")
    assert list(blocks) == ["general", "fsc", "guinier", "b_factors", "guinier_inside_mask"]
    assert list(blocks["general"].columns) == GENERAL
    assert list(blocks["fsc"].columns) == FSC
    assert list(blocks["guinier"].columns) == GUINIER
    assert (tmp_path / "postprocess.star").read_text().startswith("# Halfmap postprocess; version")
    general = {label: values[0] for label, values in blocks["general"].columns.items()}
    shell = round(EXTENT_A / general["rlnFinalResolution"])
    corrected = blocks["fsc"].columns[FSC[3]]
    assert (corrected[1 : shell + 1] >= 0.143).all() and corrected[shell + 1] < 0.143
    assert 0 < EXTENT_A / summary["resolution_A"] - shell < 1
    assert general["rlnParticleBoxFractionSolventMask"] == pytest.approx(
        0.476 / float((sphere(BOX, MASK_RADIUS, 3.0) > 0.5).double().mean())
    )
    assert general["rlnParticleBoxFractionMolecularWeight"] == pytest.approx(
        0.476 * EXTENT_A**3 * 0.81 / 30_000
    )
    assert general["rlnBfactorUsedForSharpening"] == pytest.approx(
        4 * general["rlnFittedSlopeGuinierPlot"]
    )
    xml = ElementTree.parse(tmp_path / "postprocess_fsc.xml").getroot()
    drawn = [float(point.findtext("y") or "nan") for point in xml]
    np.testing.assert_allclose(drawn, corrected, atol=1e-5)
    lines = [line.split() for line in (tmp_path / "postprocess_fsc.dat").read_text().splitlines()]
    np.testing.assert_allclose(np.array(lines, float)[:, 1], corrected, atol=1e-6)
    np.testing.assert_allclose(
        np.array(lines, float)[:, 0], blocks["fsc"].columns["rlnResolution"], atol=1e-6
    )
    assert lines[0] == ["0.001001", "1.000000"]
    masked, whole = (
        read_map(tmp_path / name) for name in ("postprocess_masked.mrc", "postprocess.mrc")
    )
    mask = sphere(BOX, MASK_RADIUS, 3.0).numpy()
    np.testing.assert_allclose(masked.volume, whole.volume * mask, atol=1e-6)
    assert masked.pixel_size_A == pytest.approx(PIXEL_A)


def test_the_record_names_what_was_made(given: Path, tmp_path: Path) -> None:
    summary = postprocess(given, tmp_path)
    end = read_progress(tmp_path / "progress.jsonl")[-1]
    assert isinstance(end, events.End)
    assert {one.path: one.content for one in end.outputs} == {
        "postprocess.mrc": "map",
        "postprocess_masked.mrc": "map",
        "postprocess_fsc.xml": "FSC",
        "postprocess_fsc.dat": "FSC",
        "postprocess_summary.json": "report",
        "postprocess.star": "post-processing",
    }
    assert all((tmp_path / one.path).stat().st_size for one in end.outputs)
    assert end.resolution_A == pytest.approx(summary["resolution_A"])
    assert end.resolution_criterion == "FSC 0.143, half-maps, masked and corrected"
    assert summary["mask"]["grade"] == "good"


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_b_factor_is_found(seed: int, tmp_path: Path) -> None:
    """The fit inside the mask finds it, and is the one that is applied; that to the whole box mostly finds less, by
    5 % on average, since the noise around the particle flattens the line."""
    write_halves(tmp_path, planted_halves(seed, b_factor_A2=200.0))
    write_mask(tmp_path, sphere(BOX, MASK_RADIUS, 3.0))
    summary = postprocess(tmp_path, tmp_path / "P")
    assert summary["b_factor_A2"] == pytest.approx(-200.0, rel=0.05)
    assert summary["fit"]["region"] == "inside the mask"
    assert summary["b_factor_whole_box_A2"] == pytest.approx(-190.0, rel=0.12)
    assert summary["resolution_A"] == pytest.approx(3.6, rel=0.1)
    sharpened = tmp_path / "P" / "postprocess.mrc"
    left_A2 = remaining_b_factor_A2(sharpened, planted_atoms(seed), summary["resolution_A"])
    assert abs(left_A2) < 5.0


@pytest.mark.parametrize("seed", range(5))
def test_inside_its_mask_the_b_factor_of_a_small_particle_is_found(
    seed: int, tmp_path: Path
) -> None:
    write_halves(tmp_path, planted_halves(seed, b_factor_A2=120.0, radius=12.0))
    write_mask(tmp_path, sphere(BOX, 14.0, 3.0))
    found = postprocess(tmp_path, tmp_path / "P")
    assert found["b_factor_A2"] == pytest.approx(-120.0, rel=0.1)
    assert abs(found["b_factor_whole_box_A2"] + 120.0) > abs(found["b_factor_A2"] + 120.0)


def remaining_b_factor_A2(sharpened: Path, truth: torch.Tensor, resolution_A: float) -> float:
    """What B-factor the amplitudes of a map inside the mask still have against those of the truth."""
    mask = sphere(BOX, MASK_RADIUS, 3.0)
    volume = torch.from_numpy(read_map(sharpened).volume)
    logs = [
        log_amplitudes(torch.fft.rfftn(one * mask), BOX // 2 + 1).numpy() for one in (volume, truth)
    ]
    s = np.arange(len(logs[0])) / EXTENT_A
    is_used = (s >= 0.1) & (s <= 1 / resolution_A)
    return 4 * float(np.polyfit(s[is_used] ** 2, (logs[0] - logs[1])[is_used], 1)[0])


def test_the_star_file_names_where_each_b_factor_was_fitted(given: Path, tmp_path: Path) -> None:
    summary = postprocess(given, tmp_path)
    blocks = read_star(tmp_path / "postprocess.star")
    own = {label: values[0] for label, values in blocks["b_factors"].columns.items()}
    assert own["halfmapFittedRegion"] == "inside the mask"
    assert own["halfmapBfactorInsideMask"] == pytest.approx(summary["b_factor_A2"], rel=1e-5)
    whole_box = summary["b_factor_whole_box_A2"]
    assert own["halfmapBfactorWholeBox"] == pytest.approx(whole_box, rel=1e-5)
    squared, inside = blocks["guinier_inside_mask"].columns.values()
    fit = summary["fit"]
    is_used = (squared >= fit["lowest_resolution_A"] ** -2) & (
        squared <= fit["highest_resolution_A"] ** -2
    )
    slope, intercept = np.polyfit(squared[is_used], inside[is_used], 1)
    general = blocks["general"].columns
    assert is_used.sum() == fit["points"]
    assert general["rlnFittedSlopeGuinierPlot"][0] == pytest.approx(slope, rel=1e-4)
    assert general["rlnFittedInterceptGuinierPlot"][0] == pytest.approx(intercept, rel=1e-4)
    tables = read_postprocess(tmp_path / "postprocess.star")
    assert tables.fitted_region == "inside the mask"
    np.testing.assert_array_equal(tables.amplitudes["inside_mask"], inside)


def test_without_a_mask(given: Path, tmp_path: Path) -> None:
    summary = postprocess(given, tmp_path, mask="")
    assert summary["criterion"] == "FSC 0.143, unmasked half-maps"
    assert summary["mask"] is None
    assert summary["fit"]["region"] == "whole box"
    assert summary["b_factor_A2"] == summary["b_factor_whole_box_A2"] < 0
    assert not (tmp_path / "postprocess_masked.mrc").exists()
    columns = read_star(tmp_path / "postprocess.star")["fsc"].columns
    np.testing.assert_array_equal(columns[FSC[3]], columns[FSC[6]])
    assert not columns[FSC[8]].any()
    assert "rlnMaskName" not in read_star(tmp_path / "postprocess.star")["general"].columns


def test_only_what_is_asked_for_is_done_to_the_average(given: Path, tmp_path: Path) -> None:
    halves = [read_map(given / f"run_half{n}.mrc").volume for n in (1, 2)]
    average = torch.from_numpy((halves[0] + halves[1]) / 2)
    plain = {"skip_fsc_weighting": True, "own_b_factor_A2": 0.0}
    postprocess(given, tmp_path / "a", **plain)
    found = read_map(tmp_path / "a" / "postprocess.mrc").volume
    np.testing.assert_allclose(found, average, atol=1e-5 * float(average.abs().max()))

    postprocess(given, tmp_path / "b", **(plain | {"own_b_factor_A2": -80.0}))
    s = frequency()
    weight = torch.exp(20 * s.square()) * (s <= 1 / (2 * PIXEL_A) + 1e-6)
    expected = shaped(average, weight)
    found = read_map(tmp_path / "b" / "postprocess.mrc").volume
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.abs().max()))

    postprocess(given, tmp_path / "c", lowpass_A=9.0, **plain)
    expected = lowpass(average, PIXEL_A, 9.0)
    found = read_map(tmp_path / "c" / "postprocess.mrc").volume
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.abs().max()))


def test_the_mtf_is_divided_out(given: Path, tmp_path: Path) -> None:
    options = {"skip_fsc_weighting": True, "own_b_factor_A2": 0.0, "mtf_pixel_size_A": 1.0}
    postprocess(given, tmp_path, mtf=str(given / "mtf.star"), **options)
    halves = [read_map(given / f"run_half{n}.mrc").volume for n in (1, 2)]
    s = frequency()
    weight = torch.exp(2 * s).where(s < 1 / (2 * PIXEL_A) - 1e-6, 1.0)
    expected = shaped(torch.from_numpy((halves[0] + halves[1]) / 2), weight)
    found = read_map(tmp_path / "postprocess.mrc").volume
    np.testing.assert_allclose(found, expected, atol=1e-3 * float(expected.abs().max()))


def test_a_calibrated_pixel_changes_axes_and_headers_only(given: Path, tmp_path: Path) -> None:
    plain = {"skip_fsc_weighting": True, "own_b_factor_A2": 0.0}
    before = postprocess(given, tmp_path / "a", **plain)
    after = postprocess(given, tmp_path / "b", pixel_size_A=1.6, **plain)
    assert after["resolution_A"] == pytest.approx(before["resolution_A"] * 1.6 / PIXEL_A)
    maps = [read_map(tmp_path / name / "postprocess.mrc") for name in "ab"]
    np.testing.assert_array_equal(maps[0].volume, maps[1].volume)
    assert maps[1].pixel_size_A == pytest.approx(1.6)
    axis = read_star(tmp_path / "b" / "postprocess.star")["fsc"].columns["rlnAngstromResolution"]
    assert axis[1] == pytest.approx(BOX * 1.6)


def test_a_tight_mask_is_graded(given: Path, tmp_path: Path) -> None:
    speckle = lowpass(torch.randn((BOX,) * 3, generator=torch.Generator().manual_seed(1)), 1.5, 6.0)
    mask = (speckle > 1.5 * speckle.std()).float() * sphere(BOX, 16.0, 0.0)
    write_map(tmp_path / "tight.mrc", mask.numpy(), PIXEL_A)
    summary = postprocess(given, tmp_path / "P", mask=str(tmp_path / "tight.mrc"), force_mask=True)
    assert summary["mask"]["grade"] == "too tight"
    assert any("too tight or too sharp" in text for text in warned(tmp_path / "P"))


def test_a_mask_that_cuts_the_particle_is_given_up(given: Path, tmp_path: Path) -> None:
    mask = torch.roll(sphere(BOX, 5.0, 1.0), 18, 0)
    write_map(tmp_path / "beside.mrc", mask.numpy(), PIXEL_A)
    summary = postprocess(given, tmp_path / "P", mask=str(tmp_path / "beside.mrc"))
    assert summary["mask"]["grade"] == "of no use"
    assert summary["criterion"] == "FSC 0.143, unmasked half-maps"
    assert any("reaches further" in text for text in warned(tmp_path / "P"))
    assert summary["fit"]["region"] == "whole box"
    assert summary["b_factor_A2"] == summary["b_factor_whole_box_A2"] < 0


def test_no_points_for_the_guinier_fit(tmp_path: Path) -> None:
    write_halves(tmp_path, planted_halves(0, b_factor_A2=900.0, resolution_A=14.0))
    write_mask(tmp_path, sphere(BOX, MASK_RADIUS, 3.0))
    summary = postprocess(tmp_path, tmp_path / "P")
    assert summary["b_factor_A2"] == 0 and summary["fit"] is None
    (text,) = [one for one in warned(tmp_path / "P") if "B-factor" in one]
    assert text == (
        f"Resolution {summary['resolution_A']:.1f} Å: automatic B-factor needs data beyond 10 Å; "
        "map was not sharpened."
    )
    assert (
        "rlnFittedSlopeGuinierPlot"
        not in read_star(tmp_path / "P" / "postprocess.star")["general"].columns
    )


def test_the_partner_is_found_by_its_name() -> None:
    assert partner("half1/x_half1_unfil.mrc") == "half1/x_half2_unfil.mrc"
    assert partner("a/half2.mrc") == "a/half1.mrc"
    with pytest.raises(InputError, match=r"odd\.mrc says neither half1 nor half2.*--i2"):
        partner("half1/odd.mrc")


def test_any_names_when_both_are_chosen(given: Path, tmp_path: Path) -> None:
    for number, name in ((1, "odd.mrc"), (2, "even.mrc")):
        (tmp_path / name).write_bytes((given / f"run_half{number}.mrc").read_bytes())
    chosen = {"half1": str(tmp_path / "odd.mrc"), "half2": str(tmp_path / "even.mrc")}
    summary = postprocess(given, tmp_path / "P", **chosen)
    assert summary["resolution_A"] == postprocess(given, tmp_path / "Q")["resolution_A"]
    general = read_star(tmp_path / "P" / "postprocess.star")["general"].columns
    assert str(general["rlnUnfilteredMapHalf2"][0]) == chosen["half2"]


def test_masks_that_cannot_serve(given: Path, tmp_path: Path) -> None:
    small = sphere(24, 9.0, 2.0)
    for volume, sentence, ok, way in (
        (small, r"box of 24 x 24 x 24 voxels .* of 48 x 48 x 48: .*--fit-mask", "fit_mask", 3.0),
        (1.5 * sphere(BOX, 18.0, 3.0), r"values from 0 to 1\.5 .*--clip-mask", "clip_mask", 1.5),
        (torch.zeros(BOX, BOX, BOX), "is empty", "", 1.5),
    ):
        write_map(tmp_path / "mask.mrc", volume.numpy(), way)
        with pytest.raises(InputError, match=sentence):
            postprocess(given, tmp_path / "P", mask=str(tmp_path / "mask.mrc"))
        if ok:
            mended = {"mask": str(tmp_path / "mask.mrc"), ok: True}
            found = postprocess(given, tmp_path / "Q", **mended)
            assert found["mask"]["share_of_box"] == pytest.approx(
                postprocess(given, tmp_path / "R")["mask"]["share_of_box"], rel=0.15
            )
    assert not list((tmp_path / "P").glob("postprocess*"))
    assert (tmp_path / "P" / "RELION_JOB_EXIT_FAILURE").exists()


def test_half_maps_that_cannot_serve(given: Path, tmp_path: Path) -> None:
    first = read_map(given / "run_half1.mrc").volume
    chosen = {"half1": str(given / "run_half1.mrc"), "half2": str(tmp_path / "other.mrc")}
    for volume, pixel_A, sentence in (
        (first, PIXEL_A, "hold the same map"),
        (3 * first, PIXEL_A, "hold the same map"),
        (first[:24, :24, :24], PIXEL_A, "box of 48 x 48 x 48 .* 24 x 24 x 24"),
        (first[:, :40], PIXEL_A, "must be cubes"),
        (first[::-1], 1.7, r"1\.5000 Å and .*1\.7000 Å"),
        (np.zeros_like(first), PIXEL_A, "same value everywhere"),
        (np.where(first > 0, np.nan, first), PIXEL_A, "not numbers"),
    ):
        write_map(tmp_path / "other.mrc", volume, pixel_A)
        with pytest.raises(InputError, match=sentence):
            postprocess(given, tmp_path / "P", **chosen)
    chosen["half2"] = chosen["half1"]
    with pytest.raises(InputError, match="chosen for both halves"):
        postprocess(given, tmp_path / "P", **chosen)
    with pytest.raises(InputError, match="does not exist"):
        postprocess(given, tmp_path / "P", half1=str(tmp_path / "run_half1.mrc"))


def test_one_map_made_from_the_other_is_seen(given: Path, tmp_path: Path) -> None:
    first = read_map(given / "run_half1.mrc").volume
    noise = np.random.default_rng(0).normal(size=first.shape)
    write_map(tmp_path / "b.mrc", first + 1e-3 * float(first.std()) * noise, PIXEL_A)
    chosen = {"half1": str(given / "run_half1.mrc"), "half2": str(tmp_path / "b.mrc")}
    with pytest.raises(InputError, match="never drops below"):
        postprocess(given, tmp_path / "P", **chosen)


def test_maps_that_their_pixel_limits(tmp_path: Path) -> None:
    """Halves that agree up to Nyquist are not refused: the result says what limits it."""
    signal = torch.randn((BOX,) * 3, generator=torch.Generator().manual_seed(3))
    noise = torch.randn((2, *signal.shape), generator=torch.Generator().manual_seed(4))
    halves = signal * sphere(BOX, 12.0, 2.0) + 0.05 * noise
    write_halves(tmp_path, (halves[0], halves[1]))
    write_mask(tmp_path, sphere(BOX, MASK_RADIUS, 3.0))
    summary = postprocess(tmp_path, tmp_path / "P")
    assert summary["is_at_nyquist"]
    assert summary["resolution_A"] == pytest.approx(2 * PIXEL_A)
    assert any("at Nyquist (3.00 Å)" in text for text in summary["remarks"])
    assert any("never drops below 0.8" in text for text in summary["remarks"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"auto_b_factor": True, "own_b_factor_A2": -50.0}, "not both"),
        ({"mtf": "mtf.star"}, "--mtf_angpix"),
        ({"fit_highest_resolution_A": 12.0}, "the first must be larger"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        checked(PostprocessParams, {"half1": "a", "output": "O/p", **options})


def test_an_own_b_factor_takes_the_place_of_the_fit() -> None:
    params = PostprocessParams(half1="a", output="O/p", own_b_factor_A2=-50.0)
    assert not params.auto_b_factor
    assert PostprocessParams(half1="a", output="O/p").auto_b_factor


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data_x\n\nloop_\n_rlnMtfValue #1\n1\n", "no table with"),
        ("data_\n\nloop_\n_rlnResolutionInversePixel #1\n_rlnMtfValue #2\n0 1\n0.5 0\n", "row 2"),
        ("data_\n\nloop_\n_rlnResolutionInversePixel #1\n_rlnMtfValue #2\n0.5 1\n0 1\n", "rise"),
    ],
)
def test_mtfs_that_cannot_serve(given: Path, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "mtf.star").write_text(text)
    with pytest.raises(InputError, match=sentence):
        postprocess(given, tmp_path, mtf=str(tmp_path / "mtf.star"), mtf_pixel_size_A=1.0)


def test_a_second_run_keeps_the_first(given: Path, tmp_path: Path) -> None:
    postprocess(given, tmp_path)
    before = (tmp_path / "postprocess.star").read_bytes()
    postprocess(given, tmp_path, mask="", own_b_factor_A2=-10.0)
    (kept,) = (tmp_path / "superseded").glob("*/postprocess.star")
    assert kept.read_bytes() == before
    assert (kept.parent / "postprocess_masked.mrc").exists()
    assert not (tmp_path / "postprocess_masked.mrc").exists()


def test_a_folder_is_output_enough() -> None:
    assert PostprocessParams(half1="a", output="P/job003/").output == "P/job003/postprocess"
    assert PostprocessParams(half1="a", output="P/job003/p.mrc").output == "P/job003/p"
