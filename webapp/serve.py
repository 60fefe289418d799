"""`halfmap serve`: the dashboard, on this machine by a link that is good once, or for others who sign in."""

import argparse
import contextlib
import gc
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

from compute.files.errors import InputError
from compute.params.option import JobParams
from db import migrate
from db.folders import make_shared
from db.repository import leases, logins, people
from db.session import Database, open_database
from webapp.accounts.desk import Desk
from webapp.accounts.link import OneTimeLink
from webapp.accounts.plain_page import Doors
from webapp.maps import MapCache
from webapp.news import News
from webapp.records import RecordReader
from webapp.settings import Settings, read_settings
from webapp.store import Store

USAGE_ERROR = 2
THREADS = 6
JobTypes = Mapping[str, tuple[type[JobParams], str]]


def arguments() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="halfmap serve", description="Open the dashboard in a browser of this machine."
    )
    parser.add_argument("--address", help="0.0.0.0 for others too, who then sign in (127.0.0.1)")
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
        check_way_in(settings, database, address)
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
    """The address in numbers, or as it is. Raises InputError for one that is no address."""
    numeric = "127.0.0.1" if address == "localhost" else address
    try:
        ipaddress.ip_address(numeric)
    except ValueError:
        raise InputError(
            f"'{address}' is no address: 127.0.0.1 is this machine alone, 0.0.0.0 whoever reaches it"
        ) from None
    return numeric


def is_shared(settings: Settings, address: str) -> bool:
    """Whether more than this machine can come in: by the address, or through a proxy in front."""
    return not ipaddress.ip_address(address).is_loopback or bool(settings.server.public_url)


def check_way_in(settings: Settings, database: Database, address: str) -> None:
    """Raise InputError where a server that others reach would have no way of signing in."""
    if not is_shared(settings, address):
        return
    if settings.login.oidc is None and settings.login.proxy is None:
        with database.reading() as session:
            if not logins.somebody_has_password(session):
                raise InputError(
                    f"the address {settings.server.public_url or address} is refused: others reach it and nobody can "
                    "sign in yet; make the first account with 'halfmap user add NAME --admin'"
                )
    if settings.login.proxy is not None and not settings.server.proxies:
        raise InputError("[login.proxy] needs the address of the proxy in [server] proxies")


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
    from webapp.pages.following import Following
    from webapp.rehearsal import rehearse

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    with database.writing() as session:
        user = people.ensure_unix_user(session, getpass.getuser())
    store = Store(database, settings, RecordReader(), MapCache(), user.id, job_types)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="read")
    link = None if is_shared(settings, address) else OneTimeLink(user.id)
    doors = Doors(Desk(database, settings), threads, link)
    following = Following(News(database, store.records), threads)
    app = App(store, threads, following)
    server = make_server(app, doors, address, port, secret(settings))
    server.start()
    target = begin(store) if begin is not None else "/"
    if link is not None:
        link.target = target
    announce(settings, link, address, port, opens_browser)
    gc.collect()
    gc.freeze()  # else collections walk through all libraries again and again, 0.2 s each, in the middle of a page
    threads.submit(rehearse, store, app.shelf)
    loop = server.io_loop
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.add_callback_from_signal(loop.stop))
    try:
        loop.start()
    finally:
        server.stop(wait=False)
        threads.shutdown(wait=False, cancel_futures=True)


def announce(
    settings: Settings, link: OneTimeLink | None, address: str, port: int, opens_browser: bool
) -> None:
    """Print the address, or the link that lets in, and open that where there is a browser."""
    host = f"[{address}]" if ":" in address else address
    if link is None:
        public = settings.server.public_url or f"http://{host}:{port}"
        print(
            f"Serving {public}\nPeople sign in there. Ctrl-C ends the dashboard; jobs go on.",
            flush=True,
        )
        if not settings.server.is_https:
            print(
                "Passwords go over the network as they are typed: put a proxy with TLS in front.",
                flush=True,
            )
        return
    url = f"http://{host}:{port}{link.path}"
    print(f"Open {url}\nThe link is good once. Ctrl-C ends the dashboard; jobs go on.", flush=True)
    if opens_browser:
        webbrowser.open(url)


def secret(settings: Settings) -> str:
    """What cookies are signed with: kept for its owner alone, so that a browser stays signed in."""
    folder = settings.secret_folder
    path = folder / "cookie_secret"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as new:
                new.write(secrets.token_urlsafe(48))
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path} can be read by others: 'chmod 600 {path}', or remove it")
        kept = path.read_text()
    except OSError as error:
        raise InputError(f"the secret {path} cannot be kept: {error.strerror}") from None
    if len(kept) < 32:
        raise InputError(f"{path} holds no secret: remove it, and a new one is made")
    return kept
