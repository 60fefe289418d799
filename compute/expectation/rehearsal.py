"""A search of next to nothing, by which a process loads the compiled kernels before there are images to search."""

from functools import cache

import numpy as np
import torch

from compute.expectation import step
from compute.expectation.host import HostSearch
from compute.expectation.prepare import Block, PreparedImages
from compute.expectation.search import Search, shared_tables
from compute.projection.slices import build_for_slicing, empty_accumulator
from compute.sampling.orientations import global_grid, local_grid
from compute.sampling.symmetry import parse_symmetry
from compute.sampling.translations import translation_grid
from compute.signal.fourier import half_plane_pixels

BOX, PIXEL_A = 8, 4.0
STEP_DEG = 30.0


@cache
def rehearse() -> None:
    """Search an image on the CPU, once in a process: loading what was compiled takes half a second.

    A worker does it while it waits for the leader.
    """
    pixels, nothing = half_plane_pixels(BOX, PIXEL_A), np.zeros(3)
    count = len(pixels.shell)
    values = torch.ones(1, count, dtype=torch.complex64)
    images = PreparedImages(values, values, values.real.contiguous(), values.real.contiguous())
    block = Block(images, torch.eye(3)[None, None], torch.zeros(1, 2, dtype=torch.float64))
    projector = build_for_slicing(torch.ones(BOX, BOX, BOX), 2, BOX)
    noise, determined = torch.ones(BOX // 2 + 1, dtype=torch.float64), torch.zeros(count)
    accumulator = empty_accumulator(2, BOX // 2)
    grids = (
        global_grid(0, parse_symmetry("C1"), nothing),
        local_grid(STEP_DEG, STEP_DEG, 1.0, nothing),
    )
    for grid in grids:
        search = Search(
            orientations=grid,
            translations=translation_grid(PIXEL_A, PIXEL_A, np.zeros(2)),
            size=BOX,
            coarse_size=BOX,
            accumulation_size=BOX,
            oversample=True,
            is_correlation=False,
            adaptive_fraction=0.9,
            maximum_significant=0,
            score_divisor=1.0,
            offset_sigma_A=PIXEL_A,
        )
        tables = shared_tables(search, projector, pixels, noise)
        room = step.room_for(tables, accumulator)
        for _ in step.search_images(block, search, tables, determined, None, room):
            pass
    searcher = HostSearch(block, search, tables, determined)
    searcher.best_children(searcher.first_pass())
