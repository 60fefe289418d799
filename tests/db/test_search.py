"""A search finds what a person remembers of a job or project, and nothing that the person does not see."""

import pytest
from sqlalchemy.orm import Session

from compute.files import events
from db.models.projects import Project
from db.repository import jobs, marks, members, people, projects, queue, search, talk
from db.repository.search_words import number_in, understood
from db.session import Database
from db.words import Role, State
from tests.db import scene


def lab(session: Session) -> tuple[int, int, Project]:
    """Ana's project with four jobs that differ, and a project of Ben's."""
    ana, gal = scene.lab(session)
    ben, other = scene.lab(session, "ben", "ribosome")
    first = scene.draft(session, gal, "refine", "/x/micrographs/set_17.star", who=ana)
    made = events.Output(path="sharp_final.mrc", content="map")
    scene.run(session, first, scene.start(), scene.iteration(1, 9.0), scene.end("converged", made))
    jobs.rename(session, first.id, "D2, 64 px", who=ana)
    marks.add_tag(session, first.id, "best", who=ana)
    second = scene.draft(session, gal, "refine", who=ana)
    scene.run(session, second, scene.start(), scene.end("failed"))
    jobs.rename(session, second.id, "second try of 64 px", who=ana)
    jobs.set_notes(session, second.id, "The ice is thick here.\nAsk Eva.", seen="", who=ana)
    third = scene.draft(session, gal, "mask", who=ana)
    jobs.set_alias(session, third.id, "tight_mask", who=ana)
    talk.add_comment(session, third.id, "100% of the box is too much", who=ana)
    queue.submit(session, scene.draft(session, gal, "postprocess", who=ana).id, who=ana)
    jobs.rename(session, scene.draft(session, other, who=ben).id, "secret 64 px", who=ben)
    projects.set_notes(session, gal.id, "grids of the autumn", seen="", who=ana)
    return ana, ben, gal


def numbers(session: Session, user_id: int, text: str) -> list[int]:
    found = search.find_jobs(session, user_id, understood(text), limit=50)
    return [one.line.job.number for one in found]


def test_words_find_jobs_by_everything_that_they_have(database: Database) -> None:
    with database.writing() as session:
        ana, _, _ = lab(session)
    with database.reading() as session:
        for text, expected in (
            ("2", [2, 1]),
            ("job002", [2]),
            ("#3", [3]),
            ("64 PX", [2, 1]),
            ('"64 px"', [2, 1]),
            ("second 64", [2]),
            ("tight", [3]),
            ("best", [1]),
            ("mask", [3]),
            ("failed", [2]),
            ("100%", [3]),
            ("0%", [3]),
            ("_", [1, 3]),
            ("ice", [2]),
            ("sharp_final", [1]),
            ("set_17", [1]),
            ("ana refine", [2, 1]),
            ("beta mask", [3]),
            ("nothing of the kind", []),
        ):
            assert sorted(numbers(session, ana, text)) == sorted(expected), text
        assert numbers(session, ana, "2")[0] == 2
        assert numbers(session, ana, "second")[0] == 2


def test_filters_are_words_that_a_person_tries(database: Database) -> None:
    with database.writing() as session:
        ana, _, gal = lab(session)
        marks.set_star(session, jobs.find(session, gal.id, "3").id, ana, True)
    with database.reading() as session:
        for text, expected in (
            ("tag:best", [1]),
            ("#be", [1]),
            ("state:failed", [2]),
            ("status:fail", [2]),
            ("is:queued", [4]),
            ("state:done", [1]),
            ("type:refine", [2, 1]),
            ("type:PostProcess state:waiting", [4]),
            ("by:ana", [4, 3, 2, 1]),
            ("by:me tag:best", [1]),
            ("by:ben", []),
            ("in:beta type:mask", [3]),
            ("is:starred", [3]),
            ("tag:", []),
            ("state:odd", []),
        ):
            found = understood(text)
            if found.is_empty:
                assert text == "tag:"
                continue
            assert numbers(session, ana, text) == expected, text
    assert understood("state:odd").problem.startswith("there is no state 'odd': jobs are draft")
    assert understood("state:stopped").is_stopped
    assert understood('by:"Ana Lee"  C:x "a b').terms == ["C:x", "a b"]
    assert understood("state:fail").states == [State.FAILED]
    assert [number_in(one) for one in ("19", "#19", "job019", "19a", "")] == [
        19,
        19,
        19,
        None,
        None,
    ]
    assert len(understood("x " * 500).terms) <= 12


def test_nobody_finds_what_is_not_theirs(database: Database) -> None:
    with database.writing() as session:
        ana, ben, gal = lab(session)
        out = people.create_user(session, "out", who=None).id
        root = people.create_user(session, "root", who=None, is_admin=True).id
        talk.add_project_comment(session, gal.id, "a plan for winter", who=ana)
    with database.reading() as session:
        for text in ("64", "secret", "by:ben", "ribosome", ""):
            wanted = understood(text)
            mine = search.find_jobs(session, ana, wanted, limit=50)
            assert {one.line.project.name for one in mine} <= {"beta-gal"}
            assert search.find_jobs(session, out, wanted, limit=50) == []
            assert search.find_projects(session, out, wanted, limit=50) == []
        assert numbers(session, ben, "64") == [1]
        assert sorted(numbers(session, root, "64")) == [1, 1, 2]
        for text, expected in (
            ("autumn", ["beta-gal"]),
            ("winter", ["beta-gal"]),
            ("ribosome", []),
            (str(gal.id), ["beta-gal"]),
            ("by:me", ["beta-gal"]),
            ("type:refine", []),
            ("is:starred", []),
        ):
            found = search.find_projects(session, ana, understood(text), limit=9)
            assert [one.line.project.name for one in found] == expected, text
    with database.writing() as session:
        members.set_star(session, gal.id, ana, True)
        members.set_role(session, gal.id, ben, Role.VIEWER, who=ana)
    with database.reading() as session:
        assert search.find_projects(session, ana, understood("is:starred"), limit=9)
        assert sorted(numbers(session, ben, "64")) == [1, 1, 2]
    with database.writing() as session:
        projects.move_to_bin(session, scene.lab(session, "eva", "bin")[1].id, who=None)
        members.set_role(session, gal.id, ben, None, who=ana)
    with database.reading() as session:
        assert numbers(session, ben, "64") == [1]


def test_a_hit_that_the_line_does_not_show_is_quoted(database: Database) -> None:
    with database.writing() as session:
        ana, _, gal = lab(session)
        long = "word " * 60 + "needle" + " word" * 60
        talk.add_comment(session, jobs.find(session, gal.id, "3").id, long, who=ana)
    with database.reading() as session:

        def place(text: str) -> tuple[str, str]:
            (one,) = search.find_jobs(session, ana, understood(text), limit=5)
            return one.place, one.excerpt

        assert place("ice") == ("note", "The ice is thick here. Ask Eva.")
        assert place("too much") == ("comment", "100% of the box is too much")
        assert place("sharp_final") == ("file", "Refine3D/job001/sharp_final.mrc")
        assert place("D2") == ("", "")
        kind, words = place("needle")
        assert kind == "comment" and words.startswith("… ") and words.endswith(" …")
        assert "needle" in words and len(words) < 140
        (found,) = search.find_projects(session, ana, understood("autumn"), limit=5)
        assert (found.place, found.excerpt) == ("note", "grids of the autumn")


def test_a_projects_jobs_are_filtered_by_the_same_words(database: Database) -> None:
    with database.writing() as session:
        ana, _, gal = lab(session)
    with database.reading() as session:
        for text, expected in (("", [4, 3, 2, 1]), ("type:refine", [2, 1]), ("ice", [2])):
            found = search.jobs_of_project(session, ana, gal.id, understood(text))
            assert [one.job.number for one in found] == expected


@pytest.mark.parametrize(
    "text", ["'", "a\0b", "%", "\\", "_%_", '"', ":", "tag:'; DROP TABLE jobs;--"]
)
def test_wild_words_are_only_words(database: Database, text: str) -> None:
    with database.writing() as session:
        ana, _, _ = lab(session)
        search.find_jobs(session, ana, understood(text), limit=5)
        search.find_projects(session, ana, understood(text), limit=5)
        assert sorted(numbers(session, ana, "by:ana")) == [1, 2, 3, 4]
