"""A table as HTML: sortable, with links and states, copied or saved as tab-separated text."""

from pathlib import Path

import param
from panel.custom import JSComponent

from webapp.components.sheet import APP_SHEET


class Table(JSComponent):
    """Rows of plain values under columns.

    A column is a dict with `key` and `label` and, where wanted, `unit`, `digits`, `help`, `kind`
    ("number", "status", "path", "tags", or "star" with `place` and `about`, the keys of what has the star in the
    interface and in words), `link` (the key of the row's address), `download`, and `text` (the key of what is
    shown, while the column is sorted and copied by its value). `chosen` is the index of the row that the reader has
    picked, -1 for none. Rows of an `is_remote` table are sorted by whoever fills it: `order_key` and `is_down` say
    what the reader has asked for.
    """

    columns = param.List(default=[], item_type=dict)
    rows = param.List(default=[], item_type=dict)
    chosen = param.Integer(default=-1)
    can_choose = param.Boolean(default=False)
    is_remote = param.Boolean(default=False)
    order_key = param.String(default="")
    is_down = param.Boolean(default=False)
    has_tools = param.Boolean(default=True)
    caption = param.String(default="")
    file_name = param.String(default="table")
    empty = param.String(default="Nothing here yet.")
    scroll_height = param.Integer(default=0)

    _esm = Path(__file__).parent / "table.js"
    _stylesheets = [APP_SHEET]
