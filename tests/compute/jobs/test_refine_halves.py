"""The two half-sets stay independent: what each is told, and that it never depends on the other's images."""

from pathlib import Path

import numpy as np
import pytest

from compute.convergence.state import State
from compute.files.checkpoint import load_checkpoint
from compute.files.relion import IterationFiles
from compute.files.stacks import StackReader, StackWriter
from compute.jobs.refine_progress import Exchange
from compute.jobs.simulate import SimulatedSet
from tests.compute.jobs.refining import (
    Run,
    content,
    copy_inputs,
    options_of,
    particle_columns,
    refine_here,
)

# Where what the leader tells a half comes from. "user": input files and options, alike for both halves.
# "own": this half's own images and parameters. "join", "fsc", "schedule": the three things that may cross.
SOURCES = {
    "load": {
        "particles": "user",
        "params": "user",
        "box": "user",
        "pixel_size_A": "user",
        "rows": "user",
        "solvent_mask": "user",
        "preload": "user",
        "seed": "user",
        "scratch": "user",
    },
    "describe": {},
    "memory": {"kept_bytes": "user"},
    "copy_to_scratch": {"particles": "user", "folder": "user", "seats": "user"},
    "remove_scratch": {},
    "drop": {"rows": "user"},
    "measure_power": {"chosen": "own", "norm": "own"},
    "take": {"parameters": "own"},
    "take_map": {"volume": "own"},
    "accuracy": {"chosen": "own", "size": "schedule"},
    "rescan": {"order": "schedule"},
    "expect": {"order": "schedule", "ssnr": "fsc"},
    "unfiltered_map": {},
    "low_resolution_part": {"shell": "schedule"},
    "join": {"average": "join"},
    "unpadded_transform": {},
    "maximise": {"ssnr": "fsc", "resolution_A": "schedule", "limit_A": "schedule"},
    "planes": {"start": "user", "stop": "user"},
    "add_planes": {"start": "user", "planes": "join"},
    "joined_map": {"ssnr": "fsc"},
    "release": {},
    "measured": {},
    "offer": {"things": "own"},
    "peak_memory_GB": {},
}


class Recorder(Exchange):
    """Writes down all that passes between the halves besides the join."""

    def __init__(self) -> None:
        self.told: dict[tuple[int, str], np.ndarray | State] = {}

    def fsc(self, iteration: int, curve: np.ndarray) -> np.ndarray:
        """The curve, kept."""
        self.told[iteration, "curve"] = curve.copy()
        return curve

    def state(self, iteration: int, stage: str, state: State) -> State:
        """The state, kept."""
        self.told[iteration, stage] = state
        return state


class Replay(Exchange):
    """Tells the halves what a recorded run told them."""

    def __init__(self, recorder: Recorder) -> None:
        self._told = recorder.told

    def fsc(self, iteration: int, curve: np.ndarray) -> np.ndarray:
        """The recorded curve."""
        recorded = self._told[iteration, "curve"]
        assert isinstance(recorded, np.ndarray)
        return recorded

    def state(self, iteration: int, stage: str, state: State) -> State:
        """The recorded state."""
        recorded = self._told[iteration, stage]
        assert isinstance(recorded, State)
        return recorded


def test_the_halves_are_told_only_what_may_be_told(finished: Run) -> None:
    told = {(one.method, name) for one in finished.messages for name in one.contents}
    allowed = {(method, name) for method, names in SOURCES.items() for name in names}
    assert told <= allowed
    assert {one.method for one in finished.messages} <= set(SOURCES)
    crossing = {pair for pair in told if SOURCES[pair[0]][pair[1]] in {"join", "fsc", "schedule"}}
    assert crossing >= {
        ("join", "average"),
        ("expect", "order"),
        ("expect", "ssnr"),
        ("accuracy", "size"),
        ("low_resolution_part", "shell"),
        ("maximise", "ssnr"),
        ("maximise", "resolution_A"),
    }


def test_both_halves_are_told_the_same_kinds_of_things(finished: Run) -> None:
    first, second = (
        [(one.method, one.contents) for one in finished.messages if one.half == half]
        for half in (1, 2)
    )
    assert first == second


def make_noise_of_half_2(folder: Path, data: Path, box: int) -> None:
    """Overwrite the images of half 2 by noise of the same standard deviation."""
    with_noise = particle_columns(data)["RandomSubset"] == 2
    with StackReader(folder / "set.mrcs") as reader:
        images = reader.read(np.arange(reader.count)).copy()
    draw = np.random.default_rng(5).normal(size=images[with_noise].shape)
    images[with_noise] = (draw * images.std()).astype(np.float32)
    with StackWriter(folder / "set.mrcs", box, 4.0) as writer:
        writer.append(images)


def half_content(files: IterationFiles, number: int | None, half: int) -> dict[str, bytes]:
    """All that is written of one half in an iteration, or at the end."""
    table = particle_columns(files.data(number))
    own = table["RandomSubset"] == half
    found = {f"column {name}": values[own].astype(str).tobytes() for name, values in table.items()}
    if number is None:
        return found | {"unfiltered": content(files.half_map_unfiltered(None, half))}
    paths = {
        "map": files.half_map(number, half),
        "model": files.half_model(number, half),
        "views": files.half_angdist(number, half),
    }
    found |= {name: content(path) for name, path in paths.items()}
    arrays, state = load_checkpoint(files.checkpoint(number))
    for name, value in (arrays | state).items():
        if name.startswith(f"half{half}_"):
            found[f"checkpoint {name}"] = np.asarray(value).tobytes()
    return found


def differing_parts(first: Run, second: Run, half: int) -> list[str]:
    """What is written of a half that differs between two runs, with its iteration."""
    last = first.progress.state.iteration
    assert second.progress.state.iteration == last
    odd = []
    for number in (*range(last), None):
        one, other = (half_content(run.files, number, half) for run in (first, second))
        assert one.keys() == other.keys()
        odd += [f"{name} of {number}" for name in one if one[name] != other[name]]
    return odd


@pytest.mark.parametrize("join_A", [0.0, 40.0], ids=["no join", "join"])
def test_noise_in_half_2_leaves_half_1_as_it_was(
    tiny: tuple[Path, SimulatedSet], tmp_path: Path, join_A: float
) -> None:
    """With the FSC and the schedule replayed, half 1 hears of half 2 through the low-resolution join alone."""
    options = options_of(tiny[1], symmetry="D2", low_resolution_join_A=join_A, maximum_iterations=5)
    options |= {"local_search_order": 2, "healpix_order": 1, "initial_lowpass_A": 25.0}
    first = copy_inputs(tiny[0], tmp_path / "first")
    second = copy_inputs(tiny[0], tmp_path / "second")
    recorder = Recorder()
    plain = refine_here(first, options, exchange=recorder)
    make_noise_of_half_2(second, plain.files.data(0), 32)
    noisy = refine_here(second, options, exchange=Replay(recorder))
    odd = differing_parts(plain, noisy, 1)
    if join_A:
        assert "map of 1" in odd
    else:
        assert odd == []
    assert "map of 1" in differing_parts(plain, noisy, 2)
