"""`halfmap relion`: the jobs of a RELION project, and their forms as our parameters."""

import json
from pathlib import Path
from typing import Any

import pytest

from compute.files.pipeline import Node
from compute.files.project import ProjectJob, read_project
from compute.files.project_export import ExportedJob, export_job
from compute.files.relion_forms import form_of
from compute.params.extract import ExtractParams
from compute.params.importing import ImportingParams
from compute.params.mask import MaskParams
from compute.params.option import JobParams
from compute.params.postprocess import PostprocessParams
from compute.params.refine import RefineParams
from tests.compute.files.test_relion_forms import CHAPTER
from webapp.cli import command
from webapp.relion_project import translated

PARTICLES = Node("Select/job001/particles.star", "ParticleGroupMetadata.star.relion")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A selection, the chapter's refinement of it, and a mask of another map."""
    for job in (
        ExportedJob("Select/job001", "relion.select", "Succeeded", outputs=(PARTICLES,)),
        ExportedJob(
            "Refine3D/job002", "relion.refine3d", "Failed", "first", CHAPTER, inputs=(PARTICLES,)
        ),
        ExportedJob(
            "MaskCreate/job003", "relion.maskcreate", "Scheduled", options={"fn_in": "a.mrc"}
        ),
    ):
        export_job(tmp_path, job)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert command(["relion", *words]) == 0
    return capsys.readouterr().out


def test_the_tree(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, str(project)).splitlines() == [
        f"{project}: 3 jobs, the next one is job004",
        "Select/job001: Succeeded",
        "  Refine3D/job002 (first): Failed",
        "MaskCreate/job003: Scheduled",
    ]


def test_jobs_in_a_circle_are_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    back = Node("Refine3D/job002/run_data.star", "ParticleGroupMetadata.star.relion")
    export_job(
        project,
        ExportedJob(
            "Select/job001", "relion.select", "Succeeded", inputs=(back,), outputs=(PARTICLES,)
        ),
    )
    lines = said(capsys, str(project)).splitlines()
    assert len([line for line in lines if "job00" in line and ": " in line]) == 4


def test_one_job(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, str(project), "--job", "first").splitlines()
    assert "type: relion.refine3d, here: halfmap refine" in lines
    assert "reads Select/job001/particles.star (particles)" in lines
    assert "particle_diameter = 200" in lines


def test_what_programs_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, str(project), "--json"))
    assert [job["name"] for job in found["jobs"]] == [
        "Select/job001",
        "Refine3D/job002",
        "MaskCreate/job003",
    ]
    refine = found["jobs"][1]
    assert (refine["alias"], refine["state"], refine["ours"]) == ("first", "Failed", "refine")
    assert refine["parents"] == ["Select/job001"] and found["next_job"] == 4
    assert refine["options"]["sampling"] == "7.5 degrees"


def test_a_stale_lock_is_told_and_removed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """E42."""
    (project / ".relion_lock").mkdir()
    assert "locked by another program" in said(capsys, str(project))
    assert "is removed" in said(capsys, str(project), "--remove-lock")
    assert not (project / ".relion_lock").exists()
    assert "is not locked" in said(capsys, str(project), "--remove-lock")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone"], "is no RELION project"),
        (["{project}", "--job", "job009"], "has no job job009"),
        (["{project}", "--wrong"], "unrecognized arguments"),
        ([], "required: project"),
    ],
)
def test_wrong_words(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert command(["relion", *(word.format(project=project) for word in words)]) == 2
    assert message in capsys.readouterr().err


def of_form(project: Path, label: str, folder: str, options: dict[str, str]) -> ProjectJob:
    export_job(project, ExportedJob(f"{folder}/job050", label, "Succeeded", options=options))
    return read_project(project).job("job050")


def test_the_chapters_refinement_as_ours(project: Path) -> None:
    found = translated(read_project(project).job("first"), RefineParams)
    assert found.problem == "" and isinstance(found.params, RefineParams)
    params = found.params
    assert (params.particles, params.symmetry) == ("Extract/job018/particles.star", "D2")
    assert (params.healpix_order, params.local_search_order, params.offset_step_px) == (2, 4, 2.0)
    assert (params.mpi, params.threads, params.gpu) == (5, 6, "")
    assert params.ignore_angles and params.resolution_angles and params.maximum_significant == 500
    assert params.output == "Refine3D/job002/run" and params.low_resolution_join_A == 40.0


@pytest.mark.parametrize(
    ("label", "folder", "model", "options", "expected"),
    [
        (
            "relion.maskcreate",
            "MaskCreate",
            MaskParams,
            {"fn_in": "a.mrc", "lowpass_filter": "15", "angpix": "-1", "inimask_threshold": "0.01",
             "extend_inimask": "4", "width_mask_edge": "6", "nr_threads": "1"},
            {"--lowpass": 15.0, "--ini_threshold": 0.01, "--extend_inimask": 4, "--width_soft_edge": 6},
        ),
        (
            "relion.postprocess",
            "PostProcess",
            PostprocessParams,
            {"fn_in": "a_half1.mrc", "fn_mask": "m.mrc", "angpix": "1.2", "do_auto_bfac": "No",
             "do_adhoc_bfac": "Yes", "adhoc_bfac": "-90", "do_skip_fsc_weighting": "No", "fn_mtf": ""},
            {"--angpix": 1.2, "--adhoc_bfac": -90.0, "--mask": "m.mrc"},
        ),
        (
            "relion.extract.reextract",
            "Extract",
            ExtractParams,
            {"star_mics": "m.star", "do_reextract": "Yes", "fndata_reextract": "p.star", "do_recenter": "Yes",
             "recenter_x": "0", "recenter_y": "0", "recenter_z": "0", "extract_size": "360", "do_rescale": "Yes",
             "rescale": "256", "do_norm": "Yes", "bg_diameter": "-1", "white_dust": "-1", "black_dust": "-1",
             "do_invert": "Yes", "do_float16": "Yes", "nr_mpi": "4"},
            {"--extract_size": 360, "--scale": 256, "--reextract_data_star": "p.star", "--bg_radius": 96},
        ),
        (
            "relion.import",
            "Import",
            ImportingParams,
            {"do_raw": "Yes", "fn_in_raw": "Mics/*.mrc", "angpix": "0.885", "kV": "200", "do_other": "No",
             "optics_group_name": "opticsGroup1"},
            {"--angpix": 0.885, "--kV": 200.0, "--i": "Mics/*.mrc"},
        ),
    ],
)  # fmt: skip
def test_forms_of_other_jobs_as_ours(
    project: Path,
    label: str,
    folder: str,
    model: type[JobParams],
    options: dict[str, str],
    expected: dict[str, object],
) -> None:
    found = translated(of_form(project, label, folder, options), model)
    assert found.problem == "" and found.params is not None
    values = {
        flag: getattr(found.params, name)
        for name, info in model.model_fields.items()
        for flag in info.json_schema_extra["relion"]  # type: ignore[index,call-overload,union-attr]
    }
    assert {flag: values[flag] for flag in expected} == expected


def test_our_refinement_comes_back_from_its_form(project: Path) -> None:
    params = RefineParams(
        particles="p.star",
        reference="r.mrc",
        output="Refine3D/job050/run",
        symmetry="C4",
        healpix_order=3,
        particle_diameter_A=180.0,
        initial_lowpass_A=40.0,
        ignore_angles=True,
        resolution_angles=True,
        mpi=3,
        threads=2,
    )
    form = form_of("refine", params)
    job = of_form(project, form.label, "Refine3D", dict(form.options))
    assert translated(job, RefineParams).params == params


def test_forms_that_mean_nothing_here(project: Path) -> None:
    job = of_form(project, "relion.refine3d", "Refine3D", {"sampling": "8 degrees"})
    found = translated(job, RefineParams)
    assert found.params is None and "sampling is '8 degrees'" in found.problem
    select = read_project(project).job("job001")
    assert "is not known here" in translated(select, RefineParams).problem
    (project / "Select" / "job001" / "job.star").unlink()
    assert (
        "has no job.star" in translated(read_project(project).job("job001"), RefineParams).problem
    )


def test_a_project_is_taken_in_and_followed(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`halfmap project import`, twice: RELION adds a job in between."""
    settings = tmp_path / "halfmap.toml"
    place = tmp_path / "data" / "halfmap.db"
    settings.write_text(f'database = "{place}"\ndata_roots = ["{tmp_path}"]\n')
    monkeypatch.setenv("HALFMAP_CONFIG", str(settings))

    def taken_in(*more: str) -> dict[str, Any]:
        capsys.readouterr()
        assert command(["project", "import", str(project), *more, "--json"]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    first = taken_in("--name", "old")
    assert (first["name"], first["added"], first["changed"]) == ("old", [1, 2, 3], [])
    export_job(project, ExportedJob("Select/job004", "relion.select", "Running"))
    again = taken_in()
    assert (again["id"], again["added"]) == (first["id"], [4])
    assert command(["status", "old:2", "--json"]) == 0
    job = json.loads(capsys.readouterr().out)
    assert (job["type"], job["state"]) == ("refine", "failed")
    assert job["parameters"]["symmetry"] == "D2"
