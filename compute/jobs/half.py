"""What one worker of a refinement does for the leader: every public method of `Half` is a call of the leader."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compute.expectation import batch, step
from compute.expectation.rehearsal import rehearse
from compute.expectation.search import Search
from compute.files.particle_set import ParticleSet
from compute.jobs import devices, half_lost
from compute.jobs.half_expectation import Expectation
from compute.jobs.half_images import HalfImages, is_handed_out
from compute.jobs.half_map import joined_map, new_map, unfiltered_map
from compute.jobs.half_measures import expected_errors, sampled_power
from compute.jobs.half_records import Parameters, SearchOrder, ShardResults, only, unchanged
from compute.jobs.half_rescan import rescan_images
from compute.jobs.memory import LITTLE_BYTES, give_back, peak_GB, resident_GB
from compute.jobs.scratch import Scratch, ScratchError, copied
from compute.jobs.searches import search_of
from compute.jobs.stopwatch import Stopwatch
from compute.jobs.workers import Workers
from compute.maximisation import prior, reconstruct, symmetrise
from compute.parallel import HalfTeam, Seat
from compute.params.refine import RefineParams
from compute.projection.reference import AnyProjector
from compute.projection.slices import Accumulator, build_for_slicing, empty_accumulator
from compute.sampling.symmetry import parse_symmetry


class Half:
    """One worker's share of a half-set."""

    USES_ALL_THREADS = frozenset({"accuracy", "rescan", "expect"})

    def __init__(self, seat: Seat, team: HalfTeam, device: torch.device, threads: int) -> None:
        self.half = seat.half
        self._seat, self._team, self._device = seat, team, device
        self._host = socket.gethostname()
        self._workers, self._threads = Workers(threads, device), threads
        self._scratch: Scratch | None = None
        self._stopwatch = Stopwatch(device)
        if device.type == "cpu":
            rehearse()
        else:
            devices.wake(device)
            self._workers.notes += devices.slow_kernels(device)
        self._stopwatch.add_start_up()
        self._images: HalfImages
        self._volume: Tensor
        self._projector: AnyProjector | None = None
        self._accumulator: Accumulator

    # ---- start

    def _place(self) -> dict[str, Any]:
        """This worker's process."""
        return {"host": self._host, "pid": os.getpid(), "threads": self._workers.threads}

    def describe(self) -> dict[str, Any]:
        """Where this worker runs, and with what."""
        return self._place() | {"device": str(self._device)}

    def memory(self, kept_bytes: int = LITTLE_BYTES) -> dict[str, Any]:
        """What this worker's process holds now, where, and for how many threads; with its device's memory.

        kept_bytes: how much of it may be free.
        """
        give_back(kept_bytes)
        return self._place() | {"resident_GB": resident_GB()} | devices.memory_of(self._device)

    def copy_to_scratch(
        self, particles: ParticleSet, folder: str, seats: list[tuple[int, int]]
    ) -> tuple[int, str]:
        """Copy the stacks to the folder if this worker's seat (half, member) is one of those that shall.

        Returns the bytes copied and, where that was not possible, why.
        """
        if (self._seat.half, self._seat.member) not in seats:
            return 0, ""
        self._scratch = Scratch(Path(folder))
        try:
            return self._scratch.fill(particles.stacks), ""
        except ScratchError as error:
            self._scratch = None
            return 0, str(error)

    def remove_scratch(self) -> None:
        """Remove the copies that this process made."""
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def load(
        self,
        particles: ParticleSet,
        params: RefineParams,
        box: int,
        pixel_size_A: float,
        rows: np.ndarray,
        solvent_mask: np.ndarray | None,
        preload: bool,
        seed: int,
        scratch: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Take over the half's images (`rows` of the particle set) and report what the own ones look like.

        scratch: folder with copies of the stacks, on each machine that has one.
        """
        if scratch and self._host in scratch:
            particles = copied(particles, Path(scratch[self._host]))
        self._params, self._box, self._pixel_size_A = params, box, pixel_size_A
        self._group = parse_symmetry(params.symmetry)
        self._is_handed_out = is_handed_out(params, self._seat.members)
        share = (self._seat.member, self._seat.members)
        place = (self._device, self._stopwatch)
        self._images = HalfImages(
            particles, params, box, pixel_size_A, rows, share, preload, seed, *place
        )
        if self._device.type != "cpu":
            self._workers.make_room = self._images.let_go
        self._mask = None if solvent_mask is None else torch.from_numpy(solvent_mask)
        with self._stopwatch.measure("reading"):
            return self._images.scan(params.particle_diameter_A, self._threads)

    def drop(self, rows: np.ndarray) -> int:
        """Leave these rows of the particle set out; returns how many of the half remain."""
        self._images.drop(rows)
        return len(self._images.rows)

    def measure_power(self, chosen: np.ndarray, norm: np.ndarray) -> dict[str, Any]:
        """Power per shell of own images among the chosen (positions in the half), and of the sum of them.

        norm: correction of every chosen image, divided out. Images are masked as for alignment.
        """
        return sampled_power(self._images, self._box, chosen, norm, self._params.zero_mask)

    # ---- every iteration

    def take(self, parameters: Parameters) -> None:
        """Use these parameters from now on."""
        self._images.parameters = parameters

    def take_map(self, volume: np.ndarray) -> None:
        """Use this map as the half's reference."""
        self._volume = torch.from_numpy(volume).to(self._device)
        self._projector = None

    def accuracy(self, chosen: np.ndarray, size: int) -> dict[str, np.ndarray]:
        """Expected errors of own images among the chosen (positions in the half)."""
        box, pixel_size_A = self._box, self._pixel_size_A
        self._projector = self._projector_of(size)
        with self._stopwatch.measure("expected accuracy"):
            return expected_errors(self._images, self._projector, box, pixel_size_A, chosen, size)

    def _projector_of(self, size: int, or_larger: bool = False) -> AnyProjector:
        """The projector of the half's reference: the present one if it is of this size (or larger, if that will do)."""
        radius, present = size // 2, self._projector
        if present is not None and (
            present.radius == radius or (or_larger and present.radius > radius)
        ):
            return present
        self._projector = None
        with self._stopwatch.measure("projector"):
            return build_for_slicing(self._volume, self._params.padding, size)

    def rescan(self, order: SearchOrder) -> dict[str, np.ndarray]:
        """The images, of those that come to this worker, that fit a pose of a shared grid clearly better than theirs.

        Returns their positions in the half, rotations and offsets.
        """
        images, search = self._images, self._search_of(order)
        projector = self._projector_of(order.size, or_larger=True)
        blocks = self._blocks(self._block_size(search, 0), [])
        with self._stopwatch.measure("look at all orientations"):
            given = (images, blocks, order, search, projector, self._workers)
            return rescan_images(*given, self._group)

    def expect(self, order: SearchOrder, ssnr: np.ndarray | None) -> ShardResults:
        """The expectation step over this worker's images; the sums of the half end at its first worker.

        ssnr: signal-to-noise ratio per shell of the last iteration, which tells what fixes the groups' scale.
        """
        started = time.perf_counter()
        with self._stopwatch.measure("other parts of the expectation"):
            results = self._search_images(order, ssnr)
            give_back()
        expected = time.perf_counter()
        with self._stopwatch.measure("reduction"):
            symmetrise.enforce_friedel(self._accumulator)
            self._team.reduce(self._accumulator.sums)
        if self._seat.member == 0:
            with self._stopwatch.measure("symmetry"):
                operators = self._group.operators
                symmetrise.apply_point_group(self._accumulator, operators, threads=self._threads)
        results.seconds = {
            "expectation": expected - started,
            "reduction": time.perf_counter() - expected,
        }
        return results

    def _search_images(self, order: SearchOrder, ssnr: np.ndarray | None) -> ShardResults:
        """Search images and put them back; the projector and all tables are gone afterwards."""
        images, search, shells = self._images, self._search_of(order), self._box // 2 + 1
        mine = np.arange(len(images.rows)) if self._is_handed_out else images.own
        results = unchanged(mine, images.parameters, search, len(images.imagings), shells)
        projector = self._projector_of(order.size)
        self._projector = None
        del self._volume  # until the next one is made
        give_back()
        # Only now: beside the sums there is no room for what the projector is made from.
        radius = order.accumulation_size // 2
        self._accumulator = empty_accumulator(self._params.padding, radius, self._device)
        given = (images, order, search, projector, self._accumulator)
        expectation = Expectation(*given, ssnr, results)
        taken: list[np.ndarray] = []
        largest = max(one.pixels.count(search.accumulation_size) for one in images.imagings)
        blocks = self._blocks(self._block_size(search, largest), taken)
        expectation.run(blocks, self._workers, self._team.report)
        return half_lost.explained(images, only(results, np.concatenate([mine[:0], *taken])), order)

    def _blocks(self, size: int, taken: list[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Optics group and positions of a few images at a time: the own ones, or as long as the leader has any.

        `taken` gets the positions of all.
        """
        if not self._is_handed_out:
            taken.append(self._images.own)
            own = self._images.side_by_side(self._images.own)
            yield from self._images.blocks(own, size)
            return
        while (part := self._team.take()) is not None:
            index, positions = part
            taken.append(positions)
            for start in range(0, len(positions), size):
                yield index, positions[start : start + size]

    def _block_size(self, search: Search, pixels: int) -> int:
        """How many images are searched at once; pixels: how many of each are put back."""
        if self._device.type == "cpu":
            return step.images_per_block(search, step.IMAGES_PER_BLOCK, pixels)
        poses = len(search.orientations.coarse) * len(search.translations.coarse)
        scale = batch.scale_of(self._device)
        return batch.images_per_batch(poses * self._images.mates, self._box, scale)

    def _search_of(self, order: SearchOrder) -> Search:
        """Grids and rules of an iteration."""
        return search_of(order, self._params, self._images.parameters, self._group)

    # ---- maps, by the first worker of the half

    def unpadded_transform(self) -> np.ndarray:
        """The half's transform before regularisation, on the map's own lattice."""
        with self._stopwatch.measure("reconstruction"):
            return reconstruct.downsample(self._accumulator).cpu().numpy()

    def low_resolution_part(self, shell: int) -> np.ndarray:
        """The sums up to a shell, for the low-resolution join."""
        return prior.low_resolution_part(self._accumulator, shell).cpu().numpy()

    def join(self, average: np.ndarray) -> None:
        """Replace the sums at low resolution by the average of both halves."""
        prior.join_low_resolution(self._accumulator, torch.from_numpy(average).to(self._device))

    def unfiltered_map(self) -> np.ndarray:
        """The half-map without regularisation and mask."""
        with self._stopwatch.measure("reconstruction"):
            return unfiltered_map(self._accumulator, self._params, self._box)

    def maximise(
        self, ssnr: np.ndarray, resolution_A: float, limit_A: float = 0.0
    ) -> dict[str, np.ndarray] | None:
        """The new reference of the half, regularised by the SSNR per shell (`half_map`), for all its workers.

        The first worker returns the map, its reconstruction noise, signal power and Fourier coverage per shell.
        """
        answer = None
        if self._seat.member == 0:
            lattice = (self._params, self._box, self._pixel_size_A, self._mask)
            with self._stopwatch.measure("reconstruction"):
                answer = new_map(self._accumulator, *lattice, ssnr, resolution_A, limit_A)
        volume = self._team.share(answer["map"] if answer is not None else None)
        self.take_map(volume)
        return answer

    def release(self) -> None:
        """Forget the sums, which are not needed until the next expectation step."""
        del self._accumulator
        give_back()

    def measured(self) -> dict[str, Any]:
        """Where this worker's time went since the last time: see `Stopwatch.take`."""
        place = {"role": f"half {self._seat.half}", "member": self._seat.member}
        return place | {"host": self._host} | self._stopwatch.take()

    def planes(self, start: int, stop: int) -> np.ndarray:
        """Some planes of the sums, for the final join."""
        return self._accumulator.sums[start:stop].cpu().numpy()

    def add_planes(self, start: int, planes: np.ndarray) -> None:
        """Add the other half's planes to the own sums: the final join."""
        own = self._accumulator.sums[start : start + len(planes)]
        own += torch.from_numpy(planes).to(own.device)

    def joined_map(self, ssnr: np.ndarray | None) -> dict[str, np.ndarray] | None:
        """The map of the joined sums with its spectra, by whom the joined SSNR is given to."""
        if ssnr is None:
            return None
        with self._stopwatch.measure("reconstruction"):
            return joined_map(self._accumulator, self._params, self._box, ssnr)

    def peak_memory_GB(self) -> float:
        """The largest resident memory of this worker's process so far."""
        return peak_GB()


def make_half(seat: Seat, team: HalfTeam, device: str = "cpu", threads: int = 1) -> Half:
    """A worker for a seat of the team."""
    return Half(seat, team, torch.device(device), threads)
