"""How long the pages wait for the database of a large lab: 200 projects of 200 jobs of 30 iterations.

    python -m tests.bench.database [--projects 200] [--jobs 200] [--iterations 30]

Makes such a database in SQLite and in PostgreSQL (where it is installed), asks what the pages ask, and writes
`tests/bench/results/database.json`.
"""

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Table, insert, select, text
from sqlalchemy.orm import Session

from compute.files import events
from db import migrate
from db.models.jobs import Attempt, Job
from db.models.people import User
from db.models.projects import Project, ProjectMember
from db.models.records import IterationCurves, IterationRow, Progress
from db.repository import iterations, overview
from db.repository.progress import CURVES
from db.session import Database, open_database
from tests.db import postgres

RESULTS = Path(__file__).parent / "results" / "database.json"
LIMIT_MS = 100.0
REPEATS = 30
USERS = 20
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SHELLS = [round(1.0 / (1.0 + shell), 4) for shell in range(129)]


def main() -> int:
    """Measure, print and write the result; 1 where a page waits longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, standard in (("projects", 200), ("jobs", 200), ("iterations", 30)):
        parser.add_argument(f"--{name}", type=int, default=standard)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    sizes = (asked.projects, asked.jobs, asked.iterations)
    folder = Path(tempfile.mkdtemp(prefix="halfmap-bench-"))
    try:
        found = {"SQLite": measured(f"sqlite:///{folder / 'bench.db'}", sizes)}
        if postgres.programs() is not None:
            with postgres.server() as url:
                found["PostgreSQL"] = measured(f"{url}postgres", sizes)
    finally:
        shutil.rmtree(folder)
    result = {
        "machine": {"cpu_count": psutil.cpu_count(), "python": platform.python_version()},
        "load_average": list(psutil.getloadavg()),
        "niceness": psutil.Process().nice(),
        "projects": sizes[0],
        "jobs": sizes[0] * sizes[1],
        "iterations": sizes[0] * sizes[1] * sizes[2],
        "limit_ms": LIMIT_MS,
        "databases": found,
    }
    result["faults"] = [
        f"{kind}: {name} takes {times['median_ms']} ms"
        for kind, one in found.items()
        for name, times in one["queries"].items()
        if times["median_ms"] > LIMIT_MS
    ]
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 1 if result["faults"] else 0


def measured(url: str, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """Fill the empty database at `url` and time what pages ask of it."""
    migrate.upgrade(url)
    began = time.perf_counter()
    with closing(open_database(url, lambda: NOW)) as database:
        fill(database, *sizes)
        filled_s = time.perf_counter() - began
        return {"filled_s": round(filled_s, 1), "queries": timed(database, sizes)}


def timed(database: Database, sizes: tuple[int, int, int]) -> dict[str, dict[str, float]]:
    """First, median and slowest time of each question, and the processor time that it takes here and in the server.

    All in ms; each answer is checked for its size. Processor time does not grow when the machine has other work.
    """
    projects, jobs, rounds = sizes
    middle = 1 + projects // 2
    job = (middle - 1) * jobs + 1
    asked: dict[str, tuple[Callable[[Session], Sequence[Any]], int]] = {
        "job list of a project": (
            lambda session: overview.job_list(session, middle, user_id=2),
            min(jobs, 200),
        ),
        "home page": (lambda session: overview.home(session, 2).recent, min(projects, 8)),
        "home page of an admin": (
            lambda session: overview.home(session, 1).recent,
            min(projects, 8),
        ),
        "list of projects": (lambda session: overview.projects(session, 1), projects),
        "jobs of all projects": (
            lambda session: overview.jobs(session, 1),
            min(projects * jobs, 100),
        ),
        "iterations of a job": (lambda session: iterations.table(session, job), rounds),
        "versions of a project's jobs": (
            lambda session: list(overview.versions(session, middle)),
            jobs,
        ),
    }
    found = {}
    for name, (question, size) in asked.items():
        times_ms = []
        before_s = processor_s(database)
        for _ in range(REPEATS):
            began = time.perf_counter()
            with database.reading() as session:
                answer = question(session)
            times_ms.append(1e3 * (time.perf_counter() - began))
            assert len(answer) == size, (name, len(answer))
        found[name] = {
            "first_ms": round(times_ms[0], 1),
            "median_ms": round(statistics.median(times_ms), 1),
            "slowest_ms": round(max(times_ms), 1),
            "processor_ms": round(1e3 * (processor_s(database) - before_s) / REPEATS, 1),
        }
        print(f"{database.engine.dialect.name}: {name}: {found[name]}", flush=True)
    return found


def processor_s(database: Database) -> float:
    """Processor time of this process, and of the server's process that works for it."""
    own = time.process_time()
    if database.is_sqlite:
        return own
    with database.reading() as session:
        used = psutil.Process(session.scalar(text("SELECT pg_backend_pid()"))).cpu_times()
    return own + used.user + used.system


def fill(database: Database, projects: int, jobs: int, rounds: int) -> None:
    """Make users, projects, jobs with attempts and progress, and their iterations."""
    with database.writing() as session:
        put(session, User.__table__, (user(number) for number in range(1, USERS + 1)))
        put(
            session, Project.__table__, (project(number, jobs) for number in range(1, projects + 1))
        )
        put(session, ProjectMember.__table__, members(projects))
        numbers = range(1, projects * jobs + 1)
        put(session, Job.__table__, (job_row(number, jobs) for number in numbers))
        put(session, Attempt.__table__, (attempt(number) for number in numbers))
        put(session, Progress.__table__, (beat(number) for number in numbers))
        put(session, IterationRow.__table__, iteration_rows(rounds))
        copy_iterations(session, rounds)
        lasts = (number * rounds for number in numbers)
        put(session, IterationCurves.__table__, (curves(last) for last in lasts))
    if not database.is_sqlite:
        with database.writing() as session:
            session.execute(text("ANALYZE"))


def put(session: Session, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    """Insert rows in the quickest way that the database's driver has."""
    assert isinstance(table, Table)
    connection = session.connection()
    names = [column.name for column in table.columns]
    dialect = connection.dialect
    convert = [
        column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns
    ]
    ready = (
        tuple(
            change(row[name]) if change is not None and row[name] is not None else row[name]
            for name, change in zip(names, convert, strict=True)
        )
        for row in rows
    )
    listed = ", ".join(f'"{name}"' for name in names)
    driver: Any = connection.connection.driver_connection
    if dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        driver.executemany(f'INSERT INTO "{table.name}" ({listed}) VALUES ({marks})', ready)
        return
    with driver.cursor().copy(f'COPY "{table.name}" ({listed}) FROM STDIN') as copy:
        for row in ready:
            copy.write_row(row)


def whole(table: Any, **values: Any) -> dict[str, Any]:
    """A row with a value for every column: those given, else the model's own, else nothing."""
    row: dict[str, Any] = {}
    for column in table.columns:
        standard = column.default
        row[column.name] = None
        if standard is not None:
            row[column.name] = standard.arg(None) if standard.is_callable else standard.arg
    return row | values


def user(number: int) -> dict[str, Any]:
    return whole(
        User.__table__, id=number, name=f"user{number}", created_at=NOW, is_admin=number == 1
    )


def project(number: int, jobs: int) -> dict[str, Any]:
    return whole(
        Project.__table__,
        id=number,
        name=f"project {number}",
        folder=f"/data/project{number}",
        next_job_number=jobs + 1,
        created_at=NOW - timedelta(days=400 - number),
        changed_at=NOW - timedelta(days=200 - number),
        created_by=1 + number % USERS,
    )


def members(projects: int) -> Iterator[dict[str, Any]]:
    """Every user is in a quarter of the projects, the second in all."""
    for project_id in range(1, projects + 1):
        for user_id in range(1, USERS + 1):
            if user_id == 2 or (project_id + user_id) % 4 == 0:
                yield {
                    "project_id": project_id,
                    "user_id": user_id,
                    "role": "editor",
                    "added_at": NOW,
                }


def job_row(number: int, jobs: int) -> dict[str, Any]:
    """Most jobs are finished; some have failed, a few wait or run."""
    place = number % 1000
    state = "running" if place == 1 else "waiting" if place == 2 else "finished"
    state = "failed" if place % 25 == 3 else state
    when = NOW - timedelta(minutes=10 * (40_000 - number))
    return whole(
        Job.__table__,
        id=number,
        project_id=1 + (number - 1) // jobs,
        number=1 + (number - 1) % jobs,
        type="refine",
        title=f"Refine D2, try {number}",
        folder=f"Refine3D/job{1 + (number - 1) % jobs:03d}",
        parameters={"symmetry": "D2", "particles": "Extract/job018/particles.star"}
        | {f"option_{place}": place for place in range(25)},
        state=state,
        ending="completed" if state == "finished" else None,
        created_by=1 + number % USERS,
        created_at=when,
        submitted_at=when,
        started_at=when,
        ended_at=when if state in ("finished", "failed") else None,
        last_iteration=30,
        resolution_A=2.5 + (number % 97) / 20,
        particles=4501,
        is_exported=True,
    )


def attempt(number: int) -> dict[str, Any]:
    return whole(
        Attempt.__table__, id=number, job_id=number, number=1, launcher="local", created_at=NOW
    )


def beat(number: int) -> dict[str, Any]:
    return whole(Progress.__table__, job_id=number, offset=10_000, heartbeat_at=NOW)


def copy_iterations(session: Session, rounds: int) -> None:
    """Give every job the iterations that the first one has."""
    rows = IterationRow.__table__
    ids = {"id": rows.c.id + rounds * (Job.id - 1), "job_id": Job.id, "attempt_id": Job.id}
    chosen = [ids.get(column.name, column) for column in rows.columns]
    of_all = rows.join(Job.__table__, Job.id > 1)
    query = select(*chosen).select_from(of_all).where(rows.c.job_id == 1)
    query = query.order_by(Job.id, rows.c.iteration)
    session.execute(insert(IterationRow).from_select([c.name for c in rows.columns], query))


def iteration_rows(rounds: int) -> Iterator[dict[str, Any]]:
    """Those of the first job."""
    event = events.Iteration(
        time=NOW,
        iteration=1,
        resolution_fsc0143_A=3.31,
        resolution_fsc05_A=3.9,
        accuracy_angles_deg=0.9,
        healpix_order=3,
        fine_orientations=294_912,
        mean_pmax=0.5,
        explanation="Not converged: the step of 1.8 degrees is above 75 % of the accuracy.",
        phase_seconds={"expectation": 100.0, "maximisation": 10.0},
        peak_memory_GB=[1.5, 2.0, 2.0],
        sigma_offset_A=[2.0, 2.1],
        seconds=110.0,
        extent_A=226.6,
    )
    figures = event.model_dump(exclude={"kind", *CURVES})
    for number in range(1, rounds + 1):
        row = {**figures, "id": number, "job_id": 1, "attempt_id": 1, "iteration": number}
        yield whole(IterationRow.__table__, **row)


def curves(iteration_id: int) -> dict[str, Any]:
    return whole(
        IterationCurves.__table__,
        iteration_id=iteration_id,
        fsc=SHELLS,
        fsc_unmasked=SHELLS,
        ssnr=SHELLS,
        noise_power=[{"half": 1, "optics_group": "opticsGroup1", "power": SHELLS}],
        orientability=SHELLS,
        orientation_files=[],
        files=[],
    )


if __name__ == "__main__":
    sys.exit(main())
