"""A job of the database as an order to the launcher: where it runs, what it is told, and what is recorded of it."""

import hashlib
import os
import platform
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from compute.files.continuation import last_complete
from compute.files.relion import IterationFiles
from db.models.jobs import Attempt, Job
from webapp.job_types import REFINE, share_of
from webapp.launch.orders import Order
from webapp.launch.profiles import Profile
from webapp.launch.slurm_text import gpus_given, nodes_of

LAUNCH_ID = "launch_id"
RECORDED = ("halfmap", "torch", "numpy", "numba", "mpi4py", "mpich")
LARGEST_CHECKSUM_BYTES = 256 << 20


def order_of(
    job: Job, attempt: Attempt, project: Path, profile: Profile, gpus: Sequence[int] = ()
) -> Order:
    """The order of one attempt. Raises InputError where it cannot go on from where it should."""
    values = dict(job.parameters)
    output = Path(str(values["output"]))
    if gpus:
        values["gpu"] = ",".join(str(number) for number in gpus)
    share = share_of(job.type, values, profile, job.gpus)
    if profile.kind == "slurm" and job.gpus:
        nodes = nodes_of(profile, share.ranks * share.threads)
        values["gpu"] = gpus_given(str(values.get("gpu") or ""), nodes)
    if job.type == REFINE:
        values |= {"mpi": share.ranks, "threads": share.threads}
        after = attempt.continued_after_iteration
        if after is None and attempt.number > 1:
            after = last_complete(project / output)
        if after is not None:
            values["continue_from"] = str(IterationFiles(output).optimiser(after))
    folder = project / job.folder
    launch_id = str(attempt.environment[LAUNCH_ID])
    return Order(
        launch_id, job.type, values, project, folder, output.name, share, len(gpus) or job.gpus
    )


def environment_record(profile: Profile, launch_id: str) -> dict[str, Any]:
    """With what a job is started, and as whom: versions, commit, system, profile and Unix user."""
    return {
        LAUNCH_ID: launch_id,
        "unix_user": unix_user(),
        "versions": {"python": platform.python_version(), **versions()},
        "commit": commit(),
        "system": platform.platform(),
        "profile": profile.model_dump(mode="json", exclude_unset=True),
    }


def unix_user() -> str:
    """The Unix user whose rights this process has: jobs that it starts run as that one, and their files are theirs."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def versions() -> dict[str, str]:
    """The versions of the packages that results depend on."""
    found = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit of the checkout that runs, with a + where it was changed; empty outside a checkout."""
    here = str(Path(__file__).parent)
    words = ["git", "-C", here, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def checksums(project: Path, paths: Sequence[str]) -> Mapping[str, str]:
    """SHA-256 of files, by their paths (absolute, or relative to the project); not of very large ones."""
    found = {}
    for name in paths:
        path = project / name
        if path.is_file() and path.stat().st_size <= LARGEST_CHECKSUM_BYTES:
            with path.open("rb") as file:
                found[name] = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return found
