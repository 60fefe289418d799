from datetime import UTC, datetime, timedelta

import pytest

from compute.files.events import End, Heartbeat, Phase, Warn
from db.models.jobs import Job
from db.words import Ending, State
from tests.webapp.components.rows import EXTENT_A, curve, iteration, start
from webapp.components.fsc_plot import Limits
from webapp.components.headline import (
    activity,
    duration,
    headline,
    hero_html,
    run_left,
    sentence,
    time_left_s,
)
from webapp.pages.explain import explain_fsc
from webapp.records import JobRecords, extended

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def job(state: State, **figures: object) -> Job:
    return Job(id=1, number=7, type="refine", state=state, folder="Refine3D/job007", **figures)


def running(*events: object) -> JobRecords:
    return extended(JobRecords(), [start(time=NOW - timedelta(minutes=5)), *events], 1)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (41, "41 s"),
        (425, "7 min 05 s"),
        (7380, "2 h 03 min"),
        (None, "–"),
        (0.2, "under 1 s"),
        (0.0, "0 s"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_the_number_names_criterion_mask_and_maps() -> None:
    row = iteration(2, resolution_fsc0143_A=3.308)
    found = headline(running(row), row)
    assert found.number == "3.31"
    assert found.meaning == "FSC 0.143 · unmasked · half-maps of iteration 2"
    assert found.working == "refining to 12.50 Å (half-set FSC 0.5)"


@pytest.mark.parametrize(
    ("resolution_A", "given", "words"),
    [
        (40.0, {}, "kept the same for everything coarser than 40 Å"),
        (50.0, {}, "the map may be worse than 40 Å until the halves agree on finer detail."),
        (20.0, {"initial_lowpass_A": 20.0}, "Both half-maps began with the same map of 20 Å"),
        (50.0, {"join_halves_A": None}, "Both half-maps began with the same map of 50 Å"),
        (39.0, {}, ""),
        (60.0, {"join_halves_A": None, "initial_lowpass_A": None}, ""),
    ],
)
def test_a_resolution_held_by_what_the_halves_share_is_explained(
    resolution_A: float, given: dict[str, float | None], words: str
) -> None:
    row = iteration(2, resolution_fsc0143_A=resolution_A)
    records = extended(JobRecords(), [start(**given)], 1)
    text = hero_html(job(State.RUNNING), "Job 7", "ana", records, row)
    assert ('class="held"' in text) == bool(words)
    assert words in text
    told = records.start
    assert told is not None
    limits = Limits(EXTENT_A, 4.0, lowpass_A=told.initial_lowpass_A, join_A=told.join_halves_A)
    said = explain_fsc(row, limits)
    assert (words in said) if words else said.startswith("The halves agree to ")


def test_a_map_that_the_pixel_size_limits_says_so() -> None:
    row = iteration(2, fsc=[1.0] * 51)
    assert headline(running(row), row).meaning.startswith("at Nyquist, limited by the pixel size")


def test_the_sentence_of_a_running_job_is_the_engine_s() -> None:
    row = iteration(2, time=NOW)
    assert sentence(job(State.RUNNING), running(row), NOW) == row.explanation


def test_silence_is_said_after_two_minutes() -> None:
    records = running(iteration(1, time=NOW - timedelta(minutes=4)))
    assert sentence(job(State.RUNNING), records, NOW).startswith("No sign of life for 4 min 00 s")


def test_a_job_without_output_says_so() -> None:
    assert sentence(job(State.RUNNING), JobRecords(), NOW) == "Started, no output yet."


def test_failed_and_waiting_jobs_say_why() -> None:
    assert sentence(job(State.FAILED, reason="Out of memory."), JobRecords()) == "Out of memory."
    waits = sentence(job(State.WAITING, reason="needs 2 GPUs"), JobRecords())
    assert waits == "Waiting: needs 2 GPUs."


def test_a_stopped_job_can_be_continued() -> None:
    stopped = job(State.FINISHED, ending=Ending.STOPPED)
    assert sentence(stopped, running(iteration(3))).startswith("Stopped after iteration 3.")


def test_the_time_left_counts_down_from_the_last_sign_of_life() -> None:
    phase = Phase(phase="expectation", iteration=3, total=100, time=NOW - timedelta(seconds=30))
    beat = Heartbeat(
        phase="expectation", iteration=3, done=25, total=100, seconds_left=60.0,
        time=NOW - timedelta(seconds=10),
    )  # fmt: skip
    records = running(iteration(2), phase, beat)
    assert time_left_s(records, NOW) == pytest.approx(50.0)
    words, share = activity(records, NOW)
    assert words == "Iteration 3: comparing every particle with the map, about 50 s left in it"
    assert share == 0.25


def test_before_a_sign_of_life_the_last_iteration_is_the_measure() -> None:
    phase = Phase(phase="expectation", iteration=3, total=100, time=NOW - timedelta(seconds=2))
    assert time_left_s(running(iteration(2, seconds=9.0), phase), NOW) == pytest.approx(7.0)


def test_a_continuation_replaces_later_iterations() -> None:
    first = [start(), iteration(1), iteration(2), iteration(3), Warn(message="once")]
    again = [start(continued_after_iteration=1), iteration(2, seconds=1.0)]
    records = extended(JobRecords(), [*first, End(reason="stopped"), *again], 9)  # type: ignore[list-item]
    assert [row.iteration for row in records.iterations] == [1, 2]
    assert records.iterations[1].seconds == 1.0
    assert records.end is None
    assert len(records.warnings) == 1


def test_a_new_start_forgets_the_earlier_run() -> None:
    records = extended(JobRecords(), [start(), iteration(1), Warn(message="old"), start()], 1)  # type: ignore[list-item]
    assert records.iterations == () and records.warnings == ()


def test_what_remains_of_the_run_is_said_as_far_as_it_is_known() -> None:
    assert "not fine enough" in run_left([iteration(1)])
    assert run_left([iteration(1, is_final=True)]) == ""
    assert run_left([iteration(1, has_converged=True)]) == "the final iteration remains"


def test_the_head_escapes_what_people_type() -> None:
    text = hero_html(job(State.RUNNING), "<b>x</b>", "Ana", running(iteration(1)), iteration(1))
    assert "<b>x</b>" not in text and "&lt;b&gt;x" in text


LIMITS = Limits(extent_A=EXTENT_A, nyquist_A=4.0)


def test_the_curve_is_explained_with_its_traps() -> None:
    assert "limited by its pixel size" in explain_fsc(iteration(1, fsc=[1.0] * 51), LIMITS)
    dips = iteration(1, fsc=curve(20), has_dip=True, resolution_after_dip_A=6.0)
    assert "above it again until 6.00 Å" in explain_fsc(dips, LIMITS)
    assert "finer pixels" in explain_fsc(iteration(1, fsc=curve(45)), LIMITS)
    assert "first curve" in explain_fsc(None, LIMITS)


def test_the_mask_is_named_and_the_figure_without_it_stands_beside() -> None:
    masked = {"is_solvent_corrected": True, "fsc_mask": "envelope", "resolution_unmasked_A": 4.5}
    found = headline(running(row := iteration(2, **masked)), row)
    assert "inside the molecule's envelope" in found.meaning
    assert found.working.endswith("without mask 4.50 Å")


def test_small_words_are_right() -> None:
    ranks = start().ranks
    for count, words in ((1, "1 process on "), (len(ranks), f"{len(ranks)} processes on ")):
        records = extended(JobRecords(), [start(ranks=ranks[:count])], 1)
        assert words in hero_html(job(State.RUNNING), "Job 7", "ana", records, None)
    failed = job(State.FAILED, reason="no voxel reaches the threshold")
    assert sentence(failed, JobRecords()) == "No voxel reaches the threshold"


def test_a_job_that_is_no_refinement_has_no_first_iteration() -> None:
    mask = Job(id=1, number=7, type="mask", state=State.RUNNING, folder="MaskCreate/job007")
    records = running(Phase(phase="edge", time=NOW))
    assert sentence(mask, records, NOW) == "At work: the result comes at its end."
    assert sentence(job(State.RUNNING), records, NOW) == "The first iteration is under way."


def test_what_is_nearly_done_has_no_seconds_left() -> None:
    phase = Phase(phase="expectation", iteration=2, total=10, time=NOW - timedelta(seconds=9))
    beat = Heartbeat(phase="expectation", done=9, total=10, seconds_left=0.4, time=NOW)
    assert activity(running(phase, beat), NOW)[0] == (
        "Iteration 2: comparing every particle with the map, nearly done"
    )
