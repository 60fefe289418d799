"""The log of a job: its last lines, with a filter by level and by text."""

from pathlib import Path

import param
from panel.custom import JSComponent

from webapp.components.sheet import OWN_SHEETS

LINES_SHOWN = 3000
BYTES_READ = 600_000


class LogView(JSComponent):
    """Lines of text with a filter; `url` is where the whole file can be had."""

    lines = param.List(default=[], item_type=str)
    url = param.String(default="")

    _esm = Path(__file__).parent / "log.js"
    _stylesheets = OWN_SHEETS


def last_lines(path: Path, most: int = LINES_SHOWN) -> list[str]:
    """The last lines of a file that may be growing; none where there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - BYTES_READ))
            data = file.read()
    except FileNotFoundError:
        return []
    return data.decode(errors="replace").splitlines()[-most:]
