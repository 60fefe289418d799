"""RELION's own pipeline program (3.1) works in a project of ours, and we see what it did."""

import shutil
import subprocess
from pathlib import Path

import pytest

from compute.files.job_star import JobForm, write_job_form
from compute.files.pipeline import Node, read_pipeline
from compute.files.pipeline_lock import LOCK, lock_owner, locked
from compute.files.pipeline_types import label_for
from compute.files.project import read_project
from compute.files.project_export import ExportedJob, export_job, export_state, reserve_job

PROGRAM = "relion_pipeliner"
MASK = {
    "angpix": "-1",
    "do_helix": "No",
    "do_queue": "No",
    "extend_inimask": "3",
    "fn_in": "Refine3D/job001/run_class001.mrc",
    "inimask_threshold": "0.02",
    "lowpass_filter": "15",
    "min_dedicated": "1",
    "nr_threads": "1",
    "other_args": "",
    "qsub": "qsub",
    "qsubscript": "none",
    "queuename": "openmpi",
    "width_mask_edge": "3",
}
REFINE = ExportedJob(
    "Refine3D/job001",
    "relion.refine3d",
    "Running",
    alias="first try",
    options={"fn_img": "my particles #1.star", "sym_name": "D2"},
    inputs=(Node("my particles #1.star", "ParticleGroupMetadata.star.relion"),),
    outputs=(
        Node("Refine3D/job001/run_class001.mrc", label_for("map", "relion.refine3d")),
        Node("Refine3D/job001/run_data.star", label_for("particles", "relion.refine3d")),
    ),
)
RESCALE = ExportedJob(
    "External/job002",
    "relion.external",
    "Succeeded",
    inputs=(Node("Refine3D/job001/run_class001.mrc", "DensityMap.mrc"),),
    outputs=(
        Node("External/job002/rescaled.mrc", "DensityMap.mrc"),
        Node("External/job002/x.txt", "Other.txt"),
    ),
)

pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="RELION is not installed"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two jobs of ours, and a form of a mask for RELION to add."""
    export_job(tmp_path, REFINE)
    export_job(tmp_path, RESCALE)
    write_job_form(tmp_path / "mask.star", JobForm("relion.maskcreate", MASK))
    return tmp_path


def pipeliner(project: Path, *words: str) -> None:
    done = subprocess.run(
        [PROGRAM, *words], cwd=project, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_relion_adds_a_job_to_our_project_and_we_see_it(project: Path) -> None:
    before = read_pipeline(project / "default_pipeline.star")
    pipeliner(project, "--addJobFromStar", "mask.star", "--setJobAlias", "its_mask")
    found = read_project(project)
    mask = found.job("its_mask")
    assert (mask.name, mask.state, mask.ours) == ("MaskCreate/job003", "Scheduled", "mask")
    assert mask.parents == ("Refine3D/job001/",)
    assert [(node.name, node.content) for node in mask.outputs] == [
        ("MaskCreate/job003/mask.mrc", "mask")
    ]
    assert mask.options["inimask_threshold"] == "0.02" and mask.problems == ()
    assert found.pipeline.counter == 4 and found.lock is None
    for process in before.processes:
        assert found.pipeline.process(process.name) == process
    assert set(before.inputs) < set(found.pipeline.inputs)
    assert set(before.outputs) < set(found.pipeline.outputs)
    kept = {node.name: node.content for node in found.pipeline.nodes}
    assert all(kept[node.name] == node.content for node in before.nodes)
    assert "only numbers" in found.remarks[0]


def test_we_go_on_in_a_project_that_relion_has_written(project: Path) -> None:
    pipeliner(project, "--addJobFromStar", "mask.star")
    assert reserve_job(project, "relion.postprocess") == "PostProcess/job004"
    export_state(project, "Refine3D/job001", "Succeeded")
    found = read_project(project)
    assert [job.name for job in found.jobs] == [
        "Refine3D/job001",
        "External/job002",
        "MaskCreate/job003",
    ]
    assert found.remarks == ()
    pipeliner(project, "--addJobFromStar", "mask.star")
    assert read_project(project).job("job005").name == "MaskCreate/job005"


def test_relion_takes_the_end_of_a_job_from_our_marker(project: Path) -> None:
    for node in REFINE.outputs:
        (project / node.name).touch()
    (project / "Refine3D" / "job001" / "RELION_JOB_EXIT_SUCCESS").touch()
    pipeliner(project, "--check_job_completion")
    assert (
        read_pipeline(project / "default_pipeline.star").process("Refine3D/job001").state
        == "Succeeded"
    )


def test_relion_waits_for_our_lock(project: Path) -> None:
    """Our lock is RELION's: its program changes nothing while we hold it."""
    before = (project / "default_pipeline.star").read_bytes()
    with locked(project, "test"):
        started = subprocess.Popen(
            [PROGRAM, "--addJobFromStar", "mask.star"],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(timeout=2.0)
        assert (project / "default_pipeline.star").read_bytes() == before
    assert started.wait(timeout=60) == 0
    assert read_pipeline(project / "default_pipeline.star").counter == 4
    assert lock_owner(project) is None and not (project / LOCK).exists()
