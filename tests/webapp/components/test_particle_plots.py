from pathlib import Path

import numpy as np
import pytest
from bokeh.events import SelectionGeometry

from compute.files.errors import InputError
from webapp.components.look import DARK
from webapp.components.particle_plots import (
    FIGURES,
    ParticleFigures,
    histogram_data,
    histogram_plots,
    outliers,
    read_figures,
)

DATA = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
1 3.5

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnNormCorrection #3
_rlnRandomSubset #4
_rlnLogLikeliContribution #5
_rlnMaxValueProbDistribution #6
000001@a.mrcs 1 0.75 1 100.5 0.5
000002@a.mrcs 1 0.80 2 101.5 0.6
"""
MODEL = """
data_model_groups

loop_
_rlnGroupNumber #1
_rlnGroupName #2
_rlnGroupNrParticles #3
_rlnGroupScaleCorrection #4
1 a 2 0.97
"""


def figures(norm: np.ndarray) -> ParticleFigures:
    count = len(norm)
    return ParticleFigures(
        names=[f"{n + 1:06d}@a.mrcs" for n in range(count)],
        half=np.ones(count, dtype=np.int64),
        pmax=np.full(count, 0.5),
        norm=norm,
        log_likelihood=np.full(count, 7.0),
        scale=np.ones(3),
    )


def test_columns_of_a_refinement_are_read(tmp_path: Path) -> None:
    (tmp_path / "run_data.star").write_text(DATA)
    (tmp_path / "run_model.star").write_text(MODEL)
    found = read_figures(tmp_path / "run_data.star", tmp_path / "run_model.star")
    assert found.names == ["000001@a.mrcs", "000002@a.mrcs"]
    assert found.norm.tolist() == [0.75, 0.80]
    assert found.log_likelihood.tolist() == [100.5, 101.5]
    assert found.pmax.tolist() == [0.5, 0.6]
    assert found.half.tolist() == [1, 2]
    assert found.scale.tolist() == [0.97]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none_data.star"):
        read_figures(tmp_path / "none_data.star", None)


def test_every_particle_is_in_a_bar() -> None:
    norm = np.random.default_rng(0).normal(0.75, 0.05, 500)
    data = histogram_data(figures(norm))
    assert sum(data["norm"]["top"]) == 500
    assert sum(data["scale"]["top"]) == 3
    assert len(histogram_plots(data, DARK).figures) == 4


def test_a_range_is_shaded_and_a_particle_is_marked() -> None:
    plots = histogram_plots(histogram_data(figures(np.linspace(0.5, 1.0, 50))), DARK)
    plots.shade("norm", 0.7, None)
    assert [name for name, box in plots.ranges.items() if box.visible] == ["norm"]
    assert plots.ranges["norm"].left == 0.7
    plots.shade("", None, None)
    assert not any(box.visible for box in plots.ranges.values())
    plots.mark({"pmax": 0.5, "norm": None})
    assert [name for name, place in plots.places.items() if place.visible] == ["pmax"]
    assert plots.places["pmax"].location == 0.5


def test_a_drawn_range_is_told_once_with_the_digits_of_the_mouse() -> None:
    plots = histogram_plots(histogram_data(figures(np.linspace(0.5, 1.0, 50))), DARK)
    told: list[tuple[str, float, float]] = []
    plots.when_drawn(lambda *said: told.append(said))
    drawn = dict(zip(FIGURES, plots.figures, strict=True))
    for name, is_final, ends in (
        ("norm", False, (0.8, 0.7)),
        ("norm", True, (0.812345678, 0.712345678)),
        ("norm", True, (0.7, 0.7)),
        ("log_likelihood", True, (-12345.6789, 23456.789)),
        ("scale", True, (0.0, 1.0)),
    ):
        geometry = {"type": "rect", "x0": ends[0], "x1": ends[1]}
        drawn[name]._trigger_event(SelectionGeometry(drawn[name], geometry, final=is_final))
    assert told == [("norm", 0.7123, 0.8123), ("log_likelihood", -12350.0, 23460.0)]


def test_particles_far_from_the_others_come_farthest_first() -> None:
    norm = np.random.default_rng(0).normal(0.75, 0.01, 200)
    norm[[17, 60]] = [1.5, 0.3]
    found = outliers(figures(norm))
    assert [row["row"] for row in found] == [18, 61]
    assert found[0]["image"] == "000018@a.mrcs"
    assert found[0]["distance"] > found[1]["distance"] > 5


def test_equal_particles_have_no_outliers() -> None:
    assert outliers(figures(np.full(50, 0.75))) == []
