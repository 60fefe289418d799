"""The forecast of GPU memory: the workers of a device add up, it is said, recorded and compared with what there is."""

from pathlib import Path
from typing import Any

import pytest
import torch

from compute.expectation.device_plan import LIBRARY_BYTES, DevicePeak
from compute.expectation.plan import Setting, Stage
from compute.files import events
from compute.files.progress import read_progress
from compute.files.relion import IterationFiles
from compute.jobs import devices
from compute.jobs.device_foresight import Outlook, outlooks, record_device_peaks, say_outlooks
from compute.jobs.voice import speaking
from tests.compute.jobs.refining import Run, make_set, options_of, refine_here
from tests.compute.stand_in import Meter, stand_in

SETTING = Setting(
    box=64,
    padding=2,
    threads=1,
    leader_bytes=0.0,
    worker_bytes=0.0,
    image_bytes=0.0,
    particle_bytes=0.0,
    is_symmetric=True,
)
STAGE = Stage(
    size=64,
    coarse_size=32,
    accumulation_size=64,
    orientations=576,
    translations=21,
    orientation_children=8,
    translation_children=4,
    is_local=False,
)


def worker(host: str, pid: int, device: str, room_GB: float, held_GB: float = 0.0) -> dict:
    """What a worker tells."""
    return {
        "host": host,
        "pid": pid,
        "device": device,
        "scale": 1,
        "room_GB": room_GB,
        "held_GB": held_GB,
        "peak_GB": 0.5,
    }


def test_workers_of_one_device_are_counted_together() -> None:
    """A device of the same name on another machine is another device; what the workers hold already is theirs."""
    told = [
        worker("a", 1, "cuda:0", 10.5, 0.5),
        worker("a", 2, "cuda:0", 11.0, 1.0),
        worker("a", 3, "cuda:1", 20.0),
        worker("b", 1, "cuda:0", 40.0),
    ]
    found = outlooks(told, SETTING, STAGE, STAGE)
    assert [(one.host, one.device, one.peak.workers) for one in found] == [
        ("a", "cuda:0", 2),
        ("a", "cuda:1", 1),
        ("b", "cuda:0", 1),
    ]
    assert [one.available_GB for one in found] == [11.5, 20.0, 40.0]
    leader = LIBRARY_BYTES / 1e9
    two, one = (each.peak.last_GB - leader for each in found[:2])
    assert two == pytest.approx(2 * one)


def test_both_halves_of_a_process_share_what_it_holds() -> None:
    told = [worker("a", 1, "cuda:0", 11.0, 1.0)] * 2
    (found,) = outlooks(told, SETTING, STAGE, STAGE)
    (apart,) = outlooks([told[0], worker("a", 2, "cuda:0", 11.0, 1.0)], SETTING, STAGE, STAGE)
    assert found.available_GB == 11.0
    assert found.peak.last_GB < apart.peak.last_GB


def said(found: list[Outlook], folder: Path) -> list[events.AnyEvent]:
    """The events of saying a forecast before the start, and what was measured."""
    files = IterationFiles(folder / "run")
    with speaking(files.job) as voice:
        say_outlooks(found, voice)
        record_device_peaks(found, [worker("a", 1, "cuda:0", 9.0)] * 2, voice)
    return read_progress(files.job.progress)


def test_a_forecast_that_fits_is_recorded_for_its_device(tmp_path: Path) -> None:
    fits = Outlook("a", "cuda:0", DevicePeak(2, 1.0, 3.0), 8.0)
    told = said([fits], tmp_path)
    before, after = [one for one in told if isinstance(one, events.Memory)]
    assert (before.device, before.forecast_GB, before.available_GB) == ("cuda:0", 3.0, 8.0)
    assert (after.device, after.forecast_GB, after.measured_GB) == ("cuda:0", 3.0, 0.5)
    assert not [one for one in told if isinstance(one, events.Warn)]
    assert fits.problem() is None


@pytest.mark.parametrize(
    ("available_GB", "when"), [(2.0, "3.0 GB in the last"), (0.5, "1.0 GB in the first")]
)
def test_what_does_not_fit_is_a_warning_with_advice(
    tmp_path: Path, available_GB: float, when: str
) -> None:
    tight = Outlook("a", "cuda:0", DevicePeak(2, 1.0, 3.0), available_GB)
    (warned,) = [one for one in said([tight], tmp_path) if isinstance(one, events.Warn)]
    assert warned.code == "E38"
    for words in ("cuda:0 on a (2 workers)", when, f"has {available_GB:.1f} GB", "--padding 1"):
        assert words in warned.message


def refined(folder: Path, room_GB: float) -> tuple[Run, Meter]:
    """A refinement of two iterations and few images on the stand-in device, which says that it has so much room."""
    made, meter = make_set(folder, symmetry="D2", particles=24, snr=2.0), Meter()

    def memory_of(device: torch.device) -> dict[str, Any]:
        figures = {"room_GB": room_GB, "held_GB": meter.now / 1e9, "peak_GB": meter.peak / 1e9}
        return {"device": str(device), "scale": 1, **figures}

    short = options_of(made, symmetry="D2", healpix_order=1, maximum_iterations=2)
    with pytest.MonkeyPatch.context() as patch, stand_in(meter) as device:
        patch.setattr(devices, "memory_of", memory_of)
        run = refine_here(folder, short, device=str(device))
    return run, meter


def test_a_refinement_says_what_its_device_will_hold_and_has_held(tmp_path: Path) -> None:
    """Before the start and before the last iteration; the tensors never take more, nor much less."""
    run, meter = refined(tmp_path, room_GB=0.2)
    told = read_progress(run.files.job.progress)
    start, last, end = [
        one for one in told if isinstance(one, events.Memory) and one.device == "meta"
    ]
    assert (start.iteration, last.iteration, end.iteration) == (None, 2, None)
    assert start.available_GB == pytest.approx(0.2, abs=0.001)
    assert end.measured_GB == pytest.approx(meter.peak / 1e9)
    for one in (start, last):
        assert one.forecast_GB is not None
        assert 0.2 * (one.forecast_GB - 0.3) < meter.peak / 1e9 < one.forecast_GB
    warned = [one.message for one in told if isinstance(one, events.Warn) and one.code == "E38"]
    assert len(warned) == 2 and all("has 0.2 GB" in one for one in warned)
    peaks = [one.peak_gpu_memory_GB for one in told if isinstance(one, events.Iteration)]
    assert peaks[-1] == [pytest.approx(meter.peak / 1e9, rel=0.01)] * 2
    order = [type(one) for one in told if one in (start, last) or isinstance(one, events.Iteration)]
    assert order == [events.Memory, events.Iteration, events.Memory, events.Iteration]
