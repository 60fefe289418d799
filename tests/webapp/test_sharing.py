"""Members, groups and what happened, asked for in the name of people with different roles."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db.errors import Closed, NotAllowed, NotFound, Refused
from db.repository import people
from db.words import Role
from tests.webapp.accounts.lab import Lab, fill
from webapp import actions, marking, sharing
from webapp.maps import MapCache
from webapp.records import RecordReader
from webapp.settings import read_settings
from webapp.store import Store


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = fill(tmp_path)
    yield made
    made.database.close()


def store_of(lab: Lab, name: str) -> Store:
    settings = read_settings({"HALFMAP_DATABASE": str(lab.folder / "halfmap.db"), "HOME": "/x"})
    base = Store(lab.database, settings, RecordReader(), MapCache(), 0, {})
    return replace(base, user_id=lab.users[name])


def test_owners_decide_who_is_a_member(lab: Lab) -> None:
    ana, out = store_of(lab, "ana"), store_of(lab, "out")
    with pytest.raises(Closed):
        out.project(lab.project)
    sharing.set_role(ana, lab.project, "out", Role.VIEWER)
    assert out.project(lab.project)[1] == Role.VIEWER
    found = sharing.show(out, lab.project)
    assert not found.can_change and not found.users and not found.groups
    assert [(user.name, role) for user, role in found.members] == [
        ("ana", Role.OWNER),
        ("eva", Role.EDITOR),
        ("ben", Role.VIEWER),
        ("out", Role.VIEWER),
    ]
    with pytest.raises(NotAllowed, match="takes the role owner, you are viewer: ask ana"):
        sharing.set_role(out, lab.project, "out", Role.OWNER)
    with pytest.raises(NotAllowed, match="takes the role editor"):
        out.set_project_notes(lab.project, "mine", seen=out.project(lab.project)[0].notes)
    sharing.set_role(ana, lab.project, "out", None)
    with pytest.raises(Closed):
        out.project_jobs(lab.project)
    with pytest.raises(NotFound, match="there is no user 'nobody'"):
        sharing.set_role(ana, lab.project, "nobody", Role.VIEWER)
    with pytest.raises(Refused, match="last owner"):
        sharing.set_role(ana, lab.project, "ana", None)


def test_a_project_is_opened_to_a_group_and_closed_again(lab: Lab) -> None:
    ana, out, eva = (store_of(lab, name) for name in ("ana", "out", "eva"))
    with lab.database.writing() as session:
        group = people.create_group(session, "lab", who=None)
        people.join_group(session, group.id, lab.users["out"], who=None)
    with pytest.raises(NotAllowed):
        sharing.set_group(eva, lab.project, "lab", Role.VIEWER)
    with pytest.raises(NotFound, match="there is no group 'other'"):
        sharing.set_group(ana, lab.project, "other", Role.VIEWER)
    sharing.set_group(ana, lab.project, "lab", Role.EDITOR)
    assert out.project(lab.project)[1] == Role.EDITOR
    shown = sharing.show(ana, lab.project)
    assert shown.group is not None and shown.group.name == "lab"
    assert shown.group_role == Role.EDITOR and shown.can_change
    sharing.set_group(ana, lab.project, "", Role.VIEWER)
    with pytest.raises(Closed):
        out.project(lab.project)


def test_members_see_what_happened_and_nobody_else(lab: Lab) -> None:
    ana, ben, out = (store_of(lab, name) for name in ("ana", "ben", "out"))
    ana.set_project_notes(lab.project, "new", seen=ana.project(lab.project)[0].notes)
    newest = sharing.activity(ben, lab.project, limit=2)
    assert (newest[0].who, newest[0].action) == ("ana", "changed notes of project")
    older = sharing.activity(ben, lab.project, before_id=newest[-1].id)
    assert older and all(one.id < newest[-1].id for one in older)
    with pytest.raises(Closed):
        sharing.activity(out, lab.project)


def test_nobody_looks_into_folders_of_projects_that_are_closed_to_them(lab: Lab) -> None:
    assert store_of(lab, "chief").closed_folders() == []
    assert store_of(lab, "ana").closed_folders() == [lab.folder / "secret"]
    assert set(store_of(lab, "out").closed_folders()) == {
        lab.folder / "beta",
        lab.folder / "secret",
    }


def test_whoever_does_not_see_a_job_is_not_told_that_it_is_in_the_bin(lab: Lab) -> None:
    with lab.database.writing() as session:
        actions.delete(session, [lab.other_job], who=lab.users["chief"])
    out, chief = store_of(lab, "out"), store_of(lab, "chief")
    asked: list[Callable[[Store], object]] = [
        lambda store: store.job(lab.other_job),
        lambda store: store.rename(lab.other_job, "x"),
        lambda store: marking.job_marks(store, lab.other_job),
        lambda store: marking.comment_on_job(store, lab.other_job, "x"),
    ]
    for ask in asked:
        with pytest.raises(Closed, match="there is no project"):
            ask(out)
        with pytest.raises(NotFound, match="it is in the bin"):
            ask(chief)
