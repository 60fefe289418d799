"""What a refinement makes of pure noise: `python -m tests.bench.noise [--groups D2 C1] [--seeds 1 2 3 4 5]`.

500 images of 64 px at 3.54 Å that hold nothing but white noise, refined with the defaults from a real reference
(beta-galactosidase, low-passed to 50 Å) and three processes. No iteration may report a resolution beyond what the
halves share (the low-resolution join at 40 Å), with or without a mask. Needs the data folder beside the checkout
(`../shared`). The figures are kept in `results/noise.json`, per group and seed. A run that is finished in `--folder`
is not repeated.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from compute.files.events import Iteration
from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker

RESULTS = Path(__file__).parent / "results" / "noise.json"
SHARED = Path(__file__).resolve().parents[3] / "shared"
SHARED_LIMIT_A = 40.0


def halfmap(*words: Any) -> None:
    """Run one command; its terminal lines are in the job's own log.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "webapp.cli", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def refined_noise(group: str, seed: int, folder: Path) -> Path:
    """The folder of a refinement of noise, which is run unless it is there."""
    images, output = folder / f"set{seed}" / "p", folder / f"{group}{seed}"
    if not images.with_suffix(".star").exists():
        size = ["--particles", 500, "--box", 64, "--angpix", 3.54]
        kind = ["--phantom", "--sym", "D2", "--snr", 1e-9, "--noise", "white"]
        halfmap("simulate", *kind, "--o", images, *size, "--random-seed", seed)
    if read_exit_marker(output) != "success":
        reference = SHARED / "data" / "maps" / "betaGal.mrc"
        files = ["--i", images.with_suffix(".star"), "--ref", reference, "--o", output / "run"]
        about = ["--sym", group, "--particle_diameter", 200, "--ini_high", 50, "--firstiter_cc"]
        more = ["--auto_ignore_angles", "--auto_resol_angles", "--mpi", 3, "--random_seed", seed]
        halfmap("refine", *files, *about, *more)
    return output


def judge(output: Path) -> dict[str, Any]:
    """The finest figures that any iteration reported (Å), and whether they stay within what is shared."""
    told = [
        event for event in read_progress(output / "progress.jsonl") if isinstance(event, Iteration)
    ]
    figures = {
        "iterations": len(told),
        "finest_0.143_A": min(one.resolution_fsc0143_A for one in told),
        "finest_0.5_A": min(one.resolution_fsc05_A for one in told),
        "finest_unmasked_0.143_A": min(one.resolution_unmasked_A or 0.0 for one in told),
        "final_0.143_A": told[-1].resolution_fsc0143_A,
    }
    finest = [value for name, value in figures.items() if name.startswith("finest_")]
    rounded = {name: round(value, 2) for name, value in figures.items()}
    return {**rounded, "is_honest": min(finest) >= SHARED_LIMIT_A}


def main(arguments: list[str]) -> None:
    """Run the groups and seeds asked for and keep their figures; status 1 if one claimed too much."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--groups", nargs="+", choices=["C1", "D2"], default=["D2", "C1"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="halfmap-noise-"))
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    is_honest = True
    for group in options.groups:
        for seed in options.seeds:
            figures = judge(refined_noise(group, seed, folder))
            kept.setdefault(group, {})[str(seed)] = figures
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
            print(group, seed, json.dumps(figures), flush=True)
            is_honest &= bool(figures["is_honest"])
    sys.exit(0 if is_honest else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
