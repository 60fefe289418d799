"""Seconds by phase: what lies inside another phase counts once, whoever measures."""

import threading
import time

import pytest

from compute.jobs import stopwatch
from compute.jobs.stopwatch import Stopwatch


class Clock:
    """A clock that tells what it is set to; processor time runs half as fast."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(stopwatch.time, "thread_time", lambda: self.now / 2)


def test_an_outer_phase_counts_what_its_inner_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, watch = Clock(monkeypatch), Stopwatch()
    with watch.measure("outer"):
        clock.now = 1.0
        with watch.measure("inner"):
            clock.now = 4.0
            with watch.measure("innermost"):
                clock.now = 5.0
        with watch.measure("inner"):
            clock.now = 7.0
        clock.now = 7.5
    taken = watch.take()
    assert taken["wall_s"] == {"innermost": 1.0, "inner": 5.0, "outer": 1.5}
    assert taken["cpu_s"] == {"innermost": 0.5, "inner": 2.5, "outer": 0.75}
    assert watch.take() == {"wall_s": {}, "cpu_s": {}, "work": {}}


def test_seconds_that_belong_to_another_phase_are_taken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, watch = Clock(monkeypatch), Stopwatch()
    with watch.measure("outer"):
        with watch.measure("inner"):
            clock.now = 8.0
            watch.attribute("other", 3.0)
        clock.now = 9.0
    watch.attribute("other", 0.5)
    taken = watch.take()
    assert taken["wall_s"] == {"other": 3.5, "inner": 5.0, "outer": 1.0}
    assert taken["cpu_s"] == {"other": 3.5, "inner": 1.0, "outer": 0.5}


def test_a_phase_that_fails_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, watch = Clock(monkeypatch), Stopwatch()
    with pytest.raises(ValueError, match="no"), watch.measure("outer"):
        with watch.measure("inner"):
            clock.now = 2.0
            raise ValueError("no")
    assert watch.take()["wall_s"] == {"inner": 2.0, "outer": 0.0}


def test_threads_measure_on_their_own() -> None:
    watch = Stopwatch()

    def work() -> None:
        with watch.measure("inner"):
            watch.count("images", 2)

    with watch.measure("outer"):
        threads = [threading.Thread(target=work) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    taken = watch.take()
    assert taken["work"] == {"images": 16}
    assert set(taken["wall_s"]) == {"inner", "outer"}


def test_start_up_is_what_the_process_has_taken() -> None:
    watch = Stopwatch()
    watch.add_start_up()
    taken = watch.take()
    assert 0 < taken["cpu_s"]["start-up"]
    assert 0 < taken["wall_s"]["start-up"]


def test_leader_and_halves_of_one_process_share_its_start_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stopwatch, "_counted_s", {})
    first, second = Stopwatch(), Stopwatch()
    first.add_start_up()
    second.add_start_up()
    spent_s = time.process_time()
    one, other = first.take(), second.take()
    assert one["cpu_s"]["start-up"] + other["cpu_s"]["start-up"] <= spent_s
    assert other["wall_s"]["start-up"] >= one["wall_s"]["start-up"]
