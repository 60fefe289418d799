"""What a form's numbers mean on this machine."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from webapp.components.derived import Machine
from webapp.launch import local


def share(values: Mapping[str, Any]) -> local.Share | None:
    """The processes that a form asks for; None while its numbers are none."""
    try:
        ranks, threads = int(values.get("mpi") or 0), int(values.get("threads") or 0)
        gpu = values.get("gpu")
        present = local.gpus_present() if gpu is not None else 0
        return local.share(ranks, threads, local.cores(), local.gpus_asked(gpu, present))
    except (TypeError, ValueError):
        return None


def machine(folder: Path) -> Machine:
    """This machine, and the room where a project is."""
    return Machine(
        cores=local.cores(),
        memory_GB=psutil.virtual_memory().total / 1e9,
        gpus=local.gpus_present(),
        disk_free_GB=shutil.disk_usage(folder).free / 1e9,
    )
