"""Up to six jobs of a project side by side: figures, curves, what differs in their parameters, slices, a difference."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import panel as pn
import param
from bokeh.models import LinearColorMapper

from compute.files.errors import InputError
from compute.files.given_text import is_number
from compute.files.mrc import MapFile
from webapp.components.compare_plots import fsc_overlay, resolution_overlay
from webapp.components.comparing import (
    COLUMNS,
    MOST_JOBS,
    Compared,
    difference,
    different_parameters,
    job_rows,
)
from webapp.components.linked_surfaces import linked_surfaces
from webapp.components.look import Look
from webapp.components.side_by_side import side_by_side
from webapp.components.slice_figure import SliceFigure
from webapp.components.slices import (
    AXES,
    GreyScale,
    difference_palette,
    fixed_palette,
    grey_scale,
    greys,
    slice_of,
)
from webapp.components.table import Table
from webapp.components.tick import Tick
from webapp.components.words import Words
from webapp.job_names import name_of
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.shown import Shown
from webapp.store import Store

STEPS = 200
"""Steps of the common place along an axis: maps of different boxes are cut at the same share of theirs."""


class ComparePage(pn.viewable.Viewer):
    """The comparison of the jobs whose numbers are in the address."""

    jobs = param.String(default="", doc="the numbers of the jobs, as the address has them: 19,20")
    axis = param.Selector(default="Z", objects=list(AXES))
    place = param.Integer(default=STEPS // 2, bounds=(0, STEPS), label="Place")

    def __init__(
        self,
        store: Store,
        background: Background,
        look: Look,
        project_id: int,
        numbers: Sequence[int],
        **params: object,
    ) -> None:
        super().__init__(**params)
        self._store, self._background, self._look = store, background, look
        self.project, _ = store.project(project_id)
        numbers = list(dict.fromkeys(numbers))
        self._known = {line.job.number: line.job for line in store.project_jobs(project_id)}
        missing = [number for number in numbers if number not in self._known]
        if missing:
            raise InputError(f"project '{self.project.name}' has no job {missing[0]}")
        self._jobs: list[Compared] = []
        self._maps: dict[str, MapFile] = {}
        self._scales: dict[str, GreyScale] = {}
        self._cuts: dict[str, SliceFigure] = {}
        self._body = pn.Column(sizing_mode="stretch_width")
        self._parameters = Table(
            caption="parameters", empty="All parameters are the same.", sizing_mode="stretch_width"
        )
        self._shows_all = Tick(text="equal ones too")
        self._shows_all.param.watch(lambda _: self._show_parameters(), "value")
        self._slices = pn.FlexBox(sizing_mode="stretch_width")
        self._words = Words("", sizing_mode="stretch_width")
        self._choice = pn.widgets.MultiChoice(
            label=f"Jobs (up to {MOST_JOBS})",
            options={self._label(number): number for number in self._known},
            value=numbers[:MOST_JOBS],
            max_items=MOST_JOBS,
            sizing_mode="stretch_width",
        )
        self._choice.param.watch(lambda event: self._choose(event.new), "value")
        self._choose(self._choice.value)

    def _label(self, number: int) -> str:
        """A job in the list of choices, which the library that draws it takes for HTML."""
        job = self._known[number]
        return html.escape(f"{number} · {name_of(job)}")

    def _choose(self, numbers: Sequence[int]) -> None:
        """Show other jobs."""
        self.jobs = ",".join(map(str, numbers))
        views = [self._store.job(self._known[number].id) for number in numbers]
        self._jobs = [Compared(view, self._store.job_records(view)) for view in views]
        if len(self._jobs) < 2:
            self._body[:] = [
                pn.pane.HTML('<p class="faint">Choose at least two jobs to compare.</p>')
            ]
            return
        self._body[:] = [
            card(
                "Figures",
                Table(
                    columns=COLUMNS,
                    rows=job_rows(self._jobs),
                    file_name="jobs",
                    caption="jobs",
                    sizing_mode="stretch_width",
                ),
            ),
            side_by_side(
                card("FSC", pn.pane.Bokeh(fsc_overlay(self._jobs, self._look))),
                card(
                    "Resolution",
                    pn.pane.Bokeh(resolution_overlay(self._jobs, self._look)),
                    sub="half-map FSC 0.143",
                ),
                sizing_mode="stretch_width",
            ),
            card(
                "Parameters",
                self._shows_all,
                self._parameters,
                sub="those that differ",
            ),
            card("Slices", self._controls(), self._slices, self._words, sub="at one place in all"),
            self._surfaces(),
        ]
        self._show_parameters()
        self._background.run("maps", self._read_maps, self._show_maps)

    def _controls(self) -> pn.Row:
        return pn.Row(
            pn.widgets.RadioButtonGroup.from_param(self.param.axis),
            pn.widgets.IntSlider.from_param(self.param.place, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )

    def _surfaces(self) -> pn.Column:
        """The maps in 3D, made when they are asked for: each takes memory of the graphics card."""
        urls = {one.name: url for one in self._jobs if (url := map_url(one))}
        place = pn.Column(sizing_mode="stretch_width")
        show = pn.widgets.Button(label="Show the surfaces")
        show.on_click(lambda _: place.__setitem__(slice(None), [linked_surfaces(urls, self._look)]))
        place[:] = [show] if urls else [pn.pane.HTML('<p class="faint">No maps yet.</p>')]
        return card(
            "Surfaces",
            place,
            sub="one camera for all, each level in the map's own σ",
            help_text="Drag to turn, scroll to zoom, right-drag to move: the other maps follow at the same scale.",
        )

    def _show_parameters(self) -> None:
        columns = [{"key": "parameter", "label": "Parameter"}]
        columns += [{"key": one.name, "label": one.name} for one in self._jobs]
        self._parameters.columns = columns
        self._parameters.rows = different_parameters(self._jobs, {}, self._shows_all.value)

    def _read_maps(self) -> dict[str, MapFile]:
        """The map of each job that has one."""
        found = {}
        for one in self._jobs:
            path = map_of(one)
            if path is not None and path.is_file():
                try:
                    found[one.name] = self._store.map(path)
                except InputError:
                    continue
        return found

    def _show_maps(self, found: dict[str, MapFile]) -> None:
        self._maps = dict(found)
        self._scales = {name: grey_scale(one.volume) for name, one in found.items()}
        names = list(found)
        words = "None of these jobs has a map yet." if not names else ""
        if len(names) > 1:
            changed, words = difference(found[names[0]], found[names[1]], (names[0], names[1]))
            if changed is not None:
                name = f"{names[1]} − {names[0]}"
                reach = 5.0 * float(changed.std()) or 1.0
                self._maps[name] = MapFile(changed, found[names[0]].pixel_size_A)
                self._scales[name] = GreyScale(-reach, reach)
        self._words.object = f'<p class="faint">{html.escape(words)}</p>'
        self._cut_anew()

    @param.depends("axis", watch=True)
    def _cut_anew(self) -> None:
        """New figures for the axis: each names it."""
        self._cuts = {}
        panes = []
        for name in self._maps:
            palette = difference_palette() if "−" in name else fixed_palette()
            mapper = LinearColorMapper(palette=palette, low=0, high=255)
            self._cuts[name] = SliceFigure(self._look, self.axis, name.replace(" ", "_"), mapper)
            panes.append(
                pn.Column(
                    pn.pane.HTML(f"<b>{html.escape(name)}</b>"),
                    pn.pane.Bokeh(self._cuts[name].figure, sizing_mode="scale_width"),
                    width=300,
                )
            )
        self._slices[:] = panes
        self._cut()

    @param.depends("place", watch=True)
    def _cut(self) -> None:
        for name, cut in self._cuts.items():
            held = self._maps[name]
            index = min(held.volume.shape[0] - 1, self.place * held.volume.shape[0] // STEPS)
            plane = np.asarray(slice_of(held.volume, self.axis, index))
            cut.draw(greys(plane, self._scales[name]), held.pixel_size_A, index, {})

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(card("Compare", self._choice), self._body, sizing_mode="stretch_width")


def numbers_in(text: str) -> list[int]:
    """The job numbers in an address, `19,20`. Raises InputError for anything else."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not is_number(word):
            raise InputError(f"the address needs job numbers such as 19,20, not '{word}'")
    return [int(word) for word in words]


def map_url(one: Compared) -> str:
    """Where the browser gets the map of a job; empty where there is none."""
    path = map_of(one)
    if path is None or not path.is_relative_to(one.view.folder) or not path.is_file():
        return ""
    return Shown(one.view, one.records, one.records.newest).map_url(path)


def map_of(one: Compared) -> Path | None:
    """The map to show of a job: the final one, the newest half-map, or what the job handed on as a map."""
    shown = Shown(one.view, one.records, one.records.newest)
    if one.view.job.type == "refine":
        halves = shown.half_maps()
        return shown.final_map() or (halves[0] if halves is not None else None)
    made = [node.path for node in one.view.outputs if node.content == "map"]
    return Path(one.view.project.folder) / made[0] if made else None
