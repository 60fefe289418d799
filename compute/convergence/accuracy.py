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
    angles, offsets, shares = [], [], []
    for rotation, weight in zip(rotations, precision[:, :count], strict=True):
        around = torch.cat([rotation[None], turns @ rotation]).contiguous()
        sliced = slices(projector, around, *xy)
        change = (sliced[1:] - sliced[0]).double().square().sum(1) * weight.double()
        cost = change.sum(1).clamp(min=1e-12)
        angles.append(
            (PROBE_DEG * (DISTINGUISHABLE / cost).sqrt()).clamp(max=LARGEST_ANGLE_DEG).mean()
        )
        moved = (
            (wave.square() * (sliced[0].double().square().sum(0) * weight)).sum(1).clamp(min=1e-12)
        )
        largest = LARGEST_OFFSET_PX * pixel_size_A
        offsets.append((DISTINGUISHABLE / moved).sqrt().clamp(max=largest).mean())
        per_shell = shell_sums(change.sum(0), pixels.shell[:count], pixels.model_box // 2 + 1)
        shares.append(per_shell / per_shell.sum().clamp(min=1e-30))
    return PoseAccuracy(torch.stack(angles), torch.stack(offsets), torch.stack(shares))
