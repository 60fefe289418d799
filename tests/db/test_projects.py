"""Projects and jobs as people keep them: members, bin, notes, tags, presets, lists; and the list of who did what."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.errors import Conflict, NotFound, Refused
from db.models.jobs import Attempt, Job, Node
from db.models.records import IterationRow
from db.repository import (
    audit,
    bin,
    claims,
    jobs,
    marks,
    members,
    nodes,
    overview,
    people,
    presets,
    projects,
    queue,
)
from db.repository.overview import JobFilter
from db.session import Database
from db.words import Role, State, may
from tests.db import scene
from tests.db.conftest import Clock


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
        found = [members.role_of(session, project.id, one) for one in (owner, ben, eva, root, out)]
        assert found == [Role.OWNER, Role.EDITOR, Role.EDITOR, Role.OWNER, None]
        people.leave_group(session, group.id, ben, who=None)
        assert members.role_of(session, project.id, ben) == Role.VIEWER
        members.check_role(session, project.id, ben, Role.VIEWER)
        with pytest.raises(Refused, match="takes the role editor, you are viewer: ask ana"):
            members.check_role(session, project.id, ben, Role.EDITOR)
        with pytest.raises(NotFound):
            members.check_role(session, project.id, out, Role.VIEWER)
        people.set_active(session, ben, False, who=root)
        assert members.role_of(session, project.id, ben) is None
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


def test_a_project_is_found_by_number_name_or_folder(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        for words in (str(project.id), "beta-gal", "/data/beta-gal"):
            assert projects.find(session, words).id == project.id
        with pytest.raises(NotFound, match="no project 'other'"):
            projects.find(session, "other")
        with pytest.raises(Conflict, match="'beta-gal' is already in /data/beta-gal"):
            projects.create(session, "again", "/data/beta-gal", who=user)
        with pytest.raises(Refused, match="is absolute"):
            projects.create(session, "again", "data", who=user)
        projects.create(session, "beta-gal", "/data/2", who=user)
        with pytest.raises(Conflict, match="several projects are called 'beta-gal'"):
            projects.find(session, "beta-gal")
        projects.rename(session, project.id, "gal", who=user)
        assert projects.find(session, "gal").id == project.id


def test_a_project_goes_to_the_bin_and_back_and_away(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        job = scene.draft(session, project, "refine", "/x/particles.star")
        scene.run(session, job, scene.start(), scene.iteration(1, 9.0), scene.end())
        waits = scene.draft(session, project)
        queue.submit(session, waits.id, who=user)
        with pytest.raises(Refused, match="job 2 of 'beta-gal' is waiting: stop it first"):
            projects.move_to_bin(session, project.id, who=user)
        queue.withdraw(session, waits.id, who=user)
        projects.move_to_bin(session, project.id, who=user)
        with pytest.raises(NotFound, match="it is in the bin"):
            projects.get(session, project.id)
        other = projects.create(session, "other", "/data/beta-gal", who=user)
        with pytest.raises(Conflict):
            projects.restore(session, project.id, who=user)
        projects.move_to_bin(session, other.id, who=user)
        assert [line.project.id for line in overview.projects(session, user)] == []
        binned = overview.projects(session, user, in_bin=True)
        assert {line.project.id for line in binned} == {project.id, other.id}
        projects.restore(session, project.id, who=user)
        with pytest.raises(Refused, match="is not in the bin"):
            projects.purge(session, project.id, who=user)
        projects.move_to_bin(session, project.id, who=user)
        projects.purge(session, project.id, who=user)
    with database.reading() as session:
        for table in (Job, Attempt, IterationRow, Node):
            assert session.scalars(select(table)).all() == []
        actions = [entry.action for entry in audit.entries(session, project_id=project.id)]
        assert actions[0] == "purged project" and "created job" in actions


def test_deleting_a_job_shows_first_what_would_go(database: Database) -> None:
    with database.writing() as session:
        user, project = scene.lab(session)
        first = scene.draft(session, project, "extract")
        second = scene.draft(session, project, "refine", f"{first.folder}/particles.star")
        third = scene.draft(session, project, "mask", f"{second.folder}/run_class001.mrc")
        for job, size in ((first, 100), (second, 20), (third, 3)):
            jobs.set_disk_use(session, job.id, size)
        alone = bin.preview(session, [first.id])
        assert [job.number for job in alone.goes] == [1]
        assert [job.number for job in alone.left_without_input] == [2, 3]
        assert (alone.disk_bytes, list(alone.refusals)) == (100, [])
        branch = bin.preview(session, [second.id], with_descendants=True)
        assert [job.number for job in branch.goes] == [2, 3]
        assert (branch.disk_bytes, branch.left_without_input) == (23, [])
        jobs.set_final(session, third.id, True, who=user)
        with pytest.raises(Refused, match="job 3, which is final, is made of job 1"):
            bin.move_to_bin(session, [first.id], who=user)
        jobs.set_final(session, third.id, False, who=user)
        jobs.set_protected(session, second.id, True, who=user)
        with pytest.raises(Refused, match="job 2 is protected"):
            bin.move_to_bin(session, [first.id], who=user, with_descendants=True)
        jobs.set_protected(session, second.id, False, who=user)
        queue.submit(session, third.id, who=user)
        with pytest.raises(Refused, match="job 3 is waiting and needs it"):
            bin.move_to_bin(session, [second.id], who=user)
        queue.withdraw(session, third.id, who=user)
        bin.move_to_bin(session, [second.id], who=user, with_descendants=True)
        assert [job.number for job in bin.content(session, project.id)] == [3, 2]
        assert nodes.tree(session, project.id).edges == frozenset()
        with pytest.raises(NotFound, match="job 2 was deleted on 2026-11-01"):
            jobs.get(session, second.id)
        bin.restore(session, second.id, who=user)
        assert nodes.tree(session, project.id).parents(second.id) == {first.id}
        bin.purge(session, third.id, who=user)
        assert scene.draft(session, project).number == 4


def test_the_tree_follows_from_the_files(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        top = scene.draft(session, project, "extract")
        jobs.set_alias(session, top.id, "big box", who=None)
        left = scene.draft(session, project, "refine", "Extract/big_box/particles.star")
        right = scene.draft(session, project, "refine", "/data/beta-gal/Extract/job001/more.star")
        outside = scene.draft(session, project, "mask", "/data/map.mrc", "../x.mrc")
        below = scene.draft(
            session, project, "compare", f"{left.folder}/a.mrc", f"{right.folder}/b.mrc"
        )
        tree = nodes.tree(session, project.id)
        assert tree.parents(below.id) == {left.id, right.id}
        assert tree.children(top.id) == {left.id, right.id}
        assert tree.below([top.id]) == {left.id, right.id, below.id}
        assert tree.above([below.id]) == {top.id, left.id, right.id}
        assert tree.parents(outside.id) == set()
        assert [line.made_by for line in nodes.inputs(session, outside.id)] == [None, None]


def test_forms_are_offered_the_files_that_were_made(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        old, new, none = (scene.draft(session, project) for _ in range(3))
        scene.draft(session, project, "mask", f"{none.folder}/run_class001.mrc")
        for job in (old, new):
            scene.run(session, job, scene.start(), scene.end("converged", scene.PARTICLES))
        found = nodes.choices(session, project.id, ["particles"])
        assert [(node.particles, job.number) for node, job in found] == [(4501, 2), (4501, 1)]
        assert nodes.choices(session, project.id, ["mask"]) == []


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


@pytest.mark.parametrize("alias", ["x", "job7", "a/b", "a*b", "a$b"])
def test_aliases_follow_relions_rules(alias: str, database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
        with pytest.raises(Refused, match="cannot be an alias"):
            jobs.set_alias(session, job.id, alias, who=None)
        jobs.set_alias(session, job.id, "first try", who=None)
        assert jobs.find(session, project.id, "first_try").id == job.id
        assert jobs.find(session, project.id, "Refine3D/job001/").id == job.id
        other = scene.draft(session, project)
        with pytest.raises(Conflict, match="job 1 already has the alias"):
            jobs.set_alias(session, other.id, "first_try", who=None)


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
        comment = marks.add_comment(session, first.id, "Nice dip at 4 Å.", who=user)
        with pytest.raises(Refused, match="only the author"):
            marks.change_comment(session, comment.id, "No.", who=other)
        marks.change_comment(session, comment.id, "Nice dip at 3.9 Å.", who=user)
        found = marks.comments(session, first.id)
        assert [
            (one.text, one.changed_at is None, author and author.name) for one, author in found
        ] == [("Nice dip at 3.9 Å.", False, "ana")]
        marks.change_comment(session, comment.id, None, who=user)
        assert marks.comments(session, first.id) == []
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
        members.note_opened(session, gal.id, ana)
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
