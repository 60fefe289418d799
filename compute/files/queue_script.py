"""Submission scripts of RELION sites: templates whose words `XXX…XXX` are replaced."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueShare:
    """What a job asks a cluster for: processes, threads of each, cores in all, and whole nodes."""

    processes: int
    threads: int
    cores: int
    nodes: int


def queue_share(processes: int, threads: int, cores_per_node: int) -> QueueShare:
    """The cores (processes times threads) of a job and the nodes that hold them; ValueError below one."""
    if min(processes, threads, cores_per_node) < 1:
        raise ValueError("processes, threads and cores of a node must be at least 1")
    cores = processes * threads
    return QueueShare(processes, threads, cores, math.ceil(cores / cores_per_node))


def fill_template(
    template: str,
    share: QueueShare,
    cores_per_node: int,
    words: Mapping[str, str],
    commands: Sequence[str],
) -> str:
    """A site's template with our values; a line with XXXcommandXXX stands once for each command.

    `words` are the texts for name, outfile, errfile, queue, extra1, extra2 …, by these names.
    """
    numbers = {
        "mpinodes": share.processes,
        "threads": share.threads,
        "cores": share.cores,
        "dedicated": cores_per_node,
        "nodes": share.nodes,
    }
    known = {name: str(value) for name, value in numbers.items()} | dict(words)
    lines: list[str] = []
    for line in template.splitlines():
        for name, value in known.items():
            line = line.replace(f"XXX{name}XXX", value)
        if "XXXcommandXXX" in line:
            lines += [line.replace("XXXcommandXXX", command) for command in commands]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
