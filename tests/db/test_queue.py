"""Which job starts next, what it holds, and what the others are told."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.models.jobs import Job
from db.models.projects import Project
from db.models.queue import GpuHold, Hold
from db.repository import attempts, bin, claims, jobs, leases, machines, queue, states
from db.repository.jobs import Needs
from db.repository.nodes import Input
from db.session import Database
from db.words import STEPS, Ending, State, check_step
from tests.db import scene
from tests.db.conftest import Clock

ONE_GPU = Needs(cores=2, gpus=1)
TWO_GPUS = Needs(cores=2, gpus=2)


def mill(session: Session, cores: int = 16, gpus: int = 2) -> None:
    rows = [{"index": one, "name": "card", "memory_GB": 24.0} for one in range(gpus)]
    machines.register(session, "mill", cores=cores, memory_GB=64.0, gpus=rows)


def submitted(session: Session, project: Project, needs: Needs, priority: int = 0) -> Job:
    job = scene.draft(session, project, needs=needs)
    job.priority = priority
    return queue.submit(session, job.id, who=None)


def claim(session: Session) -> claims.Claim | None:
    return claims.claim_next(session, profiles={"local"}, machine="mill")


def test_two_jobs_never_have_one_gpu_and_the_next_is_told_who_holds_them(
    database: Database,
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        mill(session)
        first, second = (submitted(session, project, ONE_GPU) for _ in range(2))
        third = submitted(session, project, TWO_GPUS)
        taken = [claim(session), claim(session), claim(session)]
        assert [(one.job.id, one.gpus) if one else None for one in taken] == [
            (first.id, (0,)),
            (second.id, (1,)),
            None,
        ]
        assert third.reason == "needs 2 GPUs, job 1 and job 2 hold them"
        assert [(one.job.number, one.gpus) for one in machines.held(session, "mill")] == [
            (1, (0,)),
            (2, (1,)),
        ]
        states.set_state(session, first.id, State.FAILED)
        assert claim(session) is None
        assert third.reason == "needs 2 GPUs, job 2 holds them"
        states.set_state(session, second.id, State.FINISHED)
        found = claim(session)
        assert found is not None and (found.job.id, found.gpus) == (third.id, (0, 1))
        assert third.reason == ""
        assert machines.gpus_of(session, third.id) == (0, 1)
    with pytest.raises(IntegrityError), database.writing() as session:
        session.add(Hold(job_id=first.id, machine="mill", cores=1, since=scene.NOON))
        session.flush()
        session.add(GpuHold(machine="mill", gpu=0, job_id=first.id))


def test_a_large_job_is_not_overtaken_for_ever_by_small_ones(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        mill(session, cores=4, gpus=2)
        running = submitted(session, project, Needs(cores=1, gpus=1))
        assert claim(session) is not None
        large = submitted(session, project, Needs(cores=1, gpus=2))
        small = submitted(session, project, Needs(cores=1, gpus=1))
        without = submitted(session, project, Needs(cores=1))
        found = claim(session)
        assert found is not None and found.job.id == without.id
        assert large.reason == "needs 2 GPUs, job 1 holds them"
        assert "job 2, which came first" in small.reason
        states.set_state(session, running.id, State.FINISHED)
        found = claim(session)
        assert found is not None and found.job.id == large.id


def test_priority_goes_before_the_order_of_submission(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        order = []
        for priority in (0, 5, 0, 5):
            clock.forward(1)
            order.append(submitted(session, project, jobs.NO_NEEDS, priority))
        queue.set_priority(session, order[2].id, 9, who=None)
        taken = [claims.claim_next(session, profiles={"local"}) for _ in range(5)]
        numbers = [one.job.number if one else None for one in taken]
        assert numbers == [3, 2, 4, 1, None]


def test_what_a_machine_does_not_have_is_said_and_holds_nobody_up(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        mill(session, cores=4, gpus=0)
        wide = submitted(session, project, Needs(cores=8, gpus=1, memory_GB=100.0))
        small = submitted(session, project, Needs(cores=4))
        found = claim(session)
        assert found is not None and found.job.id == small.id
        assert wide.reason == (
            "needs 1 GPU and 8 cores and 100.0 GB of memory, which mill does not have"
        )
        with pytest.raises(NotFound, match="the machine moon is not known"):
            claims.claim_next(session, profiles={"local"}, machine="moon")


def test_jobs_of_other_profiles_are_left_to_others(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = submitted(session, project, Needs(profile="cluster", cores=400))
        assert claims.claim_next(session, profiles={"local"}) is None
        found = claims.claim_next(session, profiles={"cluster"})
        assert found is not None and found.job.id == job.id
        assert session.scalars(select(Hold)).all() == []


def test_a_chain_starts_link_by_link_and_each_link_knows_what_it_waits_for(
    database: Database,
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        extract = scene.draft(session, project, "extract", "/raw/micrographs.star")
        refine = scene.draft(session, project, "refine", "Extract/job001/particles.star")
        mask = scene.draft(
            session, project, "mask", "/data/beta-gal/Refine3D/job002/run_class001.mrc"
        )
        for job in (mask, refine):
            queue.submit(session, job.id, who=None)
        assert claims.claim_next(session, profiles={"local"}) is None
        assert refine.reason == "waits for job 1 (extract), which has not been submitted"
        assert mask.reason == "waits for job 2 (refine) to finish"
        scene.run(session, extract, scene.start(), scene.end("failed"))
        assert claims.claim_next(session, profiles={"local"}) is None
        assert refine.reason.startswith("waits for job 1 (extract), which failed")
        assert queue.continue_job(session, extract.id, who=None).state == State.WAITING
        for expected in (extract, refine, mask):
            found = claims.claim_next(session, profiles={"local"})
            assert found is not None and found.job.id == expected.id
            assert claims.claim_next(session, profiles={"local"}) is None
            attempt = attempts.begin(session, expected.id, launcher="local")
            attempts.settle(session, attempt.id, reason="finished")


def test_a_file_of_an_iteration_that_is_there_is_not_waited_for(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        refine = submitted(session, project, jobs.NO_NEEDS)
        claims.claim_next(session, profiles={"local"})
        path = f"{refine.folder}/run_it003_half1_class001.mrc"
        given = [Input("map", path, waits=False)]
        mask = jobs.create(session, project.id, "mask", {}, who=None, inputs=given)
        queue.submit(session, mask.id, who=None)
        found = claims.claim_next(session, profiles={"local"})
        assert found is not None and found.job.id == mask.id


def test_a_stopped_parent_counts_for_what_it_has_made(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        parent = scene.draft(session, project)
        reads_made = scene.draft(session, project, "mask", f"{parent.folder}/run_class001.mrc")
        reads_missing = scene.draft(session, project, "mask", f"{parent.folder}/run_data.star")
        scene.run(session, parent, scene.start(), scene.end("stopped", scene.MAP))
        assert parent.ending == Ending.STOPPED
        for job in (reads_missing, reads_made):
            queue.submit(session, job.id, who=None)
        found = claims.claim_next(session, profiles={"local"})
        assert found is not None and found.job.id == reads_made.id
        assert claims.claim_next(session, profiles={"local"}) is None
        assert "was stopped before it made Refine3D/job001/run_data.star" in reads_missing.reason


def test_a_deleted_parent_is_named(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        parent = scene.draft(session, project)
        child = scene.draft(session, project, "mask", f"{parent.folder}/run_class001.mrc")
        bin.move_to_bin(session, [parent.id], who=None)
        queue.submit(session, child.id, who=None)
        assert claims.claim_next(session, profiles={"local"}) is None
        assert child.reason.endswith("run_class001.mrc of job 1 (refine), which was deleted")


def test_a_paused_queue_starts_nothing_and_says_who_paused_it(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        job = submitted(session, project, jobs.NO_NEEDS)
        queue.pause(session, "new graphics card", who=user)
        assert claims.claim_next(session, profiles={"local"}) is None
        assert job.reason == "the queue was paused by ana: new graphics card"
        queue.resume(session, who=user)
        assert claims.claim_next(session, profiles={"local"}) is not None


def test_a_job_that_could_not_be_launched_waits_again(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        mill(session)
        job = submitted(session, project, ONE_GPU)
        claim(session)
        attempt = attempts.begin(session, job.id, launcher="local")
        attempts.abandon(session, attempt.id, "Slurm does not answer")
        assert (job.state, job.reason) == (State.WAITING, "Slurm does not answer")
        assert machines.held(session, "mill") == []
        assert claim(session) is not None
        assert attempts.begin(session, job.id, launcher="local").number == 2


def test_every_step_that_is_not_in_the_table_is_refused() -> None:
    for before in State:
        for after in State:
            if after in STEPS[before]:
                check_step(before, after, "job 1")
            else:
                with pytest.raises(Refused, match=f"job 1 is {before} and cannot become {after}"):
                    check_step(before, after, "job 1")
    assert {state.value for state in State} == {
        *("draft", "waiting", "starting", "running", "stopping", "finished", "failed")
    }


def test_only_drafts_are_submitted_and_only_waiting_jobs_withdrawn(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = submitted(session, project, jobs.NO_NEEDS)
        with pytest.raises(Refused, match="is waiting: only a draft"):
            queue.submit(session, job.id, who=None)
        with pytest.raises(Refused, match="only a job that has ended is continued"):
            queue.continue_job(session, job.id, who=None)
        with pytest.raises(Refused, match="its parameters change only before"):
            jobs.change(session, job.id, {}, who=None)
        assert queue.withdraw(session, job.id, who=None).state == State.DRAFT
        with pytest.raises(Refused, match="is draft: only a job that waits"):
            queue.withdraw(session, job.id, who=None)


def test_one_process_at_a_time_holds_an_office_until_it_expires(
    database: Database, clock: Clock
) -> None:
    def take(session: Session, holder: str) -> int | None:
        return leases.take(session, leases.SUPERVISOR, holder, 30, host="mill", pid=7)

    with database.writing() as session:
        assert take(session, "a") == 1
        assert take(session, "b") is None
        assert take(session, "a") == 1
        clock.forward(29)
        assert leases.renew(session, leases.SUPERVISOR, "a", 1, 30)
        clock.forward(29)
        assert take(session, "b") is None
        found = leases.holder(session, leases.SUPERVISOR)
        assert found is not None and (found.holder, found.host, found.pid) == ("a", "mill", 7)
        clock.forward(2)
        assert leases.holder(session, leases.SUPERVISOR) is None
        assert take(session, "b") == 2
        assert not leases.renew(session, leases.SUPERVISOR, "a", 1, 30)
        leases.give_back(session, leases.SUPERVISOR, "a")
        assert leases.renew(session, leases.SUPERVISOR, "b", 2, 30)
        leases.give_back(session, leases.SUPERVISOR, "b")
        assert take(session, "a") == 3


def test_a_clock_that_jumps_back_gives_nobody_a_second_holder(
    database: Database, clock: Clock
) -> None:
    with database.writing() as session:
        leases.take(session, leases.SUPERVISOR, "a", 30, host="mill", pid=7)
        clock.forward(-3600)
        assert leases.take(session, leases.SUPERVISOR, "b", 30, host="mill", pid=8) is None
        assert leases.renew(session, leases.SUPERVISOR, "a", 1, 30)
        clock.forward(31)
        assert leases.take(session, leases.SUPERVISOR, "b", 30, host="mill", pid=8) == 2
