"""A RELION project folder of any version is read as it is, and nothing in it changes."""

import os
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.job_star import JobForm, read_job_form
from compute.files.project import read_project
from tests.compute.files.test_pipeline import LABELS, NUMBERS

RUN_JOB = """job_type == 10
is_continue == false
Input images STAR file: == Select/job017/particles.star
Reference map: == ref.mrc
Initial angular sampling: == 7.5 degrees
Mask diameter (A): == 200
Additional arguments: ==\x20
Something new: == 5
"""
JOB_STAR = """
# version 30001

data_job

_rlnJobType                             7
_rlnJobIsContinue                       1


# version 30001

data_joboptions_values

loop_
_rlnJobOptionVariable #1
_rlnJobOptionValue #2
fn_data Class3D/job016/run_it025_data.star
fn_note "two words"
other_args         ""
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of 3.1 in which job 12 has no folder and job 19 has the form of 3.0."""
    (tmp_path / "default_pipeline.star").write_text(NUMBERS)
    for name in ("Import/job001", "Select/job017", "Refine3D/job019"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Import" / "job001" / "job.star").write_bytes(b"data_job\n_rlnJobType caf\xe9\n")
    select = tmp_path / "Select" / "job017"
    (select / "job.star").write_text(JOB_STAR)
    (select / "note.txt").write_text(" ++++ Executing new job on Mon\n")
    (select / "RELION_JOB_EXIT_SUCCESS").touch()
    (tmp_path / "Select" / "good_ones").symlink_to("../Select/job017/")
    refine = tmp_path / "Refine3D" / "job019"
    (refine / "run.job").write_text(RUN_JOB)
    (refine / "RELION_JOB_EXIT_FAILURE").touch()
    return tmp_path


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names, "."):
            state = (Path(root) / name).lstat()
            found[f"{root}/{name}"] = (state.st_mtime_ns, state.st_size, state.st_mode)
    return found


def test_the_jobs_of_a_project(project: Path) -> None:
    before = snapshot(project)
    found = read_project(project)
    assert snapshot(project) == before
    assert [job.name for job in found.jobs] == [
        "Import/job001",
        "Sort/job012",
        "Select/job017",
        "Refine3D/job019",
    ]
    select = found.job("good_ones")
    assert found.job("job017") is select and found.job("Select/good_ones/") is select
    assert select.form == JobForm("relion.select", dict(select.options), is_continue=True)
    assert dict(select.options) == {
        "fn_data": "Class3D/job016/run_it025_data.star",
        "fn_note": "two words",
        "other_args": "",
    }
    assert select.note.startswith(" ++++ Executing") and select.problems == ()
    assert select.started is not None and select.ended is not None
    assert select.ours == "select"
    with pytest.raises(KeyError):
        found.job("job099")


def test_the_form_of_3_0_is_given_by_the_names_of_later_versions(project: Path) -> None:
    job = read_project(project).job("job019")
    assert dict(job.options) == {
        "fn_img": "Select/job017/particles.star",
        "fn_ref": "ref.mrc",
        "sampling": "7.5 degrees",
        "particle_diameter": "200",
        "other_args": "",
        "Something new:": "5",
    }
    assert job.form is not None and (job.form.label, job.form.is_continue) == (
        "relion.refine3d",
        False,
    )


def test_a_running_job_with_a_marker_has_ended(project: Path) -> None:
    job = read_project(project).job("job019")
    assert (job.process.state, job.state) == ("Running", "Failed")


def test_what_cannot_be_read_of_one_job_is_told_with_it(project: Path) -> None:
    found = read_project(project)
    (unreadable,) = found.job("job001").problems
    assert "is not UTF-8" in unreadable
    missing, *_ = found.job("job012").problems
    assert "Sort/job012" in missing and "does not exist" in missing
    assert found.job("job012").started is None


def test_remarks_on_the_whole(project: Path) -> None:
    assert any("only numbers" in remark for remark in read_project(project).remarks)
    pipeline = project / "default_pipeline.star"
    pipeline.write_text(LABELS.replace("JobCounter                       4", "JobCounter 3"))
    remarks = read_project(project).remarks
    assert any("only labels" in remark and "3.1 cannot" in remark for remark in remarks)
    assert any("counter is 3, but job 3 exists" in remark for remark in remarks)
    pipeline.write_text(NUMBERS.replace("Sort/job012/       None", "Sort/job013/       None"))
    assert not any("Edges" in remark for remark in read_project(project).remarks)
    pipeline.write_text(NUMBERS.replace("ref.mrc Refine3D/job019/", "ref.mrc Refine3D/job018/"))
    assert any("such as Refine3D/job018/" in remark for remark in read_project(project).remarks)


def test_a_folder_without_pipeline_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no RELION project: it has no default_pipeline\.star"):
        read_project(tmp_path)


def test_a_job_without_form(tmp_path: Path) -> None:
    assert read_job_form(tmp_path) is None
    (tmp_path / "job.star").write_text("data_other\n\n_rlnX 1\n")
    with pytest.raises(InputError, match="has no data_job block"):
        read_job_form(tmp_path)
    (tmp_path / "job.star").unlink()
    (tmp_path / "run.job").write_bytes(b"job_type == \xff\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_job_form(tmp_path)
