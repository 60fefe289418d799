"""The second pass: one image on the children of its significant poses, and what it adds to all sums."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from compute.expectation import posterior
from compute.expectation.mean_pose import mean_pose
from compute.expectation.prepare import PreparedImages
from compute.expectation.search import Search, SharedTables, fine_children, offset_log_prior
from compute.projection.kernels_torch import as_real_rows
from compute.projection.slices import slices, weighted_power
from compute.signal.fourier import shell_sums

# Slices of one image's candidates are kept if they fit into this many bytes, else made anew a few at a time.
CANDIDATE_BYTES = 16_000_000
# Images moved by all shifts are kept if one copy fits into this many bytes, else only by those with weight.
SHIFT_BYTES = 4_000_000

# The recorded pose is the mean over orientations within this many coarse steps of the best one.
MEAN_REACH_STEPS = 2.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """The poses of an image that the second pass looks at: rotations times shifts, less those masked out.

    sliced is None where there are too many slices to keep.
    """

    rows: Int[Tensor, " orientation"]
    rotations: Float[Tensor, "orientation 3 3"]
    sliced: Float[Tensor, "orientation 2 pixel"] | None
    columns: Int[Tensor, " translation"]
    log_prior: Float[Tensor, "orientation translation"]


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What one image contributes.

    residual_power: Σ of |image - model|² per shell, weighted, over all shells. cross, model_power: fit of the
    group's scale. values, weights: what to insert at `rotations`, or at `rows` of the shared fine grid.
    direction_weight: posterior weight per significant coarse orientation.
    """

    rotation: Float[Tensor, "3 3"]
    offset_A: Float[Tensor, " 2"]
    maximum_probability: float
    significant_samples: int
    log_evidence: float
    weight: float
    residual_power: Float[Tensor, " shell"]
    cross: float
    model_power: float
    offset_square_A2: float
    rows: Int[Tensor, " orientation"]
    rotations: Float[Tensor, "orientation 3 3"]
    values: Float[Tensor, "orientation 2 pixel"]
    orientation_weight: Float[Tensor, " orientation"]
    insertion_weight: Float[Tensor, " pixel"]


def candidates(
    kept: Int[Tensor, " pose"],
    centres: Float[Tensor, "mate 3 3"] | None,
    base_A: Float[Tensor, " 2"],
    search: Search,
    tables: SharedTables,
) -> Candidates:
    """Children of the significant coarse poses; pairs whose parents were not significant get log prior -inf.

    centres are the rotations searched around in a local search, None where the grid is shared.
    """
    shifts = len(tables.coarse_shifts_A)
    coarse_rows, row_of = torch.unique(kept // shifts, return_inverse=True)
    coarse_columns, column_of = torch.unique(kept % shifts, return_inverse=True)
    rows = fine_children(coarse_rows, search.orientation_children)
    columns = fine_children(coarse_columns, search.translation_children)
    points = len(tables.fine_rotations)
    rotations = tables.fine_rotations[rows % points]
    if centres is not None:
        rotations = rotations @ centres[rows // points]
    sliced = None
    if len(rows) <= _rows_at_once(tables):
        sliced = _slices_of(rows, rotations, tables)
    log_prior = tables.fine_log_prior[rows % points][:, None].expand(-1, len(columns)).clone()
    if not search.is_correlation:
        log_prior += offset_log_prior(
            tables.fine_shifts_A[columns], base_A, search.offset_sigma_A
        ).float()
    if len(kept) < len(coarse_rows) * len(coarse_columns):
        absent = torch.ones(
            len(coarse_rows), len(coarse_columns), dtype=torch.bool, device=kept.device
        )
        absent[row_of, column_of] = False
        blocks = log_prior.view(
            len(coarse_rows),
            search.orientation_children,
            len(coarse_columns),
            search.translation_children,
        )
        blocks.masked_fill_(absent[:, None, :, None], -torch.inf)
    return Candidates(rows, rotations, sliced, columns, log_prior)


def _rows_at_once(tables: SharedTables) -> int:
    """How many slices fit into `CANDIDATE_BYTES`."""
    return max(1, CANDIDATE_BYTES // (8 * tables.count))


def _slices_of(
    rows: Int[Tensor, " orientation"],
    rotations: Float[Tensor, "orientation 3 3"],
    tables: SharedTables,
) -> Float[Tensor, "orientation 2 pixel"]:
    """Slices of candidates: from the shared table if there is one, else new ones."""
    if tables.fine_slices is not None and tables.is_sliced is None:
        return tables.fine_slices[rows]
    pixels, n = tables.pixels, tables.count
    return slices(tables.projector, rotations, pixels.model_x[:n], pixels.model_y[:n])


def _slices_in_parts(
    found: Candidates, chosen: Int[Tensor, " chosen"] | None, tables: SharedTables
) -> Iterator[tuple[slice, Float[Tensor, "part 2 pixel"]]]:
    """Slices of the chosen candidates (all of them for None), as many at a time as may be kept."""
    if found.sliced is not None:
        every = slice(0, len(found.rows) if chosen is None else len(chosen))
        yield every, found.sliced if chosen is None else found.sliced[chosen]
        return
    rows = found.rows if chosen is None else found.rows[chosen]
    rotations = found.rotations if chosen is None else found.rotations[chosen]
    for start in range(0, len(rows), _rows_at_once(tables)):
        part = slice(start, min(start + _rows_at_once(tables), len(rows)))
        yield part, _slices_of(rows[part], rotations[part], tables)


def fine_scores(
    images: PreparedImages,
    image: int,
    found: Candidates,
    search: Search,
    tables: SharedTables,
) -> tuple[Float[Tensor, "orientation translation"], Complex[Tensor, "translation pixel"]]:
    """Scores of one image at its candidates, as in the first pass, and the shifted images they were made with."""
    n = tables.count
    forward, noise_weight = images.forward[image, :n], tables.inverse_noise[:n]
    moved = images.masked[image, :n] * tables.fine_phases[found.columns, :n]
    weighted = as_real_rows(moved).mul_((forward * noise_weight).repeat(2)).T
    products, powers = [], []
    for _, sliced in _slices_in_parts(found, None, tables):
        products.append(sliced.reshape(len(sliced), -1) @ weighted)
        powers.append(weighted_power(sliced, forward.square() * noise_weight))
    cross, power = torch.cat(products), torch.cat(powers)
    if search.is_correlation:
        return cross / torch.sqrt(power + 1e-20)[:, None], moved
    return cross - 0.5 * power[:, None] + found.log_prior, moved


def fine_pass(
    images: PreparedImages,
    image: int,
    found: Candidates,
    base_A: Float[Tensor, " 2"],
    search: Search,
    tables: SharedTables,
    well_determined: Float[Tensor, " pixel"],
    significant_samples: int,
) -> ImageResult:
    """The image's posterior over its candidates and everything that follows from it.

    well_determined is 1 at the pixels whose shells fix the group's scale, else 0.
    """
    n = tables.count
    masked, forward = images.masked[image], images.forward[image, :n]
    scores, moved = fine_scores(images, image, found, search, tables)
    weights, best, log_total = posterior.decide(
        scores, search.adaptive_fraction, search.is_correlation
    )
    top = int(scores.argmax())
    row, column = divmod(top, len(found.columns))
    per_row = weights.sum(1)
    kept = torch.nonzero(per_row > 0)[:, 0]
    weights, per_row = weights[kept], per_row[kept]
    total = float(per_row.double().sum())
    used = _used_shifts(weights, tables.accumulation_count)
    moved = moved[used]
    fit, model = torch.zeros_like(forward), torch.zeros_like(forward)
    for part, sliced in _slices_in_parts(found, kept, tables):
        more_fit, more_model = _model_sums(sliced, weights[part][:, used], per_row[part], moved)
        fit, model = fit + more_fit, model + more_model
    residual = masked.abs().square().double() * total
    residual[:n] += forward * (forward * model - 2 * fit)
    chosen = forward * well_determined[:n]
    shells = tables.pixels.model_box // 2 + 1
    offsets = tables.fine_shifts_A[found.columns] + base_A
    phases = tables.fine_phases[found.columns[used]]
    values, insertion_weight = _insertion(images, image, weights[:, used], phases, tables)
    rotation, offset_A = found.rotations[row], offsets[column]
    if search.is_local and bool((kept == row).any()):
        place = (int((kept == row).nonzero()[0, 0]), column)
        reach_rad = math.radians(MEAN_REACH_STEPS * search.orientations.step_deg)
        rotation, offset_A = mean_pose(found.rotations[kept], offsets, weights, place, reach_rad)
    return ImageResult(
        rotation=rotation,
        offset_A=offset_A,
        maximum_probability=float(weights.max()),
        significant_samples=significant_samples,
        log_evidence=best + log_total,
        weight=total,
        residual_power=shell_sums(residual, tables.pixels.shell, shells),
        cross=float((chosen * fit).double().sum()),
        model_power=float((chosen * forward * model).double().sum()),
        offset_square_A2=float((weights.sum(0) * offsets.square().sum(1)).double().sum()),
        rows=found.rows[kept],
        rotations=found.rotations[kept],
        values=values,
        orientation_weight=per_row,
        insertion_weight=insertion_weight,
    )


def _used_shifts(
    weights: Float[Tensor, "orientation translation"], pixels: int
) -> Int[Tensor, " used"] | slice:
    """The shifts that carry weight; all of them where images moved by all are small anyway."""
    if weights.shape[1] * pixels * 8 <= SHIFT_BYTES:
        return slice(None)
    return torch.nonzero((weights > 0).any(0))[:, 0]


def _model_sums(
    sliced: Float[Tensor, "orientation 2 pixel"],
    weights: Float[Tensor, "orientation translation"],
    per_row: Float[Tensor, " orientation"],
    moved: Tensor,
) -> tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]]:
    """Weighted Re(conj(S) X) and |S|² per pixel: the slices are summed per shift before the image enters."""
    per_shift = (weights.T @ sliced.reshape(len(sliced), -1)) * as_real_rows(moved)
    real, imaginary = per_shift.sum(0).chunk(2)
    model = per_row @ sliced.square().sum(1)
    return real + imaginary, model


def _insertion(
    images: PreparedImages,
    image: int,
    weights: Float[Tensor, "orientation translation"],
    phases: Tensor,
    tables: SharedTables,
) -> tuple[Float[Tensor, "orientation 2 pixel"], Float[Tensor, " pixel"]]:
    """The shifted images summed per orientation, weighted with CTF/σ², and the weight of a unit of posterior."""
    m = tables.accumulation_count
    factor = images.backward[image, :m] * tables.insertion_weight[:m]
    moved = as_real_rows((images.unmasked[image, :m] * factor) * phases)
    values = (weights @ moved).view(len(weights), 2, m)
    return values, images.forward[image, :m] * factor
