"""Many open pages of one running job: all are told of what happens, and those that were left are forgotten."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.bench.load import (
    RunningJob,
    cookie_of,
    followers,
    opened_and_closed,
    running_job,
)
from tests.webapp.accounts.lab import Lab, fill, serving

FOLLOWERS, CLOSED = 5, 20
PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, RunningJob]]:
    lab = fill(tmp_path_factory.mktemp("many"))
    with serving(lab, "--address", "0.0.0.0"), running_job(lab) as made:
        yield lab, made
    lab.database.close()


def open_pages(admin: httpx.Client) -> int:
    """How many pages the server holds, as it tells admins."""
    found = re.search(r'id="open-pages">(\d+)<', admin.get("/admin").text)
    assert found is not None
    return int(found.group(1))


@pytest.mark.slow
def test_every_page_is_told_and_those_that_were_left_are_forgotten(
    job: tuple[Lab, RunningJob],
) -> None:
    lab, made = job

    async def work(admin: httpx.Client) -> None:
        cookie = await asyncio.to_thread(cookie_of, lab, "eva")
        async with followers(lab, made, cookie, FOLLOWERS) as found:
            assert await asyncio.to_thread(open_pages, admin) == FOLLOWERS
            await asyncio.to_thread(made.write, 2)
            for one in found:
                await one.until_told(2)
        await opened_and_closed(lab, CLOSED)
        while await asyncio.to_thread(open_pages, admin):
            await asyncio.sleep(1.0)

    with lab.signed_in("chief") as admin, ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(asyncio.wait_for(work(admin), PATIENCE_S))).result()
