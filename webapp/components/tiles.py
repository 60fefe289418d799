"""Small pictures in rows, one of which can be chosen."""

from pathlib import Path

import param
from panel.custom import JSComponent

from webapp.components.sheet import OWN_SHEETS


class Tiles(JSComponent):
    """Pictures, dicts with `src`, an address that holds it whole, and `label`; `chosen` counts from 0, -1 is none."""

    pictures = param.List(default=[], item_type=dict)
    chosen = param.Integer(default=-1)

    _esm = Path(__file__).parent / "tiles.js"
    _stylesheets = OWN_SHEETS
