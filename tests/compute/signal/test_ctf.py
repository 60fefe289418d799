"""Wavelengths, CTF values and zeros, astigmatism, phase plates, aberrations."""

import math

import pytest
import torch

from compute.signal import ctf as module
from compute.signal.ctf import (
    Optics,
    aberration_phase,
    ctf,
    forward_operator,
    wavelength_A,
)
from compute.signal.fourier import half_plane_pixels, image_transform

TITAN = Optics(voltage_kV=300.0, spherical_aberration_mm=2.7, amplitude_contrast=0.1)


def radial(
    optics: Optics,
    frequencies_A: list[float],
    defocus_A: float = 10_000.0,
    direction_deg: float = 0.0,
    **changes: float,
) -> list[float]:
    """CTF values of one image along one direction."""
    values = {
        "defocus_u_A": defocus_A,
        "defocus_v_A": defocus_A,
        "defocus_angle_deg": 0.0,
        "phase_shift_deg": 0.0,
        "b_factor_A2": 0.0,
        "scale": 1.0,
    } | changes
    frequency = torch.tensor(frequencies_A, dtype=torch.float64)
    direction = math.radians(direction_deg)
    tensors = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
    curve = ctf(frequency * math.cos(direction), frequency * math.sin(direction), optics, **tensors)
    return curve[0].tolist()


@pytest.mark.parametrize(
    "voltage_kV, expected_A", [(100.0, 0.0370146), (200.0, 0.0250795), (300.0, 0.0196876)]
)
def test_wavelength(voltage_kV: float, expected_A: float) -> None:
    assert wavelength_A(voltage_kV) == pytest.approx(expected_A, abs=1e-7)


def test_zero_frequency_is_the_amplitude_contrast() -> None:
    assert radial(TITAN, [0.0])[0] == pytest.approx(0.1, abs=1e-8)
    plate = radial(TITAN, [0.0], phase_shift_deg=90.0)[0]
    assert plate == pytest.approx(math.sqrt(1 - 0.01), abs=1e-7)


@pytest.mark.parametrize(
    "optics, defocus_A, zeros_A",
    [
        (TITAN, 10_000.0, [14.242, 9.975, 8.112, 7.006]),
        (TITAN, 15_000.0, [17.455, 12.235, 9.957]),
        (Optics(200.0, 2.7, 0.07), 10_000.0, [15.989, 11.223]),
        (Optics(300.0, 0.0, 0.0), 10_000.0, [math.sqrt(wavelength_A(300.0) * 10_000.0)]),
    ],
)
def test_zeros(optics: Optics, defocus_A: float, zeros_A: list[float]) -> None:
    frequencies = torch.arange(1e-4, 0.15, 1e-6, dtype=torch.float64)
    values = torch.tensor(radial(optics, frequencies.tolist(), defocus_A))
    changes = torch.nonzero(values[1:] * values[:-1] < 0)[: len(zeros_A), 0]
    assert (1.0 / frequencies[changes]).tolist() == pytest.approx(zeros_A, abs=1e-3)
    assert float(values[: int(changes[0])].min()) > 0.0


def test_values_of_the_reference_case() -> None:
    assert radial(TITAN, [0.05, 0.1]) == pytest.approx([0.99729, -0.03033], abs=1e-5)


def test_astigmatism_follows_the_defocus_angle() -> None:
    frequencies = [0.02, 0.06, 0.11, 0.2]
    stigmatism = {"defocus_u_A": 12_000.0, "defocus_v_A": 10_000.0}
    for angle in (30.0, 210.0):
        along = radial(TITAN, frequencies, 0.0, 30.0, defocus_angle_deg=angle, **stigmatism)
        across = radial(TITAN, frequencies, 0.0, 120.0, defocus_angle_deg=angle, **stigmatism)
        assert along == pytest.approx(radial(TITAN, frequencies, 12_000.0), abs=1e-5)
        assert across == pytest.approx(radial(TITAN, frequencies, 10_000.0), abs=1e-5)


def test_envelope_and_scale() -> None:
    plain = radial(TITAN, [0.05, 0.12])
    damped = radial(TITAN, [0.05, 0.12], b_factor_A2=80.0, scale=0.7)
    expected = [
        value * 0.7 * math.exp(-80.0 * s * s / 4)
        for value, s in zip(plain, (0.05, 0.12), strict=True)
    ]
    assert damped == pytest.approx(expected, rel=1e-5)


def test_ways_of_reading_the_ctf() -> None:
    frequencies = [0.0, 0.02, 0.05, 0.09, 0.11]
    plain = radial(TITAN, frequencies)
    assert min(plain) < 0
    flipped = radial(Optics(300.0, 2.7, 0.1, is_phase_flipped=True), frequencies)
    assert flipped == pytest.approx([abs(value) for value in plain])
    signs = radial(Optics(300.0, 2.7, 0.1, only_flip=True), frequencies)
    assert signs == [math.copysign(1.0, value) for value in plain]
    intact = radial(Optics(300.0, 2.7, 0.1, intact_first_peak=True), frequencies)
    assert intact[:2] == [1.0, 1.0] and intact[3:] == plain[3:]


def test_values_next_to_zero_are_kept_away_from_it() -> None:
    without_contrast = Optics(300.0, 0.0, 0.0)
    assert abs(radial(without_contrast, [0.0])[0]) == pytest.approx(1e-8)
    assert radial(TITAN, [0.05], scale=0.0)[0] == pytest.approx(1e-8)


def test_premultiplied_data_see_the_square() -> None:
    values = torch.tensor([[0.5, -0.3]])
    assert torch.equal(forward_operator(values, TITAN), values)
    multiplied = Optics(300.0, 2.7, 0.1, is_premultiplied=True)
    assert torch.allclose(forward_operator(values, multiplied), torch.tensor([[0.25, 0.09]]))


def test_even_zernike_terms_act_like_what_they_are() -> None:
    """c (2 s² - 1) with c = -pi lambda d / 2 is a defocus d and a phase +pi lambda d / 2."""
    defocus_A = 500.0
    coefficient = -0.5 * math.pi * wavelength_A(300.0) * defocus_A
    optics = Optics(300.0, 2.7, 0.1, even_zernike=(coefficient, 0.0, coefficient))
    frequencies = [0.0, 0.03, 0.08, 0.15]
    assert radial(optics, frequencies, direction_deg=25.0) == pytest.approx(
        radial(TITAN, frequencies, 10_000.0 + defocus_A), abs=1e-5
    )


def test_even_zernike_astigmatism_has_the_sine_first() -> None:
    defocus_A = 400.0
    coefficient = -0.5 * math.pi * wavelength_A(300.0) * defocus_A
    stigmatism = {"defocus_u_A": 10_200.0, "defocus_v_A": 9_800.0}
    for position, angle in ((1, 45.0), (3, 0.0)):
        terms = [0.0, 0.0, 0.0, 0.0]
        terms[position] = coefficient
        optics = Optics(300.0, 2.7, 0.1, even_zernike=tuple(terms))
        values = radial(optics, [0.05, 0.1], direction_deg=20.0)
        expected = radial(TITAN, [0.05, 0.1], 0.0, 20.0, defocus_angle_deg=angle, **stigmatism)
        assert values == pytest.approx(expected, abs=1e-5)


def test_no_tilt_means_no_phase() -> None:
    frequency = torch.linspace(0, 0.2, 5, dtype=torch.float64)
    assert aberration_phase(frequency, frequency, TITAN) is None
    unused = Optics(300.0, 2.7, 0.1, odd_zernike=(0.0, 0.0))
    assert aberration_phase(frequency, frequency, unused) is None


def test_beam_tilt_is_odd_has_the_stated_size_and_is_undone() -> None:
    tilted = Optics(300.0, 2.7, 0.1, beam_tilt_x_mrad=0.5, beam_tilt_y_mrad=-0.3)
    pixels = half_plane_pixels(64, 1.0)
    x, y = pixels.frequency_A()
    phase = aberration_phase(x, y, tilted)
    opposite = aberration_phase(-x, -y, tilted)
    assert phase is not None and opposite is not None
    assert torch.allclose(phase, -opposite) and float(phase.abs().max()) > 1.0
    one = aberration_phase(torch.tensor([0.3]).double(), torch.tensor([0.1]).double(), tilted)
    expected = -2e4 * math.pi * 2.7 * wavelength_A(300.0) ** 2 * 0.1 * (0.5 * 0.3 - 0.3 * 0.1)
    assert one is not None and float(one) == pytest.approx(expected, rel=1e-6)
    image = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    transform = image_transform(image, pixels)
    ramp = torch.polar(torch.ones_like(phase), phase).to(torch.complex64)
    assert float((transform * ramp * ramp.conj() - transform).abs().max()) < 1e-6


def test_odd_zernike_terms_add_tilt_like_phases() -> None:
    """(3, 1) at place 4 is (3 s³ - 2 s) cos a; with (1, 1) added it is a pure beam tilt."""
    strength = -2e4 * math.pi * 2.7 * wavelength_A(300.0) ** 2 * 0.4
    odd = (0.0, 2 * strength / 3, 0.0, 0.0, strength / 3, 0.0)
    x = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)
    y = torch.tensor([0.03, 0.15, -0.2], dtype=torch.float64)
    by_zernike = aberration_phase(x, y, Optics(300.0, 2.7, 0.1, odd_zernike=odd))
    by_tilt = aberration_phase(x, y, Optics(300.0, 2.7, 0.1, beam_tilt_x_mrad=0.4))
    assert by_zernike is not None and by_tilt is not None
    assert torch.allclose(by_zernike, by_tilt, rtol=1e-9)


@pytest.mark.parametrize("b_factor_A2", [0.0, 80.0])
@pytest.mark.parametrize(
    "reading", [{}, {"intact_first_peak": True}, {"is_phase_flipped": True}, {"only_flip": True}]
)
def test_the_cpu_computes_what_other_devices_do(
    monkeypatch: pytest.MonkeyPatch, reading: dict[str, bool], b_factor_A2: float
) -> None:
    """From in focus and overfocus to so much defocus that the CTF oscillates a thousand times."""
    pixels = half_plane_pixels(96, 1.1)
    optics = Optics(200.0, 2.7, 0.07, even_zernike=(0.0, 40.0, 0.0, -20.0), **reading)
    generator = torch.Generator().manual_seed(3)
    defocus = torch.tensor([0.0, -4e3, 8e3, 2e4, 1e5, 9e5], dtype=torch.float64)
    angle, phase, scale = (
        torch.rand(6, generator=generator, dtype=torch.float64) * most for most in (180, 170, 2)
    )
    b_factor = torch.full((6,), b_factor_A2, dtype=torch.float64)
    given = *pixels.frequency_A(), optics, defocus, 0.9 * defocus, angle, phase, b_factor, scale
    ours = ctf(*given)
    monkeypatch.setattr(module, "_on_host", module._of_all)
    theirs = ctf(*given)
    assert not torch.equal(ours, theirs) or "only_flip" in reading
    if "only_flip" in reading:
        assert float((ours == theirs).double().mean()) > 0.9999
    else:
        assert float((ours - theirs).abs().max()) < 3e-7
        assert float(ours.abs().min()) >= 9e-9


def test_a_defocus_that_is_no_number_gives_none() -> None:
    one = torch.ones(1, dtype=torch.float64)
    pixels = half_plane_pixels(8, 2.0)
    found = ctf(*pixels.frequency_A(), Optics(300.0, 2.7, 0.1), torch.nan * one, *[one] * 5)
    assert bool(torch.isnan(found).all())
