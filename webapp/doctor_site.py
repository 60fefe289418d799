"""What `halfmap doctor` finds in the settings: data folders, database, supervisor, Slurm, disk and browser address."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from compute.files.errors import InputError
from db import migrate
from db.session import Database, open_database, parsed_url
from webapp.launch.profiles import Profile
from webapp.office import running_supervisor
from webapp.settings import Settings, read_settings

LITTLE_DISK_GB = 10.0
Finding = tuple[str, str, str]
"""Of what, how it is, and what is wrong with it (or nothing)."""


def findings() -> Iterator[Finding]:
    """Everything that the settings name, looked at."""
    try:
        settings = read_settings()
    except InputError as error:
        yield "settings", "not usable", str(error)
        return
    yield "settings", str(settings.source or "defaults, no file"), ""
    yield from _database(settings)
    yield from _folders(settings)
    for profile in settings.profiles.values():
        yield _profile(profile)
    server = settings.server
    address = ", ".join(server.origins) or f"{server.host}:{server.port}"
    is_open = server.host not in {"127.0.0.1", "localhost", "::1"} and not server.origins
    wrong = (
        "others can reach the server, but no address that browsers may use is set: set server.origins"
        if is_open
        else ""
    )
    yield "browsers", f"may use {address}", wrong


def _database(settings: Settings) -> Iterator[Finding]:
    shown = parsed_url(settings.database).render_as_string(hide_password=True)
    folder = settings.database_folder
    if folder is not None and not folder.is_dir():
        yield "database", f"{shown}, not made yet", ""
        return
    try:
        database = open_database(settings.database, busy_s=5.0)
    except InputError as error:
        yield "database", shown, str(error)
        return
    try:
        yield from _open_database(database, shown)
    finally:
        database.close()


def _open_database(database: Database, shown: str) -> Iterator[Finding]:
    try:
        if database.is_sqlite and migrate.revision(database) is None:
            yield "database", f"{shown}, empty", ""
            return
        migrate.check_current(database)
        yield "database", shown, ""
        runs = running_supervisor(database)
        yield "supervisor", runs or "none runs; 'halfmap serve' starts one", ""
    except InputError as error:
        yield "database", shown, str(error)
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        yield "database", shown, f"it does not answer: {said}"


def _folders(settings: Settings) -> Iterator[Finding]:
    for root in settings.data_roots:
        yield "data folder", *_folder(root)
    place = settings.projects
    while not place.exists():
        place = place.parent
    text, wrong = _folder(settings.projects if settings.projects.exists() else place)
    if not wrong and not os.access(place, os.W_OK):
        wrong = f"{place} cannot be written: set 'projects' to a folder that can"
    yield "projects", text, wrong


def _folder(path: Path) -> tuple[str, str]:
    if not path.is_dir():
        return str(path), f"{path} is not a folder"
    free_GB = shutil.disk_usage(path).free / 1e9
    wrong = f"only {free_GB:.1f} GB are free in {path}" if free_GB < LITTLE_DISK_GB else ""
    return f"{path}, {free_GB:.1f} GB free", wrong


def _profile(profile: Profile) -> Finding:
    """A launcher profile: whether what it starts jobs with is there."""
    name = f"profile {profile.name}"
    if profile.kind == "local":
        first = profile.mpi[0] if profile.mpi else ""
        missing = bool(first) and not profile.modules and shutil.which(first) is None
        return name, first or "this environment's mpiexec", f"{first} is not found" * missing
    if shutil.which("sinfo") is None:
        return name, "Slurm", "sinfo is not found: install Slurm's commands on this machine"
    words = ["sinfo", "--noheader", "--format=%P %a %D"]
    if profile.partition:
        words.append(f"--partition={profile.partition}")
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return name, "Slurm", "Slurm does not answer"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return name, "Slurm", f"Slurm does not answer: {said}"
    lines = done.stdout.split("\n")[0].split()
    if not lines:
        return name, "Slurm", f"there is no partition '{profile.partition}'"
    return name, f"Slurm, partition {lines[0].rstrip('*')} is {lines[1]}, {lines[2]} nodes", ""
