"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, reached by a Unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

MISSING = "PostgreSQL is not installed"
SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=60",
    "shared_buffers=64MB",
    "timezone=Asia/Tokyo",
)
"""Quick instead of safe; and a time zone in which a moment stored without its zone shows."""
ACCOUNT = "postgres"


def programs() -> Path | None:
    """The folder of the server's programs, the newest version where there are several."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: int(one.parts[-3])
    )
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@contextmanager
def server() -> Iterator[str]:
    """The URL, up to the name of a database, of a server that runs while the block does."""
    binaries = programs()
    assert binaries is not None, MISSING
    folder = Path(tempfile.mkdtemp(prefix="halfmap-postgres-"))
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        make = [binaries / "initdb", "-D", data, "-U", "halfmap", "-A", "trust", "-N"]
        _as_account([*make, "-E", "UTF8", "--locale=C"])
        options = " ".join(f"-c {one}" for one in SETTINGS) + f" -k {folder}"
        control = [binaries / "pg_ctl", "-D", data, "-w", "-t", "60"]
        _as_account([*control, "-l", folder / "log", "-o", options, "start"])
        try:
            yield f"postgresql://halfmap@/?host={folder}&dbname="
        finally:
            _as_account([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder)


def run_in(url: str, statement: str) -> None:
    """Run a statement that takes no part in a transaction, such as CREATE DATABASE, in the database `postgres`."""
    with psycopg.connect(url + "postgres", autocommit=True) as connection:
        connection.execute(statement)


def _as_account(command: list[Path | str]) -> None:
    """Run one of the server's programs, which refuse the rights of root."""
    is_root = os.geteuid() == 0
    subprocess.run(
        [str(word) for word in command],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        user=ACCOUNT if is_root else None,
        group=pwd.getpwnam(ACCOUNT).pw_gid if is_root else None,
        extra_groups=[] if is_root else None,
    )
