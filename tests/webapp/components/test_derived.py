from pathlib import Path

from webapp.components.derived import (
    Fact,
    Machine,
    is_matching,
    refine_facts,
)
from webapp.components.headers import MapHeader, ParticleHeader
from webapp.launch.local import Share

PARTICLES = ParticleHeader(Path("p.star"), 4501, 256, 1.244, 1, 20, True, 0.885)
MACHINE = Machine(cores=8, memory_GB=32.0, gpus=0, disk_free_GB=100.0)
SHARE = Share(3, 2)
VALUES = {
    "particle_diameter_A": "200",
    "initial_lowpass_A": "50",
    "offset_range_px": "5",
    "offset_step_px": "2",
    "healpix_order": "2",
    "local_search_order": "4",
    "padding": "2",
}


def facts(
    reference: MapHeader | None = None, share: Share = SHARE, **values: str
) -> dict[str, Fact]:
    return refine_facts({**VALUES, **values}, PARTICLES, reference, share, MACHINE)


def test_the_arithmetic_of_the_chapter_is_done() -> None:
    found = facts()
    assert (
        "4 501 particles, 1 optics group; 256 px of 1.244 Å, Nyquist 2.49 Å"
        in found["particles"].text
    )
    assert "binned 1.41 times from 0.885 Å" in found["particles"].text
    assert found["particle_diameter_A"].text == "161 of 256 pixels, 63% of the box"
    assert found["initial_lowpass_A"].text == "Keeps 6 of 128 Fourier shells at first"
    assert found["healpix_order"].text == "15° at first, 7.5° after oversampling"
    assert found["local_search_order"].text == "From a step of 3.75° on"
    assert found["offset_range_px"].text == "6.2 Å"


def test_a_mask_wider_than_the_box_is_wrong() -> None:
    assert facts(particle_diameter_A="400")["particle_diameter_A"].kind == "bad"


def test_a_reference_of_another_frame_is_said_to_be_brought_over() -> None:
    other = MapHeader(Path("m.mrc"), 64, 3.54)
    assert "brought to 256 px of 1.244 Å" in facts(other)["reference"].text
    assert not is_matching(PARTICLES, other, 3.54)
    same = MapHeader(Path("m.mrc"), 256, 1.244)
    assert facts(same)["reference"].kind == "good"
    assert facts(MapHeader(Path("m.mrc"), 64, 0.0))["reference"].kind == "bad"


def test_more_threads_than_cores_are_marked() -> None:
    assert facts(share=Share(3, 2))["mpi"].kind == ""
    assert facts(share=Share(9, 4))["mpi"].kind == "bad"


def test_half_typed_numbers_are_no_facts() -> None:
    found = facts(particle_diameter_A="20o", healpix_order="")
    assert "particle_diameter_A" not in found
    assert "healpix_order" not in found
