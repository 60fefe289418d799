"""Slurm's language without a Slurm: scripts from templates, what its commands print, and verdicts."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from compute.files.events import End
from compute.files.given_text import is_one_line
from webapp.launch import slurm_text as text
from webapp.launch.local import LaunchError
from webapp.launch.profiles import Profile, in_shell
from webapp.launch.slurm import judge, states_in_words
from webapp.launch.slurm_text import Demand, SlurmJob

SHOWN = (
    "JobId=12 JobName=halfmap-a b UserId=root(0) JobState=OUT_OF_MEMORY Reason=OutOfMemory Dependency=(null) "
    "Restarts=0 ExitCode=0:125 NodeList=node[1-2] TRES=cpu=3,mem=300M Command=/p/run submit.script"
)


def cluster(**options: object) -> Profile:
    return Profile.model_validate({"name": "cluster", "kind": "slurm", **options})


def test_directives_without_a_value_are_left_out() -> None:
    made = text.script(cluster(partition="gpu", memory_GB=1.5), Demand(3, 2, 2), ["job", "a b"], [])
    assert made.splitlines() == [
        "#!/bin/bash",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=3",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --partition=gpu",
        "#SBATCH --mem=1500M",
        "#SBATCH --gres=gpu:2",
        "",
        "exec job 'a b'",
    ]


def test_gpus_are_counted_by_node_and_altogether() -> None:
    template = (
        "#!/bin/bash\n#SBATCH --gres=XXXgpusXXX\n#SBATCH --gpus-per-node=XXXgpuspernodeXXX\n"
        "#SBATCH --gpus=XXXgpucountXXX\n"
    )
    wide = cluster(cores_per_node=8, gpu_resource="gpu:a100")
    made = text.script(wide, Demand(5, 3, 4), [], [], template).splitlines()
    assert made[1:] == [
        "#SBATCH --gres=gpu:a100:2",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --gpus=4",
    ]
    assert text.script(wide, Demand(5, 3), [], [], template).splitlines()[1:] == []


@pytest.mark.parametrize(
    ("asked", "nodes", "given"),
    [("2,3", 1, "0,1"), ("5:5:7", 1, "0:0:1"), ("", 1, ""), ("10,9", 1, "1,0"), ("0,1", 2, "")],
)
def test_gpus_have_the_numbers_that_processes_at_slurm_see(
    asked: str, nodes: int, given: str
) -> None:
    assert text.gpus_given(asked, nodes) == given


def test_a_template_of_relion_is_understood() -> None:
    template = (
        "#!/bin/bash\n#SBATCH -p XXXqueueXXX\n#SBATCH -n XXXcoresXXX -N XXXnodesXXX\n"
        "#SBATCH --comment=XXXextra1XXX\nmpirun -n XXXmpinodesXXX XXXcommandXXX\n"
    )
    profile = cluster(partition="short", variables={"extra1": "cryo"}, nodes=2)
    made = text.script(profile, Demand(5, 6), ["unused"], ["python", "job file.json"], template)
    assert made.splitlines()[1:] == [
        "#SBATCH -p short",
        "#SBATCH -n 30 -N 2",
        "#SBATCH --comment=cryo",
        "mpirun -n 5 python 'job file.json'",
    ]


def test_the_template_of_a_relion_site_is_filled() -> None:
    """N42: five processes of six threads on nodes of 16 cores are 30 cores on two nodes."""
    template = (
        "#!/bin/bash\n"
        "#SBATCH -n XXXmpinodesXXX -c XXXthreadsXXX -N XXXnodesXXX -J XXXnameXXX -p XXXqueueXXX\n"
        "#SBATCH -o XXXoutfileXXX -e XXXerrfileXXX --comment=XXXcoresXXX-of-XXXdedicatedXXX\n"
        "mpirun XXXcommandXXX\n"
    )
    profile = cluster(partition="gpu", cores_per_node=16)
    names = {"name": "halfmap-1", "outfile": "run.out", "errfile": "run.err"}
    made = text.script(profile, Demand(5, 6), ["unused"], ["engine", "job.json"], template, names)
    assert made.splitlines()[1:] == [
        "#SBATCH -n 5 -c 6 -N 2 -J halfmap-1 -p gpu",
        "#SBATCH -o run.out -e run.err --comment=30-of-16",
        "mpirun engine job.json",
    ]
    with pytest.raises(ValidationError):
        cluster(cores_per_node=0)


def test_what_a_template_must_be() -> None:
    with pytest.raises(LaunchError, match="names XXXmoonXXX"):
        text.script(cluster(), Demand(1, 1), [], [], "#!/bin/sh\necho XXXmoonXXX\n")
    with pytest.raises(LaunchError, match="must start with #!"):
        text.script(cluster(), Demand(1, 1), ["job"], [], "XXXjobXXX\n")


@pytest.mark.parametrize("value", ["a b", "x\n#SBATCH --uid=0", "$(id)", "x;y", 'a"b', "`id`"])
def test_no_value_becomes_a_directive(value: str) -> None:
    with pytest.raises(LaunchError, match="cannot stand in the line"):
        text.script(cluster(partition=value), Demand(1, 1), ["job"], [])


@given(st.text(min_size=1).filter(is_one_line))
def test_no_value_becomes_a_command(value: str) -> None:
    template = "#!/bin/bash\nXXXextra1XXX\n"
    profile = cluster(variables={"extra1": value})
    made = text.script(profile, Demand(1, 1), [], [], template)
    assert shlex.split(made.partition("\n")[2]) == [value]


def test_the_words_of_slurm_are_read() -> None:
    assert text.read_number("123\n") == text.read_number("123;cluster\n") == 123
    with pytest.raises(LaunchError, match="no job number but 'hello'"):
        text.read_number("hello")
    job = text.read_shown_job(SHOWN)
    assert job == SlurmJob(12, "OUT_OF_MEMORY", "OutOfMemory", 0, 125, "node[1-2]")
    assert text.read_shown_job("No jobs in the system") is None
    assert text.read_fields(SHOWN)["JobName"] == "halfmap-a b"
    assert text.read_queue("7|PENDING|Resources|\n8|RUNNING|None|n1\nbad\n") == {
        7: SlurmJob(7, "PENDING", "Resources"),
        8: SlurmJob(8, "RUNNING", nodes="n1"),
    }
    assert text.lost_nodes("n1|mixed*\nn2|idle\nn3|down\nn4|down*\nn1|mixed*\n") == [
        "n1",
        "n3",
        "n4",
    ]


def test_the_accounting_is_read() -> None:
    printed = "5|CANCELLED by 0|0:15||n1\n5.batch|CANCELLED|0:15|2097152K|n1\n55|FAILED|1:0||n2\n"
    job = text.read_accounting(printed, 5)
    assert job is not None
    assert (job.state, job.stage, job.exit_signal, job.nodes) == ("CANCELLED", "stopped", 15, "n1")
    assert job.memory_GB == pytest.approx(2.147, abs=0.001)
    assert text.read_accounting(printed, 6) is None
    killed = "1|FAILED|0:9||n1\n1.batch|CANCELLED|0:9|4784K|n1\n1.0|OUT_OF_MEMORY|0:125|301M|n1\n"
    job = text.read_accounting(killed, 1)
    assert job is not None
    assert (job.state, job.exit_signal, job.is_over) == ("FAILED", 9, True)
    assert job.memory_GB == pytest.approx(0.3156, abs=0.001)
    lost = text.read_accounting("2|RUNNING|0:0||n1\n", 2)
    assert lost is not None and not lost.is_over
    assert text.read_bytes("1.5G") == 1.5 * 2**30
    assert text.read_bytes("nothing") == 0.0


@pytest.mark.parametrize(
    ("job", "state", "words"),
    [
        (SlurmJob(1, "OUT_OF_MEMORY"), "failed", "needed more memory than Slurm had given it."),
        (SlurmJob(1, "FAILED", exit_status=9), "failed", "signal 9, by the system or by somebody."),
        (
            SlurmJob(1, "FAILED", exit_status=137, memory_GB=3.2),
            "failed",
            "killed by signal 9, by the system or by somebody (it held 3.2 GB)",
        ),
        (
            SlurmJob(1, "FAILED", exit_signal=11),
            "failed",
            "ended by signal 11 (Segmentation fault)",
        ),
        (SlurmJob(1, "NODE_FAIL", nodes="n7"), "failed", "The node of the job failed (node n7)."),
        (SlurmJob(1, "TIMEOUT"), "failed", "time limit"),
        (SlurmJob(1, "FAILED", exit_status=3), "failed", "exit status 3"),
        (SlurmJob(1, "CANCELLED"), "stopped", "cancelled at Slurm"),
        (SlurmJob(1, "COMPLETED"), "failed", "without leaving a last record"),
        (None, "failed", "no longer knows the job"),
    ],
)
def test_verdicts_without_a_last_record(job: SlurmJob | None, state: str, words: str) -> None:
    ending = judge(None, job, "Go on.")
    assert ending.state == state
    assert words in ending.sentence
    assert ending.sentence.endswith("Go on.") == (state == "failed")


def test_the_jobs_own_last_record_comes_first() -> None:
    done = End(reason="converged", message="done")
    assert judge(done, SlurmJob(1, "NODE_FAIL")).state == "finished"
    assert judge(End(reason="stopped", message="m"), SlurmJob(1, "CANCELLED")).state == "stopped"
    failed = End(reason="failed", message="The job was killed by the system.")
    assert judge(failed, SlurmJob(1, "FAILED")).sentence == failed.message
    assert "more memory" in judge(failed, SlurmJob(1, "OUT_OF_MEMORY")).sentence
    assert "time limit" in judge(failed, SlurmJob(1, "TIMEOUT")).sentence


def test_a_waiting_job_says_why() -> None:
    waiting = SlurmJob(1, "PENDING", "Resources")
    assert states_in_words(waiting, []) == "waits at Slurm: the cluster is busy"
    assert states_in_words(SlurmJob(1, "PENDING", "Odd"), []) == "waits at Slurm: Odd"
    assert states_in_words(SlurmJob(1, "RUNNING"), []) == ""
    assert "suspended" in states_in_words(SlurmJob(1, "SUSPENDED"), [])


def test_every_state_means_something() -> None:
    assert set(text.SENTENCES) < set(text.STAGES)
    assert {text.STAGES[name] for name in text.SENTENCES} == {"failed"}


def test_modules_and_lines_of_shell_come_first() -> None:
    assert in_shell(Profile(), ["python", "x"]) == ["python", "x"]
    words = in_shell(Profile(modules=["mpi/4", "cuda"], setup=["ulimit -l"]), ["python", "a b"])
    assert words[:2] == ["bash", "-lc"]
    assert words[2].splitlines() == [
        "set -e",
        "module load mpi/4 cuda",
        "ulimit -l",
        "exec python 'a b'",
    ]


def test_mpi_words_must_take_the_number_of_processes() -> None:
    with pytest.raises(ValidationError, match="must hold {ranks}"):
        Profile(mpi=["mpirun", "-n", "3"])
