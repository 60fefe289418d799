"""The table of particles: sorted, narrowed down and paged on the server, with the question for each image."""

from pathlib import Path

import numpy as np
import pytest

from compute.files.labels import star_label
from compute.files.star import read_star, write_star
from compute.files.table import Table
from compute.params.condition import parse_conditions
from tests.data import particle_set
from webapp.components.particle_rows import (
    EVERYBODY,
    FAR_ONES,
    PAGE_ROWS,
    ParticleRows,
    Range,
    pages,
    read_rows,
)

COUNT = 120


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> ParticleRows:
    """A data file with figures of which one likelihood is far off, and a model with two groups."""
    folder = tmp_path_factory.mktemp("rows")
    particle_set(folder, particles=COUNT, micrographs=2)
    tables = read_star(folder / "set.star")
    columns = dict(tables["particles"].columns)
    random = np.random.default_rng(0)
    likelihood = random.normal(1000.0, 5.0, COUNT)
    likelihood[17] = 400.0
    columns[star_label("log_likeli_contribution")] = likelihood
    columns[star_label("max_value_prob_distribution")] = random.random(COUNT)
    columns[star_label("random_subset")] = 1 + np.arange(COUNT) % 2
    columns[star_label("group_number")] = 1 + np.arange(COUNT) % 2
    write_star(folder / "run_data.star", [tables["optics"], Table("particles", columns)])
    groups = {
        star_label("group_number"): np.array([1, 2]),
        star_label("group_scale_correction"): np.array([0.9, 1.1]),
    }
    write_star(folder / "run_model.star", [Table("model_groups", groups)])
    return read_rows(folder / "run_data.star", folder / "run_model.star")


def test_particles_are_sorted_by_any_column(rows: ParticleRows) -> None:
    pmax = rows.columns["pmax"]
    up, down = (rows.chosen(EVERYBODY, "pmax", is_down) for is_down in (False, True))
    assert np.all(np.diff(pmax[up]) >= 0) and np.all(np.diff(pmax[down]) <= 0)
    assert sorted(up.tolist()) == list(range(COUNT))
    names = [one["image"] for one in rows.lines(rows.chosen(EVERYBODY, "image", True))]
    assert names == sorted(names, reverse=True)
    assert rows.chosen(EVERYBODY, "", False).tolist() == list(range(COUNT))


def test_particles_are_narrowed_down(rows: ParticleRows) -> None:
    assert rows.chosen(FAR_ONES, "", False).tolist() == [17]
    half = rows.chosen("half 2", "log_likelihood", False)
    assert half[0] == 17 and set(rows.columns["half"][half]) == {2}


def test_particles_are_narrowed_down_to_a_range_of_values(rows: ParticleRows) -> None:
    pmax = rows.columns["pmax"]
    within = Range("pmax", 0.25, 0.75)
    found = rows.chosen(EVERYBODY, "pmax", False, within)
    assert set(found) == set(np.flatnonzero((pmax >= 0.25) & (pmax <= 0.75)))
    assert np.all(np.diff(pmax[found]) >= 0)
    assert rows.chosen(EVERYBODY, "", False, Range("log_likelihood", high=500.0)).tolist() == [17]
    both = rows.chosen("half 1", "", False, Range("log_likelihood", high=500.0))
    assert both.size == 0


def test_a_range_is_the_condition_of_a_selection() -> None:
    for range_, text in (
        (Range("norm", 0.5, 1.25), "rlnNormCorrection in 0.5..1.25"),
        (Range("pmax", low=0.1), "rlnMaxValueProbDistribution >= 0.1"),
        (Range("log_likelihood", high=-1e5), "rlnLogLikeliContribution <= -100000"),
    ):
        assert range_.condition() == text
        assert [str(one) for one in parse_conditions(text)] == [text]
    assert (
        Range("scale", 0.9, 1.1).condition() == ""
    )  # of a group: the particles' file does not say it
    assert Range("pmax").condition() == ""


def test_a_line_has_what_the_file_says(rows: ParticleRows) -> None:
    line = rows.lines(np.array([17]))[0]
    assert (line["row"], line["half"], line["scale"]) == (18, 2, 1.1)
    assert line["log_likelihood"] == pytest.approx(400.0)
    assert line["image"] == rows.particles.image_name(17)
    assert "norm" not in line


def test_the_question_for_an_image_names_its_place_and_its_ctf(rows: ParticleRows) -> None:
    asked = rows.request(17, 15.0)
    assert Path(asked.stack).exists() and asked.index == 17
    assert asked.defocus_u_A == rows.particles.defocus_u_A[17]
    assert (asked.pixel_size_A, asked.lowpass_A) == (4.0, 15.0)
    assert asked.voltage_kV > 0


def test_pages_hold_all_rows() -> None:
    assert [pages(count) for count in (0, PAGE_ROWS, PAGE_ROWS + 1)] == [1, 1, 2]
