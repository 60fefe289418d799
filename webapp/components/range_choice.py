"""Narrowing a table down to the rows whose value in one column lies between two bounds."""

from collections.abc import Callable, Sequence

import panel as pn

from webapp.components.particle_rows import COLUMNS, Range

ANY_VALUE = "any value"
LABELS = {
    column["key"]: f"{column['label']} ({column['unit']})"
    if "unit" in column
    else str(column["label"])
    for column in COLUMNS
}


class RangeChoice(pn.viewable.Viewer):
    """A column and two bounds, either of which may be left out; `changed` follows every change."""

    def __init__(self, changed: Callable[[], None], **params: object) -> None:
        super().__init__(**params)
        self._changed = changed
        self._is_filling = False
        self._column = pn.widgets.Select(label="Only where", options=[ANY_VALUE], width=150)
        self._low = pn.widgets.FloatInput(label="is at least", value=None, width=130)
        self._high = pn.widgets.FloatInput(label="and at most", value=None, width=130)
        self._low.visible = self._high.visible = False
        for widget in (self._column, self._low, self._high):
            widget.param.watch(self._touched, "value")
        self._panel = pn.Row(self._column, self._low, self._high)

    @property
    def range(self) -> Range | None:
        """What is asked for; None where every value will do."""
        key = next((key for key, text in LABELS.items() if text == self._column.value), None)
        return None if key is None else Range(key, self._low.value, self._high.value)

    def offer(self, keys: Sequence[str]) -> None:
        """The columns that can be chosen; the choice is kept where it is among them."""
        self._is_filling = True
        self._column.options = [ANY_VALUE, *(LABELS[key] for key in keys)]
        if self._column.value not in self._column.options:
            self._column.value = ANY_VALUE
        self._is_filling = False

    def choose(self, wanted: Range | None) -> None:
        """Fill in a range, or none; one of a column that is not offered is left out."""
        if wanted is not None and LABELS[wanted.key] not in self._column.options:
            return
        self._is_filling = True
        self._column.value = ANY_VALUE if wanted is None else LABELS[wanted.key]
        self._low.value = None if wanted is None else wanted.low
        self._high.value = None if wanted is None else wanted.high
        self._is_filling = False
        self._touched(None)

    def _touched(self, _: object) -> None:
        if self._is_filling:
            return
        self._low.visible = self._high.visible = self._column.value != ANY_VALUE
        self._changed()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
