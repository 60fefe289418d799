"""Images from transforms: the inverse of the forward transform, and where content is put."""

import torch

from compute.projection.images import images_of, projection_transforms
from compute.projection.reference import build_projector
from compute.signal.fourier import half_plane_pixels, image_transform


def test_values_of_an_image_give_the_image_back() -> None:
    pixels = half_plane_pixels(16, 2.0)
    values = torch.randn(3, len(pixels.row), generator=torch.Generator().manual_seed(1)) + 0j
    values = values * torch.exp(1j * torch.arange(3)[:, None])
    on_axis = (pixels.row == 8) | (pixels.column == 8) | ((pixels.row + pixels.column) == 0)
    values = torch.where(on_axis, values.real + 0j, values).to(torch.complex64)
    images = images_of(values, pixels)
    assert torch.allclose(image_transform(images, pixels), values, atol=1e-6)


def test_a_point_is_imaged_at_its_place_plus_the_shift() -> None:
    volume = torch.zeros(24, 24, 24)
    volume[12 + 5, 12 - 3, 12 + 2] = 1.0
    pixels = half_plane_pixels(24, 2.0)
    ones = torch.ones(2, len(pixels.row))
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    rotations = torch.stack((torch.eye(3), quarter))
    shifts = torch.tensor([[0.0, 0.0], [4.0, -6.0]])
    projector = build_projector(volume, 2, 24)
    images = images_of(projection_transforms(projector, rotations, shifts, ones, pixels), pixels)
    assert divmod(int(images[0].argmax()), 24) == (12 - 3, 12 + 2)
    assert divmod(int(images[1].argmax()), 24) == (12 + 2 - 3, 12 + 3 + 2)
