"""Copies of the image stacks on a fast disk of every machine, gone with the job however it ends."""

import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from compute.files.atomic import write_whole
from compute.files.particle_set import ParticleSet
from compute.jobs.voice import Voice
from compute.parallel import Seat, SoloTeam, Team

PREFIX = "halfmap_"
OWNER = "owner.json"
# A disk that is filled to the last byte slows everybody down.
RESERVE_BYTES = 1 << 30

# What the guard does: wait until nobody can write to it any more, which is when its owner has ended, then clean up.
_GUARD = (
    "import shutil, sys; sys.stdin.buffer.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
)


class ScratchError(Exception):
    """Why the images are read where they are; one sentence."""


def folder_of(scratch: str, job_id: str) -> Path:
    """The job's own folder on the scratch disk."""
    return Path(scratch).absolute() / (PREFIX + re.sub(r"[^\w.-]", "_", job_id))


@contextmanager
def cleaned_up(folder: Path | None, team: Team) -> Iterator[None]:
    """A block after which the folder is gone from every machine; after a failure the workers' guards see to that.

    The leader removes what it can reach itself, because workers in other processes may not listen any more.
    """
    try:
        yield
    except BaseException:
        if folder is not None and isinstance(team, SoloTeam):
            team.call("remove_scratch")
        elif folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if folder is not None:
        team.call("remove_scratch")


def fill_scratch(folder: Path, particles: ParticleSet, team: Team, voice: Voice) -> dict[str, str]:
    """Have the stacks copied once on every machine; returns the folder for each machine where that worked."""
    hosts: dict[str, Seat] = {}
    described = team.call("describe")
    for half in (1, 2):
        seats = [seat for seat in team.seats() if seat.half == half]
        for seat, one in zip(seats, described[half - 1], strict=True):
            hosts.setdefault(str(one["host"]), seat)
    chosen = [(seat.half, seat.member) for seat in hosts.values()]
    replies = team.call("copy_to_scratch", particles=particles, folder=str(folder), seats=chosen)
    usable = {}
    for host, seat in hosts.items():
        copied_bytes, problem = replies[seat.half - 1][seat.member]
        if problem:
            voice.log.warning(f"The images are read where they are: {problem}.", "E43")
        else:
            voice.log.line(f" {copied_bytes / 1e9:.2f} GB of images were copied to {host}:{folder}")
            usable[host] = str(folder)
    return usable


class Scratch:
    """The copies that one process keeps for all those of its machine.

    A small program guards the folder: it removes it when this process ends, whatever ends it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._guard: subprocess.Popen[bytes] | None = None

    def fill(self, stacks: tuple[Path, ...]) -> int:
        """Copy the stacks; returns the bytes copied.

        Raises ScratchError, and leaves nothing behind, where they do not fit or cannot be written.
        """
        try:
            remove_abandoned(self.folder.parent)
            sizes = [path.stat().st_size for path in stacks]
            free = shutil.disk_usage(self.folder.parent).free
            if sum(sizes) + RESERVE_BYTES > free:
                raise ScratchError(
                    f"the images take {sum(sizes) / 1e9:.1f} GB but {self.folder.parent} on {socket.gethostname()} has "
                    f"{free / 1e9:.1f} GB free, of which {RESERVE_BYTES / 1e9:.1f} GB stay free"
                )
            self.folder.mkdir()
        except OSError as error:
            raise ScratchError(_sentence(error, self.folder)) from None
        try:
            self._watch()
            for number, path in enumerate(stacks):
                shutil.copyfile(path, _copy_of(self.folder, number, path))
        except OSError as error:
            self.remove()
            raise ScratchError(_sentence(error, self.folder)) from None
        return sum(sizes)

    def remove(self) -> None:
        """Remove the copies now."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    def _watch(self) -> None:
        """Say whose the folder is, and start its guard."""
        process = psutil.Process()
        owner = {
            "host": socket.gethostname(),
            "pid": process.pid,
            "started": process.create_time(),
        }
        write_whole(self.folder / OWNER, json.dumps(owner).encode())
        # The guard is no process of the job: it must outlive it, if only for a moment.
        variables = {name: value for name, value in os.environ.items() if name != "HALFMAP_JOB_ID"}
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=variables,
            start_new_session=True,
        )


def copied(particles: ParticleSet, folder: Path) -> ParticleSet:
    """The particles with the copies in place of their stacks."""
    stacks = tuple(_copy_of(folder, number, path) for number, path in enumerate(particles.stacks))
    return dataclasses.replace(particles, stacks=stacks)


def remove_abandoned(scratch: Path) -> list[Path]:
    """Remove folders that jobs of this machine left behind, those whose process is gone; returns them."""
    gone = []
    for folder in sorted(scratch.glob(f"{PREFIX}*")):
        try:
            owner = json.loads((folder / OWNER).read_text())
            is_ours = owner["host"] == socket.gethostname()
            is_alive = _is_alive(int(owner["pid"]), float(owner["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_ours and not is_alive:
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder)
    return gone


def _is_alive(pid: int, started: float) -> bool:
    """Whether that very process still runs; another may have its number by now."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1.0 and process.status() != "zombie"
    except psutil.NoSuchProcess:
        return False


def _sentence(error: OSError, folder: Path) -> str:
    """What went wrong with a file, and on which machine."""
    return f"{error.filename or folder} on {socket.gethostname()}: {error.strerror or error}"


def _copy_of(folder: Path, number: int, path: Path) -> Path:
    """Where the copy of a stack is: stacks of different folders may have one name."""
    return folder / f"{number:05d}_{path.name}"
