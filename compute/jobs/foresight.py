"""Whether a refinement will fit into memory: the forecast, in the user's words, and what to do where it will not."""

import dataclasses
import socket
from dataclasses import dataclass

import numpy as np

from compute.convergence import schedule
from compute.convergence.sizes import coarse_size
from compute.convergence.state import Settings, State
from compute.expectation.plan import RankForecast, Setting, Stage, forecast
from compute.files import events
from compute.files.errors import InputError
from compute.files.particle_set import ParticleSet
from compute.jobs.device_foresight import Outlook, outlooks, say_outlooks, told_of_devices
from compute.jobs.half_images import is_handed_out
from compute.jobs.memory import BYTES_PER_GB, available_GB, give_back, resident_GB
from compute.jobs.refine_inputs import Inputs
from compute.jobs.voice import Voice
from compute.parallel import SoloTeam, Team
from compute.params.refine import RefineParams
from compute.sampling.orientations import local_grid
from compute.sampling.symmetry import parse_symmetry
from compute.sampling.translations import translation_grid

# Images stay in memory where all of them together take less than this share of what is free.
PRELOAD_SHARE = 0.4
# Orientations of the whole sphere at order 0; eight times as many at every further order.
ORIENTATIONS_AT_ORDER_0 = 72


@dataclass(frozen=True, slots=True)
class Foresight:
    """The forecast for all processes, and what this machine can give those that run on it.

    here: how many of each entry's processes run on the leader's machine. more_now_GB, more_last_GB: what they will
    need beyond what they hold now. limit_GB: what one process may use, where the user has said so.
    """

    ranks: list[RankForecast]
    here: list[int]
    more_now_GB: float
    more_last_GB: float
    available_GB: float
    limit_GB: float | None
    devices: tuple[Outlook, ...] = ()

    @property
    def largest_GB(self) -> float:
        """What the most demanding process will need."""
        return max(one.last_GB for one in self.ranks)

    def sentence(self) -> str:
        """The forecast in one line."""
        parts = []
        for one in self.ranks:
            name = f"each of {one.ranks} workers" if one.role == "worker" else one.role
            parts.append(
                f"{name} {one.now_GB:.1f} GB in the first iteration, at most {one.last_GB:.1f} GB in the last"
            )
        return (
            f" Memory forecast: {'; '.join(parts)}; {self.available_GB:.1f} GB more are available."
        )

    def problem(self) -> tuple[str, bool] | None:
        """What will not fit, and whether already the first iteration does not; None if all is well."""
        for one in self.ranks:
            if self.limit_GB is not None and one.last_GB > self.limit_GB:
                text = (
                    f"a process ({one.role}) will need {one.last_GB:.1f} GB but may use {self.limit_GB:.1f} GB "
                    "(--memory-limit)"
                )
                return text, one.now_GB > self.limit_GB
        if self.more_last_GB > self.available_GB:
            is_early = self.more_now_GB > self.available_GB
            need = self.more_now_GB if is_early else self.more_last_GB
            when = "first" if is_early else "last"
            text = (
                f"the processes of this machine will need {need:.1f} GB more in the {when} iteration, but "
                f"{self.available_GB:.1f} GB are available"
            )
            return text, is_early
        return None


def keeps_images(params: RefineParams, particles: ParticleSet, team: Team) -> bool:
    """Whether workers keep their images in memory: as the user says, else where they fit easily."""
    if params.preread_images is not None:
        return params.preread_images
    copies = image_copies(params, team)
    return copies * image_GB(particles) < PRELOAD_SHARE * available_GB()


def image_copies(params: RefineParams, team: Team) -> int:
    """How often an image is kept: by every worker of its half where any of them may be handed it, else once."""
    members = team.seats()[0].members
    return members if is_handed_out(params, members) else 1


def image_GB(particles: ParticleSet) -> float:
    """What all images take in memory."""
    sizes = np.array([group.image_size for group in particles.optics], dtype=np.float64)
    return float((4 * sizes[particles.optics_index] ** 2).sum()) / BYTES_PER_GB


def foresee(
    params: RefineParams, inputs: Inputs, settings: Settings, team: Team, before: State | None
) -> Foresight:
    """The memory that the refinement will need, from a state (None: from the start) to the end."""
    give_back(0)
    group = parse_symmetry(params.symmetry)
    is_alone, workers = isinstance(team, SoloTeam), len(team.seats())
    found = [one for half in team.call("memory", kept_bytes=0) for one in half]
    images = image_copies(params, team) * image_GB(inputs.particles) * BYTES_PER_GB
    if not keeps_images(params, inputs.particles, team):
        images = 0.0
    setting = Setting(
        box=inputs.box,
        padding=params.padding,
        threads=max(int(one["threads"]) for one in found),
        leader_bytes=resident_GB() * BYTES_PER_GB,
        worker_bytes=max(float(one["resident_GB"]) for one in found) * BYTES_PER_GB,
        image_bytes=images / (1 if is_alone else workers),
        particle_bytes=0.0 if is_alone else _particle_bytes(inputs.particles),
        is_symmetric=group.order > 1,
        is_on_device=any(one["device"] != "cpu" for one in found),
        scale=max(int(one["scale"]) for one in found),
        half_images=max(len(rows) for rows in inputs.rows),
    )
    now, last = first_and_last(settings, before, group.order)
    ranks = forecast(setting, now, last, 1 if is_alone else 1 + workers)
    here = [1] if is_alone else [1, sum(one["host"] == socket.gethostname() for one in found)]
    held = [resident_GB(), max(float(one["resident_GB"]) for one in found)][: len(ranks)]
    counted = list(zip(ranks, here, held, strict=True))
    return Foresight(
        ranks=ranks,
        here=here,
        more_now_GB=sum(count * (one.now_GB - now_GB) for one, count, now_GB in counted),
        more_last_GB=sum(count * (one.last_GB - now_GB) for one, count, now_GB in counted),
        available_GB=available_GB(),
        limit_GB=params.memory_limit_GB,
        devices=tuple(outlooks(told_of_devices(team), setting, now, last)),
    )


def foresee_last(
    params: RefineParams, inputs: Inputs, settings: Settings, team: Team, state: State
) -> list[Outlook]:
    """What the devices will hold in an iteration whose sizes and grids are known by now."""
    order = parse_symmetry(params.symmetry).order
    told = told_of_devices(team)
    setting = Setting(
        box=settings.box,
        padding=params.padding,
        threads=max((int(one["threads"]) for one in told), default=1),
        leader_bytes=0.0,
        worker_bytes=0.0,
        image_bytes=0.0,
        particle_bytes=0.0,
        is_symmetric=order > 1,
        scale=max((int(one["scale"]) for one in told), default=1),
        half_images=max(len(rows) for rows in inputs.rows),
    )
    stage = _stage_of(state, settings, order)
    return outlooks(told, setting, stage, stage)


def say_foresight(foresight: Foresight, params: RefineParams, voice: Voice) -> None:
    """Print and record the forecast; warn where the last iteration will not fit.

    Raises InputError where already the first one will not.
    """
    voice.log.line(foresight.sentence())
    say_outlooks(foresight.devices, voice)
    for one in foresight.ranks:
        voice.progress.write(
            events.Memory(
                what=f"{one.role}, last iteration",
                forecast_GB=one.last_GB,
                available_GB=foresight.available_GB,
            )
        )
    problem = foresight.problem()
    if problem is None:
        return
    text, is_early = problem
    advice = _advice(params, foresight)
    if is_early:
        raise InputError(f"Too little memory: {text}. {advice}")
    voice.log.warning(
        f"Memory may not suffice if the refinement reaches the finest detail of the images: {text}. {advice}",
        "E39",
    )


def record_peaks(foresight: Foresight, peaks_GB: list[float], voice: Voice) -> None:
    """Record what the processes have taken, the leader's first, beside what was forecast."""
    for one, measured_GB in zip(
        foresight.ranks, (peaks_GB[0], max(peaks_GB[1:], default=0.0)), strict=False
    ):
        voice.progress.write(
            events.Memory(what=one.role, forecast_GB=one.last_GB, measured_GB=measured_GB)
        )


def _advice(params: RefineParams, foresight: Foresight) -> str:
    """What takes less memory, as far as it has not been done."""
    ways = []
    if params.padding > 1:
        ways.append("--padding 1 (an eighth of the memory for transforms)")
    if sum(foresight.here) > 3:
        ways.append("fewer processes on this machine, with more threads each (--mpi 3)")
    elif sum(foresight.here) == 3:
        ways.append("a single process (--mpi 1)")
    if params.preread_images is not False:
        ways.append("images that stay on disk (--preread-images no)")
    ways.append("a smaller box or larger pixels")
    return f"Less is needed with {', or '.join(ways)}."


def first_and_last(
    settings: Settings, before: State | None, group_order: int
) -> tuple[Stage, Stage]:
    """Sizes and grids of the next iteration, and of one that uses all that the images hold."""
    now = _stage(settings, before, group_order)
    return now, dataclasses.replace(now, size=settings.box, accumulation_size=settings.box)


def _stage(settings: Settings, before: State | None, group_order: int) -> Stage:
    """Sizes and grids of the next iteration; without a state or a resolution to start from, at full size."""
    if before is None and settings.initial_lowpass_A <= 0:
        before = schedule.initial_state(settings, np.full(settings.box // 2 + 1, 2.0))
    state = schedule.begin_iteration(before or schedule.initial_state(settings), settings)
    return _stage_of(state, settings, group_order)


def _stage_of(state: State, settings: Settings, group_order: int) -> Stage:
    """Sizes and grids of the iteration that has this state."""
    sampling, nothing = state.sampling, np.zeros(3)
    if sampling.is_local:
        grid = local_grid(sampling.coarse_step_deg, 1.0, sampling.cone_steps, nothing)
        orientations = len(grid.coarse)
    else:
        orientations = ORIENTATIONS_AT_ORDER_0 * 8**sampling.order // group_order
    shifts = translation_grid(sampling.offset_range_A, sampling.offset_step_A, nothing[:2])
    return Stage(
        size=state.current_size,
        coarse_size=coarse_size(settings, sampling.coarse_step_deg, state.current_size),
        accumulation_size=state.accumulation_size,
        orientations=orientations,
        translations=len(shifts.coarse),
        orientation_children=8,
        translation_children=4,
        is_local=sampling.is_local,
    )


def _particle_bytes(particles: ParticleSet) -> float:
    """What a worker's copy of the particles' parameters takes; their table stays with the leader."""
    arrays = (getattr(particles, field.name) for field in dataclasses.fields(particles))
    return float(sum(one.nbytes for one in arrays if isinstance(one, np.ndarray)))
