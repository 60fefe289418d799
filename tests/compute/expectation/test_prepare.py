"""Images made ready for scoring, against images of blobs that are known exactly."""

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation.prepare import (
    Imaging,
    PreparedImages,
    _centred,
    _centred_on_host,
    image_ctf,
    make_imaging,
    prepare,
    transform,
)
from compute.projection.images import images_of
from compute.signal.ctf import Optics, aberration_phase, ctf
from compute.signal.fourier import half_plane_pixels, image_transform
from compute.signal.masks import disc_background
from compute.signal.phantom import phantom_projections
from tests.compute.expectation.scene import BOX, OPTICS, PIXEL_A, defocus, no_mask_imaging, specimen

DIAMETER_A, EDGE_PX = 96.0, 3.0
PIXELS = half_plane_pixels(BOX, PIXEL_A)
STILL = torch.zeros(2, 2, dtype=torch.int64)


def masked_imaging(optics: Optics = OPTICS, corrected: bool = True) -> Imaging:
    return make_imaging(PIXELS, optics, PIXEL_A, DIAMETER_A, EDGE_PX, corrected)


def particle_images(shifts_A: Tensor, box: int = BOX, pixel_size_A: float = PIXEL_A) -> Tensor:
    """Two views of the specimen as point values of its projected density."""
    axes = torch.eye(3)
    turns = torch.stack([axes, axes[[2, 0, 1]]])
    return phantom_projections(specimen(), turns, shifts_A, box, pixel_size_A) / pixel_size_A**2


def random_images(seed: int = 0) -> Tensor:
    return torch.randn(2, BOX, BOX, generator=torch.Generator().manual_seed(seed))


def prepared(
    images: Tensor,
    imaging: Imaging,
    norm: float = 1.0,
    shifts_px: Tensor = STILL,
    scale: float = 1.0,
    fill: Tensor | None = None,
) -> PreparedImages:
    factor, scales = torch.full((2,), norm), torch.full((2,), scale)
    return prepare(images, imaging, defocus(2), factor, shifts_px, scales, fill)


def test_whole_pixel_shifts_centre_the_particle() -> None:
    shifts_A = torch.tensor([[8.0, -4.0], [-12.0, 4.0]])
    shifts_px = torch.tensor([[-2, 1], [3, -1]])
    imaging = masked_imaging()
    found = prepared(particle_images(shifts_A), imaging, shifts_px=shifts_px)
    centred = prepared(particle_images(torch.zeros(2, 2)), imaging)
    largest = float(centred.unmasked.abs().max())
    assert torch.allclose(found.unmasked, centred.unmasked, atol=1e-5 * largest)
    assert torch.allclose(found.masked, centred.masked, atol=1e-4 * largest)


@pytest.mark.parametrize("is_filled", [False, True])
def test_images_are_centred_and_masked_on_the_cpu_as_elsewhere(is_filled: bool) -> None:
    """Moved a little, out of their box and by exactly its side; one has a number that is none."""
    moves = [[0, 0], [1, -2], [-5, 4], [BOX, 0], [0, -BOX], [BOX + 3, 2], [1 - BOX, BOX - 1]]
    images = torch.randn(len(moves), BOX, BOX, generator=torch.Generator().manual_seed(2))
    images[0, 3, 3] = torch.nan
    factor = torch.linspace(0.5, 2.0, len(moves))
    fill = images.flip(0) if is_filled else None
    given = images, masked_imaging(), factor, torch.tensor(moves), fill
    for ours, theirs in zip(_centred_on_host(*given), _centred(*given), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert bool(torch.isnan(_centred_on_host(*given)[1][0]).any())


def test_surroundings_become_their_mean_in_the_masked_transform_only() -> None:
    images = random_images()
    weight = disc_background(BOX, DIAMETER_A / 2 / PIXEL_A, EDGE_PX)
    found = prepared(images, masked_imaging())
    assert torch.allclose(found.unmasked, image_transform(images, PIXELS), atol=1e-7)
    mean = (images * weight).sum((1, 2)) / weight.sum()
    expected = images * (1 - weight) + mean[:, None, None] * weight
    assert torch.allclose(found.masked, image_transform(expected, PIXELS), atol=1e-7)


def test_a_fill_replaces_the_surroundings() -> None:
    images, fill = random_images(), random_images(1)
    weight = disc_background(BOX, DIAMETER_A / 2 / PIXEL_A, EDGE_PX)
    found = prepared(images, masked_imaging(), fill=fill)
    expected = images * (1 - weight) + fill * weight
    assert torch.allclose(found.masked, image_transform(expected, PIXELS), atol=1e-7)


def test_the_norm_factor_multiplies_images_but_not_their_fill() -> None:
    images, fill = random_images(), random_images(1)
    once = prepared(images, masked_imaging(), fill=fill)
    twice = prepared(images / 2, masked_imaging(), norm=2.0, fill=fill)
    assert torch.allclose(twice.masked, once.masked, atol=1e-7)
    assert torch.allclose(twice.unmasked, once.unmasked, atol=1e-7)


def test_an_added_constant_changes_the_zero_frequency_alone() -> None:
    images = random_images()
    before, after = prepared(images, masked_imaging()), prepared(images + 5.0, masked_imaging())
    for name in ("masked", "unmasked"):
        change = getattr(after, name) - getattr(before, name)
        assert torch.allclose(change[:, 0], torch.tensor(5.0 + 0j), atol=1e-5)
        assert float(change[:, 1:].abs().max()) < 1e-5


def test_slices_and_images_are_weighted_with_ctf_and_scale() -> None:
    one = defocus(2)
    frequency = PIXELS.frequency_A()
    expected = ctf(
        *frequency,
        OPTICS,
        one.u_A,
        one.v_A,
        one.angle_deg,
        one.phase_shift_deg,
        one.b_factor_A2,
        one.scale,
    )
    found = prepared(random_images(), masked_imaging(), scale=0.7)
    assert torch.allclose(found.forward, 0.7 * expected)
    assert torch.equal(found.backward, found.forward)
    assert float(expected.min()) < -0.5
    assert float(expected.max()) > 0.5


def test_multiplied_images_have_a_squared_ctf_and_are_inserted_as_they_are() -> None:
    optics = Optics(300.0, 2.7, 0.1, is_premultiplied=True)
    plain = image_ctf(masked_imaging(), defocus(2))
    found = prepared(random_images(), masked_imaging(optics), scale=0.7)
    assert torch.allclose(found.forward, 0.7 * plain.square())
    assert torch.equal(found.backward, torch.full_like(plain, 0.7))


@pytest.mark.parametrize("is_premultiplied", [False, True])
def test_without_correction_only_the_scale_remains(is_premultiplied: bool) -> None:
    optics = Optics(300.0, 2.7, 0.1, is_premultiplied=is_premultiplied)
    found = prepared(random_images(), masked_imaging(optics, corrected=False), scale=0.7)
    assert torch.equal(found.forward, torch.full_like(found.forward, 0.7))
    assert torch.equal(found.backward, found.forward)


def test_aberrations_are_undone() -> None:
    """Images whose transforms carry exp(iψ) of a tilted beam become those of an untilted one."""
    optics = Optics(300.0, 2.7, 0.1, beam_tilt_x_mrad=2.0, beam_tilt_y_mrad=-1.0)
    phase = aberration_phase(*PIXELS.frequency_A(), optics)
    assert phase is not None
    n = PIXELS.count(BOX - 2)
    clean = image_transform(particle_images(torch.zeros(2, 2)), PIXELS)
    observed = images_of(clean * torch.exp(1j * phase).to(torch.complex64), PIXELS)
    error = transform(observed, no_mask_imaging(PIXELS, optics))[:, :n] - clean[:, :n]
    untreated = image_transform(observed, PIXELS)[:, :n] - clean[:, :n]
    largest = float(clean.abs().max())
    assert float(error.abs().max()) < 1e-6 * largest
    assert float(untreated.abs().max()) > 1e-3 * largest


def test_a_detector_response_is_divided_out_beside_aberrations() -> None:
    optics = Optics(300.0, 2.7, 0.1, beam_tilt_x_mrad=2.0)
    ratio = torch.linspace(1.0, 2.0, len(PIXELS.shell))
    images = random_images()
    both = make_imaging(PIXELS, optics, PIXEL_A, DIAMETER_A, EDGE_PX, True, ratio)
    alone = make_imaging(PIXELS, OPTICS, PIXEL_A, DIAMETER_A, EDGE_PX, True, ratio)
    tilted = make_imaging(PIXELS, optics, PIXEL_A, DIAMETER_A, EDGE_PX, True)
    assert torch.allclose(transform(images, both), transform(images, tilted) * ratio)
    assert torch.allclose(transform(images, alone), image_transform(images, PIXELS) * ratio)


@pytest.mark.parametrize(
    ("box", "pixel_size_A"), [(32, 4.0), (64, 2.0), (40, 4.0), (48, 3.2), (36, 3.0)]
)
def test_any_box_and_pixel_size_gives_the_values_of_the_model(
    box: int, pixel_size_A: float
) -> None:
    """At frequency s: ∫ density exp(-2πi s·r) over the model's area, whatever the image's own."""
    blobs = specimen()
    pixels = half_plane_pixels(box, pixel_size_A, BOX, PIXEL_A)
    imaging = make_imaging(pixels, OPTICS, pixel_size_A, 1000.0, EDGE_PX, True)
    images = particle_images(torch.zeros(2, 2), box, pixel_size_A)
    n = pixels.count(20)
    found = transform(images, imaging)[0, :n]
    frequency = torch.stack(pixels.frequency_A())[:, :n]
    damping = torch.exp(-2 * np.pi**2 * blobs.sigma_A**2 * frequency.square().sum(0)[:, None])
    wave = torch.exp(-2j * np.pi * (frequency.T @ blobs.positions_A[:, :2].T))
    expected = (blobs.weights * damping * wave).sum(1) / (BOX * PIXEL_A) ** 2
    assert float((found - expected).abs().max()) < 2e-5 * float(expected.abs().max())
