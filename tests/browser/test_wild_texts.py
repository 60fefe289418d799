"""Scripts planted wherever somebody can write and in the texts of files that jobs leave: none runs, all are shown."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from compute.files.events import End, NoiseSpectrum, Warn
from compute.files.labels import star_label
from compute.files.progress import ProgressWriter, follow_progress
from compute.files.star import read_star, write_star
from compute.files.table import Table
from db.repository import attempts, banner, marks, people, progress, projects, queue, states, talk
from db.words import State
from tests.browser.axe import open_tab, still
from tests.browser.test_lab import person, sign_in
from tests.data import particle_set
from tests.webapp.accounts.lab import Lab, fill, send, serving
from tests.webapp.components.rows import iteration, start

pytestmark = pytest.mark.browser

PLANT = "<img/src/onerror=alert(7)>"
"""Without blanks, so that it is one word of a STAR file."""
NAME = "<img src=x onerror=alert(6)>"
"""Without a slash, so that it may be the name of a project or of a file."""
STACK = "<svg/onload=alert(8)>.mrcs"
"""A folder, and a stack of images in it."""
FOREIGN = "img[src=x], img[onerror], svg[onload]"
"""What the planted texts would become."""
PLANTED = "all => all.filter((one) => /^alert\\(\\d\\)/.test(one.textContent)).length"
"""How many of some scripts are a planted one."""


def plant_files(lab: Lab) -> None:
    """The particles, the records and the log of the lab's job, with wild names in all of them."""
    project = lab.folder / "beta"
    job = project / "Refine3D" / "job001"
    particle_set(project, particles=8, micrographs=2)
    tables = read_star(project / "set.star")
    optics, particles = dict(tables["optics"].columns), dict(tables["particles"].columns)
    names = particles[star_label("image_name")]
    (project / STACK).parent.mkdir()
    shutil.copy(project / str(names[0]).partition("@")[2], project / STACK)
    optics[star_label("optics_group_name")] = np.array([PLANT], dtype=object)
    particles[star_label("image_name")] = np.array(
        [f"{str(name).partition('@')[0]}@{STACK}" for name in names], dtype=object
    )
    particles[star_label("micrograph_name")] = np.array(
        [f"{PLANT}{n % 2}.mrc" for n in range(len(names))], dtype=object
    )
    whole = [Table("optics", optics), Table("particles", particles)]
    for path in (project / "wild.star", job / "run_it001_data.star"):
        write_star(path, whole)
    (job / f"{NAME}.star").write_text("data_\n")
    for name in ("run.out", "run.err"):
        (job / name).write_text(f"log {PLANT}\n")
    with ProgressWriter(job / "progress.jsonl") as writer:
        used = {"particles": "wild.star", "symmetry": PLANT, "solvent_mask": PLANT}
        writer.write(start(optics_groups=[PLANT], parameters=used, command=PLANT))
        noise = [NoiseSpectrum(half=1, optics_group=PLANT, power=[1.0] * 51)]
        writer.write(iteration(1, explanation=f"explained {PLANT}", noise_power=noise))
        writer.write(Warn(message=f"warned {PLANT}"))
        writer.write(End(reason="failed", message=f"failed {PLANT}", iteration=1))


def plant_rows(lab: Lab) -> None:
    """Names, notes, tags, comments and the job's end, in the database."""
    path = lab.folder / "beta" / "Refine3D" / "job001" / "progress.jsonl"
    ana = lab.users["ana"]
    with lab.database.writing() as session:
        projects.rename(session, lab.project, NAME, who=ana)
        people.create_user(session, NAME.replace(" ", "_"), who=None, full_name=PLANT)
        marks.add_tag(session, lab.job, NAME, who=ana)
        talk.add_comment(session, lab.job, f"said {PLANT} @ben", who=ana)
        talk.add_project_comment(session, lab.project, f"said {PLANT} @ben", who=ana)
        banner.set_banner(session, f"banner {PLANT}", who=ana)
        queue.submit(session, lab.job, who=ana)
        states.set_state(session, lab.job, State.STARTING)
        attempt = attempts.begin(session, lab.job, launcher="local")
    events, end = follow_progress(path, 0)
    with lab.database.writing() as session:
        progress.record(session, lab.job, events, start=0, end=end)
        attempts.settle(session, attempt.id)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = fill(tmp_path_factory.mktemp("wild"))
    plant_files(made)
    plant_rows(made)
    with serving(made, "--address", "0.0.0.0"):
        with made.signed_in("chief") as client:
            send(client, "/admin", action="make_group", name=PLANT)
            send(client, "/account", action="make_token", name=PLANT, days="3")
        yield made
    made.database.close()


def look(page: Page, *texts: str) -> None:
    """The texts are seen as they were written, and nothing has become of them."""
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()
    assert page.locator(FOREIGN).count() == 0, page.url
    assert page.locator("script").evaluate_all(PLANTED) == 0, page.url


def test_no_planted_script_runs_anywhere(chromium: Browser, lab: Lab, tmp_path: Path) -> None:
    run: list[str] = []

    def heard(dialog: Dialog) -> None:
        run.append(dialog.message)
        dialog.dismiss()

    with person(chromium, lab) as context:
        page = context.new_page()
        page.on("dialog", heard)
        page.goto(f"{lab.base}/account")
        sign_in(page, "chief")
        look(page, PLANT, f"banner {PLANT}")
        page.goto(f"{lab.base}/admin")
        look(page, PLANT)
        for address, text in (
            ("/", NAME),
            ("/projects", NAME),
            ("/search?q=said", f"said {PLANT}"),
            (f"/search?q={quote(PLANT)}", PLANT),
            ("/notices", f"banner {PLANT}"),
            ("/queue", f"banner {PLANT}"),
            (f"/compare?project={lab.project}&jobs={lab.job}", "1 · title <script>alert(1)"),
        ):
            page.goto(lab.base + address)
            look(page, text)

        page.goto(f"{lab.base}/project?id={lab.project}")
        still(page)
        for title in page.locator(".bk-header .bk-tab").all_inner_texts():
            open_tab(page, title)
            still(page)
            look(page)

        page.goto(f"{lab.base}/job?id={lab.job}")
        still(page)
        look(page, f"failed {PLANT}", NAME)
        seen = {
            "Particles": STACK,
            "Parameters": PLANT,
            "Log": f"log {PLANT}",
            "Files": f"{NAME}.star",
            "Comments": f"said {PLANT}",
        }
        for title in page.locator(".bk-header .bk-tab").all_inner_texts():
            open_tab(page, title)
            still(page)
            look(page, *([seen[title]] if title in seen else []))
        open_tab(page, "Log")
        look(page, f"warned {PLANT}")

        wild = quote(str(lab.folder / "beta" / "wild.star"))
        page.goto(f"{lab.base}/new?type=refine&project={lab.project}&particles={wild}")
        look(page, "8 particles, 1 optics group")
        page.goto(f"{lab.base}/new?type=refine&project={lab.project}&symmetry={quote(PLANT)}")
        still(page)
        look(page)
        assert run == []
        with page.expect_event("dialog"):  # a script that did run would have been heard
            page.evaluate("(text) => document.body.insertAdjacentHTML('beforeend', text)", PLANT)
        assert run.pop() == "7"
        answer = context.request.get(f"{lab.base}/api/report?job={lab.job}")
        assert answer.ok
        report = tmp_path / "report.html"
        report.write_bytes(answer.body())
    look_at_report(chromium, report, run)
    assert run == []


def look_at_report(chromium: Browser, report: Path, run: list[str]) -> None:
    """The report, opened from the disk."""
    context = chromium.new_context()
    page = context.new_page()
    page.on("dialog", lambda dialog: (run.append(dialog.message), dialog.dismiss()))
    page.goto(report.as_uri())
    look(page, f"warned {PLANT}", "title <script>alert(1)</script>")
    context.close()
