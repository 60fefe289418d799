"""`python -m compute job.json`: runs one job, on one process or on every rank of an MPI launch."""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """The exit status of the job that a file describes: 0 done, 1 failed, 2 unusable input."""
    if len(arguments) != 1:
        print("usage: python -m compute job.json", file=sys.stderr)
        return 2
    description = json.loads(Path(arguments[0]).read_text())
    die_with_parent()
    try:
        return run_job(description)
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 2


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, so that no rank is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_job(description: dict[str, Any]) -> int:
    """Run the job on this rank; ValueError for parameters that cannot be used."""
    job, values = description.get("job"), description.get("params", {})
    if job == "refine":
        return _refine(values)
    if job == "simulate":
        from compute.jobs import simulate
        from compute.params.simulate import SimulateParams

        simulate.run(SimulateParams(**values))
        return 0
    if job == "compare":
        from compute.jobs import compare
        from compute.params.compare import CompareParams

        compare.run(CompareParams(**values))
        return 0
    raise ValueError(f"the job '{job}' is not known: use refine, simulate or compare")


def _refine(values: dict[str, Any]) -> int:
    """A refinement: this rank leads, works, or does everything alone."""
    from mpi4py import MPI

    from compute import parallel
    from compute.jobs import refine
    from compute.params.refine import RefineParams

    params = RefineParams(**values)
    world = MPI.COMM_WORLD
    size, rank = world.Get_size(), world.Get_rank()
    parallel.check_rank_count(size)
    if params.mpi > 0 and params.mpi != size:
        raise ValueError(
            f"{params.mpi} processes were asked for but MPI reports {size}: the launcher belongs to another MPI "
            "library than mpi4py; start with the mpiexec of the same environment"
        )
    threads = parallel.usable_threads(params.threads, size, os.cpu_count() or 1)
    parallel.limit_threads(1)

    def make(seat: parallel.Seat, team: parallel.HalfTeam) -> parallel.Worker:
        return refine.make_half(seat, team, threads=threads if size > 1 else max(1, threads // 2))

    if size == 1:
        team: parallel.Team = parallel.SoloTeam(make, threads)
    elif rank > 0:
        parallel.serve(world, make)
        return 0
    else:
        team = parallel.MpiTeam(world)
    try:
        refine.run(params, team)
    except ValueError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        if size > 1:
            world.Abort(2)
        return 2
    team.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
