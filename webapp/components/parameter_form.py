"""A form for the parameters of any job, made from their model: a field with its note for each of them."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import panel as pn
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from compute.params.option import JobParams, unit
from webapp.components.tick import Tick
from webapp.launch.local import gpus_present
from webapp.options import details, is_flag, stem

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
}
"""Parameters that name files, with the endings that fit."""
AUTOMATIC, NO_GPU = "automatic", "CPU only"
THREE_WAYS: Mapping[str, bool | None] = {AUTOMATIC: None, "yes": True, "no": False}
CAPITALS = {
    "ctf": "CTF",
    "fsc": "FSC",
    "gpu": "GPU",
    "mpi": "MPI",
    "healpix": "HEALPix",
    "snr": "SNR",
    "mtf": "MTF",
}
NAMES = {
    "mpi": "Processes",
    "gpu": "GPUs",
    "preread_images": "Images in memory",
    "scratch_dir": "Scratch folder",
}
"""What fields are called where their parameter's name says it less well."""


def gpu_choices() -> dict[str, str | None]:
    """What a job can compute on: the cores, all GPUs, or one of them."""
    present = gpus_present()
    some = {"all GPUs": ""} if present else {}
    return {NO_GPU: None, **some, **{f"GPU {n}": str(n) for n in range(present)}}


@dataclass(slots=True)
class Field:
    """One parameter: its widget, what is said below it, and where it belongs."""

    name: str
    info: FieldInfo
    widget: pn.widgets.Widget | Tick
    note: pn.pane.HTML
    row: pn.Column
    fact: str = ""
    fact_kind: str = ""
    error: str = ""
    is_marked: bool = False
    is_touched: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether it is needed but nobody has come to it yet, which is no mistake of anybody's."""
        return bool(self.error) and not self.is_touched and self.value in ("", None)

    @property
    def value(self) -> Any:
        """What is filled in; None where that means "not given"."""
        value = self.widget.value
        if self.name == "gpu":
            return gpu_choices().get(value)
        if isinstance(value, str) and is_flag(self.info):
            return THREE_WAYS[value]
        if isinstance(value, str):
            value = value.strip()
            is_text = str in (self.info.annotation, *get_args(self.info.annotation))
            if value == "" and not is_text:
                return None if self.accepts_none else ""
            if value == "" and self.accepts_none:
                return None
        return value

    @property
    def accepts_none(self) -> bool:
        """Whether the parameter may be left out."""
        return type(None) in get_args(self.info.annotation)

    def set(self, value: Any) -> None:
        """Fill the field."""
        if isinstance(self.widget, pn.widgets.TextInput):
            self.widget.value = "" if value is None else _plain(value)
        elif self.name == "gpu":
            known = {meaning: text for text, meaning in gpu_choices().items()}
            self.widget.value = known.get(value, NO_GPU)
        elif isinstance(self.widget, pn.widgets.Select) and is_flag(self.info):
            self.widget.value = next(text for text, means in THREE_WAYS.items() if means is value)
        elif isinstance(self.widget, Tick):
            self.widget.value = value in (True, "True", "true", "yes", "1")
        else:
            self.widget.value = value

    def draw(self) -> None:
        """Say what is wrong, or what is known, or what the parameter means."""
        mark = '<span class="chip waiting">changed</span> ' if self.is_marked else ""
        is_wrong = bool(self.error) and not self.is_missing
        if is_wrong:
            text = f'<p class="field-note bad" role="alert">{html.escape(self.error)}</p>'
        elif self.fact:
            text = f'<p class="field-note {self.fact_kind}">{self.fact}</p>'
        else:
            needed = "<b>Needed.</b> " if self.is_missing else ""
            text = f'<p class="field-note">{needed}{self.info.description}</p>'
        text = mark + text
        if self.note.object != text:
            self.note.object = text
        classes = ["wrong"] if is_wrong else []
        if self.widget.css_classes != classes:
            self.widget.css_classes = classes


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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
        widget = _widget(name, info)
        note = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10, 6, 10))
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
            if not _same(one.value, one.info.get_default())
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

    def errors(self) -> list[str]:
        """All that is wrong, with the field's name; without those that wait for a first word."""
        found = [
            f"{label(name)}: {one.error}"
            for name, one in self.fields.items()
            if one.error and not one.is_missing
        ]
        return [*found, *([self.complaint] if self.complaint else [])]


def _same(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return value == default
    if isinstance(default, (int, float)):
        try:
            return float(value) == float(default)
        except (TypeError, ValueError):
            return False
    return (value or "") == (default if isinstance(default, str) else default or "")


def same(value: Any, before: Any) -> bool:
    """Whether a filled-in value means the same as a recorded one."""
    if isinstance(before, bool) or isinstance(value, bool):
        return bool(value) == bool(before)
    if isinstance(before, (int, float)):
        try:
            return float(value) == float(before)
        except (TypeError, ValueError):
            return False
    return (value or "") == (before or "")


def label(name: str) -> str:
    """A parameter's name as a form shows it."""
    if name in NAMES:
        return NAMES[name]
    words = " ".join(CAPITALS.get(word, word) for word in stem(name).split("_"))
    return words[:1].upper() + words[1:]


def _widget(name: str, info: FieldInfo) -> pn.widgets.Widget | Tick:
    """The widget of a parameter: a tick, a choice, or a line of text that is checked as it is typed."""
    text = label(name) + (f" ({unit(name)})" if unit(name) else "")
    kinds = get_args(info.annotation)
    default = "" if info.is_required() else info.get_default()
    if is_flag(info):
        if type(None) in kinds:
            return pn.widgets.Select(
                label=text, options=list(THREE_WAYS), value=AUTOMATIC, width=260
            )
        return Tick(text=text, value=bool(default), width=260, margin=(5, 10))
    if kinds and all(isinstance(kind, str) for kind in kinds):
        return pn.widgets.Select(label=text, options=list(kinds), value=default, width=260)
    if name == "gpu":
        return pn.widgets.Select(label=text, options=list(gpu_choices()), value=NO_GPU, width=260)
    is_long = str in (info.annotation, *kinds)
    value = "" if default is None else _plain(default)
    if is_long:
        return pn.widgets.TextInput(label=text, value=value, sizing_mode="stretch_width")
    return pn.widgets.TextInput(label=text, value=value, width=260)


def is_advanced(info: FieldInfo) -> bool:
    """Whether a parameter is shown only on request."""
    return bool(details(info).get("advanced"))
