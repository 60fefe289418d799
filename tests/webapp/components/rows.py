"""Iterations and records made up for tests of plots and pages."""

from typing import Any

from compute.files.events import Iteration, OrientationHistogram, Rank, Start

EXTENT_A = 200.0
"""Box of 100 pixels of 2 Å: Nyquist is 4 Å, shell 50."""


def curve(crossing_shell: float, width: float = 6.0, shells: int = 51) -> list[float]:
    """A curve that falls linearly through one half at a shell."""
    return [
        float(min(1.0, max(0.0, 0.5 - (shell - crossing_shell) / (2 * width))))
        for shell in range(shells)
    ]


def iteration(number: int, **figures: Any) -> Iteration:
    """An iteration with plausible figures; any may be replaced."""
    plain: dict[str, Any] = {
        "iteration": number,
        "resolution_fsc0143_A": 20.0 / number,
        "resolution_fsc05_A": 25.0 / number,
        "change_angles_deg": 8.0 / number,
        "change_offsets_A": 4.0 / number,
        "accuracy_angles_deg": 6.0 / number,
        "accuracy_offsets_A": 3.0 / number,
        "fine_step_deg": 7.5,
        "fine_offset_step_A": 3.5,
        "offset_range_A": 17.0,
        "mean_pmax": 0.4,
        "seconds": 5.0,
        "log_likelihood": 1000.0 + 10 * number,
        "peak_memory_GB": [0.5, 0.25, 0.25],
        "extent_A": EXTENT_A,
        "fsc": curve(10 + number),
        "ssnr": [999.0, 999.0, *[50.0 / shell for shell in range(2, 51)]],
        "orientations": OrientationHistogram(healpix_order=1, counts=[[1] * 48, [2] * 48]),
        "explanation": f"The refinement goes on after {number}.",
    }
    return Iteration(**{**plain, **figures})


def start(**figures: Any) -> Start:
    """The first record of a refinement."""
    plain: dict[str, Any] = {
        "job": "refine",
        "program_version": "0.1.0",
        "command": "refine",
        "ranks": [
            Rank(rank=0, role="leader", host="here", pid=1, device="cpu", threads=1),
            Rank(rank=1, role="half 1", host="here", pid=2, device="cpu", threads=1),
            Rank(rank=2, role="half 2", host="here", pid=3, device="cpu", threads=1),
        ],
        "particles": 1000,
        "box_size": 100,
        "pixel_size_A": 2.0,
        "particle_diameter_A": 150.0,
        "symmetry": "D2",
        "initial_lowpass_A": 50.0,
        "join_halves_A": 40.0,
    }
    return Start(**{**plain, **figures})
