"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, reached by a Unix socket."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

MISSING = "PostgreSQL is not installed"
SETTINGS = [
    f"--{one}"
    for one in (
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "listen_addresses=",
        "max_connections=60",
        "shared_buffers=64MB",
        "timezone=Asia/Tokyo",
    )
]
"""Quick instead of safe; and a time zone in which a moment stored without its zone shows."""
ACCOUNT = "postgres"


def programs() -> Path | None:
    """The folder of the server's programs, the newest version where there are several."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: int(one.parts[-3])
    )
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@dataclass(slots=True)
class Cluster:
    """A server's folder and its process; `url` leads to it, up to the name of a database."""

    folder: Path
    binaries: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached, by a Unix socket."""
        return f"postgresql://halfmap@/?host={self.folder}&dbname="

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = [self.binaries / "postgres", "-D", self.folder / "data", "-k", self.folder]
        self.process = _started([*words, *SETTINGS])
        _wait_until_it_answers(self.process, self.url)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it with all its connections, as its own restart does; SIGQUIT does not even write what it knows."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server that runs while the block does, and that can be stopped and started meanwhile."""
    binaries = programs()
    assert binaries is not None, MISSING
    folder = Path(tempfile.mkdtemp(prefix="halfmap-postgres-"))
    made = Cluster(folder, binaries)
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
        make = [binaries / "initdb", "-D", folder / "data", "-U", "halfmap", "-A", "trust", "-N"]
        _as_account([*make, "-E", "UTF8", "--locale=C"])
        try:
            made.start()
            yield made
        finally:
            made.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder)


@contextmanager
def server() -> Iterator[str]:
    """The URL, up to the name of a database, of a server that runs while the block does."""
    with cluster() as made:
        yield made.url


def run_in(url: str, statement: str) -> None:
    """Run a statement that takes no part in a transaction, such as CREATE DATABASE, in the database `postgres`."""
    with psycopg.connect(url + "postgres", autocommit=True) as connection:
        connection.execute(statement)


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    while process.poll() is None:
        try:
            psycopg.connect(url + "postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server ended with status {process.returncode}")


def _as_account(command: list[Path | str]) -> None:
    """Run one of the server's programs, which refuse the rights of root."""
    assert _started(command).wait(timeout=120) == 0, command


def _started(command: list[Path | str]) -> subprocess.Popen[bytes]:
    """Start one of the server's programs; it ends when this process does, however that happens."""
    account = ["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"] if os.geteuid() == 0 else []
    words = ["setpriv", *account, "--pdeathsig", "QUIT", *(str(word) for word in command)]
    return subprocess.Popen(words, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
