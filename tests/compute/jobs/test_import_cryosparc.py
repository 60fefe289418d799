"""cryoSPARC's particles in our conventions: images agree with projections at the poses that are imported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from compute.files.cryosparc import read_cryosparc
from compute.files.errors import InputError
from compute.files.particle_set import ParticleSet
from compute.files.particles import check_particles, read_particles
from compute.files.star import read_star
from compute.jobs.import_cryosparc import convert, euler_angles
from compute.jobs.specimen import built_in_phantom
from compute.projection.images import images_of
from compute.sampling.rotations import euler_to_matrix
from compute.signal.ctf import Optics, ctf
from compute.signal.fourier import half_plane_pixels, image_transform
from compute.signal.phantom import phantom_projections
from tests.compute.jobs.plain_run import finish, inside, warnings
from tests.data import particle_set, phantom_params

COUNT, BOX, PIXEL_A = 16, 48, 4.0
ALIGNMENT_PIXEL_A = 6.0
OPTIONS: dict[str, Any] = {
    "particles": COUNT,
    "box": BOX,
    "snr": 0.0,
    "astigmatism_A": 2000.0,
    "defocus_jitter_A": 400.0,
}
KV, CS_MM, CONTRAST = 300.0, 2.7, 0.1
DTYPES = {"uid": "<u8", "blob/idx": "<u4", "ctf/exp_group_id": "<u4"}


def save(path: Path, fields: dict[str, Any]) -> None:
    """A .cs file as cryoSPARC writes it: float32, byte texts, one row per particle."""
    columns = {name: np.asarray(values) for name, values in fields.items()}
    kinds: list[tuple] = []
    for name, values in columns.items():
        kind = DTYPES.get(name, "<f4" if values.dtype.kind == "f" else values.dtype.str)
        kinds.append((name, kind, values.shape[1:]))
    array = np.zeros(len(columns["uid"]), dtype=kinds)
    for name, values in columns.items():
        array[name] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, array)


def cryosparc_fields(truth: ParticleSet) -> dict[str, Any]:
    """Our particles as cryoSPARC would describe them.

    Its rotation vector turns image into map coordinates, the inverse of our matrix; shifts are in pixels
    of the refinement's box.
    """
    matrices = euler_to_matrix(truth.angles_deg)
    pose = Rotation.from_matrix(matrices.transpose(0, 2, 1)).as_rotvec()
    count = len(truth)
    return {
        "uid": np.arange(count, dtype=np.uint64) * 7919 + 2**60,
        "blob/path": np.full(count, b">J5/extract/stack.mrc"),
        "blob/idx": truth.slice_index,
        "blob/shape": np.full((count, 2), BOX, dtype=np.uint32),
        "blob/psize_A": np.full(count, PIXEL_A),
        "blob/sign": np.ones(count),
        "ctf/accel_kv": np.full(count, KV),
        "ctf/cs_mm": np.full(count, CS_MM),
        "ctf/amp_contrast": np.full(count, CONTRAST),
        "ctf/df1_A": truth.defocus_u_A,
        "ctf/df2_A": truth.defocus_v_A,
        "ctf/df_angle_rad": np.radians(truth.defocus_angle_deg),
        "ctf/phase_shift_rad": np.radians(truth.phase_shift_deg),
        "ctf/tilt_A": np.zeros((count, 2)),
        "ctf/exp_group_id": np.full(count, 3),
        "alignments3D/pose": pose,
        "alignments3D/shift": truth.origin_A / ALIGNMENT_PIXEL_A,
        "alignments3D/psize_A": np.full(count, ALIGNMENT_PIXEL_A),
        "alignments3D/split": np.arange(count, dtype=np.uint32) % 2,
        "alignments3D/class": np.zeros(count, dtype=np.uint32),
        "location/micrograph_path": np.full(count, b"J2/mics/a.mrc"),
        "location/micrograph_shape": np.tile(np.array([3000, 4000], dtype=np.uint32), (count, 1)),
        "location/center_x_frac": np.full(count, 0.25),
        "location/center_y_frac": np.full(count, 0.1),
    }


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with noise-free particles of a phantom, with CTF, astigmatism, beam tilt and offsets."""
    folder = tmp_path_factory.mktemp("set")
    particle_set(folder, **OPTIONS)
    return folder


@pytest.fixture
def source(simulated: Path, tmp_path: Path) -> Iterator[Path]:
    """A cryoSPARC project (P1) with the particles as job J5, beside our project, the current folder."""
    stack = tmp_path / "P1" / "J5" / "extract" / "stack.mrc"
    stack.parent.mkdir(parents=True)
    stack.symlink_to(simulated / "set.mrcs")
    (tmp_path / "project").mkdir()
    with inside(tmp_path / "project"):
        yield tmp_path / "P1" / "J5"


def truth_of(simulated: Path) -> ParticleSet:
    return read_particles(simulated / "set_truth.star")


def expected_images(particles: ParticleSet) -> np.ndarray:
    """The phantom's exact projections with pose, origin, CTF and beam tilt as the particles say."""
    params = phantom_params(".", **OPTIONS)
    rotations = torch.from_numpy(euler_to_matrix(particles.angles_deg)).float()
    shift = -torch.from_numpy(particles.origin_A.copy()).float()
    exact = phantom_projections(built_in_phantom(params), rotations, shift, BOX, PIXEL_A)
    pixels = half_plane_pixels(BOX, PIXEL_A)
    group = particles.optics[0]
    optics = Optics(group.voltage_kV, group.spherical_aberration_mm, group.amplitude_contrast)
    columns = (
        particles.defocus_u_A,
        particles.defocus_v_A,
        particles.defocus_angle_deg,
        particles.phase_shift_deg,
        particles.ctf_b_factor_A2,
        particles.ctf_scale,
    )
    values = [torch.from_numpy(np.array(column)) for column in columns]
    contrast = ctf(*pixels.frequency_A(), optics, *values)
    return images_of(image_transform(exact, pixels) * contrast, pixels).double().numpy()


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The correlation of each image with its partner."""
    first, second = (x.reshape(len(x), -1) - x.mean(axis=(1, 2))[:, None] for x in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / norms


def test_images_agree_with_projections_at_imported_poses(source: Path, simulated: Path) -> None:
    save(source / "particles.cs", cryosparc_fields(truth_of(simulated)))
    end = finish("importing", files=str(source / "particles.cs"), output="Import/job001/import")
    found = read_particles("Import/job001/particles.star")
    assert check_particles(found, needs_ctf=True) == []
    images = mrcfile.read(found.stacks[0]).astype(np.float64)[found.slice_index]
    expected = expected_images(found)
    assert correlation(images, expected).min() > 0.995
    assert correlation(images, np.roll(expected, 1, axis=0)).mean() < 0.8
    truth = truth_of(simulated)
    turned = euler_to_matrix(found.angles_deg) @ euler_to_matrix(truth.angles_deg).transpose(
        0, 2, 1
    )
    assert (
        np.degrees(np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))).max()
        < 0.1
    )
    np.testing.assert_allclose(found.origin_A, truth.origin_A, atol=1e-4)
    np.testing.assert_allclose(found.defocus_u_A, truth.defocus_u_A, rtol=1e-6)
    np.testing.assert_allclose(found.defocus_angle_deg, truth.defocus_angle_deg, atol=1e-4)
    (output,) = end.outputs
    assert (output.particles, output.box_size, output.pixel_size_A) == (COUNT, BOX, PIXEL_A)


@pytest.mark.parametrize("wrong", ["alignments3D/pose", "alignments3D/shift", "ctf/df_angle_rad"])
def test_another_convention_would_be_seen(source: Path, simulated: Path, wrong: str) -> None:
    """The test above can fail: the inverse rotation, or another sign of shifts or astigmatism, does not fit."""
    fields = cryosparc_fields(truth_of(simulated))
    fields[wrong] = -fields[wrong]
    save(source / "particles.cs", fields)
    finish("importing", files=str(source / "particles.cs"), output="Import/job001/import")
    found = read_particles("Import/job001/particles.star")
    images = mrcfile.read(found.stacks[0]).astype(np.float64)[found.slice_index]
    assert correlation(images, expected_images(found)).min() < 0.99


def test_names_optics_halves_and_coordinates(source: Path, simulated: Path) -> None:
    fields = cryosparc_fields(truth_of(simulated))
    fields["ctf/tilt_A"] = np.tile(np.sin([0.8e-3, -0.5e-3]) * CS_MM * 1e7, (COUNT, 1))
    save(source / "particles.cs", fields)
    finish("importing", files=str(source / "particles.cs"), output="Import/job001/import")
    tables = read_star("Import/job001/particles.star")
    optics, rows = tables["optics"].columns, tables["particles"].columns
    expected = {
        "rlnOpticsGroupName": "exposureGroup3",
        "rlnVoltage": KV,
        "rlnSphericalAberration": CS_MM,
        "rlnAmplitudeContrast": CONTRAST,
        "rlnImagePixelSize": PIXEL_A,
        "rlnImageSize": BOX,
    }
    assert {label: optics[label].tolist() for label in expected} == {
        label: [value] for label, value in expected.items()
    }
    np.testing.assert_allclose(
        [optics["rlnBeamTiltX"][0], optics["rlnBeamTiltY"][0]], [0.8, -0.5], atol=1e-5
    )
    assert rows["rlnImageName"][0] == "000001@Import/job001/stacks/stack.mrcs"
    assert rows["rlnRandomSubset"].tolist() == [1, 2] * (COUNT // 2)
    assert rows["rlnClassNumber"].tolist() == [1] * COUNT
    assert rows["rlnMicrographName"].tolist() == ["J2/mics/a.mrc"] * COUNT
    np.testing.assert_allclose(
        [rows["rlnCoordinateX"][0], rows["rlnCoordinateY"][0]], [1000.0, 2700.0], atol=0.01
    )
    assert rows["cryosparcUid"].tolist() == [str(uid) for uid in fields["uid"]]
    finish(
        "importing",
        files=str(source / "particles.cs"),
        output="Import/job002/import",
        flip_coordinates=False,
    )
    again = read_star("Import/job002/particles.star")["particles"].columns
    np.testing.assert_allclose(again["rlnCoordinateY"][0], 300.0, atol=0.01)


def test_passthrough_files_are_matched_by_uid(source: Path, simulated: Path) -> None:
    fields = cryosparc_fields(truth_of(simulated))
    ctf_names = [name for name in fields if name.startswith("ctf/")]
    order = np.random.default_rng(3).permutation(COUNT)
    rest = {name: fields[name] for name in fields if name not in ctf_names}
    save(source / "particles.cs", rest)
    more = {name: np.asarray(fields[name])[order] for name in ["uid", *ctf_names]}
    save(source / "pass.cs", more | {"alignments3D/pose": np.zeros((COUNT, 3))})
    found = read_cryosparc(source / "particles.cs", [source / "pass.cs"])
    np.testing.assert_allclose(found.fields["ctf/df1_A"], fields["ctf/df1_A"], rtol=1e-6)
    assert np.abs(found.fields["alignments3D/pose"]).max() > 0
    finish(
        "importing",
        files=str(source / "particles.cs"),
        passthrough=str(source / "pass.cs"),
        output="Import/job001/import",
    )
    imported = read_particles("Import/job001/particles.star")
    np.testing.assert_allclose(imported.defocus_u_A, truth_of(simulated).defocus_u_A, rtol=1e-6)
    save(source / "less.cs", {name: values[1:] for name, values in more.items()})
    with pytest.raises(InputError, match=f"lacks 1 of the {COUNT} particles"):
        read_cryosparc(source / "particles.cs", [source / "less.cs"])
    finish("importing", files=str(source / "particles.cs"), output="Import/job002/import")
    told = " ".join(warnings("Import/job002/import"))
    assert "no defocus" in told and "no ctf/ fields of the microscope" in told


def test_exposure_groups_become_optics_groups(source: Path, simulated: Path) -> None:
    fields = cryosparc_fields(truth_of(simulated))
    fields["ctf/exp_group_id"] = np.arange(COUNT) % 2 + 10
    fields["ctf/cs_mm"] = np.where(np.arange(COUNT) == 1, 0.01, CS_MM)
    fields["ctf/trefoil_A"] = np.full((COUNT, 2), 5.0)
    fields["blob/sign"] = -np.ones(COUNT)
    save(source / "particles.cs", fields)
    found = convert(read_cryosparc(source / "particles.cs"), flip_coordinates=True)
    names = found.optics.columns["rlnOpticsGroupName"].tolist()
    assert (
        names[0] == "exposureGroup10"
        and [name.split("-")[0] for name in names[1:]] == ["exposureGroup11"] * 2
    )
    groups = found.particles.columns["rlnOpticsGroup"]
    assert len(set(groups[::2].tolist())) == 1 and groups[1] != groups[3] == groups[5]
    told = " ".join(found.remarks)
    assert "trefoil cannot be taken over" in told and "blob/sign is -1 for 16 particles" in told


def test_the_most_probable_class_gives_the_pose(source: Path, simulated: Path) -> None:
    fields = cryosparc_fields(truth_of(simulated))
    pose, shift = fields.pop("alignments3D/pose"), fields.pop("alignments3D/shift")
    for name in ("split", "class", "psize_A"):
        fields.pop(f"alignments3D/{name}")
    is_first = np.arange(COUNT) % 3 == 0
    for number, chosen in ((0, is_first), (1, ~is_first)):
        prefix = f"alignments_class_{number}"
        fields[f"{prefix}/pose"] = np.where(chosen[:, None], pose, 0.0)
        fields[f"{prefix}/shift"] = np.where(chosen[:, None], shift, 9.0)
        fields[f"{prefix}/class_posterior"] = np.where(chosen, 0.9, 0.1)
        fields[f"{prefix}/psize_A"] = np.full(COUNT, ALIGNMENT_PIXEL_A)
    save(source / "particles.cs", fields)
    found = convert(read_cryosparc(source / "particles.cs"), flip_coordinates=True)
    columns = found.particles.columns
    assert columns["rlnClassNumber"].tolist() == np.where(is_first, 1, 2).tolist()
    np.testing.assert_allclose(
        columns["rlnOriginXAngst"], truth_of(simulated).origin_A[:, 0], atol=1e-4
    )
    assert "rlnRandomSubset" not in columns


def test_alignments_in_the_plane_turn_as_those_in_space(source: Path, simulated: Path) -> None:
    fields = cryosparc_fields(truth_of(simulated))
    for name in [name for name in fields if name.startswith("alignments3D")]:
        fields.pop(name)
    angle = np.linspace(-3.0, 3.0, COUNT)
    fields["alignments2D/pose"] = angle
    fields["alignments2D/shift"] = np.ones((COUNT, 2))
    save(source / "particles.cs", fields)
    found = convert(read_cryosparc(source / "particles.cs"), flip_coordinates=True)
    columns = found.particles.columns
    np.testing.assert_allclose(columns["rlnAnglePsi"], np.degrees(angle), atol=1e-4)
    assert not columns["rlnAngleRot"].any() and not columns["rlnAngleTilt"].any()
    np.testing.assert_allclose(columns["rlnOriginXAngst"], PIXEL_A)


def test_files_without_poses(source: Path, simulated: Path) -> None:
    fields = cryosparc_fields(truth_of(simulated))
    for name in [name for name in fields if name.startswith("alignments3D")]:
        fields.pop(name)
    fields["alignments3D_multi/pose"] = np.zeros((COUNT, 2, 3))
    save(source / "particles.cs", fields)
    found = convert(read_cryosparc(source / "particles.cs"), flip_coordinates=True)
    assert "rlnAngleRot" not in found.particles.columns
    assert "alignments3D_multi" in found.remarks[0] and "No poses were imported" in found.remarks[1]


def test_known_rotation_vectors() -> None:
    """By hand: a quarter turn about z is psi of 90 degrees, one about y a tilt of 90 degrees."""
    quarter = np.pi / 2
    vectors = np.array([[0, 0, 0], [0, 0, quarter], [0, quarter, 0]])
    matrices = euler_to_matrix(euler_angles(vectors))
    np.testing.assert_allclose(matrices[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrices[1], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(matrices[2], [[0, 0, -1], [0, 1, 0], [1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(euler_angles(vectors)[1:], [[0, 0, 90], [0, 90, 0]], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uid": None}, "has no field 'uid'"),
        ({"blob/path": None}, "has no blob/path: give the passthrough"),
        ({"uid": np.zeros(COUNT, dtype=np.uint64)}, "with the same uid"),
        ({"ctf/df1_A": np.full(COUNT, np.nan)}, r"particle 1: ctf/df1_A is not a finite"),
        ({"blob/shape": np.tile(np.array([48, 64], np.uint32), (COUNT, 1))}, "64 x 48 pixels"),
        ({"blob/path": np.full(COUNT, b"J5/gone.mrc")}, "1 of 1 image stacks .* do not exist"),
        ({"blob/idx": np.arange(COUNT) + 1}, f"image {COUNT + 1} of .* is used"),
        ({"blob/shape": np.full((COUNT, 2), 64, np.uint32)}, "is 64, but .* 48 x 48 pixels"),
    ],
)
def test_files_that_cannot_be_used(
    source: Path, simulated: Path, change: dict[str, Any], message: str
) -> None:
    fields = cryosparc_fields(truth_of(simulated)) | change
    kept = {name: values for name, values in fields.items() if values is not None}
    if "uid" not in kept:
        array = np.zeros(3, dtype=[("a", "<f4")])
        with (source / "particles.cs").open("wb") as file:
            np.save(file, array)
    else:
        save(source / "particles.cs", kept)
    with pytest.raises(InputError, match=message):
        finish("importing", files=str(source / "particles.cs"), output="Import/job001/import")
    assert not Path("Import/job001/particles.star").exists()


def test_what_is_no_cs_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_cryosparc(tmp_path / "gone.cs")
    (tmp_path / "a.cs").write_text("not numpy")
    with pytest.raises(InputError, match=r"is no \.cs file of cryoSPARC that can be read"):
        read_cryosparc(tmp_path / "a.cs")
    with (tmp_path / "b.cs").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="has no field 'uid'"):
        read_cryosparc(tmp_path / "b.cs")
