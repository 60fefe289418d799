"""Open pages of a running job: each is told what happens as long as its visitor may see it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from db.repository import members
from tests.bench.load import Follower, RunningJob, cookie_of, followers, running_job
from tests.webapp.accounts.lab import Lab, open_lab

PATIENCE_S = 240.0


@pytest.fixture
def job(tmp_path: Path) -> Iterator[tuple[Lab, RunningJob]]:
    with open_lab(tmp_path) as lab, running_job(lab) as made:
        yield lab, made


def test_pages_are_told_until_their_visitors_may_see_no_more(job: tuple[Lab, RunningJob]) -> None:
    lab, made = job

    def take_away() -> None:
        with lab.database.writing() as session:
            members.set_role(session, lab.project, lab.users["ben"], None, who=lab.users["ana"])

    async def work() -> tuple[Follower, Follower]:
        ana, ben = [await asyncio.to_thread(cookie_of, lab, name) for name in ("ana", "ben")]
        async with (
            followers(lab, made, ana, 1) as (of_ana,),
            followers(lab, made, ben, 1) as (of_ben,),
        ):
            await asyncio.to_thread(made.write, 2)
            await asyncio.gather(of_ana.until_told(2), of_ben.until_told(2))
            await asyncio.to_thread(take_away)
            await of_ben.ended.wait()
            await asyncio.to_thread(made.write, 3)
            await of_ana.until_told(3)
            return of_ana, of_ben

    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(lambda: asyncio.run(asyncio.wait_for(work(), PATIENCE_S)))
        of_ana, of_ben = run.result()
    assert of_ana.told.keys() == {2, 3} and of_ben.told.keys() == {2}
