"""A refinement on a GPU from the form to the cockpit, which shows device, load and memory.

`make test-gpu` runs it whole on a machine with a GPU, and leaves its figures in tests/bench/results. Elsewhere the same
parts of it run on what a GPU would have told, and on the refinement of the other tests, which is on the processor.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from compute.files.events import GpuLoad, Heartbeat, Iteration, Rank, Start
from compute.files.progress import read_progress
from tests.bench.load import running_job
from tests.bench.machine import kind
from tests.browser.conftest import (
    RUN_MS,
    Run,
    Served,
    holds,
    open_form,
    ready,
    source,
    start_refinement,
)
from tests.browser.test_lab import person, sign_in
from tests.data import particle_set
from tests.webapp.accounts.lab import open_lab
from tests.webapp.components.rows import iteration

pytestmark = pytest.mark.browser

RESULTS = Path(__file__).parents[1] / "bench" / "results"
PARTICLES, BOX, PIXEL_A = 4000, 96, 1.4
"""Enough for several signs of life, which come every quarter of a minute."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the cockpit shows of a job's resources: each process's device, a sentence, and what is drawn."""

    devices: list[str]
    sentence: str
    percent: list[float]
    in_use_GB: list[float]
    peak_gpu_GB: list[float]
    memory_GB: list[float]


def resources(page: Page, address: str) -> Resources:
    """Look at the tab of resources."""
    page.goto(f"{address.partition('&')[0]}&tab=resources")
    ready(page)
    memory = holds(page, "memory", "memory_GB")
    cells = page.get_by_role("table", name="processes").locator("td[data-key=device]")
    expect(cells.first).to_be_visible()
    words = page.locator(".gpu-load")
    expect(words).not_to_be_empty()
    lines = source(page, "gpus")
    peaks = source(page, "memory")["gpu_GB"]
    return Resources(
        cells.all_text_contents(),
        words.text_content() or "",
        [one for line in lines["percent"] for one in line if one is not None],
        [one for line in lines["memory_GB"] for one in line if one is not None],
        [one for one in peaks if one is not None],
        memory,
    )


def test_what_a_gpu_has_told_is_shown(chromium: Browser, tmp_path: Path) -> None:
    ranks = [
        Rank(rank=n, role=role, host="gpu1", pid=n, device=device, threads=1)
        for n, (role, device) in enumerate(
            [("leader", "cpu"), ("half 1", "cuda:0"), ("half 2", "cuda:0")]
        )
    ]
    with open_lab(tmp_path) as lab, running_job(lab, ranks=ranks) as job:
        for percent, memory in ((97.0, 11.5), (88.0, 12.25)):
            gpus = [GpuLoad(device="cuda:0", percent=percent, memory_GB=memory)]
            job.writer.write(Heartbeat(phase="expectation", iteration=2, memory_GB=0.5, gpus=gpus))
        job.writer.write(iteration(2, peak_gpu_memory_GB=[None, 5.0, 5.25]))
        job.record()
        with person(chromium, lab) as context:
            page = context.new_page()
            page.goto(f"{lab.base}/job?id={lab.job}")
            sign_in(page, "ana")
            expect(page.locator(".hero .facts").first).to_contain_text("3 processes on CPU, cuda:0")
            found = resources(page, f"{lab.base}/job?id={lab.job}")
    assert found.devices == ["cpu", "cuda:0", "cuda:0"]
    assert found.sentence == (
        "cuda:0 is 88 % busy with 12.2 GB in use; at most 97 % busy with 12.2 GB in use."
    )
    assert (found.percent, found.in_use_GB) == ([97.0, 88.0], [11.5, 12.25])
    assert found.peak_gpu_GB == [10.25]


def test_a_job_on_the_processor_says_so(page: Page, run: Run) -> None:
    found = resources(page, run.address)
    assert found.devices == ["cpu"] * 3
    assert "on the processor" in found.sentence
    assert (found.percent, found.in_use_GB, found.peak_gpu_GB) == ([], [], [])
    peaks = [sum(one or 0.0 for one in row.peak_memory_GB) for row in run.iterations]
    assert found.memory_GB == pytest.approx(peaks)


@pytest.mark.gpu
def test_from_the_form_to_the_cockpit_on_a_gpu(page: Page, served: Served) -> None:
    """Three processes on one GPU; what the page shows is what the job has written, and is kept as JSON."""
    data = served.folder / "gpu_data"
    data.mkdir()
    particle_set(data, particles=PARTICLES, box=BOX, pixel_size_A=PIXEL_A, symmetry="D2", snr=0.3)
    open_form(page, served, "gpu")
    said = f"1 optics group; {BOX} px of {PIXEL_A} Å"
    start_refinement(page, data, said, gpu="GPU 0", order=2, local_order=4)
    address = page.url
    facts = page.locator(".hero .facts").first
    expect(facts).to_contain_text("3 processes on CPU, cuda:0", timeout=RUN_MS)
    expect(page.locator(".hero .chip")).to_have_text("finished", timeout=RUN_MS)
    found = resources(page, address)
    events = read_progress(served.projects / "gpu" / "Refine3D" / "job001" / "progress.jsonl")
    begun = next(one for one in events if isinstance(one, Start))
    rows = [one for one in events if isinstance(one, Iteration)]
    told = [one for beat in events if isinstance(beat, Heartbeat) for one in beat.gpus]
    assert found.devices == [rank.device for rank in begun.ranks] == ["cpu", "cuda:0", "cuda:0"]
    assert told and {one.device for one in told} == {"cuda:0"}
    assert found.percent == [one.percent for one in told]
    assert found.in_use_GB == pytest.approx([one.memory_GB for one in told])
    assert max(found.percent) > 0
    peaks = [sum(one or 0.0 for one in row.peak_gpu_memory_GB) for row in rows]
    assert found.peak_gpu_GB == pytest.approx(peaks)
    assert min(peaks) > 0
    assert found.sentence.startswith("cuda:0 was last ")
    write_figures(found, rows)


def write_figures(found: Resources, rows: list[Iteration]) -> None:
    """Keep what was seen, with the machine that it was seen on."""
    figures = {
        "machine": kind(),
        "cores": psutil.cpu_count(),
        "particles": PARTICLES,
        "box": BOX,
        "iterations": len(rows),
        "seconds": round(sum(row.seconds or 0.0 for row in rows), 1),
        "resolution_A": rows[-1].resolution_fsc0143_A,
        **asdict(found),
    }
    (RESULTS / "dashboard_gpu.json").write_text(json.dumps(figures, indent=2) + "\n")
