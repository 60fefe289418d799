"""What the search on the CPU finds: significant poses after the first pass, results after the second."""

from dataclasses import fields

import numpy as np
import torch

from compute.expectation.fine import HeldResult, HostResult
from compute.expectation.host_block import HostBlock
from compute.expectation.second_pass_cpu import Outcome


class Poses:
    """Significant coarse poses of the images of a block, ascending: those of image i are `of(i)`."""

    def __init__(self, kept: np.ndarray, starts: np.ndarray) -> None:
        self.kept, self.starts = kept, starts

    @classmethod
    def joined(cls, parts: list[np.ndarray]) -> "Poses":
        """The poses of one image after another."""
        starts = np.cumsum([0, *map(len, parts)])
        return cls(np.concatenate(parts), starts)

    def of(self, image: int) -> np.ndarray:
        """The poses of an image."""
        return self.kept[self.starts[image] : self.starts[image + 1]]

    def __len__(self) -> int:
        return len(self.starts) - 1


def empty_outcome(own: HostBlock, images: int, rows: int, kept_rows: int) -> Outcome:
    """Where the results of some images with so many orientations at most go, and of how many what is put back."""
    m, shells = own.tables.accumulation_count, own.tables.pixels.model_box // 2 + 1
    return Outcome(
        figures=np.zeros((images, 7)),
        power=np.zeros((images, shells)),
        rotation=np.empty((images, 3, 3), np.float32),
        offset_A=np.empty((images, 2)),
        image=np.empty(rows, np.int64),
        rows=np.empty(rows, np.int64),
        rotations=np.empty((rows, 3, 3), np.float32),
        values=np.empty((kept_rows, 2, m), np.float32),
        share=np.empty(rows, np.float32),
    )


def result(
    own: HostBlock, part: slice, significant: np.ndarray, out: Outcome, count: int, is_held: bool
) -> HostResult:
    """The result of some images of a block, whose orientations are the first `count` ones.

    significant: how many coarse poses of each; of none without a finite score, which keep their poses. is_held: with
    what is still to be put back.
    """
    is_found = significant > 0
    for missing in np.flatnonzero(~is_found):
        out.rotation[missing] = own.block.centres[part.start + missing, 0].numpy()
        out.offset_A[missing] = own.block.base_A[part.start + missing].numpy()
    largest, evidence, total, cross, strength, square, _ = torch.from_numpy(out.figures).unbind(1)
    found = HostResult(
        images=part,
        is_found=torch.from_numpy(is_found),
        rotation=torch.from_numpy(out.rotation),
        offset_A=torch.from_numpy(out.offset_A),
        maximum_probability=largest,
        significant_samples=torch.from_numpy(significant),
        log_evidence=evidence,
        weight=total,
        residual_power=torch.from_numpy(out.power.sum(1)),
        cross=cross,
        model_power=strength,
        offset_square_A2=square,
        noise_residual=torch.from_numpy(out.power.sum(0)),
        rows=torch.from_numpy(out.rows[:count]),
        share=torch.from_numpy(out.share[:count]),
    )
    if not is_held:
        return found
    m, images = own.tables.accumulation_count, own.block.images
    weight = images.forward[part, :m] * images.backward[part, :m]
    return HeldResult(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        image=torch.from_numpy(out.image[:count]),
        rotations=torch.from_numpy(out.rotations[:count]),
        values=torch.from_numpy(out.values[:count]),
        insertion_weight=weight * own.tables.insertion_weight[:m],
    )
