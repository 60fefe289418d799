"""`halfmap demo` on a terminal: the refinement live in the dashboard, which stays open until Ctrl-C."""

import shutil
import sys
import time
from collections.abc import Sequence

from webapp import demo, demo_jobs, serve
from webapp.settings import Settings
from webapp.store import Store

NO_BROWSER = "--no-browser"
STOP_S = 20.0
"""How long the end of a stopped job is waited for."""


def main(words: Sequence[str], job_types: serve.JobTypes) -> int:
    """The exit status of the demo; without a terminal, or with --no-browser, it runs and ends by itself."""
    rest = [word for word in words if word != NO_BROWSER]
    if rest or NO_BROWSER in words or not sys.stdout.isatty():
        return demo.main(rest)
    return live(job_types)


def live(job_types: serve.JobTypes) -> int:
    """Refine in the dashboard, whose link leads to the refinement; what still runs at the end is stopped."""
    folder = demo.FOLDER.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(
        database=str(folder / "halfmap.db"), data_roots=[folder], projects=folder / "projects"
    )
    database = serve.opened(settings)
    supervisor = serve.supervise(
        database, {"HALFMAP_DATABASE": settings.database, "HALFMAP_DATA_ROOTS": str(folder)}
    )
    stores: list[Store] = []

    def begin(store: Store) -> str:
        stores.append(store)
        return f"/job?id={store.start_demo(demo_jobs.SIMULATE, demo_jobs.REFINE).id}"

    port = serve.free_port("127.0.0.1", 0)
    try:
        serve.serve(settings, database, job_types, "127.0.0.1", port, True, begin)
    finally:
        _stop_jobs(stores)
        if supervisor is not None:
            supervisor.terminate()
            supervisor.wait()
        database.close()
    return 0


def _stop_jobs(stores: list[Store]) -> None:
    """Stop what still runs, and wait until it has ended."""
    ends_s = time.monotonic() + STOP_S
    for store in stores:
        for line in (*store.queue().waiting, *store.queue().running):
            store.stop(line.job.id, at_once=True)
        while store.queue().running and time.monotonic() < ends_s:
            time.sleep(0.2)
