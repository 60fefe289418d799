"""The expectation step over blocks of images on the CPU: results per image, and the sums of a half-set.

Other devices search and sum whole blocks at once: see `batch`.
"""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from compute.expectation import host, put_back_cpu
from compute.expectation.fine import HeldResult, HostResult
from compute.expectation.host import RESULT_BYTES
from compute.expectation.meter import Meter, Unmeasured
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.projection.slices import Accumulator, insert_images

# So many images are searched at once, unless they or their scores are large.
IMAGES_PER_BLOCK = 48
# What is kept of a block's scores on a shared grid takes at most so many bytes, even where all are near the best.
SCORE_BYTES = 64_000_000
# What the images of a block put back is taken for that of so many orientations each.
TYPICAL_ORIENTATIONS = 64


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


def room_for(tables: SharedTables, accumulator: Accumulator) -> host.Room:
    """A room for blocks that are searched one after another and put back into the volume of sums at once."""
    m = tables.accumulation_count
    target = put_back_cpu.Target(
        is_given=True,
        sums=accumulator.sums.numpy(),
        x=tables.pixels.model_x[:m].numpy(),
        y=tables.pixels.model_y[:m].numpy(),
        padding=accumulator.padding,
    )
    return host.Room(target)


def accumulate(found: HeldResult, tables: SharedTables, accumulator: Accumulator) -> None:
    """Put images back into the volume of sums, in order."""
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
