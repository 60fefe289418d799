"""What people attach to a job or project in the browser: star, tags and comments, over the interface for programs."""

from pathlib import Path

import param
from panel.custom import JSComponent

from webapp.components.sheet import OWN_SHEETS


class Talk(JSComponent):
    """What was said about `place` (`jobs/12` or `projects/3`), and a field to say something."""

    place = param.String(default="")

    _esm = Path(__file__).parent / "talk.js"
    _stylesheets = OWN_SHEETS


class Marks(JSComponent):
    """The star and the tags of `place` (`jobs/12`); whoever may adds tags and takes them off."""

    place = param.String(default="")
    about = param.String(default="", doc="what has the star, in words")

    _esm = Path(__file__).parent / "marks.js"
    _stylesheets = OWN_SHEETS
