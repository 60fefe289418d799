"""What slicing and insertion are, for the compiled kernels and for the plain-torch ones that define them."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from compute.jobs.devices import slow_kernels
from compute.projection import kernels_torch, kernels_triton
from compute.projection import slices as front
from compute.projection.availability import runs_triton, triton_problem
from compute.projection.reference import (
    Projector,
    build_projector,
    grid_shape,
    packed,
    paired,
)
from compute.signal.fourier import half_plane_pixels

RADIUS, PADDING = 6, 2


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def rotations(count: int, seed: int = 0) -> Tensor:
    matrices = Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix()
    return torch.from_numpy(matrices)


def plane(radius: int = RADIUS) -> tuple[Tensor, Tensor]:
    """Half-plane frequencies of a disc, some of them between the grid points."""
    pixels = half_plane_pixels(2 * radius, 1.0)
    x, y = pixels.model_x.double(), pixels.model_y.double()
    shrink = torch.where(torch.arange(len(x)) % 2 == 0, 1.0, 0.83)
    return x * shrink, y * shrink


class KernelLaws:
    """One set of laws for every implementation; `dtype` is its precision, `tolerance` what rounding may do.

    `storage` is what rounding a volume to be sliced may do, of the largest value.
    """

    dtype: torch.dtype
    tolerance: float
    storage = 0.0

    def slices(self, values: Tensor, turns: Tensor, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def insert(
        self, sums: Tensor, turns: Tensor, x: Tensor, y: Tensor, values: Tensor, weights: Tensor
    ) -> None:
        raise NotImplementedError

    def close(self, found: Tensor, expected: Tensor, tolerance: float | None = None) -> None:
        """Equal to the tolerance, relative to the largest value."""
        error = (found.double() - expected.double()).abs().max()
        assert float(error) <= (tolerance or self.tolerance) * float(expected.abs().max())

    def volume(self, seed: int = 0) -> Tensor:
        return random(*grid_shape(PADDING, RADIUS), 2, seed=seed).to(self.dtype)

    def view(self, count: int = 7) -> tuple[Tensor, Tensor, Tensor]:
        x, y = plane()
        return rotations(count).to(self.dtype), x.to(self.dtype), y.to(self.dtype)

    def inserted(self, values: Tensor, weights: Tensor, sign: int = 1) -> Tensor:
        turns, x, y = self.view(len(values))
        sums = torch.zeros(*grid_shape(PADDING, RADIUS), 3, dtype=self.dtype)
        self.insert(sums, turns, sign * x, sign * y, values, weights)
        return sums

    def test_slices_are_those_of_the_definition(self) -> None:
        values, (turns, x, y) = self.volume(), self.view()
        expected = kernels_torch.slices(
            values.double(), turns.double(), x.double(), y.double(), PADDING
        )
        self.close(self.slices(values, turns, x, y), expected, max(self.tolerance, 1e-5))

    def test_sums_are_those_of_the_definition(self) -> None:
        turns, x, y = self.view()
        values, weights = random(7, 2, len(x), seed=1), random(7, len(x), seed=2).abs()
        expected = torch.zeros(*grid_shape(PADDING, RADIUS), 3, dtype=torch.float64)
        kernels_torch.insert(
            expected, turns.double(), x.double(), y.double(), PADDING, values, weights
        )
        found = self.inserted(values.to(self.dtype), weights.to(self.dtype))
        self.close(found, expected, max(self.tolerance, 1e-5))

    def test_insertion_is_the_adjoint_of_slicing(self) -> None:
        """⟨slice(V), Y⟩ = ⟨V, insert(Y)⟩, with the complex parts as real coordinates."""
        volume, (turns, x, y) = self.volume(), self.view()
        views = random(7, 2, len(x), seed=1).to(self.dtype)
        weights = torch.zeros(7, len(x), dtype=self.dtype)
        forward = (self.slices(volume, turns, x, y).double() * views.double()).sum()
        backward = (self.inserted(views, weights)[..., :2].double() * volume.double()).sum()
        scale = float(views.double().norm() * volume.double().norm())
        assert abs(float(forward - backward)) <= self.tolerance * scale

    def test_weights_are_the_adjoint_of_slicing_ones(self) -> None:
        """Every inserted weight is spread over eight voxels with shares that add up to 1."""
        _, x, _ = self.view()
        weights = random(7, len(x), seed=6).abs().to(self.dtype)
        found = self.inserted(torch.zeros(7, 2, len(x), dtype=self.dtype), weights)
        assert float(found[..., 2].double().sum()) == pytest.approx(
            float(weights.double().sum()), rel=1e-5
        )
        assert not found[..., :2].any()

    def test_both_are_linear(self) -> None:
        first, second = self.volume(1), self.volume(2)
        turns, x, y = self.view()
        both = self.slices(2 * first - 3 * second, turns, x, y)
        one, other = self.slices(first, turns, x, y), self.slices(second, turns, x, y)
        self.close(both, 2 * one - 3 * other, max(self.tolerance, 2 * self.storage))
        views = random(7, 2, len(x), seed=7).to(self.dtype)
        weights = random(7, len(x), seed=8).abs().to(self.dtype)
        self.close(self.inserted(3 * views, 3 * weights), 3 * self.inserted(views, weights))

    def test_insertion_adds_to_what_is_there(self) -> None:
        turns, x, y = self.view()
        views = random(7, 2, len(x), seed=7).to(self.dtype)
        weights = random(7, len(x), seed=8).abs().to(self.dtype)
        sums = torch.ones(*grid_shape(PADDING, RADIUS), 3, dtype=self.dtype)
        self.insert(sums, turns, x, y, views, weights)
        self.close(sums - 1, self.inserted(views, weights))

    def test_a_view_and_its_friedel_mate_are_conjugate(self) -> None:
        volume = build_projector(random(12, 12, 12).float(), PADDING, 12).values.to(self.dtype)
        turns, x, y = self.view()
        here, there = self.slices(volume, turns, x, y), self.slices(volume, turns, -x, -y)
        self.close(there[:, 0], here[:, 0], max(1e-5, self.storage))
        self.close(there[:, 1], -here[:, 1], max(1e-5, self.storage))

    def test_inserting_the_mate_of_every_value_changes_nothing(self) -> None:
        """Only the zero frequency, which is its own mate, keeps its value and so is left out."""
        _, x, _ = self.view()
        views = random(7, 2, len(x), seed=1).to(self.dtype)
        weights = random(7, len(x), seed=2).abs().to(self.dtype)
        views[:, :, 0] = 0.0
        mates = torch.stack([views[:, 0], -views[:, 1]], 1)
        self.close(self.inserted(mates, weights, sign=-1), self.inserted(views, weights))

    @pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
    def test_views_on_the_grid_are_its_values(self, quarter_turns: int) -> None:
        """A turn by 90° about z, then the plane z = 0: image (kx, ky) samples Aᵀ(kx, ky, 0)."""
        volume = self.volume()
        origin = (volume.shape[0] - 1) // 2
        turn = torch.from_numpy(
            np.round(Rotation.from_euler("z", 90 * quarter_turns, degrees=True).as_matrix())
        ).to(self.dtype)
        kx = torch.tensor([1.0, 2.0, 0.5, 3.0, 2.5], dtype=self.dtype)
        ky = torch.tensor([0.0, -3.0, 1.5, 2.0, 4.0], dtype=self.dtype)
        found = self.slices(volume, turn[None].contiguous(), kx, ky)[0]
        for i in range(5):
            place = turn.T @ torch.tensor([kx[i], ky[i], 0.0], dtype=self.dtype)
            sign = 1 if place[0] >= 0 else -1
            x, y, _ = (sign * PADDING * place).round().long().tolist()
            real, imaginary = volume[origin, origin + y, x].tolist()
            assert found[0, i] == pytest.approx(real, abs=1e-5)
            assert found[1, i] == pytest.approx(sign * imaginary, abs=1e-5)

    def test_a_tilt_carries_the_plane_to_x_0(self) -> None:
        """A = turn by 90° about y, which takes map z to image x: image (kx, 0) samples map (0, 0, kx)."""
        volume = self.volume()
        origin = (volume.shape[0] - 1) // 2
        turn = torch.tensor(
            [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
            dtype=self.dtype,
        )
        x = torch.tensor([1.0, 3.0], dtype=self.dtype)
        y = torch.tensor([0.0, -2.0], dtype=self.dtype)
        found = self.slices(volume, turn[None], x, y)[0]
        self.close(found[:, 0], volume[origin + 2, origin, 0])
        self.close(found[:, 1], volume[origin + 6, origin - 4, 0])

    def test_frequencies_on_the_rim_touch_the_last_layers_only(self) -> None:
        """A value at the largest radius, along every axis, lands inside the grid."""
        side, _, length = grid_shape(PADDING, RADIUS)
        axes = torch.eye(3, dtype=self.dtype)
        turns = torch.stack([axes, axes[[1, 2, 0]], axes[[2, 0, 1]]])
        rim = torch.tensor([float(RADIUS), -float(RADIUS), 0.0, 0.0], dtype=self.dtype)
        x, y = rim, rim.flip(0).contiguous()
        ones = torch.ones(3, 4, dtype=self.dtype)
        sums = torch.zeros(side, side, length, 3, dtype=self.dtype)
        self.insert(sums, turns, x, y, torch.zeros(3, 2, 4, dtype=self.dtype), ones)
        assert float(sums[..., 2].sum()) == 12.0
        assert float(sums[:, :, PADDING * RADIUS, 2].sum()) == 4.0

    def test_no_view_gives_no_slice(self) -> None:
        _, x, y = self.view()
        nothing = torch.zeros(0, 3, 3, dtype=self.dtype)
        assert self.slices(self.volume(), nothing, x, y).shape == (0, 2, len(x))


class TestTorch(KernelLaws):
    """The definition, in double precision."""

    dtype, tolerance = torch.float64, 1e-12

    def slices(self, values: Tensor, turns: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return kernels_torch.slices(values, turns, x, y, PADDING)

    def insert(
        self, sums: Tensor, turns: Tensor, x: Tensor, y: Tensor, values: Tensor, weights: Tensor
    ) -> None:
        kernels_torch.insert(sums, turns, x, y, PADDING, values, weights)


class TestTriton(KernelLaws):
    """The kernels for GPUs, run by Triton's interpreter where there is none; volumes are of half floats, see below."""

    dtype, tolerance = torch.float32, 3e-6
    storage = 2.0**-11

    def volume(self, seed: int = 0) -> Tensor:
        return super().volume(seed).half().float()

    def slices(self, values: Tensor, turns: Tensor, x: Tensor, y: Tensor) -> Tensor:
        given = paired(Projector(values, PADDING, RADIUS)), turns, x, y
        return kernels_triton.slices(*given)

    def insert(
        self, sums: Tensor, turns: Tensor, x: Tensor, y: Tensor, values: Tensor, weights: Tensor
    ) -> None:
        kernels_triton.insert(sums, turns, x, y, PADDING, values, weights)


def test_pairs_hold_every_value_and_the_next_one() -> None:
    """Rounded to half floats; nothing follows the last value of a row. They are what bricks hold."""
    values = 1e-4 * random(*grid_shape(PADDING, RADIUS), 2).float()
    projector = Projector(values, PADDING, RADIUS)
    made = paired(projector)
    halves = made.records.view(torch.float16).unflatten(2, (-1, 4)).float() * made.factor
    assert torch.equal(halves[..., :2], packed(projector).values)
    assert torch.equal(halves[:, :, :-1, 2:], halves[:, :, 1:, :2])
    assert not halves[:, :, -1, 2:].any()
    assert torch.equal(made.values, halves[..., :2])
    assert torch.equal(packed(made).values, made.values)
    assert torch.equal(made.times(3.0).values, 3.0 * made.values)
    assert paired(made) is made


@pytest.mark.parametrize("is_wide", [True, False])
def test_voxels_of_four_numbers_and_of_64_bits_are_the_same_to_the_kernels(
    is_wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_wide:
        monkeypatch.setattr(kernels_triton, "MOST_INDICES", 0)
    turns, (x, y) = rotations(7).float(), plane()
    views, weights = random(7, 2, len(x), seed=1).float(), random(7, len(x), seed=2).float().abs()
    given = turns, x.float(), y.float(), PADDING, views, weights
    expected = torch.zeros(*grid_shape(PADDING, RADIUS), 3)
    kernels_torch.insert(expected, *given)
    for numbers in (3, 4):
        sums = torch.zeros(*grid_shape(PADDING, RADIUS), numbers)
        kernels_triton.insert(sums[..., :3], *given)
        assert float((sums[..., :3] - expected).abs().max()) < 3e-6 * float(expected.abs().max())
        assert not sums[..., 3:].any()
    volume = paired(Projector(random(*grid_shape(PADDING, RADIUS), 2).float(), PADDING, RADIUS))
    sliced = kernels_triton.slices(volume, *given[:3])
    expected = kernels_torch.slices(volume.values, *given[:4])
    assert float((sliced - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_a_device_that_runs_the_kernels_well_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels_triton.try_out(torch.device("cpu"))
    monkeypatch.setattr(kernels_triton, "insert", lambda *given: None)
    with pytest.raises(RuntimeError, match=r"sums of a kernel in Triton differ .* by 1\.0e\+00"):
        kernels_triton.try_out(torch.device("cpu"))


def test_a_gpu_that_does_not_run_the_kernels_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left to plain torch, and the user reads why."""

    def fail(device: torch.device) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC")

    device = torch.device("cuda", 0)
    monkeypatch.setattr(kernels_triton, "try_out", fail)
    triton_problem.cache_clear()
    assert triton_problem(device) == "Failed to find C compiler."
    assert not runs_triton(device)
    (sentence,) = slow_kernels(device)
    assert "cuda:0 on " in sentence and "(Failed to find C compiler.)" in sentence
    triton_problem.cache_clear()
    monkeypatch.setattr(kernels_triton, "try_out", lambda device: None)
    assert runs_triton(device) and slow_kernels(device) == []
    triton_problem.cache_clear()
    assert not runs_triton(torch.device("cpu")) and slow_kernels(torch.device("cpu")) == []


class TestCompiled(KernelLaws):
    """The kernels for the CPU, through the functions that everybody calls.

    The laws hold for volumes of half floats, as they are sliced; what other volumes lose by it is a law of its own.
    """

    dtype, tolerance = torch.float32, 3e-6
    storage = 2.0**-11

    def volume(self, seed: int = 0) -> Tensor:
        return super().volume(seed).half().float()

    def test_volumes_are_rounded_to_half_floats(self) -> None:
        """Each value by less than half of its last of eleven binary digits: slices by 2 parts in 10,000."""
        values, (turns, x, y) = super().volume(), self.view(50)
        expected = kernels_torch.slices(
            values.double(), turns.double(), x.double(), y.double(), PADDING
        )
        error = self.slices(values, turns, x, y).double() - expected
        assert 5e-5 < float(error.norm() / expected.norm()) < 3e-4
        assert float(error.abs().max()) < self.storage * float(values.abs().max())

    @pytest.mark.parametrize("count", [1, 15, 16, 17, 127, 128, 129, 300])
    def test_any_number_of_points_is_sliced(self, count: int) -> None:
        """Points are placed 16 and blended 4 at a time, and the last ones apart."""
        turns, x, y = self.view(2)
        x, y = x.repeat(4)[:count].contiguous(), y.repeat(4)[:count].contiguous()
        found = self.slices(self.volume(), turns, x, y)
        expected = kernels_torch.slices(self.volume(), turns, x, y, PADDING)
        self.close(found, expected, 1e-5)

    def slices(self, values: Tensor, turns: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return front.slices(Projector(values, PADDING, RADIUS), turns, x, y)

    def insert(
        self, sums: Tensor, turns: Tensor, x: Tensor, y: Tensor, values: Tensor, weights: Tensor
    ) -> None:
        front.insert(front.Accumulator(sums, PADDING, RADIUS), turns, x, y, values, weights)


def test_many_orientations_are_worked_on_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    laws = TestTorch()
    turns, x, y = laws.view(7)
    whole = laws.slices(laws.volume(), turns, x, y)
    weights = random(7, len(x), seed=3)
    sums = laws.inserted(whole, weights)
    least = kernels_torch.BYTES_PER_POINT * len(x)
    monkeypatch.setattr(kernels_torch, "TEMPORARY_BYTES", 3 * least)
    sizes: list[int] = []
    corners = kernels_torch.corners

    def counted(turns: Tensor, *arguments: Any) -> Any:
        sizes.append(len(turns))
        return corners(turns, *arguments)

    monkeypatch.setattr(kernels_torch, "corners", counted)
    laws.close(laws.slices(laws.volume(), turns, x, y), whole)
    laws.close(laws.inserted(whole, weights), sums)
    assert sizes == [3, 3, 1, 3, 3, 1]


def test_an_empty_accumulator_is_as_large_as_a_projector_of_the_same_radius() -> None:
    accumulator = front.empty_accumulator(2, 5)
    projector = build_projector(torch.zeros(12, 12, 12), 2, 10)
    assert accumulator.sums.shape[:3] == projector.values.shape[:3]
    assert accumulator.origin == projector.origin
    assert not accumulator.sums.any()


def test_complex_rows_become_real_parts_then_imaginary_parts() -> None:
    rows = torch.tensor([[1 + 2j, 3 - 4j]])
    assert kernels_torch.as_real_rows(rows).tolist() == [[1.0, 3.0, 2.0, -4.0]]
