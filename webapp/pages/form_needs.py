"""What a refinement will take while it is a form: asked of the preview worker, which forecasts as the job does."""

from typing import Any

from compute.params.preview import ForecastRequest
from compute.params.refine import RefineParams
from webapp.components.derived import Fact, Machine
from webapp.components.headers import ParticleHeader
from webapp.components.needs import device_fact, disk_fact, memory_fact, needs_html
from webapp.components.words import Words
from webapp.launch.local import Share
from webapp.pages.background import Background
from webapp.preview import PreviewError
from webapp.store import Store

NOT_SIZES = {"output", "particles", "reference", "random_seed"}
"""Parameters that change nothing about the memory."""


class FormNeeds:
    """The lines on memory and disk; a forecast is asked for once for each set of sizes."""

    def __init__(self, store: Store, background: Background) -> None:
        self._store, self._background = store, background
        self._asked: dict[str, Any] | None = None
        self._forecast: dict[str, Fact] = {}
        self._disk: dict[str, Fact] = {}
        self.panel = Words("", sizing_mode="stretch_width")

    def draw(
        self,
        params: RefineParams | None,
        particles: ParticleHeader | None,
        share: Share | None,
        machine: Machine,
    ) -> None:
        """Say what these parameters take; nothing while they are not complete."""
        if params is None or particles is None or share is None:
            self._asked, self._forecast, self._disk = None, {}, {}
            self._write()
            return
        self._disk = {"Disk": disk_fact(particles, machine)}
        sizes = {
            "particles": particles.particles,
            "box": particles.box_size,
            "pixel_size_A": particles.pixel_size_A,
            "ranks": share.ranks,
            "threads": share.threads,
            "gpus": 0
            if params.gpu is None
            else len(params.gpu.split(":"))
            if params.gpu
            else machine.gpus,
        }
        key = {**sizes, "params": params.model_dump(exclude=NOT_SIZES)}
        if key != self._asked:
            self._asked = key
            self._forecast = {"Memory": Fact("…")}
            request = ForecastRequest(params=params, **sizes)
            self._background.run("memory", lambda: self._answer(request, machine), self._arrived)
        self._write()

    def _answer(self, request: ForecastRequest, machine: Machine) -> dict[str, Fact]:
        try:
            said = self._store.previews.ask(request).values
        except PreviewError as error:
            return {"Memory": Fact(f"no forecast: {error}", "bad")}
        facts = {"Memory": memory_fact(said["roles"], machine)}
        return facts | ({"GPU memory": device_fact(said["device"])} if said["device"] else {})

    def _arrived(self, facts: dict[str, Fact]) -> None:
        self._forecast = facts
        self._write()

    def _write(self) -> None:
        self.panel.object = needs_html({**self._forecast, **self._disk})
