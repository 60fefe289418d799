"""No tab is ever blank without words: what is not yet read says so, and what will not come is not promised."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import panel as pn
import pytest

from compute.files.events import End
from db.models.jobs import Job, Node
from db.models.projects import Project
from db.words import Role, State
from tests.webapp.components.rows import iteration, start
from webapp.cli import JOBS
from webapp.components.look import LIGHT
from webapp.components.table import Table
from webapp.maps import MapCache
from webapp.pages.background import Background
from webapp.pages.job_tabs import Surroundings, tab_makers
from webapp.pages.shown import Shown
from webapp.pages.waiting import NO_RESULT, READING, TOO_EARLY
from webapp.records import JobRecords, RecordReader, extended
from webapp.store import Store
from webapp.views import JobView

ENDINGS = {
    "postprocess": (".star",),
    "local_resolution": ("_locres.json",),
    "directional_fsc": ("_directional_fsc.json",),
    "mask": (".json",),
    "select": ("_selection.json",),
}
READ = {
    "postprocess": {"result", "map"},
    "local_resolution": {"result"},
    "directional_fsc": {"result"},
    "mask": {"result"},
    "select": {"result", "images"},
    "rescale": {"map"},
    "extract": {"images"},
    "simulate": {"images", "map"},
    "importing": {"images", "map"},
    "refine": {"map", "particles"},
}
"""The tabs that show files of the job, by its type."""
ALWAYS_READ = {"log", "files"}


def store() -> Store:
    """One that has nothing to read from: tabs only hold it until something comes back."""
    nowhere: Any = None
    return Store(nowhere, nowhere, RecordReader(), MapCache(), 1, JOBS)


class Held(Background):
    """Reads that have not come back."""

    def __init__(self) -> None:
        super().__init__(ThreadPoolExecutor(1))

    def run(self, subject: str, read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Never answers."""


def moment(folder: Path, job_type: str, state: State, has_made: bool) -> Shown:
    """A job as its page knows it, with or without the files of its result."""
    job_folder = folder / "Some" / "job001"
    job_folder.mkdir(parents=True)
    outputs = []
    if has_made:
        for ending in ENDINGS.get(job_type, ()):
            (job_folder / f"run{ending}").write_text("")
        for content, name in (("map", "run.mrc"), ("particles", "run.star")):
            (job_folder / name).write_text("")
            outputs.append(Node(path=f"Some/job001/{name}", content=content))
    job = Job(
        id=1,
        number=1,
        type=job_type,
        state=state,
        folder="Some/job001",
        parameters={"output": "Some/job001/run"},
    )
    project = Project(id=1, name="project", folder=str(folder))
    records = JobRecords()
    if job_type == "refine":
        records = extended(records, [start(), iteration(1), End(reason="stopped", message="")], 1)
    view = JobView(job, project, "eva", Role.OWNER, outputs=outputs)
    return Shown(view, records, records.newest)


def words_of(panel: Any) -> str:
    """All texts that stand in a tab and are not hidden."""
    if isinstance(panel, pn.viewable.Viewer):
        panel = panel.__panel__()
    if not getattr(panel, "visible", True):
        return ""
    if isinstance(panel, Table):
        return panel.empty if not panel.rows else panel.caption
    if isinstance(panel, pn.pane.HTML):
        return str(panel.object)
    return " ".join(map(words_of, getattr(panel, "objects", ())))


def tabs(shown: Shown) -> dict[str, str]:
    """The words of every tab of a job, while nothing that it reads has come back."""
    around = Surroundings(lambda: shown, LIGHT, store(), Held(), lambda _: None)
    found = {}
    for name, (_, make) in tab_makers(shown.view, around).items():
        if name not in ("sharpen", "comments"):
            tab = make()
            tab.draw(shown)
            found[name] = words_of(tab.panel)
    return found


@pytest.mark.parametrize("job_type", READ)
def test_a_tab_says_that_it_is_read(tmp_path: Path, job_type: str) -> None:
    found = tabs(moment(tmp_path, job_type, State.FINISHED, True))
    assert READ[job_type] <= found.keys()
    for name, words in found.items():
        is_read = name in READ[job_type] | ALWAYS_READ
        assert words.strip() and ("Reading …" in words) is is_read, (name, words)


@pytest.mark.parametrize("job_type", sorted(READ.keys() - {"refine", "importing"}))
@pytest.mark.parametrize(
    ("state", "words"),
    [(State.RUNNING, TOO_EARLY), (State.FAILED, NO_RESULT)],
    ids=["running", "failed"],
)
def test_what_will_not_come_is_not_promised(
    tmp_path: Path, job_type: str, state: State, words: str
) -> None:
    found = tabs(moment(tmp_path, job_type, state, False))
    for name in READ[job_type]:
        assert words in found[name] and READING not in found[name]
