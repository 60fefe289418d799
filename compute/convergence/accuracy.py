"""How well poses can be told apart: the expected accuracy of orientations and offsets."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from compute.projection.reference import AnyProjector
from compute.projection.slices import slices
from compute.sampling.rotations import rotation_vectors_to_matrices
from compute.signal.fourier import PixelList, shell_sums

# A pose is told apart when it is a hundred times less likely than the true one: ln 100.
DISTINGUISHABLE = math.log(100.0)
# Step of the finite difference that measures how fast a slice changes with rotation.
PROBE_DEG = 0.5
LARGEST_ANGLE_DEG = 30.0
LARGEST_OFFSET_PX = 10.0
# Images are compared a few at a time, of so many pixels together: what is made of them stays in the cache.
POINTS_AT_ONCE = 1 << 15


@dataclass(frozen=True, slots=True)
class PoseAccuracy:
    """Errors at which each image would notice a wrong pose, and which shells notice a rotation.

    angle_deg: mean over the three image axes; offset_A: mean over x and y; sensitivity: share of every shell in
    noticing a small rotation, summing to 1 unless the map is constant.
    """

    angle_deg: Float[Tensor, " image"]
    offset_A: Float[Tensor, " image"]
    sensitivity: Float[Tensor, "image shell"]


def pose_accuracy(
    projector: AnyProjector,
    pixels: PixelList,
    size: int,
    rotations: Float[Tensor, "image 3 3"],
    precision: Float[Tensor, "image pixel"],
    pixel_size_A: float,
) -> PoseAccuracy:
    """The second-order estimate of the errors that make a pose ln 100 less likely.

    precision is the squared CTF times the squared scale over 2σ² per pixel, zero at zero frequency. With the slice
    F and its derivative dF/dα about an image axis, an error e costs Σ precision |dF/dα|² e²; an offset d along x
    costs Σ precision (2π s_x)² |F|² d². Both are solved for the cost ln 100 and bounded by 30 degrees and 10 pixels.
    """
    count = pixels.count(size)
    xy = (pixels.model_x[:count], pixels.model_y[:count])
    probe = math.radians(PROBE_DEG) * torch.eye(3, dtype=torch.float64)
    turns = torch.from_numpy(rotation_vectors_to_matrices(probe.numpy())).to(rotations)
    wave = 2 * math.pi * torch.stack([pixels.shift_x_A[:count], pixels.shift_y_A[:count]])
    largest_A, step = LARGEST_OFFSET_PX * pixel_size_A, max(1, POINTS_AT_ONCE // max(1, count))
    angles, offsets, shares = [], [], []
    for start in range(0, len(rotations), step):
        own, weight = rotations[start : start + step, None], precision[start : start + step, :count]
        around = torch.cat([own, turns @ own], 1)
        sliced = slices(projector, around.view(-1, 3, 3), *xy).view(*around.shape[:2], 2, count)
        change = (sliced[:, 1:] - sliced[:, :1]).double().square().sum(2) * weight[:, None].double()
        cost = change.sum(2).clamp(min=1e-12)
        angle = (PROBE_DEG * (DISTINGUISHABLE / cost).sqrt()).clamp(max=LARGEST_ANGLE_DEG)
        power = sliced[:, 0].double().square().sum(1) * weight
        moved = (wave.square() * power[:, None]).sum(2).clamp(min=1e-12)
        offset = (DISTINGUISHABLE / moved).sqrt().clamp(max=largest_A)
        per_shell = shell_sums(change.sum(1), pixels.shell[:count], pixels.model_box // 2 + 1)
        angles.append(angle.mean(1))
        offsets.append(offset.mean(1))
        shares.append(per_shell / per_shell.sum(1, keepdim=True).clamp(min=1e-30))
    return PoseAccuracy(torch.cat(angles), torch.cat(offsets), torch.cat(shares))
