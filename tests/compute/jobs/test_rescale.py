"""Maps at another pixel size and box: exact, several at once, with headers that say what they are."""

from collections.abc import Iterator
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.files.stacks import StackWriter
from compute.params.rescale import RescaleParams
from tests.compute.jobs.plain_run import finish, inside, warnings
from tests.compute.signal.test_resize import blob
from webapp.options import OptionError, build, parse


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A folder with a map of 40 voxels of 3 Å, the current one."""
    with inside(tmp_path):
        write_map("map.mrc", blob(40, 3.0).numpy(), 3.0)
        yield tmp_path


def optics(groups: list[tuple[str, float, int]], first_rows: int) -> str:
    """A particle STAR file whose particles are all in the first groups."""
    rows = "".join(f"{n} {name} {a} {box} 2\n" for n, (name, a, box) in enumerate(groups, 1))
    particles = "".join(f"{n:06d}@stack.mrcs 1\n" for n in range(1, first_rows))
    return (
        "# version 30001\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnOpticsGroupName #2\n"
        "_rlnImagePixelSize #3\n_rlnImageSize #4\n_rlnImageDimensionality #5\n"
        f"{rows}\n# version 30001\ndata_particles\n\nloop_\n_rlnImageName #1\n_rlnOpticsGroup #2\n"
        f"{particles}{first_rows:06d}@stack.mrcs {len(groups)}\n"
    )


def test_the_map_gets_the_box_and_the_pixel_of_particles(workplace: Path) -> None:
    Path("particles.star").write_text(
        optics([("a", 1.6875, 64), ("unused", 9.0, 9)], 3)[:-2] + "1\n"
    )
    end = finish("rescale", maps="map.mrc", match_particles="particles.star", output="R/job001/m")
    found = read_map("R/job001/m.mrc")
    assert found.volume.shape == (64, 64, 64) and found.pixel_size_A == 1.6875
    assert np.abs(found.volume - blob(64, 1.6875).numpy()).max() < 1e-3
    (output,) = end.outputs
    assert (output.path, output.content, output.box_size) == ("m.mrc", "map", 64)
    assert output.pixel_size_A == 1.6875
    assert (workplace / "R/job001/RELION_JOB_EXIT_SUCCESS").exists()


def test_particles_of_the_old_layout_state_their_box_and_pixel(workplace: Path) -> None:
    with StackWriter("stack.mrcs", 32, 4.0) as stack:
        stack.append(np.zeros((1, 32, 32), np.float32))
    Path("old.star").write_text(
        "data_\n\nloop_\n_rlnImageName #1\n_rlnDetectorPixelSize #2\n_rlnMagnification #3\n"
        "_rlnVoltage #4\n1@stack.mrcs 5.0 12500 300\n"
    )
    finish("rescale", maps="map.mrc", match_particles="old.star", output="R/m")
    found = read_map("R/m.mrc")
    assert found.volume.shape == (32, 32, 32) and found.pixel_size_A == 4.0


def test_without_a_box_the_whole_map_is_kept(workplace: Path) -> None:
    finish("rescale", maps="map.mrc", new_pixel_size_A=2.3, output="R/m")
    found = read_map("R/m.mrc")
    assert len(found.volume) == 54 and found.pixel_size_A == pytest.approx(2.3, rel=1e-6)


def test_both_half_maps_are_treated_alike_and_keep_their_names(workplace: Path) -> None:
    for half in (1, 2):
        write_map(f"run_half{half}_class001_unfil.mrc", half * blob(40, 3.0).numpy(), 3.0)
    end = finish(
        "rescale",
        maps="run_half1_class001_unfil.mrc, run_half2_class001_unfil.mrc",
        new_box_px=32,
        output="R/fine",
    )
    assert [one.content for one in end.outputs] == ["half map", "half map"]
    names = [f"R/fine_run_half{half}_class001_unfil.mrc" for half in (1, 2)]
    first, second = (read_map(name).volume for name in names)
    assert np.array_equal(second, 2 * first) and np.array_equal(first, blob(32, 3.0).numpy())


def test_maps_of_one_name_get_numbers(workplace: Path) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        write_map(f"{folder}/map.mrc", blob(40, 3.0).numpy(), 3.0)
    finish("rescale", maps="a/map.mrc,b/map.mrc", new_box_px=32, output="R/m")
    assert sorted(path.name for path in Path("R").glob("*.mrc")) == ["m_1_map.mrc", "m_2_map.mrc"]


def test_the_header_tells_the_new_map(workplace: Path) -> None:
    with mrcfile.open("map.mrc", "r+") as file:
        file.header.origin.x, file.header.nxstart, file.header.dmean = 7.0, 3, 99.0
    finish("rescale", maps="map.mrc", new_pixel_size_A=2.0, new_box_px=50, output="R/m")
    with mrcfile.open("R/m.mrc") as file:
        assert file.header.dmean == pytest.approx(file.data.mean(dtype=float), rel=1e-5)
        assert file.header.rms == pytest.approx(file.data.std(dtype=float), rel=1e-5)
        assert (file.header.dmin, file.header.dmax) == (file.data.min(), file.data.max())
        assert (file.header.origin.x, file.header.nxstart) == (0.0, 0)
        assert file.header.cella.z == pytest.approx(100.0) and file.header.ispg == 1
        assert file.is_volume()


def test_a_header_alone_can_be_corrected(workplace: Path) -> None:
    finish("rescale", maps="map.mrc", header_pixel_size_A=2.95, output="R/m")
    found = read_map("R/m.mrc")
    assert found.pixel_size_A == pytest.approx(2.95, rel=1e-6)
    assert np.array_equal(found.volume, blob(40, 3.0).numpy())


def test_hand_twice_and_contrast_twice_is_the_map_itself(workplace: Path) -> None:
    both = {"invert_hand": True, "invert_contrast": True}
    finish("rescale", maps="map.mrc", output="R/once", **both)
    once = read_map("R/once.mrc").volume
    volume = blob(40, 3.0).numpy()
    assert np.array_equal(once[:, :, 1:], -volume[:, :, :0:-1])
    finish("rescale", maps="R/once.mrc", output="R/twice", **both)
    assert np.array_equal(read_map("R/twice.mrc").volume, volume)


def test_a_mask_stays_between_0_and_1(workplace: Path) -> None:
    mask = np.zeros((40, 40, 40), np.float32)
    mask[12:28, 12:28, 12:28] = 1.0
    write_map("mask.mrc", mask, 3.0)
    end = finish("rescale", maps="mask.mrc", new_pixel_size_A=1.7, output="R/m")
    values = read_map("R/m.mrc").volume
    assert (values.min(), values.max()) == (0.0, 1.0)
    assert end.outputs[0].content == "mask"


def test_an_earlier_result_is_kept(workplace: Path) -> None:
    finish("rescale", maps="map.mrc", new_box_px=32, output="R/m")
    finish("rescale", maps="map.mrc", new_box_px=30, output="R/m")
    assert len(read_map("R/m.mrc").volume) == 30
    assert len(read_map("R/superseded/attempt01/m.mrc").volume) == 32


def test_a_pixel_size_that_the_header_does_not_know(workplace: Path) -> None:
    write_map("unknown.mrc", blob(40, 3.0).numpy(), 0.0)
    with pytest.raises(InputError, match=r"unknown.mrc has no pixel size: state it with --angpix"):
        finish("rescale", maps="unknown.mrc", new_box_px=32, output="R/m")
    finish("rescale", maps="unknown.mrc", pixel_size_A=3.0, new_box_px=32, output="R/m")
    assert read_map("R/m.mrc").pixel_size_A == 3.0
    write_map("one.mrc", blob(40, 3.0).numpy(), 1.0)
    finish("rescale", maps="one.mrc", new_box_px=32, output="S/m")
    assert any("says 1.000 Å" in one for one in warnings("S/m"))
    finish("rescale", maps="map.mrc", pixel_size_A=2.9, new_box_px=32, output="T/m")
    assert any("says 3.0000 Å" in one and "2.9 Å" in one for one in warnings("T/m"))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"maps": "none.mrc", "new_box_px": 32}, "none.mrc does not exist"),
        ({"maps": "flat.mrc", "new_box_px": 32}, "must be cubic"),
        ({"maps": "images.mrcs", "new_box_px": 32}, "holds images, not a map"),
        ({"maps": "nan.mrc", "new_box_px": 32}, "not finite at voxel z, y, x = .1, 2, 3."),
        ({"maps": "map.mrc,map.mrc", "new_box_px": 32}, "named twice"),
        ({"maps": "map.mrc", "lowpass_A": 5.0}, "finer than two pixels of map.mrc, 6 Å"),
        ({"maps": "map.mrc", "highpass_A": 500.0}, "coarser than map.mrc is wide, 120 Å"),
        ({"maps": "map.mrc", "new_box_px": 32, "output": "map"}, "overwritten by its own result"),
        ({"maps": "map.mrc", "match_particles": "two.star"}, "'a' has 32 px of 3 Å, 'b' has 64"),
        ({"maps": "map.mrc", "match_particles": "lost.star"}, "how large the images"),
        ({"maps": "map.mrc", "match_particles": "no.star"}, "no.star does not exist"),
    ],
)
def test_what_cannot_be_rescaled_is_refused(workplace: Path, values: dict, sentence: str) -> None:
    volume = blob(40, 3.0).numpy().copy()
    write_map("flat.mrc", volume[:20], 3.0)
    write_map("images.mrcs", volume, 3.0)
    volume[1, 2, 3] = np.nan
    with np.errstate(invalid="ignore"):
        write_map("nan.mrc", volume, 3.0)
    Path("two.star").write_text(optics([("a", 3.0, 32), ("b", 1.5, 64)], 2))
    Path("lost.star").write_text(optics([("a", 3.0, 0)], 2))
    with pytest.raises(InputError, match=sentence):
        finish("rescale", **({"output": "R/m"} | values))
    assert not list(workplace.glob("R/*.mrc"))
    assert np.array_equal(read_map("map.mrc").volume, blob(40, 3.0).numpy())


def read(words: str) -> RescaleParams:
    params = build(RescaleParams, parse(RescaleParams, words.split()))
    assert isinstance(params, RescaleParams)
    return params


def test_relions_options_are_understood() -> None:
    params = read(
        "--i a.mrc --o R/a_box256.mrc --angpix -1 --rescale_angpix 1.244 --new_box 256 --lowpass -1 "
        "--filter_edge_width 3 --force_header_angpix 1.25 --invert_hand"
    )
    assert params == RescaleParams(
        maps="a.mrc",
        output="R/a_box256",
        new_pixel_size_A=1.244,
        new_box_px=256,
        filter_edge_shells=3.0,
        header_pixel_size_A=1.25,
        invert_hand=True,
    )
    assert read("--i a.mrc --o R/ --new_box 32").output == "R/rescaled"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--i a.mrc --o R/m", "nothing is to be done"),
        ("--i a.mrc --o R/m --match-particles p.star --new_box 32", "asked for twice"),
        ("--i a.mrc --o R/m --lowpass 20 --highpass 10", "leave nothing"),
        ("--o R/m --new_box 32", "--i is needed"),
        ("--i a.mrc --new_box 32", "--o is needed"),
        ("--i a.mrc --o R/m --new_box x", "valid integer"),
    ],
)
def test_requests_that_make_no_sense(words: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        read(words)
