"""The phantom: symmetry, hand, detail, and projections that agree with the map."""

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from scipy.spatial import cKDTree

from compute.sampling.symmetry import parse_symmetry
from compute.signal.phantom import Phantom, make_phantom, phantom_map, phantom_projections

GROUPS = {name: parse_symmetry(name).operators for name in ("C1", "C3", "D2", "D7", "T", "O", "I")}
IDENTITY = GROUPS["C1"]


def _turned(volume: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map with content moved by r -> matrix r about its centre, in (x, y, z)."""
    backward = matrix.T[::-1, ::-1]
    centre = np.full(3, volume.shape[0] // 2, dtype=float)
    return affine_transform(volume, backward, centre - backward @ centre, order=3)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("name", GROUPS)
def test_the_blobs_are_invariant_under_every_operator(name: str) -> None:
    places = make_phantom(GROUPS[name], 60.0, 6.0).positions_A.numpy()
    nearest = cKDTree(places)
    for operator in GROUPS[name]:
        assert nearest.query(places @ operator.T)[0].max() < 1e-9


@pytest.mark.parametrize("name", GROUPS)
def test_the_map_has_its_symmetry_and_no_mirror(name: str) -> None:
    phantom = make_phantom(GROUPS[name], 60.0, 7.5)
    volume = phantom_map(phantom, 48, 3.0).numpy()
    for operator in GROUPS[name][1:3]:
        assert _correlation(volume, _turned(volume, operator)) > 0.995
    for mirror in (np.diag([1.0, 1, -1]), np.diag([-1.0, 1, 1]), -np.eye(3)):
        assert _correlation(volume, _turned(volume, mirror)) < 0.96


def test_without_symmetry_no_half_turn_leaves_it_alone_even_at_low_resolution() -> None:
    phantom = make_phantom(IDENTITY, 60.0, 6.0)
    blurred = Phantom(phantom.positions_A, phantom.sigma_A * 0 + 8.0, phantom.weights)
    volume = phantom_map(blurred, 40, 4.0).numpy()
    for flip in ((1.0, -1, -1), (-1.0, 1, -1), (-1.0, -1, 1)):
        assert _correlation(volume, _turned(volume, np.diag(flip))) < 0.95


def test_blobs_stay_inside_the_radius_and_keep_their_distance() -> None:
    phantom = make_phantom(GROUPS["D2"], 60.0, 6.0)
    places = phantom.positions_A.numpy()
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() >= 4.5
    assert 50.0 < phantom.radius_A < 60.0
    assert len(places) > 300


def test_detail_goes_down_to_two_pixels() -> None:
    phantom = make_phantom(IDENTITY, 40.0, 5.0)
    transform = torch.fft.rfftn(phantom_map(phantom, 48, 2.5).double())
    power = transform.abs() ** 2
    along = torch.fft.fftfreq(48) * 48
    radius = (along[:, None, None] ** 2 + along[None, :, None] ** 2 + along[:25].abs() ** 2).sqrt()
    near_nyquist = power[(radius > 21) & (radius < 24)].mean()
    middle = power[(radius > 10) & (radius < 12)].mean()
    assert 1e-3 < float((near_nyquist / middle).sqrt()) < 0.5


def test_the_map_adds_up_to_the_mass() -> None:
    phantom = make_phantom(IDENTITY, 40.0, 6.0)
    volume = phantom_map(phantom, 40, 3.0)
    assert float(volume.double().sum()) == pytest.approx(float(phantom.weights.sum()), rel=1e-4)


def test_the_projection_along_z_is_the_sum_of_the_map() -> None:
    phantom = make_phantom(GROUPS["C3"], 40.0, 6.0)
    image = phantom_projections(phantom, torch.eye(3)[None], torch.zeros(1, 2), 40, 3.0)[0]
    assert torch.allclose(image, phantom_map(phantom, 40, 3.0).sum(dim=0), atol=1e-4)


def test_a_turned_and_shifted_projection_has_its_blobs_at_the_right_pixels() -> None:
    phantom = Phantom(
        torch.tensor([[10.0, 4.0, -6.0]], dtype=torch.float64),
        torch.tensor([3.0], dtype=torch.float64),
        torch.tensor([1.0], dtype=torch.float64),
    )
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    image = phantom_projections(phantom, quarter, torch.tensor([[2.0, -6.0]]), 32, 2.0)[0]
    assert divmod(int(image.argmax()), 32) == (16 + 2, 16 - 1)


def test_two_seeds_give_two_phantoms_and_one_seed_the_same() -> None:
    first, again = (make_phantom(IDENTITY, 40.0, 6.0, seed=5).positions_A for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[:5], make_phantom(IDENTITY, 40.0, 6.0, seed=6).positions_A[:5])


def test_a_phantom_too_small_for_its_detail_is_refused() -> None:
    with pytest.raises(ValueError, match="three times the detail"):
        make_phantom(IDENTITY, 10.0, 6.0)


def test_an_odd_box_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        phantom_map(make_phantom(IDENTITY, 40.0, 6.0), 31, 3.0)
