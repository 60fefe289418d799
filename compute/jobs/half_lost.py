"""Why images had no orientation with a finite score: each is prepared once more, step by step, to find the fault."""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor

from compute.expectation.prepare import image_ctf
from compute.jobs.half_images import HalfImages
from compute.jobs.half_records import SearchOrder, ShardResults
from compute.signal.ctf import SMALLEST_CTF

NOT_FINITE: Final = "its pixels are not numbers"
CONSTANT: Final = "the image is constant"
NORM: Final = "its norm correction is zero or not a number"
SCALE: Final = "the scale of its group is zero or not a number"
CTF_NOT_FINITE: Final = (
    "its CTF is not finite: defocus, phase shift, B-factor or scale are out of range"
)
CTF_ZERO: Final = "its CTF is zero everywhere"
POSE: Final = "its pose of before is not a number"
AWAY: Final = "its offset takes it out of its box"
OVERFLOW: Final = "its grey values are too large to be multiplied"
NO_POSE: Final = "no pose within the limits of the search has a finite score"
IMAGES_AT_ONCE: Final = 64


def explained(images: HalfImages, results: ShardResults, order: SearchOrder) -> ShardResults:
    """The results with the reason of every image that has no finite score."""
    lost = results.rows[results.weight == 0]
    return dataclasses.replace(results, lost=reasons(images, lost, order.iteration, order.size))


def reasons(images: HalfImages, lost: np.ndarray, iteration: int, size: int) -> dict[int, str]:
    """The reason of each image, by its position in the half; `size` is that of the search (pixels)."""
    found: dict[int, str] = {}
    for index, block in images.blocks(lost, IMAGES_AT_ONCE):
        found |= dict(_of_block(images, index, block, iteration, size))
    return found


def _of_block(
    images: HalfImages, index: int, block: np.ndarray, iteration: int, size: int
) -> Iterator[tuple[int, str]]:
    """Position and reason of images of one optics group: the first fault in the order in which they are prepared."""
    parameters, imaging = images.parameters, images.imagings[index]
    pixels = images.read(block).flatten(1)
    norm, scale = parameters.norm[block], images.scale(block).cpu().numpy()
    origin_px = np.abs(parameters.origin_A[block]).max(1) / imaging.pixel_size_A
    pose = np.isfinite(parameters.rotation[block]).all((1, 2)) & np.isfinite(origin_px)
    values = image_ctf(imaging, images.defocus(block))[:, : imaging.pixels.count(size)]
    faults = {
        NOT_FINITE: ~_are_finite(pixels),
        CONSTANT: _array(pixels.amax(1) == pixels.amin(1)),
        NORM: ~(np.isfinite(norm) & (norm > 0)),
        SCALE: ~(np.isfinite(scale) & (scale != 0)),
        CTF_NOT_FINITE: ~_are_finite(values),
        CTF_ZERO: _array((values.abs() <= 2 * SMALLEST_CTF).all(1)),
        POSE: ~pose,
        AWAY: origin_px >= imaging.pixels.box,
    }
    faults[OVERFLOW] = _overflows(images, index, block, iteration, faults)
    for place, position in enumerate(block.tolist()):
        yield position, next((name for name, has in faults.items() if has[place]), NO_POSE)


def _overflows(
    images: HalfImages, index: int, block: np.ndarray, iteration: int, faults: dict[str, np.ndarray]
) -> np.ndarray:
    """Which of the images without any other fault have no finite product with their CTF."""
    found = np.zeros(len(block), dtype=bool)
    whole = np.flatnonzero(~np.any(list(faults.values()), axis=0))
    if len(whole):
        prepared = images.prepared(block[whole], index, iteration).images
        power = (prepared.masked * prepared.forward).abs().square().sum(1, dtype=torch.float32)
        found[whole] = ~_are_finite(power[:, None])
    return found


def _are_finite(values: Tensor) -> np.ndarray:
    return _array(torch.isfinite(values).all(1))


def _array(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()
