"""Simulated micrographs: particles where and as the truth says, noise of unit variance, and what does not fit."""

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import torch

from compute.__main__ import run_job
from compute.files.micrographs import read_micrographs
from compute.files.relion import read_exit_marker
from compute.jobs.microscope import build_microscope
from compute.jobs.simulate_micrographs import SimulatedMicrographs, make_micrographs
from compute.jobs.simulate_parts import diameter_of
from compute.jobs.specimen import read_specimen
from compute.params.simulate import SimulateParams
from compute.signal.simulation import ice, noise_spectrum, place_particles
from tests.compute.jobs import extracting as e
from tests.data import phantom_params


def params_for(folder: Path | str, **options: Any) -> SimulateParams:
    """Two micrographs of 256 pixels of 4 Å with ten particles each."""
    defaults: dict[str, Any] = {
        "particles": 20, "micrographs": 2, "micrograph_size_px": 256, "snr": 0.0, "particle_diameter_A": 76.0,
        "defocus_minimum_A": 6000.0, "defocus_maximum_A": 9000.0, "astigmatism_A": 800.0, "offset_sigma_A": 9.0,
    }  # fmt: skip
    return phantom_params(folder, **(defaults | options))


def made(folder: Path, **options: Any) -> SimulatedMicrographs:
    """Their files, written from within the folder, as from a project."""
    with e.inside(folder):
        return make_micrographs(params_for(".", **options), log=lambda line: None)


def extracted(folder: Path, **options: Any) -> np.ndarray:
    """The particles cut out again: all images in the order of the truth."""
    defaults: dict[str, Any] = {
        "micrographs": "micrographs_ctf.star",
        "box": 32,
        "invert_contrast": True,
    }
    found = e.extract(folder, **(defaults | options))
    stacks = dict.fromkeys(name.partition("@")[2] for name in found.columns["ImageName"])
    return np.concatenate([found.images(str(Path(stack).relative_to("E"))) for stack in stacks])


def correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    pairs = zip(first.reshape(len(first), -1), second.reshape(len(second), -1), strict=True)
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in pairs])


def test_extracted_particles_are_the_images_of_the_truth(tmp_path: Path) -> None:
    made(tmp_path)
    params = params_for(".")
    specimen = read_specimen(params, torch.device("cpu"))
    microscope, _ = build_microscope(params, specimen, diameter_of(params, specimen))
    expected = microscope.projections(np.arange(20)).numpy()
    found = extracted(tmp_path, coordinates="coordinates.star")
    along = np.arange(32) - 16
    inside = np.hypot(along[:, None], along) < 9.5
    same = correlations(found[:, inside], expected[:, inside])
    assert np.median(same) > 0.99 and same.min() > 0.95
    assert np.median(correlations(found[:, inside], expected[::-1][:, inside])) < 0.7
    factor = (found[:, inside] * expected[:, inside]).sum() / (expected[:, inside] ** 2).sum()
    assert factor == pytest.approx(1.0, abs=0.05)


def test_the_offsets_of_the_truth_centre_the_particles(tmp_path: Path) -> None:
    files = made(tmp_path)
    found = e.extract(
        tmp_path,
        micrographs="micrographs_ctf.star",
        particles="set_truth.star",
        recenter=True,
        box=32,
    )
    assert np.abs(found.origins_A).max() <= 2.0 + 1e-9
    truth = found.block("../set_truth.star", "particles")
    for axis in "XY":
        true = truth[f"Coordinate{axis}"] - truth[f"Origin{axis}Angst"] / 4.0
        now = found.columns[f"Coordinate{axis}"] - found.columns[f"Origin{axis}Angst"] / 4.0
        np.testing.assert_allclose(now, true, atol=1e-6)
    assert files.particle_diameter_A == 76.0


def test_files_say_what_a_ctf_estimation_and_a_picking_would(tmp_path: Path) -> None:
    made(tmp_path)
    with e.inside(tmp_path):
        found = read_micrographs("micrographs_ctf.star")
    assert [path.name for path in found.files] == ["set_00001.mrc", "set_00002.mrc"]
    assert found.pixel_size_A.tolist() == [4.0]
    known = e.Extracted(tmp_path)
    micrographs = known.block("micrographs_ctf.star", "micrographs")
    truth = known.block("set_truth.star", "particles")
    assert np.unique(micrographs["DefocusU"] - micrographs["DefocusV"]).size == 2
    np.testing.assert_allclose(np.unique(truth["DefocusU"]), np.sort(micrographs["DefocusU"]))
    picks = known.block("Micrographs/set_00002_pick.star", "")
    assert picks["CoordinateX"].tolist() == truth["CoordinateX"][10:].tolist()
    assert not list(tmp_path.glob("*.mrcs")) and not (tmp_path / "set.star").exists()


def test_the_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made(tmp_path / name, snr=0.3, ice_gradient=1.0, noise="coloured", junk_fraction=0.3)
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_noise_has_unit_variance_and_the_background_its_own(tmp_path: Path) -> None:
    files = made(tmp_path, snr=1e-6, noise="coloured")
    pixels = mrcfile.read(tmp_path / "Micrographs" / "set_00001.mrc").reshape(256, 256)
    assert pixels.std() == pytest.approx(1.0, abs=0.02)
    assert files.micrographs.name == "micrographs_ctf.star"
    field = ice(128, 2.5, 1, 0)
    assert float(field.std()) == pytest.approx(2.5, rel=1e-4)
    assert float(field.diff(dim=0).abs().max()) < 0.5
    assert not torch.equal(field, ice(128, 2.5, 1, 1))


def test_coloured_noise_falls_at_the_same_resolution_for_every_pixel() -> None:
    fine, coarse = noise_spectrum(512, True, 0.15 / 4), noise_spectrum(128, True)
    ratio = fine[10:60] / coarse[10:60]
    assert float(ratio.max() / ratio.min()) == pytest.approx(1.0, abs=1e-6)


def test_places_keep_their_distance_from_each_other_and_the_edge() -> None:
    places = place_particles(120, 1000, 40.0, 55.0, 3, 0)
    assert places.shape == (120, 2)
    assert places.min() >= 40 and places.max() <= 960
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    assert apart[np.triu_indices(120, 1)].min() >= 55.0
    assert (places[:20] != place_particles(120, 1000, 40.0, 55.0, 3, 1)[:20]).any()
    with pytest.raises(ValueError, match="of 900"):
        place_particles(900, 1000, 40.0, 55.0, 3, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"micrograph_size_px": 255}, "must be even"),
        ({"micrograph_size_px": 30}, "at least the box"),
        ({"defocus_jitter_A": 100.0}, "share its defocus"),
        ({"particles": 1}, "fewer than 2 micrographs"),
        ({"particles": 400}, "particles fit on a micrograph"),
    ],
)
def test_what_no_micrograph_can_hold(tmp_path: Path, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        made(tmp_path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "contents"),
    [(0, ["particles", "map"]), (128, ["micrographs", "coordinates", "particles", "map"])],
)
def test_a_simulation_is_a_job_with_records(tmp_path: Path, size: int, contents: list[str]) -> None:
    params = phantom_params(
        "S", particles=4, micrographs=2, micrograph_size_px=size, particle_diameter_A=70.0
    )
    with e.inside(tmp_path):
        values = params.model_dump(mode="json", exclude_unset=True)
        assert run_job({"job": "simulate", "params": values}) == 0
    folder = e.Extracted(tmp_path / "S")
    (end,) = folder.events("end")
    assert [output["content"] for output in end["outputs"]] == contents
    assert all((folder.folder / output["path"]).is_file() for output in end["outputs"])
    assert read_exit_marker(folder.folder) == "success"
