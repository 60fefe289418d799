"""RELION's forms: from the fields of a job's form to the options of its program, and from our parameters back.

The forms of RELION 5 are tables of fields; each has its name in `job.star`, its words in the form (which
is all that 3.0 writes down), and the option of the program that it becomes. Two fields of the
refinement are not what they seem: angles are shown after oversampling, one order finer than the option,
and the offset step is half the option's.
"""

import math
import shlex
from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo

from compute.files.errors import InputError
from compute.files.form_fields import ANGLES, FORMS, Form, FormField
from compute.files.job_star import JobForm
from compute.files.pipeline_types import JOB_TYPES, job_type_of
from compute.params.option import JobParams

_SWITCHES: Final = ("use_gpu", "do_reextract", "do_set_angpix", "do_rescale", "do_fom_threshold")
_BACKGROUND_SHARE: Final = 0.75


def form_named(label: str) -> tuple[str, Form] | None:
    """Our job of a label's kind and its form; None where we have no such form."""
    found = job_type_of(label)
    return None if found is None or found.ours not in FORMS else (found.ours, FORMS[found.ours])


def named_options(form: JobForm) -> dict[str, str]:
    """The options by RELION's names of the fields, also where 3.0 wrote the words of the form."""
    known = form_named(form.label)
    by_words = (
        {_plain(one.words): one.name for one in known[1].fields if one.words} if known else {}
    )
    return {by_words.get(_plain(name), name): value for name, value in form.options.items()}


def _plain(words: str) -> str:
    return "".join(letter for letter in words.lower() if letter.isalnum())


def command_words(form: JobForm) -> list[str]:
    """The command line that RELION makes of a form, without the output.

    Raises InputError for a kind of job whose form we do not know, and for an angular sampling that is
    none of the form's choices.
    """
    known = form_named(form.label)
    if known is None:
        raise InputError(f"The form of a {form.label} job is not known here.")
    kind, shape = known
    options = named_options(form)
    processes = options.get("nr_mpi", "1")
    is_parallel = processes.isdecimal() and int(processes) > 1
    words = ["mpirun", "-n", processes, f"{shape.program}_mpi"] if is_parallel else [shape.program]
    for field in shape.fields:
        value = options.get(field.name)
        if value is not None and field.flag and _counts(field, options):
            words += _words_of(field, value)
    if kind == "refine":
        words += ["--pad", "1" if options.get("do_pad1") == "Yes" else "2"]
    if kind == "extract":
        words += _background(options)
    return [*words, *shape.always, *shlex.split(options.get("other_args", ""))]


def _counts(field: FormField, options: Mapping[str, str]) -> bool:
    """Whether the field that a field needs has been said Yes to (with `!`: has not), or is not empty."""
    name = field.needs.lstrip("!")
    if not name or name not in options:
        return True
    is_on = options[name] not in ("", "No", "None")
    return is_on != field.needs.startswith("!")


def _words_of(field: FormField, value: str) -> list[str]:
    if field.kind == "yes":
        return [field.flag] if value == "Yes" else []
    if field.kind == "no":
        return [field.flag] if value == "No" else []
    if value == "" and field.flag != "--gpu" or value == "None":
        return []
    if field.kind == "angle":
        choice = value.split(" ")[0]
        if choice not in ANGLES:
            raise InputError(f"{field.name} is '{value}'; it must be one of {', '.join(ANGLES)}.")
        return [field.flag, str(ANGLES.index(choice))]
    if field.kind == "half":
        return [field.flag, f"{2.0 * _number(field, value):g}"]
    if field.kind == "above zero" and _number(field, value) <= 0:
        return []
    return [field.flag, value]


def _number(field: FormField, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{field.name} is '{value}' but must be a number.") from None


def _background(options: Mapping[str, str]) -> list[str]:
    """The radius of the background circle: the form's diameter (below 0: 75 % of the box) in final pixels, cut off."""
    if options.get("do_norm", "Yes") != "Yes" or "extract_size" not in options:
        return []
    box = int(options["extract_size"])
    diameter = float(options.get("bg_diameter", "-1"))
    if diameter < 0:
        diameter = _BACKGROUND_SHARE * box
    size = int(options.get("rescale", box)) if options.get("do_rescale") == "Yes" else box
    return ["--bg_radius", str(math.floor(diameter / 2 * size / box))]


def form_of(job: str, params: JobParams) -> JobForm:
    """The form that RELION would show for a job of ours: the fields that both know.

    Raises KeyError for a job without form. The output is not part of a form.
    """
    label = next(one.label for one in JOB_TYPES if one.ours == job)
    values = params.model_dump()
    options: dict[str, str] = {}
    for field in FORMS[job].fields:
        if field.name == "nr_mpi":
            options["nr_mpi"] = str(values.get("mpi") or 1)
        elif field.name == "other_args":
            options["other_args"] = ""
        elif (found := _field_with(field.flag, params)) is not None:
            name, is_off = found
            options[field.name] = _shown(field, values[name], is_off)
            _switch(options, field, values[name])
    return JobForm(label, options)


def _switch(options: dict[str, str], field: FormField, value: Any) -> None:
    """Say Yes or No to the switch that a field needs, where nothing else of ours does."""
    if field.needs in _SWITCHES:
        options[field.needs] = "No" if value in (None, "", False) else "Yes"


def _field_with(flag: str, params: JobParams) -> tuple[str, bool] | None:
    """The field of our parameters that an option sets, and whether the option switches it off."""
    for name, info in type(params).model_fields.items():
        if flag in _marks(info).get("relion", ()):
            return name, False
        if flag in _marks(info).get("relion_off", ()):
            return name, True
    return None


def _marks(info: FieldInfo) -> Mapping[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _shown(field: FormField, value: Any, is_off: bool) -> str:
    """A value as the form shows it."""
    if field.kind in ("yes", "no"):
        is_given = bool(value) != is_off
        return "Yes" if is_given == (field.kind == "yes") else "No"
    if field.kind == "angle":
        return f"{ANGLES[min(int(value), len(ANGLES) - 1)]} degrees"
    if field.kind == "half":
        return f"{value / 2:g}"
    if isinstance(value, float):
        return f"{value:.9g}"
    return "" if value is None else str(value)
