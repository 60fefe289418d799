"""A job's life in the database, from draft to result and on, on both kinds of database."""

import pytest

from compute.files import events
from db.errors import Refused
from db.models.records import IterationCurves, IterationRow
from db.repository import attempts, claims, iterations, jobs, nodes, progress, queue, states
from db.repository.progress import CURVES
from db.session import Database
from db.words import Ending, State, StopRequest
from tests.db import scene


def test_a_refinement_from_draft_to_result(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        job = scene.draft(session, project, "refine", "/elsewhere/particles.star", who=user)
        assert (job.number, job.folder, job.state) == (1, "Refine3D/job001", State.DRAFT)
        assert job.parameters == {"symmetry": "D2", "output": "Refine3D/job001/run"}
        queue.submit(session, job.id, who=user)
    with database.writing() as session:
        claim = claims.claim_next(session, profiles={"local"})
        assert claim is not None and claim.job.state == State.STARTING
        attempt = attempts.begin(session, job.id, launcher="local", host="mill")
        attempts.identify(session, attempt.id, pid=4711, pid_started_at=1.5)
    found: list[events.AnyEvent] = [
        scene.start(),
        events.Phase(time=scene.NOON, phase="expectation", iteration=1, total=100),
        events.Heartbeat(time=scene.NOON, phase="expectation", iteration=1, done=64, total=100),
        scene.iteration(1, 12.5),
        events.Warn(time=scene.NOON, message="One image is empty.", code="E30", iteration=1),
    ]
    with database.writing() as session:
        assert progress.record(session, job.id, found, start=0, end=900)
    with database.reading() as session:
        job = jobs.get(session, job.id)
        assert (job.state, job.last_iteration, job.resolution_A) == (State.RUNNING, 1, 12.5)
        assert job.particles == 4501
        beat = progress.latest(session, job.id)
        assert beat is not None and (beat.done, beat.total, beat.warnings) == (64, 100, 1)
        assert [one.kind for one in progress.event_list(session, job.id)] == [
            "start",
            "phase",
            "warning",
        ]
    last = [scene.iteration(2, 3.31), scene.end("converged", scene.PARTICLES, scene.MAP)]
    with database.writing() as session:
        assert progress.record(session, job.id, last, start=900, end=1500)
        job = attempts.settle(session, attempt.id, exit_status=0)
        assert (job.state, job.ending) == (State.FINISHED, Ending.COMPLETED)
    with database.reading() as session:
        job = jobs.get(session, job.id)
        assert (job.resolution_A, job.resolution_criterion) == (3.31, "FSC 0.143, unmasked")
        made = nodes.outputs(session, job.id)
        assert [(one.path, one.particles, one.pixel_size_A) for one in made] == [
            ("Refine3D/job001/run_data.star", 4501, 1.244),
            ("Refine3D/job001/run_class001.mrc", None, 1.244),
        ]
        assert [row.iteration for row in iterations.table(session, job.id)] == [1, 2]
        ended = attempts.latest(session, job.id)
        assert ended is not None and ended.environment["seed"] == 7
        assert (ended.end_reason, ended.exit_status, ended.pid) == ("converged", 0, 4711)


def test_every_figure_of_an_iteration_comes_back(database: Database) -> None:
    event = scene.iteration(1, 12.5)
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
        scene.run(session, job, scene.start(), event, scene.end())
    with database.reading() as session:
        row = iterations.one(session, job.id, 1)
        curves = iterations.curves(session, job.id, 1)
        figures = {
            name: getattr(row, name)
            for name in events.Iteration.model_fields.keys() - CURVES - {"kind"}
        }
        kept = {name: getattr(curves, name) for name in CURVES}
        assert events.Iteration.model_validate(figures | kept) == event
        assert iterations.curve(session, job.id, "fsc") == {1: [1.0, 0.9, 0.2]}


def test_the_tables_have_a_column_for_every_field_of_an_iteration() -> None:
    columns = {*IterationRow.__table__.columns.keys(), *IterationCurves.__table__.columns.keys()}
    own = {"id", "job_id", "attempt_id", "is_superseded", "iteration_id"}
    assert columns - own == events.Iteration.model_fields.keys() - {"kind"}


def test_records_that_are_read_twice_are_recorded_once(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
        queue.submit(session, job.id, who=None)
        claims.claim_next(session, profiles={"local"})
        attempts.begin(session, job.id, launcher="local")
    found: list[events.AnyEvent] = [scene.start(), scene.iteration(1, 9.0)]
    for expected in (True, False):
        with database.writing() as session:
            assert progress.record(session, job.id, found, start=0, end=500) is expected
    with database.reading() as session:
        assert progress.offset(session, job.id) == 500
        assert len(iterations.table(session, job.id)) == 1
        assert len(progress.event_list(session, job.id)) == 1


def test_an_error_between_records_leaves_neither_rows_nor_offset(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        progress.record(session, job.id, [scene.start(), scene.iteration(1)], start=0, end=500)
        raise ZeroDivisionError
    with database.reading() as session:
        assert progress.offset(session, job.id) == 0
        assert iterations.table(session, job.id) == []


def test_a_continuation_supersedes_later_iterations(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        job = scene.draft(session, project)
        first = [scene.iteration(1, 9.0), scene.iteration(2, 8.0), scene.iteration(3, 7.0)]
        scene.run(session, job, scene.start(), *first, scene.end("failed"))
        assert job.state == State.FAILED
        with pytest.raises(Refused, match="has not finished an iteration 9"):
            queue.continue_job(session, job.id, who=user, after_iteration=9)
        queue.continue_job(session, job.id, who=user, after_iteration=1)
        claims.claim_next(session, profiles={"local"})
        again = attempts.begin(session, job.id, launcher="local", progress_from=1000)
        assert (again.number, again.continued_after_iteration) == (2, 1)
        progress.record(
            session, job.id, [scene.start(1), scene.iteration(2, 6.0)], start=1000, end=2000
        )
    with database.reading() as session:
        table = iterations.table(session, job.id)
        assert [(row.iteration, row.resolution_fsc0143_A) for row in table] == [(1, 9.0), (2, 6.0)]
        everything = iterations.table(session, job.id, with_superseded=True)
        assert [row.iteration for row in everything] == [1, 2, 2, 3]
        assert jobs.get(session, job.id).number == 1


def test_a_job_at_work_cannot_get_a_second_attempt(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
        queue.submit(session, job.id, who=None)
        claims.claim_next(session, profiles={"local"})
        attempts.begin(session, job.id, launcher="local")
        with pytest.raises(Refused, match="attempt 1 of job 1 has not ended"):
            attempts.begin(session, job.id, launcher="local")


def test_stopping(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        waits, runs = scene.draft(session, project), scene.draft(session, project)
        queue.submit(session, runs.id, who=user)
        claims.claim_next(session, profiles={"local"})
        attempt = attempts.begin(session, runs.id, launcher="local")
        queue.submit(session, waits.id, who=user)
        states.request_stop(session, waits.id, StopRequest.NOW, who=user)
        assert (waits.state, waits.ending) == (State.FINISHED, Ending.STOPPED)
        states.request_stop(session, runs.id, StopRequest.AFTER_ITERATION, who=user)
        states.request_stop(session, runs.id, StopRequest.NOW, who=user)
        states.request_stop(session, runs.id, StopRequest.AFTER_ITERATION, who=user)
        assert (runs.state, runs.stop_request) == (State.STOPPING, StopRequest.NOW)
        attempts.settle(session, attempt.id, reason="stopped", message="Stopped.", exit_status=143)
        assert (runs.state, runs.ending, runs.stop_request) == (
            State.FINISHED,
            Ending.STOPPED,
            None,
        )
        with pytest.raises(Refused, match="nothing to stop"):
            states.request_stop(session, runs.id, StopRequest.NOW, who=user)
