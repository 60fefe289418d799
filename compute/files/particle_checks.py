"""What must be right about a particle set before any work starts; headers only, no pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.mrc import read_layout
from compute.files.optics import has
from compute.files.particle_set import ParticleSet
from compute.files.star import check_finite

_PIXEL_SIZE_TOLERANCE = 1e-3  # relative; headers hold rounded cell edges in float32


def check_particles(particles: ParticleSet, needs_ctf: bool) -> list[str]:
    """The remarks that a user should see; raises InputError for what cannot be refined.

    Refused: no particles, missing, short or cut stacks, odd boxes, images of another size than
    the STAR file says, missing CTF columns (if `needs_ctf`), numbers that are not finite, norm
    corrections that are not positive, and fewer than two particles.
    """
    if len(particles) < 2:
        raise InputError(
            f"{particles.path} contains {len(particles)} particles; two half-sets need at least 2."
        )
    check_finite(particles.optics_table, str(particles.path))
    check_finite(particles.table, str(particles.path))
    _check_norm(particles)
    if needs_ctf:
        _check_ctf(particles)
    _check_stacks_exist(particles)
    _check_boxes(particles)
    return [*_stack_remarks(particles), *_table_remarks(particles, needs_ctf)]


def _check_norm(particles: ParticleSet) -> None:
    bad = np.flatnonzero(~(particles.norm_correction > 0))
    if len(bad):
        raise InputError(
            f"{particles.path}, row {bad[0] + 1} of data_particles: {star_label('norm_correction')} is "
            f"{particles.norm_correction[bad[0]]:g} but must be positive."
        )


def _check_ctf(particles: ParticleSet) -> None:
    optics = ("voltage_kV", "spherical_aberration_mm", "amplitude_contrast")
    missing = [] if particles.has_ctf else [f"{star_label('defocus_u_A')} in data_particles"]
    missing += [
        f"{star_label(name)} in data_optics"
        for name in optics
        if not has(particles.optics_table, name)
    ]
    if missing:
        raise InputError(
            f"{particles.path}: CTF correction needs {', '.join(missing)}. Estimate the CTF first, "
            "or switch CTF correction off."
        )
    for group in particles.optics:
        if group.voltage_kV <= 0 or not -1 < group.amplitude_contrast < 1:
            raise InputError(
                f"{particles.path}: optics group '{group.name}' has voltage {group.voltage_kV:g} kV "
                f"and amplitude contrast {group.amplitude_contrast:g}; the voltage must be "
                "positive and the contrast between -1 and 1."
            )


def _check_stacks_exist(particles: ParticleSet) -> None:
    used = np.unique(particles.stack_index)
    missing = [i for i in used if not particles.stacks[i].is_file()]
    if missing:
        count = int(np.isin(particles.stack_index, missing).sum())
        raise InputError(
            f"{len(missing)} of {len(used)} image stacks of {particles.path} do not exist "
            f"({count} particles); the first is {particles.stacks[missing[0]]}. Paths are taken "
            "from the STAR file's folder, the current one and those above the STAR file."
        )


def _check_boxes(particles: ParticleSet) -> None:
    for i in np.unique(particles.optics_index):
        size = particles.optics[i].image_size
        if size % 2 or size < 2:
            raise InputError(
                f"{particles.path}: {star_label('image_size')} is {size} but boxes must be even "
                f"(optics group '{particles.optics[i].name}')."
            )


def _stacks_of_groups(particles: ParticleSet) -> Iterator[tuple[Path, int, int]]:
    """Every stack with each of its optics groups and the images that it must hold at least."""
    pairs = particles.stack_index * len(particles.optics) + particles.optics_index
    order = np.lexsort((particles.slice_index, pairs))
    last = np.flatnonzero(np.diff(pairs[order], append=-1))
    for row in order[last]:
        stack = particles.stacks[particles.stack_index[row]]
        yield stack, int(particles.optics_index[row]), int(particles.slice_index[row]) + 1


def _stack_remarks(particles: ParticleSet) -> list[str]:
    """Check every stack's header against the STAR file; remarks on pixel sizes."""
    differing: list[tuple[Path, float, float]] = []
    for path, group, needed in _stacks_of_groups(particles):
        optics = particles.optics[group]
        layout = read_layout(path)
        count, height, width = layout.shape
        if (height, width) != (optics.image_size, optics.image_size):
            raise InputError(
                f"{particles.path}: {star_label('image_size')} of optics group '{optics.name}' is "
                f"{optics.image_size}, but {path} holds images of {width} x {height} pixels."
            )
        if needed > count:
            raise InputError(
                f"{particles.path}: image {needed} of {path} is used, which holds {count} images."
            )
        if abs(layout.pixel_size_A / optics.pixel_size_A - 1) > _PIXEL_SIZE_TOLERANCE:
            differing.append((path, layout.pixel_size_A, optics.pixel_size_A))
    if not differing:
        return []
    path, header_A, star_A = differing[0]
    return [
        f"The headers of {len(differing)} stacks have another pixel size than the STAR file, which "
        f"is used: {path.name} says {header_A:.4f} Å, the particles have {star_A:.4f} Å."
    ]


def _table_remarks(particles: ParticleSet, needs_ctf: bool) -> list[str]:
    remarks: list[str] = []
    subset = particles.table.columns.get(star_label("random_subset"))
    if subset is not None and len(set(subset.tolist()) - {0}) == 1 and not particles.half.any():
        remarks.append(
            f"All particles are in half-set {subset[0]}; the file's half-sets are ignored and the "
            "particles are split anew."
        )
    if needs_ctf and not has(particles.table, "defocus_v_A", "defocus_angle_deg"):
        remarks.append(
            f"Without {star_label('defocus_v_A')} and {star_label('defocus_angle_deg')} the CTF "
            "has no astigmatism."
        )
    images = np.stack([particles.stack_index, particles.slice_index], axis=1)
    repeated = len(images) - len(np.unique(images, axis=0))
    if repeated:
        remarks.append(
            f"{repeated} particles repeat an image of another particle; copies in both halves make "
            "the FSC look better than it is. Remove duplicates."
        )
    if not has(particles.table, "group_name") and not has(particles.table, "micrograph_name"):
        remarks.append(
            f"Without {star_label('group_name')} and {star_label('micrograph_name')}, intensities "
            "are scaled per image stack."
        )
    return remarks
