"""The tabs of a refinement show what they are drawn with, and ask for another iteration only for a reader's click."""

from db.repository import jobs
from tests.webapp.components.rows import iteration, start
from tests.webapp.pages.conftest import Desk
from webapp.components.look import LIGHT
from webapp.components.table import Table
from webapp.pages.refine_tabs import Overview
from webapp.pages.shown import Shown
from webapp.records import JobRecords, extended
from webapp.views import JobView


def shown_after(view: JobView, last: int, row: int) -> Shown:
    """The moment in which so many iterations have finished, and one of them is looked at."""
    rows = [iteration(number) for number in range(1, last + 1)]
    return Shown(view, extended(JobRecords(), [start(), *rows], last), rows[row - 1])


def test_a_click_on_a_row_asks_for_its_iteration_and_drawing_asks_for_none(desk: Desk) -> None:
    with desk.store.database.writing() as session:
        job = jobs.create(session, desk.project.id, "refine", {}, who=desk.store.user_id)
    view = desk.store.job(job.id)
    asked: list[int] = []
    tab = Overview(shown_after(view, 2, 2), LIGHT, asked.append)
    (table,) = tab.panel.select(Table)
    for last, row in ((2, 2), (3, 3), (4, 2)):
        tab.draw(shown_after(view, last, row))
        assert (len(table.rows), table.chosen) == (last, row - 1)
    assert asked == []
    table.chosen = 3
    assert asked == [4]
