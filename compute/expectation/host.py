"""Both passes on the CPU, image by image: matrix products by torch, and compiled kernels between them.

It finds what `coarse.local_scores` and `fine` define, which other devices run; a test holds the two against each
other.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from compute.expectation import fine, kernels_cpu, posterior
from compute.expectation.coarse import going_on, shared_scores
from compute.expectation.fine import ImageResult
from compute.expectation.prepare import PreparedImages
from compute.expectation.search import Search, SharedTables, offset_log_prior
from compute.sampling.orientations import LocalGrid, lattice_neighbours

# A local search looks at least so far around an image's present pose, in steps of the coarse lattice.
CORE_STEPS = 2.0


class HostSearch:
    """The search of a block of images: views of its tables and images as arrays, made once for all of them.

    centres: the rotations searched around in a local search, with their mates; base_A: what is already applied, in Å.
    """

    def __init__(
        self,
        images: PreparedImages,
        centres: Tensor,
        base_A: Tensor,
        search: Search,
        tables: SharedTables,
    ) -> None:
        if tables.coarse_phase_rows is None or tables.fine_phase_rows is None:
            raise ValueError("these tables are for another device")
        self.search, self.tables = search, tables
        self._coarse_phases, self._fine_phases = tables.coarse_phase_rows, tables.fine_phase_rows
        self._centres = centres.contiguous().numpy()
        self._base_A = base_A.numpy()
        self._masked, self._unmasked = images.masked.numpy(), images.unmasked.numpy()
        self._forward, self._backward = images.forward.numpy(), images.backward.numpy()
        noise = tables.inverse_noise[: max(tables.count, tables.coarse_count)].numpy()
        self._weight = self._forward[:, : len(noise)] * noise
        self._volume, self._padding = tables.projector.values.numpy(), tables.projector.padding
        self._x, self._y = tables.pixels.model_x.numpy(), tables.pixels.model_y.numpy()
        self._shell = tables.pixels.shell.numpy()
        self._fine_shifts_A = tables.fine_shifts_A.numpy()
        sigma_A = search.offset_sigma_A
        prior_of = [
            offset_log_prior(shifts_A, base_A, sigma_A).float()
            for shifts_A in (tables.coarse_shifts_A, tables.fine_shifts_A)
        ]
        if search.is_correlation:
            prior_of = [torch.zeros_like(one) for one in prior_of]
        self._coarse_prior, self._fine_prior = prior_of[0], prior_of[1].numpy()
        self._point_prior = tables.fine_log_prior.numpy()
        grid = search.orientations
        if isinstance(grid, LocalGrid):
            self._neighbours = lattice_neighbours(grid.lattice)
            self._is_core = np.square(grid.lattice).sum(1) <= CORE_STEPS**2
            self._core = np.flatnonzero(self._is_core)

    # ---- scores

    def local_search(self, image: int) -> Tensor:
        """The significant coarse poses around the centres of an image.

        Around a single centre the search begins with the `CORE_STEPS` next to it and goes on from whatever is
        significant, until all neighbours of significant orientations have been scored.
        """
        points, mates = self.tables.coarse_rotations, self._centres[image]
        if len(mates) > 1 or self.search.is_correlation:
            scores = self._coarse_scores(image, np.arange(len(points) * len(mates)))
            return going_on(scores.view(-1), self.search)
        shifts = len(self._coarse_phases)
        scores = torch.full((len(points), shifts), -torch.inf)
        rows, is_scored = self._core, self._is_core.copy()
        while len(rows):
            scores[rows] = self._coarse_scores(image, rows)
            kept = going_on(scores.view(-1), self.search)
            rows = kernels_cpu.border(kept.numpy(), shifts, self._neighbours, is_scored)
        return kept

    def _coarse_scores(self, image: int, points: np.ndarray) -> Tensor:
        """Scores of an image at some coarse orientations around its centres: see `coarse.local_scores`."""
        tables, n, count = self.tables, self.tables.coarse_count, len(points)
        rotations = np.empty((count, 3, 3), np.float32)
        grid = tables.coarse_rotations.numpy()
        kernels_cpu.turned(grid, points, self._centres[image], rotations)
        rows, power = np.empty((count, 2, n), np.float32), np.empty(count, np.float32)
        weight = self._weight[image, :n]
        kernels_cpu.compare(
            self._volume,
            rotations,
            self._x[:n],
            self._y[:n],
            self._padding,
            self._masked[image, :n] * weight,
            self._forward[image, :n] * weight,
            rows,
            power,
        )
        phases = self._coarse_phases.view(len(self._coarse_phases), -1)
        cross = torch.from_numpy(rows).view(count, -1) @ phases.T
        if self.search.is_correlation:
            return cross.div_(torch.from_numpy(np.sqrt(power + 1e-20))[:, None])
        prior = tables.coarse_log_prior.numpy()[points % len(grid)]
        cross.add_(torch.from_numpy(prior - np.float32(0.5) * power)[:, None])
        return cross.add_(self._coarse_prior[image][None])

    def candidates(self, image: int, kept: Tensor) -> fine.Candidates:
        """Children of the significant coarse poses, as `fine.candidates` finds them; no slices yet."""
        search, points = self.search, self.tables.fine_rotations.numpy()
        rows, columns, log_prior = kernels_cpu.children(
            kept.numpy(),
            len(self.tables.coarse_shifts_A),
            search.orientation_children,
            search.translation_children,
            self._point_prior,
            self._fine_prior[image],
        )
        if search.is_local:
            rotations = np.empty((len(rows), 3, 3), np.float32)
            kernels_cpu.turned(points, rows, self._centres[image], rotations)
        else:
            rotations = points[rows]
        return fine.Candidates(
            rows=torch.from_numpy(rows),
            rotations=torch.from_numpy(rotations),
            sliced=None,
            columns=torch.from_numpy(columns),
            log_prior=torch.from_numpy(log_prior),
        )

    def fine_scores(self, image: int, found: fine.Candidates) -> Tensor:
        """Scores of an image at its candidates."""
        return self._fine_scores(image, found, self._fine_phases[found.columns])[0]

    def _fine_scores(
        self, image: int, found: fine.Candidates, phases: Tensor
    ) -> tuple[Tensor, tuple[np.ndarray, np.ndarray] | None]:
        """Those scores, and the slices with their places where all of them could be kept.

        phases: conjugated phases of the candidates' shifts, [translation, 2, pixel].
        """
        n = self.tables.count
        weight = self._weight[image, :n]
        weighted, strength = self._masked[image, :n] * weight, self._forward[image, :n] * weight
        shifts = phases[:, :, :n].reshape(len(phases), -1).T
        every = self.rows_at_once()
        products, powers, kept = [], [], None
        for start in range(0, len(found.rows), every):
            part = slice(start, start + every)
            sliced, places = self.sliced(found.rows[part].numpy(), found.rotations[part].numpy())
            rows = np.empty((len(places), 2, n), np.float32)
            some = np.empty(len(places), np.float32)
            kernels_cpu.image_rows(sliced, places, weighted, strength, rows, some)
            products.append(torch.from_numpy(rows).view(len(rows), -1) @ shifts)
            powers.append(torch.from_numpy(some))
            kept = (sliced, places) if len(places) == len(found.rows) else None
        cross, power = torch.cat(products), torch.cat(powers)
        if self.search.is_correlation:
            return cross / torch.sqrt(power + 1e-20)[:, None], kept
        return cross - 0.5 * power[:, None] + found.log_prior, kept

    def best_score_at(self, image: int, rotation: np.ndarray) -> float:
        """The best score of an image at one rotation over all fine shifts, without a prior of the orientation."""
        n = self.tables.count
        weight = self._weight[image, :n]
        row, power = np.empty((1, 2, n), np.float32), np.empty(1, np.float32)
        kernels_cpu.compare(
            self._volume,
            rotation[None],
            self._x[:n],
            self._y[:n],
            self._padding,
            self._masked[image, :n] * weight,
            self._forward[image, :n] * weight,
            row,
            power,
        )
        shifts = self._fine_phases[:, :, :n].reshape(len(self._fine_phases), -1)
        scores = (shifts @ torch.from_numpy(row).view(-1)).numpy()
        if self.search.is_correlation:
            return float(scores.max() / np.sqrt(power[0] + 1e-20))
        return float((scores + self._fine_prior[image]).max() - 0.5 * power[0])

    def rows_at_once(self) -> int:
        """How many slices of candidates may be kept."""
        return max(1, fine.CANDIDATE_BYTES // (8 * self.tables.count))

    def sliced(self, rows: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slices [·, 2, pixel] and the place of each candidate's among them."""
        tables, n = self.tables, self.tables.count
        x, y = self._x[:n], self._y[:n]
        if tables.fine_slices is not None and tables.is_sliced is not None:
            table, turns = tables.fine_slices.numpy(), tables.fine_rotations.numpy()
            is_sliced = tables.is_sliced.numpy()
            kernels_cpu.fill(self._volume, turns, x, y, self._padding, rows, is_sliced, table)
            return table, rows
        out = np.empty((len(rows), 2, n), np.float32)
        places = np.arange(len(rows))
        unsliced = np.zeros(len(rows), np.bool_)
        kernels_cpu.fill(self._volume, rotations, x, y, self._padding, places, unsliced, out)
        return out, places

    # ---- posterior

    def second_pass(self, image: int, kept: Tensor, determined: np.ndarray) -> ImageResult:
        """The posterior over the children of the significant poses and what follows from it: see `fine.fine_pass`."""
        search, tables = self.search, self.tables
        found = self.candidates(image, kept)
        phases = self._fine_phases[found.columns]
        scores, slices = self._fine_scores(image, found, phases)
        if search.is_correlation:
            weights, best, log_total = posterior.winner(scores), float(scores.max()), 0.0
        else:
            weights, best, log_total = posterior.weigh(scores, search.adaptive_fraction)
        top = int(scores.argmax())
        row, column = divmod(top, len(found.columns))
        per_row = weights.sum(1)
        used = torch.nonzero(per_row > 0)[:, 0]
        weights, per_row = weights[used], per_row[used]
        moved = (weights @ phases.view(len(phases), -1)).view(len(used), 2, -1)
        total = float(per_row.double().sum())
        fit, model = self._sums(image, found, used, per_row, moved, slices)
        power = np.zeros(tables.pixels.model_box // 2 + 1)
        cross, model_power = kernels_cpu.residuals(
            self._masked[image],
            self._forward[image],
            determined,
            fit,
            model,
            total,
            self._shell,
            power,
        )
        m = tables.accumulation_count
        factor = self._backward[image, :m] * tables.insertion_weight[:m].numpy()
        kernels_cpu.put_back(moved.numpy(), self._unmasked[image, :m], factor)
        offsets = self._fine_shifts_A[found.columns.numpy()] + self._base_A[image]
        rotations, shares = found.rotations[used], weights.sum(0).double().numpy()
        rotation, offset_A = found.rotations[row], torch.from_numpy(offsets[column])
        place = np.flatnonzero(used.numpy() == row)
        if search.is_local and len(place):
            reach_rad = math.radians(fine.MEAN_REACH_STEPS * search.orientations.step_deg)
            mean = kernels_cpu.mean_pose(
                rotations.numpy(), offsets, weights.numpy(), place[0], column, reach_rad
            )
            rotation, offset_A = torch.from_numpy(mean[0]), torch.from_numpy(mean[1])
        return ImageResult(
            rotation=rotation,
            offset_A=offset_A,
            maximum_probability=float(weights.max()),
            significant_samples=len(kept),
            log_evidence=best + log_total,
            weight=total,
            residual_power=torch.from_numpy(power),
            cross=cross,
            model_power=model_power,
            offset_square_A2=float((shares * np.square(offsets).sum(1)).sum()),
            rows=found.rows[used],
            rotations=rotations,
            values=moved,
            orientation_weight=per_row,
            insertion_weight=torch.from_numpy(self._forward[image, :m] * factor),
        )

    def _sums(
        self,
        image: int,
        found: fine.Candidates,
        used: Tensor,
        per_row: Tensor,
        moved: Tensor,
        slices: tuple[np.ndarray, np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means of Re(conj(S) X) and |S|² per pixel over the candidates that have weight."""
        n = self.tables.count
        fit, model = np.zeros(n, np.float32), np.zeros(n, np.float32)
        every = len(used) if slices is not None else self.rows_at_once()
        for start in range(0, len(used), every):
            part = slice(start, start + every)
            some = used[part]
            if slices is None:
                sliced, places = self.sliced(
                    found.rows[some].numpy(), found.rotations[some].numpy()
                )
            else:
                sliced, places = slices[0], slices[1][some.numpy()]
            kernels_cpu.model_sums(
                sliced,
                places,
                per_row[part].numpy(),
                moved[part].numpy(),
                self._masked[image, :n],
                fit,
                model,
            )
        return fit, model


def search_images(
    images: PreparedImages,
    centres: Tensor,
    base_A: Tensor,
    search: Search,
    tables: SharedTables,
    determined: Tensor,
) -> Iterator[ImageResult | None]:
    """Results of the images one by one; None for an image without a finite score."""
    host = HostSearch(images, centres, base_A, search, tables)
    shared = None if search.is_local else shared_scores(images, base_A, search, tables)
    for image in range(len(centres)):
        if shared is None:
            kept = host.local_search(image)
        else:
            kept = going_on(shared[image].reshape(-1), search)
        yield host.second_pass(image, kept, determined.numpy()) if len(kept) else None
