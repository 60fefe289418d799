"""The same particles through relion_preprocess 3.1 and through ours: pixels, coordinates, offsets, tables."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compute.files.star import read_star
from tests.compute.jobs import extracting as e
from webapp import cli

PROGRAMS = ("relion_preprocess", "relion_star_handler", "relion_image_handler", "relion_refine")
pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(
        not all(shutil.which(name) for name in PROGRAMS), reason="RELION is not installed"
    ),
]
CTF = {"DefocusU": 15000.0, "DefocusV": 12000.0, "DefocusAngle": 30.0}


def relion(folder: Path, command: str) -> str:
    """What a program of RELION says that succeeds in this folder."""
    words = command.split()
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def ours(folder: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words for our command, in this process."""
    from compute import __main__ as program

    def run(command: list[str], variables: dict[str, str]) -> int:
        return program.run_job(program.read_job(Path(command[-1])))

    monkeypatch.setattr(cli.local, "run", run)
    with e.inside(folder):
        assert cli.command(["extract", *words.split()]) == 0


def both(
    folder: Path, source: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[e.Extracted, e.Extracted]:
    """The results of RELION and of ours for the same words."""
    command = (
        "--i micrographs.star {0} --part_dir {1}/ --part_star {1}/particles.star --extract {2}"
    )
    (folder / "R").mkdir()
    relion(folder, "relion_preprocess " + command.format(source, "R", options))
    ours(folder, command.format(source, "H", options), monkeypatch)
    return e.Extracted(folder / "R"), e.Extracted(folder / "H")


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ("", 0.0),
        ("--invert_contrast", 0.0),
        ("--norm --bg_radius 6 --invert_contrast", 1e-6),
        ("--norm --bg_radius 6 --no_ramp", 1e-6),
        ("--scale 8", 2e-6),
        ("--scale 24", 4e-6),
        ("--scale 8 --norm --bg_radius 3 --invert_contrast", 1e-6),
        ("--window 8", 0.0),
        ("--extract_bias_x 3 --extract_bias_y -2", 0.0),
    ],
)
def test_images_of_picked_particles(
    options: str, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    e.write_micrographs(tmp_path, {"m.mrc": e.pattern()}, 1.0)
    e.write_coordinates(tmp_path, {"m.mrc": [(30.9, 20.2), (2, 3), (62, 46)]})
    source = "--coord_dir ./ --coord_suffix _pick.star"
    theirs, found = both(tmp_path, source, f"--extract_size 16 {options}", monkeypatch)
    np.testing.assert_allclose(found.images(), theirs.images(), atol=tolerance, rtol=0)
    np.testing.assert_allclose(found.xy, theirs.xy, atol=1e-6)
    for label, values in theirs.optics.items():
        assert found.optics[label].tolist() == pytest.approx(values.tolist())
    names = [name.replace("R/", "H/") for name in theirs.columns["ImageName"]]
    assert found.columns["ImageName"].tolist() == names
    assert list(found.columns) == list(theirs.columns)


@pytest.mark.parametrize(
    "options", ["--premultiply_ctf", "--phase_flip", "--premultiply_ctf --norm --bg_radius 24"]
)
def test_images_with_their_ctf_applied(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctf = {label: [value] for label, value in CTF.items()}
    e.write_micrographs(tmp_path, {"m.mrc": e.noise()}, **ctf)
    e.write_coordinates(tmp_path, {"m.mrc": [(100, 100), (70, 80), (150, 90)]})
    source = "--coord_dir ./ --coord_suffix _pick.star"
    theirs, found = both(tmp_path, source, f"--extract_size 64 {options}", monkeypatch)
    expected = theirs.images()
    np.testing.assert_allclose(found.images(), expected, atol=2e-3 * expected.std(), rtol=0)


def rows(seed: int) -> list[dict[str, Any]]:
    """Refined particles with random poses and offsets."""
    random = np.random.default_rng(seed)
    return [
        {
            "CoordinateX": round(random.uniform(60, 180), 1),
            "CoordinateY": round(random.uniform(60, 140), 1),
            "OriginXAngst": round(random.normal(0, 8), 3),
            "OriginYAngst": round(random.normal(0, 8), 3),
            "AngleRot": round(random.uniform(-180, 180), 3),
            "AngleTilt": round(random.uniform(0, 180), 3),
            "AnglePsi": round(random.uniform(-180, 180), 3),
            "ClassNumber": 2,
            "RandomSubset": 1 + i % 2,
            "GroupName": "one",
            **CTF,
        }
        for i in range(25)
    ]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--reset_offsets",
        "--recenter --recenter_x 0 --recenter_y 0 --recenter_z 0",
        "--recenter --recenter_x 5 --recenter_y -4 --recenter_z 3",
        "--recenter --recenter_x 10 --recenter_y 5 --recenter_z -3 --ref_angpix 1.77",
        "--recenter --scale 36 --norm --bg_radius 13 --white_dust -1 --black_dust -1 --invert_contrast",
    ],
)
def test_refined_particles(options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    e.write_micrographs(tmp_path, {"m.mrc": e.noise()})
    e.write_refined(tmp_path, rows(1))
    source = "--reextract_data_star refined.star"
    theirs, found = both(tmp_path, source, f"--extract_size 48 {options}", monkeypatch)
    np.testing.assert_allclose(found.xy, theirs.xy, atol=1e-5)
    np.testing.assert_allclose(found.origins_A, theirs.origins_A, atol=1e-5)
    np.testing.assert_allclose(found.images(), theirs.images(), atol=3e-6, rtol=0)
    kept = {"ImageName", "MicrographName"}
    for label in set(theirs.columns) - kept:
        ours_, expected = found.columns[label], theirs.columns[label]
        if expected.dtype == object:
            assert ours_.tolist() == expected.tolist()
        else:
            np.testing.assert_allclose(ours_, expected, atol=1e-5)
    assert found.optics["ImagePixelSize"] == pytest.approx(theirs.optics["ImagePixelSize"])
    assert found.optics["ImageSize"].tolist() == theirs.optics["ImageSize"].tolist()


def test_relion_reads_what_we_extract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    e.write_micrographs(tmp_path, {"m.mrc": e.noise()})
    e.write_refined(tmp_path, rows(2))
    words = "--i micrographs.star --reextract_data_star refined.star --recenter --extract_size 48 --scale 36"
    ours(tmp_path, f"{words} --no-float16 --o H/particles", monkeypatch)
    found = e.Extracted(tmp_path / "H")
    said = relion(tmp_path, "relion_image_handler --i H/m.mrcs --stats")
    assert said.count("(x,y,z,n)= 36 x 36 x 1 x 1") == 25
    relion(tmp_path, "relion_star_handler --i H/particles.star --o again.star")
    again = read_star(tmp_path / "again.star")["particles"].columns
    np.testing.assert_allclose(again["rlnCoordinateX"], found.columns["CoordinateX"], atol=1e-5)
    (tmp_path / "C").mkdir()
    relion(
        tmp_path,
        "relion_refine --i H/particles.star --o C/run --K 1 --iter 1 --ctf --particle_diameter 25 --pad 1 "
        "--healpix_order 0 --offset_range 1 --offset_step 2 --denovo_3dref --j 1 --sgd_ini_iter 1",
    )
    assert len(read_star(tmp_path / "C" / "run_it001_data.star")["particles"]) == 25


def test_relion_extracts_from_our_coordinates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    e.write_micrographs(tmp_path, {"Movies/m.mrc": e.noise()})
    for_one = [
        {key: value for key, value in row.items() if key not in CTF}
        | {"MicrographName": "Movies/m.mrc"}
        for row in rows(3)
    ]
    e.write_refined(tmp_path, for_one)
    words = "--i micrographs.star --reextract_data_star refined.star --recenter --extract_size 48"
    ours(
        tmp_path,
        f"{words} --no-normalise --no-invert-contrast --no-float16 --o H/particles",
        monkeypatch,
    )
    (tmp_path / "R" / "Movies").mkdir(parents=True)
    relion(
        tmp_path,
        "relion_preprocess --i micrographs.star --coord_dir H/ --coord_suffix _extract.star --part_dir R/ "
        "--part_star R/particles.star --extract --extract_size 48",
    )
    theirs, found = e.Extracted(tmp_path / "R"), e.Extracted(tmp_path / "H")
    np.testing.assert_array_equal(theirs.images("Movies/m.mrcs"), found.images("Movies/m.mrcs"))
