"""A table as HTML: sortable, with links and states, copied or saved as tab-separated text."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from webapp.components.sheet import OWN_SHEETS


class Table(JSComponent):
    """Rows of plain values under columns.

    A column is a dict with `key` and `label` and, where wanted, `unit`, `digits`, `help`, `kind`
    ("number", "status", "path", "tags", or "star" with `place` and `about`, the keys of what has the star in the
    interface and in words), `link` (the key of the row's address), `download`, and `text` (the key of what is
    shown, while the column is sorted and copied by its value). `chosen` is the index of the row that the reader has
    picked, -1 for none. Rows of an `is_remote` table are sorted by whoever fills it: `order_key` and `is_down` say
    what the reader has asked for.

    The rows are sent as one text: Bokeh walks through lists of dicts again and again, in search of models.
    """

    columns = param.List(default=[], item_type=dict)
    rows = param.List(default=[], item_type=dict)
    rows_text = param.String(default="[]")
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
    _stylesheets = OWN_SHEETS
    _rename: ClassVar[Mapping[str, str | None]] = {"rows": None}

    @param.depends("rows", watch=True, on_init=True)
    def _write_rows(self) -> None:
        rows = [*map(_plain, self.rows)]
        self.rows_text = json.dumps(rows, ensure_ascii=False, default=_number)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: a number that is none is not there."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def _number(value: Any) -> Any:
    """A number of numpy's as a plain one."""
    return value.item()
