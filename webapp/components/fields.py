"""The field of one parameter of a form: its widget, its name, what is said below it, and what its value means."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import panel as pn
from pydantic.fields import FieldInfo

from compute.params.option import unit
from webapp.components.tick import Tick
from webapp.launch.local import gpus_present
from webapp.options import details, is_flag, stem

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
    "micrographs_star": "Micrographs",
    "kind": "What they are",
    "append": "Add to what the folder holds",
    "passthrough": "Passthrough files",
    "float16": "Half precision",
    "minimum_pick_fom": "Least figure of merit",
    "recenter": "Re-centre",
    "recenter_x": "Centre on x (px of the map)",
    "recenter_y": "Centre on y (px of the map)",
    "recenter_z": "Centre on z (px of the map)",
    "rescale_box": "Rescale to box",
    "window_box": "Cut to box",
    "tables": "STAR files",
    "prefer": "Column to prefer by",
    "discard_sigma": "Unusual from (deviations)",
    "regroup_count": "Groups",
}
"""What fields are called where their parameter's name says it less well."""
MEANINGS = {"gpu": "What the search runs on: the processor's cores, all GPUs, or one of them."}
"""What fields mean where their parameter's text is about a command's words."""


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
            means = MEANINGS.get(self.name, self.info.description)
            text = f'<p class="field-note">{needed}{means}</p>'
        text = mark + text
        if self.note.object != text:
            self.note.object = text
        classes = ["wrong"] if is_wrong else []
        if self.widget.css_classes != classes:
            self.widget.css_classes = classes


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def same(value: Any, before: Any) -> bool:
    """Whether a value means the same as a recorded one, or as the default: nothing given is an empty text."""
    if isinstance(before, bool) or isinstance(value, bool):
        return value is before
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


def widget_for(name: str, info: FieldInfo) -> pn.widgets.Widget | Tick:
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
