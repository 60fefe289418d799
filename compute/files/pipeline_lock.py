"""The lock of a RELION project: a folder `.relion_lock` that only one program can make.

RELION makes the folder, puts `lock_default_pipeline.star` with a reason into it, changes the pipeline and
removes both. We do the same and say in the reason who we are, so that a lock whose owner has died can
be told from one that is held: a lock of ours on the same machine is taken over when its process is gone,
and every other one can be removed by the user with `remove_lock`.
"""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from compute.files.errors import InputError
from compute.files.group_rights import share
from compute.files.pipeline import PIPELINE

LOCK: Final = ".relion_lock"
REASON: Final = f"lock_{PIPELINE}"
CHANGED: Final = ".pipeline_has_changed"
WAIT_S: Final = 120.0
"""How long RELION 3.1 waits for a lock."""
_STEP_S: Final = 0.5
_OURS: Final = "halfmap"
_GUARD_S: Final = 60.0
"""A removal takes moments; a guard that is older was left by a process that has died in one."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock: nothing is known (host empty) where it is not one of ours."""

    host: str = ""
    pid: int = 0
    started: str = ""
    reason: str = ""
    age_s: float = 0.0

    @property
    def is_dead(self) -> bool:
        """Whether the owner is known to have ended: a process of this machine that is no more."""
        if self.host != socket.gethostname():
            return False
        return _start_of(self.pid) != self.started

    def __str__(self) -> str:
        """The owner in words, for a sentence."""
        since = f"since {self.age_s:.0f} s"
        if not self.host:
            return f"another program ({self.reason or 'no reason given'}) {since}"
        gone = ", which has ended" if self.is_dead else ""
        return f"process {self.pid} on {self.host}{gone}, {since} ({self.reason})"


def _start_of(pid: int) -> str:
    """When a process of this machine began, as a text that never changes; empty if there is none."""
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def lock_owner(project: Path | str) -> Owner | None:
    """Who holds the lock of a project; None where nobody does."""
    folder = Path(project) / LOCK
    try:
        age_s = max(0.0, time.time() - folder.stat().st_mtime)
    except OSError:
        return None
    try:
        text = (folder / REASON).read_text(errors="replace").strip()
    except OSError:
        text = ""
    parts = text.split("\t")
    if len(parts) == 5 and parts[0] == _OURS and parts[2].isdecimal():
        return Owner(parts[1], int(parts[2]), parts[3], parts[4], age_s)
    return Owner(reason=text, age_s=age_s)


@contextlib.contextmanager
def locked(
    project: Path | str,
    reason: str,
    wait_s: float = WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of a project; RELION's programs wait meanwhile.

    Waits up to `wait_s` for another holder. Raises InputError, naming the owner and how to remove a
    stale lock, where the lock is not given up, and where the project cannot be written (a quota is
    not a lock). When the block ends without error, RELION is told that the pipeline has changed.
    """
    project = Path(project)
    folder = project / LOCK
    waited_s = 0.0
    while not _take(folder, reason):
        if (owner := lock_owner(project)) is None or _take_over(project, owner):
            continue
        if waited_s >= wait_s:
            raise InputError(
                f"{folder} is held by {owner}. If that program is no longer running, remove the lock: "
                f"halfmap relion {project} --remove-lock"
            )
        sleep(_STEP_S)
        waited_s += _STEP_S
    try:
        yield
        with contextlib.suppress(
            OSError
        ):  # the change is made; only RELION's window learns of it later
            (project / CHANGED).touch()
        share(project, (project / PIPELINE, project / CHANGED))
    finally:
        now = lock_owner(project)
        if now is not None and _identity(now) == _own_identity():
            shutil.rmtree(folder, ignore_errors=True)


def _take(folder: Path, reason: str) -> bool:
    """Make the lock with our name in it; False where somebody holds it."""
    words = " ".join(reason.split())
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise InputError(
            f"The project {folder.parent} cannot be written: {error.strerror}. It is not locked."
        ) from error
    try:
        host, pid, started = _own_identity()
        text = "\t".join((_OURS, host, str(pid), started, words))
        (folder / REASON).write_text(text + "\n")
        share(folder.parent, (folder, folder / REASON))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"The project {folder.parent} cannot be written: {error.strerror}. It is not locked."
        ) from error
    return True


def _take_over(project: Path, owner: Owner) -> bool:
    """Remove a lock whose owner is known to be dead; False where it is not, or another does so now."""
    return owner.is_dead and _remove(project, lambda now: now.is_dead)


def remove_lock(project: Path | str) -> Owner | None:
    """Remove the lock of a project, whoever holds it, and say whose it was; None where there was none.

    Raises InputError where a process of this machine holds it that is running.
    """
    project = Path(project)
    owner = lock_owner(project)
    if owner is None:
        return None
    if owner.host == socket.gethostname() and not owner.is_dead:
        raise InputError(f"{project / LOCK} is held by {owner}, which is running; stop it first.")
    if not _remove(project, lambda now: _identity(now) == _identity(owner)):
        raise InputError(
            f"{project / LOCK} is being removed or was taken anew just now; look again."
        )
    return owner


def _own_identity() -> tuple[str, int, str]:
    return socket.gethostname(), os.getpid(), _start_of(os.getpid())


def _identity(owner: Owner) -> tuple[str, int, str]:
    return owner.host, owner.pid, owner.started


def _remove(project: Path, is_meant: Callable[[Owner], bool]) -> bool:
    """Remove the lock if it still is the one that is meant; one process at a time decides this."""
    guard = project / f"{LOCK}.removal"
    with contextlib.suppress(OSError):
        if time.time() - guard.stat().st_mtime > _GUARD_S:
            guard.rmdir()
    try:
        guard.mkdir()
    except FileExistsError:
        return False
    try:
        owner = lock_owner(project)
        if owner is None or not is_meant(owner):
            return False
        shutil.rmtree(project / LOCK, ignore_errors=True)
        return True
    finally:
        guard.rmdir()
