"""A project's folder shows RELION what the database says."""

import shutil
import stat
from pathlib import Path
from typing import get_args

import pytest

from compute.files import events
from compute.files.errors import InputError
from compute.files.pipeline import PIPELINE, read_pipeline
from compute.files.pipeline_lock import locked
from compute.files.project import read_project
from compute.files.project_export import reserve_job
from compute.files.relion import read_exit_marker
from db import relion_export
from db.errors import Conflict
from db.folders import job_folder, make_shared, output_root
from db.models.projects import Project
from db.repository import (
    attempts,
    bin,
    claims,
    jobs,
    people,
    progress,
    projects,
    queue,
)
from db.repository.nodes import Input
from db.session import Database
from tests.db import scene

REFINE = {
    "particles": "Select/job001/particles.star",
    "reference": "class002.mrc",
    "particle_diameter_A": 200.0,
    "initial_lowpass_A": 50.0,
    "symmetry": "D2",
}


@pytest.fixture
def project(database: Database, tmp_path: Path) -> Project:
    with database.writing() as session:
        ana = people.create_user(session, "ana", who=None)
        return projects.create(session, "lab", tmp_path / "lab", who=ana.id)


def test_folders_have_relions_names() -> None:
    assert job_folder("refine", 19) == "Refine3D/job019"
    assert job_folder("mask", 1200) == "MaskCreate/job1200"
    assert job_folder("compare", 7) == "External/job007"
    assert output_root("postprocess", 21) == "PostProcess/job021/postprocess"


def test_folders_of_a_project_are_writable_for_its_group(tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "Refine3D" / "job001"
    make_shared(folder)
    for one in (folder, folder.parent, folder.parent.parent):
        mode = one.stat().st_mode
        assert mode & stat.S_ISGID and mode & stat.S_IWGRP
    assert not tmp_path.stat().st_mode & stat.S_ISGID
    make_shared(folder)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        make_shared(tmp_path / "file")


def test_what_relion_changes_in_a_project_is_writable_for_its_group(
    database: Database, project: Project
) -> None:
    """Another member of the group may start RELION there: it writes into these files where they stand."""
    folder = Path(project.folder)
    with database.writing() as session:
        job = relion_export.create_job(session, project.id, "refine", REFINE, who=None)
        found = [scene.start(), scene.end("converged", scene.PARTICLES)]
        scene.run(session, job, *found)
    assert relion_export.export_pending(database) == []
    entries = [folder / ".Nodes", *(folder / ".Nodes").rglob("*")]
    assert any(one.is_file() for one in entries)
    for one in (folder / PIPELINE, folder / ".pipeline_has_changed", folder / ".gui_projectdir"):
        assert one.stat().st_mode & stat.S_IWGRP, one
    for one in entries:
        assert one.stat().st_mode & stat.S_IWGRP, one
    with locked(folder, "a look"):
        assert (folder / ".relion_lock").stat().st_mode & stat.S_IWGRP
    folder.chmod(0o755)
    (folder / PIPELINE).unlink()
    relion_export.reserve(folder, "mask", 5)
    assert not (folder / PIPELINE).stat().st_mode & stat.S_IWGRP


def test_a_job_is_shown_to_relion_through_its_whole_life(
    database: Database, project: Project
) -> None:
    folder = Path(project.folder)
    with database.writing() as session:
        job = relion_export.create_job(
            session,
            project.id,
            "refine",
            REFINE,
            who=None,
            inputs=[Input("particles", REFINE["particles"], facts={"content": "particles"})],
        )
    assert job.folder == "Refine3D/job001" and (folder / job.folder).is_dir()
    with database.writing() as session:
        queue.submit(session, job.id, who=None)
        jobs.set_alias(session, job.id, "first try", who=None)
    assert relion_export.export_pending(database) == []
    seen = read_project(folder).job("job001")
    assert (seen.state, seen.process.label, seen.alias) == (
        "Scheduled",
        "relion.refine3d",
        "first_try",
    )
    assert seen.options["sym_name"] == "D2" and seen.options["fn_ref"] == "class002.mrc"
    assert [node.name for node in seen.inputs] == ["Select/job001/particles.star"]
    with database.writing() as session:
        claims.claim_next(session, profiles={"local"})
        attempt = attempts.begin(session, job.id, launcher="local")
    relion_export.export_pending(database)
    assert read_project(folder).job("job001").state == "Running"
    with database.writing() as session:
        found = [scene.start(), scene.end("converged", scene.PARTICLES, scene.MAP)]
        progress.record(session, job.id, found, start=0, end=100)
        attempts.settle(session, attempt.id)
    relion_export.export_pending(database)
    seen = read_project(folder).job("first_try")
    assert seen.state == "Succeeded"
    assert [(node.name, node.content) for node in seen.outputs] == [
        ("Refine3D/job001/run_data.star", "particles"),
        ("Refine3D/job001/run_class001.mrc", "map"),
    ]
    assert read_exit_marker(folder / job.folder) == "success"
    with database.reading() as session:
        assert jobs.get(session, job.id).is_exported


def test_a_job_in_the_bin_is_gone_for_relion_and_comes_back(
    database: Database, project: Project
) -> None:
    folder = Path(project.folder)
    with database.writing() as session:
        job = relion_export.create_job(session, project.id, "refine", REFINE, who=None)
        jobs.set_alias(session, job.id, "first", who=None)
    relion_export.export_pending(database)
    with database.writing() as session:
        bin.move_to_bin(session, [job.id], who=None)
    (folder / "Trash" / "Refine3D").mkdir(parents=True)
    shutil.move(folder / job.folder, folder / "Trash" / job.folder)
    relion_export.export_pending(database)
    assert read_project(folder).jobs == ()
    assert not (folder / "Refine3D" / "first").is_symlink()
    assert (folder / "Trash" / job.folder / "deleted_pipeline.star").is_file()
    with database.writing() as session:
        bin.restore(session, job.id, who=None)
    shutil.move(folder / "Trash" / job.folder, folder / job.folder)
    relion_export.export_pending(database)
    assert read_project(folder).job("first").name == job.folder


def test_what_cannot_be_written_stays_marked_and_is_tried_again(
    database: Database, project: Project
) -> None:
    folder = Path(project.folder)
    with database.writing() as session:
        job = relion_export.create_job(session, project.id, "refine", REFINE, who=None)
    with locked(folder, "another program"):
        problems = relion_export.export_pending(database)
    assert len(problems) == 1 and "is held by" in problems[0]
    assert relion_export.export_pending(database) == []
    with database.reading() as session:
        assert jobs.get(session, job.id).is_exported
    assert len(read_project(folder).jobs) == 1


def test_numbers_of_both_programs_never_meet(database: Database, project: Project) -> None:
    folder = Path(project.folder)
    with database.writing() as session:
        first = relion_export.create_job(session, project.id, "refine", REFINE, who=None)
    theirs = reserve_job(folder, "relion.class3d")
    (folder / "Import" / "job003").mkdir(parents=True)
    with database.writing() as session:
        second = relion_export.create_job(session, project.id, "mask", {}, who=None)
    assert (first.number, theirs, second.number) == (1, "Class3D/job002", 4)
    assert read_pipeline(folder / PIPELINE).counter == 5
    with database.writing() as session:
        assert jobs.create(session, project.id, "mask", {}, who=None).number == 5
        with pytest.raises(Conflict, match="the number 3 of 'lab' is taken"):
            jobs.create(session, project.id, "mask", {}, who=None, number=3)


def test_every_content_that_a_job_may_report_has_a_place_in_the_pipeline(
    database: Database, project: Project
) -> None:
    contents = get_args(events.Output.model_fields["content"].annotation)
    made = [events.Output(path=f"file{place}", content=one) for place, one in enumerate(contents)]
    with database.writing() as session:
        job = relion_export.create_job(session, project.id, "refine", REFINE, who=None)
        scene.run(session, job, scene.start(), scene.end("converged", *made))
    assert relion_export.export_pending(database) == []
    seen = read_project(project.folder).job("job001").outputs
    known = {one.content for one in made} - {"FSC"}
    assert {node.content for node in seen} == known | {"other"}
