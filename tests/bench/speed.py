"""How fast refinements are: `make bench`, or `python -m tests.bench.speed [CASE…] [--peer-threads 1 2] [--no-peer]`.

Cases: `real` (751 beta-galactosidase particles of 64 px), `d2` (2,000 simulated, 128 px, D2), `c1` (1,000 simulated,
96 px, C1); on a GPU `gpu-tutorial` (4,500 of 256 px, D2), `gpu-fine` (the same with a signal up to 3 Å) and
`gpu-large` (100,000 of the first kind). Ours and, where
`relion_refine_mpi` is on the PATH, the peer run one after the other on the same files and cores, start-up included.
How many cores others keep busy before the run is recorded as its load: wall times count only where it is near 0, CPU
seconds always. Ours takes little time, on machines whose neighbours come and go: on CPUs the median of three runs
counts. On the real set they are before, between and after the peer's runs with different numbers of threads, the
fastest of which counts. The peer's runs of simulated cases are kept once per kind of machine. Results:
`results/speed_<kind>.json`; `python -m tests.bench.speed --report` (`make bench-report`) shows them all, and which are
older than the kernels.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from tests.bench import cases
from tests.bench.machine import (
    Peak,
    busy_cores,
    kind,
    measure_gpu_peak,
    measure_peak,
    peak_record,
)
from tests.bench.speed_runs import PEER, run_ours, run_peer
from tests.bench.speed_table import table

RESULTS = Path(__file__).parent / "results"
RUNS = 3
ENGINE = Path(__file__).resolve().parents[2] / "compute"
KERNELS = ("expectation/*.py", "projection/*.py")
NO_GPU = (
    "There is no CUDA device on this machine: the GPU cases need one, and a CUDA build of torch."
)


def kernel_hash() -> str:
    """A mark of the present kernels: results with another one are stale."""
    digest = hashlib.sha256()
    for pattern in KERNELS:
        for path in sorted(ENGINE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def run_case(name: str, folder: Path, kept: dict[str, Any], peer_threads: list[int]) -> None:
    """Run a case and keep its results."""
    case = cases.case_of(name, folder)
    place = folder / f"{name}-run"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    load = round(busy_cores(), 1)
    known = kept.get(name, {}).get("peer")
    has_peer = peer_threads and not case.is_gpu and shutil.which(PEER) is not None
    runs, peers = [_ours(case, place)], []
    if has_peer and (name == "real" or known is None):
        for threads in peer_threads:
            peers.append(run_peer(case, place, threads))
            runs.append(_ours(case, place))
    while not case.is_gpu and len(runs) < RUNS:
        runs.append(_ours(case, place))
    peak, ours = sorted(runs, key=lambda run: float(run[1]["wall_s"]))[len(runs) // 2]
    ours["all_walls_s"] = [run["wall_s"] for _, run in runs]
    result = {"kernels": kernel_hash(), "peak": peak_record(peak), "load_before": load}
    result["ours"] = ours
    if peers:
        result["peer"] = min(peers, key=lambda run: float(run["wall_s"]))
        result["peer"]["all_walls_s"] = [run["wall_s"] for run in peers]
    elif known is not None and name != "real":
        result["peer"] = known
    if "peer" in result:
        result["ratio"] = round(result["peer"]["wall_s"] / result["ours"]["wall_s"], 2)
    kept[name] = result


def _ours(case: cases.Case, place: Path) -> tuple[Peak, dict[str, Any]]:
    """A run of ours, and what the machine could do just before."""
    peak = measure_gpu_peak() if case.is_gpu else measure_peak()
    return peak, run_ours(case, place, peak)


def main(arguments: list[str]) -> int:
    """Run cases or show what is known; 2 where there is no GPU for them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases.NAMES))
    parser.add_argument("--peer-threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args(arguments)
    chosen = options.cases or ["real"]
    unknown = [name for name in chosen if name not in cases.NAMES]
    if unknown:
        parser.error(f"unknown case {unknown[0]}: the cases are {', '.join(cases.NAMES)}")
    if options.report:
        for path in sorted(RESULTS.glob("speed_*.json")):
            print(
                table(path.stem.removeprefix("speed_"), json.loads(path.read_text()), kernel_hash())
            )
        return 0
    if any(name.startswith("gpu") for name in chosen) and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    folder = options.folder or Path(tempfile.mkdtemp(prefix="halfmap-speed-"))
    path = RESULTS / f"speed_{kind()}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name in chosen:
        run_case(name, folder, kept, [] if options.no_peer else options.peer_threads)
        path.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(kind(), {name: kept[name] for name in chosen}, kernel_hash()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
