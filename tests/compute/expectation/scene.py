"""A small world for tests of the expectation step: blobs, their images, and searches built by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation import host, step
from compute.expectation.fine import HeldResult
from compute.expectation.prepare import (
    Block,
    Defocus,
    Imaging,
    PreparedImages,
    image_ctf,
    make_imaging,
    prepare,
)
from compute.expectation.search import Search, SharedTables, shared_tables
from compute.projection.images import images_of, projection_transforms
from compute.projection.reference import Projector, build_projector
from compute.sampling.orientations import LocalGrid, OrientationGrid, global_grid
from compute.sampling.symmetry import parse_symmetry
from compute.sampling.translations import TranslationGrid, translation_grid
from compute.signal.ctf import Optics
from compute.signal.fourier import PixelList, half_plane_pixels, shell_sums
from compute.signal.noise import coloured_noise
from compute.signal.phantom import Phantom, make_phantom, phantom_map
from compute.signal.random import generator

BOX, PIXEL_A = 32, 4.0
SHELLS = BOX // 2 + 1
OPTICS = Optics(300.0, 2.7, 0.1)
NO_TURN = np.zeros(3)
NO_SHIFT = np.zeros(2)


def specimen(symmetry: str = "C1", scale: float = 1.0) -> Phantom:
    """Blobs within 44 Å of the centre, with detail of 11 Å; `scale` makes all lengths larger."""
    operators = parse_symmetry(symmetry).operators
    return make_phantom(operators, 44.0 * scale, 11.0 * scale, seed=3)


def defocus(images: int, u_A: float = 14000.0) -> Defocus:
    """One lens setting for all images, slightly astigmatic."""
    zeros = torch.zeros(images, dtype=torch.float64)
    return Defocus(zeros + u_A, zeros + u_A - 600.0, zeros + 25.0, zeros, zeros, zeros + 1.0)


def no_mask_imaging(pixels: PixelList, optics: Optics = OPTICS, corrected: bool = True) -> Imaging:
    """Imaging whose circular mask lies outside the box."""
    return make_imaging(pixels, optics, PIXEL_A, 4.0 * pixels.box * PIXEL_A, 5.0, corrected)


@dataclasses.dataclass(frozen=True)
class World:
    """A specimen's projector, and how its images are formed."""

    projector: Projector
    pixels: PixelList
    imaging: Imaging

    def images(self, rotations: Tensor, shifts_A: Tensor) -> Tensor:
        """Images without noise at these poses, moved by `shifts_A`."""
        values = image_ctf(self.imaging, defocus(len(rotations)))
        transforms = projection_transforms(
            self.projector, rotations, shifts_A, values.float(), self.pixels
        )
        return images_of(transforms, self.pixels)

    def noise_power(self, snr: float) -> Tensor:
        """A flat σ² for which the signal in an image has `snr` times the power of the noise."""
        turns = torch.from_numpy(some_grid(0).coarse)
        values = image_ctf(self.imaging, defocus(len(turns)))
        transforms = projection_transforms(
            self.projector, turns, torch.zeros(len(turns), 2), values, self.pixels
        )
        mean = transforms[:, 1:].abs().square().mean()
        return torch.full((SHELLS,), float(mean) / (2 * snr), dtype=torch.float64)


def make_world(volume: Tensor | None = None) -> World:
    """The specimen on a box of 32 pixels of 4 Å, or another map of that size."""
    if volume is None:
        volume = phantom_map(specimen(), BOX, PIXEL_A)
    pixels = half_plane_pixels(BOX, PIXEL_A)
    return World(build_projector(volume, 2, BOX), pixels, no_mask_imaging(pixels))


def some_grid(order: int) -> OrientationGrid:
    """All orientations of an order, without symmetry and perturbation."""
    return global_grid(order, parse_symmetry("C1"), NO_TURN)


def make_search(
    orientations: OrientationGrid | LocalGrid | None = None,
    translations: TranslationGrid | None = None,
    **changes: object,
) -> Search:
    """A search of order 1 and of shifts up to 8 Å, at full size, unless said otherwise."""
    search = Search(
        orientations=some_grid(1) if orientations is None else orientations,
        translations=translation_grid(8.0, 8.0, NO_SHIFT) if translations is None else translations,
        size=BOX,
        coarse_size=16,
        accumulation_size=BOX,
        oversample=True,
        is_correlation=False,
        adaptive_fraction=0.999,
        maximum_significant=0,
        score_divisor=1.0,
        offset_sigma_A=10.0,
    )
    return dataclasses.replace(search, **changes)


def tables_for(search: Search, world: World, noise_power: Tensor) -> SharedTables:
    """Shared tables of the world's only optics group."""
    return shared_tables(search, world.projector, world.pixels, noise_power)


def make_block(
    images: Tensor,
    world: World,
    centres: Tensor | None = None,
    shifts_px: Tensor | None = None,
    scale: float = 1.0,
) -> Block:
    """Images ready for scoring; without centres at the identity, without shifts where they are."""
    count = len(images)
    shifts = torch.zeros(count, 2, dtype=torch.int64) if shifts_px is None else shifts_px
    prepared = prepare(
        images,
        world.imaging,
        defocus(count),
        torch.ones(count),
        shifts,
        torch.full((count,), scale),
        None,
    )
    centres = torch.eye(3).expand(count, 1, 3, 3) if centres is None else centres
    return Block(prepared, centres, shifts.double() * world.imaging.pixel_size_A)


def rows_of(block: Block, rows: slice) -> Block:
    """Some images of a block."""
    parts = {
        field.name: getattr(block.images, field.name)[rows]
        for field in dataclasses.fields(PreparedImages)
    }
    return Block(PreparedImages(**parts), block.centres[rows], block.base_A[rows])


def noise_images(count: int, noise_power: Tensor, seed: int = 0) -> Tensor:
    """Images of nothing but noise."""
    return coloured_noise(count, BOX, noise_power, generator(seed, "test noise"))


def shell_means(power: Tensor, pixels: PixelList) -> Tensor:
    """Mean over the pixels of every shell, and over all images."""
    counts = torch.bincount(pixels.shell, minlength=SHELLS)
    return shell_sums(power, pixels.shell, SHELLS).mean(0) / counts


@dataclasses.dataclass(frozen=True)
class Single:
    """What was found for one image, and the result that holds nothing else.

    residual_power: per shell.
    """

    rotation: Tensor
    offset_A: Tensor
    maximum_probability: float
    significant_samples: int
    log_evidence: float
    weight: float
    residual_power: Tensor
    cross: float
    model_power: float
    offset_square_A2: float
    rows: Tensor
    rotations: Tensor
    values: Tensor
    orientation_weight: Tensor
    insertion_weight: Tensor
    found: HeldResult


def single(found: HeldResult) -> Single:
    """The only image of a result."""
    return Single(
        rotation=found.rotation[0],
        offset_A=found.offset_A[0],
        maximum_probability=float(found.maximum_probability),
        significant_samples=int(found.significant_samples),
        log_evidence=float(found.log_evidence),
        weight=float(found.weight),
        residual_power=found.noise_residual,
        cross=float(found.cross),
        model_power=float(found.model_power),
        offset_square_A2=float(found.offset_square_A2),
        rows=found.rows,
        rotations=found.rotations,
        values=found.values,
        orientation_weight=found.share,
        insertion_weight=found.insertion_weight[0],
        found=found,
    )


def singles(
    block: Block, search: Search, tables: SharedTables, determined: Tensor
) -> list[Single | None]:
    """What is found for each image of a block, whose second pass is made by itself; None without a finite score."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "RESULT_BYTES", 0)
        every = step.search_images(block, search, tables, determined)
        found = [one for one in every if isinstance(one, HeldResult)]
    assert [one.images for one in found] == [slice(i, i + 1) for i in range(len(block.centres))]
    return [single(one) if bool(one.is_found[0]) else None for one in found]
