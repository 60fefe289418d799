"""Maps in 3D in the browser: isosurfaces of the map, its halves or both, fetched over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import panel as pn
import param
from panel.custom import JSComponent

from webapp.components.look import Look
from webapp.components.sheet import NGL_SCRIPT, OWN_SHEETS
from webapp.components.tick import tick_for

CHOICES = {
    "map": "the map",
    "half 1": "half 1",
    "half 2": "half 2",
    "overlay": "both halves, half 2 as a mesh",
}
AUTOMATIC = 0.0
"""The level of a surface whose map says itself where the molecule ends."""
LOWEST_SIGMA, HIGHEST_SIGMA = 0.1, 15.0
FIRST_SIGMA = 3.0
"""What a slider shows until the map is there."""
MAP_COLOUR = "#7fb7c4"


@dataclass(frozen=True, slots=True)
class Tint:
    """The colours of a surface: the address of a map of values, their range, and the colours from low to high."""

    url: str
    low: float
    high: float
    colours: tuple[str, ...]


class Surface(JSComponent):
    """The view itself. `maps` lists dicts with `url`, `name`, `color` and, where wanted, `is_mesh`, `opacity`.

    `level` is in σ above the mean, the same for all maps, or `AUTOMATIC`: each map's own. `suggested` is
    the first map's own.

    With `tint_url`, `scale` and `domain` a surface has the colours of another map's values.

    `snapshot` and `center` are counters: each step asks for a picture, or for the whole map in
    view. `state` says what the browser shows. Views of one page with the same `camera_group` move together.
    """

    maps = param.List(default=[], item_type=dict)
    level = param.Number(default=AUTOMATIC)
    suggested = param.Number(default=AUTOMATIC)
    backdrop = param.String(default="#ffffff")
    script = param.String(default=NGL_SCRIPT)
    spin = param.Boolean(default=False)
    snapshot = param.Integer(default=0)
    center = param.Integer(default=0)
    file_name = param.String(default="map")
    state = param.String(default="")
    view_height = param.Integer(default=420)
    camera_group = param.String(default="")

    _esm = Path(__file__).parent / "volume.js"
    _stylesheets = OWN_SHEETS


class LevelSlider(pn.viewable.Viewer):
    """The level of a surface, in σ: the map's own until somebody moves it, and again when that is pressed."""

    level = param.Number(default=FIRST_SIGMA, bounds=(LOWEST_SIGMA, HIGHEST_SIGMA), step=0.1)

    def __init__(self, surface: Surface, words: str = "Level", width: int = 260) -> None:
        super().__init__()
        self._surface = surface
        self._told = self.level
        slider = pn.widgets.FloatSlider.from_param(
            self.param.level, label=f"{words} (σ above the mean)", width=width
        )
        own = pn.widgets.Button(label="Suggest", align=("start", "center"))
        own.on_click(lambda _: self.suggest())
        self._panel = pn.Row(slider, own, align="center")
        surface.param.watch(lambda _: self._follow(), "suggested")

    def suggest(self) -> None:
        """Go back to the map's own level."""
        self._surface.level = AUTOMATIC
        self._follow()

    def _follow(self) -> None:
        """Show the map's own level, where nobody has set another."""
        suggested = self._surface.suggested
        if self._surface.level == AUTOMATIC and suggested:
            self._told = min(HIGHEST_SIGMA, max(LOWEST_SIGMA, suggested))
            self.level = self._told

    @param.depends("level", watch=True)
    def _set(self) -> None:
        if self._surface.level != AUTOMATIC or self.level != self._told:
            self._surface.level = self.level

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


class VolumeViewer(pn.viewable.Viewer):
    """The view with its controls: which maps, level in σ, spin, centre and snapshot."""

    shown = param.Selector(default="map", objects=list(CHOICES))
    is_spinning = param.Boolean(default=False, label="spin")

    def __init__(self, look: Look, file_name: str = "map", **params: object) -> None:
        super().__init__(**params)
        self._look = look
        self._urls: dict[str, str] = {}
        self._tint: Tint | None = None
        self.surface = Surface(backdrop=look.card, file_name=file_name, sizing_mode="stretch_width")
        self._panel = self._layout()

    def _layout(self) -> pn.viewable.Viewable:
        self._choice = pn.widgets.RadioButtonGroup.from_param(self.param.shown)
        whole = pn.widgets.Button(label="Whole map")
        picture = pn.widgets.Button(label="Save picture")
        whole.on_click(lambda _: self.surface.param.update(center=self.surface.center + 1))
        picture.on_click(lambda _: self.surface.param.update(snapshot=self.surface.snapshot + 1))
        return pn.Column(
            pn.FlexBox(
                self._choice,
                LevelSlider(self.surface),
                tick_for(self, "is_spinning"),
                whole,
                picture,
                align_items="center",
            ),
            self.surface,
            sizing_mode="stretch_width",
        )

    def draw(self, urls: Mapping[str, str], tint: Tint | None = None) -> None:
        """Other maps: addresses of "map", "half 1" and "half 2", as far as there are; `tint` colours the map."""
        if (dict(urls), tint) == (self._urls, self._tint):
            return
        self._urls, self._tint = dict(urls), tint
        can_overlay = {"half 1", "half 2"} <= set(urls)
        present = [name for name in CHOICES if name in urls or (name == "overlay" and can_overlay)]
        self._choice.visible = len(present) > 1
        if present:
            self.param.shown.objects = present
            if self.shown not in present:
                self.shown = present[0]
        self._choose()

    @param.depends("shown", watch=True)
    def _choose(self) -> None:
        look = self._look
        if self.shown == "overlay":
            self.surface.maps = [
                {"url": self._urls["half 1"], "name": "half 1", "color": look.sky},
                {
                    "url": self._urls["half 2"],
                    "name": "half 2",
                    "color": look.orange,
                    "is_mesh": True,
                },
            ]
        elif self.shown in self._urls:
            colour = {"half 1": look.sky, "half 2": look.orange}.get(self.shown, MAP_COLOUR)
            entry: dict[str, object] = {
                "url": self._urls[self.shown],
                "name": self.shown,
                "color": colour,
            }
            tint = self._tint
            if tint is not None and self.shown == "map":
                entry |= {
                    "tint_url": tint.url,
                    "scale": list(tint.colours),
                    "domain": [tint.low, tint.high],
                }
            self.surface.maps = [entry]
        else:
            self.surface.maps = []

    @param.depends("is_spinning", watch=True)
    def _spin(self) -> None:
        self.surface.spin = self.is_spinning

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
