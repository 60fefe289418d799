"""A wrong value for every field of a form, found from the field's own type and bounds."""

from typing import get_args

from annotated_types import Ge, Gt
from pydantic.fields import FieldInfo

from compute.params.option import JobParams
from webapp.components.parameter_form import FILES, NOT_IN_FORMS
from webapp.options import is_flag

SPECIAL = {"symmetry": "Q9", "relax_symmetry": "D2", "scratch_dir": "/no/such/folder"}


def wrong_value(name: str, info: FieldInfo) -> str | None:
    """What nobody may fill in; None where the widget offers right values only."""
    kinds = get_args(info.annotation)
    is_choice = bool(kinds) and all(isinstance(kind, str) for kind in kinds)
    if name == "gpu" or is_flag(info) or is_choice:
        return None
    if name in SPECIAL:
        return SPECIAL[name]
    if name in FILES:
        return f"missing{FILES[name][0]}"
    for one in info.metadata:
        if isinstance(one, Ge | Gt):
            bound = one.ge if isinstance(one, Ge) else one.gt
            return f"{float(str(bound)) - 1:g}"
    return "many"


def wrong_values(model: type[JobParams]) -> dict[str, str]:
    """A wrong value for each field that can hold one."""
    found = {}
    for name, info in model.model_fields.items():
        value = None if name in NOT_IN_FORMS else wrong_value(name, info)
        if value is not None:
            found[name] = value
    return found
