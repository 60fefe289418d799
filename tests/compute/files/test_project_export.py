"""Jobs written into a project as RELION keeps its own: numbers, files, aliases, states, bin."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.files import project_export
from compute.files.errors import InputError
from compute.files.job_star import JobForm, read_job_form, write_job_form
from compute.files.pipeline import Node, Pipeline, read_pipeline, write_pipeline
from compute.files.pipeline_lock import CHANGED, LOCK
from compute.files.pipeline_types import label_for
from compute.files.project import read_project
from compute.files.project_export import (
    ExportedJob,
    Waiting,
    export_alias,
    export_job,
    export_state,
    node_path,
    reserve_job,
    restore_job,
    trash_job,
)
from compute.files.project_links import alias_name, append_note
from compute.files.star import read_star

PARTICLES = Node("Select/job001/particles.star", label_for("particles", "relion.select"))
SELECT = ExportedJob("Select/job001", "relion.select", "Succeeded", outputs=(PARTICLES,))
REFINE = ExportedJob(
    "Refine3D/job002",
    "relion.refine3d",
    "Running",
    alias="first try",
    options={"fn_img": PARTICLES.name, "sampling": "7.5 degrees", "other_args": ""},
    inputs=(PARTICLES, Node("maps/ref #1.mrc", "DensityMap.mrc")),
    outputs=(
        Node("Refine3D/job002/run_data.star", label_for("particles", "relion.refine3d")),
        Node("Refine3D/job002/run_class001.mrc", label_for("map", "relion.refine3d")),
    ),
)


def pipeline_in(project: Path) -> Pipeline:
    return read_pipeline(project / "default_pipeline.star")


def entries(project: Path) -> set[str]:
    """The empty files of `.Nodes/`."""
    root = project / ".Nodes"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_the_counter_after_the_first_job_reads_two(tmp_path: Path) -> None:
    """N40: one sequence for all types; deleted numbers are not given out again."""
    assert reserve_job(tmp_path, "relion.import") == "Import/job001"
    assert pipeline_in(tmp_path).counter == 2
    general = read_star(tmp_path / "default_pipeline.star")["pipeline_general"]
    assert general.columns["rlnPipeLineJobCounter"].tolist() == [2]
    assert reserve_job(tmp_path, "relion.extract.reextract") == "Extract/job002"
    assert (tmp_path / "Extract" / "job002").is_dir()
    export_job(tmp_path, ExportedJob("Refine3D/job1005", "relion.refine3d", "Scheduled"))
    assert reserve_job(tmp_path, "relion.maskcreate") == "MaskCreate/job1006"
    trash_job(tmp_path, "Refine3D/job1005")
    assert reserve_job(tmp_path, "halfmap.rescale") == "External/job1007"
    (tmp_path / "Select" / "job1008").mkdir(parents=True)
    assert reserve_job(tmp_path, "relion.maskcreate") == "MaskCreate/job1009"


def test_a_job_with_its_files_alias_and_marker(tmp_path: Path) -> None:
    export_job(tmp_path, SELECT)
    export_job(tmp_path, REFINE)
    found = read_project(tmp_path)
    assert found.pipeline.counter == 3 and found.remarks == () and found.lock is None
    job = found.job("first_try")
    assert (job.name, job.alias, job.state, job.ours) == (
        "Refine3D/job002",
        "first_try",
        "Running",
        "refine",
    )
    assert job.parents == ("Select/job001/",) and job.problems == ()
    assert (job.inputs, job.outputs) == (REFINE.inputs, REFINE.outputs)
    assert dict(job.options) == dict(REFINE.options)
    assert os.readlink(tmp_path / "Refine3D" / "first_try") == "../Refine3D/job002/"
    assert entries(tmp_path) == {
        "ParticleGroupMetadata/Select/job001/particles.star",
        "3/Select/job001/particles.star",
        "ParticleGroupMetadata/Refine3D/first_try/run_data.star",
        "3/Refine3D/first_try/run_data.star",
        "DensityMap/Refine3D/first_try/run_class001.mrc",
        "6/Refine3D/first_try/run_class001.mrc",
    }
    assert (tmp_path / "Select" / "job001" / "RELION_JOB_EXIT_SUCCESS").exists()
    assert not list((tmp_path / "Refine3D" / "job002").glob("RELION_JOB_EXIT*"))
    small = read_pipeline(tmp_path / "Refine3D" / "job002" / "job_pipeline.star")
    assert len(small.processes) == 1 and len(small.nodes) == 4
    copy = read_pipeline(tmp_path / "Refine3D" / "job002" / "default_pipeline.star")
    assert copy == found.pipeline
    assert (tmp_path / CHANGED).exists() and (tmp_path / ".gui_projectdir").exists()


def test_a_job_exported_again_is_replaced_in_its_place(tmp_path: Path) -> None:
    for job in (SELECT, REFINE, ExportedJob("MaskCreate/job003", "relion.maskcreate", "Scheduled")):
        export_job(tmp_path, job)
    before = pipeline_in(tmp_path)
    export_job(tmp_path, REFINE)
    assert pipeline_in(tmp_path) == before
    export_job(
        tmp_path,
        ExportedJob("Refine3D/job002", "relion.refine3d", "Failed", outputs=REFINE.outputs[:1]),
    )
    after = pipeline_in(tmp_path)
    assert [one.number for one in after.processes] == [1, 2, 3]
    assert [node.name for node in after.nodes] == [
        "Select/job001/particles.star",
        "Refine3D/job002/run_data.star",
    ]
    assert after.inputs == () and after.process("Refine3D/job002").alias == ""
    assert not os.path.lexists(tmp_path / "Refine3D" / "first_try")
    assert "3/Refine3D/job002/run_data.star" in entries(tmp_path)
    assert not any("first_try" in entry for entry in entries(tmp_path))


def test_states_leave_one_marker(tmp_path: Path) -> None:
    export_job(tmp_path, SELECT)
    for state, marker in (("Failed", "FAILURE"), ("Aborted", "ABORTED"), ("Succeeded", "SUCCESS")):
        export_state(tmp_path, "Select/job001", state)  # type: ignore[arg-type]
        assert pipeline_in(tmp_path).process("Select/job001").state == state
        found = [path.name for path in (tmp_path / "Select" / "job001").glob("RELION_JOB_EXIT*")]
        assert found == [f"RELION_JOB_EXIT_{marker}"]
    with pytest.raises(InputError, match="has no job Select/job009"):
        export_state(tmp_path, "Select/job009", "Failed")


def test_an_input_of_a_known_job_becomes_its_output(tmp_path: Path) -> None:
    export_job(tmp_path, ExportedJob("Select/job001", "relion.select", "Succeeded"))
    export_job(tmp_path, REFINE)
    assert pipeline_in(tmp_path).outputs_of("Select/job001/") == (PARTICLES,)
    assert pipeline_in(tmp_path).parents_of("Refine3D/job002/") == ("Select/job001/",)


def test_aliases_change_with_their_links(tmp_path: Path) -> None:
    export_job(tmp_path, SELECT)
    export_job(tmp_path, REFINE)
    assert export_alias(tmp_path, "Refine3D/job002", "second") == "Refine3D/second/"
    assert not os.path.lexists(tmp_path / "Refine3D" / "first_try")
    assert (tmp_path / "Refine3D" / "second" / "job.star").exists()
    assert "3/Refine3D/second/run_data.star" in entries(tmp_path)
    export_job(tmp_path, ExportedJob("Refine3D/job003", "relion.refine3d", "Scheduled"))
    with pytest.raises(InputError, match="'second' is taken"):
        export_alias(tmp_path, "Refine3D/job003", "second")
    export_alias(tmp_path, "Select/job001", "second")
    (tmp_path / "Refine3D" / "mine").mkdir()
    with pytest.raises(InputError, match="is no alias of a job"):
        export_alias(tmp_path, "Refine3D/job003", "mine")
    assert pipeline_in(tmp_path).process("Refine3D/job003").alias == ""
    assert export_alias(tmp_path, "Refine3D/second", "") == ""
    assert not os.path.lexists(tmp_path / "Refine3D" / "second")


@pytest.mark.parametrize("text", ["x", "job5", "a/b", "what?", "50%", 'say "a"', "a\tb\x07", "a#1"])
def test_aliases_that_relion_refuses(text: str) -> None:
    with pytest.raises(InputError, match="alias"):
        alias_name(text)


@given(text=st.text(min_size=2, max_size=12))
def test_an_alias_has_no_blanks_and_nothing_forbidden(text: str) -> None:
    try:
        name = alias_name(text)
    except InputError:
        return
    assert name == "_".join(text.split()) and len(name) >= 2
    assert not set(name) & set(' */?()"\\|#<>&%{}$\n')


def test_the_bin_gives_back_what_it_took(tmp_path: Path) -> None:
    export_job(tmp_path, SELECT)
    export_job(tmp_path, REFINE)
    before = pipeline_in(tmp_path)
    with pytest.raises(InputError, match=r"Refine3D/job002/ read its files"):
        trash_job(tmp_path, "Select/job001")
    target = trash_job(tmp_path, "Refine3D/first_try")
    assert target == tmp_path / "Trash" / "Refine3D" / "job002" and (target / "job.star").exists()
    assert [one.name for one in pipeline_in(tmp_path).processes] == ["Select/job001/"]
    assert pipeline_in(tmp_path).counter == 3
    assert not any("Refine3D" in entry for entry in entries(tmp_path))
    restore_job(tmp_path, "Refine3D/job002")
    assert pipeline_in(tmp_path) == before
    assert (tmp_path / "Refine3D" / "first_try" / "job.star").exists()
    with pytest.raises(InputError, match="cannot be taken back"):
        restore_job(tmp_path, "Refine3D/job002")


def test_names_that_are_no_jobs(tmp_path: Path) -> None:
    for name in ("job001", "Refine3D/job1", "Refine3D/run", "a/b/job001", "../x/job001"):
        with pytest.raises(InputError, match="names are like Refine3D/job019"):
            export_job(tmp_path, ExportedJob(name, "relion.refine3d", "Running"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E41: a full disk leaves the pipeline as it was, whole, and the lock free."""
    export_job(tmp_path, SELECT)
    export_job(tmp_path, REFINE)
    before = (tmp_path / "default_pipeline.star").read_bytes()

    def full(path: Path, pipeline: Pipeline) -> None:
        if path == tmp_path / "default_pipeline.star":
            raise OSError(28, "No space left on device", str(path))
        write_pipeline(path, pipeline)

    monkeypatch.setattr(project_export, "write_pipeline", full)
    for change in (
        lambda: export_state(tmp_path, "Select/job001", "Failed"),
        lambda: trash_job(tmp_path, "Refine3D/job002"),
        lambda: reserve_job(tmp_path, "relion.select"),
    ):
        with pytest.raises(OSError, match="No space left"):
            change()
        assert (tmp_path / "default_pipeline.star").read_bytes() == before
        assert not (tmp_path / LOCK).exists()
    assert (tmp_path / "Refine3D" / "job002" / "job.star").exists()


def test_a_held_lock_stops_every_change(tmp_path: Path) -> None:
    export_job(tmp_path, SELECT)
    before = (tmp_path / "default_pipeline.star").read_bytes()
    (tmp_path / LOCK).mkdir()
    waiting = Waiting(1.0, lambda seconds: None)
    with pytest.raises(InputError, match="is held by another program"):
        export_job(tmp_path, REFINE, waiting)
    assert (tmp_path / "default_pipeline.star").read_bytes() == before
    assert not (tmp_path / "Refine3D").exists()


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@given(options=st.dictionaries(NAMES, VALUES, min_size=1, max_size=6), is_continue=st.booleans())
def test_forms_are_read_as_written(
    tmp_path_factory, options: dict[str, str], is_continue: bool
) -> None:
    folder = tmp_path_factory.mktemp("Refine3D")
    form = JobForm("relion.refine3d", options, is_continue)
    write_job_form(folder / "job.star", form)
    assert read_job_form(folder) == form


def test_names_in_a_project(tmp_path: Path) -> None:
    inside = tmp_path / "Refine3D" / "job002" / "run_data.star"
    assert node_path(tmp_path, inside) == "Refine3D/job002/run_data.star"
    assert node_path(tmp_path, "maps/a.mrc") == "maps/a.mrc"
    assert node_path(tmp_path, "/elsewhere/a.mrc") == "/elsewhere/a.mrc"


def test_notes_are_appended_in_relions_frame(tmp_path: Path) -> None:
    when = datetime(2026, 3, 1, 9, 5, 7)
    for command in ("halfmap refine --i a.star", "halfmap refine --continue b.star"):
        append_note(tmp_path, when, [command])
    lines = (tmp_path / "note.txt").read_text().splitlines()
    assert lines[0] == " ++++ Executing new job on Sun Mar 01 09:05:07 2026"
    assert [line for line in lines if line.startswith("halfmap")] == [
        "halfmap refine --i a.star",
        "halfmap refine --continue b.star",
    ]
