"""Fourier pixels of images, their phases under shifts, and sums over shells.

Forward transforms of images carry 1/N^2 and have their origin at the pixel (N//2, N//2). The
working layout is the list of half-plane pixels inside the disc of radius N/2, sorted by radius, so
that a smaller working size is a leading part of the list. Friedel mates (x = 0, y < 0) occur once;
the row y = N/2 stands for +N/2.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float, Float32, Float64, Int, Int64
from torch import Tensor

from compute.signal.listed_cpu import fill_listed

RADIUS_TOLERANCE = 1e-6  # relative; radii come from float32 coordinates


@dataclass(frozen=True, slots=True)
class PixelList:
    """Half-plane pixels of an image of side `box`, sorted by radius in the model's Fourier index.

    `row` and `column` index an rfft2 array; `shift_x_A`, `shift_y_A` are the image's own frequency
    (1/Å), the one that shifts act on; `model_x`, `model_y` the place in the model's transform (in
    units of one over the model's extent) after magnification; `amplitude` is what a transform of
    the model's box has to be multiplied with to become a transform of this box.
    """

    box: int
    model_box: int
    model_extent_A: float
    row: Int64[Tensor, "pixel"]
    column: Int64[Tensor, "pixel"]
    shift_x_A: Float64[Tensor, "pixel"]
    shift_y_A: Float64[Tensor, "pixel"]
    model_x: Float32[Tensor, "pixel"]
    model_y: Float32[Tensor, "pixel"]
    shell: Int64[Tensor, "pixel"]
    amplitude: float

    def count(self, size: int) -> int:
        """The number of leading pixels within the disc of radius size/2 around zero frequency."""
        radius = torch.hypot(self.model_x.double(), self.model_y.double())
        return int((radius <= 0.5 * size * (1.0 + RADIUS_TOLERANCE)).sum())

    def frequency_A(self) -> tuple[Float64[Tensor, "pixel"], Float64[Tensor, "pixel"]]:
        """The frequencies (x, y; 1/Å) of CTF and aberrations: with magnification applied."""
        return (
            self.model_x.double() / self.model_extent_A,
            self.model_y.double() / self.model_extent_A,
        )

    def to(self, device: torch.device | str) -> "PixelList":
        """The same pixels on another device."""
        return PixelList(
            box=self.box,
            model_box=self.model_box,
            model_extent_A=self.model_extent_A,
            row=self.row.to(device),
            column=self.column.to(device),
            shift_x_A=self.shift_x_A.to(device),
            shift_y_A=self.shift_y_A.to(device),
            model_x=self.model_x.to(device),
            model_y=self.model_y.to(device),
            shell=self.shell.to(device),
            amplitude=self.amplitude,
        )


def half_plane_pixels(
    box: int,
    pixel_size_A: float,
    model_box: int | None = None,
    model_pixel_size_A: float | None = None,
    magnification: tuple[float, float, float, float] | None = None,
) -> PixelList:
    """The pixels of an image that a model of `model_box` can explain, sorted by model radius.

    The model defaults to the image's own box and pixel size. `magnification` is the matrix M (xx,
    xy, yx, yy) that takes image frequencies to those of the undistorted image. Ties in radius are
    ordered by (x, y). Raises ValueError for odd boxes and for pixel sizes that are not positive.
    """
    model_box = box if model_box is None else model_box
    model_pixel_size_A = pixel_size_A if model_pixel_size_A is None else model_pixel_size_A
    _check_grid("image", box, pixel_size_A)
    _check_grid("model", model_box, model_pixel_size_A)
    extent_A, model_extent_A = box * pixel_size_A, model_box * model_pixel_size_A
    matrix = np.array(magnification or (1.0, 0.0, 0.0, 1.0), dtype=np.float64).reshape(2, 2)

    row, column = (part.ravel() for part in np.mgrid[0:box, 0 : box // 2 + 1])
    x, y = column, np.where(row > box // 2, row - box, row)
    model_x, model_y = (model_extent_A / extent_A) * (matrix @ np.stack([x, y]).astype(np.float64))
    radius = np.hypot(model_x, model_y)
    kept = 4 * (x * x + y * y) <= box * box
    kept &= radius <= 0.5 * model_box * (1.0 + RADIUS_TOLERANCE)
    kept &= ~((x == 0) & (y < 0))
    order = np.lexsort((y[kept], x[kept], np.round(radius[kept], 9)))

    def chosen(values: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values[kept][order])).to(dtype)

    return PixelList(
        box=box,
        model_box=model_box,
        model_extent_A=float(model_extent_A),
        row=chosen(row, torch.int64),
        column=chosen(column, torch.int64),
        shift_x_A=chosen(x / extent_A, torch.float64),
        shift_y_A=chosen(y / extent_A, torch.float64),
        model_x=chosen(model_x, torch.float32),
        model_y=chosen(model_y, torch.float32),
        shell=chosen(np.floor(radius + 0.5), torch.int64),
        amplitude=float((model_extent_A / extent_A) ** 2),
    )


def image_transform(
    images: Float[Tensor, "*batch y x"], pixels: PixelList, factor: float = 1.0
) -> Complex[Tensor, "*batch pixel"]:
    """The Fourier values of images at the listed pixels, times a factor: 1/N^2, origin at pixel N//2."""
    if images.shape[-1] != pixels.box or images.shape[-2] != pixels.box:
        raise ValueError(
            f"images are {images.shape[-2]} x {images.shape[-1]} pixels "
            f"but the pixel list is for {pixels.box}"
        )
    transform = torch.fft.rfft2(images, norm="forward").flatten(-2)
    index = pixels.row * (pixels.box // 2 + 1) + pixels.column
    signs = (1 - 2 * ((pixels.row + pixels.column) % 2)).to(images.dtype) * factor
    if images.device.type != "cpu" or images.dtype != torch.float32:
        return transform.index_select(-1, index) * signs
    out = transform.new_empty(*transform.shape[:-1], len(index))
    fill_listed(
        transform.reshape(-1, transform.shape[-1]).numpy(),
        index.numpy(),
        signs.numpy(),
        out.view(-1, len(index)).numpy(),
    )
    return out


def phase_shifts(
    shifts_A: Float[Tensor, "*batch 2"], pixels: PixelList, count: int
) -> Complex[Tensor, "*batch pixel"]:
    """The factors exp(-2 pi i s.t) that move image content by t = (x, y) Å, complex64.

    They are given for the first `count` pixels. The factor of a pixel is the product of one factor
    per column and one per row of the image, each computed in float64; the product differs from the
    exact value by less than 2e-7.
    """
    row, column = pixels.row[:count], pixels.column[:count]
    x_frequency = pixels.shift_x_A.new_zeros(pixels.box // 2 + 1)
    x_frequency[column] = pixels.shift_x_A[:count]
    y_frequency = pixels.shift_y_A.new_zeros(pixels.box)
    y_frequency[row] = pixels.shift_y_A[:count]
    shifts = shifts_A.double()
    x_factor = _phase_factor(shifts[..., 0:1] * x_frequency)
    y_factor = _phase_factor(shifts[..., 1:2] * y_frequency)
    return x_factor.index_select(-1, column).mul_(y_factor.index_select(-1, row))


def shift_by_pixels(
    images: Float[Tensor, "image y x"], shifts: Int[Tensor, "image 2"]
) -> Float[Tensor, "image y x"]:
    """Images whose content is moved by whole pixels (x, y); zeros come in, nothing wraps around."""
    rows, columns = images.shape[-2:]
    source_y = torch.arange(rows, device=images.device) - shifts[:, 1:2]
    source_x = torch.arange(columns, device=images.device) - shifts[:, 0:1]
    inside_y = (source_y >= 0) & (source_y < rows)
    inside_x = (source_x >= 0) & (source_x < columns)
    image = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images[
        image,
        source_y.clamp(0, rows - 1)[:, :, None],
        source_x.clamp(0, columns - 1)[:, None, :],
    ]
    return moved * (inside_y[:, :, None] & inside_x[:, None, :])


def shell_sums(
    values: Float[Tensor, "*batch pixel"], shell: Int[Tensor, "pixel"], shells: int
) -> Float64[Tensor, "*batch shell"]:
    """Sums over the pixels of each shell 0 … shells-1, float64; higher shells are left out."""
    flat = values.reshape(-1, values.shape[-1]).double()
    index = shell.long().clamp(max=shells)
    sums = flat.new_zeros(len(flat), shells + 1)
    sums.scatter_add_(1, index.expand_as(flat), flat)
    return sums[:, :shells].reshape(*values.shape[:-1], shells)


def radial_frequency(
    box: int, dimensions: int, device: torch.device | str | None = None
) -> Float32[Tensor, "*axes"]:
    """The distance from zero frequency, in Fourier index, of the values of an rfft array."""
    whole = torch.fft.fftfreq(box, 1.0 / box, device=device).square()
    half = torch.arange(box // 2 + 1, device=device, dtype=torch.float32).square()
    squared = half
    for axis in range(1, dimensions):
        squared = whole.reshape(-1, *[1] * axis) + squared
    return squared.sqrt()


def lowpass(
    volume: Float[Tensor, "z y x"],
    pixel_size_A: float,
    resolution_A: float,
    width_shells: float = 2.0,
) -> Float[Tensor, "z y x"]:
    """The map without frequencies beyond a resolution, by a cosine of `width_shells` shells.

    The edge is centred on shell round(extent / resolution): 1 below it, 0 above it.
    """
    weight = _below(volume, pixel_size_A, resolution_A, width_shells, "low-pass")
    return torch.fft.irfftn(torch.fft.rfftn(volume) * weight, s=volume.shape)


def highpass(
    volume: Float[Tensor, "z y x"],
    pixel_size_A: float,
    resolution_A: float,
    width_shells: float = 2.0,
) -> Float[Tensor, "z y x"]:
    """The map without frequencies below a resolution, its mean among them: what `lowpass` takes away."""
    weight = 1.0 - _below(volume, pixel_size_A, resolution_A, width_shells, "high-pass")
    return torch.fft.irfftn(torch.fft.rfftn(volume) * weight, s=volume.shape)


def _below(
    volume: Float[Tensor, "z y x"],
    pixel_size_A: float,
    resolution_A: float,
    width_shells: float,
    what: str,
) -> Float[Tensor, "z y xhalf"]:
    """One for frequencies of a cubic map below a resolution, zero beyond it, a cosine between."""
    box = volume.shape[-1]
    if volume.shape != (box, box, box):
        raise ValueError(f"a map must be cubic but has shape {tuple(volume.shape)} (z, y, x)")
    return lowpass_weight(box, pixel_size_A, resolution_A, width_shells, what, volume.device)


def lowpass_weight(
    box: int,
    pixel_size_A: float,
    resolution_A: float,
    width_shells: float = 2.0,
    what: str = "low-pass",
    device: torch.device | str | None = None,
) -> Float32[Tensor, "z y xhalf"]:
    """What `lowpass` multiplies a transform with; ValueError unless the resolution (of `what`) is positive."""
    if resolution_A <= 0:
        raise ValueError(f"the {what} resolution is {resolution_A} Å but must be positive")
    centre = int(box * pixel_size_A / resolution_A + 0.5)
    return lowpass_at(radial_frequency(box, 3, device), centre, width_shells)


def lowpass_at(
    radius: Float[Tensor, "*value"], centre: int, width_shells: float = 2.0
) -> Float[Tensor, "*value"]:
    """The weight of `lowpass` at radii in shells: one half at `centre`, falling as a cosine over its width."""
    position = ((radius - (centre - width_shells / 2)) / max(width_shells, 1e-6)).clamp(0.0, 1.0)
    return 0.5 + 0.5 * torch.cos(torch.pi * position)


def _phase_factor(
    turns: Float64[Tensor, "*batch frequency"],
) -> Complex[Tensor, "*batch frequency"]:
    """exp(-2 pi i turns), computed in float64 and stored as complex64."""
    angle = (-2.0 * torch.pi) * turns
    return torch.complex(angle.cos().float(), angle.sin().float())


def _check_grid(what: str, box: int, pixel_size_A: float) -> None:
    """Raises ValueError unless the box is even and the pixel size positive."""
    if box < 2 or box % 2:
        raise ValueError(f"the {what} box is {box} pixels but boxes must be even")
    if not pixel_size_A > 0:
        raise ValueError(f"the {what} pixel size is {pixel_size_A} Å but must be positive")
