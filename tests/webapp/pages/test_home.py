"""The home page's machine: how busy it is, as its own clocks say."""

import threading
from collections import namedtuple

import psutil
import pytest

from webapp.pages.home import Load

Times = namedtuple("Times", ["user", "system", "idle", "iowait"])


def test_cores_are_as_busy_as_their_clocks_say_in_any_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = iter([Times(10.0, 5.0, 80.0, 5.0), Times(13.0, 5.0, 86.0, 6.0)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(clocks))
    load, found = Load(), []
    thread = threading.Thread(target=lambda: found.append(load.busy()))
    thread.start()
    thread.join()
    assert found == [pytest.approx(0.3)]


def test_without_time_gone_by_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_times", lambda: Times(1.0, 1.0, 1.0, 0.0))
    assert Load().busy() is None
