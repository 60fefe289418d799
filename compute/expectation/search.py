"""What is searched in one iteration, and the tables that all images of an optics group share."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from compute.projection.kernels_cpu import LINE
from compute.projection.reference import AnyProjector, packed
from compute.projection.slices import slices
from compute.sampling.orientations import LocalGrid, OrientationGrid, lattice_neighbours
from compute.sampling.translations import TranslationGrid
from compute.signal.fourier import PixelList, phase_shifts


@dataclass(frozen=True, slots=True)
class Search:
    """The search of one iteration: grids, sizes in pixels, and rules.

    size: working size of the second pass; coarse_size: of the first; accumulation_size: up to which images are put
    back. oversample False leaves the second pass on the coarse grid. score_divisor divides every log-likelihood.
    """

    orientations: OrientationGrid | LocalGrid
    translations: TranslationGrid
    size: int
    coarse_size: int
    accumulation_size: int
    oversample: bool
    is_correlation: bool
    adaptive_fraction: float
    maximum_significant: int
    score_divisor: float
    offset_sigma_A: float

    @property
    def is_local(self) -> bool:
        """Whether every image is searched around its own pose."""
        return isinstance(self.orientations, LocalGrid)

    @property
    def first_pass(self) -> str:
        """What the first pass is called where its time is measured: one grid for all images is other work than many."""
        return "pass 1, local" if self.is_local else "pass 1"

    @property
    def orientation_children(self) -> int:
        """Fine orientations per coarse one."""
        return 8 if self.oversample else 1

    @property
    def translation_children(self) -> int:
        """Fine translations per coarse one."""
        return 4 if self.oversample else 1


@dataclass(frozen=True, slots=True)
class SharedTables:
    """Tables of one optics group and one half for an iteration.

    Coarse slices, and their squares, are those of a grid common to all images, None in a local search. Pixels are
    prefixes of one list: coarse_count, count, accumulation_count long. Phase rows are real and imaginary parts of the
    conjugated phases, on the CPU with zeros up to a whole line of the cache.

    On the CPU only: neighbours are those of a local lattice's points.
    """

    projector: AnyProjector
    pixels: PixelList
    coarse_count: int
    count: int
    accumulation_count: int
    coarse_shifts_A: Float[Tensor, "coarse_translation 2"]
    fine_shifts_A: Float[Tensor, "fine_translation 2"]
    coarse_phases: Complex[Tensor, "coarse_translation coarse_pixel"]
    inverse_noise: Float[Tensor, " pixel"]
    insertion_weight: Float[Tensor, " pixel"]
    coarse_rotations: Float[Tensor, "coarse_orientation 3 3"]
    fine_rotations: Float[Tensor, "fine_orientation 3 3"]
    coarse_log_prior: Float[Tensor, " coarse_orientation"]
    fine_log_prior: Float[Tensor, " fine_orientation"]
    coarse_phase_rows: Float[Tensor, "coarse_translation 2 coarse_row"]
    fine_phase_rows: Float[Tensor, "fine_translation 2 accumulation_row"]
    coarse_slices: Float[Tensor, "coarse_orientation 2 coarse_pixel"] | None
    coarse_powers: Float[Tensor, "coarse_orientation coarse_pixel"] | None = None
    neighbours: Int[Tensor, "coarse_orientation 6"] | None = None


def _inverse_noise(
    noise_power: Float[Tensor, " shell"], pixels: PixelList, search: Search
) -> tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]]:
    """1/σ² per pixel for scores (zero frequency out; ones in a correlation search) and for insertion."""
    at_pixels = noise_power.double()[pixels.shell]
    floor = at_pixels[1:].median() * 1e-3
    insertion = 1.0 / at_pixels.clamp(min=float(floor))
    score = (
        torch.ones_like(insertion) if search.is_correlation else insertion / search.score_divisor
    )
    score[0] = 0.0
    return score.float(), insertion.float()


def shared_tables(
    search: Search,
    projector: AnyProjector,
    pixels: PixelList,
    noise_power: Float[Tensor, " shell"],
) -> SharedTables:
    """Slices, phases and weights that all images of the group need; noise_power is σ² per real component."""
    device = projector.device
    if device.type == "cpu":
        projector = packed(projector)
    coarse_count, count = pixels.count(search.coarse_size), pixels.count(search.size)
    accumulation_count = pixels.count(search.accumulation_size)
    grid, shifts = search.orientations, search.translations
    coarse_shifts = torch.from_numpy(shifts.coarse).to(device)
    fine_shifts = torch.from_numpy(shifts.fine).to(device) if search.oversample else coarse_shifts
    score_weight, insertion_weight = _inverse_noise(noise_power, pixels, search)
    coarse_rotations = torch.from_numpy(grid.coarse).to(device)
    fine_rotations, coarse_slices, coarse_powers = coarse_rotations, None, None
    is_host = device.type == "cpu"
    coarse_prior, fine_prior = _log_priors(grid, search.oversample)
    if search.oversample:
        fine_rotations = torch.from_numpy(grid.fine).to(device)
    if not search.is_local:
        xy = (pixels.model_x[:coarse_count], pixels.model_y[:coarse_count])
        coarse_slices = slices(projector, coarse_rotations, *xy)
        coarse_powers = coarse_slices.square().sum(1)
    coarse_phases = phase_shifts(coarse_shifts, pixels, coarse_count)
    fine_phases = phase_shifts(fine_shifts, pixels, accumulation_count)
    return SharedTables(
        projector=projector,
        pixels=pixels,
        coarse_count=coarse_count,
        count=count,
        accumulation_count=accumulation_count,
        coarse_shifts_A=coarse_shifts,
        fine_shifts_A=fine_shifts,
        coarse_phases=coarse_phases,
        inverse_noise=score_weight,
        insertion_weight=insertion_weight,
        coarse_rotations=coarse_rotations,
        fine_rotations=fine_rotations,
        coarse_log_prior=coarse_prior.to(device),
        fine_log_prior=fine_prior.to(device),
        coarse_slices=coarse_slices,
        coarse_powers=coarse_powers,
        coarse_phase_rows=_conjugated_rows(coarse_phases, is_host),
        fine_phase_rows=_conjugated_rows(fine_phases, is_host),
        neighbours=(
            torch.from_numpy(lattice_neighbours(grid.lattice))
            if is_host and isinstance(grid, LocalGrid)
            else None
        ),
    )


def _conjugated_rows(
    phases: Complex[Tensor, "translation pixel"], is_host: bool
) -> Float[Tensor, "translation 2 row"]:
    """Real and imaginary parts of the conjugated phases; on the CPU with zeros up to a whole line of the cache."""
    rows = torch.stack([phases.real, -phases.imag], dim=1)
    return torch.nn.functional.pad(rows, (0, -rows.shape[2] % LINE)) if is_host else rows


def _log_priors(
    grid: OrientationGrid | LocalGrid, oversample: bool
) -> tuple[Float[Tensor, " coarse_orientation"], Float[Tensor, " fine_orientation"]]:
    """Log prior of every coarse and every searched fine orientation, whichever grid it is."""
    coarse = grid.coarse_log_prior if isinstance(grid, LocalGrid) else grid.log_prior
    fine = grid.fine_log_prior if oversample else coarse
    return torch.from_numpy(coarse), torch.from_numpy(fine)


def offset_log_prior(
    shifts_A: Float[Tensor, "translation 2"], base_A: Float[Tensor, "*image 2"], sigma_A: float
) -> Float[Tensor, "*image translation"]:
    """Log of a Gaussian of the whole offset, base plus sampled shift, all in Å: -|b + t|²/(2σ²)."""
    return -(shifts_A + base_A[..., None, :]).square().sum(-1) / (2 * sigma_A**2)


def fine_children(
    coarse: Int[Tensor, " coarse_orientation"], children: int
) -> Int[Tensor, " fine_orientation"]:
    """Rows of the fine grid that belong to the coarse rows, in order."""
    offsets = torch.arange(children, device=coarse.device)
    return (coarse[:, None] * children + offsets).reshape(-1)
