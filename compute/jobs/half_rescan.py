"""One worker's look beyond the neighbourhood of the present poses of its images."""

from itertools import groupby

import numpy as np
import torch

from compute.expectation.rescan import Rescan, rescan_block
from compute.expectation.search import Search, SharedTables, shared_tables
from compute.jobs.half_expectation import Blocks
from compute.jobs.half_images import HalfImages
from compute.jobs.half_records import SearchOrder
from compute.jobs.workers import Workers
from compute.projection.reference import AnyProjector
from compute.sampling.symmetry import SymmetryGroup

# Poses within so many widths of a local search's prior, where it begins, are left to it.
REACH_SIGMAS = 1.0


def rescan_images(
    images: HalfImages,
    blocks: Blocks,
    order: SearchOrder,
    search: Search,
    projector: AnyProjector,
    workers: Workers,
    symmetry: SymmetryGroup,
) -> dict[str, np.ndarray]:
    """Positions, rotations and offsets of the images that fit another pose of the shared grid clearly better."""
    operators = torch.from_numpy(symmetry.operators).to(images.device)
    reach_deg = REACH_SIGMAS * order.local_sigma_deg
    rows, rotations, offsets = [], [], []
    for index, group in groupby(blocks, key=lambda block: block[0]):
        pixels = images.imagings[index].pixels
        tables = shared_tables(search, projector, pixels, images.noise(index))

        def scan_one(
            block: np.ndarray, index: int = index, tables: SharedTables = tables
        ) -> tuple[np.ndarray, Rescan]:
            present = torch.from_numpy(images.parameters.origin_A[block]).to(images.device)
            prepared = images.prepared(block, index, order.iteration)
            return block, rescan_block(prepared, present, search, tables, reach_deg, operators)

        for block, found in workers.in_order(scan_one, images.ahead(block for _, block in group)):
            switched = found.is_switched.cpu().numpy()
            rows.append(block[switched])
            rotations.append(found.rotation.cpu().numpy()[switched])
            offsets.append(found.offset_A.cpu().numpy()[switched])
    return {
        "rows": np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64),
        "rotation": np.concatenate(rotations) if rows else np.zeros((0, 3, 3), np.float32),
        "origin_A": np.concatenate(offsets) if rows else np.zeros((0, 2)),
    }
