"""Maps from sums: grey scale, falloff, Wiener filter, minimum weight, memory; FSC between half transforms."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from compute.maximisation.prior import (
    add_accumulators,
    join_low_resolution,
    low_resolution_part,
    reconstruction_noise,
    signal_power,
    signal_to_noise,
)
from compute.maximisation.reconstruct import (
    downsample,
    flatten,
    fsc_of_halves,
    gather_torch,
    reconstruct,
)
from compute.maximisation.shells_cpu import gather
from compute.maximisation.symmetrise import enforce_friedel
from compute.projection.slices import Accumulator, empty_accumulator
from compute.signal.fsc import fsc

from .conftest import Phantom, random_rotations, voxel_frequencies


def radius_in(box: int) -> NDArray[np.float64]:
    axis = (np.arange(box) - box // 2) ** 2
    return np.sqrt(axis[:, None, None] + axis[None, :, None] + axis[None, None, :])


def falloff(box: int, padding: int) -> NDArray[np.float64]:
    return np.sinc(radius_in(box) / (box * padding)) ** 2


def shell_fsc(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    box = first.shape[0]
    a, b = np.fft.fftn(first), np.fft.fftn(second)
    index = (np.fft.fftfreq(box) * box) ** 2
    shell = np.rint(np.sqrt(index[:, None, None] + index[None, :, None] + index[None, None, :]))
    shell = shell.astype(int).ravel()

    def summed(term: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(shell, term.ravel())[: box // 2]

    cross = summed((a * b.conj()).real)
    return cross / np.sqrt(summed(abs(a) ** 2) * summed(abs(b) ** 2))


@pytest.fixture(scope="module")
def views(phantom: Phantom) -> Accumulator:
    accumulator = phantom.inserted(random_rotations(800), 2, 16)
    enforce_friedel(accumulator)
    return accumulator


def noisy_half(phantom: Phantom, seed: int) -> Accumulator:
    """Sums of 100 views with noise, Hermitian."""
    accumulator = phantom.inserted(random_rotations(100, seed), 2, 16)
    noise = torch.randn(
        accumulator.sums.shape[:3] + (2,), generator=torch.Generator().manual_seed(seed)
    )
    accumulator.sums[..., :2] += 0.2 * accumulator.sums[..., 2:].sqrt() * noise
    enforce_friedel(accumulator)
    return accumulator


def flat_sums(radius: int = 16, padding: int = 2, seed: int = 4) -> Accumulator:
    """A random Hermitian numerator over weights that are 1 everywhere."""
    accumulator = empty_accumulator(padding, radius)
    accumulator.sums.normal_(generator=torch.Generator().manual_seed(seed))
    enforce_friedel(accumulator)
    accumulator.sums[..., 2] = 1.0
    return accumulator


class TestMap:
    def test_800_views_give_back_the_phantom(self, phantom: Phantom, views: Accumulator) -> None:
        """Test 14: slope 1.00 ± 0.01, rms at most 2 % inside radius 12, FSC above 0.999 to half Nyquist."""
        volume, truth = reconstruct(views, 32).numpy(), phantom.volume()
        inside = radius_in(32) < 12
        slope = (volume * truth)[inside].sum() / (truth**2)[inside].sum()
        assert slope == pytest.approx(1.0, abs=0.01)
        residual = (volume - truth)[inside]
        assert np.sqrt((residual**2).mean() / (truth[inside] ** 2).mean()) < 0.02
        keep = radius_in(32) < 14
        assert (shell_fsc(volume * keep, truth * keep)[:9] > 0.999).all()

    def test_sums_are_not_changed(self, views: Accumulator) -> None:
        before = views.sums.clone()
        reconstruct(views, 32, torch.ones(17, dtype=torch.float64))
        assert torch.equal(views.sums, before)

    @pytest.mark.parametrize(("padding", "expected"), [(1, 0.4053), (2, 0.8106)])
    def test_falloff_at_the_edge_of_the_box(self, padding: int, expected: float) -> None:
        """Test 15: exact samples need no compensation, so the result is the truth over sinc²."""
        blob = Phantom(32, np.array([[-16.0, 0.0, 0.0]]), np.ones(1), np.full(1, 2.0))
        volume = reconstruct(blob.sampled(padding, 16), 32)
        assert float(volume[16, 16, 0]) == pytest.approx(1 / expected, rel=2e-4)

    @pytest.mark.parametrize("padding", [1, 2, 3])
    @pytest.mark.parametrize("radius", [13, 16])
    def test_exact_samples_give_the_exact_map(self, padding: int, radius: int) -> None:
        blob = Phantom(32, np.array([[2.2, -1.3, 0.6]]), np.ones(1), np.full(1, 2.4))
        volume = reconstruct(blob.sampled(padding, radius), 32).numpy() * falloff(32, padding)
        inside = radius_in(32) <= 16
        np.testing.assert_allclose(volume[inside], blob.volume()[inside], atol=3e-5)

    def test_corners_hold_the_background(self, views: Accumulator) -> None:
        volume = reconstruct(views, 32).numpy()
        corner = radius_in(32) >= 19
        assert corner.sum() > 100
        assert np.ptp(volume[corner]) < 1e-6

    @pytest.mark.parametrize("box", [31, 30])
    def test_refuses_odd_and_small_boxes(self, views: Accumulator, box: int) -> None:
        with pytest.raises(ValueError, match=f"box {box}"):
            reconstruct(views, box)

    def test_shells_without_data_stay_empty(self) -> None:
        accumulator = flat_sums()
        outside = (voxel_frequencies(accumulator) ** 2).sum(-1) > 20**2
        accumulator.sums[torch.from_numpy(outside)] = 0.0
        noise = reconstruction_noise(accumulator, 17)
        assert (noise[12:] == 0).all()
        power = signal_power(torch.ones_like(noise), noise)
        assert torch.isfinite(reconstruct(accumulator, 32, power)).all()


class TestWiener:
    @pytest.mark.parametrize("fsc", [0.5, 0.8, 0.0])
    def test_uniform_weights_scale_every_shell_by_the_fsc(self, fsc: float) -> None:
        """Test 19; an FSC of 0 counts as 0.001."""
        accumulator = flat_sums()
        curve = torch.full((17,), fsc, dtype=torch.float64)
        power = signal_power(signal_to_noise(curve), reconstruction_noise(accumulator, 17))
        filtered = reconstruct(accumulator, 32, power, minimum_shell=0)
        plain = reconstruct(accumulator, 32)
        torch.testing.assert_close(filtered, max(fsc, 0.001) * plain, rtol=1e-4, atol=2e-6)

    @pytest.mark.parametrize(("fsc", "factor"), [(1 / 7, 0.5), (0.5, 0.8165)])
    def test_joined_filter(self, fsc: float, factor: float) -> None:
        curve = torch.full((17,), fsc, dtype=torch.float64)
        ssnr = signal_to_noise(curve, is_joined=True)
        assert float(ssnr[3] / (1 + ssnr[3])) == pytest.approx(factor, abs=5e-5)

    def test_the_fudge_factor_enters_once(self) -> None:
        curve = torch.full((17,), 0.5, dtype=torch.float64)
        assert float(signal_to_noise(curve, tau2_fudge=4.0)[0]) == pytest.approx(4.0)

    def test_shells_below_5_are_not_regularised(self) -> None:
        accumulator = flat_sums()
        length = np.sqrt((voxel_frequencies(accumulator) ** 2).sum(-1)) / 2
        power = torch.full((17,), 1 / (8 * 900), dtype=torch.float64)
        low, high = accumulator.sums.clone(), accumulator.sums.clone()
        low[torch.from_numpy(length >= 4.5)] *= torch.tensor([0.0, 0.0, 1.0])
        high[torch.from_numpy(length < 4.5)] *= torch.tensor([0.0, 0.0, 1.0])
        kept = Accumulator(low, 2, 16)
        torch.testing.assert_close(reconstruct(kept, 32, power), reconstruct(kept, 32))
        damped = Accumulator(high, 2, 16)
        ratio = reconstruct(damped, 32, power).std() / reconstruct(damped, 32).std()
        assert float(ratio) == pytest.approx(1 / 901, rel=1e-3)

    def test_zero_signal_power_damps_a_thousandfold(self) -> None:
        accumulator = flat_sums()
        nothing = torch.zeros(17, dtype=torch.float64)
        damped = reconstruct(accumulator, 32, nothing, minimum_shell=0)
        plain = reconstruct(accumulator, 32)
        torch.testing.assert_close(damped, plain / 1001, rtol=1e-4, atol=1e-8)

    def test_an_empty_voxel_is_amplified_at_most_a_thousandfold(self) -> None:
        """Test 20: one pair of voxels without weight gives a plane wave of known amplitude."""
        accumulator = empty_accumulator(2, 16)
        accumulator.sums[..., 2] = 1.0
        origin = accumulator.origin
        accumulator.sums[origin, origin, 12] = torch.tensor([1.0, 0.0, 0.0])
        volume = reconstruct(accumulator, 32)
        expected = 2 * 1000 / (2**3 * 32)
        assert float(volume[16, 16, 16]) == pytest.approx(expected, rel=5e-3)


class TestHalves:
    @pytest.mark.parametrize("padding", [1, 2, 3, 4])
    def test_downsample_adds_each_voxel_to_the_nearest(self, padding: int) -> None:
        accumulator = empty_accumulator(padding, 3)
        accumulator.sums.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(6))
        enforce_friedel(accumulator)
        sums = accumulator.sums.double().numpy()
        length = sums.shape[2]
        conjugate = np.array([1.0, -1.0, 1.0])
        cube = np.concatenate([sums[::-1, ::-1, :0:-1] * conjugate, sums], axis=2)
        q = np.stack(
            np.meshgrid(*[np.arange(n) - n // 2 for n in cube.shape[:3]], indexing="ij"), -1
        )
        nearest = np.trunc(q / padding + 0.5 * np.sign(q)).astype(int)
        is_kept = (np.abs(nearest) <= 3).all(-1) & (nearest[..., 2] >= 0)
        expected = np.zeros((7, 7, 4, 3))
        z, y, x = nearest[is_kept].T
        np.add.at(expected, (z + 3, y + 3, x), cube[is_kept])
        ratio = (expected[..., 0] + 1j * expected[..., 1]) / expected[..., 2]
        assert length == padding * 3 + 2
        np.testing.assert_allclose(downsample(accumulator).numpy(), ratio, rtol=2e-5, atol=2e-5)

    @pytest.mark.parametrize("padding", [1, 2, 3])
    def test_compiled_gathering_adds_what_the_definition_does(self, padding: int) -> None:
        generator = torch.Generator().manual_seed(4)
        sums = torch.rand(
            2 * padding * 5 + 3, 2 * padding * 5 + 3, 5 * padding + 2, 3, generator=generator
        )
        places = torch.randint(0, 13, (len(sums),), generator=generator)
        places_x = torch.randint(0, 7, (sums.shape[2],), generator=generator)
        expected, found = torch.zeros(13, 13, 7, 3), torch.zeros(13, 13, 7, 3)
        gather_torch(sums, places, places_x, expected)
        gather(*(one.numpy() for one in (sums, places, places_x, found)))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)

    def test_fsc_by_the_definition(self) -> None:
        generator = np.random.default_rng(7)
        a, b = generator.standard_normal((2, 9, 9, 5, 2)).view(np.complex128)[..., 0]
        axis = np.arange(-4, 5)
        radius = np.sqrt(
            axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, 4:] ** 2
        )
        curve = fsc_of_halves(
            torch.from_numpy(a).to(torch.complex64), torch.from_numpy(b).to(torch.complex64), 7
        )
        for shell in range(1, 5):
            ring = (np.floor(radius + 0.5) == shell) & (radius <= 4)
            cross = (a[ring] * b[ring].conj()).real.sum()
            norm = np.sqrt((abs(a[ring]) ** 2).sum() * (abs(b[ring]) ** 2).sum())
            assert float(curve[shell]) == pytest.approx(cross / norm, abs=1e-6)
        assert float(curve[0]) == 1.0
        assert (curve[5:] == 0).all()

    def test_fsc_counts_as_for_maps(self) -> None:
        """The stored half of a map's transform, cut to a compact cube, has the curve of compute.signal.fsc."""
        volumes = torch.randn(2, 16, 16, 16, generator=torch.Generator().manual_seed(13))
        volumes[1] += volumes[0]
        transforms = torch.fft.rfftn(volumes, dim=(1, 2, 3))
        rows = torch.arange(-7, 8) % 16
        compact = transforms[:, rows][:, :, rows][..., :8]
        curve = fsc_of_halves(compact[0], compact[1], 7)
        expected = fsc(transforms[0], transforms[1], 7)
        torch.testing.assert_close(curve, expected, atol=1e-6, rtol=0)

    def test_equal_halves_correlate_completely(self, views: Accumulator) -> None:
        half = downsample(views)
        curve = fsc_of_halves(half, half, 17)
        torch.testing.assert_close(curve, torch.ones(17, dtype=torch.float64))

    def test_joined_low_resolution(self, phantom: Phantom) -> None:
        """Test 36 with L/40 Å = 5.2 shells, so joined for |q| ≤ 12 padded voxels, shell 6.

        Unpadded voxels gather padded ones up to half a voxel away, so the border is spread over shells 6 and 7.
        """
        halves = [noisy_half(phantom, seed) for seed in (11, 12)]
        before = [half.sums.clone() for half in halves]
        separate = fsc_of_halves(downsample(halves[0]), downsample(halves[1]), 17)
        average = (low_resolution_part(halves[0], 6) + low_resolution_part(halves[1], 6)) / 2
        for half in halves:
            join_low_resolution(half, average)
        joined = fsc_of_halves(downsample(halves[0]), downsample(halves[1]), 17)
        assert float(separate[1:7].max()) < 0.999
        torch.testing.assert_close(joined[:6], torch.ones(6, dtype=torch.float64))
        assert float(joined[6]) > float(separate[6])
        assert float(joined[7]) == pytest.approx(float(separate[7]), abs=0.05)
        torch.testing.assert_close(joined[8:], separate[8:])
        is_low = torch.from_numpy((voxel_frequencies(halves[0]) ** 2).sum(-1) <= 12**2)
        for half, old in zip(halves, before, strict=True):
            assert torch.equal(half.sums[~is_low], old[~is_low])
        torch.testing.assert_close(halves[0].sums[is_low], (before[0] + before[1])[is_low] / 2)

    def test_added_halves_give_the_map_of_all_views(self, phantom: Phantom) -> None:
        rotations = random_rotations(60)
        whole, first, second = (
            phantom.inserted(part, 2, 16) for part in (rotations, rotations[:30], rotations[30:])
        )
        add_accumulators(first, second)
        for accumulator in (whole, first):
            enforce_friedel(accumulator)
        torch.testing.assert_close(
            reconstruct(first, 32), reconstruct(whole, 32), rtol=1e-4, atol=1e-4
        )


class TestFlatten:
    def test_is_the_product(self) -> None:
        volume, mask = torch.full((4, 4, 4), 3.0), torch.full((4, 4, 4), 0.5)
        assert torch.equal(flatten(volume, mask), torch.full((4, 4, 4), 1.5))

    def test_refuses_other_shapes_and_values(self) -> None:
        volume = torch.ones(4, 4, 4)
        with pytest.raises(ValueError, match="shape"):
            flatten(volume, torch.ones(4, 4, 2))
        with pytest.raises(ValueError, match=r"from 0 to 1\.5"):
            flatten(volume, torch.linspace(0, 1.5, 64).view(4, 4, 4))


MEMORY_PROBE = """
import resource, sys, torch
from compute.maximisation.reconstruct import reconstruct
from compute.projection.slices import empty_accumulator
torch.set_num_threads(1)
box = int(sys.argv[1])
reconstruct(empty_accumulator(2, 8), 16, torch.ones(9, dtype=torch.float64))
accumulator = empty_accumulator(2, box // 2)
accumulator.sums.normal_()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
reconstruct(accumulator, box, torch.ones(box // 2 + 1, dtype=torch.float64))
print((peak() - before) / 2**20)
"""


@pytest.mark.slow
def test_memory_beyond_the_accumulator() -> None:
    """At box 128 the transform after its first axis takes 32 MiB, the result 8, and slabs 50."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY_PROBE, "128"], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) < 32 + 8 + 70
