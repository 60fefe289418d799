"""RELION on the simulated sets of `tests.bench.quality`: `python -m tests.bench.quality_peer CASE… [--seeds 1]`.

The same files, sampling and mask diameter as ours, with the flags that RELION's form sets for a reference that is
corrected for the CTF, three processes of one thread; judged by the same functions. The figures and the command are kept
in `results/quality_relion.json`. Needs `relion_refine_mpi` and `mpirun` on the path; an hour or more on two cores.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.quality import SIMULATED, judge, simulated, with_its_hand

RESULTS = Path(__file__).parent / "results" / "quality_relion.json"
LAUNCH = "mpirun --allow-run-as-root --oversubscribe --mca mpi_yield_when_idle 1 -n 3".split()
FLAGS = (
    "--auto_refine --split_random_halves --ini_high 50 --firstiter_cc --ctf --ctf_corrected_ref "
    "--dont_combine_weights_via_disc --pad 2 --skip_gridding --auto_ignore_angles --auto_resol_angles "
    "--flatten_solvent --zero_mask --oversampling 1 --healpix_order 2 --auto_local_healpix_order 4 "
    "--offset_range 5 --offset_step 2 --low_resol_join_halves 40 --norm --scale --j 1"
).split()


def command_of(case: dict[str, Any], seed: int, output: Path) -> list[str]:
    """The command line that refines one set with RELION."""
    files = ["--i", case["particles"], "--ref", case["reference"], "--o", str(output / "run")]
    about = ["--sym", case["group"], "--particle_diameter", str(case["diameter_A"])]
    return [*LAUNCH, "relion_refine_mpi", *files, *about, *FLAGS, "--random_seed", str(seed)]


def refine(command: list[str], output: Path) -> dict[str, float]:
    """Run one command; returns wall and processor seconds.

    Raises:
        subprocess.CalledProcessError: RELION failed.
    """
    output.mkdir(parents=True, exist_ok=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with open(output / "run.out", "w", encoding="utf-8") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT, env=environment)
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall_s": wall_s, "cpu_s": after.ru_utime - before.ru_utime}


def main(arguments: list[str]) -> None:
    """Run the cases asked for and keep their figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="+", choices=list(SIMULATED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args(arguments)
    if shutil.which("relion_refine_mpi") is None:
        sys.exit("relion_refine_mpi is not on the path: install RELION to measure it")
    folder = options.folder or Path(tempfile.mkdtemp(prefix="relion-quality-"))
    folder.mkdir(parents=True, exist_ok=True)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in options.cases:
        for seed in options.seeds:
            case, output = simulated(name, seed, folder), folder / f"relion_{name}_seed{seed}"
            command = command_of(case, seed, output)
            figures = refine(command, output)
            figures = {**judge(with_its_hand(case, output), output), **figures}
            figures = {key: round(value, 4) for key, value in figures.items()}
            line = " ".join(Path(word).name if "/" in word else word for word in command)
            kept.setdefault(name, {})[str(seed)] = {
                **figures,
                "machine": platform.machine(),
                "command": line,
            }
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
            print(name, seed, json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
