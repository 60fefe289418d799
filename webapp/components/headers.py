"""What the headers of chosen files say: particles, box, pixel size, and pictures of some images."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from compute.files.errors import InputError
from compute.files.mrc import read_layout, read_map
from compute.files.particles import read_particles
from compute.files.stacks import StackReader

SAMPLES = 25
ACROSS = 9
LARGEST_TILE = 96
OPAQUE = 255


@dataclass(frozen=True, slots=True)
class ParticleHeader:
    """A particle file: how many images of which box and pixel size."""

    path: Path
    particles: int
    box_size: int
    pixel_size_A: float
    optics_groups: int
    micrographs: int
    has_ctf: bool
    original_pixel_size_A: float

    def sentence(self) -> str:
        """The file in one line."""
        groups = (
            "1 optics group" if self.optics_groups == 1 else f"{self.optics_groups} optics groups"
        )
        count = f"{self.particles:,}".replace(",", " ")
        words = (
            f"{count} particles, {groups}; {self.box_size} px of {self.pixel_size_A:.4g} Å, "
            f"Nyquist {2 * self.pixel_size_A:.2f} Å"
        )
        if (
            self.original_pixel_size_A
            and abs(self.original_pixel_size_A - self.pixel_size_A) > 1e-3
        ):
            words += (
                f" (binned {self.pixel_size_A / self.original_pixel_size_A:.3g} times from "
                f"{self.original_pixel_size_A:.4g} Å)"
            )
        return words if self.has_ctf else f"{words}; no CTF"


@dataclass(frozen=True, slots=True)
class MapHeader:
    """A map: box and pixel size; 0.0 where its header does not know it."""

    path: Path
    box_size: int
    pixel_size_A: float

    def sentence(self) -> str:
        """The file in one line."""
        return f"{self.box_size} px of {self.pixel_size_A:.4g} Å"


def particle_header(path: Path) -> ParticleHeader:
    """What a particle STAR file says of itself. Raises InputError."""
    found = read_particles(path)
    first = found.optics[0]
    return ParticleHeader(
        path=path,
        particles=len(found.stack_index),
        box_size=first.image_size,
        pixel_size_A=first.pixel_size_A,
        optics_groups=len(found.optics),
        micrographs=int(found.micrograph_index.max()) + 1,
        has_ctf=found.has_ctf,
        original_pixel_size_A=first.original_pixel_size_A,
    )


def map_header(path: Path) -> MapHeader:
    """What a map says of itself. Raises InputError for images and for maps that are no cube."""
    layout = read_layout(path)
    if path.suffix == ".mrcs" or layout.shape[0] == 1:
        raise InputError(f"{path.name} holds images, not a map; pick a 3D map (.mrc)")
    if len(set(layout.shape)) != 1:
        shape = " x ".join(str(side) for side in layout.shape[::-1])
        raise InputError(f"{path.name} is {shape} pixels; a map must be a cube")
    return MapHeader(path, layout.shape[0], layout.pixel_size_A)


def sample_images(path: Path, count: int = SAMPLES) -> str:
    """Some images of a particle file, evenly chosen, as an HTML picture. Raises InputError."""
    found = read_particles(path)
    rows = np.linspace(0, len(found.stack_index) - 1, min(count, len(found.stack_index))).astype(
        int
    )
    tiles = []
    for row in rows:
        with StackReader(found.stacks[found.stack_index[row]]) as stack:
            tiles.append(stack.read(np.array([found.slice_index[row]]))[0])
    return picture(tiles, f"{len(tiles)} of {len(found.stack_index)} images")


def map_slices(path: Path) -> str:
    """The three central slices of a map as an HTML picture. Raises InputError."""
    volume = read_map(path).volume
    middle = volume.shape[0] // 2
    return picture(
        [volume[:, :, middle], volume[:, middle], volume[middle]], "central slices X, Y, Z"
    )


def picture(tiles: Sequence[np.ndarray], text: str) -> str:
    """Grey pictures in rows as one PNG inside an HTML element."""
    drawn = [_grey(tile) for tile in tiles]
    side = drawn[0].shape[0]
    across = min(ACROSS, len(drawn))
    down = -(-len(drawn) // across)
    sheet = np.zeros((down * (side + 2), across * (side + 2), 2), dtype=np.uint8)
    for n, tile in enumerate(drawn):
        y, x = n // across * (side + 2), n % across * (side + 2)
        sheet[y : y + side, x : x + side, 0] = tile
        sheet[y : y + side, x : x + side, 1] = OPAQUE
    buffer = io.BytesIO()
    Image.fromarray(sheet, "LA").save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _grey(tile: np.ndarray) -> np.ndarray:
    """A picture of at most LARGEST_TILE pixels, black to white over its central 99 %."""
    factor = max(1, -(-tile.shape[0] // LARGEST_TILE))
    side = tile.shape[0] // factor
    small = tile[: side * factor, : side * factor].reshape(side, factor, side, factor).mean((1, 3))
    low, high = np.percentile(small, [0.5, 99.5])
    scaled = (small - low) / max(float(high - low), 1e-12) * 255
    return np.clip(scaled, 0, 255).astype(np.uint8)[::-1]
