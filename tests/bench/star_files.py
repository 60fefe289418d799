"""Reading and writing particle tables against starfile: `python -m tests.bench.star_files`.

One table of 25 columns (names, whole numbers, floats) as a refinement writes it. Both packages read the same file and
write the same table, each measurement in a process of its own and in turn; compared are the seconds on the clock from
the call to its return, without the start of Python and the imports, as the median over the rounds. Everything that
each has read is compared, column by column, and each must read what the other has written.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import starfile

from compute.files.labels import star_label
from compute.files.star import Table, read_star, write_star

RESULTS = Path(__file__).parent / "results" / "star_files.json"
WANTED = {"read": 1.7, "write": 4.5}
OF_MICROGRAPH = (
    "defocus_u_A", "defocus_v_A", "defocus_angle_deg", "ctf_max_resolution_A", "ctf_figure_of_merit", "ctf_b_factor_A2",
    "ctf_scale_factor", "phase_shift_deg",
)  # fmt: skip
OF_PARTICLE = (
    "coordinate_x", "coordinate_y", "angle_rot_deg", "angle_tilt_deg", "angle_psi_deg", "origin_x_A", "origin_y_A",
    "norm_correction", "log_likeli_contribution", "max_value_prob_distribution",
)  # fmt: skip
WHOLE = {"optics_group": 9, "class_number": 1, "random_subset": 2, "nr_of_significant_samples": 900}
DIGITS, PER_MICROGRAPH = 6, 300


def particle_table(rows: int) -> Table:
    """A table of so many particles, 300 of each micrograph and its CTF, with numbers of six decimals."""
    draw = np.random.default_rng(1)
    number = np.arange(rows)
    micrograph, position = number // PER_MICROGRAPH, number % PER_MICROGRAPH + 1
    folders = "Micrographs/micrograph"
    columns: dict[str, np.ndarray] = {
        star_label("image_name"): np.array(
            [
                f"{one:06d}@Extract/job018/{folders}_{of:05d}.mrcs"
                for one, of in zip(position, micrograph, strict=True)
            ],
            dtype=object,
        ),
        star_label("micrograph_name"): np.array(
            [f"MotionCorr/job002/{folders}_{of:05d}.mrc" for of in micrograph], dtype=object
        ),
    }
    for name in OF_MICROGRAPH:
        columns[star_label(name)] = np.round(draw.uniform(0.0, 180.0, rows), DIGITS)[micrograph]
    for name in OF_PARTICLE:
        columns[star_label(name)] = np.round(draw.uniform(-180.0, 180.0, rows), DIGITS)
    for name, most in WHOLE.items():
        columns[star_label(name)] = draw.integers(1, most + 1, rows)
    columns[star_label("group_number")] = micrograph + 1
    return Table("particles", columns)


def read_with_starfile(path: Path) -> Any:
    """All blocks of a file, as starfile gives them by default."""
    return starfile.read(path, always_dict=True)


def write_with_starfile(path: Path, found: Any) -> None:
    """All blocks that starfile has read."""
    starfile.write(found, path)


def write_ours(path: Path, found: dict[str, Table]) -> None:
    """All blocks that our reader has read."""
    write_star(path, list(found.values()))


PACKAGES: dict[str, tuple[Callable[[Path], Any], Callable[[Path, Any], None]]] = {
    "halfmap": (read_star, write_ours),
    "starfile": (read_with_starfile, write_with_starfile),
}


def once(package: str, source: Path, target: Path) -> dict[str, float]:
    """Seconds on the clock, and of all cores, of reading a file and of writing what was read."""
    read, write = PACKAGES[package]
    marks = [(time.perf_counter(), time.process_time())]
    found = read(source)
    marks.append((time.perf_counter(), time.process_time()))
    write(target, found)
    marks.append((time.perf_counter(), time.process_time()))
    taken = {}
    for what, before, after in zip(WANTED, marks[:-1], marks[1:], strict=True):
        taken[what] = round(after[0] - before[0], 2)
        taken[f"{what}_cores"] = round(after[1] - before[1], 2)
    return taken


def in_a_process(package: str, source: Path, target: Path) -> dict[str, float]:
    """The same in a new process, so that neither finds the memory or the caches of the other."""
    words = [sys.executable, "-m", "tests.bench.star_files", "--once", package]
    done = subprocess.run([*words, str(source), str(target)], check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def faults_of(table: Table, files: dict[str, Path]) -> list[str]:
    """What a file of one package, read by our reader and by starfile, has otherwise than the table."""
    faults = []
    for writer, path in files.items():
        ours = read_star(path)["particles"].columns
        theirs = read_with_starfile(path)["particles"]
        for label, values in table.columns.items():
            for reader, found in (("halfmap", ours[label]), ("starfile", theirs[label].to_numpy())):
                is_text = values.dtype == object
                is_same = (
                    (values == found).all()
                    if is_text
                    else np.allclose(values, found, rtol=0, atol=1e-6)
                )
                if not is_same:
                    faults.append(f"{label} written by {writer} is another for {reader}")
    return faults


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Figures of both packages on one table, and what they disagree on."""
    table = particle_table(rows)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "particles.star"
        write_star(source, [table])
        targets = {name: Path(folder) / f"{name}.star" for name in PACKAGES}
        taken = [
            {name: in_a_process(name, source, targets[name]) for name in PACKAGES}
            for _ in range(rounds)
        ]
        size_MB = source.stat().st_size / 1e6
        faults = faults_of(table, targets)
    ratios = {
        what: round(
            statistics.median(one["starfile"][what] / one["halfmap"][what] for one in taken), 2
        )
        for what in WANTED
    }
    faults += [
        f"{what}: {ratio} times as fast as starfile, not {WANTED[what]:g}"
        for what, ratio in ratios.items()
        if ratio < WANTED[what]
    ]
    return {
        "rows": rows,
        "columns": len(table.columns),
        "file_MB": round(size_MB, 1),
        "starfile": version("starfile"),
        "system": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "rounds": taken,
        "median_s": {
            name: {what: statistics.median(one[name][what] for one in taken) for what in WANTED}
            for name in PACKAGES
        },
        "times_as_fast": ratios,
        "faults": faults,
    }


def main() -> int:
    """Measure, print and keep the result; 1 where something is slower than asked or differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--once", nargs=3, metavar=("PACKAGE", "SOURCE", "TARGET"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.once:
        package, source, target = given.once
        print(json.dumps(once(package, Path(source), Path(target))))
        return 0
    found = measure(given.rows, given.rounds)
    text = json.dumps(found, indent=2) + "\n"
    print(text, end="")
    RESULTS.write_text(text)
    return int(bool(found["faults"]))


if __name__ == "__main__":
    raise SystemExit(main())
