"""What every test runs under: one thread, hypothesis without a clock, and no unexplained skip."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ALLOWED_SKIPS = Path(__file__).parent / "allowed_skips.txt"
UNEXPLAINED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") != "gpu":  # kernels for GPUs are run by their interpreter
        os.environ.setdefault("TRITON_INTERPRET", "1")
    hypothesis.settings.register_profile(
        "halfmap",
        deadline=None,
        max_examples=50,
        derandomize=True,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("halfmap")
    config.stash[UNEXPLAINED] = []
    config.pluginmanager.register(SkipGuard(config), "skip-guard")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """torch on one thread, where the collected tests have imported it."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def allowed_skips() -> list[tuple[str, str]]:
    """The pairs (start of a test's id, words of the reason) that may be skipped."""
    rows = (line.strip() for line in ALLOWED_SKIPS.read_text().splitlines())
    pairs = (row.partition("|") for row in rows if row and not row.startswith("#"))
    return [(start.strip(), words.strip()) for start, _, words in pairs]


class SkipGuard:
    """Fails a run in which a test was skipped that is not in the list of allowed skips."""

    def __init__(self, config: pytest.Config) -> None:
        self.unexplained = config.stash[UNEXPLAINED]
        self.allowed = allowed_skips()

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        fits = (
            report.nodeid.startswith(start) and words in reason for start, words in self.allowed
        )
        if not any(fits):
            self.unexplained.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._judge(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        harmless = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self.unexplained and session.exitstatus in harmless:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.unexplained:
            terminalreporter.write_line(f"SKIPPED but not in allowed_skips.txt: {line}", red=True)
