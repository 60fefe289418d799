"""Small extractions for tests: micrographs, coordinates and refined particles written to a folder, and the job run."""

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

from compute.__main__ import run_job
from compute.files.star import read_star

PIXEL_A = 0.885


def pattern() -> np.ndarray:
    """The micrograph of the stated figures: 64 x 48 pixels."""
    y, x = np.mgrid[:48, :64]
    return (((7 * x**2 + 3 * y**2 + 5 * x * y) % 11) + 0.25 * x - 0.5 * y).astype(np.float32)


def noise(rows: int = 200, columns: int = 240, seed: int = 1) -> np.ndarray:
    """A micrograph of white noise."""
    return np.random.default_rng(seed).normal(5.0, 2.0, (rows, columns)).astype(np.float32)


def write_micrograph(path: Path, pixels: np.ndarray) -> None:
    """One micrograph as MRC of the type of its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), mrcfile.new(path, overwrite=True) as file:
        warnings.filterwarnings("ignore", "Data array contains NaN values")
        file.set_data(pixels)


def table(name: str, columns: dict[str, Sequence[object]]) -> str:
    """A loop of a STAR file."""
    labels = "".join(f"_rln{label}\n" for label in columns)
    rows = "".join(" ".join(map(str, row)) + "\n" for row in zip(*columns.values(), strict=True))
    return f"\n# version 30001\n\ndata_{name}\n\nloop_\n{labels}{rows} \n"


def optics(pixel_label: str, pixel_A: float, group: str = "opticsGroup1", **more: object) -> str:
    """An optics table of one group."""
    columns: dict[str, Sequence[object]] = {
        "OpticsGroupName": [group], "OpticsGroup": [1], pixel_label: [pixel_A],
        "Voltage": [300], "SphericalAberration": [2.7], "AmplitudeContrast": [0.1],
    }  # fmt: skip
    return table("optics", columns | {label: [value] for label, value in more.items()})


def write_micrographs(
    folder: Path, images: dict[str, np.ndarray], pixel_A: float = PIXEL_A, **columns: Sequence
) -> None:
    """Micrographs with the names given, and micrographs.star."""
    for name, pixels in images.items():
        write_micrograph(folder / name, pixels)
    rows = {"MicrographName": list(images), "OpticsGroup": [1] * len(images), **columns}
    text = optics("MicrographPixelSize", pixel_A) + table("micrographs", rows)
    (folder / "micrographs.star").write_text(text)


def write_coordinates(
    folder: Path, found: dict[str, Sequence[tuple]], labels: Sequence[str] = ()
) -> None:
    """A coordinate file beside each micrograph, with the suffix _pick.star."""
    for name, rows in found.items():
        names = ("CoordinateX", "CoordinateY", *labels)
        columns = {label: [row[i] for row in rows] for i, label in enumerate(names)}
        path = folder / Path(name).with_suffix("")
        path.with_name(path.name + "_pick.star").write_text(table("", columns))


def write_refined(
    folder: Path, rows: Sequence[dict[str, Any]], pixel_A: float = 4 * PIXEL_A, **kind: Any
) -> None:
    """refined.star: particles with the columns of the rows, in an optics group of this pixel size."""
    columns: dict[str, Sequence[object]] = {
        label: [row[label] for row in rows] for label in rows[0]
    }
    columns.setdefault("MicrographName", ["m.mrc"] * len(rows))
    columns.setdefault("OpticsGroup", [1] * len(rows))
    columns.setdefault("ImageName", [f"{i + 1:06d}@old.mrcs" for i in range(len(rows))])
    text = optics("ImagePixelSize", pixel_A, ImageSize=64, ImageDimensionality=2, **kind)
    (folder / "refined.star").write_text(text + table("particles", columns))


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a run has left in a folder."""

    folder: Path

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The particles' columns, without prefix."""
        return self.block("particles.star", "particles")

    @property
    def optics(self) -> dict[str, np.ndarray]:
        """The optics table."""
        return self.block("particles.star", "optics")

    def block(self, name: str, block: str) -> dict[str, np.ndarray]:
        """A table of a file in the folder."""
        columns = read_star(self.folder / name)[block].columns
        return {label.removeprefix("rln"): values for label, values in columns.items()}

    def images(self, name: str = "m.mrcs") -> np.ndarray:
        """A stack."""
        pixels = mrcfile.read(self.folder / name)
        return pixels.reshape(-1, *pixels.shape[-2:])

    @property
    def xy(self) -> np.ndarray:
        """Coordinates (x, y) of all particles."""
        return np.stack([self.columns["CoordinateX"], self.columns["CoordinateY"]], axis=1)

    @property
    def origins_A(self) -> np.ndarray:
        """Offsets (x, y) of all particles."""
        return np.stack([self.columns["OriginXAngst"], self.columns["OriginYAngst"]], axis=1)

    def said(self) -> str:
        """The log."""
        return (self.folder / "run.out").read_text()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind."""
        lines = (self.folder / "progress.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == kind]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """The folder as the current one, as a project's is."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def extract(folder: Path, output: str = "E/particles", **options: Any) -> Extracted:
    """Run the job in a project folder; by default boxes around _pick.star files, pixels untouched."""
    defaults: dict[str, Any] = {
        "micrographs": "micrographs.star", "output": output, "box": 16, "float16": False, "normalise": False,
        "invert_contrast": False, "threads": 1,
    }  # fmt: skip
    if not {"coordinates", "particles", "coordinates_suffix"} & set(options):
        defaults["coordinates_suffix"] = "_pick.star"
    with inside(folder):
        assert run_job({"job": "extract", "params": defaults | options}) == 0
    return Extracted((folder / output).parent)
