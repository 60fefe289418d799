"""Post-processing beside RELION's (3.1) on the same half-maps, and RELION's tools on our files.

What has no random phases in it agrees to single precision: curves without mask and inside it to 1e-4,
maps to 1e-5 of their largest value, amplitudes to 1e-4. Random phases differ, so curves corrected with
them agree to 0.1 in any shell and to 0.02 on average.
"""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from compute.__main__ import run_job
from compute.files.mrc import read_map
from compute.files.star import read_star
from compute.signal.masks import sphere
from compute.signal.sharpening import (
    apply_b_factor,
    fsc_filter,
    guinier_fit,
    log_amplitudes,
    weight_shells,
)
from tests.halves import BOX, EXTENT_A, planted_halves, write_halves, write_mask

PROGRAMS = ("relion_postprocess", "relion_image_handler")
IS_INSTALLED = all(shutil.which(name) for name in PROGRAMS)
CORRECTED = "rlnFourierShellCorrelationCorrected"
RANDOM = "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps"
pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(not IS_INSTALLED, reason="RELION is not installed"),
]


def said(command: str, folder: Path) -> str:
    """What a program says that succeeds in a folder."""
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half-maps, a mask and a finely sampled MTF."""
    made = tmp_path_factory.mktemp("agreement")
    write_halves(made, planted_halves(7))
    write_mask(made, sphere(BOX, 18.0, 3.0))
    rows = "".join(f"{x:.4f} {np.exp(-2 * x):.9f}\n" for x in np.linspace(0, 0.5, 501))
    (made / "mtf.star").write_text(
        f"data_mtf\n\nloop_\n_rlnResolutionInversePixel #1\n_rlnMtfValue #2\n{rows}\n"
    )
    return made


@pytest.fixture
def both(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folders of a result of RELION's and of one of ours; the half-maps' folder is the working one."""
    monkeypatch.chdir(folder)
    return folder / "theirs", folder / "ours"


def run_both(both: tuple[Path, Path], options: str, **ours: object) -> None:
    """Post-process with both programs."""
    for path in both:
        shutil.rmtree(path, ignore_errors=True)
    both[0].mkdir()
    said(
        f"relion_postprocess --i run_half1.mrc --mask mask.mrc --o theirs/p {options}",
        both[0].parent,
    )
    params = {"half1": "run_half1.mrc", "mask": "mask.mrc", "output": "ours/p", **ours}
    assert run_job({"job": "postprocess", "params": params}) == 0


def columns(both: tuple[Path, Path], block: str) -> list[dict[str, np.ndarray]]:
    """A block of both STAR files."""
    return [read_star(path / "p.star")[block].columns for path in both]


def volumes(both: tuple[Path, Path], name: str = "p.mrc") -> list[np.ndarray]:
    """A map of both results."""
    return [read_map(path / name).volume for path in both]


def test_curves_figures_and_amplitudes(both: tuple[Path, Path]) -> None:
    run_both(both, "--auto_bfac --molweight 40", molecular_weight_kDa=40.0)
    theirs, ours = columns(both, "fsc")
    assert list(ours) == list(theirs)
    for label in theirs:
        if label not in {CORRECTED, RANDOM}:
            np.testing.assert_allclose(ours[label], theirs[label], atol=1e-4, rtol=1e-5)
    for label in (CORRECTED, RANDOM):
        apart = np.abs(ours[label] - theirs[label])
        assert apart.max() < 0.1 and apart.mean() < 0.02, label
    theirs, ours = columns(both, "general")
    assert set(theirs) <= set(ours)
    for label in theirs:
        if theirs[label].dtype.kind == "f" and "Guinier" not in label and "Bfactor" not in label:
            assert ours[label][0] == pytest.approx(theirs[label][0], rel=1e-5), label
    theirs, ours = columns(both, "guinier")
    assert list(ours) == list(theirs)
    for label in ("rlnResolutionSquared", "rlnLogAmplitudesOriginal"):
        np.testing.assert_allclose(ours[label], theirs[label], atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ("--adhoc_bfac -90", {"own_b_factor_A2": -90.0}),
        ("--adhoc_bfac 0 --low_pass 8", {"own_b_factor_A2": 0.0, "lowpass_A": 8.0}),
        ("--adhoc_bfac -90 --low_pass -1", {"own_b_factor_A2": -90.0, "lowpass_A": -1.0}),
        (
            "--adhoc_bfac -50 --low_pass 6 --filter_edge_width 4",
            {"own_b_factor_A2": -50.0, "lowpass_A": 6.0, "filter_edge_width_px": 4.0},
        ),
    ],
)
def test_maps_without_weight(both: tuple[Path, Path], flags: str, options: dict) -> None:
    run_both(both, f"--skip_fsc_weighting {flags}", skip_fsc_weighting=True, **options)
    for name in ("p.mrc", "p_masked.mrc"):
        theirs, ours = volumes(both, name)
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * float(np.abs(theirs).max()))
    theirs, ours = columns(both, "guinier")
    assert set(theirs) <= set(ours)
    for label in theirs:
        np.testing.assert_allclose(ours[label], theirs[label], atol=1e-4)


def test_the_fit_to_the_whole_box_is_theirs(both: tuple[Path, Path]) -> None:
    """Where ours names the B-factor of the whole box beside that inside the mask, theirs has and applies that."""
    run_both(
        both,
        "--skip_fsc_weighting --auto_bfac --autob_lowres 12 --autob_highres 4",
        skip_fsc_weighting=True,
        fit_lowest_resolution_A=12.0,
        fit_highest_resolution_A=4.0,
    )
    theirs = float(columns(both, "general")[0]["rlnBfactorUsedForSharpening"][0])
    ours = read_star(both[1] / "p.star")["b_factors"].columns
    assert ours["halfmapBfactorWholeBox"][0] == pytest.approx(theirs, rel=1e-4)
    inside_A2 = float(columns(both, "general")[1]["rlnBfactorUsedForSharpening"][0])
    assert ours["halfmapBfactorInsideMask"][0] == pytest.approx(inside_A2, rel=1e-5)
    assert abs(inside_A2 / theirs - 1) > 1e-3


def test_the_half_maps_are_sharpened_alike(both: tuple[Path, Path]) -> None:
    run_both(
        both,
        "--skip_fsc_weighting --adhoc_bfac -90 --low_pass 6 --half_maps",
        skip_fsc_weighting=True,
        own_b_factor_A2=-90.0,
        lowpass_A=6.0,
        half_maps=True,
    )
    for name in ("p_half1.mrc", "p_half2.mrc", "p_half1_masked.mrc", "p_half2_masked.mrc"):
        theirs, ours = volumes(both, name)
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * float(np.abs(theirs).max()))
    halves = [read_map(both[1] / f"p_half{n}.mrc").volume for n in (1, 2)]
    average = read_map(both[1] / "p.mrc").volume
    np.testing.assert_allclose((halves[0] + halves[1]) / 2, average, atol=1e-5)


def test_the_mtf(both: tuple[Path, Path]) -> None:
    flags = "--skip_fsc_weighting --adhoc_bfac -40 --mtf mtf.star --mtf_angpix 1.1"
    run_both(
        both,
        flags,
        skip_fsc_weighting=True,
        own_b_factor_A2=-40.0,
        mtf="mtf.star",
        mtf_pixel_size_A=1.1,
    )
    theirs, ours = volumes(both)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * float(np.abs(theirs).max()))


def test_the_weight_and_the_b_factor_of_a_curve(both: tuple[Path, Path]) -> None:
    """With RELION's own corrected curve, weight, Guinier fit and map come out as RELION's."""
    run_both(both, "--auto_bfac")
    curve = torch.from_numpy(columns(both, "fsc")[0][CORRECTED])
    halves = [read_map(both[0].parent / f"run_half{n}.mrc").volume for n in (1, 2)]
    average = torch.fft.rfftn(torch.from_numpy(halves[0] + halves[1]) / 2, norm="forward")
    weighted = weight_shells(average, fsc_filter(curve))
    amplitudes = log_amplitudes(weighted, len(curve))
    theirs = columns(both, "guinier")[0]
    np.testing.assert_allclose(amplitudes, theirs["rlnLogAmplitudesWeighted"], atol=1e-4)
    s = torch.arange(len(curve)).double() / EXTENT_A
    fit = guinier_fit(s.square(), amplitudes, s >= 0.1)
    assert fit is not None
    general = columns(both, "general")[0]
    assert fit.slope_A2 == pytest.approx(general["rlnFittedSlopeGuinierPlot"][0], rel=1e-4)
    assert fit.intercept == pytest.approx(general["rlnFittedInterceptGuinierPlot"][0], rel=1e-4)
    assert fit.correlation == pytest.approx(general["rlnCorrelationFitGuinierPlot"][0], rel=1e-4)
    b_factor_A2 = float(general["rlnBfactorUsedForSharpening"][0])
    assert fit.b_factor_A2 == pytest.approx(b_factor_A2, rel=1e-4)
    sharpened = apply_b_factor(weighted, b_factor_A2, EXTENT_A)
    ours = torch.fft.irfftn(sharpened, s=(BOX,) * 3, norm="forward")
    expected = volumes(both)[0]
    np.testing.assert_allclose(ours, expected, atol=1e-5 * float(np.abs(expected).max()))


def test_a_calibrated_pixel(both: tuple[Path, Path]) -> None:
    run_both(both, "--adhoc_bfac -100 --angpix 1.57", own_b_factor_A2=-100.0, pixel_size_A=1.57)
    first, second = columns(both, "fsc")
    np.testing.assert_allclose(
        first["rlnAngstromResolution"], second["rlnAngstromResolution"], rtol=1e-6
    )
    assert read_map(both[0] / "p.mrc").pixel_size_A == pytest.approx(
        read_map(both[1] / "p.mrc").pixel_size_A
    )


def test_relion_reads_our_map(both: tuple[Path, Path]) -> None:
    run_both(both, "--adhoc_bfac -100", own_b_factor_A2=-100.0)
    output = said("relion_image_handler --i ours/p.mrc --stats", both[0].parent)
    found = re.search(r"stddev= ([-+.0-9e]+)", output)
    assert found is not None
    assert float(found[1]) == pytest.approx(float(volumes(both)[1].std()), rel=1e-4)
