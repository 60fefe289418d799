"""`halfmap demo`: simulate a particle set, refine it and hold the map against the truth."""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from webapp.launch import local

FOLDER = Path("demo")
SET, ROOT, RESULT = FOLDER / "particles" / "set", FOLDER / "refine" / "run", FOLDER / "result"
DIAMETER_A = 160.0

SIMULATE: dict[str, object] = {
    "phantom": True,
    "symmetry": "D2",
    "output": str(SET),
    "particles": 600,
    "box": 64,
    "pixel_size_A": 3.54,
    "snr": 0.1,
    "micrographs": 12,
    "particle_diameter_A": DIAMETER_A,
    "random_seed": 1,
}
REFINE: dict[str, object] = {
    "particles": f"{SET}.star",
    "reference": f"{SET}_reference.mrc",
    "output": str(ROOT),
    "symmetry": "D2",
    "particle_diameter_A": DIAMETER_A * 1.2,
    "initial_lowpass_A": 50.0,
    "ignore_angles": True,
    "resolution_angles": True,
    "random_seed": 1,
}


def main(words: Sequence[str]) -> int:
    """The exit status of the demo, which takes no options; it replaces an earlier one's files."""
    if words:
        print("halfmap demo takes no options: it works in ./demo", file=sys.stderr)
        return 0 if words[0] in {"--help", "-h"} else 2
    began_s = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(
        f"1. Simulating {SIMULATE['particles']} images of a D2 phantom, "
        f"signal to noise {SIMULATE['snr']} …",
        flush=True,
    )
    share = local.share(0, 0, local.cores())
    status = _job("simulate", SIMULATE, SET.parent, local.Share(1, local.cores()))
    if not status:
        print(
            f"\n2. Refining them from a map blurred to 50 Å, {share.ranks} processes …", flush=True
        )
        status = _job("refine", REFINE, ROOT.parent, share)
    if not status:
        print("\n3. Comparing with the truth …", flush=True)
        half = f"{ROOT}_half{{}}_class001_unfil.mrc"
        status = _compare("truth", f"{ROOT}_class001.mrc", f"{SET}_truth.mrc") or _compare(
            "halves", half.format(1), half.format(2)
        )
    if not status:
        print(_verdict(time.monotonic() - began_s))
    return status


def _job(name: str, params: dict[str, object], folder: Path, share: local.Share) -> int:
    job_id = local.new_job_id()
    asked = params if name != "refine" else {**params, "mpi": share.ranks, "threads": share.threads}
    job_file = local.write_job(folder, name, asked, job_id)
    variables = local.environment(dict(os.environ), job_id, share.threads)
    return local.run(local.command(job_file, share.ranks), variables)


def _compare(name: str, first: str, second: str) -> int:
    params: dict[str, object] = {
        "map": first,
        "truth": second,
        "output": str(RESULT / f"{name}.json"),
        "mask_radius_A": DIAMETER_A / 2,
    }
    return _job("compare", params, RESULT / name, local.Share(1, local.cores()))


def _verdict(seconds: float) -> str:
    """The figures of a finished demo, as lines for the terminal."""
    truth = json.loads((RESULT / "truth.json").read_text())["crossings"]["0.5"]
    halves = json.loads((RESULT / "halves.json").read_text())["crossings"]["0.143"]
    return (
        f"\nResolution against the truth (FSC 0.5):  {truth['resolution_A']:.2f} Å, "
        f"shell {truth['shell']}\n"
        f"Resolution between half-maps (FSC 0.143): {halves['resolution_A']:.2f} Å, "
        f"shell {halves['shell']}\n"
        f"Final map: {ROOT}_class001.mrc; everything else is in {FOLDER}/. "
        f"{seconds:.0f} s in all."
    )
