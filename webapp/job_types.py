"""What a type of job takes: its parameters' model, its share of a machine, and the files that it reads."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compute.files.errors import InputError
from compute.files.given_text import is_one_line, is_there
from compute.params.option import JobParams
from db.repository.jobs import Needs
from db.repository.nodes import Input
from webapp.launch import local
from webapp.launch.profiles import Profile

REFINE = "refine"
PLAIN_CORES = 4
"""Most cores that jobs of one process use well."""
IN_A_JOB = re.compile(r"[A-Za-z0-9]+/job\d{3,}/.+")
OF_AN_ITERATION = re.compile(r"_it\d{3,}_")


def model_of(job_type: str) -> type[JobParams]:
    """The model of a job type's parameters. Raises InputError for an unknown type."""
    name = job_type.replace("_", " ").title().replace(" ", "") + "Params"
    if re.fullmatch(r"[a-z_]+", job_type):
        try:
            module = importlib.import_module(f"compute.params.{job_type}")
        except ModuleNotFoundError:
            module = None
        if hasattr(module, name):
            model: type[JobParams] = getattr(module, name)
            return model
    raise InputError(f"'{job_type}' is not a type of job")


def checked(job_type: str, values: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """The parameters as they are asked for, with the profile's defaults, after they have been checked.

    Raises InputError with one sentence for all that is wrong.
    """
    model = model_of(job_type)
    defaults = {name: one for name, one in profile.defaults.items() if name in model.model_fields}
    asked = {"output": "checked/run", **defaults, **values}
    for name, value in asked.items():
        if isinstance(value, str) and not is_one_line(value):
            raise InputError(
                f"{name}: {value[:60]!r} has to be one line without control characters"
            )
    try:
        params = model(**asked)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            message = str(problem["msg"]).removeprefix("Value error, ")
            problems.append(f"{name}: {message}" if name else message)
        raise InputError("; ".join(problems)) from None
    return params.model_dump(mode="json", exclude_unset=True)


def share_of(job_type: str, values: Mapping[str, Any], profile: Profile, gpus: int) -> local.Share:
    """The processes and threads of a job that is asked for with these values."""
    available = local.cores() if profile.kind == "local" else profile.cores
    if "mpi" not in model_of(job_type).model_fields:
        return local.Share(1, min(available, PLAIN_CORES))
    return local.share(
        int(values.get("mpi") or 0), int(values.get("threads") or 0), available, gpus
    )


def needs_of(job_type: str, values: Mapping[str, Any], profile: Profile) -> Needs:
    """What a job takes of the machine that it runs on. The leader of a refinement computes nothing.

    More cores than the machine has are not waited for: the job then has the machine to itself.
    """
    here = profile.kind == "local"
    present = local.gpus_present() if here and values.get("gpu") == "" else 0
    gpus = local.gpus_asked(values.get("gpu"), present or profile.gpus)
    share = share_of(job_type, values, profile, gpus)
    cores = max(1, share.ranks - 1) * share.threads
    if here:
        cores = min(cores, local.cores())
    return Needs(profile.name, share.ranks, cores, gpus, None if here else profile.memory_GB)


def inputs_of(values: Mapping[str, Any], project: Path) -> list[Input]:
    """The files that a job reads: values that name a file, or one that another job is to make.

    A file of an iteration that is there already is not waited for.
    """
    found = []
    for name, value in values.items():
        if name == "output" or not isinstance(value, str) or not value:
            continue
        for one in files_named(value, project):
            path = project / one
            is_file = is_there(path) and path.is_file()
            if is_file or IN_A_JOB.fullmatch(one):
                waits = not (is_file and OF_AN_ITERATION.search(one))
                found.append(Input(name, one, waits=waits))
    return found


def files_named(value: str, project: Path) -> list[str]:
    """The file that a value names, or each of several with commas between them."""
    if "," not in value or is_there(project / value):
        return [value]
    return [part.strip() for part in value.split(",") if part.strip()]
