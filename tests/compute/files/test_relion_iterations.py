"""Iterations of RELION refinements; the files are two iterations of a small run of relion_refine_mpi 3.1.3."""

import os
import shutil
from pathlib import Path

import pytest

from compute.files.relion_iterations import read_iterations

RUN = Path(__file__).parent / "relion_refinement"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "job003"))


def copied(folder: Path, source: str, target: str, changes: dict[str, str]) -> None:
    """The three files of an iteration under another name."""
    for kind in ("optimiser", "sampling", "half1_model"):
        text = (folder / f"{source}_{kind}.star").read_text()
        for before, after in changes.items():
            text = text.replace(before, after)
        name = kind.removeprefix("half1_") if target == "run" else kind
        (folder / f"{target}_{name}.star").write_text(text)


def test_figures_are_those_of_the_files(folder: Path) -> None:
    found, error = read_iterations(folder)
    assert error is None and [one.iteration for one in found] == [2, 3]
    third = found[1]
    assert (third.change_angles_deg, third.change_offsets_A) == (39.001655, 3.386899)
    assert (third.accuracy_angles_deg, third.accuracy_offsets_A) == (21.21, 6.80742)
    assert third.best_resolution_A == pytest.approx(18.88, abs=1e-3)
    assert (third.iterations_without_gain, third.iterations_without_change) == (1, 1)
    assert (third.healpix_order, third.is_local_search, third.fine_step_deg) == (1, False, 15.0)
    assert (third.mean_pmax, third.scale_min) == (0.120312, 0.73696)
    assert third.extent_A == pytest.approx(113.28)
    assert third.fsc[:4] == [1.0, 1.0, 1.0, 0.825229] and len(third.fsc) == len(third.ssnr) == 17
    assert not third.is_final and not third.has_converged
    assert "run_it003_half1_model.star" in third.files


def test_resolutions_are_the_first_crossings(folder: Path) -> None:
    third = read_iterations(folder)[0][1]
    share = (0.588436 - 0.143) / (0.588436 - 0.118686)
    assert third.resolution_fsc0143_A == pytest.approx(113.28 / (5 + share), abs=1e-3)
    share = (0.588436 - 0.5) / (0.588436 - 0.118686)
    assert third.resolution_fsc05_A == pytest.approx(113.28 / (5 + share), abs=1e-3)


def test_only_what_is_new_is_read(folder: Path) -> None:
    assert [one.iteration for one in read_iterations(folder, after=2)[0]] == [3]
    assert read_iterations(folder, after=3) == ([], None)
    assert read_iterations(folder.parent) == ([], None)


def test_the_final_iteration_follows_the_last_numbered_one(folder: Path) -> None:
    converged = {
        "_rlnHasConverged                                                 0": "_rlnHasConverged 1"
    }
    copied(folder, "run_it003", "run", converged)
    found, error = read_iterations(folder)
    assert error is None and [one.iteration for one in found] == [2, 3, 4]
    assert [(one.is_final, one.has_converged) for one in found[1:]] == [
        (False, False),
        (True, True),
    ]


def test_of_a_continued_run_the_newest_files_count(folder: Path) -> None:
    copied(folder, "run_it003", "run_ct2_it003", {"39.001655": "12.500000"})
    for name in ("run_it003", "run_it002"):
        os.utime(folder / f"{name}_optimiser.star", (1e9, 1e9))
    found, _ = read_iterations(folder)
    assert [(one.iteration, one.change_angles_deg) for one in found] == [(2, 39.984409), (3, 12.5)]


def test_reading_stops_where_files_are_not_complete(folder: Path) -> None:
    path = folder / "run_it002_half1_model.star"
    whole = path.read_text()
    path.write_text(whole[: whole.index("data_model_class_1")])
    found, error = read_iterations(folder)
    assert found == [] and "holds no data_model_class_1" in str(error)
    path.unlink()
    found, error = read_iterations(folder)
    assert found == [] and "run_it002_half1_model.star does not exist" in str(error)
