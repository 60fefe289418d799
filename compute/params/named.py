"""The model of a job's parameters by the name of the job."""

import importlib
import re

from compute.params.option import JobParams


def params_named(job_type: str) -> type[JobParams] | None:
    """The model `<Job>Params` in `compute.params.<job>`; None where there is no such job."""
    if not re.fullmatch(r"[a-z_]+", job_type):
        return None
    try:
        module = importlib.import_module(f"compute.params.{job_type}")
    except ModuleNotFoundError:
        return None
    name = "".join(word.capitalize() for word in job_type.split("_")) + "Params"
    model: type[JobParams] | None = getattr(module, name, None)
    return model
