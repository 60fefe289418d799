"""`halfmap chapter`: from simulated micrographs to a sharpened map, command by command, held against the truth."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.files.errors import InputError
from compute.files.events import End, Iteration
from compute.files.progress import read_progress
from webapp.launch import local

FINE_A, COARSENING = 0.885, 4
"""Pixel size of the micrographs, and by how much the first particles are coarser: 3.54 Å."""
LIMIT_A = 2 * COARSENING * FINE_A
"""What particles of 3.54 Å can hold at best."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is made: micrographs, particles, the boxes of both extractions, and where the searches start.

    Small particles look alike from all sides when they are blurred to 40 Å, so these start finer.
    """

    particles: int
    micrographs: int
    side: int
    diameter_A: int
    coarse_box: int
    box: int
    final_box: int
    snr: float
    coarse_iterations: int
    refine_iterations: int = 100
    defocus_A: tuple[int, int] = (5000, 12000)
    start_A: int = 40
    restart_A: int = 50

    @property
    def mask_A(self) -> int:
        """Mask diameter of the refinements: somewhat larger than the particle."""
        return round(1.2 * self.diameter_A)

    @property
    def circle_px(self) -> int:
        """Diameter of the background circle in micrograph pixels."""
        return min(self.coarse_box, self.box, round(self.mask_A / FINE_A))


SCALES = {
    "quick": Scale(200, 4, 1024, 80, 144, 144, 80, 1.0, 3, 5, start_A=20, restart_A=20),
    "small": Scale(900, 6, 2048, 100, 176, 180, 128, 0.05, 6),
    "full": Scale(4800, 24, 4096, 180, 256, 360, 256, 0.02, 25, 100, (8000, 15000)),
}


def main(words: Sequence[str]) -> int:
    """The exit status of the chapter; it replaces the files of an earlier one in its folder."""
    parser = argparse.ArgumentParser(prog="halfmap chapter", description=__doc__)
    parser.add_argument(
        "--scale", choices=SCALES, default="small", help="full is for a machine with a GPU"
    )
    parser.add_argument("--folder", default="chapter")
    parser.add_argument("--gpu", nargs="?", const="", help="refine on GPUs, as in halfmap refine")
    try:
        asked = parser.parse_args(words)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    folder = Path(asked.folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / "story.txt").exists():
        print(
            f"halfmap chapter: {folder} is not empty and no chapter of ours; name another --folder",
            file=sys.stderr,
        )
        return 2
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    gpu = [] if asked.gpu is None else ["--gpu", asked.gpu]
    return tell(folder, SCALES[asked.scale], gpu)


def tell(folder: Path, scale: Scale, gpu: Sequence[str]) -> int:
    """Run all steps in a folder and print what came out; the exit status of the first that failed."""
    began_s = time.monotonic()
    with (folder / "story.txt").open("w") as story:
        for number, (title, command) in enumerate(steps(scale, gpu), start=1):
            text = f"\n{number}. {title}\n   halfmap {command}\n"
            print(text, end="", flush=True)
            story.write(text)
            status = _run(folder, command, f"step{number}.log")
            if status:
                print((folder / f"step{number}.log").read_text()[-2000:], file=sys.stderr)
                return status
            for line in said(folder, command):
                print(f"   {line}", flush=True)
                story.write(f"   {line}\n")
    print(
        f"\n{verdict(folder)} {time.monotonic() - began_s:.0f} s in all; the files are in {folder}/."
    )
    return 0


def steps(scale: Scale, gpu: Sequence[str]) -> list[tuple[str, str]]:
    """The chapter: what each step is for, and its command."""
    refine = f"--sym D2 --particle_diameter {scale.mask_A} --faster --healpix_order 2 --auto_local_healpix_order 4 "
    refine += (
        "--offset_range 5 --offset_step 2 --low_resol_join_halves 40 --random_seed 1 "
        + " ".join(gpu)
    )
    low, high = scale.defocus_A
    micrographs = "--i Simulate/job001/micrographs_ctf.star"
    half = "Refine3D/job006/run_half1_class001_unfil.mrc"
    return [
        (f"{scale.micrographs} micrographs with {scale.particles} particles, {FINE_A} Å per pixel",
         f"simulate --phantom --sym D2 --o Simulate/job001/set --particles {scale.particles} --micrographs "
         f"{scale.micrographs} --micrograph-size {scale.side} --box {scale.box} --pixel-size {FINE_A} --resolution 4 "
         f"--particle-diameter {scale.diameter_A} --snr {scale.snr} --ice-gradient 0.3 --defocus-minimum {low} "
         f"--defocus-maximum {high} --offset-sigma 4 --reference-resolution {scale.start_A} "
            "--random_seed 1"),
        (f"Particles at {COARSENING * FINE_A} Å, for a first look",
         f"extract {micrographs} --coord_list Simulate/job001/coordinates.star --o Extract/job002/particles "
         f"--extract_size {scale.coarse_box} --scale {scale.coarse_box // COARSENING} "
         f"--background-diameter {scale.circle_px}"),
        (f"Their orientations and offsets, from a map blurred to {scale.start_A} Å",
         "refine --i Extract/job002/particles.star --ref Simulate/job001/set_reference.mrc --o Refine3D/job003/run "
         f"--ini_high {scale.start_A} --auto_iter_max {scale.coarse_iterations} {refine}"),
        ("The same particles once more, centred and at a finer pixel",
         f"extract {micrographs} --reextract_data_star Refine3D/job003/run_data.star --recenter --recenter_x 0 "
         f"--recenter_y 0 --recenter_z 0 --o Extract/job004/particles --extract_size {scale.box} "
         f"--scale {scale.final_box} --background-diameter {scale.circle_px}"),
        ("The coarse map in their box",
         "rescale --i Refine3D/job003/run_class001.mrc --match-particles Extract/job004/particles.star "
         "--o Rescale/job005/rescaled"),
        ("High-resolution refinement",
         "refine --i Extract/job004/particles.star --ref Rescale/job005/rescaled.mrc --o Refine3D/job006/run "
         f"--ini_high {scale.restart_A} --firstiter_cc --ctf --flatten_solvent --zero_mask --norm --scale "
         f"--auto_iter_max {scale.refine_iterations} {refine}"),
        ("A mask from the map",
         "mask --i Refine3D/job006/run_class001.mrc --extend 3 --soft-edge 6 --o MaskCreate/job007/mask"),
        ("Sharpening and the resolution inside the mask",
         f"postprocess --i {half} --mask MaskCreate/job007/mask.mrc --o PostProcess/job008/postprocess"),
        ("The truth in the same box",
         "rescale --i Simulate/job001/set_truth.mrc --match-particles Extract/job004/particles.star "
         "--o Rescale/job009/truth"),
        ("The final map against the truth",
         "compare --i Refine3D/job006/run_class001.mrc --ref Rescale/job009/truth.mrc --o Compare/job010/truth.json "
         f"--mask-radius {scale.mask_A // 2}"),
    ]  # fmt: skip


QUIETLY = 'cd "$0" && log="$1" && shift && exec "$@" > "$log" 2>&1'
"""A shell's words: a command in a folder, with what it says in a file."""


def _run(folder: Path, command: str, log: str) -> int:
    """Exit status of one command of ours in the chapter's folder; it is stopped when we are."""
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    words = [sys.executable, "-m", "webapp.cli", *command.split()]
    return local.run(["sh", "-c", QUIETLY, str(folder), log, *words], variables)


def said(folder: Path, command: str) -> list[str]:
    """The figures of a finished step: the curve of a refinement, or the job's own last sentence."""
    words = command.split()
    if words[0] == "compare":
        return []
    try:
        told = read_progress(folder / Path(words[words.index("--o") + 1]).parent / "progress.jsonl")
    except InputError:
        return []
    lines = [
        f"iteration {one.iteration}: FSC 0.5 at {one.resolution_fsc05_A:.1f} Å, image size {one.current_size}, "
        f"step {one.coarse_step_deg:.1f} degrees{', local' if one.is_local_search else ''}"
        for one in told
        if isinstance(one, Iteration) and one.resolution_fsc05_A and one.coarse_step_deg
    ]
    end = told[-1] if told else None
    if not isinstance(end, End):
        return lines
    if words[0] == "refine" and end.resolution_A:
        return [*lines, f"result: {end.resolution_A:.2f} Å ({end.resolution_criterion})"]
    return [*lines, end.message] if end.message else lines


def figures(folder: Path) -> dict[str, float]:
    """What came out, in Å: the map against the truth at FSC 0.5, and the half-maps inside the mask at 0.143."""
    truth = json.loads((folder / "Compare/job010/truth.json").read_text())["crossings"]["0.5"]
    end = read_progress(folder / "PostProcess/job008/progress.jsonl")[-1]
    return {
        "truth_A": float(truth["resolution_A"]),
        "halves_A": float(getattr(end, "resolution_A", None) or 0.0),
    }


def verdict(folder: Path) -> str:
    """One sentence on the result."""
    found = figures(folder)
    word = "beyond" if found["truth_A"] < LIMIT_A else "NOT beyond"
    return (
        f"The map agrees with the truth to {found['truth_A']:.2f} Å (FSC 0.5), {word} the {LIMIT_A:.2f} Å that the "
        f"first particles could hold; its halves agree to {found['halves_A']:.2f} Å inside the mask (FSC 0.143)."
    )
