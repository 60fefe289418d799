"""`halfmap supervisor` and `migrate`: what an installation is kept running with."""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from db import migrate
from db.session import parsed_url
from webapp.access import prepared_database
from webapp.commands.output import guarded, parser, show_json
from webapp.office import running_supervisor
from webapp.settings import Settings, read_settings
from webapp.supervisor import Supervisor


def main_supervisor(words: Sequence[str]) -> int:
    """The exit status of `halfmap supervisor`, which runs until it is stopped; jobs survive it."""
    made = parser("supervisor", "Start the jobs that wait and look after those that run.")
    made.add_argument("--check", action="store_true", help="only say whether one runs")
    asked = made.parse_args(list(words))
    return guarded("supervisor", lambda: _supervise(asked.check, asked.json))


def _supervise(is_check: bool, as_json: bool) -> int:
    settings = read_settings()
    database = prepared_database(settings)
    try:
        if is_check:
            runs = running_supervisor(database)
            if as_json:
                show_json({"supervisor": runs or None})
            else:
                print(f"The supervisor is {runs}." if runs else "No supervisor runs.")
            return 0 if runs else 1
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout, force=True
        )
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: stop.set())
        logging.getLogger("halfmap.supervisor").info("supervising %s", shown_database(settings))
        Supervisor(database, settings).run(stop)
        return 0
    finally:
        database.close()


def start_detached(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """A supervisor that runs on when this process ends; its words go to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "webapp.cli", "supervisor"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def main_migrate(words: Sequence[str]) -> int:
    """The exit status of `halfmap migrate`."""
    made = parser("migrate", "Bring the database up to date; there is no way back but a backup.")
    asked = made.parse_args(list(words))

    def act() -> int:
        settings = read_settings()
        folder = settings.database_folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        done = migrate.upgrade(settings.database)
        if asked.json:
            show_json({"database": shown_database(settings), "applied": done})
        else:
            steps = f"brought up to date ({', '.join(done)})" if done else "up to date already"
            print(
                f"{shown_database(settings)} was {steps}."
                if done
                else f"{shown_database(settings)} is {steps}."
            )
        return 0

    return guarded("migrate", act)


def shown_database(settings: Settings) -> str:
    """The database without its password."""
    return parsed_url(settings.database).render_as_string(hide_password=True)
