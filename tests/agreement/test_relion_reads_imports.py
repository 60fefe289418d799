"""RELION's own programs (3.1) read what imports leave: cryoSPARC's particles, 3.0 files, micrographs, coordinates."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from compute.files.mrc import read_map, write_map
from compute.files.particles import read_particles
from compute.files.star import read_star
from compute.signal.fsc import fsc
from tests.compute.jobs.plain_run import finish, inside
from tests.compute.jobs.test_import_cryosparc import cryosparc_fields, save
from tests.compute.jobs.test_import_lists import micrograph
from tests.data import particle_set

PROGRAMS = (
    "relion_reconstruct",
    "relion_stack_create",
    "relion_preprocess",
    "relion_image_handler",
    "relion_convert_star",
)
BOX, COUNT = 48, 120

pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(
        not all(shutil.which(name) for name in PROGRAMS), reason="RELION is not installed"
    ),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "project").mkdir()
    with inside(tmp_path / "project") as folder:
        yield folder


def relion(command: str) -> None:
    """Run a program of RELION here; it must succeed."""
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def agreement(first: str, second: str) -> np.ndarray:
    """The FSC of two maps."""
    transforms = [
        torch.fft.rfftn(torch.from_numpy(read_map(name).volume.copy())) for name in (first, second)
    ]
    return fsc(transforms[0], transforms[1], BOX // 2 + 1).numpy()


def test_poses_of_cryosparc_give_relion_the_map(project: Path) -> None:
    """RELION reconstructs the specimen from imported particles: one convention wrong, and nothing would agree."""
    source = project.parent / "P1"
    particle_set(source / "J5" / "extract", particles=COUNT, box=BOX, snr=20.0)
    truth = read_particles(source / "J5" / "extract" / "set_truth.star")
    os.rename(source / "J5" / "extract" / "set.mrcs", source / "J5" / "extract" / "stack.mrc")
    save(source / "J5" / "particles.cs", cryosparc_fields(truth))
    finish("importing", files=str(source / "J5" / "particles.cs"), output="Import/job001/import")
    relion("relion_reconstruct --i Import/job001/particles.star --o rec.mrc --ctf")
    curve = agreement("rec.mrc", str(source / "J5" / "extract" / "set_truth.mrc"))
    assert curve[1:8].min() > 0.9


def test_relion_reads_the_links_to_stacks(project: Path) -> None:
    particle_set("old", particles=6, box=32, micrographs=1)
    os.rename("old/set.mrcs", "old/stack.mrc")
    text = Path("old/set.star").read_text().replace("old/set.mrcs", "old/stack.mrc")
    Path("old/set.star").write_text(text)
    finish("importing", files="old/set.star", output="Import/job001/import")
    relion("relion_stack_create --i Import/job001/particles.star --o all")
    ours, theirs = (np.fromfile(name, np.float32)[256:] for name in ("old/stack.mrc", "all.mrcs"))
    np.testing.assert_allclose(theirs, ours, atol=1e-6)


def test_relion_converts_3_0_files_as_we_do(project: Path) -> None:
    """§6.5 through relion_convert_star."""
    particle_set("s", particles=5, box=32, micrographs=1)
    rows = "".join(
        f"{n}@s/set.mrcs mic.mrc 3.54 10000 {300 if n < 4 else 200} 2.7 0.1 {0.5 * n} -1.5 {9000 + n} 9000 12.5\n"
        for n in range(1, 6)
    )
    labels = (
        "ImageName MicrographName DetectorPixelSize Magnification Voltage SphericalAberration AmplitudeContrast "
        "OriginX OriginY DefocusU DefocusV DefocusAngle"
    ).split()
    head = "".join(f"_rln{label} #{n}\n" for n, label in enumerate(labels, start=1))
    Path("old.star").write_text(f"data_\n\nloop_\n{head}{rows}\n")
    finish("importing", files="old.star", output="Import/job001/import")
    relion("relion_convert_star --i old.star --o theirs.star")
    ours, theirs = read_star("Import/job001/particles.star"), read_star("theirs.star")
    for label in ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOpticsGroup", "rlnDefocusU"):
        np.testing.assert_allclose(
            ours["particles"].columns[label], theirs["particles"].columns[label], atol=1e-5
        )
    for label in ("rlnOpticsGroupName", "rlnVoltage", "rlnImagePixelSize", "rlnImageSize"):
        assert ours["optics"].columns[label].tolist() == theirs["optics"].columns[label].tolist()
    assert ours["particles"].columns.keys() == theirs["particles"].columns.keys()


def test_relion_extracts_at_imported_coordinates_from_imported_micrographs(project: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("a", "a2"):
        path = project.parent / "other" / "MotionCorr" / "job002" / "Mics" / f"{name}.mrc"
        micrograph(path)
        image = rng.normal(size=(1, 64, 96)).astype(np.float32)
        write_map(path, image, 0.885)
    (project.parent / "other" / "picks").mkdir()
    for name in ("a", "a2"):
        (project.parent / "other" / "picks" / f"{name}.box").write_text(
            "10 12 16 16\n40 20 16 16\n"
        )
    for name in ("a", "a2"):
        micrographs = project / "Micrographs"
        micrographs.mkdir(exist_ok=True)
        shutil.copy(project.parent / "other/MotionCorr/job002/Mics" / f"{name}.mrc", micrographs)
    finish("importing", files="Micrographs/*.mrc", output="Import/job001/import")
    finish(
        "importing",
        files=str(project.parent / "other" / "picks" / "*.box"),
        micrographs_star="Import/job001/micrographs.star",
        output="Import/job002/import",
    )
    relion(
        "relion_preprocess --i Import/job001/micrographs.star --coord_dir Import/job002/ "
        "--coord_suffix _coords.star --part_star out/particles.star --part_dir out/ --extract --extract_size 16"
    )
    found = read_star("out/particles.star")["particles"].columns
    names = read_star("Import/job001/micrographs.star")["micrographs"].columns["rlnMicrographName"]
    assert found["rlnMicrographName"].tolist() == [name for name in names for _ in range(2)]
    assert found["rlnCoordinateX"].tolist() == [18.0, 48.0] * 2
