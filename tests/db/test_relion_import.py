"""What RELION does in a project's folder comes into the database."""

import shutil
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.pipeline import Node
from compute.files.project import read_project
from compute.files.project_export import ExportedJob, export_job
from db import relion_export, relion_import
from db.errors import Conflict, Refused
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import (
    attempts,
    iterations,
    jobs,
    nodes,
    people,
    projects,
    queue,
    states,
)
from db.session import Database
from db.words import Ending, State, StopRequest

RELION_RUN = Path(__file__).parents[1] / "compute" / "files" / "relion_refinement"
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


def test_a_refinement_of_relion_has_its_iterations(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "relion"
    theirs(folder)
    job_folder = folder / "Refine3D" / "job003"
    job_folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(RELION_RUN.glob("run_it002_*")):
        shutil.copy(path, job_folder)
    with database.writing() as session:
        found = relion_import.import_project(session, folder, who=None)
        job = jobs.find(session, found.project.id, "3")
        assert [row.iteration for row in iterations.table(session, job.id)] == [2]
        first = job.resolution_A
        assert relion_import.refresh(session, found.project.id).problems == found.problems
    for path in sorted(RELION_RUN.glob("run_it003_*")):
        shutil.copy(path, job_folder)
    (job_folder / "run_it004_optimiser.star").write_text("")
    with database.writing() as session:
        again = relion_import.refresh(session, found.project.id)
        assert any("run_it004" in one for one in again.problems)
        rows = iterations.table(session, job.id)
        assert [(row.iteration, row.change_angles_deg) for row in rows] == [
            (2, 39.984409),
            (3, 39.001655),
        ]
        after = jobs.find(session, found.project.id, "3")
        assert after.resolution_A == pytest.approx(19.04, abs=0.01) != first
        assert after.last_iteration == 3
        curves = iterations.curve(session, job.id, "fsc")
        assert curves[3][3] == pytest.approx(0.825229, abs=1e-6)
        assert attempts.at_work(session) == []


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
