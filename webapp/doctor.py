"""`halfmap doctor`: what is installed, and whether its parts fit together."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from webapp import doctor_site
from webapp.commands.output import parser, show_json
from webapp.doctor_site import Finding
from webapp.launch import local

PACKAGES = ("halfmap", "torch", "numpy", "numba", "mpi4py", "mpich", "pydantic", "sqlalchemy")
TORCH = (
    "import json, torch; "
    "n = torch.cuda.device_count() if torch.cuda.is_available() else 0; "
    "print(json.dumps([[torch.cuda.get_device_name(i), "
    "torch.cuda.get_device_properties(i).total_memory] for i in range(n)]))"
)
MPI = (
    "import json, sys; from mpi4py import MPI; "
    "sys.stdout.write(json.dumps([MPI.COMM_WORLD.size, "
    "MPI.Get_library_version().splitlines()[0].strip(chr(0))]) + chr(10))"
)
TIMEOUT_S = 120.0


def main(words: Sequence[str]) -> int:
    """0 if everything that a refinement needs is there and fits together, else 1."""
    made = parser(
        "doctor", "Look at the installation: what is there, and whether it fits together."
    )
    asked = made.parse_args(list(words))
    found: list[Finding] = []
    for one in _everything():
        found.append(one)
        if not asked.json and one[1]:
            print(f"{one[0]:<11} {one[1]}", flush=True)
    problems = [wrong for _, _, wrong in found if wrong]
    if asked.json:
        rows = [{"of": of, "is": text, "problem": wrong or None} for of, text, wrong in found]
        show_json({"findings": rows, "problems": problems})
        return 1 if problems else 0
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("Everything fits together." if not problems else f"{len(problems)} to mend.")
    return 1 if problems else 0


def _everything() -> Iterator[Finding]:
    yield "Python", f"{platform.python_version()}, {sys.executable}", ""
    for name in PACKAGES:
        yield name, _version(name), ""
    memory = psutil.virtual_memory()
    yield "cores", str(local.cores()), ""
    yield "memory", f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free", ""
    yield "disk here", f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free", ""
    yield from _look_at_gpus()
    yield from _look_at_mpi()
    yield from doctor_site.findings()


def mpi_problems(size: int, library: str, asked: int) -> list[str]:
    """What is wrong when each of `asked` processes counts `size` of them."""
    if size == asked:
        return []
    return [
        f"{asked} processes were started but each counts {size}: mpiexec is not that of the "
        f"library in use ({library}); install the extra mpi-runtime into this environment"
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _output(words: list[str]) -> tuple[str, str]:
    """The first line that a command prints and an empty text, or an empty line and why it failed."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return "", (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return lines[0], ""


def _look_at_gpus() -> Iterator[Finding]:
    line, failure = _output([sys.executable, "-c", TORCH])
    if failure:
        yield "torch", "", f"torch does not start: {failure}"
        return
    for number, (name, memory) in enumerate(json.loads(line)):
        yield f"GPU {number}", f"{name}, {memory / 1e9:.1f} GB", ""
    driver = local.gpus_present()
    seen = len(json.loads(line))
    if not seen:
        yield "GPUs", "none that torch can use; the CPU is used", ""
    if driver > seen and "CUDA_VISIBLE_DEVICES" not in os.environ:
        said = f"the machine has {driver} GPUs but torch can use {seen}: is it a CPU build?"
        yield "GPUs", "", said


def _look_at_mpi() -> Iterator[Finding]:
    mpiexec = Path(sys.executable).parent / "mpiexec"
    if not mpiexec.exists():
        said = f"there is no mpiexec beside {sys.executable}: install the extra mpi-runtime"
        yield "MPI", "", said
        return
    asked = 2
    start = [str(mpiexec), "-launcher", "fork", "-n", str(asked)]
    line, failure = _output([*start, sys.executable, "-c", MPI])
    if failure:
        yield "MPI", "", f"mpiexec does not work: {failure}"
        return
    size, library = json.loads(line)
    problems = mpi_problems(size, library, asked)
    yield "MPI", f"{library}; {asked} processes count {size}", "; ".join(problems)
