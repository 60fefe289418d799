"""The tables of the scaling benchmark: what was measured, what the model says of it, and what it foretells."""

from typing import Any

from tests.bench.scaling_model import (
    PHASES,
    Cluster,
    grown,
    predicted_s,
    sharded,
    unit_costs,
    wall_s,
)

FORETOLD_PARTICLES, FORETOLD_BOX = 1_000_000, 400
BASE_BOX = 256
Row = list[str]


def page(runs: list[dict[str, Any]]) -> str:
    """All tables as Markdown."""
    fitted = [step for run in runs if run["fitted"] for step in run["steps"]]
    costs = unit_costs(fitted)
    base = next(run for run in runs if run["box"] == BASE_BOX)
    parts = [
        ("Unit costs", unit_table(costs)),
        ("Measured and foretold", check_table(runs, costs)),
        (
            f"{FORETOLD_PARTICLES:,} particles of {FORETOLD_BOX} px, hours by what takes them",
            foretold_table(base["steps"], costs),
        ),
    ]
    return "\n\n".join(f"**{title}**\n\n{text}" for title, text in parts)


def unit_table(costs: dict[str, float]) -> str:
    """Nanoseconds per unit of each phase."""
    rows = [[one.name, one.unit, f"{costs.get(one.name, 0.0):.3g}"] for one in PHASES]
    return markdown(["phase", "unit", "ns per unit, one core"], rows)


def check_table(runs: list[dict[str, Any]], costs: dict[str, float]) -> str:
    """Each run beside what the unit costs make of its counted work."""
    rows = []
    for run in runs:
        steps = run["steps"]
        measured = sum(step["cpu_s"].get(one.name, 0.0) for step in steps for one in PHASES)
        foretold = sum(sum(predicted_s(step, costs).values()) for step in steps)
        wall = sum(sum(step["wall_s"].get(one.name, 0.0) for one in PHASES) for step in steps)
        rows.append(
            [
                run["axis"],
                f"{run['particles']:,} × {run['box']} px, {run['symmetry']}, {run['mpi']} processes"
                + (" (fitted)" if run["fitted"] else ""),
                str(len(steps)),
                f"{wall:.1f}",
                f"{measured / len(steps):.2f}",
                f"{foretold / len(steps):.2f}",
                f"{foretold / measured:.2f}",
            ]
        )
    head = ["varied", "run", "iterations", "wall s", "CPU s per iteration", "foretold", "ratio"]
    return markdown(head, rows)


def foretold_table(steps: list[dict[str, Any]], costs: dict[str, float]) -> str:
    """Hours of a whole refinement on one machine and on sixteen, with the images in one store and on each machine."""
    rows = []
    for nodes in (1, 4, 16, 64):
        for name, cluster in (
            ("one store", Cluster(nodes)),
            ("own copies", sharded(Cluster(nodes))),
        ):
            parts: dict[str, float] = {}
            for step in steps:
                large = grown(step, FORETOLD_PARTICLES, FORETOLD_BOX)
                for part, seconds in wall_s(large, costs, cluster).items():
                    parts[part] = parts.get(part, 0.0) + seconds / 3600
            rows.append(
                [
                    str(nodes),
                    name,
                    *(f"{hours:.2f}" for hours in parts.values()),
                    f"{sum(parts.values()):.2f}",
                ]
            )
    return markdown(["machines", "images in", "images", "reading", "sums", "volumes", "all"], rows)


def markdown(head: Row, rows: list[Row]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
