"""Where jobs have their folders and what their files begin with, as RELION's users know it: `Refine3D/job019/run`."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from compute.files.errors import InputError
from compute.files.pipeline_types import EXTERNAL, JOB_TYPES

FOLDERS: Mapping[str, str] = {one.ours: one.folder for one in JOB_TYPES if one.ours}
"""The folder of each of our job types that RELION has too."""
ROOTS: Mapping[str, str] = {
    "refine": "run",
    "mask": "mask",
    "postprocess": "postprocess",
    "extract": "particles",
    "select": "particles",
    "rescale": "rescaled",
    "simulate": "set",
    "compare": "fsc",
    "importing": "import",
}
SHARED_MODE = stat.S_ISGID | 0o775
"""Folders of a project: writable for its Unix group, which what is made in them inherits."""


def job_folder(job_type: str, number: int) -> str:
    """The folder of a job, relative to its project: three digits, more from 1000 on.

    Job types that RELION does not have are external ones, as its tools show them.
    """
    return f"{FOLDERS.get(job_type, EXTERNAL.folder)}/job{number:03d}"


def output_root(job_type: str, number: int) -> str:
    """The parameter `output` of a job: its folder and the first part of the names of its files."""
    return f"{job_folder(job_type, number)}/{ROOTS.get(job_type, job_type)}"


def make_shared(folder: Path) -> None:
    """Make `folder` and what is missing above it; what is made is writable for the group and hands its group on.

    Existing folders stay as they are. Raises InputError where the system does not allow it.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        try:
            one.mkdir(exist_ok=True)
            os.chmod(one, SHARED_MODE)
        except OSError as error:
            raise InputError(f"the folder {one} cannot be made: {error.strerror}") from error
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
