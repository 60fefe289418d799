"""The form of a RELION job: `job.star` (3.1 and later) and `run.job` (3.0) in, `job.star` out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.own_tables import Value, list_table, loop_table
from compute.files.pipeline_types import job_label, job_number, job_type_in
from compute.files.star import read_star, write_star

JOB_STAR: Final = "job.star"
RUN_JOB: Final = "run.job"


@dataclass(frozen=True, slots=True)
class JobForm:
    """What a job was asked for: the label of its type, and the values of its form as texts.

    The keys of `options` are RELION's names of the fields (`fn_img`). Those of 3.0, which has only the
    words of the form, stay as they are where `relion_forms` does not know them. Booleans are Yes or No.
    """

    label: str
    options: Mapping[str, str] = field(default_factory=dict)
    is_continue: bool = False


def read_job_form(folder: Path | str) -> JobForm | None:
    """The form in a job folder; None where there is none. Raises InputError for one that cannot be read."""
    folder = Path(folder)
    if (folder / JOB_STAR).exists():
        return _from_star(folder / JOB_STAR, folder.parent.name)
    if (folder / RUN_JOB).exists():
        return _from_text(folder / RUN_JOB, folder.parent.name)
    return None


def _from_star(path: Path, folder: str) -> JobForm:
    tables = read_star(path)
    if "job" not in tables:
        raise InputError(f"{path} has no data_job block; it is no job.star of RELION.")
    job = {label: values.tolist()[0] for label, values in tables["job"].columns.items()}
    label = job.get(star_label("job_type_label"))
    if label is None:
        label = job_label(int(job.get(star_label("job_type"), -1)), folder)
    options: dict[str, str] = {}
    if "joboptions_values" in tables:
        columns = tables["joboptions_values"].columns
        names = columns.get(star_label("job_option_variable"), np.array([]))
        values = columns.get(star_label("job_option_value"), np.array([]))
        options = {str(name): str(value) for name, value in zip(names, values, strict=True)}
    return JobForm(str(label), options, bool(job.get(star_label("job_is_continue"), False)))


def _from_text(path: Path, folder: str) -> JobForm:
    """The form of 3.0: lines `words of the form == value`."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    pairs = [line.partition(" == ") for line in text.splitlines() if " ==" in line + " "]
    found = {name.strip().removesuffix("==").strip(): value.strip() for name, _, value in pairs}
    number = found.pop("job_type", "-1")
    is_continue = found.pop("is_continue", "false") == "true"
    known = job_type_in(folder)
    label = known.label if known else job_label(int(number) if number.isdecimal() else -1, folder)
    return JobForm(label, found, is_continue)


def write_job_form(path: Path | str, form: JobForm) -> None:
    """Write a `job.star` that every version from 3.1 on reads, at once or not at all."""
    general: dict[str, Value] = {
        "job_type": job_number(form.label),
        "job_type_label": form.label,
        "job_is_continue": form.is_continue,
        "job_is_tomo": False,
    }
    names = sorted(form.options)
    options = {
        "job_option_variable": np.array(names, dtype=object),
        "job_option_value": np.array([form.options[name] for name in names], dtype=object),
    }
    write_star(path, [list_table("job", general), loop_table("joboptions_values", options)])
