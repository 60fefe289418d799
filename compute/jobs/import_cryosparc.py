"""Particles of cryoSPARC as particle tables: poses, shifts, CTF and exposure groups in our conventions.

The conventions of cryoSPARC are those that public converters have established with its results
(pyem's csparc2star.py and cryoDRGN's parse_pose_csparc.py and parse_ctf_csparc.py, read for these facts):

- `alignments3D/pose` is a rotation vector v (axis times angle in radians). Its matrix exp([v]x) turns image
  into map coordinates, so that our A is exp(-[v]x).
- `alignments3D/shift` is the shift in pixels of `alignments3D/psize_A` that centres the particle when it is
  applied, as our origin.
- Defocus is in Å and positive for underfocus, `df_angle_rad` runs from x towards y, phase shifts are radians.
- `ctf/tilt_A` is Cs times the sine of the beam tilt, in Å, with the signs of RELION's beam tilt.
- `alignments3D/split` is 0 or 1, `class` counts from 0, `blob/idx` from 0.
- `location/center_*_frac` are fractions of the micrograph, y counted from the other end of the array.

`tests/compute/jobs/test_import_cryosparc.py` holds images against projections at imported poses.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from compute.files.cryosparc import UID, CryosparcParticles, decimal
from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.table import Table
from compute.sampling.rotations import matrix_to_euler, rotation_vectors_to_matrices

A_PER_MM: Final = 1e7
_CLASS_PREFIX: Final = "alignments_class_"
_IGNORED_OPTICS: Final = {
    "ctf/trefoil_A": "trefoil",
    "ctf/tetra_A": "tetrafoil",
    "ctf/anisomag": "anisotropic magnification",
    "ctf/shift_A": "a shift of the beam tilt fit",
}


@dataclass(frozen=True, slots=True)
class Converted:
    """The tables of converted particles and what a user should know of the conversion."""

    optics: Table
    particles: Table
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Alignment:
    """Where poses are: the prefix of the fields, or one per particle."""

    pose: np.ndarray
    shift: np.ndarray
    pixel_size_A: np.ndarray
    class_number: np.ndarray | None


def convert(found: CryosparcParticles, flip_coordinates: bool) -> Converted:
    """The optics and the particle table of cryoSPARC's particles.

    flip_coordinates: count y from the other end, as the same micrographs need it. Image names are those
    of the file (`>J12/extract/…` without its mark). Raises InputError for images that are not square.
    """
    remarks: list[str] = []
    _check_images(found, remarks)
    optics, group = _optics(found, remarks)
    paths = [str(path).lstrip(">") for path in found.fields["blob/path"].tolist()]
    numbers = found.fields["blob/idx"].astype(np.int64) + 1
    columns: dict[str, np.ndarray] = {
        "image_name": _texts(f"{n:06d}@{p}" for n, p in zip(numbers.tolist(), paths, strict=True)),
        "optics_group": group,
        **_location(found, flip_coordinates),
        **_ctf(found, remarks),
        **_pose(found, remarks),
        **_halves(found, remarks),
        "cryosparc_uid": _texts(map(str, found.fields[UID].tolist())),
    }
    labelled = {star_label(name): values for name, values in columns.items()}
    return Converted(optics, Table("particles", labelled), tuple(remarks))


def _texts(values: object) -> np.ndarray:
    return np.array(list(values), dtype=object)  # type: ignore[call-overload]


def _check_images(found: CryosparcParticles, remarks: list[str]) -> None:
    shape = found.fields["blob/shape"].reshape(len(found), -1)
    uneven = np.flatnonzero(shape[:, 0] != shape[:, -1])
    if len(uneven):
        height, width = shape[uneven[0]].tolist()[:2]
        raise InputError(
            f"{found.path}, particle {uneven[0] + 1}: images of {width} x {height} pixels; they must be square."
        )
    sign = found.number("blob/sign", 1.0)
    if (sign < 0).any():
        remarks.append(
            f"blob/sign is -1 for {int((sign < 0).sum())} particles: cryoSPARC turns their contrast on "
            "reading. Refinement here takes images as they are and needs white particles."
        )


def _optics(found: CryosparcParticles, remarks: list[str]) -> tuple[Table, np.ndarray]:
    """The optics table, and each particle's group in it: what differs in an exposure group makes another one."""
    numbers = found.number("ctf/exp_group_id", 1.0)
    cs_mm = found.number("ctf/cs_mm", 0.0)
    shape = found.fields["blob/shape"].reshape(len(found), -1)
    shared = {
        "voltage_kV": found.number("ctf/accel_kv", 0.0),
        "spherical_aberration_mm": cs_mm,
        "amplitude_contrast": found.number("ctf/amp_contrast", 0.0),
        "image_pixel_size_A": decimal(found.fields["blob/psize_A"]),
        "image_size": shape[:, 0].astype(np.float64),
        "beam_tilt_x_mrad": _tilt_mrad(found, cs_mm, 0),
        "beam_tilt_y_mrad": _tilt_mrad(found, cs_mm, 1),
    }
    for name, what in _IGNORED_OPTICS.items():
        if name in found.fields and np.abs(found.fields[name]).max(initial=0.0) > 0:
            remarks.append(f"{name} is not zero: {what} cannot be taken over and is left out.")
    rows = np.stack([numbers, *shared.values()], axis=1)
    groups, first, index = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    names = [f"exposureGroup{int(number)}" for number in groups[:, 0]]
    repeated = {name for name in names if names.count(name) > 1}
    names = [f"{n}-{i}" if n in repeated else n for i, n in enumerate(names, start=1)]
    columns = {name: values[first] for name, values in shared.items()}
    if not found.has("ctf/accel_kv", "ctf/cs_mm", "ctf/amp_contrast"):
        remarks.append("The file has no ctf/ fields of the microscope; CTF correction needs them.")
        for name in ("voltage_kV", "spherical_aberration_mm", "amplitude_contrast"):
            columns.pop(name)
    if not any(columns[name].any() for name in ("beam_tilt_x_mrad", "beam_tilt_y_mrad")):
        columns.pop("beam_tilt_x_mrad"), columns.pop("beam_tilt_y_mrad")
    table = {
        star_label("optics_group"): np.arange(1, len(groups) + 1),
        star_label("optics_group_name"): _texts(names),
    }
    table |= {star_label(name): values for name, values in columns.items()}
    table[star_label("image_size")] = table[star_label("image_size")].astype(np.int64)
    table[star_label("image_dimensionality")] = np.full(len(groups), 2)
    return Table("optics", table), index.reshape(-1).astype(np.int64) + 1


def _tilt_mrad(found: CryosparcParticles, cs_mm: np.ndarray, axis: int) -> np.ndarray:
    """The beam tilt from `ctf/tilt_A` = Cs sin(tilt); 0 without spherical aberration, where tilt does nothing."""
    if not found.has("ctf/tilt_A"):
        return np.zeros(len(found))
    tilt_A = found.fields["ctf/tilt_A"][:, axis].astype(np.float64)
    cs_A = np.where(cs_mm > 0, cs_mm, 1.0) * A_PER_MM
    sine = np.where(cs_mm > 0, tilt_A / cs_A, 0.0)
    return decimal((1e3 * np.arcsin(np.clip(sine, -1.0, 1.0))).astype(np.float32))


def _ctf(found: CryosparcParticles, remarks: list[str]) -> dict[str, np.ndarray]:
    if not found.has("ctf/df1_A", "ctf/df2_A", "ctf/df_angle_rad"):
        remarks.append("The file has no defocus (ctf/df1_A …); give its passthrough file.")
        return {}
    columns = {
        "defocus_u_A": found.number("ctf/df1_A", 0.0),
        "defocus_v_A": found.number("ctf/df2_A", 0.0),
        "defocus_angle_deg": np.degrees(found.fields["ctf/df_angle_rad"].astype(np.float64)),
        "phase_shift_deg": np.degrees(found.number("ctf/phase_shift_rad", 0.0)),
        "ctf_b_factor_A2": found.number("ctf/bfactor", 0.0),
    }
    if found.has("ctf/ctf_fit_to_A"):
        columns["ctf_max_resolution_A"] = found.number("ctf/ctf_fit_to_A", 0.0)
    if found.has("ctf/cross_corr_ctffind4"):
        columns["ctf_figure_of_merit"] = found.number("ctf/cross_corr_ctffind4", 0.0)
    return columns


def _pose(found: CryosparcParticles, remarks: list[str]) -> dict[str, np.ndarray]:
    """Angles and origins: of the 3D alignment, of the most probable class, or in the plane from 2D classes."""
    aligned = _alignment(found, remarks)
    if aligned is None:
        return {}
    rot, tilt, psi = euler_angles(aligned.pose).T
    origin_A = aligned.shift.astype(np.float64) * aligned.pixel_size_A[:, None]
    columns = {
        "angle_rot_deg": rot,
        "angle_tilt_deg": tilt,
        "angle_psi_deg": psi,
        "origin_x_A": origin_A[:, 0],
        "origin_y_A": origin_A[:, 1],
    }
    if aligned.class_number is not None:
        columns["class_number"] = aligned.class_number.astype(np.int64) + 1
    return columns


def euler_angles(pose: np.ndarray) -> Float64[np.ndarray, "particle 3"]:
    """Our Euler angles (rot, tilt, psi, degrees) of cryoSPARC's rotation vectors: those of exp(-[v]x)."""
    return matrix_to_euler(rotation_vectors_to_matrices(-pose.astype(np.float64)))


def _alignment(found: CryosparcParticles, remarks: list[str]) -> _Alignment | None:
    if found.has("alignments3D/pose", "alignments3D/shift"):
        return _aligned(found, "alignments3D", found.fields["alignments3D/pose"])
    if best := _best_class(found):
        remarks.append("Each particle has the pose of its most probable class.")
        return best
    if found.has("alignments2D/pose", "alignments2D/shift"):
        remarks.append("The file has 2D alignments only: angles in the plane and shifts.")
        in_plane = found.fields["alignments2D/pose"].reshape(len(found))
        vectors = np.stack([np.zeros(len(found)), np.zeros(len(found)), in_plane], axis=1)
        return _aligned(found, "alignments2D", vectors)
    if any(name.startswith("alignments3D_multi/") for name in found.fields):
        remarks.append(
            "The file has poses for several classes at once (alignments3D_multi), which are left out; "
            "import the particles of one class to keep them."
        )
    remarks.append("No poses were imported; the particles can start a refinement without them.")
    return None


def _aligned(found: CryosparcParticles, prefix: str, pose: np.ndarray) -> _Alignment:
    pixel_A = found.fields.get(f"{prefix}/psize_A", found.fields["blob/psize_A"])
    number = found.fields.get(f"{prefix}/class")
    return _Alignment(pose, found.fields[f"{prefix}/shift"], decimal(pixel_A), number)


def _best_class(found: CryosparcParticles) -> _Alignment | None:
    """The alignment of each particle's most probable class, from the fields `alignments_class_N/…`."""
    names = {name.split("/")[0] for name in found.fields if name.startswith(_CLASS_PREFIX)}
    prefixes = sorted(names, key=lambda name: int(name.removeprefix(_CLASS_PREFIX)))
    needed = ("pose", "shift", "class_posterior")
    if not prefixes or not all(found.has(f"{p}/{part}") for p in prefixes for part in needed):
        return None
    probability = np.stack([found.fields[f"{p}/class_posterior"] for p in prefixes], axis=1)
    best = probability.argmax(axis=1)
    row = np.arange(len(found))
    pose, shift = (
        np.stack([found.fields[f"{p}/{part}"] for p in prefixes], axis=1)[row, best]
        for part in ("pose", "shift")
    )
    blob_A = found.fields["blob/psize_A"]
    sizes = np.stack([found.fields.get(f"{p}/psize_A", blob_A) for p in prefixes], axis=1)
    return _Alignment(pose, shift, decimal(sizes[row, best]), best)


def _halves(found: CryosparcParticles, remarks: list[str]) -> dict[str, np.ndarray]:
    split = found.fields.get("alignments3D/split")
    if split is None:
        return {}
    if len(np.unique(split)) != 2 or not np.isin(split, (0, 1)).all():
        remarks.append("alignments3D/split is no division into two halves; it is left out.")
        return {}
    return {"random_subset": split.astype(np.int64) + 1}


def _location(found: CryosparcParticles, flip: bool) -> dict[str, np.ndarray]:
    """Micrograph and coordinates in its pixels, where the file has them."""
    columns: dict[str, np.ndarray] = {}
    if found.has("location/micrograph_path"):
        names = [str(one).lstrip(">") for one in found.fields["location/micrograph_path"].tolist()]
        columns["micrograph_name"] = _texts(names)
    fractions = ("location/center_x_frac", "location/center_y_frac")
    if found.has(*fractions, "location/micrograph_shape"):
        shape = found.fields["location/micrograph_shape"].astype(np.float64)
        x, y = (found.fields[name].astype(np.float64) for name in fractions)
        columns["coordinate_x"] = np.round(x * shape[:, 1], 3)
        columns["coordinate_y"] = np.round((1.0 - y if flip else y) * shape[:, 0], 3)
    return columns
