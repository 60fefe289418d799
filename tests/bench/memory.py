"""Peak memory of a refinement at 256 pixels against its forecast: `python -m tests.bench.memory [folder]`.

A phantom set of 24 images is refined for two iterations that use all frequencies to Nyquist, with three processes and
with one. The result, one JSON file, says for every process what was forecast before the start and what it took.
"""

import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from compute.files import events
from compute.files.progress import read_progress
from compute.params.refine import RefineParams
from compute.params.simulate import SimulateParams
from webapp import cli

BOX, PIXEL_A, PARTICLES = 256, 1.5, 24
LIMITS_GB = {3: 2.0, 1: 3.6}
"""What a worker of three processes, and a single process, may take."""
TOLERANCE = 0.15
RESULTS = Path(__file__).parent / "results" / "memory.json"


def simulate(folder: Path) -> Path:
    """The particles' STAR file; the start map, at 4 Å, lies beside it."""
    params = SimulateParams(
        phantom=True,
        output=str(folder / "set"),
        particles=PARTICLES,
        box=BOX,
        pixel_size_A=PIXEL_A,
        snr=1.0,
        noise="white",
        offset_sigma_A=2.0,
        reference_resolution_A=4.0,
        random_seed=3,
    )
    if cli.start("simulate", params):
        raise RuntimeError("the simulation failed")
    return folder / "set.star"


def refine(folder: Path, star: Path, ranks: int) -> dict[str, Any]:
    """Forecast and measured peaks of a refinement with so many processes."""
    params = RefineParams(
        particles=str(star),
        reference=str(star.with_name("set_reference.mrc")),
        output=str(folder / f"ranks{ranks}" / "run"),
        particle_diameter_A=250.0,
        initial_lowpass_A=3.2,
        healpix_order=2,
        offset_range_px=2.0,
        offset_step_px=1.0,
        maximum_iterations=2,
        random_seed=1,
        mpi=ranks,
        threads=1,
    )
    if cli.start("refine", params):
        raise RuntimeError(f"the refinement with {ranks} processes failed")
    told = read_progress(folder / f"ranks{ranks}" / "progress.jsonl")
    sizes = [one.current_size for one in told if isinstance(one, events.Iteration)]
    measured = [
        one for one in told if isinstance(one, events.Memory) and one.measured_GB is not None
    ]
    rows = [
        {
            "role": one.what,
            "forecast_GB": round(one.forecast_GB or 0.0, 3),
            "measured_GB": round(one.measured_GB or 0.0, 3),
            "forecast_error": round((one.forecast_GB or 0.0) / (one.measured_GB or 1.0) - 1, 3),
        }
        for one in measured
    ]
    return {"ranks": ranks, "image_sizes": sizes, "processes": rows}


def faults(run: dict[str, Any]) -> list[str]:
    """What is wrong with a run: more memory than allowed, or a forecast that is off by more than 15 %."""
    found = []
    for row in run["processes"]:
        if row["role"] != "leader" and row["measured_GB"] > LIMITS_GB[run["ranks"]]:
            found.append(
                f"{row['role']}: {row['measured_GB']} GB exceed {LIMITS_GB[run['ranks']]} GB"
            )
        if abs(row["forecast_error"]) > TOLERANCE:
            found.append(f"{row['role']}: the forecast is off by {row['forecast_error']:+.0%}")
    return found


def measure(folder: Path) -> dict[str, Any]:
    """The figures of both runs."""
    star = simulate(folder)
    runs = [refine(folder, star, ranks) for ranks in LIMITS_GB]
    return {
        "box": BOX,
        "padding": 2,
        "particles": PARTICLES,
        "system": f"{platform.system()} {platform.machine()}",
        "runs": runs,
        "faults": [fault for run in runs for fault in faults(run)],
    }


def main() -> int:
    """Measure in a folder (a temporary one by default) and write the result."""
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
