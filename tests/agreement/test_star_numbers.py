"""Numbers in STAR files: RELION's twelve characters, and ours, which keep the value; RELION reads ours as they are."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from compute.files.labels import star_label
from compute.files.star import read_star, write_star
from compute.files.table import Table
from tests.agreement.reference_behaviour import number_text

N38 = {
    0.0005: "5.000000e-04",
    -0.00005: "-5.00000e-05",
    100000.5: "1.000005e+05",
    -123456.789: "-1.23457e+05",
    -99999.99999: "-99999.99999",
    0.004: "0.004000",
    -0.177: "-0.17700",
    99999.9999999: "100000.00000",
    0.0: "0.000000",
}
"""Values, and how RELION 3.1.3 writes them."""
OURS = [
    "0.0005", "-5e-05", "100000.5", "-123456.789", "-99999.99999", "0.004", "-0.177", "99999.9999999", "0",
]  # fmt: skip
"""How we write them: as short as may be without a change of the value, of at most twelve digits."""
X, Y = star_label("coordinate_x"), star_label("coordinate_y")
EVERYTHING = f"--select {Y} --minval -1 --maxval 1"
STACK = "a.mrcs"


def tables(values: list[float]) -> list[Table]:
    """Particles as RELION's programs take them; their coordinates along x are the values."""
    count = len(values)
    ones, names = np.ones(count, dtype=np.int64), [f"{n + 1:06d}@{STACK}" for n in range(count)]
    group = np.array(["opticsGroup1"], dtype=object)
    optics = {"optics_group": ones[:1], "optics_group_name": group}
    optics |= {"image_size": np.array([64]), "image_dimensionality": np.array([2])}
    for name in (
        "image_pixel_size_A",
        "voltage_kV",
        "spherical_aberration_mm",
        "amplitude_contrast",
    ):
        optics[name] = np.ones(1)
    rows = {"image_name": np.array(names, dtype=object), "optics_group": ones}
    rows |= {"coordinate_x": np.array(values), "coordinate_y": np.zeros(count)}
    given = (("optics", optics), ("particles", rows))
    return [Table(name, {star_label(key): v for key, v in one.items()}) for name, one in given]


def texts(path: Path) -> list[str]:
    """The texts of the values in a file of particles, wherever their column is."""
    lines = path.read_text().partition("data_particles")[2].splitlines()
    place = next(int(line.split("#")[1]) for line in lines if line.startswith(f"_{X} "))
    rows = [line.split() for line in lines if STACK in line]
    return [row[place - 1] for row in rows]


@pytest.mark.parametrize(("value", "text"), list(N38.items()))
def test_n38_the_format_of_relion(value: float, text: str) -> None:
    assert number_text(value).strip() == text


def test_n38_ours_keeps_the_values(tmp_path: Path) -> None:
    path = tmp_path / "ours.star"
    write_star(path, tables(list(N38)))
    assert texts(path) == OURS
    assert read_star(path)["particles"].columns[X].tolist() == list(N38)


@pytest.mark.skipif(shutil.which("relion_star_handler") is None, reason="RELION is not installed")
def test_n38_relion_reads_ours_and_we_read_its(tmp_path: Path) -> None:
    write_star(tmp_path / "ours.star", tables(list(N38)))
    words = ["relion_star_handler", "--i", "ours.star", "--o", "its.star", *EVERYTHING.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert texts(tmp_path / "its.star") == list(N38.values())
    found = read_star(tmp_path / "its.star")["particles"].columns[X]
    assert found.tolist() == [float(text) for text in N38.values()]
