"""Contrast transfer of the microscope: CTF, antisymmetric aberrations, forward operator.

Defocus is positive for underfocus. CTF(0) = +amplitude contrast and the first lobe is positive, so
particles are white on dark. Zernike coefficients are listed by (n, m), n ascending and m = -n,
-n+2, …, n within each n: even lists start (0,0), (2,-2), (2,0), (2,2), (4,-4) …, odd lists (1,-1),
(1,1), (3,-3), (3,-1), (3,1), (3,3), (5,-5) … Each polynomial is R_n^|m|(s) cos(m a) for m >= 0 and
R_n^|m|(s) sin(|m| a) for m < 0, in the radius s = spatial frequency in 1/Å (not normalised) and the
angle a from +x towards +y.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from compute.signal.ctf_cpu import fill_ctf

SMALLEST_CTF = 1e-8  # values nearer to zero are replaced, so that a division by the CTF is finite


@dataclass(frozen=True, slots=True)
class Optics:
    """What all images of an optics group share, and how their CTF is to be read."""

    voltage_kV: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    beam_tilt_x_mrad: float = 0.0
    beam_tilt_y_mrad: float = 0.0
    odd_zernike: tuple[float, ...] = ()
    even_zernike: tuple[float, ...] = ()
    is_premultiplied: bool = False
    is_phase_flipped: bool = False
    intact_first_peak: bool = False
    only_flip: bool = False


def wavelength_A(voltage_kV: float) -> float:
    """The wavelength of an electron in Å: 12.2643247 / sqrt(V (1 + 0.978466e-6 V)), V in volts."""
    volts = voltage_kV * 1e3
    return 12.2643247 / math.sqrt(volts * (1.0 + 0.978466e-6 * volts))


def ctf(
    frequency_x_A: Float64[Tensor, "pixel"],
    frequency_y_A: Float64[Tensor, "pixel"],
    optics: Optics,
    defocus_u_A: Float64[Tensor, "image"],
    defocus_v_A: Float64[Tensor, "image"],
    defocus_angle_deg: Float64[Tensor, "image"],
    phase_shift_deg: Float64[Tensor, "image"],
    b_factor_A2: Float64[Tensor, "image"],
    scale: Float64[Tensor, "image"],
) -> Float32[Tensor, "image pixel"]:
    """The CTF of every image: -sin(gamma) exp(-B s^2/4) scale; frequencies in 1/Å, defoci in Å.

    gamma = -pi lambda (u s_u^2 + v s_v^2) + pi/2 Cs lambda^3 s^4 - phase shift - asin(amplitude
    contrast) + even Zernike terms, with s_u along the defocus angle (from +x towards +y) and s_v
    across it. Phase-flipped data have |CTF|, `only_flip` keeps the sign alone, `intact_first_peak`
    sets |gamma| < pi/2 to one. Values below 1e-8 in size become ±1e-8. Multiplied data are the
    concern of `forward_operator`.
    """
    forms, common = _forms(frequency_x_A, frequency_y_A, optics)
    phase = _PhaseDelay(
        forms,
        common,
        _defocus_along(defocus_u_A, defocus_v_A, defocus_angle_deg, optics),
        torch.deg2rad(phase_shift_deg),
    )
    make = _on_host if frequency_x_A.device.type == "cpu" else _of_all
    return make(phase, optics, b_factor_A2, scale)


@dataclass(frozen=True, slots=True)
class _PhaseDelay:
    """gamma of every image: common + along · forms - plate, in radians; the first form is the squared frequency."""

    forms: Float64[Tensor, "3 pixel"]
    common: Float64[Tensor, "pixel"]
    along: Float64[Tensor, "image 3"]
    plate: Float64[Tensor, "image"]


def _of_all(
    phase: _PhaseDelay,
    optics: Optics,
    b_factor_A2: Float64[Tensor, "image"],
    scale: Float64[Tensor, "image"],
) -> Float32[Tensor, "image pixel"]:
    """The CTF, one step for all images after the other."""
    gamma = torch.addmm(phase.common, phase.along, phase.forms) - phase.plate[:, None]
    contrast = -torch.sin(gamma)
    if optics.intact_first_peak:
        contrast = torch.where(gamma.abs() < 0.5 * torch.pi, 1.0, contrast)
    if bool(b_factor_A2.any()):
        contrast = contrast * torch.exp(-0.25 * b_factor_A2[:, None] * phase.forms[0])
    contrast = contrast * scale[:, None]
    if optics.is_phase_flipped:
        contrast = contrast.abs()
    smallest = 1.0 if optics.only_flip else SMALLEST_CTF
    flat = torch.copysign(torch.full_like(contrast, smallest), contrast)
    if optics.only_flip:
        return flat.float()
    return torch.where(contrast.abs() < SMALLEST_CTF, flat, contrast).float()


def _on_host(
    phase: _PhaseDelay,
    optics: Optics,
    b_factor_A2: Float64[Tensor, "image"],
    scale: Float64[Tensor, "image"],
) -> Float32[Tensor, "image pixel"]:
    """The same, compiled for the CPU."""
    out = torch.empty(len(phase.along), len(phase.common))
    fill_ctf(
        phase.forms.numpy(),
        phase.common.numpy(),
        phase.along.numpy(),
        phase.plate.numpy(),
        b_factor_A2.numpy(),
        scale.numpy(),
        1.0 if optics.only_flip else SMALLEST_CTF,
        optics.intact_first_peak,
        optics.only_flip,
        out.numpy(),
    )
    return out.abs_() if optics.is_phase_flipped else out


def forward_operator(
    values: Float32[Tensor, "image pixel"], optics: Optics
) -> Float32[Tensor, "image pixel"]:
    """What multiplies a projection to give the image: the CTF, or CTF^2 for premultiplied data."""
    return values.square() if optics.is_premultiplied else values


def aberration_phase(
    frequency_x_A: Float64[Tensor, "pixel"], frequency_y_A: Float64[Tensor, "pixel"], optics: Optics
) -> Float64[Tensor, "pixel"] | None:
    """The phase psi (radians) that beam tilt and odd aberrations add; None if there is none.

    The observed transform carries exp(+i psi) and is corrected with exp(-i psi). Beam tilt t (mrad)
    gives psi = -2e4 pi Cs[mm] lambda^2 s^2 (t . s).
    """
    has_tilt = optics.beam_tilt_x_mrad != 0.0 or optics.beam_tilt_y_mrad != 0.0
    if not (has_tilt and optics.spherical_aberration_mm != 0.0) and not any(optics.odd_zernike):
        return None
    squared = frequency_x_A.square() + frequency_y_A.square()
    along_tilt = optics.beam_tilt_x_mrad * frequency_x_A + optics.beam_tilt_y_mrad * frequency_y_A
    strength = (
        -2e4 * math.pi * optics.spherical_aberration_mm * wavelength_A(optics.voltage_kV) ** 2
    )
    phase = strength * squared * along_tilt
    return phase + _zernike_sum(frequency_x_A, frequency_y_A, optics.odd_zernike, first_degree=1)


def _forms(
    frequency_x_A: Float64[Tensor, "pixel"], frequency_y_A: Float64[Tensor, "pixel"], optics: Optics
) -> tuple[Float64[Tensor, "3 pixel"], Float64[Tensor, "pixel"]]:
    """x^2 + y^2, x^2 - y^2 and 2xy; and what gamma is without defocus and phase plate.

    u s_u^2 + v s_v^2 is mean defocus times the first plus half the astigmatism times the others, by its direction.
    """
    x_squared, y_squared = frequency_x_A.square(), frequency_y_A.square()
    squared = x_squared + y_squared
    forms = torch.stack([squared, x_squared - y_squared, 2 * frequency_x_A * frequency_y_A])
    wavelength, aberration_A = (
        wavelength_A(optics.voltage_kV),
        optics.spherical_aberration_mm * 1e7,
    )
    common = 0.5 * math.pi * aberration_A * wavelength**3 * squared.square()
    common = common - math.asin(optics.amplitude_contrast)
    even = _zernike_sum(frequency_x_A, frequency_y_A, optics.even_zernike, first_degree=0)
    return forms, common + even


def _defocus_along(
    defocus_u_A: Float64[Tensor, "image"],
    defocus_v_A: Float64[Tensor, "image"],
    defocus_angle_deg: Float64[Tensor, "image"],
    optics: Optics,
) -> Float64[Tensor, "image 3"]:
    """What each image's defocus multiplies the forms of `_forms` with."""
    twice_angle = 2.0 * torch.deg2rad(defocus_angle_deg)
    mean, half_difference = (
        0.5 * (defocus_u_A + defocus_v_A),
        0.5 * (defocus_u_A - defocus_v_A),
    )
    along = [mean, half_difference * twice_angle.cos(), half_difference * twice_angle.sin()]
    return torch.stack(along, dim=1) * (-math.pi * wavelength_A(optics.voltage_kV))


def _zernike_sum(
    frequency_x_A: Float64[Tensor, "pixel"],
    frequency_y_A: Float64[Tensor, "pixel"],
    coefficients: tuple[float, ...],
    first_degree: int,
) -> Float64[Tensor, "pixel"]:
    """The sum of coefficient times Zernike polynomial, in the order given on top."""
    if not any(coefficients):
        return torch.zeros_like(frequency_x_A)
    radius = torch.hypot(frequency_x_A, frequency_y_A)
    angle = torch.atan2(frequency_y_A, frequency_x_A)
    total = torch.zeros_like(radius)
    degree, order = first_degree, -first_degree
    for coefficient in coefficients:
        angular = torch.cos(order * angle) if order >= 0 else torch.sin(-order * angle)
        total = total + coefficient * _zernike_radial(radius, degree, abs(order)) * angular
        order += 2
        if order > degree:
            degree += 2
            order = -degree
    return total


def _zernike_radial(
    radius: Float64[Tensor, "pixel"], degree: int, order: int
) -> Float64[Tensor, "pixel"]:
    """The radial Zernike polynomial R_degree^order (Born & Wolf, Principles of Optics, 9.2.1)."""
    total = torch.zeros_like(radius)
    for index in range((degree - order) // 2 + 1):
        factor = (-1) ** index * math.comb(degree - index, index)
        factor *= math.comb(degree - 2 * index, (degree - order) // 2 - index)
        total = total + factor * radius ** (degree - 2 * index)
    return total
