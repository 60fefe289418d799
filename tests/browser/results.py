"""Small finished jobs of one process in the dashboard, run once for all tests: a mask, post-processing and its like."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.labels import star_label
from compute.files.star import read_star, write_star
from compute.files.table import Table
from compute.signal.masks import sphere
from tests.browser.conftest import Served
from tests.data import particle_set
from tests.halves import BOX, MASK_RADIUS, planted_halves, write_halves, write_mask
from webapp.client import JobHandle, ProjectHandle, connect
from webapp.settings import read_settings

SECONDS = 600.0
"""For the last of the jobs, which wait for each other, on a slow machine."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished job: the address of its page, its folder, and its number in the project."""

    address: str
    folder: Path
    number: int


class Results:
    """The jobs by their type, each submitted when it is first asked for."""

    def __init__(self, served: Served) -> None:
        self._base = served.base
        self._client = connect(
            read_settings(
                {
                    "HOME": str(served.folder),
                    "HALFMAP_DATABASE": str(served.folder / "halfmap.db"),
                    "HALFMAP_DATA_ROOTS": str(served.folder),
                }
            )
        )
        self.project: ProjectHandle = self._client.create_project("results")
        self.half = write_halves(self.project.folder, planted_halves(0))
        self._mask = write_mask(self.project.folder, sphere(BOX, MASK_RADIUS, 3.0))
        self._jobs: dict[str, JobHandle] = {}
        pair = {"half1": self.half, "mask": self._mask}
        self._asked: dict[str, dict[str, Any]] = {
            "postprocess": pair,
            "local_resolution": {**pair, "window_A": 20.0, "step_A": 6.0},
            "directional_fsc": {**pair, "healpix_order": 1},
            "mask": {"map": self.half, "lowpass_A": 10.0},
            "rescale": {"maps": self.half, "new_box_px": 40},
            "select": {"tables": write_classification(self.project.folder), "classes": "2"},
        }

    def close(self) -> None:
        """Close the database."""
        self._client.close()

    def job(self, job_type: str) -> Result:
        """The finished job of a type; all types are submitted together."""
        if not self._jobs:
            self._jobs = {
                name: self.project.submit(name, **values) for name, values in self._asked.items()
            }
        job = self._jobs[job_type]
        job.wait(SECONDS)
        assert job.state == "finished", job.reason
        return Result(
            f"{self._base}/job?id={job.id}", job.folder, int(job.folder.name.removeprefix("job"))
        )


def write_classification(folder: Path) -> Path:
    """The files of a classification of 20 particles into two classes, the second twice as large; its data file."""
    particle_set(folder, particles=20, micrographs=2)
    tables = read_star(folder / "set.star")
    columns = dict(tables["particles"].columns)
    columns[star_label("class_number")] = np.array([1 + (n % 3 > 0) for n in range(20)])
    write_star(folder / "run_it025_data.star", [tables["optics"], Table("particles", columns)])
    classes = {
        star_label("reference_image"): np.array([f"run_half{n}.mrc" for n in (1, 2)], dtype=object),
        star_label("class_distribution"): np.array([0.35, 0.65]),
        star_label("estimated_resolution_A"): np.array([12.5, 9.25]),
    }
    write_star(folder / "run_it025_model.star", [Table("model_classes", classes)])
    return folder / "run_it025_data.star"
