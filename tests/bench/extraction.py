"""Extraction against relion_preprocess 3.1: `python -m tests.bench.extraction FOLDER [--pairs 3]`.

Both cut the same 4,800 particles out of the same 24 simulated micrographs of 4096 x 4096 pixels, with the chapter's
settings (box 360 to 256, normalised, inverted, float32), in turn, several times; what is compared is the time on the
clock from the command to its end, as the median over the pairs. RELION's own program for several processes is timed
beside it. The micrographs (1.6 GB) are made in FOLDER on the first call and kept there.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.labels import star_label
from compute.files.stacks import StackReader
from compute.files.star import read_star
from compute.params.simulate import SimulateParams
from webapp import cli

MICROGRAPHS, SIDE, PARTICLES, CORES = 24, 4096, 4800, 2
WANTED = 5.0
RESULTS = Path(__file__).parent / "results" / "extraction.json"
SOURCE = "--i Simulated/micrographs_ctf.star --coord_dir ./ --coord_suffix _pick.star"
SETTINGS = (
    "--extract --extract_size 360 --scale 256 --norm --bg_radius 96 --white_dust -1 --black_dust -1 "
    "--invert_contrast"
)
AGREEMENT = 1e-5


def simulate() -> None:
    """Make the micrographs in Simulated/, unless they are there."""
    if (Path("Simulated") / "set_truth.star").exists():
        return
    params = SimulateParams(
        phantom=True,
        symmetry="D2",
        output="Simulated/set",
        particles=PARTICLES,
        micrographs=MICROGRAPHS,
        micrograph_size_px=SIDE,
        box=200,
        pixel_size_A=0.885,
        resolution_A=8.0,
        particle_diameter_A=160.0,
        snr=0.02,
        noise="coloured",
        ice_gradient=0.5,
    )
    if cli.start("simulate", params):
        raise RuntimeError("the simulation failed")


def commands() -> dict[str, list[str]]:
    """What is timed, by name; each writes into a folder of its name."""
    target = "--part_dir {0}/ --part_star {0}/particles.star"
    ours = [sys.executable, "-m", "webapp.cli", "extract", *SOURCE.split(), *SETTINGS.split()]
    found = {
        "halfmap": [*ours, "--threads", str(CORES), *target.format("halfmap").split()],
        "relion": ["relion_preprocess", *SOURCE.split(), *SETTINGS.split(), *target.format("relion").split()],
    }  # fmt: skip
    if shutil.which("relion_preprocess_mpi") and shutil.which("mpirun"):
        launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(CORES)]
        words = [*SOURCE.split(), *SETTINGS.split(), *target.format("relion_mpi").split()]
        found["relion_mpi"] = [*launch, "relion_preprocess_mpi", *words]
    return found


def timed(name: str, words: list[str]) -> dict[str, float]:
    """Seconds on the clock and of all cores that a command takes, which starts in an empty folder."""
    shutil.rmtree(name, ignore_errors=True)
    Path(name).mkdir()
    os.sync()
    before, began = os.times(), time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock, after = time.monotonic() - began, os.times()
    used = (
        after.children_user - before.children_user + after.children_system - before.children_system
    )
    return {"clock_s": round(clock, 2), "cores_s": round(used, 2)}


def largest_difference(first: str, second: str) -> float:
    """The largest difference of any pixel of any image of two results."""
    stacks = []
    for folder in (first, second):
        table = read_star(Path(folder) / "particles.star")["particles"]
        names = table.columns[star_label("image_name")]
        stacks.append(list(dict.fromkeys(name.partition("@")[2] for name in names)))
    worst = 0.0
    for one, other in zip(*stacks, strict=True):
        with StackReader(one) as left, StackReader(other) as right:
            everything = np.arange(left.count)
            worst = max(worst, float(np.abs(left.read(everything) - right.read(everything)).max()))
    return worst


def warm() -> None:
    """Read all micrographs once, so that no program pays for the disc."""
    for path in Path("Simulated").rglob("*.mrc"):
        path.read_bytes()


def measure(pairs: int) -> dict[str, Any]:
    """The figures of all programs in the current folder."""
    simulate()
    warm()
    words = commands()
    rounds = [{name: timed(name, command) for name, command in words.items()} for _ in range(pairs)]
    medians = {name: statistics.median(one[name]["clock_s"] for one in rounds) for name in words}
    ratios = {
        name: round(statistics.median(one[name]["clock_s"] / one["halfmap"]["clock_s"] for one in rounds), 2)
        for name in words if name != "halfmap"
    }  # fmt: skip
    difference = largest_difference("halfmap", "relion")
    faults = []
    if ratios["relion"] < WANTED:
        faults.append(f"{ratios['relion']} times as fast as relion_preprocess, not {WANTED:g}")
    if difference > AGREEMENT:
        faults.append(f"pixels differ by up to {difference:.2g}")
    return {
        "micrographs": f"{MICROGRAPHS} of {SIDE} x {SIDE}, float32",
        "particles": PARTICLES,
        "box": "360 to 256",
        "system": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "rounds": rounds,
        "median_clock_s": medians,
        "median_cores_s": {
            name: statistics.median(one[name]["cores_s"] for one in rounds) for name in words
        },
        "times_as_fast_as": ratios,
        "largest_pixel_difference": difference,
        "faults": faults,
    }


def main() -> int:
    """Measure in a folder and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    Path(asked.folder).mkdir(parents=True, exist_ok=True)
    os.chdir(asked.folder)
    found = measure(asked.pairs)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
