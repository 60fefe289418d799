"""Soft masks around the box centre, and images with their background replaced."""

import torch
from jaxtyping import Float, Float32
from torch import Tensor


def disc_background(box: int, radius: float, edge: float) -> Float32[Tensor, "y x"]:
    """The weight of an image's background: 0 inside a disc, 1 outside, a cosine between.

    `radius` and the width `edge` of the cosine are in pixels; the weight is 0 up to `radius` and 1
    from `radius + edge` on.
    """
    squared = (torch.arange(box, dtype=torch.float64) - box // 2).square()
    return _outside((squared[:, None] + squared).sqrt().float(), radius, edge)


def sphere(
    box: int, radius: float, edge: float, device: torch.device | str = "cpu"
) -> Float32[Tensor, "z y x"]:
    """A soft sphere: 1 up to `radius` voxels from the centre, 0 from `radius + edge` on.

    It is looked up by the squared distance, which is a whole number.
    """
    squared = (torch.arange(box, device=device) - box // 2).square()
    farthest = 3 * (box // 2) ** 2
    inside = 1.0 - _outside(torch.arange(farthest + 1, device=device).float().sqrt(), radius, edge)
    in_plane, volume = squared[:, None] + squared, torch.empty(box, box, box, device=device)
    for plane, along_z in zip(volume, squared.tolist(), strict=True):
        torch.take(inside, in_plane + along_z, out=plane)
    return volume


def mask_images(
    images: Float[Tensor, "image y x"],
    background: Float[Tensor, "y x"],
    fill: Float[Tensor, "image y x"] | None,
) -> Float[Tensor, "image y x"]:
    """Images with the background replaced by `fill`, or by its weighted mean if `fill` is None."""
    weight = background.to(images.dtype)
    if fill is not None:
        return torch.lerp(images, fill, weight)
    wide = background.double()
    total = wide.sum().clamp(min=torch.finfo(torch.float64).tiny)
    mean = torch.einsum("nyx,yx->n", images.double(), wide) / total
    return torch.lerp(images, mean.to(images.dtype)[:, None, None].expand_as(images), weight)


def _outside(
    distance: Float32[Tensor, "*axes"], radius: float, edge: float
) -> Float32[Tensor, "*axes"]:
    """0 up to `radius`, 1 from `radius + edge` on, a cosine between; a step if `edge` is 0."""
    if radius <= 0 or edge < 0:
        raise ValueError(
            f"a soft mask of radius {radius} and edge {edge} pixels is not possible: "
            "the radius must be positive and the edge must not be negative"
        )
    if edge == 0:
        return (distance > radius).to(distance.dtype)
    return 0.5 - 0.5 * torch.cos(torch.pi * ((distance - radius) / edge).clamp(0.0, 1.0))
