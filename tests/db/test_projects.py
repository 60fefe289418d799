"""Projects and jobs are found, binned, restored and purged; the tree of jobs follows from their files."""

import pytest
from sqlalchemy import select

from db.errors import Conflict, NotFound, Refused
from db.models.jobs import Attempt, Job, Node
from db.models.records import IterationRow
from db.repository import (
    audit,
    bin,
    jobs,
    nodes,
    overview,
    projects,
    queue,
)
from db.session import Database
from tests.db import scene


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
