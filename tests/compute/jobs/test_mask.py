"""Masks: made as asked for, with what they enclose, and refused where they would be of no use."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.jobs.specimen import built_in_phantom
from compute.params.mask import MaskParams
from compute.signal.phantom import Phantom
from tests.compute.jobs.plain_run import finish, inside, warnings
from tests.data import phantom_map, phantom_params
from webapp.options import OptionError, build, parse

BOX, PIXEL_A = 32, 4.0
PLAIN: dict[str, Any] = {"smallest_piece_percent": 0.0, "largest_hole_A3": 0.0, "lowpass_A": 0.0}


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return built_in_phantom(phantom_params(".", box=BOX))


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A folder with the phantom's map (32 voxels of 4 Å) and one voxel in an empty box."""
    with inside(tmp_path):
        write_map("map.mrc", phantom_map(BOX).numpy(), PIXEL_A)
        voxel = np.zeros((24, 24, 24), np.float32)
        voxel[12, 12, 12] = 1.0
        write_map("one.mrc", voxel, 1.0)
        yield tmp_path


def report(output: str = "M/mask") -> dict[str, Any]:
    return json.loads(Path(f"{output}.json").read_text())


def test_the_molecule_is_masked_without_a_threshold(workplace: Path, phantom: Phantom) -> None:
    end = finish("mask", map="map.mrc", output="M/mask", soft_edge_px=5.0)
    mask = read_map("M/mask.mrc")
    assert mask.pixel_size_A == PIXEL_A and mask.volume.shape == (BOX,) * 3
    assert (mask.volume.min(), mask.volume.max()) == (0.0, 1.0)
    x, y, z = np.round(phantom.positions_A.numpy().T / PIXEL_A).astype(int) + BOX // 2
    assert (mask.volume[z, y, x] == 1.0).all()
    assert [one.content for one in end.outputs] == ["mask", "report"]
    assert (end.outputs[0].path, end.outputs[0].box_size) == ("mask.mrc", BOX)
    figures = report()
    inside_A3 = float((mask.volume > 0.5).sum()) * PIXEL_A**3
    assert figures["volume_A3"] == pytest.approx(inside_A3)
    assert figures["mass_kDa"] == pytest.approx(inside_A3 * 0.81e-3)
    assert figures["threshold"] == figures["levels"]["threshold"]
    assert figures["grade"]["grade"] == "good"
    histogram = figures["histogram"]
    assert sum(histogram["counts"]) == BOX**3 and len(histogram["edges"]) == 201
    assert histogram["volume_above_A3"][0] == pytest.approx((BOX * PIXEL_A) ** 3)


def test_a_mass_decides_the_threshold(workplace: Path) -> None:
    finish("mask", map="map.mrc", output="M/mask", protein_mass_kDa=40.0, largest_hole_A3=0.0)
    assert report()["region_mass_kDa"] == pytest.approx(40.0, rel=0.01)
    with pytest.raises(InputError, match="900000 kDa fill .* shows density in .* only"):
        finish("mask", map="map.mrc", output="M/mask", protein_mass_kDa=9e5)


def test_n28_and_n29_through_the_job(workplace: Path) -> None:
    common = PLAIN | {"map": "one.mrc", "output": "M/mask", "threshold": 1.0}
    finish("mask", **common, extend_px=3.0, soft_edge_px=0.0)
    assert read_map("M/mask.mrc").volume.sum() == 93
    finish("mask", **common, extend_px=3.0, soft_edge_px=4.0)
    assert read_map("M/mask.mrc").volume.sum(dtype=float) == pytest.approx(399.672346, abs=1e-4)
    assert read_map("M/superseded/attempt01/mask.mrc").volume.sum() == 93
    assert report()["sum"] == pytest.approx(399.672346, abs=1e-4)


def test_dust_goes_and_is_told(workplace: Path) -> None:
    volume = np.zeros((24, 24, 24), np.float32)
    volume[8:16, 8:16, 8:16] = 1.0
    volume[10:12, 10:12, 10:12] = 0.0
    volume[20, 20, 20] = 1.0
    write_map("dusty.mrc", volume, 1.0)
    common = {"map": "dusty.mrc", "output": "M/mask", "threshold": 0.5, "lowpass_A": 0.0}
    finish("mask", **common, extend_px=0.0, soft_edge_px=0.0)
    mask = read_map("M/mask.mrc").volume
    assert mask[20, 20, 20] == 0 and mask.sum() == 512
    assert (report()["dust_pieces"], report()["holes_filled"]) == (1, 1)
    finish("mask", **common | PLAIN, extend_px=0.0, soft_edge_px=0.0)
    assert read_map("M/mask.mrc").volume.sum() == 512 - 8 + 1


def test_an_inverted_mask_is_the_complement(workplace: Path) -> None:
    common = {"map": "map.mrc", "threshold": 0.01}
    finish("mask", **common, output="M/mask")
    finish("mask", **common, output="M/inverse", invert=True)
    total = read_map("M/mask.mrc").volume + read_map("M/inverse.mrc").volume
    assert np.array_equal(total, np.ones_like(total))
    assert report("M/inverse")["grade"] is None


def test_shapes_need_no_map(workplace: Path) -> None:
    grid = {"box_px": 40, "pixel_size_A": 2.0, "soft_edge_px": 0.0}
    finish("mask", shape="sphere", outer_diameter_A=48.0, output="M/mask", **grid)
    assert report()["volume_A3"] == pytest.approx(4 / 3 * np.pi * 24**3, rel=0.03)
    finish("mask", shape="cylinder", outer_radius_px=8.0, height_px=20.0, output="M/mask", **grid)
    assert report()["volume_A3"] == pytest.approx(np.pi * 8**2 * 21 * 8, rel=0.03)
    assert report()["levels"] is None
    assert any("no soft edge" in one for one in warnings("M/mask"))
    sphere = {"shape": "sphere", "outer_radius_px": 6.0, "output": "M/mask", "soft_edge_px": 0.0}
    finish("mask", map="map.mrc", **sphere)
    mask = read_map("M/mask.mrc")
    assert mask.volume.shape == (BOX,) * 3 and mask.pixel_size_A == PIXEL_A
    assert report()["grade"]["grade"] == "cuts"
    assert any("cuts off" in one for one in warnings("M/mask"))


def boxes(first: slice, second: slice) -> None:
    """Two masks that overlap."""
    for name, part in (("a.mrc", first), ("b.mrc", second)):
        volume = np.zeros((16, 16, 16), np.float32)
        volume[part, 2:14, 2:14] = 1.0
        write_map(name, volume, 2.0)


@pytest.mark.parametrize(
    ("how", "planes"),
    [
        ("and_map", range(6, 9)),
        ("or_map", range(3, 12)),
        ("and_not_map", range(3, 6)),
    ],
)
def test_masks_are_combined(workplace: Path, how: str, planes: range) -> None:
    boxes(slice(3, 9), slice(6, 12))
    common = PLAIN | {"map": "a.mrc", "threshold": 0.5, "extend_px": 0.0, "soft_edge_px": 0.0}
    finish("mask", output="M/mask", **common, **{how: "b.mrc"})
    mask = read_map("M/mask.mrc").volume
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == list(planes)
    finish("mask", output="M/mask", **common, or_not_map="b.mrc")
    outside = read_map("M/mask.mrc").volume
    assert outside[15, 15, 15] == 1.0 and outside[10, 8, 8] == 0.0 and outside[7, 8, 8] == 1.0


def test_a_sphere_and_a_map(workplace: Path) -> None:
    finish(
        "mask", map="map.mrc", shape="sphere", outer_radius_px=5.0, and_map="map.mrc",
        combined_threshold=0.01, output="M/mask", extend_px=0.0, soft_edge_px=0.0,
    )  # fmt: skip
    mask = read_map("M/mask.mrc").volume > 0
    assert 0 < mask.sum() <= 4 / 3 * np.pi * 5.5**3
    assert (phantom_map(BOX).numpy()[mask] >= 0.01).all()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"threshold": 1e3}, "no voxel reaches the threshold 1000: .* is suggested"),
        ({"threshold": -1e3}, "all voxels reach the threshold -1000"),
        ({"threshold": 0.01, "extend_px": -30.0}, "extended by -30 voxels is empty"),
        ({"threshold": 0.01, "extend_px": 60.0}, "extended by 60 voxels fills the whole box"),
        ({"map": "flat.mrc"}, "flat.mrc: the map has the value 2 everywhere"),
        ({"map": "none.mrc"}, "none.mrc does not exist"),
        ({"map": "nan.mrc"}, "not finite at voxel"),
        ({"output": "map"}, "map.mrc would be overwritten by the mask"),
        ({"and_map": "one.mrc", "threshold": 0.01}, "one.mrc has a box of 24 but the mask has 32"),
        ({"and_map": "fine.mrc"}, "pixels of 3.0000 Å but the mask has 4.0000 Å"),
        ({"shape": "sphere", "outer_radius_px": 3.0, "inner_radius_px": 5.0}, "is not smaller"),
        ({"shape": "sphere", "outer_radius_px": 90.0}, "the mask fills the whole box"),
        (
            {"shape": "sphere", "outer_radius_px": 3.0, "center_x_px": 900.0},
            "the mask is empty",
        ),
        ({"shape": "sphere", "outer_radius_px": 3.0, "or_map": "map.mrc"}, "is not a mask: say"),
        ({"box_px": 30}, "a box of 30 is asked for but map.mrc has 32"),
    ],
)  # fmt: skip
def test_masks_of_no_use_are_refused(workplace: Path, values: dict, sentence: str) -> None:
    write_map("flat.mrc", np.full((8, 8, 8), 2.0, np.float32), 4.0)
    write_map("fine.mrc", phantom_map(BOX).numpy(), 3.0)
    bad = phantom_map(BOX).numpy().copy()
    bad[3, 4, 5] = np.inf
    with np.errstate(invalid="ignore"):
        write_map("nan.mrc", bad, 4.0)
    with pytest.raises(InputError, match=sentence):
        finish("mask", **({"map": "map.mrc", "output": "M/mask"} | values))
    assert not list(workplace.glob("M/*.mrc"))


def test_inverted_contrast_and_noise_are_told(workplace: Path) -> None:
    write_map("dark.mrc", -phantom_map(BOX).numpy(), PIXEL_A)
    finish("mask", map="dark.mrc", output="M/mask", threshold=0.0)
    assert any("contrast inverted" in one for one in warnings("M/mask"))
    random = np.random.default_rng(0).normal(size=(BOX,) * 3).astype(np.float32)
    write_map("noise.mrc", random, PIXEL_A)
    finish("mask", map="noise.mrc", output="N/mask", extend_px=0.0)
    assert any("hardly stands out" in one for one in warnings("N/mask"))


def read(words: str) -> MaskParams:
    params = build(MaskParams, parse(MaskParams, words.split()))
    assert isinstance(params, MaskParams)
    return params


def test_relions_options_are_understood() -> None:
    params = read(
        "--i a.mrc --o MaskCreate/job020/mask.mrc --lowpass 15 --angpix 1.244 --ini_threshold 0.004 "
        "--extend_inimask 0 --width_soft_edge 6 --helix --z_percentage 0.3 --and b.mrc --and_not c.mrc"
    )
    assert params == MaskParams(
        map="a.mrc",
        output="MaskCreate/job020/mask",
        pixel_size_A=1.244,
        threshold=0.004,
        extend_px=0.0,
        soft_edge_px=6.0,
        helix=True,
        and_map="b.mrc",
        and_not_map="c.mrc",
    )
    shape = read("--denovo --box_size 64 --angpix 2 --outer_radius 20 --center_x -3 --o M/")
    assert (shape.shape, shape.outer_radius_px, shape.center_x_px) == ("sphere", 20.0, -3.0)
    assert shape.output == "M/mask"
    assert read("--i a.mrc --o M/mask --extend_inimask -2 --lowpass -1").extend_px == -2.0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--o M/mask", "no map is named"),
        ("--i a.mrc --o M/mask --ini_threshold 1 --protein-mass 3", "keep one"),
        ("--i a.mrc --o M/mask --shape sphere", "needs a size"),
        ("--o M/mask --shape cylinder --outer_radius 4", "needs its box and pixel size"),
        ("--i a.mrc --o M/mask --width_soft_edge -1", "greater than or equal to 0"),
    ],
)
def test_requests_that_make_no_sense(words: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        read(words)
