"""RELION's own programs (3.1) read what a refinement leaves, and measure in it what we say."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from compute import __main__ as program
from compute.files.mrc import read_map
from compute.files.star import Table, read_star
from compute.signal.fsc import fsc
from tests.data import PIXEL_SIZE_A, particle_set

PROGRAMS = (
    "relion_postprocess",
    "relion_mask_create",
    "relion_image_handler",
    "relion_star_handler",
    "relion_reconstruct",
    "relion_refine",
    "relion_refine_mpi",
)
MPIRUN = Path("/usr/bin/mpirun")
IS_INSTALLED = all(shutil.which(name) for name in PROGRAMS)
BOX, DIAMETER_A = 32, "76"
SEARCH = (
    f"--sym D2 --particle_diameter {DIAMETER_A} --ini_high 40 --ctf --flatten_solvent --zero_mask --norm --scale "
    "--healpix_order 1 --offset_range 2 --offset_step 2 --pad 1 --j 1 --random_seed 1 --dont_check_norm --iter 1"
)

pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(not IS_INSTALLED, reason="RELION is not installed"),
]


@dataclass(frozen=True, slots=True)
class Finished:
    """A folder with a particle set and, in O/, its refinement with solvent-corrected FSC."""

    folder: Path

    def run(self, command: str) -> str:
        """What a program says that succeeds in this folder."""
        done = subprocess.run(
            command.split(), cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def columns(self, name: str, table: str) -> dict[str, np.ndarray]:
        """The columns of a table in a file of this folder."""
        return read_star(self.folder / name)[table].columns

    def curve(self, name: str, label: str) -> np.ndarray:
        """A column of the FSC table of a file."""
        return self.columns(name, "fsc")[f"rlnFourierShellCorrelation{label}"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """80 particles of a D2 phantom, 32 px of 4 Å, SNR 10, refined with a mask that RELION made."""
    folder = tmp_path_factory.mktemp("relion")
    before = Path.cwd()
    os.chdir(folder)
    try:
        particle_set(".", particles=80, box=BOX, symmetry="D2", snr=10.0, micrographs=3)
        Finished(folder).run(
            "relion_mask_create --i set_truth.mrc --o mask.mrc --ini_threshold 0.02 "
            f"--extend_inimask 2 --width_soft_edge 4 --lowpass 15 --angpix {PIXEL_SIZE_A}"
        )
        values = {
            "particles": "set.star",
            "reference": "set_reference.mrc",
            "output": "O/run",
            "symmetry": "D2",
            "particle_diameter_A": float(DIAMETER_A),
            "initial_lowpass_A": 50.0,
            "solvent_mask": "mask.mrc",
            "solvent_correct_fsc": True,
            "ignore_angles": True,
            "resolution_angles": True,
            "random_seed": 1,
            "maximum_iterations": 4,
            "mpi": 1,
            "threads": 1,
        }
        assert program.run_job({"job": "refine", "params": values}) == 0
    finally:
        os.chdir(before)
    return Finished(folder)


@pytest.fixture(scope="module")
def postprocessed(finished: Finished) -> Finished:
    """The same after relion_postprocess with the mask, in pp.star."""
    (finished.folder / "pp").mkdir()
    finished.run("relion_postprocess --i O/run_half1_class001_unfil.mrc --mask mask.mrc --o pp")
    return finished


@pytest.mark.parametrize("label", ["UnmaskedMaps", "MaskedMaps"])
def test_postprocess_measures_our_curves(postprocessed: Finished, label: str) -> None:
    ours = postprocessed.curve("O/run_fsc.star", label)
    theirs = postprocessed.curve("pp.star", label)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_postprocess_finds_our_resolution_and_names(postprocessed: Finished) -> None:
    general = postprocessed.columns("pp.star", "general")
    assert str(general["rlnUnfilteredMapHalf2"][0]) == "O/run_half2_class001_unfil.mrc"
    theirs_A = float(general["rlnFinalResolution"][0])
    log = (postprocessed.folder / "O" / "run.out").read_text()
    found = re.search(r"Final resolution \(already with masking\) is: ([0-9.]+)", log)
    assert found is not None
    extent_A = BOX * PIXEL_SIZE_A
    assert abs(round(extent_A / theirs_A) - round(extent_A / float(found[1]))) <= 1


def test_the_image_handler_sees_values_and_pixel_size(finished: Finished) -> None:
    said = finished.run("relion_image_handler --i O/run_class001.mrc --stats")
    volume = read_map(finished.folder / "O" / "run_class001.mrc").volume
    assert f"(x,y,z,n)= {BOX} x {BOX} x {BOX} x 1" in said
    assert f"angpix = {PIXEL_SIZE_A:g}" in said
    for name, value in {
        "avg": volume.mean(),
        "stddev": volume.std(),
        "minval": volume.min(),
        "maxval": volume.max(),
    }.items():
        found = re.search(rf"{name}= ([-+.0-9e]+)", said)
        assert found is not None
        assert float(found[1]) == pytest.approx(float(value), abs=1e-4)


def test_the_star_handler_keeps_our_particles(finished: Finished) -> None:
    ours = finished.columns("O/run_data.star", "particles")
    limit = float(np.median(ours["rlnMaxValueProbDistribution"])) + 1e-5
    finished.run(
        "relion_star_handler --i O/run_data.star --o chosen.star "
        f"--select rlnMaxValueProbDistribution --minval {limit} --maxval 1"
    )
    chosen = ours["rlnMaxValueProbDistribution"] >= limit
    assert 0 < chosen.sum() < 80
    found = finished.columns("chosen.star", "particles")
    assert found["rlnImageName"].tolist() == ours["rlnImageName"][chosen].tolist()
    np.testing.assert_allclose(found["rlnAngleRot"], ours["rlnAngleRot"][chosen], atol=1e-4)


def test_our_poses_give_relion_our_map(finished: Finished) -> None:
    """Angles, offsets, point group and CTF mean the same to both: one convention wrong, and nothing would agree."""
    finished.run("relion_reconstruct --i O/run_data.star --o rec.mrc --ctf --sym D2")
    transforms = [
        torch.fft.rfftn(torch.from_numpy(read_map(finished.folder / name).volume.copy()))
        for name in ("rec.mrc", "O/run_class001.mrc")
    ]
    curve = fsc(transforms[0], transforms[1], BOX // 2 + 1)
    assert curve[1:9].min() > 0.95


def kept(table: Table, ours: dict[str, np.ndarray]) -> None:
    """Check that a particle table of RELION holds our particles with our half-sets and CTFs."""
    theirs = table.columns
    order = np.argsort(theirs["rlnImageName"])
    expected = np.argsort(ours["rlnImageName"])
    for label in ("rlnImageName", "rlnRandomSubset", "rlnMicrographName"):
        assert theirs[label][order].tolist() == ours[label][expected].tolist()
    np.testing.assert_allclose(
        theirs["rlnDefocusU"][order], ours["rlnDefocusU"][expected], atol=1e-3
    )


def test_refine_starts_from_our_particles(finished: Finished) -> None:
    (finished.folder / "alone").mkdir()
    finished.run(
        f"relion_refine --o alone/run --i O/run_data.star --ref set_reference.mrc {SEARCH} "
        "--K 1 --tau2_fudge 1 --oversampling 0 --firstiter_cc"
    )
    found = read_star(finished.folder / "alone" / "run_it001_data.star")["particles"]
    kept(found, finished.columns("O/run_data.star", "particles"))


def test_auto_refine_under_mpi_keeps_our_half_sets(finished: Finished) -> None:
    (finished.folder / "mpi").mkdir()
    finished.run(
        f"{MPIRUN} --allow-run-as-root --oversubscribe -n 3 relion_refine_mpi --o mpi/run --auto_refine "
        f"--split_random_halves --i O/run_data.star --ref O/run_class001.mrc {SEARCH} "
        "--oversampling 1 --auto_local_healpix_order 2 --auto_ignore_angles --low_resol_join_halves 40"
    )
    found = read_star(finished.folder / "mpi" / "run_it001_data.star")["particles"]
    kept(found, finished.columns("O/run_data.star", "particles"))
