"""The speed benchmark's arithmetic and table."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import torch

from compute import compiled
from compute.files.timing import add_timing
from tests.bench import gpu_kernels, gpu_share, speed
from tests.bench.cases import Case
from tests.bench.floor import INSERT_BYTES, SLICE_FLOPS, floor_of
from tests.bench.machine import Peak
from tests.bench.speed_plot import picture, x_of
from tests.bench.speed_runs import our_command, peer_command, phases_of, timed_compiled
from tests.bench.speed_table import table

PEAK = Peak(product_GFLOPs=50.0, copy_GBs=10.0)


def test_a_floor_is_the_longer_of_computing_and_moving() -> None:
    products = floor_of("pass 1", {"pass 1 samples": 1e3, "pass 1 products": 1e9}, PEAK)
    assert products.flops == 2e9 + SLICE_FLOPS * 1e3
    assert products.seconds == pytest.approx(products.flops / 50e9)
    moved = floor_of("insertion", {"inserted samples": 1e6}, PEAK)
    assert moved.bytes == INSERT_BYTES * 1e6
    assert moved.seconds == pytest.approx(moved.bytes / 10e9)
    assert floor_of("pass 2", {}, PEAK).seconds == 0.0


def test_phases_are_summed_over_processes_and_iterations(tmp_path: Path) -> None:
    """Wall time is that of the slowest process, processor time that of all."""
    root = tmp_path / "run"
    for iteration in (1, 2):
        halves = [
            {
                "role": f"half {half}",
                "member": 0,
                "wall_s": {"pass 1": 1.0 * half, "reading": 0.5},
                "cpu_s": {"pass 1": 1.0, "reading": 0.1},
                "work": {"pass 1 products": 1e9, "pass 1 poses": 1e6},
            }
            for half in (1, 2)
        ]
        add_timing(root, iteration, halves)
    found = phases_of(root, PEAK)
    assert list(found) == ["pass 1", "reading"]
    assert found["pass 1"]["wall_s"] == 4.0 and found["pass 1"]["cpu_s"] == 4.0
    assert found["pass 1"]["GFLOPs"] == pytest.approx(2.0)
    assert found["pass 1"]["share_of_floor"] == pytest.approx(8e9 / 50e9 / 4.0)
    assert found["pass 1"]["Mposes_per_s"] == pytest.approx(1.0)
    assert "floor_s" not in found["reading"]


def test_the_table_marks_results_older_than_the_kernels(tmp_path: Path) -> None:
    run = {"wall_s": 20.0, "cpu_s": 40.0, "iterations": 12, "command": "halfmap refine"}
    ours = {**run, "peak_memory_GB": [0.5], "phases": {"pass 1": {"wall_s": 1.0, "cpu_s": 2.0}}}
    peak = {"product_GFLOPs": 50.0, "copy_GBs": 10.0}
    result = {"kernels": "old", "peak": peak, "ours": ours, "peer": run, "ratio": 14.0}
    assert "STALE" in table("here", {"real": result}, "new")
    fresh = table("here", {"real": result}, "old")
    assert "STALE" not in fresh
    assert "14.0 times faster" in fresh


def test_both_programs_get_the_same_files_and_options(tmp_path: Path) -> None:
    case = Case("real", tmp_path / "set.star", tmp_path / "map.mrc", "D2", 200.0)
    ours = our_command(case, tmp_path / "run")
    theirs = peer_command(case, tmp_path / "run", tmp_path / "map.mrc", 1)
    for option in ("--i", "--sym", "--particle_diameter", "--ini_high", "--ref"):
        assert ours[ours.index(option) + 1] == theirs[theirs.index(option) + 1]
    for option in ("--firstiter_cc", "--auto_ignore_angles", "--auto_resol_angles"):
        assert option in ours and option in theirs


def test_gpu_cases_are_refused_in_one_line_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed.torch.cuda, "is_available", lambda: False)
    assert speed.main(["gpu-tutorial"]) == 2
    assert capsys.readouterr().err.strip() == speed.NO_GPU


def test_kept_results_are_those_of_the_table() -> None:
    """Every stored result can be shown."""
    for path in speed.RESULTS.glob("speed_*.json"):
        kept = json.loads(path.read_text())
        assert all(name in table("kept", kept, "") for name in kept)


def test_the_picture_shows_each_run_as_long_as_it_took() -> None:
    runs = {"ours": {"wall_s": 100.0}, "peer": {"wall_s": 1000.0}, "ratio": 10.0}
    drawn = ElementTree.fromstring(picture({"here & there": {"real": runs}}))
    bars = [one for one in drawn.iter() if one.tag.endswith("rect") and one.get("x")]
    ends = [float(one.get("x", "")) + float(one.get("width", "")) for one in bars]
    assert ends == pytest.approx([x_of(100.0), x_of(1000.0)], abs=0.1)
    assert x_of(1000.0) - x_of(100.0) == pytest.approx(x_of(100.0) - x_of(10.0))
    words = " ".join(one.text or "" for one in drawn.iter())
    assert "10 times faster" in words and "here & there" in words


def test_a_run_that_compiles_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    compiled.folder.cache_clear()
    kept = compiled.folder() / "a.nbc"
    script = f"""
import pathlib
kept, output = pathlib.Path({str(kept)!r}), pathlib.Path({str(tmp_path / "o" / "left")!r})
print("compiled" if not kept.exists() else "found", output.exists())
kept.parent.mkdir(parents=True, exist_ok=True)
kept.touch()
output.touch()
"""
    try:
        timed_compiled([sys.executable, "-c", script], tmp_path / "o", tmp_path / "log")
    finally:
        compiled.folder.cache_clear()
    assert (tmp_path / "log").read_text() == "found False\n"


def test_kernels_of_a_gpu_are_compared_before_they_are_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the CPU, by Triton's interpreter, with a few images of a few pixels."""

    def once(work: Callable[[], object], samples: int) -> dict[str, float]:
        work()
        return {"ms": 1.0, "Gsamples_per_s": samples / 1e9}

    monkeypatch.setattr(gpu_kernels, "DEVICE", torch.device("cpu"))
    monkeypatch.setattr(gpu_kernels, "SHAPES", [(16, 32, 4)])
    monkeypatch.setattr(gpu_kernels, "timed", once)
    scene = gpu_kernels.Scene(8, 2, 3, 5, True)
    found = gpu_kernels.compared(scene, with_shapes=True)
    assert len(found) == 4
    assert all(0 <= one["error"] < 1e-5 for one in found.values())
    sums = gpu_kernels.summed(scene)
    assert sums["insertion, 4 numbers"]["error"] < 1e-6


def test_what_kernels_do_is_told_from_their_names() -> None:
    names = ["_scores", "_put_back", "sm90_xmma_gemm_f32f32_tf32f32", "void at::native::vectorized"]
    events = [SimpleNamespace(key=name, self_device_time_total=1e6) for name in names]
    found = gpu_share.shares(SimpleNamespace(key_averages=lambda: events), 8.0)
    assert found["GPU_s"]["scoring, own slices"] == found["GPU_s"]["insertion"] == 1.0
    assert found["GPU_s"]["scoring, shared grid"] == 1.0
    assert found["GPU_s"]["other kernels and copies"] == 1.0
    assert found["share"] == 3 / 8
