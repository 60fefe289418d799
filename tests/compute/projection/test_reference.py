"""The padded transform of a map: its values, its symmetry, and views of it against exact projections."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from compute.projection import kernels_torch, reference
from compute.projection.images import images_of
from compute.projection.placing_cpu import place
from compute.projection.reference import (
    Projector,
    build_projector,
    grid_shape,
    interpolation_falloff,
    packed,
    place_torch,
)
from compute.projection.slices import build_for_slicing, slices
from compute.signal.fourier import half_plane_pixels, image_transform
from compute.signal.phantom import Phantom, phantom_map, phantom_projections

BOX = 32


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """Eight narrow blobs within 7 pixels of the centre; lengths in pixels."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((8, 3))
    reach = 7.0 * generator.uniform(0, 1, (8, 1)) ** (1 / 3)
    centres *= reach / np.linalg.norm(centres, axis=1, keepdims=True)
    return Phantom(
        torch.from_numpy(centres),
        torch.from_numpy(generator.uniform(1.0, 1.4, 8)),
        torch.from_numpy(generator.uniform(0.5, 1.5, 8)),
    )


def random_volume(box: int) -> Tensor:
    return torch.randn(box, box, box, generator=torch.Generator().manual_seed(5))


def views(projector: Projector, rotations: Tensor) -> Tensor:
    """Images of a projector without CTF and shift."""
    pixels = half_plane_pixels(BOX, 1.0)
    parts = slices(projector, rotations, pixels.model_x, pixels.model_y)
    return images_of(torch.complex(parts[:, 0], parts[:, 1]), pixels)


def relative_rms(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).square().mean().sqrt() / truth.square().mean().sqrt())


def test_falloff_of_linear_interpolation() -> None:
    """sinc²(1/4) = (sin(π/4)/(π/4))² = 8/π² at the edge of the box for padding 2, 4/π² without padding."""
    twice = interpolation_falloff(BOX, 2, torch.device("cpu"))
    once = interpolation_falloff(BOX, 1, torch.device("cpu"))
    assert twice[16, 16, 0] == pytest.approx(8 / math.pi**2, abs=1e-6)
    assert once[16, 16, 0] == pytest.approx(4 / math.pi**2, abs=1e-6)
    assert twice[16, 16, 16] == 1.0
    assert twice[16, 16 + 3, 16 + 4] == pytest.approx(np.sinc(5 / 64) ** 2, abs=1e-6)


@pytest.mark.parametrize("padding", [1, 2, 3])
def test_values_are_those_of_the_whole_transform(padding: int) -> None:
    """The pruned transform against one of the volume padded on all axes."""
    box, size = 12, 8
    volume = random_volume(box)
    projector = build_projector(volume, padding, size)
    compensated = (volume / interpolation_falloff(box, padding, torch.device("cpu"))).double()
    padded, extent = padding * box, padding * size // 2
    wide = np.zeros((padded,) * 3)
    wide[:box, :box, :box] = compensated.numpy()
    whole = np.fft.fftn(np.roll(wide, (-(box // 2),) * 3, axis=(0, 1, 2))) / box**2
    origin = projector.origin
    assert projector.values.shape == (*grid_shape(padding, size // 2), 2)
    found = torch.view_as_complex(projector.values).numpy()
    axis = np.arange(-extent, extent + 1)
    z, y, x = np.meshgrid(axis, axis, np.arange(extent + 1), indexing="ij")
    expected = np.where(z**2 + y**2 + x**2 <= extent**2, whole[z, y, x], 0.0)
    assert np.abs(found[z + origin, y + origin, x] - expected).max() < 1e-6 * np.abs(whole).max()
    outside = np.ones(found.shape, bool)
    outside[z + origin, y + origin, x] = False
    assert not found[outside].any()


def test_slabs_of_any_thickness_give_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = random_volume(16)
    whole = build_projector(volume, 2, 12)
    monkeypatch.setattr(reference, "SLAB_VALUES", 3 * 32 * 25)
    assert torch.allclose(build_projector(volume, 2, 12).values, whole.values, atol=1e-7)


@pytest.mark.parametrize(("first_x", "count"), [(0, 4), (3, 5), (8, 1)])
def test_slabs_are_placed_as_the_definition_does(first_x: int, count: int) -> None:
    padded, extent = 20, 8
    draw = torch.Generator().manual_seed(2)
    shape = (padded, 2 * extent + 1, count)
    transform = torch.randn(shape, dtype=torch.complex64, generator=draw)
    phase = torch.randn(padded, dtype=torch.complex64, generator=draw)
    found, expected = (torch.zeros(*grid_shape(1, extent), 2) for _ in range(2))
    arrays = (torch.view_as_real(one).numpy() for one in (transform, phase))
    place(*arrays, np.float32(0.25), first_x, found.numpy())
    place_torch(transform, phase, 0.25, first_x, expected)
    assert expected.any()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_plane_x_0_holds_friedel_mates() -> None:
    projector = build_projector(random_volume(16), 2, 12)
    plane = torch.view_as_complex(projector.values)[:, :, 0]
    assert torch.allclose(plane.flip(0, 1), plane.conj(), atol=1e-6 * float(plane.abs().max()))


def test_a_smaller_size_holds_the_same_values_over_a_smaller_ball() -> None:
    volume = random_volume(16)
    large, small = build_projector(volume, 2, 16), build_projector(volume, 2, 10)
    offset = large.origin - small.origin
    axis = torch.arange(-10, 11)
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis[None, None, 10:] ** 2 <= 100
    part = large.values[1 + offset : 22 + offset, 1 + offset : 22 + offset, :11]
    mine = small.values[1:22, 1:22, :11]
    assert small.radius == 5
    assert torch.allclose(mine[inside], part[inside], atol=1e-6)
    assert not mine[~inside].any()


@pytest.mark.parametrize("size", [32, 20])
def test_view_along_z_is_the_plain_sum_when_nothing_is_compensated(
    phantom: Phantom, size: int
) -> None:
    volume = phantom_map(phantom, BOX, 1.0)
    falloff = interpolation_falloff(BOX, 2, torch.device("cpu"))
    projector = build_projector(volume * falloff, 2, size)
    pixels = half_plane_pixels(BOX, 1.0)
    n = pixels.count(size)
    truth = image_transform(volume.sum(0)[None], pixels)[:, :n]
    x, y = pixels.model_x[:n], pixels.model_y[:n]
    found = kernels_torch.slices(projector.values, torch.eye(3)[None], x, y, 2)
    error = (torch.complex(found[:, 0], found[:, 1]) - truth).abs().max()
    assert float(error) < 1e-5 * float(truth.abs().max())


def test_compensation_lifts_values_on_the_grid_by_a_few_percent(phantom: Phantom) -> None:
    volume = phantom_map(phantom, BOX, 1.0)
    found = views(build_projector(volume, 2, BOX), torch.eye(3)[None])
    assert 0.005 < relative_rms(found, volume.sum(0)[None]) < 0.05


def test_views_agree_with_exact_projections(phantom: Phantom) -> None:
    """20 random views: within 1.5 % with padding 2, worse without compensation, worse still unpadded."""
    rotations = Rotation.random(20, rng=np.random.default_rng(3)).as_matrix().astype(np.float32)
    turned = torch.from_numpy(rotations)
    truth = phantom_projections(phantom, turned, torch.zeros(20, 2), BOX, 1.0)
    volume = phantom_map(phantom, BOX, 1.0)
    falloff = interpolation_falloff(BOX, 2, torch.device("cpu"))
    error = relative_rms(views(build_projector(volume, 2, BOX), turned), truth)
    plain = relative_rms(views(build_projector(volume * falloff, 2, BOX), turned), truth)
    unpadded = relative_rms(views(build_projector(volume, 1, BOX), turned), truth)
    assert error < 0.015
    assert 0.015 < plain < 0.04
    assert unpadded > 2 * error


@pytest.mark.parametrize(("box", "size"), [(15, 10), (16, 18), (16, 9)])
def test_sizes_that_do_not_fit_are_refused(box: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"working size {size} .* box size, which is {box}"):
        build_projector(torch.zeros(box, box, box), 2, size)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 3e7])
@pytest.mark.parametrize("size", [8, 10, 12])
def test_a_packed_projector_holds_the_values_in_bricks(scale: float, size: int) -> None:
    """Rounded to eleven binary digits whatever the map's grey values, as long as they are 2⁻²⁹ of the largest."""
    projector = build_projector(scale * random_volume(16), 2, size)
    kept = packed(projector)
    largest = float(projector.values.abs().max())
    assert 2.0**14 <= largest / kept.factor < 2.0**15
    error = (kept.values - projector.values).abs()
    assert bool((error <= 2.0**-11 * projector.values.abs() + 2.0**-40 * largest).all())
    for z, y, x in ((0, 1, 2), (4, 3, 2), (7, 8, size // 2 + 1)):
        value = kept.bricks[z // 2, y // 2, x // 3, z % 2, y % 2, x % 3].float() * kept.factor
        assert torch.equal(value, kept.values[z, y, x])
    assert torch.equal(kept.bricks[:, :, :-1, :, :, 3], kept.bricks[:, :, 1:, :, :, 0])
    assert packed(kept) is kept


def test_bricks_take_two_thirds_of_the_memory_of_the_values() -> None:
    projector = build_projector(random_volume(96), 2, 96)
    assert packed(projector).bricks.nbytes == pytest.approx(
        2 / 3 * projector.values.nbytes, rel=0.04
    )


def test_a_working_size_too_large_for_the_cpu_is_refused() -> None:
    """Before anything is made: places in its bricks would not be numbers of 32 bits."""
    huge = Projector(torch.empty(0, 0, 0, 2), 2, 465)
    with pytest.raises(ValueError, match="working size 930 with padding 2 .* at most 928; refine"):
        packed(huge)


def test_an_empty_map_has_bricks_of_zeros() -> None:
    assert not build_for_slicing(torch.zeros(8, 8, 8), 2, 8).values.any()


def test_a_projector_times_a_factor_is_that_of_the_map_times_it() -> None:
    volume = random_volume(8)
    whole = build_projector(volume, 2, 8)
    assert torch.allclose(whole.times(3.0).values, 3.0 * whole.values)
    assert torch.allclose(packed(whole).times(3.0).values, 3.0 * packed(whole).values)
