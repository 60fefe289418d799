"""The lock of a project: held, waited for, told apart from a stale one, and never lost to a crash."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.pipeline_lock import CHANGED, LOCK, REASON, lock_owner, locked, remove_lock

ROOT = Path(__file__).parents[3]


def never(seconds: float) -> None:
    raise AssertionError("waited for a lock that is free")


class Clock:
    """Waits that take no time, and something that happens after some of them."""

    def __init__(self, after: int = 10**9, then: object = None) -> None:
        self.waits, self._after, self._then = 0, after, then

    def sleep(self, seconds: float) -> None:
        self.waits += 1
        if self.waits == self._after and callable(self._then):
            self._then()


def foreign_lock(project: Path, text: str = "Undefined lock message") -> None:
    (project / LOCK).mkdir()
    (project / LOCK / REASON).write_text(text + "\n")


HOLD_AND_DIE = """
import os, sys
from compute.files.pipeline_lock import locked
with locked(sys.argv[1], "export of Refine3D/job019"):
    os._exit(9)
"""
COUNT = """
import sys
from pathlib import Path
from compute.files.pipeline_lock import locked
for _ in range(3):
    with locked(sys.argv[1], "count"):
        file = Path(sys.argv[1]) / "count"
        file.write_text(str(int(file.read_text()) + 1))
"""


def started(code: str, project: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, str(project)], cwd=ROOT)


def died(project: Path) -> None:
    """Leave the lock of a process that has ended, as a kill would."""
    assert started(HOLD_AND_DIE, project).wait() == 9


def test_a_held_lock_is_relions(tmp_path: Path) -> None:
    with locked(tmp_path, "a reason\nin two lines", sleep=never):
        owner = lock_owner(tmp_path)
        assert owner is not None
        assert (owner.host, owner.pid) == (socket.gethostname(), os.getpid())
        assert owner.reason == "a reason in two lines" and not owner.is_dead
        assert [path.name for path in (tmp_path / LOCK).iterdir()] == [REASON]
        assert not (tmp_path / CHANGED).exists()
    assert lock_owner(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [CHANGED]


def test_an_error_gives_the_lock_back_and_tells_of_no_change(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path, "r", sleep=never):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_another_programs_lock_is_waited_for(tmp_path: Path) -> None:
    foreign_lock(tmp_path)

    def release() -> None:
        (tmp_path / LOCK / REASON).unlink()
        (tmp_path / LOCK).rmdir()

    clock = Clock(after=3, then=release)
    with locked(tmp_path, "r", sleep=clock.sleep):
        assert clock.waits == 3


def test_a_lock_that_is_not_given_up_is_told_with_the_way_out(tmp_path: Path) -> None:
    """E42."""
    foreign_lock(tmp_path, "addScheduledJob")
    clock = Clock()
    with pytest.raises(
        InputError, match=r"another program \(addScheduledJob\) since .*--remove-lock"
    ):
        with locked(tmp_path, "r", wait_s=3.0, sleep=clock.sleep):
            raise AssertionError
    assert clock.waits == 6
    owner = remove_lock(tmp_path)
    assert owner is not None and owner.reason == "addScheduledJob"
    assert list(tmp_path.iterdir()) == [] and remove_lock(tmp_path) is None


def test_the_lock_of_a_dead_process_of_ours_is_taken_over(tmp_path: Path) -> None:
    died(tmp_path)
    owner = lock_owner(tmp_path)
    assert owner is not None and owner.is_dead and "has ended" in str(owner)
    with locked(tmp_path, "r", sleep=never):
        assert (now := lock_owner(tmp_path)) is not None and now.pid == os.getpid()


def test_a_process_number_given_out_again_is_not_the_owner(tmp_path: Path) -> None:
    foreign_lock(tmp_path, f"halfmap\t{socket.gethostname()}\t{os.getpid()}\t1.00\texport")
    assert (owner := lock_owner(tmp_path)) is not None and owner.is_dead


def test_the_lock_of_another_machine_is_never_taken_over(tmp_path: Path) -> None:
    foreign_lock(tmp_path, "halfmap\tother-host\t1\t1.00\texport of Refine3D/job019")
    with pytest.raises(InputError, match=r"process 1 on other-host, since .*job019"):
        with locked(tmp_path, "r", wait_s=1.0, sleep=Clock().sleep):
            raise AssertionError
    assert (tmp_path / LOCK).exists()


def test_a_lock_in_use_here_is_not_removed(tmp_path: Path) -> None:
    with locked(tmp_path, "r", sleep=never):
        with pytest.raises(InputError, match="which is running; stop it first"):
            remove_lock(tmp_path)
        assert (tmp_path / LOCK).exists()


def test_only_one_removes_a_stale_lock(tmp_path: Path) -> None:
    """While another process decides on a stale lock (its guard stands), nobody else touches it."""
    died(tmp_path)
    guard = tmp_path / f"{LOCK}.removal"
    guard.mkdir()
    clock = Clock(after=2, then=guard.rmdir)
    with locked(tmp_path, "r", sleep=clock.sleep):
        assert clock.waits == 2


def test_a_guard_that_was_left_behind_does_not_hold_for_ever(tmp_path: Path) -> None:
    died(tmp_path)
    guard = tmp_path / f"{LOCK}.removal"
    guard.mkdir()
    with pytest.raises(InputError, match="is being removed"):
        remove_lock(tmp_path)
    os.utime(guard, (0, 0))
    with locked(tmp_path, "r", sleep=never):
        assert not guard.exists()


def test_a_lock_taken_meanwhile_by_another_is_left_alone(tmp_path: Path) -> None:
    with locked(tmp_path, "r", sleep=never):
        (tmp_path / LOCK / REASON).write_text("someone removed ours and took it\n")
    assert lock_owner(tmp_path) is not None


def test_a_project_that_cannot_be_written_is_not_called_locked(tmp_path: Path) -> None:
    """E41: a quota looks like a lock to RELION."""
    with pytest.raises(InputError, match=r"gone cannot be written: .*\. It is not locked"):
        with locked(tmp_path / "gone", "r", sleep=never):
            raise AssertionError


def test_changes_under_the_lock_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    workers = [started(COUNT, tmp_path) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "9"
