"""People are told what concerns them, once, and only while they may see it; visits remember what is new."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.models.projects import Project
from db.repository import (
    claims,
    jobs,
    marks,
    members,
    notices,
    overview,
    people,
    projects,
    queue,
    states,
    talk,
    visits,
)
from db.session import Database
from db.words import Role, State, StopRequest
from tests.db import scene
from tests.db.conftest import Clock


def lab(session: Session) -> tuple[int, int, Project]:
    """Ana's project in which Ben edits."""
    ana, gal = scene.lab(session)
    ben = people.create_user(session, "ben", who=None, full_name="Ben Bo").id
    members.set_role(session, gal.id, ben, Role.EDITOR, who=None)
    notices.mark_read(session, ben)
    return ana, ben, gal


def told(session: Session, user_id: int) -> list[tuple[str, int | None, str, str]]:
    return [
        (str(one.notice.news), one.job and one.job.number, one.by, one.notice.text)
        for one in notices.newest(session, user_id)
        if one.notice.read_at is None
    ]


def test_the_author_of_a_job_is_told_how_it_ended(database: Database) -> None:
    with database.writing() as session:
        ana, ben, gal = lab(session)
        for reason in ("converged", "failed", "stopped"):
            scene.run(session, scene.draft(session, gal, who=ana), scene.start(), scene.end(reason))
        nobodys = scene.draft(session, gal)
        scene.run(session, nobodys)
        own = scene.draft(session, gal, who=ana)
        queue.submit(session, own.id, who=ana)
        states.request_stop(session, own.id, StopRequest.NOW, who=ana)
        theirs = scene.draft(session, gal, who=ana)
        queue.submit(session, theirs.id, who=ana)
        states.request_stop(session, theirs.id, StopRequest.NOW, who=ben)
        assert told(session, ana) == [
            ("stopped", 6, "", "stopped before it was started"),
            ("stopped", 3, "", "The refinement has stopped."),
            ("failed", 2, "", "The refinement has failed."),
            ("finished", 1, "", "The refinement has converged."),
        ]
        assert told(session, ben) == []
        assert notices.unread(session, ana) == 4
        newest = notices.newest(session, ana)
        notices.mark_read(session, ana, ids=[newest[0].notice.id])
        notices.mark_read(session, ana, job_id=newest[1].notice.job_id)
        assert notices.unread(session, ana) == 2
        notices.mark_read(session, ben, up_to=newest[0].notice.id)
        assert notices.unread(session, ana) == 2
        notices.mark_read(session, ana, up_to=newest[0].notice.id)
        assert notices.unread(session, ana) == 0
        older = notices.newest(session, ana, before_id=newest[1].notice.id, limit=1)
        assert [one.notice.id for one in older] == [newest[2].notice.id]


def test_a_job_that_waits_is_told_once_and_forgotten_when_it_goes_on(database: Database) -> None:
    with database.writing() as session:
        ana, _, gal = lab(session)
        first = scene.draft(session, gal, who=ana)
        second = scene.draft(session, gal, "mask", f"{first.folder}/run_class001.mrc", who=ana)
        for job in (first, second):
            queue.submit(session, job.id, who=ana)
        queue.pause(session, "for cleaning", who=None)
        assert claims.claim_next(session, profiles={"local"}) is None
        assert told(session, ana) == [
            ("waits", 2, "", "the queue was paused: for cleaning"),
            ("waits", 1, "", "the queue was paused: for cleaning"),
        ]
        notices.mark_read(session, ana)
        queue.resume(session, who=None)
        queue.pause(session, "again", who=None)
        claims.claim_next(session, profiles={"local"})
        assert told(session, ana) == []
        queue.resume(session, who=None)
        claim = claims.claim_next(session, profiles={"local"})
        assert claim is not None and claim.job.id == first.id
        assert claims.claim_next(session, profiles={"local"}) is None
        assert second.reason == "waits for job 1 (refine) to finish"
        assert [one.job.number for one in notices.newest(session, ana) if one.job] == [2]


def test_a_name_in_a_comment_calls_whoever_sees_the_project(database: Database) -> None:
    assert notices.names_in("@ana, @b.o. a@mail.org (@eva) @ana @@x") == ["ana", "b.o", "eva"]
    with database.writing() as session:
        ana, ben, gal = lab(session)
        out = people.create_user(session, "out", who=None).id
        gone = people.create_user(session, "gone", who=None).id
        members.set_role(session, gal.id, gone, Role.VIEWER, who=ana)
        people.set_active(session, gone, False, who=None)
        job = scene.draft(session, gal, who=ana)
        made = talk.add_comment(session, job.id, "@Ben @out @gone @ana look <b>", who=ana)
        assert told(session, ben) == [("mentioned", 1, "ana", "@Ben @out @gone @ana look <b>")]
        assert told(session, out) == told(session, ana) == []
        assert [news for news, *_ in told(session, gone)] == ["shared"]
        talk.change_comment(session, made.id, "@ben @out again", who=ana)
        assert notices.unread(session, ben) == 1
        talk.change_comment(session, made.id, None, who=ana)
        assert notices.newest(session, ben)[0].notice.comment_id is None
        talk.add_project_comment(session, gal.id, "@ana " + "x" * 600, who=ben)
        ((news, number, by, text),) = told(session, ana)
        assert (news, number, by) == ("mentioned", None, "ben") and len(text) < 510
        for words in ("", "  ", "x" * 10_001):
            with pytest.raises(Refused, match="a comment needs words"):
                talk.add_project_comment(session, gal.id, words, who=ana)
        with pytest.raises(NotFound):
            talk.find(session, 999)
        ((said, by_whom),) = talk.project_comments(session, gal.id)
        assert by_whom is not None and (by_whom.name, said.job_id) == ("ben", None)
        with pytest.raises(Refused, match="only the author"):
            talk.change_comment(session, said.id, None, who=ana)


def test_a_shared_project_is_told_and_what_is_taken_away_is_not_shown(database: Database) -> None:
    with database.writing() as session:
        ana, ben, gal = lab(session)
        eva, joe = (people.create_user(session, one, who=None).id for one in ("eva", "joe"))
        members.set_role(session, gal.id, eva, Role.VIEWER, who=ana)
        members.set_role(session, gal.id, eva, Role.EDITOR, who=ana)
        group = people.create_group(session, "lab", who=None)
        for one in (ana, eva, joe):
            people.join_group(session, group.id, one, who=None)
        projects.set_group(session, gal.id, group.id, Role.VIEWER, who=ana)
        assert told(session, eva) == [("shared", None, "ana", "as viewer")]
        assert told(session, joe) == [("shared", None, "ana", "with your group, as viewer")]
        assert told(session, ana) == []
        job = scene.draft(session, gal, who=ben)
        scene.run(session, job)
        assert notices.unread(session, ben) == 1
        members.set_role(session, gal.id, ben, None, who=ana)
        assert notices.unread(session, ben) == 0 and notices.newest(session, ben) == []
        members.set_role(session, gal.id, ben, Role.VIEWER, who=None)
        assert notices.unread(session, ben) == 2


def test_what_was_read_long_ago_is_forgotten(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        ana, _, gal = lab(session)
        scene.run(session, scene.draft(session, gal, who=ana))
        notices.mark_read(session, ana)
    clock.forward(notices.KEPT_FOR.total_seconds() + 60)
    with database.writing() as session:
        scene.run(session, scene.draft(session, gal, who=ana))
        assert [one.job and one.job.number for one in notices.newest(session, ana)] == [2]


def test_a_visit_ends_when_its_visitor_is_away(database: Database, clock: Clock) -> None:
    with database.writing() as session:
        ana, ben, gal = lab(session)
        assert visits.since_last_visit(session, gal.id, ana) is None
        assert not visits.is_noted(session, gal.id, ana)
        visits.note(session, gal.id, ana)
        assert visits.is_noted(session, gal.id, ana)
        assert visits.since_last_visit(session, gal.id, ana) is None
        first = clock()
    clock.forward(60 * 29)
    with database.writing() as session:
        assert not visits.is_noted(session, gal.id, ana)
        visits.note(session, gal.id, ana)
        left = clock()
        assert left - first < visits.AWAY
        assert visits.last_visit(session, gal.id, ana) is None
    clock.forward(60)
    with database.writing() as session:
        done, runs = scene.draft(session, gal, who=ana), scene.draft(session, gal, who=ben)
        failed = scene.draft(session, gal, who=ben)
        scene.run(session, done)
        scene.run(session, failed, scene.start(), scene.end("failed"))
        queue.submit(session, runs.id, who=ben)
        claims.claim_next(session, profiles={"local"})
        states.set_state(session, runs.id, State.RUNNING)
        talk.add_comment(session, done.id, "mine", who=ana)
        talk.add_comment(session, done.id, "yours", who=ben)
        binned = scene.draft(session, gal, who=ben)
        talk.add_comment(session, binned.id, "in the bin", who=ben)
        binned.deleted_at = clock()
        eva = people.create_user(session, "eva", who=None).id
        members.set_role(session, gal.id, eva, Role.VIEWER, who=ben)
    clock.forward(60 * 40)
    with database.writing() as session:
        (home,) = visits.everywhere(session, ana)
        assert home.moment == left
        assert sorted((one.what, one.who, one.text) for one in home.changes) == [
            ("commented", "ben", "yours"),
            ("failed", "ben", "The refinement has failed."),
            ("finished", "ana", ""),
            ("joined", "eva", "as viewer"),
            ("started", "ben", ""),
        ]
        assert visits.everywhere(session, ben) == []
        for _ in range(2):
            since = visits.since_last_visit(session, gal.id, ana)
            assert since is not None and since.moment == left and len(since.changes) == 5
            visits.note(session, gal.id, ana)
        assert visits.everywhere(session, ana) == []
    clock.forward(timedelta(days=1).total_seconds())
    with database.writing() as session:
        visits.note(session, gal.id, ana)
        since = visits.since_last_visit(session, gal.id, ana)
        assert since is not None and since.changes == []


def test_starred_jobs_are_on_the_home_page_of_whoever_sees_them(database: Database) -> None:
    with database.writing() as session:
        ana, ben, gal = lab(session)
        job = scene.draft(session, gal, who=ana)
        marks.set_star(session, job.id, ben, True)
        assert [one.job.id for one in overview.home(session, ben).starred] == [job.id]
        assert overview.home(session, ana).starred == []
        members.set_role(session, gal.id, ben, None, who=ana)
        assert overview.home(session, ben).starred == []
        assert jobs.get(session, job.id).version > 1
