"""Particle tables of the 3.0 layout, which have no optics table, brought to the present layout."""

from typing import Final

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.optics import column, has
from compute.files.table import Table

_SHARED: Final = (
    "amplitude_contrast",
    "beam_tilt_x_mrad",
    "beam_tilt_y_mrad",
    "spherical_aberration_mm",
    "voltage_kV",
    "detector_pixel_size_um",
    "magnification",
)
"""What made images one optics group; these columns leave the particle table."""

_PIXEL_COLUMNS: Final = (
    ("origin_x_pixels", "origin_x_A"),
    ("origin_y_pixels", "origin_y_A"),
    ("origin_z_pixels", "origin_z_A"),
    ("origin_x_prior_pixels", "origin_x_prior_A"),
    ("origin_y_prior_pixels", "origin_y_prior_A"),
    ("origin_z_prior_pixels", "origin_z_prior_A"),
    ("helical_track_length_pixels", "helical_track_length_A"),
)


def convert_legacy(particles: Table, where: str) -> tuple[Table, Table]:
    """The optics table and the particle table of a particle table in the 3.0 layout.

    Particles with the same contrast, beam tilt, aberration, voltage, detector pixel and
    magnification make a group, in order of appearance; the pixel size is
    10000 · detector pixel (µm) / magnification. Raises InputError where these two are missing.
    """
    missing = [n for n in ("detector_pixel_size_um", "magnification") if not has(particles, n)]
    if missing or (column(particles, "magnification", 0.0) <= 0).any():
        raise InputError(
            f"{where} has no data_optics block, and without it the pixel size needs positive "
            f"{star_label('detector_pixel_size_um')} and {star_label('magnification')} columns."
        )
    shared = [name for name in _SHARED if has(particles, name)]
    rows = np.stack([particles.columns[star_label(name)] for name in shared], axis=1)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.argsort(order)
    groups = rows[first[order]]
    numbers = np.arange(1, len(groups) + 1)
    optics = {
        star_label("optics_group"): numbers,
        star_label("optics_group_name"): np.array([f"opticsGroup{n}" for n in numbers], object),
    }
    known = dict(zip(shared, groups.T, strict=True))
    pixel_size_A = 1e4 * known.pop("detector_pixel_size_um") / known.pop("magnification")
    optics |= {star_label(name): values for name, values in known.items()}
    optics[star_label("image_pixel_size_A")] = pixel_size_A
    taken = {star_label(name) for name in shared}
    columns = {label: v for label, v in particles.columns.items() if label not in taken}
    columns[star_label("optics_group")] = numbers[rank[group.reshape(-1)]]
    converted = Table("particles", columns)
    return (
        Table("optics", optics),
        pixels_to_A(converted, pixel_size_A[rank[group.reshape(-1)]]),
    )


def pixels_to_A(particles: Table, pixel_size_A: np.ndarray) -> Table:
    """The table with offsets in pixels turned into Å; columns that are in Å already stay.

    pixel_size_A: pixel size of every particle's image.
    """
    names = {star_label(pixels): star_label(in_A) for pixels, in_A in _PIXEL_COLUMNS}
    columns: dict[str, np.ndarray] = {}
    for label, values in particles.columns.items():
        if label not in names:
            columns[label] = values
        elif names[label] not in particles.columns:
            columns[names[label]] = values * pixel_size_A
    return Table(particles.name, columns, particles.is_list, particles.version)
