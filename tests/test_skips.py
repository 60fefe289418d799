"""A skipped test fails the run unless the list of allowed skips explains it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPED = """
import pytest

def test_something():
    pytest.skip("relion is not installed")
"""
SKIPPED_MODULE = """
import pytest

pytest.importorskip("no_such_package_of_ours", reason="relion is not installed")
"""
FAILED, PASSED, NOTHING_RUN = 1, 0, 5


@pytest.mark.parametrize(
    ("text", "allowed", "status"),
    [
        (SKIPPED, "", FAILED),
        (SKIPPED, "test_it.py | relion is not installed\n", PASSED),
        (SKIPPED, "test_it.py | another reason\n", FAILED),
        (SKIPPED, "test_other.py | relion is not installed\n", FAILED),
        (SKIPPED_MODULE, "", FAILED),
        (SKIPPED_MODULE, "test_it.py | relion is not installed\n", NOTHING_RUN),
    ],
)
def test_exit_status_of_a_run_with_a_skip(
    text: str, allowed: str, status: int, tmp_path: Path
) -> None:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "allowed_skips.txt").write_text(allowed)
    (tmp_path / "test_it.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == status, run.stdout
