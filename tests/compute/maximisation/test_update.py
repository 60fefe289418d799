"""Parameter updates: white noise, outliers, small groups, gaps, floors."""

import math

import pytest
import torch

from compute.maximisation.update import (
    update_direction_distribution,
    update_noise,
    update_norm,
    update_offset_sigma,
    update_scales,
)


def float64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def disc_pixels(box: int) -> torch.Tensor:
    """Half-plane pixels per shell inside the disc, duplicates x = 0, y < 0 left out."""
    y, x = torch.meshgrid(
        torch.arange(-box // 2, box // 2 + 1), torch.arange(box // 2 + 1), indexing="ij"
    )
    length = (x**2 + y**2).double().sqrt()
    is_kept = (length <= box // 2) & ~((x == 0) & (y < 0))
    return torch.bincount((length[is_kept] + 0.5).long(), minlength=box // 2 + 1).double()


class TestNorm:
    def test_white_noise_of_unit_variance_gives_0_89(self) -> None:
        """Test 5: each real component has variance 1/(2N²), and the corners are missing."""
        box = 64
        power = float64(*[float(disc_pixels(box).sum()) / box**2] * 3)
        update = update_norm(torch.ones(3).double(), 1.0, power, torch.ones(3).double())
        assert update.mean_norm == pytest.approx(0.89, abs=0.02)

    def test_a_common_mean_cancels(self) -> None:
        """Images were multiplied with mean/norm, so only the product of ratio and residual counts."""
        power, weight = float64(0.3, 0.4, 0.5), torch.ones(3).double()
        once = update_norm(float64(1.0, 1.1, 1.2), 1.1, power, weight)
        scaled = update_norm(float64(3.0, 3.3, 3.6), 3.3, power, weight)
        torch.testing.assert_close(once.norm, scaled.norm)
        torch.testing.assert_close(once.norm[0], torch.tensor(math.sqrt(0.6) / 1.1).double())
        assert once.mean_norm == pytest.approx(float(once.norm.mean()))

    def test_outliers_are_clipped_and_named(self) -> None:
        power = float64(0.5, 0.5, 0.5, 500.0, 0.0005)
        update = update_norm(torch.ones(5).double(), 1.0, power, torch.ones(5).double())
        torch.testing.assert_close(update.norm, float64(1.0, 1.0, 1.0, 4.0, 0.25))
        assert update.is_clipped.tolist() == [False, False, False, True, True]

    def test_images_without_pose_keep_theirs(self) -> None:
        update = update_norm(float64(1.0, 7.0), 1.0, float64(0.5, 0.0), float64(1.0, 0.0))
        torch.testing.assert_close(update.norm, float64(1.0, 7.0))
        assert update.mean_norm == pytest.approx(1.0)
        assert not update.is_clipped.any()


class TestScales:
    def test_large_groups_get_their_fit_with_mean_1(self) -> None:
        square = float64(1.0, 1.0, 2.0) * 1e6
        scales = update_scales(
            square * float64(0.8, 1.2, 1.0),
            square,
            float64(1.0, 1.0, 2.0) * 1e6,
            float64(1, 1, 2) * 100,
        )
        torch.testing.assert_close(scales, float64(0.8, 1.2, 1.0), rtol=1e-3, atol=0)

    def test_the_common_scale_is_removed(self) -> None:
        square, pixels, weight = float64(1e6, 1e6), float64(1e6, 1e6), float64(10.0, 10.0)
        scales = update_scales(3.7 * square * float64(0.9, 1.1), square, pixels, weight)
        torch.testing.assert_close(scales, float64(0.9, 1.1), rtol=1e-3, atol=0)

    def test_a_group_of_300_pixels_goes_half_the_way(self) -> None:
        """κ equals AA of a group with 300 pixels of average signal."""
        square = float64(3e5, 300.0)
        scales = update_scales(
            square * float64(1.0, 3.0), square, square.clone(), float64(1000.0, 1.0)
        )
        common = (3e5 + 900) / (3e5 + 300)
        expected = (900 + 300 * common) / 600
        assert float(scales[1]) == pytest.approx(expected, rel=5e-3)

    def test_bad_groups_stay_within_5_times_the_median(self) -> None:
        square = torch.full((5,), 1e6, dtype=torch.float64)
        product = square * float64(1.0, 1.0, 1.0, -2.0, 40.0)
        scales = update_scales(product, square, square, torch.ones(5).double())
        assert float(scales[3] / scales[0]) == pytest.approx(0.2)
        assert float(scales[4] / scales[0]) == pytest.approx(5.0)
        assert float(scales.mean()) == pytest.approx(1.0)

    def test_nothing_to_compare_gives_1(self) -> None:
        one = float64(5.0)
        assert update_scales(one, one, one, one).tolist() == [1.0]
        empty = torch.zeros(3).double()
        assert update_scales(empty, empty, empty, torch.ones(3).double()).tolist() == [1.0] * 3
        negative = update_scales(
            float64(-1.0, -1.0), float64(1.0, 1.0), float64(9.0, 9.0), float64(1.0, 1.0)
        )
        assert negative.tolist() == [1.0, 1.0]

    def test_groups_without_particles_get_1(self) -> None:
        square = float64(1e6, 1e6, 0.0)
        scales = update_scales(
            square * float64(0.5, 1.5, 0.0), square, square.clone(), float64(1.0, 1.0, 0.0)
        )
        assert float(scales[2]) == 1.0


class TestNoise:
    def test_white_noise_has_a_flat_spectrum_to_the_last_shell(self) -> None:
        box, images = 64, 50
        pixels = disc_pixels(box)[None]
        assert pixels[0, :3].tolist() == [1, 4, 6]
        residual = images * pixels / box**2
        noise = update_noise(residual, float64(images), pixels, torch.ones_like(pixels))
        torch.testing.assert_close(noise, torch.full_like(noise, 0.5 / box**2))

    def test_gaps_are_filled_from_the_previous_shell_or_the_next(self) -> None:
        pixels = torch.ones(1, 7).double()
        residual = float64(0.0, 0.0, 4.0, 0.0, 2.0, 2.0, 0.0)[None]
        noise = update_noise(residual, float64(1.0), pixels, pixels)
        assert noise[0].tolist() == [2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]

    @pytest.mark.parametrize("unit", [1e-20, 1.0, 1e12])
    def test_floors_are_relative(self, unit: float) -> None:
        pixels = torch.ones(1, 5).double()
        residual = unit * float64(1e-12, 2.0, 2.0, 2.0, 1e-12)[None]
        noise = update_noise(residual, float64(1.0), pixels, pixels)
        torch.testing.assert_close(noise[0] / unit, float64(1.0, 1.0, 1.0, 1.0, 1e-6))

    def test_a_strong_zero_frequency_is_kept(self) -> None:
        pixels = torch.ones(1, 3).double()
        noise = update_noise(float64(20.0, 2.0, 2.0)[None], float64(1.0), pixels, pixels)
        assert noise[0].tolist() == [10.0, 1.0, 1.0]

    def test_empty_groups_keep_their_spectrum(self) -> None:
        pixels = torch.ones(2, 3).double()
        residual = torch.stack([float64(2.0, 2.0, 2.0), float64(0.0, 0.0, 0.0)])
        noise = update_noise(residual, float64(1.0, 0.0), pixels, 7 * pixels)
        assert noise.tolist() == [[1.0] * 3, [7.0] * 3]

    def test_images_without_power_are_named(self) -> None:
        pixels = torch.ones(1, 3).double()
        with pytest.raises(ValueError, match="no power"):
            update_noise(torch.zeros(1, 3).double(), float64(1.0), pixels, pixels)


class TestOffsets:
    def test_offsets_of_4_A_are_found(self) -> None:
        """Test 32: everything in Å, two axes."""
        offsets = 4.0 * torch.randn(20000, 2, generator=torch.Generator().manual_seed(9)).double()
        sigma = update_offset_sigma(float((offsets**2).sum()), 20000.0)
        assert sigma == pytest.approx(4.0, abs=0.05)

    def test_floor(self) -> None:
        assert update_offset_sigma(0.0, 10.0) == pytest.approx(math.sqrt(2))

    def test_no_particles(self) -> None:
        with pytest.raises(ValueError, match="no particle"):
            update_offset_sigma(0.0, 0.0)


def test_directions_keep_a_uniform_floor() -> None:
    """Test 26: sums to 1, no direction is excluded; (n_d + 1) / (n + directions)."""
    prior = update_direction_distribution(float64(0.0, 2.0, 8.0, 0.0))
    torch.testing.assert_close(prior, float64(1.0, 3.0, 9.0, 1.0) / 14)
