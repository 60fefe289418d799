"""Events written are the events read, whatever a killed process leaves behind."""

import io
import json
import math
import threading
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.log import Log
from compute.files.progress import (
    End,
    Event,
    Heartbeat,
    Iteration,
    Memory,
    NoiseSpectrum,
    OrientationHistogram,
    Phase,
    ProgressWriter,
    Rank,
    Repeater,
    Start,
    Warn,
    follow_progress,
    read_progress,
)


def example_iteration() -> Iteration:
    return Iteration(
        iteration=3,
        resolution_fsc05_A=11.3,
        resolution_fsc0143_A=9.1,
        has_dip=True,
        resolution_after_dip_A=8.2,
        change_angles_deg=1.2,
        accuracy_angles_deg=math.nan,
        sigma_offset_A=[4.5, 4.6],
        phase_seconds={"expectation": 2.5, "maximisation": 0.5},
        peak_memory_GB=[0.4, 1.1, 1.2],
        extent_A=226.56,
        fsc=[1.0, 0.9, math.inf],
        noise_power=[NoiseSpectrum(half=1, optics_group="opticsGroup1", power=[1e-3, 2e-4])],
        orientations=OrientationHistogram(healpix_order=0, counts=[[1, 0, 2], [0, 0, 3]]),
        explanation="Resolution improved in this iteration.",
        files=["run_it003_data.star"],
    )


def every_event() -> list[Event]:
    rank = Rank(rank=1, role="half 1", host="node1", pid=12, device="cpu", threads=2)
    return [
        Start(job="refine", program_version="0.1", command="halfmap refine", ranks=[rank]),
        Phase(phase="expectation", iteration=3, total=100),
        Heartbeat(phase="expectation", iteration=3, done=50, total=100, seconds_left=1.5),
        Warn(message="the mask was resampled to 64 px", code="E30"),
        Memory(what="last iteration", forecast_GB=1.9, measured_GB=1.8, rank=1),
        example_iteration(),
        End(reason="converged", resolution_A=9.1, resolution_criterion="FSC 0.143, unmasked"),
    ]


def test_every_event_comes_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    events = every_event()
    with ProgressWriter(path) as writer:
        for event in events:
            writer.write(event)
    assert read_progress(path) == events
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["start", "phase", "heartbeat", "warning", "memory", "iteration", "end"]


def test_numbers_that_json_lacks_are_unknown() -> None:
    record = example_iteration()
    assert record.accuracy_angles_deg is None
    assert record.fsc == [1.0, 0.9, None]


def test_iteration_holds_every_figure_of_the_cockpit() -> None:
    cockpit = """
        iteration resolution_fsc05_A resolution_fsc0143_A has_dip resolution_after_dip_A
        iterations_without_gain change_angles_deg change_offsets_A iterations_without_change
        accuracy_angles_deg accuracy_offsets_A fine_step_deg coarse_step_deg required_step_deg
        is_local_search offset_range_A coarse_offset_step_A fine_offset_step_A current_size
        coarse_size oversampling coarse_orientations coarse_translations fine_orientations
        fine_translations mean_pmax median_significant_samples mean_norm_correction scale_min
        scale_max sigma_offset_A log_likelihood is_fine_enough has_converged explanation seconds
        phase_seconds peak_memory_GB peak_gpu_memory_GB fsc ssnr noise_power orientability
        orientations orientation_files files
    """
    assert set(cockpit.split()) <= set(Iteration.model_fields)


def test_half_written_last_line_is_left_out_and_then_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    first, second = Phase(phase="expectation"), Phase(phase="maximisation")
    with ProgressWriter(path) as writer:
        writer.write(first)
        writer.write(second)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert read_progress(path) == [first]
    with ProgressWriter(path) as writer:
        writer.write(second)
    assert path.read_bytes() == whole


def test_every_cut_of_the_file_can_be_read_and_followed(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    events = every_event()
    with ProgressWriter(path) as writer:
        for event in events:
            writer.write(event)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 37):
        path.write_bytes(whole[:cut])
        before, offset = follow_progress(path, 0)
        path.write_bytes(whole)
        after, end = follow_progress(path, offset)
        assert before + after == events
        assert end == len(whole)


def test_a_complete_line_that_is_no_event_is_named(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_text('{"kind": "phase", "time": "2026-01-01T00:00:00Z"}\n')
    with pytest.raises(InputError, match=r"at byte 0.*phase"):
        read_progress(path)
    with pytest.raises(InputError, match="does not exist"):
        read_progress(tmp_path / "nothing.jsonl")


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with ProgressWriter(path) as writer:
        message = "x" * 5000

        def write() -> None:
            for _ in range(25):
                writer.warn(message)

        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read_progress(path)) == 200


def test_heartbeat_tells_progress_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with ProgressWriter(path) as writer:
        writer.enter("expectation", iteration=2, total=4)
        writer.beat()
        writer.advance(3)
        writer.beat()
    phase, first, second = read_progress(path)
    assert isinstance(phase, Phase) and phase.total == 4
    assert isinstance(first, Heartbeat) and isinstance(second, Heartbeat)
    assert first.seconds_left is None
    assert (second.phase, second.iteration, second.done) == ("expectation", 2, 3)
    assert second.seconds_left is not None and second.seconds_left >= 0.0
    assert second.memory_GB is not None and 0.001 < second.memory_GB < 1000.0


def test_heartbeat_goes_on_until_it_is_stopped() -> None:
    beats = 0
    twice = threading.Event()

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 2:
            twice.set()

    repeater = Repeater(beat, 0.001)
    assert twice.wait(timeout=30.0)
    repeater.stop()
    assert threading.active_count() == 1 or "heartbeat" not in [
        thread.name for thread in threading.enumerate()
    ]


def test_started_heartbeat_ends_with_the_writer(tmp_path: Path) -> None:
    with ProgressWriter(tmp_path / "progress.jsonl") as writer:
        writer.start_heartbeat()
        writer.start_heartbeat()
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("heartbeat") == 1
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]


def test_log_appends_and_shares_warnings(tmp_path: Path) -> None:
    out, err = tmp_path / "run.out", tmp_path / "run.err"
    terminal = io.StringIO()
    for attempt in ("first", "second"):
        with (
            ProgressWriter(tmp_path / "progress.jsonl") as progress,
            Log(out, err, progress, terminal) as log,
        ):
            log.line(attempt)
            assert out.read_text().endswith(f"{attempt}\n")
            log.warning("mask clipped", "E30")
    lines = out.read_text().splitlines()
    assert lines[0] == "first" and lines[2] == "second"
    assert terminal.getvalue() == out.read_text()
    assert err.read_text().splitlines() == [lines[1], lines[3]]
    warnings = read_progress(tmp_path / "progress.jsonl")
    assert [event.code for event in warnings if isinstance(event, Warn)] == ["E30", "E30"]
