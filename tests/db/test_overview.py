"""What the home page and the lists show, and the list of who did what."""

from dataclasses import replace
from datetime import timedelta

from db.repository import (
    audit,
    bin,
    claims,
    jobs,
    marks,
    members,
    overview,
    people,
    projects,
    queue,
    sight,
    visits,
)
from db.repository.overview import JobFilter
from db.repository.sight import Glimpse
from db.session import Database
from db.words import Role, State
from tests.db import scene
from tests.db.conftest import Clock


def test_the_home_page(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        ana, gal = scene.lab(session)
        ben, other = scene.lab(session, "ben", "ribosome")
        runs, waits, fails, done = (scene.draft(session, gal, who=ana) for _ in range(4))
        scene.run(session, done, scene.start(), scene.iteration(1, 9.0), scene.end())
        scene.run(session, fails, scene.start(), scene.end("failed"))
        theirs = scene.draft(session, other, who=ben)
        scene.run(session, theirs, scene.start(), scene.end("failed"))
        queue.submit(session, runs.id, who=ana)
        claims.claim_next(session, profiles={"local"})
        queue.submit(session, waits.id, who=ana)
        visits.note(session, gal.id, ana)
    with database.reading() as session:
        home = overview.home(session, ana)
        assert [(line.job.id, line.author) for line in home.running] == [(runs.id, "ana")]
        assert [line.job.id for line in home.waiting] == [waits.id]
        assert [line.job.id for line in home.attention] == [fails.id]
        (recent,) = home.recent
        assert (recent.project.id, recent.jobs, recent.at_work) == (gal.id, 4, 1)
        assert recent.best_resolution_A == 3.31
        assert [line.job.id for line in overview.home(session, ben).running] == [runs.id]
        assert overview.running_count(session) == 1
    clock.forward(timedelta(days=8).total_seconds())
    with database.reading() as session:
        assert overview.home(session, ana).attention == []


def test_lists_of_jobs_are_filtered_and_paged(database: Database) -> None:
    with database.writing() as session:
        ana, project = scene.lab(session)
        ben = people.create_user(session, "ben", who=None).id
        for number in range(1, 8):
            job = scene.draft(session, project, "refine" if number % 2 else "mask", who=ana)
            jobs.rename(session, job.id, f"100% try {number}", who=ana)
        last = jobs.find(session, project.id, "7")
        last.created_by = ben
        marks.set_star(session, last.id, ana, True)
        marks.add_tag(session, last.id, "best", who=ana)
        queue.submit(session, last.id, who=ana)

        def numbers(wanted: JobFilter) -> list[int]:
            found = overview.job_list(session, project.id, user_id=ana, wanted=wanted)
            return [line.job.number for line in found]

        assert numbers(JobFilter()) == [7, 6, 5, 4, 3, 2, 1]
        assert numbers(JobFilter(types=["mask"])) == [6, 4, 2]
        assert numbers(JobFilter(author_id=ben)) == [7]
        assert numbers(JobFilter(states=[State.WAITING])) == [7]
        assert numbers(JobFilter(text="% TRY 3")) == [3]
        assert numbers(JobFilter(text="_")) == []
        assert numbers(JobFilter(tag="#best", starred_only=True)) == [7]
        page = overview.job_list(session, project.id, before_number=4, limit=2)
        assert [line.job.number for line in page] == [3, 2]
        assert [line.job.number for line in overview.jobs(session, ana, limit=2)] == [7, 6]
        assert overview.jobs(session, ben) == []


def test_versions_tell_what_has_changed(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        first, second = scene.draft(session, project), scene.draft(session, project)
        before = overview.versions(session, project.id)
        jobs.rename(session, second.id, "new", who=user)
        session.flush()
        after = overview.versions(session, project.id)
        assert after[first.id] == before[first.id] and after[second.id] > before[second.id]
        entries = audit.entries(session, job_id=second.id)
        assert [(one.action, one.user_id) for one in entries] == [
            ("renamed job", user),
            ("created job", None),
        ]
        assert entries[0].details == {"before": "", "after": "new"}


def test_glimpses_are_of_whoever_sees_the_job_and_change_with_it(database: Database) -> None:
    with database.writing() as session:
        ana, gal = scene.lab(session)
        ben = people.create_user(session, "ben", who=None).id
        job = scene.draft(session, gal, who=ana)
        project_id, job_id = gal.id, job.id
        known = Glimpse(job.version, gal.version, Role.OWNER)
    pairs = [(job_id, ana), (job_id, ben), (job_id + 1, ana), (job_id, ben + 1)]

    def found() -> dict[tuple[int, int], Glimpse]:
        with database.reading() as session:
            return sight.glimpses(session, pairs)

    assert found() == {(job_id, ana): known}
    with database.writing() as session:
        jobs.rename(session, job_id, "better", who=ana)
        members.set_role(session, project_id, ben, Role.VIEWER, who=ana)
    of_ana, of_ben = found()[job_id, ana], found()[job_id, ben]
    assert of_ana.job_version > known.job_version
    assert of_ana.project_version > known.project_version
    assert of_ben == replace(of_ana, role=Role.VIEWER)
    with database.writing() as session:
        members.set_role(session, project_id, ben, None, who=ana)
    assert found().keys() == {(job_id, ana)}
    with database.writing() as session:
        bin.move_to_bin(session, [job_id], who=ana)
    assert found() == {}
    with database.writing() as session:
        bin.restore(session, job_id, who=ana)
    assert found().keys() == {(job_id, ana)}
    with database.writing() as session:
        projects.move_to_bin(session, project_id, who=ana)
    assert found() == {}
