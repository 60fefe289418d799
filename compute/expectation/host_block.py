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
from compute.expectation.image_cpu import Image, Lattice, Tables
from compute.expectation.prepare import PreparedImages
from compute.expectation.search import Search, SharedTables, offset_log_prior
from compute.projection.slices import sampled
from compute.sampling.orientations import LocalGrid

# A local search begins so far around an image's present pose, in steps of the coarse lattice, and goes on from there.
CORE_STEPS = 1.0


class HostBlock:
    """Views of a block's tables and images as arrays, made once for all of them, and what is scored with them.

    centres: the rotations searched around in a local search, with their mates; base_A: what is already applied, in Å.
    """

    def __init__(
        self,
        images: PreparedImages,
        centres: Tensor,
        base_A: Tensor,
        search: Search,
        tables: SharedTables,
        determined: Tensor | None = None,
    ) -> None:
        if determined is None:
            determined = torch.zeros(len(tables.pixels.shell))
        self.search, self.tables = search, tables
        self.work: defaultdict[str, int] = defaultdict(int)
        self._coarse_phases, self._fine_phases = tables.coarse_phase_rows, tables.fine_phase_rows
        self._centres = centres.contiguous().numpy()
        self._base_A = base_A.numpy()
        self._masked, self._unmasked = images.masked.numpy(), images.unmasked.numpy()
        self._forward, self._backward = images.forward.numpy(), images.backward.numpy()
        noise = tables.inverse_noise[: max(tables.count, tables.coarse_count)].numpy()
        self._weight = self._forward[:, : len(noise)] * noise
        self._volume = sampled(tables.projector)
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
        self._factor = self._backward[:, : tables.accumulation_count]
        self._factor = self._factor * tables.insertion_weight[: tables.accumulation_count].numpy()
        self._determined = determined.numpy()
        self._shared = self._shared_tables()
        grid = search.orientations
        if isinstance(grid, LocalGrid) and tables.neighbours is not None:
            self._core = np.flatnonzero(np.square(grid.lattice).sum(1) <= CORE_STEPS**2)
            self._lattice = Lattice(
                points=tables.coarse_rotations.numpy(),
                point_prior=tables.coarse_log_prior.numpy(),
                neighbours=tables.neighbours.numpy(),
                phases=self._coarse_phases.numpy(),
                x=self._x[: tables.coarse_count],
                y=self._y[: tables.coarse_count],
            )

    def _shared_tables(self) -> Tables:
        """The tables as the compiled search takes them."""
        tables, search, n = self.tables, self.search, self.tables.count
        table, is_sliced = np.empty((0, 2, n), np.float32), np.empty(0, np.bool_)
        if tables.fine_slices is not None and tables.is_sliced is not None:
            table, is_sliced = tables.fine_slices.numpy(), tables.is_sliced.numpy()
        step_deg = search.orientations.step_deg
        return Tables(
            volume=self._volume,
            x=self._x[:n],
            y=self._y[:n],
            phases=self._fine_phases.numpy(),
            shifts_A=self._fine_shifts_A.astype(np.float64),
            points=tables.fine_rotations.numpy(),
            point_prior=self._point_prior,
            table=table,
            is_sliced=is_sliced,
            shell=self._shell,
            shells=tables.pixels.model_box // 2 + 1,
            determined=self._determined,
            row_children=search.orientation_children,
            column_children=search.translation_children,
            coarse_shifts=len(tables.coarse_shifts_A),
            is_local=search.is_local,
            is_correlation=search.is_correlation,
            fraction=search.adaptive_fraction,
            reach_rad=math.radians(fine.MEAN_REACH_STEPS * step_deg),
        )

    def _image(self, image: int) -> Image:
        """An image as the compiled search takes it."""
        return Image(
            masked=self._masked[image],
            unmasked=self._unmasked[image],
            forward=self._forward[image],
            weight=self._weight[image],
            factor=self._factor[image],
            centres=self._centres[image],
            shift_prior=self._fine_prior[image],
            base_A=self._base_A[image],
        )

    # ---- scores

    def _count(self, phase: str, sliced: int, poses: int, pixels: int) -> None:
        """Count sampled points, scored poses and multiplications of complex pixels for a phase."""
        self.work[f"{phase} samples"] += sliced * pixels
        self.work[f"{phase} poses"] += poses
        self.work[f"{phase} products"] += poses * 2 * pixels

    def _coarse_rows(self, image: int, points: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Rows and powers of some coarse orientations: see `kernels_cpu.image_rows`."""
        n, count = self.tables.coarse_count, len(points)
        rotations = np.empty((count, 3, 3), np.float32)
        kernels_cpu.turned(
            self.tables.coarse_rotations.numpy(), points, self._centres[image], rotations
        )
        rows, power = np.empty((count, 2, n), np.float32), np.empty(count, np.float32)
        weight = self._weight[image, :n]
        kernels_cpu.compare(
            self._volume,
            rotations,
            self._x[:n],
            self._y[:n],
            self._masked[image, :n] * weight,
            self._forward[image, :n] * weight,
            rows,
            power,
        )
        return torch.from_numpy(rows), power

    def _coarse_scores(self, image: int, points: np.ndarray) -> Tensor:
        """Scores of an image at some coarse orientations around its centres: see `batch_scores.coarse_scores`."""
        tables, count = self.tables, len(points)
        rows, power = self._coarse_rows(image, points)
        phases = self._coarse_phases.view(len(self._coarse_phases), -1)
        cross = rows.view(count, -1) @ phases.T
        self._count(self.search.first_pass, count, cross.numel(), tables.coarse_count)
        if self.search.is_correlation:
            return cross.div_(torch.from_numpy(np.sqrt(power + 1e-20))[:, None])
        prior = tables.coarse_log_prior.numpy()[points % len(tables.coarse_log_prior)]
        cross.add_(torch.from_numpy(prior - np.float32(0.5) * power)[:, None])
        return cross.add_(self._coarse_prior[image][None])

    def candidates(self, image: int, kept: Tensor) -> fine.Candidates:
        """Children of the significant coarse poses."""
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
            kernels_cpu.fill(self._volume, turns, x, y, rows, is_sliced, table)
            return table, rows
        out = np.empty((len(rows), 2, n), np.float32)
        places = np.arange(len(rows))
        unsliced = np.zeros(len(rows), np.bool_)
        kernels_cpu.fill(self._volume, rotations, x, y, places, unsliced, out)
        return out, places
