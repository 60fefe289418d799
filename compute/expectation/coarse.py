"""The first pass on a grid that all images share: one matrix product for all of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from compute.expectation import posterior
from compute.expectation.prepare import PreparedImages
from compute.expectation.search import Search, SharedTables, offset_log_prior
from compute.projection.kernels_torch import as_real_rows


def shared_scores(
    images: PreparedImages, base_A: Float[Tensor, "image 2"], search: Search, tables: SharedTables
) -> Float[Tensor, "image orientation translation"]:
    """Scores of all images at all poses of the grid that they share.

    Log posterior up to a constant of each image: Re Σ conj(Y) X/σ² - ½ Σ |Y|²/σ² + log priors, Y the slice times
    the image's CTF; in a correlation search the correlation coefficient times the norm of X. The first term is one
    real matrix product for all images, shifts and orientations, the second another without shifts.
    """
    if tables.coarse_slices is None or tables.coarse_powers is None:
        raise ValueError("a local search has no shared grid")
    n, slices = tables.coarse_count, tables.coarse_slices
    weight, forward = tables.inverse_noise[:n], images.forward[:, :n]
    cross = products(slices, moved_rows(images, tables)).view(len(slices), len(forward), -1)
    cross = cross.transpose(0, 1)
    power = (forward.square() * weight) @ tables.coarse_powers.T
    if search.is_correlation:
        return cross.div_(torch.sqrt(power + 1e-20)[:, :, None])
    prior = offset_log_prior(tables.coarse_shifts_A, base_A, search.offset_sigma_A)
    per_orientation = tables.coarse_log_prior - 0.5 * power
    return cross.add_(per_orientation[:, :, None]).add_(prior[:, None, :].float())


def moved_rows(
    images: PreparedImages, tables: SharedTables
) -> Float[Tensor, "image_translation row"]:
    """Every image over the noise and times its CTF at every coarse shift, as rows of real numbers."""
    n = tables.coarse_count
    weighted = (images.forward[:, :n] * tables.inverse_noise[:n]) * images.masked[:, :n]
    return as_real_rows((weighted[:, None] * tables.coarse_phases).reshape(-1, n))


def products(
    slices: Float[Tensor, "orientation 2 pixel"], moved: Float[Tensor, "image_translation row"]
) -> Float[Tensor, "orientation image_translation"]:
    """The dense pass: one matrix product of all slices and all moved images."""
    with rounded_products(slices.device):
        return slices.reshape(len(slices), -1) @ moved.T


@contextmanager
def rounded_products(device: torch.device) -> Iterator[None]:
    """Matrix products made within may round their factors to tf32 on a GPU: good for choosing poses, not for sums."""
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cuda.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "tf32"
    try:
        yield
    finally:
        settings.fp32_precision = before


def going_on(scores: Float[Tensor, " pose"], search: Search) -> Int[Tensor, " kept"]:
    """The poses that go on to the second pass: a single one in a correlation search."""
    if search.is_correlation:
        best = scores.argmax().reshape(1)
        return best if bool(torch.isfinite(scores[best])) else best[:0]
    return posterior.significant(scores, search.adaptive_fraction, search.maximum_significant)
