"""A block of images on the CPU with the tables that they share, and the scores of both passes.

The scores are those that `batch_scores.coarse_scores` and `batch_scores.fine_scores` define, made by compiled kernels
and matrix products.
"""

import math
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from compute.expectation import fine, kernels_cpu
from compute.expectation.image_cpu import (
    Images,
    Lattice,
    Tables,
    offset_priors,
    one_of,
    weighted_image,
)
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.projection.kernels_cpu import slices
from compute.projection.slices import sampled
from compute.sampling.orientations import LocalGrid

# A local search begins so far around an image's present pose, in steps of the coarse lattice, and goes on from there.
CORE_STEPS = 1.0


class HostTables:
    """The tables that blocks share as the compiled search takes them, for a search that finds `determined` pixels."""

    def __init__(self, search: Search, tables: SharedTables, determined: Tensor) -> None:
        self.tables = tables
        self.volume = sampled(tables.projector)
        self.x, self.y = tables.pixels.model_x.numpy(), tables.pixels.model_y.numpy()
        self.coarse_shifts_A = tables.coarse_shifts_A.double().numpy()
        self.inverse_noise = tables.inverse_noise.numpy()
        self.shared = self._shared(search, determined.numpy())
        self.lattice = self._lattice(search.orientations)

    def _lattice(self, grid: object) -> Lattice | None:
        """The lattice of a local search."""
        tables = self.tables
        if not isinstance(grid, LocalGrid) or tables.neighbours is None:
            return None
        return Lattice(
            points=tables.coarse_rotations.numpy(),
            point_prior=tables.coarse_log_prior.numpy(),
            neighbours=tables.neighbours.numpy(),
            core=np.flatnonzero(np.square(grid.lattice).sum(1) <= CORE_STEPS**2),
            phases=tables.coarse_phase_rows.numpy(),
            x=self.x[: tables.coarse_count],
            y=self.y[: tables.coarse_count],
            inverse_noise=self.inverse_noise,
        )

    def _shared(self, search: Search, determined: np.ndarray) -> Tables:
        """What all images share in the second pass."""
        tables, n = self.tables, self.tables.count
        shell = tables.pixels.shell.numpy()
        runs = np.flatnonzero(np.diff(shell, prepend=-1, append=-1))
        step_deg = search.orientations.step_deg
        return Tables(
            volume=self.volume,
            x=self.x[:n],
            y=self.y[:n],
            phases=tables.fine_phase_rows.numpy(),
            shifts_A=tables.fine_shifts_A.double().numpy(),
            points=tables.fine_rotations.numpy(),
            point_prior=tables.fine_log_prior.numpy(),
            runs=runs,
            run_shell=shell[runs[:-1]],
            shells=tables.pixels.model_box // 2 + 1,
            determined=determined,
            inverse_noise=self.inverse_noise,
            insertion=tables.insertion_weight[: tables.accumulation_count].numpy(),
            row_children=search.orientation_children,
            column_children=search.translation_children,
            coarse_shifts=len(tables.coarse_shifts_A),
            is_local=search.is_local,
            is_correlation=search.is_correlation,
            fraction=search.adaptive_fraction,
            reach_rad=math.radians(fine.MEAN_REACH_STEPS * step_deg),
        )


class HostBlock:
    """Views of a block's tables and images as arrays, made once for all of them, and what is scored with them.

    made: the tables, where earlier blocks have made them.
    """

    def __init__(
        self,
        block: Block,
        search: Search,
        tables: SharedTables,
        determined: Tensor | None = None,
        made: HostTables | None = None,
    ) -> None:
        if determined is None:
            determined = torch.zeros(len(tables.pixels.shell))
        made = made or HostTables(search, tables, determined)
        self.block, self.search, self.tables = block, search, tables
        self.work: defaultdict[str, int] = defaultdict(int)
        self._coarse_phases = tables.coarse_phase_rows
        self._fine_phases = tables.fine_phase_rows[:, :, : tables.accumulation_count]
        self._volume, self._x, self._y = made.volume, made.x, made.y
        self._shared, self._lattice = made.shared, made.lattice
        self._inverse_noise = made.inverse_noise
        self._images = self._arrays(made.coarse_shifts_A)

    def _arrays(self, coarse_shifts_A: np.ndarray) -> Images:
        """The images as the compiled search takes them."""
        search, images, base_A = self.search, self.block.images, self.block.base_A.double().numpy()
        coarse_prior, shift_prior = (
            offset_priors(
                shifts_A, base_A, math.inf if search.is_correlation else search.offset_sigma_A
            )
            for shifts_A in (coarse_shifts_A, self._shared.shifts_A)
        )
        return Images(
            masked=images.masked.numpy(),
            unmasked=images.unmasked.numpy(),
            forward=images.forward.numpy(),
            backward=images.backward.contiguous().numpy(),
            centres=self.block.centres.contiguous().numpy(),
            coarse_prior=coarse_prior,
            shift_prior=shift_prior,
            base_A=base_A,
        )

    # ---- scores

    def _count(self, phase: str, sliced: int, poses: int, pixels: int) -> None:
        """Count sampled points, scored poses and multiplications of complex pixels for a phase."""
        self.work[f"{phase} samples"] += sliced * pixels
        self.work[f"{phase} poses"] += poses
        self.work[f"{phase} products"] += poses * 2 * pixels

    def _coarse_scores(self, image: int, points: np.ndarray) -> Tensor:
        """Scores of an image at some coarse orientations around its centres: see `batch_scores.coarse_scores`."""
        tables, n, count = self.tables, self.tables.coarse_count, len(points)
        rotations = np.empty((count, 3, 3), np.float32)
        grid, own = tables.coarse_rotations.numpy(), one_of(self._images, image)
        kernels_cpu.turned(grid, points, own.centres, rotations)
        cross = np.empty((count, len(self._coarse_phases)), np.float32)
        power = np.empty(count, np.float32)
        kernels_cpu.compare(
            self._volume,
            rotations,
            self._x[:n],
            self._y[:n],
            *weighted_image(own, self._inverse_noise, n),
            self._coarse_phases.numpy(),
            cross,
            power,
        )
        self._count(self.search.first_pass, count, cross.size, n)
        if self.search.is_correlation:
            return torch.from_numpy(cross / np.sqrt(power + np.float32(1e-20))[:, None])
        prior = tables.coarse_log_prior.numpy()[points % len(tables.coarse_log_prior)]
        cross += (prior - np.float32(0.5) * power)[:, None] + own.coarse_prior[None]
        return torch.from_numpy(cross)

    def candidates(self, image: int, kept: np.ndarray) -> fine.Candidates:
        """Children of the significant coarse poses."""
        search, points = self.search, self.tables.fine_rotations.numpy()
        rows, columns, log_prior = kernels_cpu.children(
            kept,
            len(self.tables.coarse_shifts_A),
            search.orientation_children,
            search.translation_children,
            self.tables.fine_log_prior.numpy(),
            self._images.shift_prior[image],
        )
        if search.is_local:
            rotations = np.empty((len(rows), 3, 3), np.float32)
            kernels_cpu.turned(points, rows, self._images.centres[image], rotations)
        else:
            rotations = points[rows]
        return fine.Candidates(
            rows=torch.from_numpy(rows),
            rotations=torch.from_numpy(rotations),
            columns=torch.from_numpy(columns),
            log_prior=torch.from_numpy(log_prior),
        )

    def fine_scores(self, image: int, found: fine.Candidates) -> Tensor:
        """Scores of an image at its candidates."""
        return self._fine_scores(image, found, self._fine_phases[found.columns])[0]

    def _fine_scores(
        self, image: int, found: fine.Candidates, phases: Tensor
    ) -> tuple[Tensor, np.ndarray | None]:
        """Those scores, and the slices where all of them could be kept.

        phases: conjugated phases of the candidates' shifts, [translation, 2, pixel].
        """
        n = self.tables.count
        weighted, strength = weighted_image(one_of(self._images, image), self._inverse_noise, n)
        shifts = phases[:, :, :n].reshape(len(phases), -1).T
        every = self.rows_at_once()
        products, powers, kept = [], [], None
        for start in range(0, len(found.rows), every):
            part = slice(start, start + every)
            sliced = self.sliced(found.rotations[part].numpy())
            rows, some = np.empty_like(sliced), np.zeros(len(sliced), np.float32)
            kernels_cpu.image_rows(sliced, 0, weighted, strength, 0, n, rows, some)
            products.append(torch.from_numpy(rows).view(len(rows), -1) @ shifts)
            powers.append(torch.from_numpy(some))
            kept = sliced if len(sliced) == len(found.rows) else None
        cross, power = torch.cat(products), torch.cat(powers)
        if self.search.is_correlation:
            return cross / torch.sqrt(power + 1e-20)[:, None], kept
        return cross - 0.5 * power[:, None] + found.log_prior, kept

    def rows_at_once(self) -> int:
        """How many slices of candidates may be kept."""
        return max(1, fine.CANDIDATE_BYTES // (8 * self.tables.count))

    def sliced(self, rotations: np.ndarray) -> np.ndarray:
        """Slices [orientation, 2, pixel] at the pixels that are compared."""
        n = self.tables.count
        out = np.empty((len(rotations), 2, n), np.float32)
        slices(self._volume, rotations, self._x[:n], self._y[:n], out)
        return out
