"""The tables of iterations have a place for everything that a job reports of one."""

from compute.files.events import Iteration
from db.models.records import IterationCurves, IterationRow
from db.repository.progress import CURVES


def test_every_figure_and_curve_of_an_iteration_has_its_column() -> None:
    fields = set(Iteration.model_fields) - {"kind"}
    figures, curves = (set(one.__table__.columns.keys()) for one in (IterationRow, IterationCurves))
    assert fields & curves == CURVES
    assert fields - CURVES <= figures
