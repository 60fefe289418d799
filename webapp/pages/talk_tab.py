"""The tab of a job where people talk about it, and the line with its star and tags."""

import panel as pn

from webapp.components.talk import Marks, Talk
from webapp.pages.frame import card
from webapp.pages.shown import Shown
from webapp.views import JobView


class TalkTab:
    """What was said about the job."""

    def __init__(self, shown: Shown) -> None:
        place = f"jobs/{shown.view.job.id}"
        self.panel: pn.viewable.Viewable = card(
            "Comments", Talk(place=place, sizing_mode="stretch_width")
        )

    def draw(self, shown: Shown) -> None:
        """Nothing is drawn from here: the browser asks for what was said."""


def marks_line(view: JobView) -> Marks:
    """The star and tags of a job."""
    job = view.job
    return Marks(place=f"jobs/{job.id}", about=job.name, sizing_mode="stretch_width")
