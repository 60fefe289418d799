"""The table of the speed benchmark."""

from typing import Any

COLUMNS = (
    ("wall_s", "wall s", 8),
    ("cpu_s", "CPU s", 8),
    ("floor_s", "floor s", 8),
    ("share_of_floor", "of floor", 9),
    ("GFLOPs", "GFLOP/s", 8),
    ("GBs", "GB/s", 7),
    ("Mposes_per_s", "Mposes/s", 9),
    ("Msamples_per_s", "Msamples/s", 11),
)


def table(machine: str, results: dict[str, Any], kernels: str) -> str:
    """All cases of a machine: totals, ratio, and every phase with its distance from the floor."""
    lines = [f"Machine: {machine}"]
    for name, one in results.items():
        stale = "" if one["kernels"] == kernels else "  STALE: the kernels have changed since"
        ours, peer, peak = one["ours"], one.get("peer"), one["peak"]
        lines += [
            "",
            f"{name}{stale}{_loaded(one)}",
            f"  ours  {_totals(ours)}  memory {ours['peak_memory_GB']} GB",
        ]
        lines.append(f"        {ours['command']}")
        if peer:
            lines += [f"  peer  {_totals(peer)}", f"        {peer['command']}"]
            lines.append(f"  ratio {one['ratio']:.1f} times faster than the peer")
        lines.append(
            f"  one core reaches {peak['product_GFLOPs']:.0f} GFLOP/s in float32 products and copies "
            f"{peak['copy_GBs']:.1f} GB/s"
        )
        lines.append("  " + f"{'phase':34s}" + "".join(f"{title:>{w}s}" for _, title, w in COLUMNS))
        for phase, figures in ours["phases"].items():
            lines.append(
                f"  {phase:34s}" + "".join(_cell(figures, key, w) for key, _, w in COLUMNS)
            )
    return "\n".join(lines)


def _loaded(result: dict[str, Any]) -> str:
    """A remark on wall times of a machine that had other things to do."""
    load = result.get("load_before", 0.0)
    return f"  (load {load:.1f} before it began: wall times are too long)" if load > 0.5 else ""


def _totals(run: dict[str, Any]) -> str:
    walls = run.get("all_walls_s", [])
    others = f" (of {', '.join(f'{wall:.1f}' for wall in walls)} s)" if len(walls) > 1 else ""
    wall_s, cpu_s, iterations = run["wall_s"], run["cpu_s"], run["iterations"]
    return f"{wall_s:.1f} s wall{others}, {cpu_s:.1f} CPU s, {iterations} iterations"


def _cell(figures: dict[str, float], key: str, width: int) -> str:
    if key not in figures:
        return " " * width
    if key == "share_of_floor":
        return f"{figures[key]:>{width}.0%}"
    return f"{figures[key]:>{width}.2f}"
