"""Where a GPU's time goes in one global and in one local iteration: `python -m tests.bench.gpu_share [CASE]`.

The case (`gpu-large` unless another is named) is refined in one process until its first local iteration is over, under
torch's profiler. What is asked is the share of the wall time, writing included, that scoring and insertion take on the
GPU. Results: `results/gpu_share_<kind>.json`.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from compute.jobs import refine
from compute.jobs.half import make_half
from compute.jobs.refine_progress import Progress
from compute.parallel import SoloTeam, limit_threads
from compute.params.refine import RefineParams
from tests.bench import cases
from tests.bench.machine import kind
from tests.bench.speed import NO_GPU, RESULTS

KERNELS = {
    "scoring, own slices": ("_scores",),
    "scoring, shared grid": ("gemm", "cutlass", "xmma", "nvjet"),
    "posterior sums": ("_model_sums",),
    "insertion": ("_put_back",),
    "slices": ("_slices",),
}
"""What kernels are called, by what they do; `gemm` and the like are names of NVIDIA's matrix products."""
ASKED = ("scoring, own slices", "scoring, shared grid", "posterior sums", "insertion")


class Watch:
    """Profiles iterations and keeps the first global one after the correlation search, and the first local one."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._iterate = refine._iterate

    def iterate(self, refinement: Any, before: Progress, writer: Any, voice: Any) -> Progress:
        """One iteration under the profiler."""
        began = time.perf_counter()
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            progress = self._iterate(refinement, before, writer, voice)
            wall_s = time.perf_counter() - began
        state = progress.state
        name = "local" if state.sampling.is_local else "global"
        if not state.is_correlation and name not in self.found:
            self.found[name] = shares(seen, wall_s) | {"iteration": state.iteration}
        if "local" in self.found or state.is_finished:
            raise refine.StopAsked("Both iterations have been seen.")
        return progress


def shares(seen: profile, wall_s: float) -> dict[str, Any]:
    """Seconds of the kernels by what they do, and the share of the wall time of those that are asked for."""
    seconds = dict.fromkeys((*KERNELS, "other kernels and copies"), 0.0)
    for event in seen.key_averages():
        what = next(
            (what for what, names in KERNELS.items() if any(one in event.key for one in names)),
            "other kernels and copies",
        )
        seconds[what] += event.self_device_time_total / 1e6
    asked = sum(seconds[name] for name in ASKED)
    rounded = {name: round(value, 4) for name, value in seconds.items()}
    return {"wall_s": round(wall_s, 3), "GPU_s": rounded, "share": round(asked / wall_s, 3)}


def watched(case: cases.Case, folder: Path, gpu: str | None) -> dict[str, Any]:
    """What was seen of the refinement of a case."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    params = RefineParams(
        particles=str(case.particles),
        reference=str(case.reference),
        output=str(folder / "run"),
        symmetry=case.symmetry,
        particle_diameter_A=case.diameter_A,
        initial_lowpass_A=50.0,
        ignore_angles=True,
        resolution_angles=True,
        random_seed=1,
        gpu=gpu,
    )
    threads, device = os.cpu_count() or 1, "cpu" if gpu is None else "cuda:0"
    limit_threads(1)
    watch = Watch()
    team = SoloTeam(
        lambda seat, half: make_half(seat, half, device, max(1, threads // 2)), threads, device
    )
    refine._iterate = watch.iterate  # type: ignore[assignment]
    try:
        refine.run(params, team)
    except refine.StopAsked:
        pass
    finally:
        refine._iterate = watch._iterate
        team.close()
    return watch.found


def main(arguments: list[str]) -> int:
    """Look at a case; 2 where there is no GPU for it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", nargs="?", default="gpu-large", choices=cases.NAMES)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    folder = options.folder or Path(tempfile.mkdtemp(prefix="halfmap-share-"))
    folder.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"gpu_share_{kind()}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    case = cases.case_of(options.case, folder)
    kept[options.case] = watched(case, folder / f"{options.case}-share", "")
    path.write_text(json.dumps(kept, indent=1) + "\n")
    for name, one in kept[options.case].items():
        print(
            f"{name} iteration {one['iteration']}: {100 * one['share']:.0f} % of {one['wall_s']} s"
        )
        for what, seconds in one["GPU_s"].items():
            print(f"  {what:30s} {seconds:8.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
