"""The time that each process of a refinement took by phase, one line per iteration: `<root>_timing.jsonl`.

A line holds the iteration and, for the leader and every worker, wall and processor seconds by phase and counts of
work. A refinement that is continued begins a new file, and the earlier one is set aside like its final files.
"""

import json
from pathlib import Path
from typing import Any


def timing_file(root: Path | str) -> Path:
    """The file of a refinement by its root."""
    path = Path(root)
    return path.with_name(f"{path.name}_timing.jsonl")


def add_timing(root: Path | str, iteration: int, processes: list[dict[str, Any]]) -> None:
    """Add the line of an iteration."""
    line = json.dumps({"iteration": iteration, "processes": processes})
    with timing_file(root).open("a") as file:
        file.write(line + "\n")


def read_timing(root: Path | str) -> dict[int, list[dict[str, Any]]]:
    """What every process took, by iteration; a line that is cut short is left out."""
    found = {}
    for line in timing_file(root).read_text().splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue
        found[one["iteration"]] = one["processes"]
    return found
