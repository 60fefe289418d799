"""Post-processing before it is run: what other masks, B-factors and filters would give, drawn as they are moved."""

import html
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import panel as pn
from bokeh.models import LinearColorMapper

from compute.files.errors import InputError
from webapp.components import fsc_plot
from webapp.components.fsc_plot import Limits
from webapp.components.go import Go
from webapp.components.guinier_plot import guinier_data, guinier_plot
from webapp.components.look import Look
from webapp.components.sharpen_controls import SharpenControls
from webapp.components.sharpen_words import asked, asked_mask, commands, words
from webapp.components.slice_figure import SliceFigure
from webapp.components.slices import fixed_palette
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import columns, pane, row
from webapp.pages.shown import Shown
from webapp.preview import PreviewError
from webapp.sharpening import Curves, Settings, fsc_key, measured, previewed, settings_of
from webapp.sharpening import Shown as Previewed
from webapp.store import Store

TOO_EARLY = (
    "Post-processing works on the two half-maps that the last iteration of a refinement writes."
)
STARTING = "The preview program is starting; the first answer takes some seconds."
MEASURING = "The half-maps are read and their FSC is measured."
MASK = "mask"
FIGURE_PX = 300
"""So that nothing moves when the figures come."""


class SharpenTab:
    """Controls on the left; curves, amplitudes and a slice on the right; and a button that runs just that."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._store, self._background, self._look, self._shown = store, background, look, shown
        self._controls = SharpenControls(self._changed)
        self._known: tuple[Settings, Curves] | None = None
        self._levels_of: tuple[str, float] | None = None
        self._is_ready = self._is_waiting = False
        self._drawn_for: tuple = ()
        self._words = Words("", sizing_mode="stretch_width")
        self._again = pn.widgets.Button(label="Try again", visible=False)
        self._again.on_click(lambda _: self._changed())
        self._commands = Words("", sizing_mode="stretch_width")
        self._form = Words("", margin=(5, 5))
        self._go = Go()
        self._run = pn.widgets.Button(
            label="Run PostProcess with these settings", button_type="primary", disabled=True
        )
        self._run.on_click(lambda _: self._submit())
        self._plots = pn.Column(sizing_mode="stretch_width")
        self._slice = SliceFigure(
            look,
            "Z",
            shown.file_name("sharpened"),
            LinearColorMapper(palette=fixed_palette(), low=0, high=255),
            (MASK,),
        )
        self.panel: pn.viewable.Viewable = pn.Column(sizing_mode="stretch_width")

    def draw(self, shown: Shown) -> None:
        """Offer what the job has; what is set stays."""
        self._shown = shown
        if self._is_ready:
            return
        given = self._given(shown)
        if given is None:
            self.panel[:] = [pn.pane.HTML(f'<p class="notice">{TOO_EARLY}</p>')]
            return
        self._is_ready = True
        settings, thresholded = given
        self._base = settings
        self._controls.offer(self._masks(shown, settings), settings, thresholded)
        self.panel[:] = [self._layout()]
        self._changed()

    def _given(self, shown: Shown) -> tuple[Settings, Path] | None:
        """The job's half-maps with its settings, and the map whose density can become a mask."""
        view = shown.view
        if view.job.type == "postprocess":
            settings = settings_of(view.job.parameters, Path(view.project.folder))
            made = view.root.with_name(f"{view.root.name}.mrc")
            return settings, made if made.exists() else settings.half1
        halves, final = shown.half_maps(), shown.final_map()
        if halves is None or final is None or not all(path.exists() for path in (*halves, final)):
            return None
        mask = shown.fsc_mask()
        return Settings(*halves, mask if mask is not None and mask.exists() else None), final

    def _masks(self, shown: Shown, settings: Settings) -> dict[str, Path]:
        """Masks that can be chosen: that of the job, and those that jobs of the project have made."""
        found: dict[str, Path] = {}
        folder = Path(shown.view.project.folder)
        if settings.mask is not None:
            found[settings.mask.name] = settings.mask
        for node, job in self._store.project_files(shown.view.project.id):
            path = folder / node.path
            if node.content == "mask" and path.exists() and path not in found.values():
                found[f"{path.name} of job {job.number}"] = path
        return found

    def _layout(self) -> pn.viewable.Viewable:
        place = {"sizing_mode": "stretch_width", "min_height": FIGURE_PX}
        self._fsc_place, self._guinier_place = pn.Column(**place), pn.Column(**place)
        return columns(
            card("What these settings give", self._words, self._again),
            row(
                pn.Column(
                    card("Settings", self._controls.panel),
                    card(
                        "One slice",
                        pane(self._slice.figure),
                        self._controls.place,
                        sub="sharpened, with the mask's outline",
                    ),
                    width=400,
                ),
                columns(
                    card("Fourier shell correlation", self._fsc_place),
                    card(
                        "Guinier plot",
                        self._guinier_place,
                        help_text="ln of the mean amplitude of each shell. The line is fitted to the curve before "
                        "sharpening, of the map inside the mask where there is one (the solvent's noise falls less), "
                        "in the range of the dashes; four times its slope is the B-factor "
                        "(Rosenthal &amp; Henderson 2003). Sharpening makes the particle's amplitudes level; those of "
                        "the whole box, drawn in all other curves, may then rise with the noise.",
                    ),
                ),
            ),
            card(
                "Run it",
                pn.FlexBox(self._run, self._form, self._go, align_items="center"),
                self._commands,
            ),
        )

    def _changed(self) -> None:
        """After every change: ask for what is new, one question at a time, and the newest settings last."""
        if not self._is_ready:
            return
        if self._background.is_busy("sharpen"):
            self._is_waiting = True
            return
        self._is_waiting = False
        asked = self._controls.levels_request()
        key = (asked.map, asked.lowpass_A)
        needs_levels = self._controls.is_thresholded and key != self._levels_of
        known, axis, index = self._known, self._controls.axis, self._controls.index
        ask = self._store.previews.ask

        def read() -> tuple[tuple | None, str]:
            try:
                levels = ask(asked) if needs_levels else None
                settings = self._controls.settings(self._base, levels)
                if known is not None and known[0] == fsc_key(settings):
                    curves = known[1]
                else:
                    curves = measured(settings, ask)
                return (levels, settings, previewed(settings, curves, axis, index, ask)), ""
            except (PreviewError, InputError) as error:
                return None, str(error)

        self._say_it_is_on_the_way()
        self._background.run("sharpen", read, lambda found: self._arrived(key, *found))

    def _say_it_is_on_the_way(self) -> None:
        """Leave what is known in its place, and say why nothing is there yet."""
        self._words.loading = True
        self._again.visible = False
        if not self._store.previews.has_worker:
            self._words.object = f"<p class='notice' role='status'>{STARTING}</p>"
        elif self._known is None:
            self._words.object = f"<p class='notice' role='status'>{MEASURING}</p>"

    def _arrived(self, key: tuple[str, float], found: tuple | None, problem: str) -> None:
        self._words.loading = False
        if found is None:
            self._words.object = f'<p class="notice bad" role="alert">{html.escape(problem)}.</p>'
            self._again.visible = True
            self._run.disabled = True
        else:
            levels, settings, made = found
            if levels is not None:
                self._levels_of = key
                self._controls.levels_known(levels)
            self._known = (fsc_key(settings), made.curves)
            self._controls.answered(made)
            self._show(settings, made)
        if self._is_waiting:
            self._changed()

    def _show(self, settings: Settings, made: Previewed) -> None:
        """Draw what came."""
        values = made.curves.values
        extent = float(values["extent_A"])
        shells = len(made.curves.final)
        shell = values["randomised_from_shell"]
        limits = Limits(
            extent_A=extent,
            nyquist_A=extent / (shells - 1),
            randomised_from_A=extent / shell if shell else None,
        )
        names = ("corrected", "unmasked", "masked", "randomised")
        curves = {
            name: made.curves.curves[name].tolist() for name in names if name in made.curves.curves
        }
        fsc = fsc_plot.fsc_data(curves, [], limits)
        guinier = _guinier(made)
        signature = (sorted(curves), limits.nyquist_A, sorted(made.guinier.arrays))
        if self._drawn_for != signature:
            self._drawn_for = signature
            name = self._shown.file_name
            self._fsc = fsc_plot.fsc_plot(fsc, limits, self._look, name("fsc"))
            self._guinier = guinier_plot(guinier, limits.nyquist_A, self._look, name("guinier"))
            self._fsc_place[:] = [pane(self._fsc.figures[0])]
            self._guinier_place[:] = [pane(self._guinier.figures[0])]
        else:
            self._fsc.draw(fsc)
            self._guinier.draw(guinier)
        plane = {} if made.mask_plane is None else {MASK: made.mask_plane / np.float32(255)}
        index = self._controls.index
        middle = made.plane.shape[0] // 2 if index is None else index
        self._slice.draw(made.plane, made.pixel_size_A, middle, plane)
        self._words.object = words(settings, made)
        self._offer(settings)

    def _offer(self, settings: Settings) -> None:
        """The command or commands that make what is shown, and the ways to run them."""
        self._settings = settings
        project = self._shown.view.project
        text = commands(settings, Path(project.folder))
        self._commands.object = f'<pre class="command">{html.escape(text)}</pre>'
        self._run.disabled = not self._shown.view.can_edit
        values = asked(settings, Path(project.folder))
        query = urlencode({"project": project.id, "type": "postprocess", **values})
        link = f'<a class="as-button" href="new?{query}">Open in the form</a>'
        self._form.object = "" if settings.recipe is not None else link

    def _submit(self) -> None:
        """Put the job into the queue, behind one that makes the mask where that comes from a threshold."""
        view, settings = self._shown.view, self._settings
        folder = Path(view.project.folder)
        mask, after = asked_mask(settings, folder), None
        try:
            if mask is not None:
                title = f"Mask for job {view.job.number}"
                made = self._store.submit(view.project.id, "mask", mask, title=title)
                after = {"mask": f"{made.parameters['output']}.mrc"}
            values = asked(settings, folder)
            job = self._store.submit(view.project.id, "postprocess", values, after=after)
        except InputError as error:
            self._words.object = f'<p class="notice bad" role="alert">{html.escape(str(error))}</p>'
            return
        self._run.disabled = True
        self._go.address = f"job?id={job.id}"


def _guinier(made: Previewed) -> dict:
    fit = made.guinier.values["fit"]
    line = (
        None
        if fit is None
        else (fit["slope_A2"], fit["intercept"], fit["from_per_A2"], fit["to_per_A2"])
    )
    arrays = {name: values.tolist() for name, values in made.guinier.arrays.items()}
    return dict(
        guinier_data(arrays["squared_per_A2"], arrays, line, made.guinier.values["b_factor_A2"])
    )
