"""What people may do, and what they attach to jobs and keep for themselves."""

from collections.abc import Sequence

import pytest
from sqlalchemy.orm import Session

from db.errors import Conflict, NotFound, Refused
from db.repository import (
    jobs,
    marks,
    members,
    overview,
    people,
    presets,
    projects,
    sight,
    talk,
)
from db.session import Database
from db.words import Role, may
from tests.db import scene


def roles_of(session: Session, project_id: int, users: Sequence[int]) -> list[Role | None]:
    """The roles of users in a project, asked for one by one and, which has to give the same, all at once."""
    found = [sight.role_of(session, project_id, one) for one in users]
    pairs = [(project, one) for project in (project_id, project_id + 1) for one in (*users, 999)]
    together = sight.roles(session, pairs)
    assert [together.get((project_id, one)) for one in users] == found
    assert len(together) == sum(one is not None for one in found)
    return found


def test_roles_come_from_membership_group_and_admins(database: Database) -> None:
    with database.writing() as session:
        owner, project = scene.lab(session)
        ben, eva, root, out = (
            people.create_user(session, name, who=None, is_admin=name == "root").id
            for name in ("ben", "eva", "root", "out")
        )
        group = people.create_group(session, "lab", who=None)
        people.join_group(session, group.id, eva, who=None)
        people.join_group(session, group.id, ben, who=None)
        projects.set_group(session, project.id, group.id, Role.EDITOR, who=owner)
        members.set_role(session, project.id, ben, Role.VIEWER, who=owner)
        found = roles_of(session, project.id, (owner, ben, eva, root, out))
        assert found == [Role.OWNER, Role.EDITOR, Role.EDITOR, Role.OWNER, None]
        people.leave_group(session, group.id, ben, who=None)
        assert roles_of(session, project.id, (owner, ben)) == [Role.OWNER, Role.VIEWER]
        members.check_role(session, project.id, ben, Role.VIEWER)
        with pytest.raises(Refused, match="takes the role editor, you are viewer: ask ana"):
            members.check_role(session, project.id, ben, Role.EDITOR)
        with pytest.raises(NotFound):
            members.check_role(session, project.id, out, Role.VIEWER)
        people.set_active(session, ben, False, who=root)
        assert roles_of(session, project.id, (owner, ben)) == [Role.OWNER, None]
    assert may(Role.OWNER, Role.EDITOR) and not may(Role.VIEWER, Role.EDITOR)
    assert not may(None, Role.VIEWER)


def test_the_last_owner_and_the_last_admin_stay(database: Database) -> None:
    with database.writing() as session:
        owner, project = scene.lab(session)
        with pytest.raises(Refused, match="'ana' is the last owner of 'beta-gal'"):
            members.set_role(session, project.id, owner, None, who=owner)
        ben = people.create_user(session, "ben", who=None, is_admin=True).id
        with pytest.raises(Refused, match="'ben' is the last admin"):
            people.set_admin(session, ben, False, who=ben)
        members.set_role(session, project.id, ben, Role.OWNER, who=owner)
        members.set_role(session, project.id, owner, Role.VIEWER, who=owner)
        found = [(user.name, role) for user, role in members.members(session, project.id)]
        assert found == [("ben", Role.OWNER), ("ana", Role.VIEWER)]


def test_the_first_unix_user_is_the_admin(database: Database) -> None:
    with database.writing() as session:
        first = people.ensure_unix_user(session, "ana")
        second = people.ensure_unix_user(session, "ben")
        assert (first.is_admin, second.is_admin) == (True, False)
        assert people.ensure_unix_user(session, "ana").id == first.id
        with pytest.raises(Conflict, match="already a user 'ana'"):
            people.create_user(session, "ana", who=None)


def test_notes_of_two_editors_do_not_overwrite_each_other(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        job = scene.draft(session, project)
        jobs.set_notes(session, job.id, "mine", seen="", who=user)
        with pytest.raises(Conflict, match="somebody else has changed the notes"):
            jobs.set_notes(session, job.id, "theirs", seen="", who=user)
        jobs.set_notes(session, job.id, "both", seen="mine", who=user)
        projects.set_notes(session, project.id, "plan", seen="", who=user)
        with pytest.raises(Conflict):
            projects.set_notes(session, project.id, "other", seen="", who=user)


def test_tags_stars_and_comments(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        other = people.create_user(session, "ben", who=None).id
        first, second = scene.draft(session, project), scene.draft(session, project)
        marks.add_tag(session, first.id, "#good", who=user, colour="green")
        marks.add_tag(session, first.id, "d2", who=user)
        marks.add_tag(session, second.id, "good", who=user)
        marks.add_tag(session, second.id, "good", who=user)
        tags = marks.tags_of_jobs(session, [first.id, second.id])
        assert {key: [(tag.name, tag.colour) for tag in row] for key, row in tags.items()} == {
            first.id: [("d2", "grey"), ("good", "green")],
            second.id: [("good", "green")],
        }
        with pytest.raises(Refused, match="'mauve' is not a colour"):
            marks.add_tag(session, first.id, "x", who=user, colour="mauve")
        marks.remove_tag(session, first.id, "d2", who=user)
        assert [tag.name for tag in marks.tags(session, project.id)] == ["good"]
        marks.set_star(session, first.id, user, True)
        comment = talk.add_comment(session, first.id, "Nice dip at 4 Å.", who=user)
        with pytest.raises(Refused, match="only the author"):
            talk.change_comment(session, comment.id, "No.", who=other)
        talk.change_comment(session, comment.id, "Nice dip at 3.9 Å.", who=user)
        found = talk.comments(session, first.id)
        assert [
            (one.text, one.changed_at is None, author and author.name) for one, author in found
        ] == [("Nice dip at 3.9 Å.", False, "ana")]
        talk.change_comment(session, comment.id, None, who=user)
        assert talk.comments(session, first.id) == []
        lines = overview.job_list(session, project.id, user_id=user)
        assert [
            (line.job.number, line.is_starred, [tag.name for tag in line.tags]) for line in lines
        ] == [
            (2, False, ["good"]),
            (1, True, ["good"]),
        ]


def test_presets_and_drafts(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        other = people.create_user(session, "ben", who=None).id
        presets.save_preset(session, "refine", "small", {"a": 1}, who=user)
        presets.save_preset(session, "refine", "small", {"a": 2}, who=user)
        presets.save_preset(session, "refine", "small", {"a": 3}, who=user, is_shared=True)
        presets.save_preset(session, "refine", "small", {"a": 4}, who=other, is_shared=True)
        assert [one.parameters for one in presets.presets(session, "refine", user)] == [
            {"a": 4},
            {"a": 2},
        ]
        seen = presets.presets(session, "refine", other)
        assert [one.parameters for one in seen] == [{"a": 4}]
        presets.remove_preset(session, seen[0].id, who=other)
        assert presets.presets(session, "refine", other) == []
        job = scene.draft(session, project)
        presets.save_draft(session, user, project.id, "refine", {"box": "25"})
        kept = presets.save_draft(session, user, project.id, "refine", {"box": "256"})
        presets.save_draft(session, user, project.id, "refine", {"x": 1}, from_job_id=job.id)
        found = presets.draft(session, user, project.id, "refine")
        assert found is not None and found.values == {"box": "256"}
        assert len(presets.drafts(session, user)) == 2
        presets.remove_draft(session, kept.id)
        assert presets.draft(session, user, project.id, "refine") is None
