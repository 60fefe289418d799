"""Maps that a job works on: read, checked, and with a pixel size that is known."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.files.mrc import read_map

# Pixel sizes that differ by less are the same to a reader of headers (jobs_and_files §4.5).
PIXEL_TOLERANCE_A = 1e-3
# A mask's values may leave 0 to 1 by this much, as rounding in other programs does.
MASK_TOLERANCE = 1e-6
LEAST_ZEROS = 0.01


def read_cube(path: Path) -> tuple[Float32[Tensor, "z y x"], float]:
    """A map's values and the pixel size in its header; refused unless cubic and finite."""
    found = read_map(path)
    volume = torch.from_numpy(np.ascontiguousarray(found.volume, dtype=np.float32))
    if len(set(volume.shape)) != 1:
        raise InputError(f"{path} has shape {tuple(volume.shape)}; a map must be cubic")
    if not bool(torch.isfinite(volume).all()):
        where = torch.nonzero(~torch.isfinite(volume))[0].tolist()
        raise InputError(f"{path} holds a value that is not finite at voxel z, y, x = {where}")
    return volume, found.pixel_size_A


def stated_pixel_A(
    path: Path, header_A: float, stated_A: float | None, flag: str, remarks: list[str]
) -> float:
    """The pixel size that the user states, else that of the header; what is odd about it becomes a remark.

    flag: the option that states it. Raises InputError where neither is known (E19).
    """
    if stated_A is not None:
        if header_A > 0 and abs(header_A - stated_A) > PIXEL_TOLERANCE_A:
            remarks.append(
                f"The header of {path} says {header_A:.4f} Å per pixel; it is taken as {stated_A:.5g} Å, as stated."
            )
        return stated_A
    if header_A <= 0:
        raise InputError(f"the header of {path} has no pixel size: state it with {flag}")
    if abs(header_A - 1.0) < 1e-6:
        remarks.append(
            f"The header of {path} says 1.000 Å per pixel, which many programs write where they do not know it. "
            f"State the pixel size with {flag} if that is wrong."
        )
    return header_A


def is_mask(volume: Float32[Tensor, "z y x"]) -> bool:
    """Whether a map looks like a mask: values from 0 to 1, both of which occur, the 0 more than once in a while."""
    low, high = float(volume.min()), float(volume.max())
    if abs(low) > MASK_TOLERANCE or abs(high - 1.0) > MASK_TOLERANCE:
        return False
    return float((volume <= MASK_TOLERANCE).float().mean()) > LEAST_ZEROS
