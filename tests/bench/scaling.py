"""How the time of an iteration grows with particles, box, symmetry and processes: `python -m tests.bench.scaling`.

Simulated particles of the built-in phantom are refined, one thing being changed at a time; processor seconds and
counted work of every iteration are kept in `results/scaling.json`. A model of unit costs is fitted to a few of the runs
and checked with the others, and says what a million particles of 400 px would take. `--report` shows what is known.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compute.files import events
from compute.files.progress import read_progress
from compute.files.timing import read_timing
from tests.bench.scaling_table import page
from tests.bench.speed_runs import timed

RESULTS = Path(__file__).parent / "results" / "scaling.json"
EXTENT_A, DIAMETER_A = 192.0, 130.0


@dataclass(frozen=True)
class Run:
    """One refinement: `axis` is what is varied in it, and `fitted` whether the unit costs come from it."""

    axis: str
    particles: int = 500
    box: int = 64
    symmetry: str = "D2"
    mpi: int = 3
    iterations: int = 100
    fitted: bool = False

    @property
    def name(self) -> str:
        """Its sizes in a file's name."""
        return f"{self.symmetry}_{self.particles}x{self.box}_{self.mpi}_{self.iterations}"


RUNS = (
    Run("particles", 1000, fitted=True),
    Run("particles", 4000),
    Run("particles", 16_000, iterations=3),
    Run("box", 250, 64),
    Run("box", 250, 128, fitted=True),
    Run("box", 250, 256),
    Run("symmetry", symmetry="C1"),
    Run("symmetry", symmetry="D2", fitted=True),
    Run("symmetry", symmetry="O"),
    Run("symmetry", symmetry="I"),
    Run("processes", 1000, mpi=1),
    Run("processes", 1000, mpi=3),
    Run("processes", 1000, mpi=5),
)


def simulated(run: Run, folder: Path) -> Path:
    """The root of the particle set of a run, made unless it is there."""
    root = folder / f"{run.symmetry}_{run.particles}x{run.box}"
    if not root.with_suffix(".star").exists():
        words = (
            f"simulate --phantom --sym {run.symmetry} --particles {run.particles} --box {run.box}"
        )
        words += f" --angpix {EXTENT_A / run.box} --particle-diameter {DIAMETER_A} --o {root}"
        words += (
            " --snr 0.2 --noise white --offset-sigma 4 --reference-resolution 40 --random-seed 1"
        )
        timed(halfmap(words), folder, folder / "simulate.log")
    return root


def halfmap(words: str) -> list[str]:
    """A command of this checkout."""
    return [sys.executable, "-m", "webapp.cli", *words.split()]


def refined(run: Run, folder: Path) -> dict[str, Any]:
    """Wall and processor seconds of a run, and its iterations."""
    root, place = simulated(run, folder), folder / run.name / "run"
    if not place.parent.exists():
        words = (
            f"refine --i {root}.star --ref {root}_reference.mrc --o {place} --sym {run.symmetry}"
        )
        words += f" --particle_diameter {DIAMETER_A + 20} --ini_high 40 --firstiter_cc"
        words += f" --auto_iter_max {run.iterations} --mpi {run.mpi} --random_seed 1"
        timed(halfmap(words), folder, folder / f"{run.name}.log")
    return asdict(run) | {"steps": steps(place, run)}


def steps(root: Path, run: Run) -> list[dict[str, Any]]:
    """The iterations of a run: sizes, counted work of all processes, processor and wall seconds by phase."""
    told = [
        one
        for one in read_progress(root.parent / "progress.jsonl")
        if isinstance(one, events.Iteration)
    ]
    found = []
    for (number, processes), said in zip(sorted(read_timing(root).items()), told, strict=True):
        cpu: dict[str, float] = defaultdict(float)
        wall: dict[str, dict[str, float]] = defaultdict(dict)
        work: dict[str, float] = defaultdict(float)
        for place, one in enumerate(processes):
            for phase, seconds in one["cpu_s"].items():
                cpu[phase] += seconds
                wall[phase][str(place)] = one["wall_s"][phase]
            for name, count in one["work"].items():
                work[name] += count
        found.append(
            {
                "iteration": number,
                "is_local": said.is_local_search,
                "is_last": said.is_final,
                "particles": run.particles,
                "box": run.box,
                "size": said.current_size or run.box,
                "cpu_s": {phase: round(seconds, 4) for phase, seconds in cpu.items()},
                "wall_s": {phase: round(max(one.values()), 4) for phase, one in wall.items()},
                "work": {name: int(count) for name, count in work.items()},
            }
        )
    return found


def main(arguments: list[str]) -> int:
    """Measure, and show what follows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args(arguments)
    if not options.report:
        folder = options.folder or Path(tempfile.mkdtemp(prefix="halfmap-scaling-"))
        folder.mkdir(parents=True, exist_ok=True)
        kept: list[dict[str, Any]] = []
        for run in RUNS:
            kept.append(refined(run, folder))
            print(f"{run.axis} {run.name}", flush=True)
        found = {"machine": platform.machine(), "runs": kept}
        RESULTS.write_text(json.dumps(found) + "\n")
    print(page(json.loads(RESULTS.read_text())["runs"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
