"""What processes of their own do to a database in tests."""

import random
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from db import migrate
from db.repository import attempts, claims, jobs, queue
from db.repository.jobs import Needs
from db.session import Database, open_database
from db.words import State


def at_once(*calls: tuple[Callable[..., Any], tuple[Any, ...]]) -> list[Any]:
    """What each call returns when all of them run at the same time, each in a process of its own."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(len(calls), mp_context=context) as pool, context.Manager() as manager:
        barrier = manager.Barrier(len(calls))
        futures: list[Future[Any]] = [
            pool.submit(_together, barrier, call, arguments) for call, arguments in calls
        ]
        return [future.result(timeout=120) for future in futures]


def _together(barrier: Any, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    barrier.wait(timeout=120)
    try:
        return call(*arguments)
    except Exception as error:
        raise RuntimeError(traceback.format_exc()) from error


def submit(url: str, project_id: int, count: int, seed: int) -> list[int]:
    """Submit jobs with different priorities; their numbers, in the order of submission."""
    database, chance = open_database(url), random.Random(seed)
    numbers = []
    for place in range(count):
        with database.writing() as session:
            job = jobs.create(
                session,
                project_id,
                "refine",
                {"place": place, "seed": seed},
                who=None,
                needs=Needs(cores=1),
                priority=chance.randrange(3),
            )
            queue.submit(session, job.id, who=None)
            numbers.append(job.number)
    database.close()
    return numbers


def start_all(url: str, machine: str, expected: int) -> list[int]:
    """Claim, launch and settle jobs until `expected` of them have ended anywhere; the ids of those claimed here."""
    database = open_database(url)
    claimed: list[int] = []
    while (seen := _counts(database))[0] < expected:
        with database.writing() as session:
            claim = claims.claim_next(session, profiles={"local"}, machine=machine)
        if claim is None:
            while _counts(database) == seen:
                time.sleep(0.02)
            continue
        claimed.append(claim.job.id)
        with database.writing() as session:
            attempt = attempts.begin(session, claim.job.id, launcher="local")
        with database.writing() as session:
            attempts.settle(session, attempt.id, reason="finished")
    database.close()
    return claimed


def _counts(database: Database) -> tuple[int, int]:
    """How many jobs have ended, and how many wait."""
    with database.reading() as session:
        return jobs.count(session, State.FINISHED), jobs.count(session, State.WAITING)


def upgrade(url: str) -> list[str]:
    """The revisions that this process applied."""
    return migrate.upgrade(url)
