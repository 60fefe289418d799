"""Friedel and point-group sums: torch and compiled kernel, against a dense cube and against inserted views."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from compute.maximisation import symmetrise, symmetrise_triton
from compute.maximisation.falloff import mate_falloff
from compute.maximisation.mates_cpu import keep_rows
from compute.maximisation.prior import add_accumulators
from compute.maximisation.reconstruct import reconstruct
from compute.maximisation.symmetrise import (
    RotatedSum,
    add_rotated,
    add_rotated_compiled,
    apply_point_group,
    enforce_friedel,
)
from compute.projection.slices import Accumulator, empty_accumulator
from compute.sampling.symmetry import parse_symmetry
from compute.signal.fsc import fsc

from .conftest import Phantom, random_phantom, random_rotations, voxel_frequencies


def operators_of(name: str) -> NDArray[np.float64]:
    return Rotation.create_group(name).as_matrix()


def random_sums(padding: int = 2, radius: int = 5, seed: int = 3) -> Accumulator:
    """A Hermitian accumulator of random numbers."""
    accumulator = empty_accumulator(padding, radius)
    accumulator.sums.normal_(generator=torch.Generator().manual_seed(seed))
    enforce_friedel(accumulator)
    return accumulator


def dense(accumulator: Accumulator, channel: int) -> NDArray[np.float64]:
    """One channel on the full cube, the half x < 0 filled by Friedel symmetry."""
    stored = accumulator.sums[..., channel].double().numpy()
    mirrored = stored[::-1, ::-1, :0:-1] * (-1 if channel == 1 else 1)
    return np.concatenate([mirrored, stored], axis=2)


def point_group_by_dense_cube(
    accumulator: Accumulator, operators: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Σ over all operators of the interpolated dense cube, |q| ≤ padding·radius; elsewhere the sums as they are."""
    q = voxel_frequencies(accumulator)
    is_inside = (q**2).sum(-1) <= (accumulator.padding * accumulator.radius) ** 2
    result = accumulator.sums.double().numpy().copy()
    for channel in range(3):
        cube = dense(accumulator, channel)
        middle = (np.array(cube.shape) - 1) // 2
        for operator in operators:
            if np.allclose(operator, np.eye(3)):
                continue
            points = (q[is_inside] @ operator.T)[:, ::-1] + middle
            result[is_inside, channel] += map_coordinates(cube, points.T, order=1)
    return result


@pytest.fixture(params=[add_rotated, add_rotated_compiled], ids=["torch", "compiled"])
def rotated_sum(request: pytest.FixtureRequest) -> RotatedSum:
    kernel: RotatedSum = request.param
    return kernel


class TestPointGroup:
    @pytest.mark.parametrize("name", ["C4", "D2", "D7", "T", "O", "I"])
    @pytest.mark.parametrize("padding", [1, 2])
    def test_equals_interpolation_in_the_dense_cube(
        self, name: str, padding: int, rotated_sum: RotatedSum
    ) -> None:
        accumulator = random_sums(padding)
        expected = point_group_by_dense_cube(accumulator, operators_of(name))
        apply_point_group(accumulator, operators_of(name), rotated_sum)
        error = np.abs(accumulator.sums.numpy() - expected).max()
        assert error < 2e-5 * np.abs(expected).max()

    def test_uniform_weights_become_the_order_of_the_group(self, rotated_sum: RotatedSum) -> None:
        for name, order in (("C4", 4), ("D2", 4), ("D7", 14), ("T", 12), ("O", 24), ("I", 60)):
            accumulator = empty_accumulator(2, 6)
            accumulator.sums[..., 2] = 1.0
            apply_point_group(accumulator, operators_of(name), rotated_sum)
            is_inside = (voxel_frequencies(accumulator) ** 2).sum(-1) <= 12**2
            weights = accumulator.sums[..., 2].numpy()
            np.testing.assert_allclose(weights[is_inside], order, rtol=1e-5)
            assert (weights[~is_inside] == 1.0).all()

    def test_keeps_the_plane_x_0_hermitian(self, rotated_sum: RotatedSum) -> None:
        accumulator = random_sums()
        apply_point_group(accumulator, operators_of("O"), rotated_sum)
        plane = accumulator.sums[:, :, 0]
        mate = plane.flip(0, 1) * torch.tensor([1.0, -1.0, 1.0])
        torch.testing.assert_close(plane, mate, rtol=0, atol=2e-5)

    def test_group_of_identity_changes_nothing(self, rotated_sum: RotatedSum) -> None:
        accumulator = random_sums()
        before = accumulator.sums.clone()
        apply_point_group(accumulator, np.eye(3)[None], rotated_sum)
        assert torch.equal(accumulator.sums, before)

    @pytest.mark.parametrize("name", ["D2", "T", "O"])
    def test_grid_operators_give_the_sum_of_the_mates_views(
        self, name: str, phantom: Phantom, rotated_sum: RotatedSum
    ) -> None:
        rotations, operators = random_rotations(20), operators_of(name)
        accumulator = phantom.inserted(rotations, 2, 12)
        enforce_friedel(accumulator)
        apply_point_group(accumulator, operators, rotated_sum)
        mates = empty_accumulator(2, 12)
        for operator in operators:
            values = phantom.symmetrised(operator.T[None])
            add_accumulators(mates, values.inserted(rotations @ operator, 2, 12))
        enforce_friedel(mates)
        is_inside = (voxel_frequencies(mates) ** 2).sum(-1) <= 23**2
        expected = mates.sums.numpy()[is_inside]
        error = np.abs(accumulator.sums.numpy()[is_inside] - expected).max(0)
        assert (error < 2e-5 * np.abs(expected).max(0)).all()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_threads_give_the_same_bits(two_threads: None) -> None:
    shared, alone = random_sums(), random_sums()
    apply_point_group(shared, operators_of("D7"))
    torch.set_num_threads(1)
    apply_point_group(alone, operators_of("D7"))
    assert torch.equal(shared.sums, alone.sums)


ABOUT_X = Rotation.create_group("C4", axis="X").as_matrix()


@pytest.mark.parametrize(
    ("operators", "expected"),
    [(operators_of(name), True) for name in ("C1", "C2", "D2")]
    + [(operators_of(name), False) for name in ("C3", "C4", "D3", "D4", "T", "O", "I")]
    + [(ABOUT_X, True)],
)
def test_groups_that_take_rows_onto_rows(operators: NDArray[np.float64], expected: bool) -> None:
    assert keep_rows(operators) == expected


@pytest.mark.parametrize(
    "operators", [operators_of("C2"), operators_of("D2"), ABOUT_X], ids=["C2", "D2", "C4 about x"]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_are_summed_in_place_as_the_definition_does(
    operators: NDArray[np.float64], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(symmetrise, "_rotated_sum")  # so that nothing else can do it
    accumulator, reference = random_sums(2, 11), random_sums(2, 11)
    expected = point_group_by_dense_cube(reference, operators)
    apply_point_group(accumulator, operators, threads=threads)
    apply_point_group(reference, operators, add_rotated)
    assert np.abs(accumulator.sums.numpy() - expected).max() < 1e-5
    torch.testing.assert_close(accumulator.sums, reference.sums, rtol=0, atol=3e-6)
    is_outside = (voxel_frequencies(accumulator) ** 2).sum(-1) > 22**2
    before = random_sums(2, 11).sums.numpy()
    assert np.array_equal(accumulator.sums.numpy()[is_outside], before[is_outside])


def test_friedel_plane_is_exactly_hermitian_for_real_images(phantom: Phantom) -> None:
    accumulator = phantom.inserted(random_rotations(50), 2, 12)
    enforce_friedel(accumulator)
    plane = torch.view_as_complex(accumulator.sums[:, :, 0, :2].contiguous())
    assert torch.equal(plane, plane.flip(0, 1).conj().resolve_conj())
    assert torch.equal(accumulator.sums[:, :, 0, 2], accumulator.sums[:, :, 0, 2].flip(0, 1))


def test_a_view_and_its_friedel_mate_give_the_same_sums(phantom: Phantom) -> None:
    """Only samples with x = 0 exactly, as in the untilted view, are stored in one of two places."""
    rotations = np.concatenate([np.eye(3)[None], random_rotations(20)])
    views = phantom.inserted(rotations, 2, 12)
    mates = phantom.inserted(rotations, 2, 12, mates=True)
    assert not torch.allclose(views.sums[:, :, 0], mates.sums[:, :, 0], atol=1e-3)
    enforce_friedel(views)
    enforce_friedel(mates)
    torch.testing.assert_close(views.sums, mates.sums, rtol=1e-5, atol=1e-5)


GROUPS = ["C4", "C5", "D2", "D7", "T", "O", "I1", pytest.param("I3", marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", GROUPS)
def test_symmetrising_an_already_symmetric_map_leaves_it_unchanged(name: str) -> None:
    """Test 18, in every shell, with a molecule that reaches to three quarters of the box's half. Near the end of the
    sums, where mates are no longer added, interpolation takes something from beyond: shells up to 16 of 20 are held."""
    operators = parse_symmetry(name).operators
    accumulator = random_phantom(box=48, reach=18.0).symmetrised(operators).sampled(2, 20)
    before = reconstruct(accumulator, 48)
    apply_point_group(accumulator, operators)
    after = reconstruct(accumulator, 48, mates=mate_falloff(operators))
    curve = fsc(torch.fft.rfftn(before), torch.fft.rfftn(after), 17)
    assert curve.min() > 0.9999


@pytest.mark.parametrize("name", GROUPS)
def test_density_far_from_the_centre_keeps_its_height(name: str) -> None:
    """Interpolated mates damp it there, by 6 to 9 % at this place, unless that is made good."""
    operators = parse_symmetry(name).operators
    blob = Phantom(48, np.array([[9.0, 8.0, 10.0]]), np.ones(1), np.full(1, 2.0))
    accumulator = blob.symmetrised(operators).sampled(2, 24)
    before = reconstruct(accumulator, 48)[34, 32, 33]
    apply_point_group(accumulator, operators)
    damped = reconstruct(accumulator, 48)[34, 32, 33]
    after = reconstruct(accumulator, 48, mates=mate_falloff(operators))[34, 32, 33]
    assert float(after) == pytest.approx(float(before), rel=2e-3)
    is_between = name not in ("C4", "D2", "O")
    assert (float(damped) < 0.97 * float(before)) == is_between


def test_the_kernel_for_gpus_sums_as_the_definition_does() -> None:
    """Run by Triton's interpreter: mates on the grid, between its points, and beyond the half that is stored."""
    made = []
    for kernel in (add_rotated, symmetrise_triton.add_rotated):
        accumulator = empty_accumulator(2, 1)
        wide = torch.zeros(*accumulator.sums.shape[:3], 4)
        wide[..., :3].normal_(generator=torch.Generator().manual_seed(1))
        accumulator = Accumulator(wide[..., :3], 2, 1)
        enforce_friedel(accumulator)
        apply_point_group(accumulator, operators_of("D3"), kernel)
        made.append(wide)
    torch.testing.assert_close(made[1], made[0], rtol=1e-5, atol=1e-5)
