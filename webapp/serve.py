"""`halfmap serve`: the dashboard for one person, on this machine, by a link that is good once."""

import argparse
import getpass
import ipaddress
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from compute.files.errors import InputError
from compute.params.option import JobParams
from db import migrate
from db.folders import make_shared
from db.repository import leases, people
from db.session import Database, open_database
from webapp.maps import MapCache
from webapp.records import RecordReader
from webapp.settings import Settings, read_settings
from webapp.store import Store

if TYPE_CHECKING:
    from webapp.serving import OneTimeLink

USAGE_ERROR = 2
THREADS = 6
JobTypes = Mapping[str, tuple[type[JobParams], str]]


def arguments() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="halfmap serve", description="Open the dashboard in a browser of this machine."
    )
    parser.add_argument("--address", help="loopback only, until users can log in (127.0.0.1)")
    parser.add_argument("--port", type=int, help="0 takes a free one (5006)")
    parser.add_argument("--no-browser", action="store_true", help="print the link only")
    parser.add_argument(
        "--no-supervisor", action="store_true", help="start no supervisor where none runs"
    )
    return parser


def main(words: Sequence[str], job_types: JobTypes) -> int:
    """The exit status of the dashboard, which runs until Ctrl-C or SIGTERM."""
    asked = arguments().parse_args(list(words))
    try:
        settings = read_settings()
        address = checked_address(asked.address or settings.server.host)
        port = free_port(address, settings.server.port if asked.port is None else asked.port)
        database = opened(settings)
    except InputError as error:
        print(f"halfmap serve: {error}", file=sys.stderr)
        return USAGE_ERROR
    supervisor = None if asked.no_supervisor else supervise(database)
    try:
        serve(settings, database, job_types, address, port, not asked.no_browser)
    finally:
        if supervisor is not None:
            supervisor.terminate()
            supervisor.wait()
        database.close()
    return 0


def checked_address(address: str) -> str:
    """The address, if only this machine can reach it. Raises InputError for any other."""
    numeric = "127.0.0.1" if address == "localhost" else address
    try:
        is_loopback = ipaddress.ip_address(numeric).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise InputError(
            f"the address {address} is refused: everybody who reaches it could start jobs, and there is no login "
            "yet. Use 127.0.0.1, and from another machine: ssh -L 5006:127.0.0.1:5006 THIS_MACHINE"
        )
    return numeric


def free_port(address: str, port: int) -> int:
    """The port, or a free one for 0. Raises InputError where it is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise InputError(
                f"port {port} of {address} is taken ({error.strerror}): use --port 0 for a free one"
            ) from error
        return int(probe.getsockname()[1])


def opened(settings: Settings) -> Database:
    """The database of the settings, made or brought up to date."""
    folder = settings.database_folder
    if folder is not None:
        make_shared(folder)
    migrate.upgrade(settings.database)
    return open_database(settings.database)


def supervise(
    database: Database, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes] | None:
    """A supervisor, where none is at work; it ends with the dashboard, its jobs do not.

    `variables` are added to its environment.
    """
    with database.reading() as session:
        if leases.holder(session, leases.SUPERVISOR) is not None:
            return None
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "supervisor"],
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )


def serve(
    settings: Settings,
    database: Database,
    job_types: JobTypes,
    address: str,
    port: int,
    opens_browser: bool,
    begin: Callable[[Store], str] | None = None,
) -> None:
    """Serve until a signal comes; `begin` is called first and says which page the link leads to."""
    from webapp.app import App, make_server
    from webapp.serving import OneTimeLink

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    with database.writing() as session:
        user = people.ensure_unix_user(session, getpass.getuser())
    store = Store(database, settings, RecordReader(), MapCache(), user.id, job_types)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="read")
    link = OneTimeLink(user.name)
    server = make_server(App(store, threads), link, address, port, secret(settings))
    server.start()
    link.target = begin(store) if begin is not None else "/"
    announce(link, address, port, opens_browser)
    loop = server.io_loop
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.add_callback_from_signal(loop.stop))
    try:
        loop.start()
    finally:
        server.stop(wait=False)
        threads.shutdown(wait=False, cancel_futures=True)


def announce(link: "OneTimeLink", address: str, port: int, opens_browser: bool) -> None:
    """Print the link, and open it where there is a browser."""
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{port}{link.path}"
    print(f"Open {url}\nThe link is good once. Ctrl-C ends the dashboard; jobs go on.", flush=True)
    if opens_browser:
        webbrowser.open(url)


def secret(settings: Settings) -> str:
    """What cookies are signed with: kept beside the database, so that a browser stays signed in."""
    folder = settings.database_folder
    if folder is None:
        return secrets.token_urlsafe(32)
    path = Path(folder) / "cookie_secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()
