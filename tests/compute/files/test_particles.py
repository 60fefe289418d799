"""Particle sets: both layouts, what is refused and what is remarked, and the way back to a file."""

from pathlib import Path

import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.particles import (
    ParticleResults,
    ParticleSet,
    check_particles,
    read_particles,
    write_particles,
)
from compute.files.stacks import StackWriter
from compute.files.star import read_star, write_star
from compute.files.table import Table

SHARED = Path(__file__).parents[4] / "shared" / "data"
OPTICS = {
    "rlnOpticsGroup": [7, 3],
    "rlnOpticsGroupName": ["second", "first"],
    "rlnImagePixelSize": [2.0, 1.5],
    "rlnImageSize": [8, 8],
    "rlnVoltage": [300.0, 200.0],
    "rlnSphericalAberration": [2.7, 1.4],
    "rlnAmplitudeContrast": [0.1, 0.07],
    "rlnOddZernike": ["[0.5,-1e-2]", "[]"],
}
PARTICLES = {
    "rlnImageName": ["000003@a.mrcs", "1@b.mrcs", "000001@a.mrcs", "4@a.mrcs"],
    "rlnMicrographName": ["m2", "m1", "m2", "m1"],
    "rlnOpticsGroup": [3, 7, 3, 3],
    "rlnDefocusU": [10000.123456, 11000.0, 12000.0, 13000.0],
    "rlnDefocusV": [9000.0, 8000.0, 7000.0, 6000.0],
    "rlnDefocusAngle": [10.0, 20.0, 30.0, 40.0],
    "rlnOriginXAngst": [1.0, 2.0, 3.0, 4.0],
    "wrpSourceHash": ["00a", "1e5", "0", "x"],
}
LEGACY = {
    "rlnImageName": ["1@a.mrcs", "2@a.mrcs", "3@a.mrcs", "4@a.mrcs"],
    "rlnMicrographName": ["m1", "m1", "m2", "m2"],
    "rlnVoltage": [300.0, 200.0, 300.0, 300.0],
    "rlnSphericalAberration": [2.7, 2.7, 2.7, 2.7],
    "rlnAmplitudeContrast": [0.1, 0.1, 0.1, 0.1],
    "rlnMagnification": [50000.0, 25000.0, 50000.0, 50000.0],
    "rlnDetectorPixelSize": [7.5, 5.0, 7.5, 7.5],
    "rlnDefocusU": [1e4, 1e4, 1e4, 1e4],
    "rlnOriginX": [2.0, 2.0, -1.0, 0.0],
    "rlnOriginY": [0.0, 1.0, 0.0, 0.0],
}


def table(name: str, columns: dict[str, list]) -> Table:
    texts = {label: np.array(v, object) for label, v in columns.items() if isinstance(v[0], str)}
    return Table(name, {label: np.array(v) for label, v in columns.items()} | texts)


def write_stacks(folder: Path, pixel_size_A: float = 1.5) -> None:
    for name, count in (("a.mrcs", 4), ("b.mrcs", 1)):
        images = np.random.default_rng(count).normal(size=(count, 8, 8)).astype(np.float32)
        with StackWriter(folder / name, 8, 2.0 if name == "b.mrcs" else pixel_size_A) as writer:
            writer.append(images)


def particles_of(
    folder: Path, optics: dict[str, list] | None = None, **changes: list | None
) -> ParticleSet:
    """A set of four particles in two stacks, with some columns changed or (None) left out."""
    write_stacks(folder)
    columns = {key: v for key, v in (PARTICLES | changes).items() if v is not None}
    groups = {key: v for key, v in (OPTICS | (optics or {})).items() if v is not None}
    write_star(folder / "p.star", [table("optics", groups), table("particles", columns)])
    return read_particles(folder / "p.star")


def test_the_present_layout(tmp_path: Path) -> None:
    found = particles_of(tmp_path)
    assert len(found) == 4
    assert [group.name for group in found.optics] == ["second", "first"]
    assert found.optics_index.tolist() == [1, 0, 1, 1]
    assert [found.optics[i].pixel_size_A for i in found.optics_index] == [1.5, 2.0, 1.5, 1.5]
    assert found.optics[0].odd_zernike == (0.5, -0.01) and found.optics[1].odd_zernike == ()
    assert found.stacks == (tmp_path / "a.mrcs", tmp_path / "b.mrcs")
    assert found.stack_index.tolist() == [0, 1, 0, 0]
    assert found.slice_index.tolist() == [2, 0, 0, 3]
    assert found.image_name(3) == "4@a.mrcs"
    assert found.group_names == ("m2", "m1") and found.group_index.tolist() == [0, 1, 0, 1]
    assert found.origin_A.tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]]
    assert not found.angles_deg.any() and not found.half.any()
    assert (found.norm_correction == 1).all() and (found.ctf_scale == 1).all()
    assert found.has_ctf and found.defocus_v_A.tolist() == PARTICLES["rlnDefocusV"]
    assert check_particles(found, needs_ctf=True) == []


def test_the_legacy_layout_is_converted(tmp_path: Path) -> None:
    write_stacks(tmp_path)
    (tmp_path / "old.star").write_text(
        "data_\n\nloop_\n"
        + "".join(f"_{label}\n" for label in LEGACY)
        + "".join(" ".join(map(str, row)) + "\n" for row in zip(*LEGACY.values(), strict=True))
    )
    found = read_particles(tmp_path / "old.star")
    assert [group.name for group in found.optics] == ["opticsGroup1", "opticsGroup2"]
    assert [group.pixel_size_A for group in found.optics] == pytest.approx([1.5, 2.0])
    assert [group.voltage_kV for group in found.optics] == [300.0, 200.0]
    assert [group.image_size for group in found.optics] == [8, 8]
    assert found.optics_index.tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(found.origin_A, [[3, 0], [4, 2], [-1.5, 0], [0, 0]])
    assert not {"rlnVoltage", "rlnOriginX", "rlnMagnification"} & set(found.table.columns)
    assert found.defocus_v_A.tolist() == [1e4] * 4
    assert any("astigmatism" in remark for remark in check_particles(found, needs_ctf=True))
    write_star(tmp_path / "new.star", [found.optics_table, found.table])
    again = read_particles(tmp_path / "new.star")
    assert again.optics == found.optics
    np.testing.assert_allclose(again.origin_A, found.origin_A)


def test_results_replace_and_add_columns_and_all_others_survive(tmp_path: Path) -> None:
    given = particles_of(tmp_path, rlnRandomSubset=[1, 2, 1, 2])
    values = np.arange(12.0).reshape(4, 3) / 7
    results = ParticleResults(
        angles_deg=values,
        origin_A=values[:, :2] * 10,
        class_number=np.ones(4, dtype=np.int64),
        norm_correction=values[:, 0] + 1,
        log_likelihood=-1e6 - values[:, 0],
        max_probability=values[:, 1] / 9,
        significant_samples=np.array([1, 20, 300, 4000]),
        half=np.array([2, 2, 1, 1]),
        group_number=given.group_index + 1,
    )
    write_particles(tmp_path / "out.star", given, results)
    again = read_particles(tmp_path / "out.star")
    np.testing.assert_allclose(again.angles_deg, results.angles_deg, rtol=1e-11)
    np.testing.assert_allclose(again.origin_A, results.origin_A, rtol=1e-11)
    np.testing.assert_allclose(again.norm_correction, results.norm_correction, rtol=1e-11)
    assert again.half.tolist() == [2, 2, 1, 1]
    columns = again.table.columns
    np.testing.assert_allclose(columns["rlnLogLikeliContribution"], results.log_likelihood)
    assert columns["rlnNrOfSignificantSamples"].tolist() == [1, 20, 300, 4000]
    assert columns["rlnGroupNumber"].tolist() == [1, 2, 1, 2]
    for label in ("rlnImageName", "rlnDefocusU", "wrpSourceHash", "rlnOpticsGroup"):
        assert columns[label].tolist() == PARTICLES[label]
    for label, column in given.optics_table.columns.items():
        assert read_star(tmp_path / "out.star")["optics"].columns[label].tolist() == column.tolist()


def test_a_subset_keeps_groups_and_stacks(tmp_path: Path) -> None:
    given = particles_of(tmp_path)
    part = given.subset(np.array([3, 1]))
    assert (len(part), len(part.table)) == (2, 2)
    assert part.image_name(0) == "4@a.mrcs" and part.slice_index.tolist() == [3, 0]
    assert part.group_names == given.group_names and part.group_index.tolist() == [1, 1]
    assert part.defocus_u_A.tolist() == [13000.0, 11000.0]


@pytest.mark.parametrize("levels", [0, 1, 4])
def test_stacks_are_found_beside_the_file_and_up_to_four_folders_above(
    tmp_path: Path, levels: int
) -> None:
    folder = tmp_path.joinpath(*"abcd"[:levels])
    folder.mkdir(parents=True, exist_ok=True)
    write_stacks(tmp_path)
    tables = [table("optics", OPTICS), table("particles", PARTICLES)]
    write_star(folder / "p.star", tables)
    assert read_particles(folder / "p.star").stacks[0] == tmp_path / "a.mrcs"


def test_stacks_are_found_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    write_stacks(tmp_path / "project")
    write_star(
        tmp_path / "elsewhere" / "p.star",
        [table("optics", OPTICS), table("particles", PARTICLES)],
    )
    monkeypatch.chdir(tmp_path / "project")
    found = read_particles(Path("../elsewhere/p.star"))
    assert found.stacks[0] == tmp_path / "project" / "a.mrcs"
    assert check_particles(found, needs_ctf=False) == []


@pytest.mark.parametrize(
    ("subset", "half", "remarks"),
    [
        ([1, 2, 2, 2], [1, 2, 2, 2], 0),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0),
        ([2, 2, 2, 2], [0, 0, 0, 0], 1),
    ],
)
def test_half_sets(tmp_path: Path, subset: list, half: list, remarks: int) -> None:
    found = particles_of(tmp_path, rlnRandomSubset=subset)
    assert found.half.tolist() == half
    said = check_particles(found, needs_ctf=False)
    assert len(said) == remarks and all("half-set 2" in remark for remark in said)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rlnRandomSubset": [1, 0, 2, 1]}, "3 of 4 particles have a half-set in rlnRandomSubset"),
        ({"rlnRandomSubset": [1, 2, 3, 1]}, "row 3 of data_particles: rlnRandomSubset is 3"),
        ({"rlnOpticsGroup": [3, 7, 5, 3]}, "row 3 .*group 5 is not in data_optics.* 7, 3"),
        ({"rlnOpticsGroup": None}, "no rlnOpticsGroup, but data_optics has 2 groups"),
        ({"rlnImageName": None}, "no rlnImageName"),
        ({"rlnImageName": ["0@a", "1@a", "2@a", "3@a"]}, "row 1 .*rlnImageName is '0@a'"),
        ({"rlnImageName": ["1@a", "x@a", "2@a", "3@a"]}, "row 2 .*rlnImageName is 'x@a'"),
        ({"optics": {"rlnImagePixelSize": None}}, "data_optics has no rlnImagePixelSize"),
        ({"optics": {"rlnImagePixelSize": [0.0, 1.5]}}, "'second' has rlnImagePixelSize 0; it"),
        ({"optics": {"rlnOpticsGroup": [3, 3]}}, "defines optics group 3 twice"),
        ({"optics": {"rlnImageDimensionality": [3, 2]}}, "'second' has 3D images"),
    ],
)
def test_refusals_on_reading(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        particles_of(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rlnDefocusU": None, "optics": {"rlnVoltage": None}},
            "needs rlnDefocusU in data_particles, rlnVoltage in data_optics",
        ),
        ({"optics": {"rlnAmplitudeContrast": [7.0, 0.1]}}, "amplitude contrast 7"),
        ({"optics": {"rlnVoltage": [0.0, 200.0]}}, "voltage 0 kV"),
        ({"optics": {"rlnImageSize": [255, 8]}}, "rlnImageSize is 255 but boxes must be even"),
        ({"optics": {"rlnImageSize": [8, 10]}}, "is 10, but .*a.mrcs holds images of 8 x 8"),
        ({"rlnImageName": ["1@a.mrcs", "1@b.mrcs", "5@a.mrcs", "2@a.mrcs"]}, "image 5 of .*4 im"),
        (
            {"rlnImageName": ["1@c.mrcs", "1@b.mrcs", "5@c.mrcs", "2@d.mrcs"]},
            r"2 of 3 image stacks of .* do not exist \(3 particles\); the first is .*/c\.mrcs",
        ),
        ({"rlnNormCorrection": [1.0, 0.0, 1.0, 1.0]}, "row 2 .*rlnNormCorrection is 0"),
    ],
)
def test_refusals_of_the_check(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_particles(particles_of(tmp_path, **changes), needs_ctf=True)


def test_numbers_that_are_not_finite_are_refused_in_memory_too(tmp_path: Path) -> None:
    found = particles_of(tmp_path)
    found.table.columns["rlnOriginXAngst"][2] = np.nan
    with pytest.raises(InputError, match="row 3 of data_particles: rlnOriginXAngst is nan"):
        check_particles(found, needs_ctf=False)


def test_a_cut_stack_is_found_before_anything_is_read(tmp_path: Path) -> None:
    found = particles_of(tmp_path)
    path = tmp_path / "a.mrcs"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="cut short"):
        check_particles(found, needs_ctf=False)


def test_remarks(tmp_path: Path) -> None:
    found = particles_of(
        tmp_path,
        rlnMicrographName=None,
        rlnImageName=["1@a.mrcs", "1@b.mrcs", "1@a.mrcs", "4@a.mrcs"],
    )
    write_stacks(tmp_path, pixel_size_A=0.0)
    pixel, copies, groups = check_particles(found, needs_ctf=False)
    assert "a.mrcs says 0.0000 Å, the particles have 1.5000 Å" in pixel
    assert copies.startswith("1 particles repeat")
    assert "per image stack" in groups and found.group_names == ("a.mrcs", "b.mrcs")


def test_files_that_are_no_particle_files(tmp_path: Path) -> None:
    path = tmp_path / "p.star"
    for tables, message in (
        ([table("optics", OPTICS)], "contains no particles"),
        ([table("micrographs", {"rlnMicrographName": ["m"]})], "it holds data_micrographs"),
        ([table("particles", PARTICLES)], "no data_optics block, which files of version 30001"),
    ):
        write_star(path, tables)
        with pytest.raises(InputError, match=message):
            read_particles(path)
    path.write_text("data_\nloop_\n_rlnImageName\n1@a.mrcs\n")
    with pytest.raises(InputError, match="needs positive rlnDetectorPixelSize and rlnMagnif"):
        read_particles(path)
    with pytest.raises(InputError, match="does not exist"):
        read_particles(tmp_path / "none.star")


def test_fewer_than_two_particles_cannot_be_split(tmp_path: Path) -> None:
    found = particles_of(tmp_path).subset(np.array([1]))
    with pytest.raises(InputError, match="contains 1 particles; two half-sets need"):
        check_particles(found, needs_ctf=False)


def test_the_box_comes_from_the_stack_where_the_file_does_not_say(tmp_path: Path) -> None:
    found = particles_of(tmp_path, optics={"rlnImageSize": None})
    assert [group.image_size for group in found.optics] == [8, 8]
    assert found.optics_table.columns["rlnImageSize"].tolist() == [8, 8]


def test_real_files_pass_the_check() -> None:
    for name, count in (
        ("betagal_empiar10204/selected.star", 751),
        ("betagal_empiar10204/reference_poses.star", 751),
        ("small_stacks/empiar_10076_7.star", 7),
    ):
        if (SHARED / name).exists():
            found = read_particles(SHARED / name)
            remarks = check_particles(found, needs_ctf=True)
            assert len(found) == count
            assert len(remarks) == ("small" in name)
            assert bool(found.half.all()) == ("reference" in name)
