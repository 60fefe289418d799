"""Programs that may not read and write what the modes of files forbid, even where the tests run as root."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

PR_CAPBSET_DROP = 24
OVERRIDES = (1, 2, 3)
"""Capabilities of <linux/capability.h> that go beyond modes: DAC_OVERRIDE, DAC_READ_SEARCH and FOWNER."""


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A finished Python program in a folder, which the modes of files hold for as for any user."""
    prctl, is_root = ctypes.CDLL(None, use_errno=True).prctl, os.geteuid() == 0

    def give_up_privileges() -> None:
        if is_root and any(prctl(PR_CAPBSET_DROP, one, 0, 0, 0) for one in OVERRIDES):
            raise OSError(ctypes.get_errno(), "privileges cannot be given up")

    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        preexec_fn=give_up_privileges,
        timeout=300,
    )
