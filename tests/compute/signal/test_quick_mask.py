"""Masks for previews: the same as from a Euclidean distance transform."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from scipy import ndimage

from compute.signal.fourier import lowpass
from compute.signal.quick_mask import quick_mask


def reference(volume: np.ndarray, threshold: float, extend: float, edge: float) -> np.ndarray:
    """The mask by the formulas of the specification and SciPy's distance transform."""
    inside = volume >= threshold
    if not inside.any():
        return np.zeros(volume.shape)
    if extend > 0:
        inside = ndimage.distance_transform_edt(~inside) < extend
    elif extend < 0:
        if inside.all():
            return np.ones(volume.shape)
        inside = ndimage.distance_transform_edt(inside) >= -extend
    if edge <= 0 or not inside.any():
        return inside.astype(float)
    distance = ndimage.distance_transform_edt(~inside)
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / edge, 1.0))


@pytest.mark.property
@hypothesis.settings(max_examples=25)
@hypothesis.given(
    seed=st.integers(0, 1000),
    threshold=st.floats(-0.5, 3.0),
    extend=st.integers(-16, 24).map(lambda n: n / 4),
    edge=st.integers(0, 28).map(lambda n: n / 4),
)
def test_like_the_distance_transform(
    seed: int, threshold: float, extend: float, edge: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    volume = lowpass(torch.randn(20, 20, 20, generator=generator), 1.0, 5.0)
    volume /= volume.std()
    found = quick_mask(volume, threshold, extend, edge)
    expected = reference(volume.numpy(), threshold, extend, edge)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_figures_of_the_specification() -> None:
    point = torch.zeros(24, 24, 24)
    point[12, 12, 12] = 1.0
    assert quick_mask(point, 1.0, 3.0, 0.0).sum() == 93
    assert quick_mask(point, 1.0, 2.5, 0.0).sum() == 81
    soft = quick_mask(point, 0.5, 3.0, 4.0)
    assert float(soft.double().sum()) == pytest.approx(399.672346, abs=1e-4)
    assert int((soft > 1e-7).sum()) == 1039
    line = [1, 1, 1, 0.853553, 0.5, 0.146447, 0]
    assert soft[12, 12, 12:19].tolist() == pytest.approx(line, abs=1e-6)
    cube = torch.zeros(24, 24, 24)
    cube[8:17, 8:17, 8:17] = 1.0
    assert quick_mask(cube, 1.0, -2.0, 0.0).sum() == 343
    assert not quick_mask(point, 2.0, 3.0, 3.0).any()
