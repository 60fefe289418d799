"""A project's folder shows RELION what the database says, and what RELION does there comes into the database."""

import shutil
import stat
from pathlib import Path
from typing import get_args

import pytest

from compute.files import events
from compute.files.errors import InputError
from compute.files.pipeline import PIPELINE, Node, read_pipeline
from compute.files.pipeline_lock import locked
from compute.files.project import read_project
from compute.files.project_export import ExportedJob, export_job, reserve_job
from compute.files.relion import read_exit_marker
from db import relion_export, relion_import
from db.errors import Conflict, Refused
from db.folders import job_folder, make_shared, output_root
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import (
    attempts,
    bin,
    claims,
    jobs,
    nodes,
    people,
    progress,
    projects,
    queue,
    states,
)
from db.repository.nodes import Input
from db.session import Database
from db.words import Ending, State, StopRequest
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


def theirs(folder: Path) -> tuple[Node, Node]:
    """A project that RELION has made: a selection, a classification of it that runs, and one that waits."""
    folder.mkdir()
    particles = Node("Select/job001/particles.star", "ParticleGroupMetadata.star.relion")
    best = Node("Class3D/job002/run_it025_class001.mrc", "DensityMap.mrc.relion.class3d")
    for job in (
        ExportedJob("Select/job001", "relion.select", "Succeeded", "good", outputs=(particles,)),
        ExportedJob(
            "Class3D/job002", "relion.class3d", "Running", inputs=(particles,), outputs=(best,)
        ),
        ExportedJob(
            "Refine3D/job003",
            "relion.refine3d",
            "Scheduled",
            options={"sym_name": "D2"},
            inputs=(particles, best),
        ),
        ExportedJob("MaskCreate/job004", "relion.maskcreate", "Aborted", inputs=(best,)),
    ):
        export_job(folder, job)
    return particles, best


def test_a_relion_project_is_taken_in_as_it_is(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "relion"
    particles, best = theirs(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with database.writing() as session:
        ana = people.create_user(session, "ana", who=None)
        found = relion_import.import_project(session, folder, who=ana.id)
    assert (found.project.name, found.added, found.project.next_job_number) == (
        "relion",
        (1, 2, 3, 4),
        5,
    )
    with database.reading() as session:
        rows = {number: jobs.find(session, found.project.id, str(number)) for number in found.added}
        assert [(job.type, job.state, job.ending) for job in rows.values()] == [
            ("select", State.FINISHED, Ending.COMPLETED),
            ("class3d", State.RUNNING, None),
            ("refine", State.DRAFT, None),
            ("mask", State.FINISHED, Ending.STOPPED),
        ]
        assert rows[3].parameters == {"sym_name": "D2"}
        assert jobs.find(session, found.project.id, "good").number == 1
        tree = nodes.tree(session, found.project.id)
        numbers = {job.id: number for number, job in rows.items()}
        edges = {(numbers[one], numbers[two]) for one, two in tree.edges}
        assert edges == {(1, 2), (1, 3), (2, 3), (2, 4)}
        made = nodes.outputs(session, rows[1].id)
        assert [(node.path, node.content) for node in made] == [(particles.name, "particles")]
        assert attempts.at_work(session) == []
    assert relion_export.export_pending(database) == []
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before
    with database.writing() as session:
        with pytest.raises(Refused, match="job 3 belongs to RELION: clone it"):
            queue.submit(session, rows[3].id, who=None)
        with pytest.raises(Conflict, match="is already in"):
            relion_import.import_project(session, folder, who=None)
        with pytest.raises(Refused, match="job 2 belongs to RELION: stop it there"):
            states.request_stop(session, rows[2].id, StopRequest.NOW, who=None)
        copy = jobs.clone(session, rows[3].id, who=None)
        assert (copy.number, copy.is_foreign) == (5, False)
        assert {one.path for one in nodes.as_inputs(session, copy.id)} == {
            particles.name,
            best.name,
        }


def test_an_alias_for_a_job_of_relion_changes_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "relion"
    theirs(folder)
    before = read_project(folder).job("job002")
    with database.writing() as session:
        found = relion_import.import_project(session, folder, who=None)
        job = jobs.find(session, found.project.id, "2")
        jobs.set_alias(session, job.id, "best classes", who=None)
    assert relion_export.export_pending(database) == []
    after = read_project(folder).job("best_classes")
    assert (after.name, after.process.label, after.state) == (
        before.name,
        before.process.label,
        before.state,
    )
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)


def test_what_relion_does_later_follows(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "relion"
    particles, best = theirs(folder)
    with database.writing() as session:
        found = relion_import.import_project(session, folder, who=None)
        again = relion_import.refresh(session, found.project.id)
        assert (again.added, again.changed) == ((), ())
    export_job(
        folder,
        ExportedJob(
            "Class3D/job002", "relion.class3d", "Succeeded", inputs=(particles,), outputs=(best,)
        ),
    )
    export_job(folder, ExportedJob("PostProcess/job005", "relion.postprocess", "Failed"))
    with database.writing() as session:
        again = relion_import.refresh(session, found.project.id)
        assert (again.added, again.changed) == ((5,), (2,))
        job = jobs.find(session, found.project.id, "2")
        assert job.state == State.FINISHED
        assert session.get_one(Project, found.project.id).next_job_number == 6


def test_jobs_of_ours_are_not_taken_for_relions(database: Database, project: Project) -> None:
    folder = Path(project.folder)
    with database.writing() as session:
        ours = relion_export.create_job(session, project.id, "refine", REFINE, who=None)
    relion_export.export_pending(database)
    export_job(folder, ExportedJob("Class3D/job001", "relion.class3d", "Succeeded"))
    with database.writing() as session:
        found = relion_import.refresh(session, project.id)
        assert (found.added, found.changed) == ((), ())
        assert any(
            "Class3D/job001 has the number of Refine3D/job001" in one for one in found.problems
        )
        row = session.get_one(Job, ours.id)
        assert (row.state, row.is_foreign) == (State.DRAFT, False)


def test_a_folder_without_a_project_is_refused(database: Database, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="is no RELION project"),
        database.writing() as session,
    ):
        relion_import.import_project(session, tmp_path, who=None)


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
