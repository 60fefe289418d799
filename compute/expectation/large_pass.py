"""The second pass over an image with many significant poses: matrix products of all pairs, on the CPU."""

import numpy as np
import torch
from torch import Tensor

from compute.expectation import fine, kernels_cpu, posterior, sums_cpu
from compute.expectation.host_block import HostBlock
from compute.expectation.image_cpu import Images, one_of
from compute.expectation.second_pass_cpu import Outcome


class LargePass(HostBlock):
    """The second pass of single images of a block, a part of their slices at a time where they are many."""

    def large_second_pass(self, image: int, kept: np.ndarray) -> tuple[Outcome, int]:
        """The second pass of one image with matrix products, for many significant poses."""
        search, own = self.search, one_of(self._images, image)
        found = self.candidates(image, kept)
        phases = self._fine_phases[found.columns]
        scores, slices = self._fine_scores(image, found, phases)
        weights, best, log_total = posterior.decide(
            scores, search.adaptive_fraction, search.is_correlation
        )
        row, column = divmod(int(scores.argmax()), len(found.columns))
        per_row = weights.sum(1)
        used = torch.nonzero(per_row > 0)[:, 0]
        weights, per_row = weights[used], per_row[used]
        moved = (weights @ phases.view(len(phases), -1)).view(len(used), 2, -1)
        total = float(per_row.double().sum())
        fit, model = self._sums(own, found, used, per_row, moved, slices)
        power = np.zeros((1, self._shared.shells))
        cross, strength = kernels_cpu.residuals(own, self._shared, fit, model, total, power[0])
        inserted, _ = sums_cpu.inserted_image(own, self._shared.insertion)
        sums_cpu.all_put_back(moved.numpy(), inserted)
        offsets = self._shared.shifts_A[found.columns.numpy()] + own.base_A
        rotations, shares = found.rotations[used], weights.sum(0).double().numpy()
        rotation, offset_A = found.rotations[row].numpy().copy(), offsets[column].copy()
        place = np.flatnonzero(used.numpy() == row)
        if search.is_local and len(place):
            kernels_cpu.mean_pose(
                rotations.numpy(),
                offsets,
                weights.numpy(),
                int(place[0]),
                column,
                self._shared.reach_rad,
                rotation,
                offset_A,
            )
        square = float((shares * np.square(offsets).sum(1)).sum())
        figures = [float(weights.max()), best + log_total, total, cross, strength, square]
        out = Outcome(
            figures=np.array([[*figures, len(found.rows)]]),
            power=power,
            rotation=rotation[None],
            offset_A=offset_A[None],
            image=np.zeros(len(used), np.int64),
            rows=found.rows[used].numpy(),
            rotations=rotations.numpy(),
            values=moved.numpy(),
            share=per_row.numpy(),
        )
        return out, len(used)

    def _sums(
        self,
        own: Images,
        found: fine.Candidates,
        used: Tensor,
        per_row: Tensor,
        moved: Tensor,
        slices: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means of Re(conj(S) X) and |S|² per pixel over the candidates that have weight."""
        n = self.tables.count
        fit, model = np.zeros(n, np.float32), np.zeros(n, np.float32)
        every = len(used) if slices is not None else self.rows_at_once()
        for start in range(0, len(used), every):
            part = slice(start, start + every)
            some = used[part]
            if slices is None:
                sliced = self.sliced(found.rotations[some].numpy())
            else:
                sliced = slices[some.numpy()]
            shares, phases = per_row[part].numpy(), moved[part].numpy()
            sums_cpu.all_model_sums(sliced, shares, phases, own.masked, fit, model)
        return fit, model
