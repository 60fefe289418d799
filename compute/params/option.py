"""How a field of a job's parameters is described: group, help, unit and RELION's names."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

UNIT_OF_SUFFIX = {
    "A": "Å",
    "A2": "Å²",
    "px": "px",
    "deg": "degrees",
    "kV": "kV",
    "mm": "mm",
    "mrad": "mrad",
    "GB": "GB",
    "A3": "Å³",
    "kDa": "kDa",
    "percent": "%",
}
SYMMETRY = re.compile(r"(C|D)([1-9][0-9]?)|T|O|I[1-4]?")


class JobParams(BaseModel):
    """The parameters of one job: immutable, checked, and refusing names that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def option(
    group: str,
    text: str,
    *relion: str,
    off: tuple[str, ...] = (),
    absent: object = None,
    absent_text: str = "",
    zero_is_off: bool = False,
    advanced: bool = False,
    **bounds: Any,
) -> FieldInfo:
    """The description of one field, for use in ``Annotated``.

    ``relion`` are RELION's names of it and ``off`` those that mean False. ``absent`` is what RELION
    takes where our default differs and its command line does not name the option; ``absent_text``
    says so where we cannot do the same. With ``zero_is_off`` the value 0 (RELION: any value below)
    switches the thing off.
    """
    details: dict[str, Any] = {"group": group, "relion": list(relion), "advanced": advanced}
    if off:
        details["relion_off"] = list(off)
    if absent is not None:
        details["relion_absent"] = absent
    if absent_text:
        details["relion_absent_text"] = absent_text
    if zero_is_off:
        details["zero_is_off"] = True
    info: FieldInfo = Field(description=text, json_schema_extra=details, **bounds)
    return info


def unit(name: str) -> str:
    """The unit that the last part of a field's name states, or an empty string."""
    return UNIT_OF_SUFFIX.get(name.rpartition("_")[2], "") if "_" in name else ""


def symmetry_name(name: str) -> str:
    """The point group's name in capitals; a ValueError names the accepted ones."""
    capital = name.strip().upper()
    if not SYMMETRY.fullmatch(capital):
        raise ValueError(
            f"the symmetry '{name}' is not known: use C1 to C99, D1 to D99, T, O, I or I1 to I4"
        )
    return capital
