"""Jobs are renamed and put into the bin on their page, taken out and removed for good in the bin's tab."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compute.files.errors import InputError
from db.errors import Closed, NotAllowed, NotFound, Refused
from db.models.jobs import Job
from db.repository import audit, jobs, nodes, queue
from db.repository.nodes import Input
from db.words import Role
from tests.webapp.accounts.lab import Lab, fill
from tests.webapp.pages.conftest import Desk
from tests.webapp.test_sharing import store_of
from webapp import binning, purging, sharing
from webapp.pages.background import Background
from webapp.pages.bin_tab import BinTab
from webapp.pages.bin_words import bin_row, purge_html
from webapp.pages.binned_job import BinnedJobPage
from webapp.pages.job_actions import Actions
from webapp.pages.job_keeping import preview_html
from webapp.pages.shown import Shown
from webapp.store import Store


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = fill(tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def made(desk: Desk) -> Job:
    """A job with a file of 1500 bytes."""
    with desk.store.database.writing() as session:
        job = jobs.create(session, desk.project.id, "mask", {}, who=desk.store.user_id, title="old")
    folder = desk.folder / job.folder
    folder.mkdir(parents=True)
    (folder / "mask.mrc").write_bytes(bytes(1500))
    return job


def actions_of(store: Store, job_id: int) -> tuple[Actions, list[bool]]:
    """The actions of a job's page, drawn; and how often the page was told of a change."""
    told: list[bool] = []
    found = Actions(store, lambda: told.append(True))
    view = store.job(job_id)
    found.draw(Shown(view, store.job_records(view), None))
    return found, told


def offered(found: Actions) -> list[str]:
    return [getattr(one, "label", "") for one in found._buttons]


def test_a_job_is_renamed_on_its_page(desk: Desk, made: Job) -> None:
    found, told = actions_of(desk.store, made.id)
    assert {"Rename …", "Put into the bin …"} <= {*offered(found)}
    renaming = found._renaming
    renaming._open()
    assert renaming.panel.visible and renaming._title.value == "old"
    renaming._title.value_input = "  a better one "
    renaming._save()
    assert told and not renaming.panel.visible
    assert desk.store.job(made.id).job.title == "a better one"
    told.clear()
    renaming._open()
    renaming._save()
    assert not told and not renaming.panel.visible, "it is called so already"
    renaming._open()
    renaming._title.value_input = "two\nlines"
    renaming._save()
    assert 'role="alert"' in found._problem.object and "one line" in found._problem.object
    assert desk.store.job(made.id).job.title == "a better one"


def test_a_job_goes_into_the_bin_and_comes_back(desk: Desk, made: Job) -> None:
    found, _ = actions_of(desk.store, made.id)
    found._binning._open()
    assert f"Job {made.number} · old" in found._binning._words.object
    assert not found._binning._do.disabled and not found._binning._wide.visible
    found._binning._put()
    assert found._binning._go.address == f"job?id={made.id}"
    assert not (desk.folder / made.folder).exists()
    with pytest.raises(NotFound, match="it is in the bin"):
        desk.store.job(made.id)
    alone = binning.job_in_bin(desk.store, made.id)
    assert alone is not None and [one.by for one in alone.jobs] == ["ana"]
    tab = BinTab(desk.store, desk.background, desk.project.id)
    tab.draw(binning.content(desk.store, desk.project.id))
    assert tab._table.rows[0]["title"] == "old" and tab._buttons.visible and tab._empty.visible
    assert tab._out.label == f"Take job {made.number} out"
    tab._take_out()
    assert (desk.folder / made.folder / "mask.mrc").is_file()
    assert tab._table.rows == [] and not tab._buttons.visible
    assert "is out of the bin" in tab._said.object
    assert binning.job_in_bin(desk.store, made.id) is None


def test_the_bin_is_emptied_after_it_was_said_what_goes(desk: Desk, made: Job) -> None:
    binning.delete(desk.store, made.id)
    tab = BinTab(desk.store, desk.background, desk.project.id)
    tab.draw(binning.content(desk.store, desk.project.id))
    trash = desk.folder / "Trash" / made.folder
    tab._ask(tab._found.jobs)  # type: ignore[union-attr]
    words = str(tab._purging._words.object)
    assert "1 job, 1 file, 1.5 kB" in words and str(trash) in words and tab._purging.panel.visible
    tab._purging.close()
    assert trash.is_dir(), "to ask is not to remove"
    tab._ask(tab._found.jobs)  # type: ignore[union-attr]
    tab._purging._remove()
    assert not trash.exists() and not tab._purging.panel.visible and tab._table.rows == []
    with desk.store.database.reading() as session:
        assert audit.entries(session, project_id=desk.project.id)[0].action == "purged job"
    assert binning.job_in_bin(desk.store, made.id) is None


def test_a_job_that_waits_is_refused_in_the_words_of_the_rule(desk: Desk, made: Job) -> None:
    with desk.store.database.writing() as session:
        queue.submit(session, made.id, who=desk.store.user_id)
    found, _ = actions_of(desk.store, made.id)
    found._binning._open()
    assert f"job {made.number} is waiting: stop it first" in found._binning._words.object
    assert found._binning._do.disabled
    found._binning._put()
    assert "stop it first" in found._binning._words.object and not found._binning._go.address
    desk.store.stop(made.id, at_once=True)
    view = desk.store.job(made.id)
    found.draw(Shown(view, desk.store.job_records(view), None))
    assert not found._binning._do.disabled, "what is open tells what holds now"


def test_readers_are_named_and_go_along_or_take_force(lab: Lab) -> None:
    ana = store_of(lab, "ana")
    with lab.database.writing() as session:
        first = jobs.get(session, lab.job)
        second = jobs.create(
            session,
            lab.project,
            "mask",
            {},
            who=lab.users["ana"],
            inputs=[Input("map", f"{first.folder}/run_class001.mrc")],
        )
        assert nodes.tree(session, lab.project).below([first.id]) == {second.id}
    alone = preview_html(binning.preview(ana, lab.job))
    assert "Job 2 · Mask</b> follows from it" in alone and "<script" not in alone
    wide = binning.preview(ana, lab.job, with_descendants=True)
    assert [job.number for job in wide.goes] == [1, 2] and not wide.left_without_input
    binning.delete(ana, lab.job)
    tab_words = purge_html(binning.remains(ana, [lab.job]))
    assert "job 2 read files of job 1" in tab_words
    with pytest.raises(Refused, match="could not be repeated"):
        binning.purge(ana, [lab.job])
    with ThreadPoolExecutor(1) as threads:
        tab = BinTab(ana, Background(threads), lab.project)
    tab.draw(binning.content(ana, lab.project))
    tab._ask(tab._chosen_alone())
    assert tab._purging._forced.visible and tab._purging._do.disabled
    tab._purging._forced.value = True
    assert not tab._purging._do.disabled
    tab._purging._remove()
    assert "1 job, 3.2 kB, gone" in tab._said.object and binning.job_in_bin(ana, lab.job) is None


def test_everybody_sees_the_bin_of_their_project_and_does_what_their_role_allows(lab: Lab) -> None:
    eva, ben, out = (store_of(lab, name) for name in ("eva", "ben", "out"))
    found, _ = actions_of(ben, lab.job)
    assert not {"Rename …", "Put into the bin …"} & {*offered(found)}
    binning.delete(eva, lab.job)
    seen = binning.content(ben, lab.project)
    assert (seen.role, seen.can_take_out, seen.can_empty) == (Role.VIEWER, False, False)
    assert bin_row(seen.jobs[0])["by"] == "eva"
    with pytest.raises(NotAllowed, match="takes the role editor"):
        binning.restore(ben, lab.job)
    for act in (binning.remains, binning.purge):
        with pytest.raises(NotAllowed, match="takes the role owner, you are editor: ask ana"):
            act(eva, [lab.job])
    with pytest.raises(Closed):
        binning.content(out, lab.project)
    assert binning.job_in_bin(out, lab.job) is None
    (newest, *_) = sharing.activity(ben, lab.project)
    assert (newest.action, newest.job_id) == ("deleted job", lab.job)
    assert binning.restore(eva, lab.job).number == 1


def test_the_page_of_a_job_in_the_bin_tells_since_when_and_leads_to_the_job(lab: Lab) -> None:
    eva, ben = store_of(lab, "eva"), store_of(lab, "ben")
    binning.delete(eva, lab.job)
    with ThreadPoolExecutor(1) as threads:
        pages = [
            BinnedJobPage(store, Background(threads), found)
            for store in (eva, ben)
            if (found := binning.job_in_bin(store, lab.job)) is not None
        ]
    for page, can_take_out in zip(pages, (True, False), strict=True):
        words = str(page._head.object)
        assert "put there by eva" in words and "Trash/Refine3D/job001" in words
        assert "<script" not in words and page._out.visible is can_take_out
        page._look()
        assert not page._go.address
    pages[1]._take_out()
    assert 'role="alert"' in pages[1]._problem.object and not pages[1]._go.address
    pages[0]._take_out()
    pages[1]._look()
    assert [page._go.address for page in pages] == [f"job?id={lab.job}"] * 2


def test_what_the_disk_refuses_is_a_sentence_and_nothing_has_changed(
    desk: Desk, made: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    binning.delete(desk.store, made.id)

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(purging, "_remove", refuse)
    with pytest.raises(InputError, match=r"job\d+ cannot be moved or removed: Permission denied"):
        binning.purge(desk.store, [made.id])
    assert binning.job_in_bin(desk.store, made.id) is not None
    binning.restore(desk.store, made.id)
