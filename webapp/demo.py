"""`halfmap demo`: simulate a particle set, refine it and hold the map against the truth."""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from compute.files.events import End
from compute.files.progress import read_progress
from webapp.demo_jobs import REFINE, SIMULATE
from webapp.launch import local

FOLDER = Path("demo")
SET, ROOT, RESULT = FOLDER / "particles" / "set", FOLDER / "refine" / "run", FOLDER / "result"
ENVELOPE = f"{ROOT}_envelope.mrc"
WELCOME = """\
This simulates particle images whose true map is known, refines them from a blurred map, and holds the result
against the truth. On two cores it takes some minutes; Ctrl-C stops it. Files go to {folder}/.
"""
HOW_TO_READ = """\
   The two halves of the images are refined apart, so that the agreement of their maps (the Fourier shell
   correlation, FSC) says how fine the detail is that can be believed. Each iteration prints
   - Resolution=, the cautious value that the refinement works with (FSC 0.5), and under Half-map FSC the one to
     report (FSC 0.143); both are of the whole box, and finer inside the particle,
   - how far orientations and offsets still move (999: not known yet), and how exactly they can be known.
   While the map is still blurred it cannot place the images exactly: warnings say so, and stop after a while.
"""


def main(words: Sequence[str]) -> int:
    """The exit status of the demo, which takes no options; it replaces an earlier one's files."""
    if words:
        print("halfmap demo takes no options: it works in ./demo", file=sys.stderr)
        return 0 if words[0] in {"--help", "-h"} else 2
    began_s = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(WELCOME.format(folder=FOLDER))
    print(
        f"1. Simulating {SIMULATE['particles']} images of a D2 phantom, "
        f"signal to noise {SIMULATE['snr']} …",
        flush=True,
    )
    share = local.share(0, 0, local.cores())
    asked = {**SIMULATE, "output": str(SET)}
    status = _job("simulate", asked, SET.parent, local.Share(1, local.cores()))
    if not status:
        print(
            f"\n2. Refining them from a map blurred to {REFINE['initial_lowpass_A']:g} Å, with {share.ranks} "
            f"processes …\n{HOW_TO_READ}",
            flush=True,
        )
        files = {"particles": f"{SET}.star", "reference": f"{SET}_reference.mrc"}
        status = _job("refine", {**REFINE, **files, "output": str(ROOT)}, ROOT.parent, share)
    if not status:
        print("\n3. Comparing with the truth …", flush=True)
        status = _compare(f"{ROOT}_class001.mrc", f"{SET}_truth.mrc")
    if not status:
        print(_result(time.monotonic() - began_s))
    return status


def _job(name: str, params: dict[str, object], folder: Path, share: local.Share) -> int:
    job_id = local.new_job_id()
    asked = params if name != "refine" else {**params, "mpi": share.ranks, "threads": share.threads}
    job_file = local.write_job(folder, name, asked, job_id)
    variables = local.environment(dict(os.environ), job_id, share.threads)
    return local.run(local.command(job_file, share.ranks), variables)


def _compare(map_: str, truth: str) -> int:
    """Hold the map against the truth inside the envelope in which the refinement judged it."""
    output = str(RESULT / "truth.json")
    params: dict[str, object] = {"map": map_, "truth": truth, "output": output, "mask": ENVELOPE}
    return _job("compare", params, RESULT / "truth", local.Share(1, local.cores()))


def _result(seconds: float) -> str:
    """What a finished demo has shown, as lines for the terminal."""
    truth = json.loads((RESULT / "truth.json").read_text())
    claimed_A = next(
        event.resolution_A
        for event in reversed(read_progress(ROOT.parent / "progress.jsonl"))
        if isinstance(event, End) and event.resolution_A
    )
    extent_A = truth["shell_resolution_A"][1]
    return verdict(truth["crossings"]["0.5"], claimed_A, extent_A, seconds)


def verdict(truth: dict[str, float], claimed_A: float, extent_A: float, seconds: float) -> str:
    """The resolution that the half-maps claim beside the one that the truth confirms, and where to go from here.

    truth: shell and resolution_A of the last shell above FSC 0.5. claimed_A: what the log says. extent_A: of the box.
    """
    claimed = round(extent_A / claimed_A)
    apart = abs(truth["shell"] - claimed)
    if apart <= 1:
        judged = "They agree within one shell, as they should."
    elif truth["shell"] > claimed:
        judged = f"The map is better than its halves claim, by {apart:g} shells."
    else:
        judged = (
            f"The halves claim {apart:g} shells more than the truth confirms, which should not be."
        )
    return (
        f"\nResolution inside the molecule's envelope ({ENVELOPE}):\n"
        f"   claimed by the half-maps (FSC 0.143): {claimed_A:.2f} Å, shell {claimed}\n"
        f"   confirmed by the truth (FSC 0.5):     {truth['resolution_A']:.2f} Å, shell {truth['shell']:g}\n"
        f"   {judged}\n\n"
        f"The final map:    {ROOT}_class001.mrc (open it with any map viewer, beside {SET}_truth.mrc)\n"
        f"The whole story:  grep Auto {ROOT.parent}/run.out\n"
        f"Your own data:    {os.path.relpath(Path(sys.executable).with_name('halfmap'))} refine --help\n"
        f"{seconds:.0f} s in all."
    )
