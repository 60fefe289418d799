import shutil
from pathlib import Path

import pynvml
import pytest

from compute.files.events import GpuLoad, Heartbeat
from compute.files.progress import ProgressWriter, read_progress
from compute.jobs.gpu_load import gpu_loads, take_several_processes


def test_load_and_memory_of_each_device_are_told() -> None:
    found = gpu_loads(["cuda:0", "cuda:1"], lambda n: 10.0 * n, lambda n: 2e9)
    assert found == [
        GpuLoad(device="cuda:0", percent=0.0, memory_GB=2.0),
        GpuLoad(device="cuda:1", percent=10.0, memory_GB=2.0),
    ]


def test_a_library_that_does_not_answer_leaves_the_figure_out() -> None:
    def silent(_: int) -> float:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    assert gpu_loads(["cuda:0"], silent, lambda n: 1e9) == [GpuLoad(device="cuda:0", memory_GB=1.0)]


@pytest.mark.parametrize("device", ["cuda:0"])
def test_the_real_library_is_asked(device: str) -> None:
    (found,) = gpu_loads([device])
    assert (found.memory_GB is None) == (shutil.which("nvidia-smi") is None)


def test_a_sign_of_life_holds_the_load(tmp_path: Path) -> None:
    with ProgressWriter(tmp_path / "p.jsonl") as writer:
        writer.start_heartbeat(3600.0, gpus=lambda: [GpuLoad(device="cuda:0", percent=50.0)])
        writer.beat()
    (beat,) = read_progress(tmp_path / "p.jsonl")
    assert isinstance(beat, Heartbeat)
    assert beat.gpus == [GpuLoad(device="cuda:0", percent=50.0)]


@pytest.mark.parametrize(
    ("modes", "expected"), [([0], True), ([0, 0], True), ([0, 3], False), ([3], False), ([], False)]
)
def test_gpus_of_one_process_each_are_left_to_the_workers(
    modes: list[int], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(modes))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda number: number)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeMode", lambda handle: modes[handle])
    assert take_several_processes() is expected


def test_without_the_management_library_no_gpu_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert take_several_processes() is False
