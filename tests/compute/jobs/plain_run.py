"""Jobs of one process, run as the engine runs them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compute import __main__ as program
from compute.files import events
from compute.files.progress import read_progress


def finish(job: str, **params: Any) -> events.End:
    """The last record of a job that ran to its end in this process."""
    assert program.run_job({"job": job, "params": params}) == 0
    last = records(params["output"])[-1]
    assert isinstance(last, events.End) and last.reason == "finished"
    return last


def records(output: str) -> list[events.AnyEvent]:
    """What jobs with this output have recorded."""
    return read_progress(Path(output).parent / "progress.jsonl")


def warnings(output: str) -> list[str]:
    """The sentences that jobs with this output have warned with."""
    return [one.message for one in records(output) if isinstance(one, events.Warn)]


@contextmanager
def inside(folder: Path) -> Iterator[Path]:
    """This folder as the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
