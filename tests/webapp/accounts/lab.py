"""A lab with a running server: people with every role, two projects, and jobs with files in them."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from compute.files.mrc import write_map
from db import migrate
from db.repository import jobs, logins, members, people, projects, tokens
from db.session import Database, open_database
from db.words import Role
from webapp.accounts.passwords import hashed

PASSWORD = "five small green apples"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
"""A text that must never become part of a page as it is."""
PEOPLE = {"chief": None, "ana": Role.OWNER, "eva": Role.EDITOR, "ben": Role.VIEWER, "out": None}
"""Who there is, with the role in the first project; chief is an admin."""


@dataclass(slots=True)
class Lab:
    """The server's address, its database, and what is in it."""

    base: str
    folder: Path
    database: Database
    users: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    project: int = 0
    other_project: int = 0
    job: int = 0
    other_job: int = 0
    url: str = ""

    def client(self, **options: object) -> httpx.Client:
        """A browser without scripts, and without anybody in it."""
        return httpx.Client(base_url=self.base, timeout=120, trust_env=False, **options)

    @contextlib.contextmanager
    def signed_in(self, name: str) -> Iterator[httpx.Client]:
        """A browser in which somebody is signed in."""
        with self.client() as client:
            assert sign_in(client, name).status_code == 303
            yield client

    def program(self, name: str) -> httpx.Client:
        """A program with somebody's token."""
        return self.client(headers={"Authorization": f"Bearer {self.tokens[name]}"})


def form_token(client: httpx.Client, page: str) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="_xsrf" value="([^"]+)"', client.get(page).text)
    assert found is not None, page
    return found.group(1)


def send(client: httpx.Client, page: str, token_from: str = "", **values: str) -> httpx.Response:
    """Send a form of a page as a browser does."""
    token = form_token(client, token_from or page)
    origin = {"Origin": str(client.base_url).rstrip("/")}
    return client.post(page, data={"_xsrf": token, **values}, headers=origin)


def sign_in(
    client: httpx.Client, name: str, password: str = PASSWORD, wanted: str = "/"
) -> httpx.Response:
    """Fill in the login page."""
    return send(client, "/login", name=name, password=password, next=wanted)


def fill(folder: Path, url: str = "") -> Lab:
    """The lab's database (SQLite in its folder, where no other is named) and folders, without a server."""
    url = url or str(folder / "halfmap.db")
    migrate.upgrade(url)
    lab = Lab("", folder, open_database(url), url=url)
    kept = hashed(PASSWORD)
    with lab.database.writing() as session:
        for name in PEOPLE:
            user = people.create_user(session, name, who=None, is_admin=name == "chief")
            lab.users[name] = user.id
            logins.set_password_hash(session, user.id, kept, who=None)
            lab.tokens[name] = tokens.make(session, user.id, "test", who=user.id)[1]
        for name, owner in (("beta", "ana"), ("secret", "chief")):
            place = folder / name
            (place / "Refine3D" / "job001").mkdir(parents=True)
            made = projects.create(session, name, place, who=lab.users[owner])
            job = jobs.create(
                session,
                made.id,
                "refine",
                {"symmetry": "D2", "particle_diameter_A": 40.0},
                who=lab.users[owner],
                title=f"title {SCRIPT}",
            )
            projects.set_notes(session, made.id, f"notes {SCRIPT}", seen="", who=None)
            if name == "beta":
                lab.project, lab.job = made.id, job.id
            else:
                lab.other_project, lab.other_job = made.id, job.id
        for name, role in PEOPLE.items():
            if role is not None and name != "ana":
                members.set_role(session, lab.project, lab.users[name], role, who=None)
    _files(folder)
    return lab


def _files(folder: Path) -> None:
    """A log, a map, a file with a wild name and links that lead out, in the jobs' folders."""
    for name in ("beta", "secret"):
        job = folder / name / "Refine3D" / "job001"
        (job / "run.out").write_text(f"{name}\nsecond line\n")
        write_map(job / "run_class001.mrc", np.ones((8, 8, 8), np.float32), 1.5)
    job = folder / "beta" / "Refine3D" / "job001"
    (job / "<img src=x onerror=alert(3)>.star").write_text("data_\n")
    (folder / "outside.txt").write_text("outside")
    (job / "link.txt").symlink_to(folder / "outside.txt")
    (job / "folder").symlink_to(folder / "secret")


@contextlib.contextmanager
def serving(lab: Lab, *more: str, settings: str = "", port: int = 0) -> Iterator[Lab]:
    """The lab with `halfmap serve` for everybody who reaches it."""
    config = lab.folder / "halfmap.toml"
    config.write_text(
        f'database = "{lab.url}"\nprojects = "{lab.folder}"\n'
        f'data_roots = ["{lab.folder}"]\n{settings}'
    )
    variables = {**os.environ, "HOME": str(lab.folder), "HALFMAP_CONFIG": str(config)}
    words = ["serve", "--port", str(port), "--no-browser", "--no-supervisor", *more]
    with (lab.folder / "serve.err").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "webapp.cli", *words],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(("Serving http", "Open http")), (
                lab.folder / "serve.err"
            ).read_text()
            port = re.search(r":(\d+)", line.removeprefix(line.split("://")[0] + "://"))
            lab.base = f"http://127.0.0.1:{port.group(1)}" if port else lab.base
            yield lab
        finally:
            process.terminate()
            process.wait(timeout=120)
            if process.stdout is not None:
                process.stdout.close()


@contextlib.contextmanager
def open_lab(folder: Path, url: str = "") -> Iterator[Lab]:
    """A lab in a folder, and in the database at `url`, with a server for everybody who reaches it."""
    made = fill(folder, url)
    with serving(made, "--address", "0.0.0.0"):
        yield made
    made.database.close()
