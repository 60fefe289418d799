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


@contextmanager
def server() -> Iterator[str]:
    """The URL, up to the name of a database, of a server that runs while the block does."""
    with cluster() as found:
        yield found.url


class Cluster:
    """A server that can be stopped and started again; `url` goes up to the name of a database."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.url = f"postgresql://halfmap@/?host={folder}&dbname="
        self._words = [binaries / "postgres", "-D", folder / "data", "-k", folder, *SETTINGS]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = _started(self._words)
        _wait_until_it_answers(self._process, self.url)

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """End the server: at once with SIGQUIT, after its clients have been sent away with SIGINT."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=60)
            self._process = None


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server of its own that runs when the block begins, and is gone after it."""
    binaries = programs()
    assert binaries is not None, MISSING
    folder = Path(tempfile.mkdtemp(prefix="halfmap-postgres-"))
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
        make = [binaries / "initdb", "-D", folder / "data", "-U", "halfmap", "-A", "trust", "-N"]
        _as_account([*make, "-E", "UTF8", "--locale=C"])
        made = Cluster(binaries, folder)
        try:
            made.start()
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


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
