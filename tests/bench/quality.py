"""How good refinements are, against the truth: `python -m tests.bench.quality CASE… [--seeds 1 2 3] [--folder DIR]`.

Cases: `real` (751 beta-galactosidase particles, judged by an atomic model and the poses of a larger refinement),
`subset` (three random 80 % subsets of it), `c1` (30S ribosome), `d2` (beta-galactosidase), `o` (ferritin), `i`
(phantom): 1,500 simulated particles of 96 px, SNR 0.05, white noise. All but `i` need the data folder beside the
checkout (`../shared`). Every run uses the defaults. A simulated case is followed by one more local search with the true
map as reference, whose median pose error is what the images allow. Figures: mean FSC to the truth over shells from 2 on
and where it falls to 0.5, half-map FSC 0.143 and 0.5, all inside a soft sphere of the mask diameter; pose errors,
minimised over the point group. Images do not tell a map from its mirror image, and some references hold too little to
do so at their resolution; such a case (the phantom) is judged by the hand that came out, which is noted. The results
are kept in `results/quality.json`, per case and seed.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.labels import star_label
from compute.files.mrc import MapFile, read_map, write_map
from compute.files.particles import read_particles
from compute.files.star import read_star, write_star
from compute.jobs.compare import masked_fsc
from compute.params.simulate import SimulateParams
from compute.sampling.rotations import angle_between, euler_to_matrix
from compute.sampling.symmetry import parse_symmetry
from compute.signal.fsc import resolution_A
from webapp import cli

RESULTS = Path(__file__).parent / "results" / "quality.json"
SHARED = Path(__file__).resolve().parents[3] / "shared"
BETAGAL = SHARED / "data" / "betagal_empiar10204"
CTF_TABLE = SHARED / "data" / "ctf" / "empiar10028_micrograph_ctf.csv"
SIMULATED = {
    "c1": ("ribosome.pdb", "C1", 4.22, 285.0),
    "d2": ("5a1a.cif", "D2", 2.92, 198.0),
    "o": ("4OYN.pdb", "O", 2.17, 147.0),
    "i": ("", "I", 3.0, 196.0),
}
REAL = {"real": 1.0, "subset": 0.8}
INITIAL_LOWPASS_A = 50.0
EDGE_PX = 5.0
SAME_HAND_FSC = 0.98
"""A map that agrees so well with its mirror image, up to the initial low-pass, leaves the hand open."""


def simulated(case: str, seed: int, folder: Path) -> dict[str, Any]:
    """A simulated set: its files, group and mask diameter."""
    model, group, pixel_A, diameter_A = SIMULATED[case]
    root = folder / f"{case}{seed}"
    params = SimulateParams(
        model=str(SHARED / "data" / "models" / model) if model else "",
        phantom=not model,
        symmetry=group if not model else "C1",
        output=str(root),
        particles=1500,
        box=96,
        pixel_size_A=pixel_A,
        particle_diameter_A=0.0 if model else 187.0,
        snr=0.05,
        noise="white",
        micrographs=30,
        ctf_table=str(CTF_TABLE) if CTF_TABLE.exists() else "",
        spherical_aberration_mm=2.0,
        offset_sigma_A=4.0,
        reference_resolution_A=40.0,
        random_seed=seed,
    )
    if cli.start("simulate", params):
        raise RuntimeError(f"simulating {case} failed")
    return {
        "particles": f"{root}.star",
        "reference": f"{root}_reference.mrc",
        "truth": read_map(f"{root}_truth.mrc"),
        "poses": f"{root}_truth.star",
        "group": group,
        "diameter_A": diameter_A,
    }


def real(case: str, seed: int, folder: Path) -> dict[str, Any]:
    """The real particles, or a random part of them, with the atomic model's map as truth."""
    particles, share = BETAGAL / "selected.star", REAL[case]
    if share < 1:
        particles = _part_of(particles, share, seed, folder)
    truth = folder / "model.mrc"
    model = SHARED / "data" / "models" / "5a1a.cif"
    program = SHARED / "bench" / "model_map.py"
    command = [sys.executable, program, model, "64", "3.54", truth, "--axes", "yzx"]
    subprocess.run([str(word) for word in command], check=True)
    return {
        "particles": str(particles),
        "reference": str(SHARED / "data" / "maps" / "betaGal.mrc"),
        "truth": read_map(truth),
        "poses": str(BETAGAL / "reference_poses.star"),
        "group": "D2",
        "diameter_A": 200.0,
    }


def _part_of(path: Path, share: float, seed: int, folder: Path) -> Path:
    """A random part of the rows of a particle file, image names made absolute."""
    tables, label = read_star(path), star_label("image_name")
    for table in tables.values():
        names = table.columns.get(label)
        if names is None:
            continue
        order = np.random.default_rng(seed).permutation(len(names))
        kept = np.sort(order[: int(share * len(names))])
        full = [f"{n.partition('@')[0]}@{path.parent / n.partition('@')[2]}" for n in names]
        table.columns[label] = np.array(full, dtype=object)
        for name, column in table.columns.items():
            table.columns[name] = column[kept]
    part = folder / f"part{seed}.star"
    write_star(part, list(tables.values()))
    return part


def refine(case: dict[str, Any], seed: int, output: Path, arguments: list[str]) -> float:
    """Refine with the defaults; returns the wall seconds."""
    command = ["--i", case["particles"], "--ref", case["reference"], "--o", str(output / "run")]
    command += ["--sym", case["group"], "--particle_diameter", str(case["diameter_A"])]
    command += ["--ini_high", f"{INITIAL_LOWPASS_A:g}", "--firstiter_cc", "--auto_ignore_angles"]
    command += ["--auto_resol_angles", "--mpi", "3", "--random_seed", str(seed), *arguments]
    began = time.perf_counter()
    program = [sys.executable, "-m", "webapp.cli", "refine", *command]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def with_the_true_map(case: dict[str, Any], output: Path) -> dict[str, float]:
    """Pose errors after one more local search that has the true map as reference: what the images allow."""
    truth, folder = case["truth"], output.with_name(output.name + "_true_map")
    folder.mkdir(parents=True, exist_ok=True)
    write_map(folder / "truth.mrc", truth.volume, truth.pixel_size_A)
    command = ["--i", str(output / "run_data.star"), "--ref", str(folder / "truth.mrc")]
    command += ["--o", str(folder / "run"), "--sym", case["group"], "--ini_high", "0"]
    command += ["--particle_diameter", str(case["diameter_A"]), "--absolute-greyscale"]
    command += ["--healpix_order", "5", "--auto_local_healpix_order", "5", "--offset_range", "2"]
    command += ["--offset_step", "0.6", "--auto_iter_max", "1", "--mpi", "3", "--random_seed", "1"]
    program = [sys.executable, "-m", "webapp.cli", "refine", *command]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    found = pose_errors(case, folder)
    return {"true_map_median_angle_deg": found["median_angle_deg"]}


def inverted(volume: np.ndarray) -> np.ndarray:
    """The mirror image of a map: every voxel at the opposite place of the centre."""
    return np.roll(volume[::-1, ::-1, ::-1], (1, 1, 1), (0, 1, 2)).copy()


def with_its_hand(case: dict[str, Any], output: Path) -> dict[str, Any]:
    """The case with the mirror image as its truth where that came out, and the reference had left the hand open."""
    truth: MapFile = case["truth"]
    other = replace(truth, volume=inverted(truth.volume))
    final = read_map(output / "run_class001.mrc")
    sphere = (case["diameter_A"] / 2, EDGE_PX)
    shells = int(truth.volume.shape[0] * truth.pixel_size_A / INITIAL_LOWPASS_A) + 1
    if masked_fsc(truth, other, *sphere)[:shells].min() < SAME_HAND_FSC:
        return case
    found = [float(masked_fsc(final, one, *sphere)[2:-1].mean()) for one in (truth, other)]
    return case if found[0] >= found[1] else {**case, "truth": other, "is_inverted": True}


def judge(case: dict[str, Any], output: Path) -> dict[str, float]:
    """The figures of a finished run."""
    radius_A, edge_px = case["diameter_A"] / 2, EDGE_PX
    truth: MapFile = case["truth"]
    extent_A = truth.volume.shape[0] * truth.pixel_size_A
    final = read_map(output / "run_class001.mrc")
    halves = [read_map(output / f"run_half{half}_class001_unfil.mrc") for half in (1, 2)]
    to_truth = masked_fsc(final, truth, radius_A, edge_px)
    between = masked_fsc(halves[0], halves[1], radius_A, edge_px)
    figures = {
        "mean_fsc_to_truth": float(to_truth[2:-1].mean()),
        "fsc_to_truth_0.5_A": resolution_A(to_truth, 0.5, extent_A),
        "half_maps_0.143_A": resolution_A(between, 0.143, extent_A),
        "half_maps_0.5_A": resolution_A(between, 0.5, extent_A),
    }
    if case.get("is_inverted"):
        figures["is_inverted"] = 1.0
    return figures | pose_errors(case, output)


def pose_errors(case: dict[str, Any], output: Path) -> dict[str, float]:
    """Errors of the poses against known ones, particles matched by slice and stack name.

    A view of the mirror image is the view of the map turned by 180° within the image.
    """
    found, known = read_particles(output / "run_data.star"), read_particles(case["poses"])

    def keys(particles: Any) -> list[tuple[int, str]]:
        stacks = [path.name for path in particles.stacks]
        pairs = zip(particles.slice_index, particles.stack_index, strict=True)
        return [(int(image), stacks[stack]) for image, stack in pairs]

    place = {key: row for row, key in enumerate(keys(known))}
    rows = [(row, place[key]) for row, key in enumerate(keys(found)) if key in place]
    ours, theirs = (np.array(column) for column in zip(*rows, strict=True))
    turn = np.diag([-1.0, -1.0, 1.0]) if case.get("is_inverted") else np.eye(3)
    angle = angle_between(
        euler_to_matrix(found.angles_deg[ours]),
        turn @ euler_to_matrix(known.angles_deg[theirs]),
        parse_symmetry(case["group"]).operators,
    )
    offset = np.linalg.norm(found.origin_A[ours] - known.origin_A[theirs], axis=1)
    return {
        "particles_judged": float(len(ours)),
        "median_angle_deg": float(np.median(angle)),
        "within_10_deg": float((angle < 10).mean()),
        "median_offset_A": float(np.median(offset)),
    }


def main(arguments: list[str]) -> None:
    """Run the cases asked for and keep their figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="+", choices=[*REAL, *SIMULATED])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--folder", type=Path, default=None)
    options, more = parser.parse_known_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="halfmap-quality-"))
    folder.mkdir(parents=True, exist_ok=True)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in options.cases:
        for seed in options.seeds:
            case = real(name, seed, folder) if name in REAL else simulated(name, seed, folder)
            output = folder / f"{name}_seed{seed}"
            seconds = refine(case, seed, output, more)
            case = with_its_hand(case, output)
            figures = {**judge(case, output), "wall_s": seconds, "machine": platform.machine()}
            if name in SIMULATED:
                figures |= with_the_true_map(case, output)
            figures = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
            kept.setdefault(name, {})[str(seed)] = figures
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
            print(name, seed, json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
