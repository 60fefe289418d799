"""Measures the lab's server under many open pages of one running job, and after many that were opened and closed.

So many sessions as asked for open the page over its websocket, without a browser, and follow it; beside them one real
Chromium looks at the same job. Iterations are written as the engine writes them, and recorded as the supervisor does.
Run from the checkout: python -m tests.bench.load [--sessions 30] [--closed 200] [--minutes 2] [OUT.json]
"""

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import async_playwright

from compute.files.progress import ProgressWriter, follow_progress
from db.repository import attempts, progress, queue, states
from db.session import Database
from db.words import State
from tests.browser.conftest import WEBGL
from tests.webapp.accounts.lab import PASSWORD, Lab, fill, serving
from tests.webapp.accounts.visiting import OpenPage, open_page
from tests.webapp.components.rows import iteration, start

EVERY_S = 10.0
"""An iteration every few seconds is faster than any real refinement's."""
LIMITS = {"cores": 0.6, "memory_MB": 400.0, "update_s": 2.0}
SENTENCE = "The refinement goes on after iteration"
"""How the sentence of each begins."""
SETTLED_S = 90.0
"""How long closed pages may take to be forgotten."""
TOGETHER = 4
"""Pages that are opened at the same moment where many are opened and closed."""


@dataclass(slots=True)
class RunningJob:
    """A refinement that is made up while it is looked at."""

    database: Database
    job_id: int
    writer: ProgressWriter
    path: Path
    offset: int = 0
    written: dict[int, float] = field(default_factory=dict)

    def write(self, number: int) -> None:
        """Write an iteration, and record it. Its sentence is what pages are searched for."""
        self.written[number] = time.perf_counter()
        self.writer.write(iteration(number, explanation=sentence(number)))
        self.record()

    def record(self) -> None:
        """Take into the database what stands in the file."""
        events, end = follow_progress(self.path, self.offset)
        with self.database.writing() as session:
            progress.record(session, self.job_id, events, start=self.offset, end=end)
        self.offset = end


def sentence(number: int) -> str:
    """What the page says of the job after an iteration."""
    return f"{SENTENCE} {number:04d}."


@contextmanager
def running_job(lab: Lab, **figures: Any) -> Iterator[RunningJob]:
    """The lab's first job, running, with one iteration behind it; `figures` are those of its first record."""
    with lab.database.writing() as session:
        queue.submit(session, lab.job, who=lab.users["ana"])
        states.set_state(session, lab.job, State.STARTING)
        attempts.begin(session, lab.job, launcher="local")
    path = lab.folder / "beta" / "Refine3D" / "job001" / "progress.jsonl"
    with ProgressWriter(path) as writer:
        job = RunningJob(lab.database, lab.job, writer, path)
        writer.write(start(**figures))
        job.write(1)
        yield job


def server_of(lab: Lab) -> psutil.Process:
    """The server's process."""
    port = int(lab.base.rpartition(":")[2])
    for one in psutil.Process().children(recursive=True):
        if any(
            socket.laddr.port == port
            for socket in one.net_connections()
            if socket.status == "LISTEN"
        ):
            return one
    raise RuntimeError(f"nobody listens at {lab.base}")


@dataclass(slots=True)
class Follower:
    """A page that is followed: when it was told of which iteration."""

    page: OpenPage
    told: dict[int, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_told(self, number: int) -> None:
        """Wait until the page has been told of an iteration."""
        while number not in self.told:
            self.news.clear()
            await self.news.wait()

    async def follow(self, job: RunningJob) -> None:
        """Look for the sentences in what the server sends, until the page is closed."""
        while (text := await self.page.text()) is not None:
            if SENTENCE not in text:
                continue
            for number in job.written.keys() - self.told:
                if sentence(number) in text:
                    self.told[number] = time.perf_counter()
                    self.news.set()
        self.ended.set()


def cookie_of(lab: Lab, name: str) -> str:
    """The cookie of somebody who has signed in."""
    with lab.signed_in(name) as client:
        return client.cookies["halfmap"]


@asynccontextmanager
async def followers(
    lab: Lab, job: RunningJob, cookie: str, count: int
) -> AsyncIterator[list[Follower]]:
    """Pages of the job that are followed as long as the block runs."""
    made: list[Follower] = []
    for _ in range(count):
        page = await open_page(lab.base, cookie, f"/job?id={lab.job}")
        await page.document()
        await page.is_drawn()
        made.append(Follower(page))
    tasks = [asyncio.create_task(one.follow(job)) for one in made]
    try:
        yield made
    finally:
        for one in made:
            one.page.close()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def browser_page(lab: Lab) -> AsyncIterator[Any]:
    """The job's page in a real Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(WEBGL)
        )
        page = await browser.new_page()
        await page.goto(f"{lab.base}/job?id={lab.job}")
        await page.get_by_label("Name").fill("ben")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.locator(".bk-Figure").nth(7).wait_for()
        yield page
        await browser.close()


async def under_load(lab: Lab, job: RunningJob, sessions: int, minutes: float) -> dict[str, Any]:
    """What the server takes while so many pages follow the job, and how late they are told."""
    server = server_of(lab)
    cookie = cookie_of(lab, "ana")
    in_browser = []
    async with browser_page(lab) as page, followers(lab, job, cookie, sessions) as found:
        await asyncio.sleep(EVERY_S)
        before, began, most = sum(server.cpu_times()[:2]), time.perf_counter(), 0.0
        for number in range(2, 2 + round(minutes * 60 / EVERY_S)):
            job.write(number)
            await page.get_by_text(sentence(number)).wait_for()
            in_browser.append(time.perf_counter() - job.written[number])
            most = max(most, server.memory_info().rss / 1e6)
            await asyncio.sleep(max(0.0, EVERY_S - in_browser[-1]))
        cores = (sum(server.cpu_times()[:2]) - before) / (time.perf_counter() - began)
    late = [
        one.told[number] - moment
        for one in found
        for number, moment in job.written.items()
        if number > 1 and number in one.told
    ]
    asked = sessions * (len(job.written) - 1)
    return {
        "sessions": sessions,
        "iterations": len(job.written) - 1,
        "server_cores": round(cores, 3),
        "server_memory_MB": round(most, 1),
        "updates_missing": asked - len(late),
        "update_s": round(statistics.median(late), 3),
        "update_longest_s": round(max(late), 3),
        "browser_update_s": round(statistics.median(in_browser), 3),
        "browser_update_longest_s": round(max(in_browser), 3),
    }


async def opened_and_closed(lab: Lab, count: int) -> None:
    """Open so many pages of the job, some at a time, and close them again."""
    cookie = await asyncio.to_thread(cookie_of, lab, "ana")

    async def visit() -> None:
        page = await open_page(lab.base, cookie, f"/job?id={lab.job}")
        await page.document()
        page.close()

    for first in range(0, count, TOGETHER):
        await asyncio.gather(*(visit() for _ in range(min(TOGETHER, count - first))))


def memory_returns(lab: Lab, count: int) -> dict[str, Any]:
    """The server's memory before and after so many pages, once it has had time to forget them."""
    server = server_of(lab)
    found = {"closed": count, "memory_before_MB": round(server.memory_info().rss / 1e6, 1)}
    most = 0.0
    asyncio.run(opened_and_closed(lab, count))
    found["memory_at_once_MB"] = round(server.memory_info().rss / 1e6, 1)
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        most = max(most, server.memory_info().rss / 1e6)
        time.sleep(1.0)
    found["memory_after_MB"] = round(server.memory_info().rss / 1e6, 1)
    found["memory_most_MB"] = round(most, 1)
    return found


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load")
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--closed", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("out", nargs="?", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        lab = fill(Path(name))
        with serving(lab, "--address", "0.0.0.0"), running_job(lab) as job:
            figures = asyncio.run(under_load(lab, job, asked.sessions, asked.minutes))
            print(json.dumps(figures, indent=2), flush=True)
            figures |= memory_returns(lab, asked.closed)
        lab.database.close()
    figures |= {
        "limits": LIMITS,
        "cores": psutil.cpu_count(),
        "machine": platform.machine(),
        "load_average": round(psutil.getloadavg()[0], 2),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
