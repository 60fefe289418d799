"""Repeated, stopped and continued refinements give the same files, alone and under MPI."""

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compute.files import events
from compute.files.continuation import last_complete
from compute.files.errors import InputError
from compute.files.progress import ProgressWriter, read_progress
from compute.files.relion import FINAL_NAMES, UNSCORED, read_exit_marker
from compute.jobs.simulate import SimulatedSet
from tests.compute.jobs.refining import (
    ITERATIONS,
    Run,
    check_close,
    copy_inputs,
    differing,
    iterations_in,
    particle_columns,
    processes_of,
    refine_here,
    refine_ranks,
    short_options,
    start_ranks,
    wait_until,
    wait_until_gone,
)

Tiny = tuple[Path, SimulatedSet]


# ---- the same seed twice


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_seed_gives_the_same_files(
    alone: Run, tiny: Tiny, tmp_path: Path, threads: int
) -> None:
    """Bit for bit, also where the halves and their images are shared out over threads."""
    again = refine_here(copy_inputs(tiny[0], tmp_path / "job"), short_options(tiny[1]), threads)
    assert differing(alone.files.folder, again.files.folder) == []


def test_another_seed_gives_other_halves(alone: Run, tiny: Tiny, tmp_path: Path) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    other = refine_here(
        folder, short_options(tiny[1]) | {"random_seed": 2, "maximum_iterations": 1}
    )
    first, second = (
        particle_columns(run.files.data(None))["RandomSubset"] for run in (alone, other)
    )
    assert not np.array_equal(first, second)


def test_three_processes_repeat_themselves(three: Path, tiny: Tiny, tmp_path: Path) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    refine_ranks(folder, short_options(tiny[1]), 3)
    assert differing(three / "out", folder / "out") == []


def test_the_start_record_names_every_process(three: Path) -> None:
    start = read_progress(three / "out" / "progress.jsonl")[0]
    assert isinstance(start, events.Start)
    roles = {rank.rank: rank.role for rank in start.ranks}
    assert roles == {0: "leader", 1: "half 1", 2: "half 2"}
    assert len({rank.pid for rank in start.ranks}) == 3


@pytest.mark.slow
def test_five_processes_repeat_themselves(tiny: Tiny, tmp_path: Path) -> None:
    folders = [copy_inputs(tiny[0], tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        refine_ranks(folder, short_options(tiny[1]), 5)
    assert differing(folders[0] / "out", folders[1] / "out") == []


def test_three_processes_give_what_one_gives(alone: Run, three: Path) -> None:
    """Bit for bit: each half is one worker in both. Only the number of processes in the checkpoints differs."""
    odd = differing(alone.files.folder, three / "out")
    assert all(name.endswith("_checkpoint.npz") for name in odd)


def test_the_number_of_workers_changes_rounding_only(
    three: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """Sums over images are added worker by worker.

    Measured after 5 iterations, between 3 and 5 processes: maps 2.6e-4 of their standard deviation at most, poses
    0.008 degrees and 1.5e-4 Å; with images handed out to whoever is free ten times as much, which half floats of the
    sliced volume make of a difference in its last digit. Some four times the larger ones are allowed.
    """
    folder = copy_inputs(tiny[0], tmp_path / "job")
    refine_ranks(folder, short_options(tiny[1]), 5)
    check_close(three, folder)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [5, 7])
def test_a_whole_refinement_does_not_depend_on_the_number_of_workers(
    finished: Run, tmp_path: Path, ranks: int
) -> None:
    """To convergence, in as many iterations.

    Measured against one process: maps 2e-4 of their standard deviation at most (FSC above 0.9999999), poses 0.004
    degrees and 6e-5 Å. Ten times that is allowed.
    """
    folder = copy_inputs(finished.folder, tmp_path / "job")
    refine_ranks(folder, finished.params.model_dump(exclude_unset=True), ranks)
    assert iterations_in(folder) == iterations_in(finished.folder)
    check_close(finished.folder, folder, map_part=2e-3, angle_deg=0.04)


# ---- stop and continue


def continue_here(run: Run, folder: Path, after: int, **given: Any) -> Run:
    """A copy of a run's folder, continued after an iteration."""
    if not folder.exists():
        shutil.copytree(run.folder, folder)
    path = f"out/run_it{after:03d}_optimiser.star"
    return refine_here(folder, {"continue_from": path, "threads": 1} | given)


@pytest.mark.parametrize("after", range(ITERATIONS))
def test_a_continued_run_is_the_uninterrupted_one(alone: Run, tmp_path: Path, after: int) -> None:
    again = continue_here(alone, tmp_path / "job", after)
    assert differing(alone.files.folder, again.files.folder) == []
    moved = again.files.folder / "superseded" / "attempt01"
    names = {path.name for path in alone.files.folder.glob("run_*")}
    numbers = {name: alone.files.iteration_of(alone.files.folder / name) for name in names}
    later = {name for name, number in numbers.items() if number is None or number > after}
    assert {path.name for path in moved.iterdir()} == later
    assert {f"run_{name}" for name in FINAL_NAMES if name != UNSCORED} <= later
    for name in later:
        assert (moved / name).read_bytes() == (alone.files.folder / name).read_bytes()
    starts = [
        one for one in read_progress(again.files.job.progress) if isinstance(one, events.Start)
    ]
    assert [(one.attempt, one.continued_after_iteration) for one in starts] == [
        (1, None),
        (2, after),
    ]


def test_every_continuation_keeps_what_it_replaces(alone: Run, tmp_path: Path) -> None:
    continue_here(alone, tmp_path / "job", 3)
    first = tmp_path / "job" / "out" / "superseded" / "attempt01"
    kept = {path.name: path.read_bytes() for path in first.iterdir()}
    continue_here(alone, tmp_path / "job", 4)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == kept
    assert (first.parent / "attempt02" / "run_class001.mrc").is_file()


def test_options_given_anew_count_and_others_stay(alone: Run, tmp_path: Path) -> None:
    longer = continue_here(alone, tmp_path / "job", 4, maximum_iterations=ITERATIONS + 1)
    assert longer.progress.state.iteration == ITERATIONS + 1
    start = next(
        one
        for one in reversed(read_progress(longer.files.job.progress))
        if isinstance(one, events.Start)
    )
    assert start.parameters["symmetry"] == "D2"
    assert start.parameters["maximum_iterations"] == ITERATIONS + 1


def test_a_moved_job_writes_where_it_is(alone: Run, tmp_path: Path) -> None:
    shutil.copytree(alone.folder, tmp_path / "job")
    (tmp_path / "job" / "out").rename(tmp_path / "job" / "elsewhere")
    path = "elsewhere/run_it004_optimiser.star"
    run = refine_here(tmp_path / "job", {"continue_from": path})
    assert run.progress.state.is_finished
    assert not (tmp_path / "job" / "out").exists()
    start = next(
        one
        for one in reversed(read_progress(tmp_path / "job" / "elsewhere" / "progress.jsonl"))
        if isinstance(one, events.Start)
    )
    assert start.parameters["output"] == "elsewhere/run"


def test_a_finished_result_cannot_be_continued(alone: Run, tmp_path: Path) -> None:
    shutil.copytree(alone.folder, tmp_path / "job")
    wrong = {"continue_from": "out/run_optimiser.star", "output": "out/run"}
    with pytest.raises(InputError, match="run_it004_optimiser"):
        refine_here(tmp_path / "job", wrong)


@pytest.mark.parametrize("is_recorded", [False, True])
def test_no_iteration_is_gone_on_from_without_its_record(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    """A job that ends between the two, just before or after the record of its second iteration is written."""
    write = ProgressWriter.write

    def ending(self: ProgressWriter, event: events.AnyEvent) -> None:
        is_second = isinstance(event, events.Iteration) and event.iteration == 2
        if is_recorded or not is_second:
            write(self, event)
        if is_second:
            raise SystemExit(143)

    folder = copy_inputs(tiny[0], tmp_path / "job")
    with monkeypatch.context() as patch:
        patch.setattr(ProgressWriter, "write", ending)
        with pytest.raises(SystemExit):
            refine_here(folder, short_options(tiny[1]))
    assert iterations_in(folder) == [1, 2][: 1 + is_recorded]
    assert last_complete(folder / "out" / "run") == 1
    assert list((folder / "out").glob("*.tmp")) == []
    refine_here(folder, {"continue_from": "out/run_it001_optimiser.star"})
    assert iterations_in(folder)[1 + is_recorded :] == list(range(2, ITERATIONS + 1))


# ---- stopped processes


def test_a_stopped_job_goes_on_as_if_nothing_had_been(
    three: Path, tiny: Tiny, tmp_path: Path
) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    process, job_id = start_ranks(folder, short_options(tiny[1]), 3)
    assert wait_until(lambda: len(iterations_in(folder)) >= 2, process, 400.0)
    assert len(processes_of(job_id)) >= 4
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) != 0
    assert wait_until_gone(job_id)
    end = read_progress(folder / "out" / "progress.jsonl")[-1]
    assert isinstance(end, events.End)
    assert end.reason == "stopped"
    assert read_exit_marker(folder / "out") == "aborted"
    done = iterations_in(folder)[-1]
    assert done < ITERATIONS
    path = f"out/run_it{done:03d}_optimiser.star"
    refine_ranks(folder, {"continue_from": path, "threads": 1}, 3)
    assert differing(three / "out", folder / "out") == []
