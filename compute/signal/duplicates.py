"""Which of points that lie too near to each other are kept."""

import numpy as np
from jaxtyping import Bool, Float64, Integer
from scipy.spatial import cKDTree


def kept_apart(
    positions: Float64[np.ndarray, "point 2"],
    group: Integer[np.ndarray, "point"],
    distance: float,
    rank: Integer[np.ndarray, "point"],
) -> Bool[np.ndarray, "point"]:
    """Which points stay so that no two of one group are within `distance`: those of the lowest rank come first.

    A point goes only if one of a lower rank that stays is within the distance. Ranks are all different. Groups are
    put side by side in a third direction, so that one tree holds them all.
    """
    apart = group.astype(np.float64) * (2.0 * distance + 1.0)
    tree = cKDTree(np.column_stack([positions, apart]))
    pairs = tree.query_pairs(distance, output_type="ndarray")
    is_first_better = rank[pairs[:, 0]] < rank[pairs[:, 1]]
    better = np.where(is_first_better, pairs[:, 0], pairs[:, 1])
    worse = np.where(is_first_better, pairs[:, 1], pairs[:, 0])
    order = np.argsort(rank[better], kind="stable")
    keep = np.ones(len(positions), dtype=bool)
    for one, other in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if keep[one]:
            keep[other] = False
    return keep
