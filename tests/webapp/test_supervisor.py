"""Jobs from the queue to their true end under a supervisor in this process: real refinements of three processes."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pwd
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy.exc import OperationalError

from compute.files.relion import read_exit_marker
from db.errors import Refused
from db.repository import nodes
from db.session import open_database
from tests.compute.jobs.refining import content
from tests.services.slurm import wait_until
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import LONG, STEADY, Lab, laboratory
from webapp import actions
from webapp.launch import processes
from webapp.launch.keeper import read_record, record_path
from webapp.launch.starting import LAUNCH_ID
from webapp.office import Office, OfficeLost, running_supervisor
from webapp.supervisor import Supervisor


@pytest.fixture
def lab(small_set: SmallSet, tmp_path: Path) -> Iterator[Lab]:
    with laboratory(small_set, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(
    small_set: SmallSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, int]]:
    """A refinement that nobody has disturbed, and its lab."""
    with laboratory(small_set, tmp_path_factory.mktemp("undisturbed")) as made:
        job_id = made.submit(title="first", **STEADY)
        made.until_ended(job_id)
        yield made, job_id


def results(folder: Path) -> dict[str, bytes]:
    """What the result files of a refinement hold, by name; checkpoints also tell the number of processes."""
    found = (path for path in folder.glob("run_*") if path.is_file())
    apart = (".npz", "_timing.jsonl")
    return {path.name: content(path) for path in found if not path.name.endswith(apart)}


def check_like(undisturbed: tuple[Lab, int], lab: Lab, job_id: int) -> None:
    """The job has finished with the files of the undisturbed one, bit for bit."""
    job = lab.job(job_id)
    assert (job.state, job.ending) == ("finished", "completed"), job.reason
    expected = results(undisturbed[0].job_folder(undisturbed[1]))
    assert results(lab.job_folder(job_id)) == expected
    assert lab.iterations(job_id) == [1, 2, 3, 4, 5]
    assert read_exit_marker(lab.job_folder(job_id)) == "success"


def continue_job(lab: Lab, job_id: int, after: int | None = None) -> None:
    with lab.database.writing() as session:
        actions.continue_job(session, lab.settings, job_id, who=None, after_iteration=after)


def stop(lab: Lab, job_id: int, at_once: bool) -> None:
    with lab.database.writing() as session:
        actions.stop(session, job_id, who=None, at_once=at_once)


def stop_and_continue(lab: Lab, job_id: int) -> None:
    """End a job at once, which leaves nothing of it behind, and go on with it."""
    stop(lab, job_id, at_once=True)
    lab.until_ended(job_id)
    assert lab.job(job_id).ending == "stopped by user"
    assert processes.of(launch_id(lab, job_id)) == []
    continue_job(lab, job_id)


def launch_id(lab: Lab, job_id: int) -> str:
    return str(lab.attempts(job_id)[-1].environment[LAUNCH_ID])


def ranks(lab: Lab, job_id: int) -> list[int]:
    return [one.pid for one in processes.of(launch_id(lab, job_id)) if one.is_rank]


def until_all_work(lab: Lab, job_id: int) -> None:
    """Until the job runs on all its processes."""
    lab.until(
        lambda: (
            lab.job(job_id).state == "running" and len(ranks(lab, job_id)) == lab.job(job_id).ranks
        ),
        "all ranks work",
    )


# ---- the ordinary life of a job


def test_a_job_is_started_watched_and_settled(undisturbed: tuple[Lab, int]) -> None:
    lab, job_id = undisturbed
    job = lab.job(job_id)
    assert (job.state, job.ending, job.folder) == ("finished", "completed", "Refine3D/job001")
    assert lab.iterations(job_id) == [1, 2, 3, 4, 5]
    assert job.particles == 80
    assert job.disk_bytes is not None and job.disk_bytes > 100_000
    (attempt,) = lab.attempts(job_id)
    assert attempt.exit_status == 0
    assert attempt.environment["versions"]["halfmap"]
    assert attempt.environment["seed"] == 1
    with lab.database.reading() as session:
        sums = {line.node.path: line.checksum for line in nodes.inputs(session, job_id)}
    assert set(sums) == {"set.star", "set_reference.mrc"}
    assert all(str(one).startswith("sha256:") for one in sums.values())
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert (job.unix_user, attempt.environment["unix_user"]) == (user, user)
    with lab.database.reading() as session:
        made = list(nodes.outputs(session, job_id))
    assert {one.content for one in made} >= {"particles", "map", "half map"}
    for one in made:
        data = (lab.folder / one.path).read_bytes()
        assert one.checksum == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_jobs_wait_for_cores_and_for_their_parents(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs never share the cores of the machine, and a chain goes on when its parents have finished."""
    monkeypatch.setattr("webapp.launch.local.cores", lambda: 1)
    short = {"maximum_iterations": 1, "mpi": 1}
    first, second = lab.submit(**short), lab.submit(**short)
    third = lab.submit(**short, reference="Refine3D/job001/run_class001.mrc")
    lab.supervisor.cycle()
    assert lab.job(first).state in ("starting", "running")
    assert lab.job(second).reason == "needs 1 core, job 1 holds them"
    assert lab.job(third).reason == "waits for job 1 (refine) to finish"
    busy: list[set[int]] = []

    def looked() -> bool:
        at_work = ("starting", "running")
        busy.append({one for one in (first, second, third) if lab.job(one).state in at_work})
        return all(lab.job(one).state == "finished" for one in (first, second, third))

    lab.until(looked, "all have finished")
    assert max(len(one) for one in busy) == 1
    assert lab.job(third).started_at > lab.job(first).ended_at


def test_a_job_that_cannot_start_says_why(lab: Lab) -> None:
    job_id = lab.submit(mpi=1)
    (lab.folder / "set_reference.mrc").unlink()
    lab.until_ended(job_id)
    job = lab.job(job_id)
    assert job.state == "failed"
    assert "set_reference.mrc" in job.reason
    assert lab.attempts(job_id)[0].exit_status == 2


# ---- stop and continue


def test_a_job_stopped_after_its_iteration_and_one_stopped_at_once_go_on(
    lab: Lab, undisturbed: tuple[Lab, int]
) -> None:
    job_id = lab.submit(**STEADY, mpi=1)
    until_all_work(lab, job_id)
    stop(lab, job_id, at_once=False)
    lab.until_ended(job_id)
    job = lab.job(job_id)
    assert (job.state, job.ending) == ("finished", "stopped by user")
    assert "as asked" in job.reason
    done = lab.iterations(job_id)
    assert (lab.job_folder(job_id) / f"run_it{done[-1]:03d}_optimiser.star").is_file()
    continue_job(lab, job_id, after=1)
    until_all_work(lab, job_id)
    stop_and_continue(lab, job_id)
    lab.until_ended(job_id)
    check_like(undisturbed, lab, job_id)
    assert [one.number for one in lab.attempts(job_id)] == [1, 2, 3]


# ---- killed, frozen, restarted


def test_killed_workers_and_keepers_are_told_and_the_job_goes_on(
    lab: Lab, undisturbed: tuple[Lab, int]
) -> None:
    job_id = lab.submit(**STEADY)
    lab.until_iterated(job_id)
    os.kill(max(ranks(lab, job_id)), signal.SIGKILL)
    lab.until_ended(job_id)
    assert lab.job(job_id).state == "failed"
    assert "The job was killed by " in lab.job(job_id).reason
    assert "--continue" in lab.job(job_id).reason
    continue_job(lab, job_id, after=1)
    until_all_work(lab, job_id)
    every = processes.of(launch_id(lab, job_id))
    for number in (signal.SIGSTOP, signal.SIGKILL):  # none may see another one die and say so
        for process in every:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
    lab.until_ended(job_id)
    assert "All processes of the job were killed" in lab.job(job_id).reason
    assert read_exit_marker(lab.job_folder(job_id)) == "failure"
    continue_job(lab, job_id, after=1)
    lab.until_ended(job_id)
    check_like(undisturbed, lab, job_id)


def test_a_frozen_process_is_named_until_it_wakes(lab: Lab) -> None:
    job_id = lab.submit(**LONG)
    until_all_work(lab, job_id)
    worker = max(ranks(lab, job_id))
    os.kill(worker, signal.SIGSTOP)
    lab.until(lambda: f"Process {worker} is frozen" in lab.job(job_id).reason, "it is told")
    assert lab.job(job_id).state == "running"
    os.kill(worker, signal.SIGCONT)
    lab.until(lambda: lab.job(job_id).reason == "", "the sentence goes")
    os.kill(worker, signal.SIGSTOP)
    stop(lab, job_id, at_once=True)
    lab.until_ended(job_id)
    assert lab.job(job_id).ending == "stopped by user"
    assert processes.of(launch_id(lab, job_id)) == []


@pytest.mark.slow
@pytest.mark.parametrize("way_out", ["it is woken", "it is stopped and continued"])
def test_a_process_frozen_for_three_minutes_costs_nothing_but_time(
    lab: Lab, undisturbed: tuple[Lab, int], way_out: str
) -> None:
    """All the while the job runs and says what holds it; then it ends as one that nobody has disturbed."""
    job_id = lab.submit(**STEADY)
    lab.until_iterated(job_id)
    worker = max(ranks(lab, job_id))
    os.kill(worker, signal.SIGSTOP)
    told = f"Process {worker} is frozen (SIGSTOP): the job waits; wake with kill -CONT {worker}."
    lab.until(lambda: lab.job(job_id).reason == told, "it is told", limit_s=30)
    seen: set[tuple[str, str]] = set()
    end_s = time.monotonic() + 180.0

    def is_over() -> bool:
        seen.add((lab.job(job_id).state, lab.job(job_id).reason))
        return time.monotonic() > end_s

    lab.until(is_over, "three minutes have passed", limit_s=240)
    assert seen == {("running", told)}
    if way_out == "it is woken":
        os.kill(worker, signal.SIGCONT)
    else:
        stop_and_continue(lab, job_id)
    lab.until_ended(job_id)
    check_like(undisturbed, lab, job_id)


def test_a_silent_job_and_one_of_before_a_restart_are_told(lab: Lab) -> None:
    """With a clock of our own: the job's records are held back, then the machine seems to be another one."""
    moment = [1000.0]
    lab.supervisor.leave()
    lab.supervisor = lab.new_supervisor(clock=lambda: moment[0])
    job_id = lab.submit(**LONG, mpi=1)
    until_all_work(lab, job_id)
    records = lab.job_folder(job_id) / "progress.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webapp.watcher.news", lambda folder, offset: ([], offset, False))
        lab.supervisor.cycle()
        moment[0] += 28.0
        lab.supervisor.cycle()
        assert lab.job(job_id).reason.startswith("No sign of life since")
    size = records.stat().st_size
    lab.until(lambda: records.stat().st_size > size, "the job writes")
    lab.until(lambda: lab.job(job_id).reason == "", "the sentence goes")
    pretend_restart(lab, job_id)
    lab.until_ended(job_id)
    assert lab.job(job_id).state == "failed"
    assert "was restarted meanwhile" in lab.job(job_id).reason


def pretend_restart(lab: Lab, job_id: int) -> None:
    """End a job's processes as a machine that goes down does, and let its record be of another boot."""
    folder, name = lab.job_folder(job_id), launch_id(lab, job_id)
    record = read_record(folder, name)
    assert record is not None
    for process in processes.of(name):
        os.kill(process.pid, signal.SIGKILL)
    earlier = dataclasses.replace(record, boot_id="another")
    record_path(folder, name).write_text(json.dumps(dataclasses.asdict(earlier)))


def test_a_full_disk_is_told_and_the_job_goes_on_when_there_is_room(
    small_set: SmallSet, tmp_path: Path, undisturbed: tuple[Lab, int]
) -> None:
    place = tmp_path / "small-disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", place]).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with laboratory(small_set, tmp_path, projects=place) as lab:
            job_id = lab.submit(**STEADY, mpi=1)
            lab.until_iterated(job_id)
            fill(place / "filler")
            lab.until_ended(job_id)
            job = lab.job(job_id)
            assert job.state == "failed"
            assert "is full" in job.reason or "No space left" in job.reason
            (place / "filler").unlink()
            continue_job(lab, job_id)
            lab.until_ended(job_id)
            check_like(undisturbed, lab, job_id)
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(path: Path) -> None:
    """Write a file until its disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


# ---- the database and the office


def test_a_job_runs_on_while_the_database_cannot_be_written(
    small_set: SmallSet, tmp_path: Path, undisturbed: tuple[Lab, int]
) -> None:
    with laboratory(small_set, tmp_path, busy_s=0.1) as lab:
        job_id = lab.submit(**STEADY, mpi=1)
        lab.until_iterated(job_id)
        keeper = psutil.Process(lab.attempts(job_id)[0].pid)
        with closing(sqlite3.connect(tmp_path / "halfmap.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OperationalError):
                lab.supervisor.cycle()
            wait_until(
                lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE,
                "the job has ended by itself",
                120,
            )
            assert lab.job(job_id).state == "running"
        lab.until_ended(job_id)
        check_like(undisturbed, lab, job_id)


def test_one_supervisor_at_a_time(lab: Lab) -> None:
    assert lab.supervisor.cycle()
    other = lab.new_supervisor()
    assert not other.cycle()
    assert "process" in running_supervisor(lab.database)
    lab.supervisor.leave()
    assert running_supervisor(lab.database) == ""
    assert other.cycle()
    assert not lab.supervisor.cycle()
    other.leave()


def test_the_office_of_a_dead_process_is_free_at_once(lab: Lab) -> None:
    code = (
        "import os, sys\nfrom db.session import open_database\nfrom webapp.office import Office\n"
        "office = Office(open_database(sys.argv[1]))\nassert not office.take()\nos.kill(os.getpid(), 9)"
    )
    words = ["-c", code, lab.settings.database]
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, *words], cwd=root)
    assert done.returncode == -signal.SIGKILL
    assert running_supervisor(lab.database) != ""
    assert lab.supervisor.cycle()


def test_a_clock_that_jumps_costs_the_office_and_no_job(
    small_set: SmallSet, tmp_path: Path
) -> None:
    """The lease runs out by the clock of the database; who has lost it stores nothing more."""
    with laboratory(small_set, tmp_path) as lab:
        job_id = lab.submit(maximum_iterations=2, mpi=1)
        until_all_work(lab, job_id)
        later = open_database(
            lab.settings.database, clock=lambda: datetime.now(UTC) + timedelta(hours=1)
        )
        other = Supervisor(later, lab.settings)
        assert other.cycle()
        with pytest.raises(OfficeLost), lab.supervisor.office.acting():
            raise AssertionError("stored by one who has lost the office")
        assert not lab.supervisor.cycle()
        wait_until(lambda: other.cycle() and lab.job(job_id).state == "finished", "the end", 400)
        assert len(lab.attempts(job_id)) == 1
        assert lab.iterations(job_id) == [1, 2]
        other.leave()
        later.close()


def test_nobody_acts_without_the_office(lab: Lab) -> None:
    with pytest.raises(OfficeLost), Office(lab.database).acting():
        raise AssertionError("acted without the office")


@pytest.mark.slow
def test_two_attempts_never_write_at_once(lab: Lab) -> None:
    job_id = lab.submit(**LONG, mpi=1)
    until_all_work(lab, job_id)
    with pytest.raises(Refused, match="still has processes"):
        actions.check_gone(lab.job(job_id), lab.attempts(job_id)[-1], lab.folder)
    stop(lab, job_id, at_once=True)
    lab.until_ended(job_id)
    actions.check_gone(lab.job(job_id), lab.attempts(job_id)[-1], lab.folder)
