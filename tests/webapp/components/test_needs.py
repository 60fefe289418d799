from pathlib import Path

from webapp.components.derived import Machine
from webapp.components.headers import ParticleHeader
from webapp.components.needs import device_fact, disk_fact, disk_GB, memory_fact, needs_html

PARTICLES = ParticleHeader(Path("p.star"), 4501, 256, 1.244, 1, 20, True, 0.885)
MACHINE = Machine(cores=8, memory_GB=32.0, gpus=0, disk_free_GB=100.0)
SMALL = Machine(cores=8, memory_GB=4.0, gpus=0, disk_free_GB=0.5)
ROLES = [
    {"role": "leader", "ranks": 1, "now_GB": 0.9, "last_GB": 2.0},
    {"role": "worker", "ranks": 2, "now_GB": 1.1, "last_GB": 2.1},
]


def test_all_processes_are_added_up_and_each_is_told() -> None:
    text = memory_fact(ROLES, MACHINE).text
    assert "3.1 GB in the first iteration, at most 6.2 GB in the last, of 32 GB" in text
    assert "leader 0.9, then 2.0; each of 2 workers 1.1, then 2.1" in text


def test_too_little_memory_is_marked_with_what_helps() -> None:
    assert memory_fact(ROLES, MACHINE).kind == ""
    short = memory_fact(ROLES, SMALL)
    assert short.kind == "bad" and "padding of 1" in short.text


def test_a_gpu_is_told_with_its_workers() -> None:
    assert (
        "for 2 workers on each GPU"
        in device_fact({"workers": 2, "now_GB": 1.0, "last_GB": 3.0}).text
    )


def test_the_disk_is_near_what_was_measured() -> None:
    assert 0.1 < disk_GB(751, 64) < 0.3
    assert disk_fact(PARTICLES, MACHINE).kind == ""
    assert disk_fact(PARTICLES, SMALL).kind == "bad"


def test_facts_are_listed_with_their_names() -> None:
    text = needs_html({"Memory": memory_fact(ROLES, SMALL)})
    assert "<dt>Memory</dt>" in text and 'class="bad"' in text
    assert needs_html({}) == ""
