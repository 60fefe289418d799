"""Everything that pages can ask to be changed in a project, asked for by a viewer and a stranger: nothing happens."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from db.errors import Closed, NotAllowed
from db.words import Role
from tests.webapp.accounts.lab import Lab, fill
from tests.webapp.test_sharing import store_of
from webapp import binning, finding, marking, sharing
from webapp.store import Store

WRITES: dict[str, Callable[[Store, Lab], Any]] = {
    "set_project_notes": lambda store, lab: store.set_project_notes(lab.project, "x", seen=""),
    "submit": lambda store, lab: store.submit(lab.project, "mask", {"map": "a.mrc"}),
    "stop": lambda store, lab: store.stop(lab.job, at_once=True),
    "continue_job": lambda store, lab: store.continue_job(lab.job, None),
    "rename": lambda store, lab: store.rename(lab.job, "x"),
    "delete": lambda store, lab: binning.delete(store, lab.job),
    "restore": lambda store, lab: binning.restore(store, lab.job),
    "purge": lambda store, lab: binning.purge(store, [lab.job]),
    "save_draft": lambda store, lab: store.save_draft(lab.project, "mask", {}),
    "set_role": lambda store, lab: sharing.set_role(store, lab.project, "out", Role.OWNER),
    "add_tag": lambda store, lab: marking.add_tag(store, lab.job, "x"),
    "remove_tag": lambda store, lab: marking.remove_tag(store, lab.job, "x"),
    "set_group": lambda store, lab: sharing.set_group(store, lab.project, "", Role.OWNER),
}
"""What changes a project or a job of it, and takes the role of an editor or owner."""
OWN = {
    *("create_project", "save_preset", "forget_draft", "mark_read"),
    *("note_visit", "star_project", "star_job", "comment_on_job", "comment_on_project"),
    "remove_comment",
}
"""What everybody may change who sees the project: things of their own alone."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = fill(tmp_path_factory.mktemp("writes"))
    yield made
    made.database.close()


def test_everything_that_writes_is_in_the_table() -> None:
    found = [*inspect.getmembers(Store, inspect.isfunction)]
    for module in (sharing, marking, finding, binning):
        found += inspect.getmembers(module, inspect.isfunction)
    own = [(name, one) for name, one in found if not name.startswith("_")]
    writing = {name for name, one in own if ".writing()" in inspect.getsource(one)}
    assert writing == {*WRITES, *OWN}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(("who", "error"), [("ben", NotAllowed), ("out", Closed)])
def test_whoever_may_only_look_changes_nothing(
    lab: Lab, name: str, who: str, error: type[Exception]
) -> None:
    before = (lab.folder / "halfmap.db").read_bytes()
    with pytest.raises((error, NotAllowed)):
        WRITES[name](store_of(lab, who), lab)
    assert (lab.folder / "halfmap.db").read_bytes() == before
