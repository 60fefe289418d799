"""Room for what a job is about to write: free disk space, and earlier files out of the way."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from compute.files.errors import InputError
from compute.files.relion import set_aside
from compute.jobs.voice import Voice

BYTES_PER_GB = 1e9
SAFETY = 1.2
"""Space asked for beyond what the files take (jobs_and_files §2.9)."""


def make_room(paths: Sequence[Path], size_bytes: int, voice: Voice) -> None:
    """Let files of this total size be written to one folder under these names.

    Files of an earlier run are moved to superseded/, which is said. Raises InputError where the disk is too full (E41).
    """
    folder = paths[0].parent
    free = shutil.disk_usage(folder).free
    if free < SAFETY * size_bytes:
        raise InputError(
            f"the results need {SAFETY * size_bytes / BYTES_PER_GB:.2f} GB in {folder} but only "
            f"{free / BYTES_PER_GB:.2f} GB are free: make room or choose another folder"
        )
    moved = set_aside(folder, paths)
    if moved:
        voice.log.line(f" {len(moved)} files of an earlier run were moved to {moved[0].parent}.")
