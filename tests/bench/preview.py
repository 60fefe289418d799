"""How soon the preview worker answers, with half-maps of 256 voxels: `python -m tests.bench.preview [OUT.json]`.

Each request is asked several times with another threshold, B-factor or slice, as by somebody who moves a slider, and
once at first, when the maps are read and transformed. Figures are seconds on the clock of the one who waits, and
processor seconds of the worker, which hardly know of other load; both are medians, and the first answer is apart.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from compute.files.mrc import write_map
from compute.params import preview
from compute.params.preview import MaskRecipe, PreviewRequest
from compute.signal.masks import sphere
from tests.halves import frequency, shaped
from webapp.preview import PreviewClient

BOX, PIXEL_SIZE_A = 256, 1.0
REPEATS = 5
WANTED_S = 1.0
RESULTS = Path(__file__).parent / "results" / "preview.json"
Ask = Callable[[int], PreviewRequest]


def halves(folder: Path) -> tuple[str, str]:
    """Half-maps of a ball of scattered density with noise that drowns it near 6 Å, as files."""
    generator = torch.Generator().manual_seed(1)
    ball = sphere(BOX, 80.0, 3.0)
    decay = torch.exp(-300.0 / 4 * frequency(BOX, PIXEL_SIZE_A).square())
    signal = shaped(torch.rand(BOX, BOX, BOX, generator=generator) * ball, decay)
    names = []
    for number in (1, 2):
        noise = 0.3 * torch.randn(BOX, BOX, BOX, generator=generator)
        names.append(str(folder / f"run_half{number}.mrc"))
        write_map(names[-1], (signal + shaped(noise, decay.sqrt())).numpy(), PIXEL_SIZE_A)
    return names[0], names[1]


def requests(half1: str, half2: str) -> dict[str, Ask]:
    """What is asked, by name; the argument differs each time."""

    def recipe(n: int) -> MaskRecipe:
        return MaskRecipe(map=half1, threshold=0.1 + 0.01 * n, lowpass_A=15.0, soft_edge_px=6.0)

    whole = preview.FscRequest(half1=half1, half2=half2)
    return {
        "slices": lambda n: preview.SlicesRequest(map=half1, z=100 + n),
        "histogram": lambda n: preview.HistogramRequest(map=half1, bins=200 + n),
        "mask at a threshold": lambda n: preview.MaskRequest(mask=recipe(n)),
        "mask in three dimensions": lambda n: preview.MaskRequest(mask=recipe(50 + n), volume_box=96),
        "B-factor": lambda n: preview.SharpenedRequest(
            map=half1, second_map=half2, b_factor_A2=-50.0 - 5 * n, lowpass_A=5.0
        ),
        "volume of 128": lambda n: preview.VolumeRequest(map=half1, box=128 - 2 * n),
        "FSC": lambda n: whole.model_copy(update={"random_seed": n}),
        "FSC inside a made mask": lambda n: whole.model_copy(
            update={"made_mask": recipe(20 + n), "random_phases": False}
        ),
        "FSC inside a made mask, corrected": lambda n: whole.model_copy(
            update={"made_mask": recipe(40 + n)}
        ),
    }  # fmt: skip


def timed(client: PreviewClient, request: PreviewRequest) -> dict[str, float]:
    """Seconds until the answer, and those of the worker's processors."""
    assert client.pid is not None
    worker = psutil.Process(client.pid)
    before, began = worker.cpu_times(), time.monotonic()
    client.ask(request, timeout_s=120.0)
    clock, after = time.monotonic() - began, worker.cpu_times()
    return {"clock_s": clock, "cores_s": after.user + after.system - before.user - before.system}


def measure(folder: Path) -> dict[str, Any]:
    """The figures of all requests, and those that take too long."""
    half1, half2 = halves(folder)
    found: dict[str, Any] = {}
    with PreviewClient(memory_GB=4.0) as client:
        client.ask(preview.SlicesRequest(map=half1), timeout_s=120.0)
        for name, ask in requests(half1, half2).items():
            rounds = [timed(client, ask(n)) for n in range(1 + REPEATS)]
            found[name] = {"first": {key: round(value, 3) for key, value in rounds[0].items()}} | {
                key: round(statistics.median(one[key] for one in rounds[1:]), 3)
                for key in ("clock_s", "cores_s")
            }
    faults = [
        f"{name}: {one['clock_s']} s, {one['cores_s']} s of the processors"
        for name, one in found.items()
        if min(one["clock_s"], one["cores_s"]) >= WANTED_S
    ]
    return {
        "maps": f"two of {BOX} x {BOX} x {BOX}",
        "system": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "wanted_s": WANTED_S,
        "requests": found,
        "faults": faults,
    }


def main() -> int:
    """Measure and write the result."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
