"""What a tab says while it has nothing to show: never a blank sheet, and nothing that will not come."""

from pathlib import Path

from db.words import ENDED
from webapp.components.words import Words
from webapp.pages.shown import Shown

READING = '<p class="faint reading">Reading …</p>'
DRAWING = '<p class="faint">Drawing …</p>'
TOO_EARLY = '<p class="notice">The result is shown here once the job has finished.</p>'
NO_RESULT = (
    '<p class="notice">The job ended without a result. The sentence above and the log tell why.</p>'
)


def result_words(shown: Shown, result: Path | None) -> str:
    """What stands in the place of a result before it is drawn; `result` is the file that it is read from."""
    if result is not None and result.exists():
        return READING
    return NO_RESULT if shown.view.job.state in ENDED else TOO_EARLY


def said(words: str) -> Words:
    """Words in the width of the tab."""
    return Words(words, sizing_mode="stretch_width")
