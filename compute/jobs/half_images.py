"""The images of a half-set on one worker, with the parameters that belong to each."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from compute.expectation.prepare import Block, Defocus, Imaging, prepare
from compute.files.images import ImageSource
from compute.files.particle_set import ParticleSet
from compute.jobs.device_images import DeviceImages
from compute.jobs.half_records import Parameters
from compute.jobs.imaging import make_imagings
from compute.jobs.stopwatch import Stopwatch
from compute.params.refine import RefineParams
from compute.sampling.healpix import order_of_views
from compute.sampling.symmetry import SymmetryGroup, mates, parse_symmetry
from compute.signal.noise import coloured_noise
from compute.signal.random import generator


def is_handed_out(params: RefineParams, members: int) -> bool:
    """Whether the images of a half with so many workers go to whoever is free, instead of being shared out before."""
    return params.dynamic_handout and members > 1


class HalfImages:
    """Reads and prepares images by their position in the half.

    rows: rows of the particle set that make up the half; own: positions that this worker is responsible for, and all
    that it searches unless images are handed out to whoever is free.
    """

    def __init__(
        self,
        particles: ParticleSet,
        params: RefineParams,
        box: int,
        pixel_size_A: float,
        rows: np.ndarray,
        share: tuple[int, int],
        preload: bool,
        seed: int,
        device: torch.device,
        stopwatch: Stopwatch,
    ) -> None:
        self.particles, self.rows, self.device = particles, rows, device
        self.imagings = make_imagings(particles, params, box, pixel_size_A, device)
        self._share, self._seed, self._is_zero_masked = share, seed, params.zero_mask
        self._relaxed: SymmetryGroup | None = None
        if params.relax_symmetry:
            self._relaxed = parse_symmetry(params.relax_symmetry)
        is_shared = is_handed_out(params, share[1])
        mine = np.arange(len(rows)) if is_shared else self.own
        self.source = ImageSource(particles, preload, rows[mine])
        self._on_device = DeviceImages(self._read, self._box_of, device)
        self._is_shared = is_shared
        self._keep()
        self.parameters: Parameters
        self.stopwatch = stopwatch

    def _keep(self) -> None:
        """Make room on the device for the images that may come to this worker."""
        mine = np.arange(len(self.rows)) if self._is_shared else self.own
        sizes = np.array([group.image_size for group in self.particles.optics])
        self._on_device.keep(mine, sizes[self.particles.optics_index[self.rows[mine]]])

    @property
    def own(self) -> np.ndarray:
        """Positions in the half that this worker is responsible for: a run of consecutive ones."""
        member, members = self._share
        return np.array_split(np.arange(len(self.rows)), members)[member]

    def scan(self, particle_diameter_A: float, threads: int) -> dict[str, np.ndarray]:
        """Grey-value statistics of the own images, optics group by optics group (see `ImageSource.scan`)."""
        own = self.rows[self.own]
        optics = self.particles.optics_index[own]
        found = [
            dataclasses.asdict(
                self.source.scan(
                    own[optics == index],
                    particle_diameter_A / (2 * self.particles.optics[index].pixel_size_A),
                    threads,
                )
            )
            for index in np.unique(optics)
        ]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def drop(self, rows: np.ndarray) -> None:
        """Leave these rows of the particle set out."""
        self.rows = self.rows[~np.isin(self.rows, rows)]
        self._keep()

    def blocks(self, chosen: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Optics group and positions, a few at a time, all groups after one another."""
        optics = self.particles.optics_index[self.rows[chosen]]
        for index in np.unique(optics):
            group = chosen[optics == index]
            for start in range(0, len(group), size):
                yield int(index), group[start : start + size]

    def side_by_side(self, chosen: np.ndarray) -> np.ndarray:
        """The same positions in an order in which those of similar viewing directions follow one another.

        Their slices lie in the same part of a volume, most of which is then found in the processor's cache. Images that
        come from files are read in their own order.
        """
        if not self.source.is_in_memory:
            return chosen
        return chosen[order_of_views(self.parameters.rotation[chosen])]

    def read(self, block: np.ndarray) -> Tensor:
        """The images of a block on the worker's device."""
        with self.stopwatch.measure("reading"):
            return self._on_device.take(block)

    def ahead(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks, read ahead of their use where they go to another device."""
        return self._on_device.ahead(blocks)

    def let_go(self) -> None:
        """Keep no images on the device from now on: the search needs the room."""
        self._on_device.let_go()

    @property
    def mates(self) -> int:
        """How many rotations each image is searched around: more than one where a symmetry is relaxed."""
        return 1 if self._relaxed is None else len(self._relaxed.operators)

    def _read(self, block: np.ndarray) -> np.ndarray:
        return self.source.read(self.rows[block])

    def _box_of(self, block: np.ndarray) -> int:
        return self.particles.optics[self.particles.optics_index[self.rows[block[0]]]].image_size

    def noise(self, index: int) -> Tensor:
        """σ² per shell of an optics group."""
        return torch.from_numpy(self.parameters.noise_power[index]).to(self.device)

    def scale(self, block: np.ndarray) -> Tensor:
        """Scale of the group of every image."""
        groups = self.particles.group_index[self.rows[block]]
        return torch.from_numpy(self.parameters.scale[groups]).float().to(self.device)

    def rotations(self, block: np.ndarray) -> Tensor:
        """Current rotation of every image."""
        return torch.from_numpy(self.parameters.rotation[block]).to(self.device)

    def defocus(self, block: np.ndarray) -> Defocus:
        """CTF parameters of every image."""
        rows, particles = self.rows[block], self.particles

        def column(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values[rows])).double().to(self.device)

        return Defocus(
            column(particles.defocus_u_A),
            column(particles.defocus_v_A),
            column(particles.defocus_angle_deg),
            column(particles.phase_shift_deg),
            column(particles.ctf_b_factor_A2),
            column(particles.ctf_scale),
        )

    def log_normaliser(self, index: int) -> float:
        """Σ log 2πσ² over the pixels of an image of the optics group, without the zero frequency."""
        shell = self.imagings[index].pixels.shell.cpu().numpy()[1:]
        noise = np.maximum(self.parameters.noise_power[index], 1e-300)
        return float(np.log(2 * np.pi * noise)[shell].sum())

    def prepared(self, block: np.ndarray, index: int, iteration: int) -> Block:
        """The images of a block ready for scoring, with their present poses."""
        imaging, parameters = self.imagings[index], self.parameters
        origin = parameters.origin_A[block] / imaging.pixel_size_A
        shifts = np.trunc(origin + np.copysign(0.5, origin)).astype(np.int64)
        factor = torch.from_numpy(parameters.mean_norm / parameters.norm[block]).float()
        centres = parameters.rotation[block][:, None]
        if self._relaxed is not None:
            centres = mates(parameters.rotation[block], self._relaxed.operators).astype(np.float32)
        images = prepare(
            self.read(block),
            imaging,
            self.defocus(block),
            factor.to(self.device),
            torch.from_numpy(shifts).to(self.device),
            self.scale(block),
            None if self._is_zero_masked else self._noise_fill(block, imaging, index, iteration),
        )
        base_A = torch.from_numpy(shifts * imaging.pixel_size_A).to(self.device)
        return Block(images, torch.from_numpy(centres).to(self.device), base_A)

    def _noise_fill(
        self, block: np.ndarray, imaging: Imaging, index: int, iteration: int
    ) -> Tensor:
        """Coloured noise of the optics group for the surroundings of every image, keyed by its row."""
        spectrum = self.parameters.noise_power[index] * imaging.pixels.amplitude**2
        power = torch.from_numpy(spectrum)
        fields = [
            coloured_noise(
                1,
                imaging.pixels.box,
                power,
                generator(self._seed, "noise fill", int(row), iteration),
            )
            for row in self.rows[block]
        ]
        return torch.cat(fields).to(self.device)
