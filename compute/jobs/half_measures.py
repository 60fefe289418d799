"""What a worker measures on a sample of its images: their power before the first iteration, and how well they fit."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from compute.convergence.accuracy import pose_accuracy
from compute.expectation.prepare import image_ctf, transform
from compute.jobs.half_images import HalfImages
from compute.projection.reference import AnyProjector
from compute.signal import masks
from compute.signal.fourier import shell_sums

IMAGES_AT_ONCE = 64


def sampled_power(
    images: HalfImages, box: int, chosen: np.ndarray, norm: np.ndarray, is_masked: bool
) -> dict[str, Any]:
    """Power per shell of own images among the chosen (positions in the half), and the sum of their transforms.

    norm: correction of every chosen image, divided out. is_masked: whether the surroundings are zero, as in the
    alignment. The result goes to `refine_start.first_noise`.
    """
    shells = box // 2 + 1
    mine = np.isin(chosen, images.own)
    own, norm = chosen[mine], norm[mine]
    power = np.zeros((len(own), shells))
    total = [torch.zeros(len(one.pixels.shell), dtype=torch.complex128) for one in images.imagings]
    for index, block in images.blocks(own, IMAGES_AT_ONCE):
        imaging, where = images.imagings[index], np.isin(own, block)
        divisor = torch.from_numpy(norm[where]).float().to(images.device)
        read = images.read(block) / divisor[:, None, None]
        if is_masked:
            read = masks.mask_images(read, imaging.background, None)
        found = transform(read, imaging)
        power[where] = shell_sums(found.abs().square(), imaging.pixels.shell, shells).cpu()
        total[index] += found.sum(0).to(torch.complex128).cpu()
    optics = images.particles.optics_index[images.rows[own]]
    return {"optics": optics, "power": power, "sum": [one.numpy() for one in total]}


def noise_before(
    noise: Float64[Tensor, " shell"],
    ctf: Float[Tensor, "image pixel"],
    shell: Int64[Tensor, " pixel"],
) -> Float64[Tensor, " shell"]:
    """σ² per shell of images before they were multiplied by their CTF, from that of the product.

    The product's noise has σ² CTF² at each pixel, so the mean of CTF² over images and pixels of a shell is divided
    out. CTF² F against noise of σ² CTF² then tells of F what CTF F against σ² does. To take the noise of the product
    for that of the image would make poses look √2 better known than they are, since CTF² is 1/2 on average.
    """
    squares = shell_sums(ctf.square().double().mean(0), shell, len(noise))
    pixels = torch.bincount(shell, minlength=len(noise))[: len(noise)]
    return noise / (squares / pixels.clamp(min=1)).clamp(min=1e-8)


def expected_errors(
    images: HalfImages,
    projector: AnyProjector,
    box: int,
    pixel_size_A: float,
    chosen: np.ndarray,
    size: int,
) -> dict[str, np.ndarray]:
    """Expected errors of own images among the chosen (positions in the half), at a working size in pixels.

    angle: degrees; offset: Å; sensitivity: [image, shell] share of a shell in noticing a rotation. Images that were
    multiplied by their CTF tell as much of a pose as they did before: see `noise_before`.
    """
    own = chosen[np.isin(chosen, images.own)]
    angle, offset = np.zeros(len(own)), np.zeros(len(own))
    sensitivity = np.zeros((len(own), box // 2 + 1))
    for index, block in images.blocks(own, IMAGES_AT_ONCE):
        where, imaging = np.isin(own, block), images.imagings[index]
        values = image_ctf(imaging, images.defocus(block))
        forward = values * images.scale(block)[:, None]
        noise = images.noise(index)
        if imaging.optics.is_premultiplied and imaging.is_ctf_corrected:
            noise = noise_before(noise, values, imaging.pixels.shell)
        noise = noise[imaging.pixels.shell]
        precision = (forward.double().square() / (2 * noise)).float()
        precision[:, 0] = 0.0
        found = pose_accuracy(
            projector, imaging.pixels, size, images.rotations(block), precision, pixel_size_A
        )
        angle[where], offset[where] = found.angle_deg.cpu(), found.offset_A.cpu()
        sensitivity[where] = found.sensitivity.cpu()
    return {"angle": angle, "offset": offset, "sensitivity": sensitivity}
