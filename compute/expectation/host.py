"""Both passes on the CPU, image by image: what `batch` defines, which other devices run.

Images with few significant poses are searched by compiled functions as a whole; where there are many, matrix products
are faster.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from compute.expectation import fine, kernels_cpu, posterior
from compute.expectation.coarse import going_on, shared_scores
from compute.expectation.fine import ImageResult
from compute.expectation.host_block import HostBlock
from compute.expectation.image_cpu import grow
from compute.expectation.meter import Meter
from compute.expectation.prepare import PreparedImages
from compute.expectation.search import Search, SharedTables
from compute.expectation.second_pass_cpu import best_child, second_pass

# Up to so many multiplications per image, products of single poses are faster than a matrix product of all pairs.
SMALL_PRODUCTS = 20_000_000


class HostSearch(HostBlock):
    """The search of a block of images."""

    def local_search(self, image: int) -> Tensor:
        """The significant coarse poses around the centres of an image.

        Around a single centre the search begins with the `CORE_STEPS` next to it and goes on from whatever is
        significant, until all neighbours of significant orientations have been scored.
        """
        points, mates = self.tables.coarse_rotations, self._centres[image]
        if len(mates) > 1 or self.search.is_correlation:
            scores = self._coarse_scores(image, np.arange(len(points) * len(mates)))
            return going_on(scores.view(-1), self.search)
        kept = self._grown(image)
        if self.search.maximum_significant and len(kept) > self.search.maximum_significant:
            scores = self._coarse_scores(image, np.arange(len(points)))
            return going_on(scores.view(-1), self.search)
        return torch.from_numpy(kept)

    def _grown(self, image: int) -> np.ndarray:
        """The significant coarse poses of a search that began with the core."""
        rows, power = self._coarse_rows(image, self._core)
        phases = self._coarse_phases.view(len(self._coarse_phases), -1)
        kept, scored = grow(
            self._core,
            (rows.view(len(rows), -1) @ phases.T).numpy(),
            power,
            self._lattice,
            self._image(image),
            self._volume,
            self._coarse_prior[image].numpy(),
            self.search.adaptive_fraction,
        )
        self._count(self.search.first_pass, scored, scored * len(phases), self.tables.coarse_count)
        return kept

    # ---- the best pose

    def best_child(self, image: int, kept: Tensor) -> tuple[float, int, Tensor, Tensor]:
        """The best of the children of some coarse poses: its score, row, rotation and whole offset (Å)."""
        offsets_A = self.tables.fine_shifts_A + torch.from_numpy(self._base_A[image])
        if len(kept) * self.search.orientation_children <= self.rows_at_once():
            found = best_child(kept.numpy(), self._image(image), self._shared)
            score, row, rotation, shift = found
            return float(score), int(row), torch.from_numpy(rotation), offsets_A[int(shift)]
        some = self.candidates(image, kept)
        scores = self.fine_scores(image, some)
        place, column = divmod(int(scores.argmax()), len(some.columns))
        best = float(scores.max()), int(some.rows[place])
        return *best, some.rotations[place], offsets_A[some.columns[column]]

    # ---- posterior

    def second_pass(self, image: int, kept: Tensor) -> ImageResult:
        """The posterior over the children of the significant poses and what follows from it: see `batch`."""
        rows = len(kept) * self.search.orientation_children
        products = rows * self.search.translation_children * 2 * self.tables.count
        if products > SMALL_PRODUCTS or rows > self.rows_at_once():
            return self._large_second_pass(image, kept)
        found = second_pass(kept.numpy(), self._image(image), self._shared)
        own, rotations, values, per_row, power, rotation, offset_A, figures = found
        largest, evidence, total, cross, strength, square, sliced = figures.tolist()
        pairs = rows * self.search.translation_children
        self._count("pass 2", int(sliced), pairs, self.tables.count)
        m = self.tables.accumulation_count
        return ImageResult(
            rotation=torch.from_numpy(rotation),
            offset_A=torch.from_numpy(offset_A),
            maximum_probability=largest,
            significant_samples=len(kept),
            log_evidence=evidence,
            weight=total,
            residual_power=torch.from_numpy(power),
            cross=cross,
            model_power=strength,
            offset_square_A2=square,
            rows=torch.from_numpy(own),
            rotations=torch.from_numpy(rotations),
            values=torch.from_numpy(values),
            orientation_weight=torch.from_numpy(per_row),
            insertion_weight=torch.from_numpy(self._forward[image, :m] * self._factor[image]),
        )

    def _large_second_pass(self, image: int, kept: Tensor) -> ImageResult:
        """The same with matrix products, for images with many significant poses."""
        search, tables = self.search, self.tables
        found = self.candidates(image, kept)
        phases = self._fine_phases[found.columns]
        scores, slices = self._fine_scores(image, found, phases)
        self._count("pass 2", len(found.rows), scores.numel(), self.tables.count)
        weights, best, log_total = posterior.decide(
            scores, search.adaptive_fraction, search.is_correlation
        )
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
            self._determined,
            fit,
            model,
            total,
            self._shell,
            power,
        )
        m, factor = tables.accumulation_count, self._factor[image]
        kernels_cpu.put_back(moved.numpy(), self._unmasked[image, :m], factor)
        offsets = self._fine_shifts_A[found.columns.numpy()] + self._base_A[image]
        rotations, shares = found.rotations[used], weights.sum(0).double().numpy()
        rotation, offset_A = found.rotations[row], torch.from_numpy(offsets[column].copy())
        place = np.flatnonzero(used.numpy() == row)
        if search.is_local and len(place):
            reach_rad = math.radians(fine.MEAN_REACH_STEPS * search.orientations.step_deg)
            rotation = rotation.clone()
            kernels_cpu.mean_pose(
                rotations.numpy(),
                offsets,
                weights.numpy(),
                place[0],
                column,
                reach_rad,
                rotation.numpy(),
                offset_A.numpy(),
            )
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
    meter: Meter,
) -> Iterator[ImageResult | None]:
    """Results of the images one by one; None for an image without a finite score."""
    with meter.measure(search.first_pass):
        host = HostSearch(images, centres, base_A, search, tables, determined)
        shared = None if search.is_local else shared_scores(images, base_A, search, tables)
        if shared is not None:
            host.work["pass 1 products"] += shared.numel() * 2 * tables.coarse_count
            host.work["pass 1 poses"] += shared.numel()
    for image in range(len(centres)):
        with meter.measure(search.first_pass):
            if shared is None:
                kept = host.local_search(image)
            else:
                kept = going_on(shared[image].reshape(-1), search)
        result = None
        if len(kept):
            with meter.measure("pass 2"):
                result = host.second_pass(image, kept)
        yield result
    for work, number in host.work.items():
        meter.count(work, number)
