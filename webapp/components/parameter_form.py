"""A form for the parameters of any job, made from their model: a field with its note for each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import panel as pn
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from compute.params.option import JobParams
from webapp.components.fields import Field, label, same, widget_for
from webapp.components.words import Words
from webapp.options import stem

NOT_IN_FORMS = {"output", "continue_from"}
"""Given by the project and by the button "Continue"."""
FILES: Mapping[str, tuple[str, ...]] = {
    "particles": (".star",),
    "match_particles": (".star",),
    "micrographs": (".star",),
    "coordinates": (".star", ".box"),
    "reference": (".mrc", ".map"),
    "reference_half1": (".mrc",),
    "reference_half2": (".mrc",),
    "solvent_mask": (".mrc",),
    "mask": (".mrc",),
    "map": (".mrc", ".map"),
    "maps": (".mrc", ".map"),
    "tables": (".star",),
    "and_map": (".mrc", ".map"),
    "or_map": (".mrc", ".map"),
    "and_not_map": (".mrc", ".map"),
    "or_not_map": (".mrc", ".map"),
    "truth": (".mrc",),
    "half1": (".mrc",),
    "half2": (".mrc",),
    "half_map": (".mrc",),
    "model": (".pdb", ".cif", ".mrc"),
    "input": (".star", ".mrc"),
    "mtf": (".star",),
    "ctf_table": (".csv",),
    "files": (".mrc", ".mrcs", ".tif", ".tiff", ".eer", ".star", ".cs", ".box"),
    "micrographs_star": (".star",),
    "passthrough": (".cs",),
}
"""Parameters that name files, with the endings that fit."""


@dataclass(slots=True)
class ParameterForm:
    """All fields of a model, in their order; `changed` is called after every change."""

    model: type[JobParams]
    changed: Callable[[str], None]
    browse: Callable[[str, tuple[str, ...]], None]
    fields: dict[str, Field] = field(default_factory=dict)
    complaint: str = ""

    def __post_init__(self) -> None:
        for name, info in self.model.model_fields.items():
            if name not in NOT_IN_FORMS:
                self.fields[name] = self._field(name, info)

    def _field(self, name: str, info: FieldInfo) -> Field:
        widget = widget_for(name, info)
        note = Words("", sizing_mode="stretch_width", margin=(0, 10, 6, 10))
        parts: list[object] = [widget]
        if name in FILES:
            button = pn.widgets.Button(label="Browse", align="end", margin=(5, 5, 5, 0))
            button.on_click(lambda _: self.browse(name, FILES[name]))
            parts.append(button)
        row = pn.Column(
            pn.Row(*parts, sizing_mode="stretch_width"),
            note,
            css_classes=[f"field-{name}"],
            sizing_mode="stretch_width",
        )
        made = Field(name, info, widget, note, row)
        made.draw()
        widget.param.watch(lambda _: self._touched(made), "value")
        return made

    def _touched(self, one: Field) -> None:
        one.is_touched = True
        self.changed(one.name)

    def touch(self) -> None:
        """From now on an empty field that is needed is a mistake: the form was sent."""
        for one in self.fields.values():
            one.is_touched = True

    def values(self) -> dict[str, Any]:
        """What is filled in, by parameter."""
        return {name: one.value for name, one in self.fields.items()}

    def given(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {
            name: one.value
            for name, one in self.fields.items()
            if not same(one.value, None if one.info.is_required() else one.info.get_default())
        }

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set fields; names without one are left alone."""
        for name, value in values.items():
            if name in self.fields:
                self.fields[name].set(value)

    def check(self, output: str) -> JobParams | None:
        """The checked parameters; None where something is wrong, which then stands under its field."""
        self.complaint = ""
        for one in self.fields.values():
            one.error = ""
        made = None
        try:
            values = {name: value for name, value in self.values().items() if value is not None}
            made = self.model.model_validate({**values, "output": output})
        except ValidationError as error:
            for problem in error.errors():
                self._complain(dict(problem))
        for one in self.fields.values():
            one.draw()
        return made

    def _complain(self, problem: dict[str, Any]) -> None:
        message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
        message = message[:1].upper() + message[1:]
        if problem["type"] == "missing":
            message = "This is needed"
        where = str(problem["loc"][0]) if problem["loc"] else self._named_in(message)
        if where in self.fields:
            self.fields[where].error = f"{message}."
        else:
            self.complaint = f"{message}."

    def _named_in(self, message: str) -> str:
        """The field that a sentence about several fields speaks of first."""
        words = message.lower().replace("_", " ").replace("-", " ")
        places = {
            name: words.find(stem(name).replace("_", " ").rstrip("s")) for name in self.fields
        }
        found = {name: place for name, place in places.items() if place >= 0}
        empty = [name for name in found if self.fields[name].value in ("", None)]
        if empty:
            return min(empty, key=found.__getitem__)
        return min(found, key=found.__getitem__) if found else ""

    def missing(self) -> list[str]:
        """The names of the fields that still wait for something."""
        return [label(name) for name, one in self.fields.items() if one.is_missing]

    def wrong(self) -> list[tuple[str, str]]:
        """All that is wrong, by parameter; "" for what is about several. Without those that wait for a first word."""
        found = [
            (name, f"{label(name)}: {one.error}")
            for name, one in self.fields.items()
            if one.error and not one.is_missing
        ]
        return [*found, *([("", self.complaint)] if self.complaint else [])]

    def errors(self) -> list[str]:
        """The sentences of what is wrong."""
        return [sentence for _, sentence in self.wrong()]
