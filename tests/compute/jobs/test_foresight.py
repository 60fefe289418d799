"""The memory forecast before a refinement: said, recorded, compared with what there is."""

import dataclasses
from pathlib import Path

import pytest

from compute.expectation.plan import RankForecast
from compute.files import events
from compute.files.errors import InputError
from compute.files.progress import read_progress
from compute.files.relion import IterationFiles
from compute.jobs.foresight import Foresight, record_peaks, say_foresight
from compute.jobs.voice import speaking
from compute.params.refine import RefineParams
from tests.bench import memory

FITS = Foresight(
    ranks=[RankForecast("leader", 1, 0.8, 2.0), RankForecast("worker", 4, 1.0, 1.9)],
    here=[1, 4],
    more_now_GB=2.0,
    more_last_GB=7.0,
    available_GB=16.0,
    limit_GB=None,
)


def params(folder: Path, **options: object) -> RefineParams:
    return RefineParams(
        particles="p.star", reference="m.mrc", output=str(folder / "run"), **options
    )


def said(foresight: Foresight, given: RefineParams) -> list[events.AnyEvent]:
    """The events of saying a forecast."""
    files = IterationFiles(Path(given.output))
    with speaking(files.job) as voice:
        say_foresight(foresight, given, voice)
    return read_progress(files.job.progress)


def test_a_forecast_that_fits_is_recorded_for_every_role(tmp_path: Path) -> None:
    found = [one for one in said(FITS, params(tmp_path)) if isinstance(one, events.Memory)]
    assert [one.forecast_GB for one in found] == [2.0, 1.9]
    assert all(one.available_GB == 16.0 for one in found)
    assert FITS.problem() is None and FITS.largest_GB == 2.0


def test_a_last_iteration_that_does_not_fit_is_a_warning_with_advice(tmp_path: Path) -> None:
    tight = dataclasses.replace(FITS, available_GB=5.0)
    warnings = [one for one in said(tight, params(tmp_path)) if isinstance(one, events.Warn)]
    assert len(warnings) == 1 and warnings[0].code == "E39"
    for word in ("7.0 GB", "5.0 GB", "--padding 1", "--mpi 3", "--preread-images no"):
        assert word in warnings[0].message
    thin = params(tmp_path, padding=1, preread_images=False)
    message = [one for one in said(tight, thin) if isinstance(one, events.Warn)][-1].message
    assert "--padding" not in message and "--preread" not in message


def test_a_first_iteration_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"need 2\.0 GB more in the first .* 1\.5 GB are avail"):
        said(dataclasses.replace(FITS, available_GB=1.5), params(tmp_path))


def test_the_users_limit_counts(tmp_path: Path) -> None:
    late, early = (dataclasses.replace(FITS, limit_GB=limit) for limit in (1.5, 0.5))
    warnings = [one for one in said(late, params(tmp_path)) if isinstance(one, events.Warn)]
    assert "may use 1.5 GB" in warnings[0].message
    with pytest.raises(InputError, match=r"may use 0\.5 GB"):
        said(early, params(tmp_path))


def test_peaks_are_recorded_beside_the_forecast(tmp_path: Path) -> None:
    files = IterationFiles(tmp_path / "run")
    with speaking(files.job) as voice:
        record_peaks(FITS, [1.9, 1.7, 1.8, 1.6, 1.7], voice)
    found = [one for one in read_progress(files.job.progress) if isinstance(one, events.Memory)]
    assert [(one.forecast_GB, one.measured_GB) for one in found] == [(2.0, 1.9), (1.9, 1.8)]


@pytest.mark.slow
def test_peaks_at_256_pixels_are_small_and_foreseen(tmp_path: Path) -> None:
    assert memory.measure(tmp_path)["faults"] == []
