"""Images against slices of their own, in plain torch: the definition, and the path of devices without Triton.

A pair is an image with one orientation. Phases are stored as real and imaginary parts of their conjugates; of a shift
that is a mean over several, as the weighted sum of those.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from compute.projection import kernels_torch
from compute.projection.reference import AnyProjector

PAIR_BYTES = 64_000_000
"""Slices and products of so many bytes are held at a time."""


def scores(
    projector: AnyProjector,
    rotations: Float[Tensor, "pair 3 3"],
    image_of: Int[Tensor, " pair"],
    xy: tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]],
    weighted: Float[Tensor, "image 2 pixel"],
    strength: Float[Tensor, "image pixel"],
    phases: Float[Tensor, "translation 2 more_pixel"],
    is_exact: bool,
) -> tuple[Float[Tensor, "pair translation"], Float[Tensor, " pair"]]:
    """Re Σ conj(S) X e^{iφ} for every pair and shift, and Σ |S|² times the image's strength for every pair.

    weighted: the images X, times whatever weighs their pixels. phases: at least as many pixels as the images have.
    is_exact: whether products are made in float32; else devices may round their factors to tf32.
    """
    values = projector.values
    shifts = phases[:, :, : len(xy[0])].reshape(len(phases), -1).T
    cross, power = [weighted.new_empty(0, len(phases))], [strength.new_empty(0)]
    for part in _parts(len(rotations), len(xy[0])):
        sliced = kernels_torch.slices(values, rotations[part], *xy, projector.padding)
        of = image_of[part]
        cross.append(_along(sliced, weighted[of]).reshape(len(of), -1) @ shifts)
        power.append((sliced.square().sum(1) * strength[of]).sum(1))
    return torch.cat(cross), torch.cat(power)


def model_sums(
    projector: AnyProjector,
    rotations: Float[Tensor, "pair 3 3"],
    image_of: Int[Tensor, " pair"],
    xy: tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]],
    masked: Float[Tensor, "image 2 pixel"],
    shares: Float[Tensor, " pair"],
    means: Float[Tensor, "pair 2 more_pixel"],
    fit: Float[Tensor, "image pixel"],
    model: Float[Tensor, "image pixel"],
) -> None:
    """Add Re(conj(S) X ē) to fit, and w |S|² to model, over the pairs of each image.

    shares: the posterior weight w of every pair; means: the phases of its shifts, ē, summed by weight.
    """
    pixels, values = len(xy[0]), projector.values
    for part in _parts(len(rotations), pixels):
        sliced = kernels_torch.slices(values, rotations[part], *xy, projector.padding)
        of = image_of[part]
        fit.index_add_(0, of, (_along(sliced, masked[of]) * means[part, :, :pixels]).sum(1))
        model.index_add_(0, of, shares[part, None] * sliced.square().sum(1))


def put_back(
    sums: Float[Tensor, "z y x 3"],
    padding: int,
    rotations: Float[Tensor, "pair 3 3"],
    image_of: Int[Tensor, " pair"],
    xy: tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]],
    images: Float[Tensor, "image 2 pixel"],
    shares: Float[Tensor, " pair"],
    means: Float[Tensor, "pair 2 pixel"],
    weights: Float[Tensor, "image pixel"],
) -> None:
    """Add the images times the mean phases of their pairs, and their weights times the pairs' shares, to the sums."""
    for part in _parts(len(rotations), len(xy[0])):
        of = image_of[part]
        real, imaginary = images[of].unbind(1)
        mean_real, mean_imaginary = means[part].unbind(1)
        moved = torch.stack(
            [
                real * mean_real + imaginary * mean_imaginary,
                imaginary * mean_real - real * mean_imaginary,
            ],
            dim=1,
        )
        spread = shares[part, None] * weights[of]
        kernels_torch.insert(sums, rotations[part], *xy, padding, moved, spread)


def _along(
    sliced: Float[Tensor, "pair 2 pixel"], images: Float[Tensor, "pair 2 pixel"]
) -> Float[Tensor, "pair 2 pixel"]:
    """Real and imaginary part of conj(S) X."""
    real, imaginary = sliced.unbind(1)
    image_real, image_imaginary = images.unbind(1)
    return torch.stack(
        [
            real * image_real + imaginary * image_imaginary,
            real * image_imaginary - imaginary * image_real,
        ],
        dim=1,
    )


def _parts(pairs: int, pixels: int) -> Iterator[slice]:
    """Consecutive ranges of pairs whose slices and products stay within `PAIR_BYTES`."""
    step = max(1, PAIR_BYTES // (32 * max(1, pixels)))
    for start in range(0, pairs, step):
        yield slice(start, min(start + step, pairs))
