"""The robust noise estimate and noise fields of a given spectrum."""

import numpy as np
import pytest
import torch

from compute.signal.fourier import half_plane_pixels, image_transform, shell_sums
from compute.signal.noise import coloured_noise, robust_noise_power
from compute.signal.random import generator

BOX = 64


def shell_powers(
    images: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shell averages of |F|^2 of each image and of the mean image, and the pixels of each shell."""
    pixels = half_plane_pixels(images.shape[-1], 1.0)
    shells = images.shape[-1] // 2 + 1
    counts = torch.bincount(pixels.shell, minlength=shells)[:shells]
    power = shell_sums(image_transform(images, pixels).abs().square(), pixels.shell, shells)
    mean = shell_sums(image_transform(images.mean(0), pixels).abs().square(), pixels.shell, shells)
    return power / counts, mean / counts, counts


def white(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, BOX, BOX, generator=torch.Generator().manual_seed(seed))


def test_white_noise_of_unit_variance() -> None:
    ratio = robust_noise_power(*shell_powers(white(50))) * 2 * BOX**2
    assert float(ratio[5:].mean()) == pytest.approx(1.0, abs=0.01)
    assert float(ratio[16:].sub(1).abs().max()) < 0.06
    ratio = robust_noise_power(*shell_powers(white(1000))) * 2 * BOX**2
    assert float(ratio[5:].sub(1).abs().max()) < 0.03
    assert float(ratio[0]) == pytest.approx(1.0, abs=0.25)
    assert float(ratio[1:5].mean()) == pytest.approx(1.0, abs=0.03)


def test_the_norm_of_white_noise() -> None:
    """sqrt of twice the power of the half disc without zero frequency: sqrt(pi/4) = 0.886."""
    power, _, counts = shell_powers(white(50))
    norm = (2 * power * counts)[:, 1:].sum(1).sqrt().mean()
    assert float(norm) == pytest.approx(0.89, abs=0.02)


@pytest.mark.parametrize("count", [100, 400])
def test_one_image_in_twenty_may_be_junk(count: int) -> None:
    images = white(count, 1)
    images[::20] *= 10.0
    power, _, counts = shell_powers(images)
    ratio = robust_noise_power(power, torch.zeros_like(power[0]), counts) * 2 * BOX**2
    plain = 0.5 * power.mean(0) * 2 * BOX**2
    assert float(plain[5:].mean()) > 5.0
    assert float(ratio[5:].mean()) == pytest.approx(1.0, abs=0.05)


def test_what_all_images_share_is_not_noise() -> None:
    signal = torch.zeros(BOX, BOX)
    signal[28:36, 28:36] = 3.0
    ratio = robust_noise_power(*shell_powers(white(200) + signal)) * 2 * BOX**2
    plain = shell_powers(white(200) + signal)[0].mean(0) * BOX**2
    assert float(plain[1:4].max()) > 5.0
    assert float(ratio[5:].mean()) == pytest.approx(1.0, abs=0.02)
    assert float(ratio[1:5].mean()) == pytest.approx(1.0, abs=0.5)


def test_gaps_are_filled_from_the_previous_then_the_next_shell() -> None:
    power = torch.tensor([[1.0, 4.0, 1.0, 6.0, 1.0]], dtype=torch.float64).repeat(8, 1)
    mean_power = torch.tensor([2.0, 0.0, 3.0, 0.0, 1.0], dtype=torch.float64)
    counts = torch.tensor([10**8] * 5)
    estimate = robust_noise_power(power, mean_power, counts)
    expected = torch.tensor([2.0, 2.0, 2.0, 3.0, 3.0], dtype=torch.float64) * 8 / 7
    assert torch.allclose(estimate, expected, rtol=1e-3)


def test_a_single_image_is_its_own_noise() -> None:
    power = torch.tensor([[1.0, 4.0]], dtype=torch.float64)
    estimate = robust_noise_power(power, power[0], torch.tensor([1, 4]))
    assert estimate.tolist() == [0.5, 2.0]


def test_images_without_noise_are_refused() -> None:
    empty = torch.zeros(3, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="no noise in any shell"):
        robust_noise_power(empty, empty[0], torch.ones(4))
    with pytest.raises(ValueError, match="without any image"):
        robust_noise_power(empty[:0], empty[0], torch.ones(4))


def test_coloured_noise_has_the_power_it_was_given() -> None:
    shells = np.arange(BOX // 2 + 1)
    spectrum = torch.from_numpy(np.exp(-shells / 12.0) / (2 * BOX**2))
    images = coloured_noise(300, BOX, spectrum, generator(1, "noise fields", 0))
    assert images.shape == (300, BOX, BOX) and images.dtype == torch.float32
    power, _, _ = shell_powers(images)
    ratio = 0.5 * power.mean(0) / spectrum
    assert float(ratio[4:].sub(1).abs().max()) < 0.06
    assert float(ratio[4:].mean()) == pytest.approx(1.0, abs=0.01)
    again = coloured_noise(300, BOX, spectrum, generator(1, "noise fields", 0))
    assert torch.equal(images, again)
