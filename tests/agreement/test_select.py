"""Selections against `relion_star_handler`, and RELION's reading of ours."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from compute.files.stacks import StackWriter
from compute.files.star import read_star
from tests.compute.jobs.plain_run import finish, inside
from tests.compute.jobs.test_select import BOX, COUNT, numbers, rows, write

pytestmark = [
    pytest.mark.agreement,
    pytest.mark.skipif(
        shutil.which("relion_star_handler") is None, reason="RELION is not installed"
    ),
]


def relion(words: str, makes: str = "theirs.star") -> None:
    """Run relion_star_handler; its status says little, as it fails after its work where it splits."""
    subprocess.run(f"relion_star_handler {words}".split(), capture_output=True, timeout=120)
    assert Path(makes).exists()


def test_ranges_words_and_odd_images_agree(tmp_path: Path) -> None:
    with inside(tmp_path):
        write()
        images = np.random.default_rng(0).normal(size=(COUNT, BOX, BOX)).astype(np.float32)
        images[11] += 2.0
        images[23] *= 3.0
        with StackWriter("stack.mrcs", BOX, 4.0) as stack:
            stack.append(images)
        for theirs, ours in (
            (
                "--select rlnDefocusU --minval 11000 --maxval 14000",
                {"conditions": "rlnDefocusU in 11000..14000"},
            ),
            (
                "--select_by_str rlnMicrographName --select_exclude mic3",
                {"conditions": "rlnMicrographName !~ mic3"},
            ),
            (
                "--discard_on_stats --discard_sigma 3",
                {"discard_odd_images": True, "discard_sigma": 3.0},
            ),
        ):
            relion(f"--i p.star --o theirs.star {theirs}")
            finish("select", tables="p.star", output="S/particles", **ours)
            assert sorted(numbers()) == sorted(numbers("theirs.star"))
            assert 0 < len(numbers()) < COUNT


@pytest.mark.parametrize("distance_A", [60.0, 100.0, 150.0])
def test_duplicates_agree(tmp_path: Path, distance_A: float) -> None:
    """RELION keeps the last of near particles, and in chains now and then one more or less."""
    with inside(tmp_path):
        random = np.random.default_rng(1)
        places = {
            "rlnCoordinateX": random.uniform(0, 400, COUNT),
            "rlnCoordinateY": random.uniform(0, 400, COUNT),
            "rlnOriginXAngst": random.normal(0, 30, COUNT),
            "rlnOriginYAngst": random.normal(0, 30, COUNT),
        }
        write("p.star", rows(**places))
        relion(f"--i p.star --o theirs.star --remove_duplicates {distance_A} --image_angpix 2")
        last = {"prefer": "rlnDefocusU", "duplicate_distance_A": distance_A}
        finish("select", tables="p.star", output="S/particles", **last)
        ours, theirs = set(numbers()), set(numbers("theirs.star"))
        assert len(ours) < COUNT - 4
        assert len(ours ^ theirs) <= 1


def test_relion_reads_and_splits_what_we_select(tmp_path: Path) -> None:
    with inside(tmp_path):
        write()
        finish("select", tables="p.star", output="S/particles", classes="1,2")
        relion("--i S/particles.star --o again.star --split --nr_split 2", "again_split2.star")
        halves = [read_star(f"again_split{i}.star")["particles"] for i in (1, 2)]
        assert [len(half) for half in halves] == [20, 20]
        assert sorted(numbers("again_split1.star") + numbers("again_split2.star")) == numbers()
        assert "someoneElsesColumn" in halves[0].columns
