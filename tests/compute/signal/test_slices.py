"""Slices of filtered maps, made without the whole map."""

import pytest
import torch

from compute.signal.slices import Axis, filtered_slices, grey, slice_of, squared_radius


@pytest.mark.parametrize("box", [8, 20])
def test_slices_of_the_transform_are_those_of_the_map(box: int) -> None:
    volume = torch.randn(box, box, box, generator=torch.Generator().manual_seed(box))
    weight = torch.exp(-0.05 * squared_radius(box)).float()
    transform = torch.fft.rfftn(volume)
    whole = torch.fft.irfftn(transform * weight, s=volume.shape)
    places: list[tuple[Axis, int]] = [("x", 3), ("y", box // 2), ("z", 0), ("x", box - 1)]
    for (axis, index), found in zip(
        places, filtered_slices(transform, weight, places), strict=True
    ):
        torch.testing.assert_close(found, slice_of(whole, axis, index), atol=1e-5, rtol=1e-4)


def test_grey_values_are_linear_between_the_limits() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.5, 1.0, 9.0]])
    assert grey(values, 0.0, 1.0).tolist() == [[0, 0, 128, 255, 255]]
    assert grey(values, 1.0, 1.0).tolist() == [[0, 0, 0, 0, 0]]
