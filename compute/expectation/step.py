"""The expectation step over blocks of images on the CPU: results per image, and the sums of a half-set.

Other devices search and sum whole blocks at once: see `batch`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from compute.expectation import host, put_back_cpu
from compute.expectation.fine import HeldResult, HostResult
from compute.expectation.host import RESULT_BYTES
from compute.expectation.meter import Meter, Unmeasured
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.projection.slices import Accumulator, insert, insert_images

# Scores of a block of images on a shared grid take at most this many bytes.
SCORE_BYTES = 64_000_000
# What the images of a block put back is taken for that of so many orientations each.
TYPICAL_ORIENTATIONS = 64


@dataclass(slots=True)
class SharedSums:
    """Images summed per orientation of a shared fine grid, inserted once at the end.

    is_used tells which orientations have anything.
    """

    values: Float[Tensor, "orientation 2 pixel"]
    weights: Float[Tensor, "orientation pixel"]
    is_used: Bool[Tensor, " orientation"]


def images_per_block(search: Search, wanted: int, pixels: int = 0) -> int:
    """How many images to score at once: `wanted`, or fewer where the shared grid or the images are large.

    pixels: how many of each image are put back.
    """
    poses = len(search.orientations.coarse) * len(search.translations.coarse)
    return block_size(search.is_local, poses, wanted, pixels)


def block_size(is_local: bool, poses: int, wanted: int, pixels: int) -> int:
    """Images per block for a number of coarse poses, see `images_per_block`."""
    wanted = max(1, min(wanted, RESULT_BYTES // (8 * TYPICAL_ORIENTATIONS * max(1, pixels))))
    return wanted if is_local else max(1, min(wanted, SCORE_BYTES // (4 * poses)))


def search_images(
    block: Block,
    search: Search,
    tables: SharedTables,
    well_determined: Float[Tensor, " pixel"],
    meter: Meter | None = None,
    room: host.Room | None = None,
) -> Iterator[HostResult]:
    """Both passes for every image of the block, in order, a few at a time: on the CPU.

    With a room that has a target images are put back on the way; what is left of it comes as a `HeldResult`.
    """
    meter = meter or Unmeasured()
    yield from host.search_images(block, search, tables, well_determined, meter, room)


def shared_sums(tables: SharedTables) -> SharedSums | None:
    """Empty sums per orientation where the fine grid is shared and kept, else None."""
    if tables.fine_slices is None:
        return None
    rows, m = len(tables.fine_slices), tables.accumulation_count
    values, weights = (  # memory that numpy sets to zero costs nothing until it is used
        torch.from_numpy(np.zeros(shape, np.float32)) for shape in ((rows, 2, m), (rows, m))
    )
    return SharedSums(values, weights, torch.zeros(rows, dtype=torch.bool))


def room_for(
    tables: SharedTables, accumulator: Accumulator, shared: SharedSums | None
) -> host.Room:
    """A room for blocks that are searched one after another and put back where `accumulate` puts them."""
    m = tables.accumulation_count
    target = put_back_cpu.nowhere()._replace(
        is_given=True,
        sums=accumulator.sums.numpy(),
        x=tables.pixels.model_x[:m].numpy(),
        y=tables.pixels.model_y[:m].numpy(),
        padding=accumulator.padding,
    )
    if shared is not None:
        target = target._replace(
            values=shared.values.numpy(),
            weights=shared.weights.numpy(),
            is_used=shared.is_used.numpy(),
        )
    return host.Room(target)


def accumulate(
    found: HeldResult, tables: SharedTables, accumulator: Accumulator, shared: SharedSums | None
) -> None:
    """Put images back, in order: into the sums per orientation where there are some, else into the volume."""
    if shared is not None:
        shared.is_used[found.rows] = True
        put_back_cpu.add_rows(
            shared.values.numpy(),
            shared.weights.numpy(),
            found.rows.numpy(),
            found.values.numpy(),
            found.share.numpy(),
            found.image.numpy(),
            found.insertion_weight.numpy(),
        )
        return
    insert_images(
        accumulator,
        found.rotations,
        tables.pixels.model_x[: tables.accumulation_count],
        tables.pixels.model_y[: tables.accumulation_count],
        found.values,
        found.share,
        found.image,
        found.insertion_weight,
    )


def finish(shared: SharedSums | None, tables: SharedTables, accumulator: Accumulator) -> None:
    """Insert the sums per orientation into the volume, once each."""
    if shared is None:
        return
    used = torch.nonzero(shared.is_used)[:, 0]
    pixels, m = tables.pixels, tables.accumulation_count
    for rows in used.split(2048):
        insert(
            accumulator,
            tables.fine_rotations[rows].contiguous(),
            pixels.model_x[:m],
            pixels.model_y[:m],
            shared.values[rows],
            shared.weights[rows],
        )
