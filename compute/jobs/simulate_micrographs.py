"""Simulated micrographs: particles strewn over fields of noise under the CTF, with coordinates and the truth."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float32, Float64, Int64
from torch import Tensor

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.stacks import StackWriter
from compute.files.star import write_star
from compute.files.table import Table
from compute.jobs.microscope import PIXELS_AT_ONCE, Microscope, build_microscope, lens
from compute.jobs.simulate_parts import (
    Content,
    beside,
    device_of,
    diameter_of,
    named_table,
    optics_table,
    truth_columns,
    write_maps,
)
from compute.jobs.specimen import read_specimen
from compute.params.simulate import SimulateParams
from compute.signal.ctf import ctf
from compute.signal.noise import coloured_noise
from compute.signal.random import generator
from compute.signal.simulation import (
    NOISE_CORNER,
    NOISE_PIXEL_A,
    ice,
    noise_spectrum,
    place_particles,
)

ROWS_AT_ONCE = 256
"""Rows of a micrograph's transform whose CTF is computed at once."""


@dataclass(frozen=True, slots=True)
class SimulatedMicrographs:
    """The files that were written, and what the particles measure."""

    micrographs: Path
    coordinates: Path
    truth_particles: Path
    truth_map: Path
    reference: Path
    particle_diameter_A: float

    @property
    def outputs(self) -> dict[Path, Content]:
        """What later jobs take."""
        return {
            self.micrographs: "micrographs",
            self.coordinates: "coordinates",
            self.truth_particles: "particles",
            self.reference: "map",
        }


def make_micrographs(
    params: SimulateParams, log: Callable[[str], object] = print
) -> SimulatedMicrographs:
    """The files of simulated micrographs in the folder of `params.output`.

    `Micrographs/ROOT_NNNNN.mrc` with dark particles on a light ground, `micrographs_ctf.star`, one
    coordinate file beside each micrograph and their list `coordinates.star`; `ROOT_truth.star` with
    coordinates, poses and offsets (from the coordinates to the particles' true places),
    `ROOT_truth.mrc` and `ROOT_reference.mrc`. Same parameters, same bytes. Raises InputError for
    input that cannot be used and for more particles than fit.
    """
    device = device_of(params.device)
    specimen = read_specimen(params, device)
    diameter_A = diameter_of(params, specimen)
    log(
        f" {specimen.description}; particle diameter {diameter_A:.1f} Å; {params.micrographs} micrographs of "
        f"{params.micrograph_size_px} pixels of {params.pixel_size_A:g} Å"
    )
    calibrated, volume = build_microscope(params, specimen, diameter_A)
    microscope = dataclasses.replace(calibrated, has_ctf=False)
    places = _places(params, microscope, diameter_A)
    root = Path(params.output)
    root.parent.mkdir(parents=True, exist_ok=True)
    truth_map, reference = write_maps(params, volume)
    names = [
        root.parent / "Micrographs" / f"{root.name}_{m + 1:05d}.mrc"
        for m in range(params.micrographs)
    ]
    names[0].parent.mkdir(exist_ok=True)
    for m, name in enumerate(names):
        side = params.micrograph_size_px
        with StackWriter(name, side, params.pixel_size_A, params.float16) as file:
            file.append(_micrograph(microscope, places, m)[None].cpu().numpy())
        log(f" micrograph {m + 1} of {params.micrographs}")
    tables = _write_tables(microscope, places, names)
    log(f" {params.particles} particles in {params.micrographs} micrographs: {tables[0]}")
    return SimulatedMicrographs(*tables, truth_map, reference, diameter_A)


def _places(
    params: SimulateParams, microscope: Microscope, diameter_A: float
) -> Int64[np.ndarray, "particle 2"]:
    """The pixel (x, y) of every particle's coordinates in its micrograph."""
    spacing = (params.spacing_A or diameter_A) / params.pixel_size_A
    margin = 0.5 * diameter_A / params.pixel_size_A
    counts = np.bincount(microscope.particles.micrograph, minlength=params.micrographs)
    placed = []
    for m, count in enumerate(counts):
        try:
            found = place_particles(
                int(count), params.micrograph_size_px, margin, spacing, params.random_seed, m
            )
        except ValueError as error:
            raise InputError(
                f"{error} particles fit on a micrograph of {params.micrograph_size_px} pixels with "
                f"{spacing * params.pixel_size_A:.1f} Å between them: take more or larger micrographs, fewer "
                "particles or a smaller --spacing"
            ) from None
        placed.append(found)
    return np.concatenate(placed)


def _micrograph(
    microscope: Microscope, places: Int64[np.ndarray, "particle 2"], m: int
) -> Float32[Tensor, "y x"]:
    """One finished micrograph: what transmits less is darker, so the signal is subtracted."""
    params = microscope.params
    side = params.micrograph_size_px
    signal = torch.zeros(side, side, device=microscope.inside.device)
    ids = np.flatnonzero(microscope.particles.micrograph == m)
    for part in np.array_split(ids, max(1, len(ids) * params.box**2 // PIXELS_AT_ONCE)):
        for image, place in zip(microscope.signal(part), places[part].tolist(), strict=True):
            _add(signal, image, place)
    transform = torch.fft.rfft2(signal)
    if len(ids):
        _apply_ctf(transform, params, microscope.defocus[ids[0]])
    field = -torch.fft.irfft2(transform, s=(side, side))
    if params.snr > 0.0:
        corner = NOISE_CORNER * params.pixel_size_A / NOISE_PIXEL_A
        power = noise_spectrum(side, params.noise == "coloured", corner)
        random = generator(params.random_seed, "micrograph noise", m)
        field += coloured_noise(1, side, power.to(field.device), random)[0]
    if params.ice_gradient:
        field += ice(side, params.ice_gradient, params.random_seed, m).to(field.device)
    return field


def _add(
    field: Float32[Tensor, "rows columns"], image: Float32[Tensor, "y x"], place: list[int]
) -> None:
    """Add an image to a field, in place, with its middle at a pixel (x, y); what lies beyond the edge is lost."""
    box, side = image.shape[0], field.shape[0]
    left, top = (at - box // 2 for at in place)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(side, left + box), min(side, top + box)
    field[y0:y1, x0:x1] += image[y0 - top : y1 - top, x0 - left : x1 - left]


def _apply_ctf(
    transform: Complex[Tensor, "rows half"], params: SimulateParams, defocus: np.ndarray
) -> None:
    """Multiply the transform of a micrograph by its CTF, in place, some rows at a time."""
    side = transform.shape[0]
    along = torch.fft.fftfreq(side, params.pixel_size_A, dtype=torch.float64)
    half = torch.fft.rfftfreq(side, params.pixel_size_A, dtype=torch.float64)
    u, v, angle = torch.from_numpy(defocus)[:, None].to(transform.device)
    none = torch.zeros_like(u)
    for first in range(0, side, ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        y, x = torch.meshgrid(along[rows], half, indexing="ij")
        frequencies = (x.flatten().to(u.device), y.flatten().to(u.device))
        values = ctf(
            *frequencies, lens(params), u, v, angle, none, none + params.b_factor_A2, none + 1
        )
        transform[rows] *= values.reshape(len(y), -1)


def _write_tables(
    microscope: Microscope, places: Int64[np.ndarray, "particle 2"], names: list[Path]
) -> tuple[Path, Path, Path]:
    """Write the micrographs with their CTF, the coordinates with their list, and the truth."""
    params, particles = microscope.params, microscope.particles
    root = Path(params.output)
    texts = np.array([str(name) for name in names], dtype=object)
    xy = dict(zip(("coordinate_x", "coordinate_y"), places.astype(float).T, strict=True))
    truth = {
        **xy,
        "micrograph_name": texts[particles.micrograph],
        "optics_group": np.ones(len(places), dtype=np.int64),
        "defocus_angle_deg": microscope.defocus[:, 2],
        **truth_columns(microscope),
    }
    truth_path = beside(root, "_truth.star")
    write_star(truth_path, [optics_table(params), named_table("particles", truth)])
    first = np.searchsorted(particles.micrograph, np.arange(len(names)))
    micrographs = root.with_name("micrographs_ctf.star")
    write_star(micrographs, _micrograph_tables(params, texts, microscope.defocus[first]))
    picks = []
    for m, name in enumerate(names):
        picks.append(name.with_name(name.stem + "_pick.star"))
        chosen = {key: values[particles.micrograph == m] for key, values in xy.items()}
        write_star(picks[m], [named_table("", chosen)])
    listed = {"micrograph_name": texts, "micrograph_coordinates": np.array([str(p) for p in picks])}
    coordinates = root.with_name("coordinates.star")
    write_star(coordinates, [named_table("coordinate_files", listed)])
    return micrographs, coordinates, truth_path


def _micrograph_tables(
    params: SimulateParams, names: np.ndarray, defocus: Float64[np.ndarray, "micrograph 3"]
) -> list[Table]:
    """The optics table of the micrographs, and the micrographs with their CTF."""
    optics = optics_table(params)
    of_images = {star_label(name) for name in _OF_IMAGES}
    columns = {label: values for label, values in optics.columns.items() if label not in of_images}
    columns[star_label("micrograph_pixel_size_A")] = np.array([params.pixel_size_A])
    rows = {
        "micrograph_name": names,
        "optics_group": np.ones(len(names), dtype=np.int64),
        **dict(zip(_DEFOCUS, defocus.T, strict=True)),
    }
    return [dataclasses.replace(optics, columns=columns), named_table("micrographs", rows)]


_DEFOCUS = ("defocus_u_A", "defocus_v_A", "defocus_angle_deg")
_OF_IMAGES = ("image_pixel_size_A", "image_size", "image_dimensionality")
