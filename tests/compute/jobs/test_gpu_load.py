import shutil
from pathlib import Path

import pynvml
import pytest

from compute.files.events import GpuLoad, Heartbeat
from compute.files.progress import ProgressWriter, read_progress
from compute.jobs.gpu_load import gpu_loads


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
