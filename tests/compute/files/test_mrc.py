"""MRC files: round trips, every mode, odd headers, and files that are not what they say."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.mrc import read_layout, read_map, write_map
from compute.files.stacks import StackReader, StackWriter

SHARED = Path(__file__).parents[4] / "shared" / "data"


def images_of(count: int, box: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1.0, 2.0, (count, box, box)).astype(np.float32)


def write_stack(path: Path, images: np.ndarray, float16: bool = False) -> Path:
    with StackWriter(path, images.shape[1], 1.5, float16=float16) as writer:
        writer.append(images[:2])
        writer.append(images[2:])
    return path


def patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_map_comes_back_as_written(tmp_path: Path) -> None:
    volume = np.random.default_rng(1).normal(size=(4, 5, 6)).astype(np.float32)
    write_map(tmp_path / "map.mrc", volume, 1.25)
    found = read_map(tmp_path / "map.mrc")
    np.testing.assert_array_equal(found.volume, volume)
    assert found.pixel_size_A == pytest.approx(1.25, rel=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["map.mrc"]


def test_maps_and_stacks_are_valid_for_mrcfile_with_right_statistics(tmp_path: Path) -> None:
    volume = np.random.default_rng(1).normal(3.0, 2.0, size=(8, 8, 8)).astype(np.float32)
    write_map(tmp_path / "map.mrc", volume, 2)
    images = images_of(5, 6)
    write_stack(tmp_path / "stack.mrcs", images)
    for name, values, group in (("map.mrc", volume, 1), ("stack.mrcs", images, 0)):
        assert mrcfile.validate(tmp_path / name)
        with mrcfile.open(tmp_path / name) as file:
            np.testing.assert_array_equal(file.data, values)
            header = file.header
            assert (int(header.ispg), file.is_image_stack()) == (group, group == 0)
            assert float(header.dmin) == values.min() and float(header.dmax) == values.max()
            assert float(header.dmean) == pytest.approx(values.mean(), rel=1e-5)
            assert float(header.rms) == pytest.approx(values.std(dtype=np.float64), rel=1e-5)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", ["i1", "i2", "f4", "u2", "f2"])
def test_every_mode_in_either_byte_order(tmp_path: Path, order: str, code: str) -> None:
    values = np.random.default_rng(2).integers(0, 100, (3, 4, 4)).astype(order + code)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(values)
        file.voxel_size = 1.75
    np.testing.assert_array_equal(read_map(tmp_path / "a.mrc").volume, values.astype(np.float32))
    with StackReader(tmp_path / "a.mrc") as reader:
        assert (reader.count, reader.box) == (3, 4)
        assert reader.pixel_size_A == pytest.approx(1.75)
        found = reader.read(np.array([2, 0, 1, 1]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values[[2, 0, 1, 1]].astype(np.float32))


def test_an_extended_header_is_skipped(tmp_path: Path) -> None:
    values = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(values)
        file.set_extended_header(np.zeros(80, dtype="V1"))
    np.testing.assert_array_equal(read_map(tmp_path / "a.mrc").volume, values)


@pytest.mark.parametrize("stamp", [b"DD\0\0", b"DA\0\0", b"\0\0\0\0", b"\x11\x11\0\0"])
def test_machine_stamps_do_not_matter_and_missing_pixel_size_is_zero(
    tmp_path: Path, stamp: bytes
) -> None:
    path = write_stack(tmp_path / "a.mrcs", images_of(3, 4))
    patch(path, 212, stamp)
    patch(path, 40, bytes(12))
    with StackReader(path) as reader:
        assert reader.pixel_size_A == 0.0
        np.testing.assert_array_equal(reader.read(np.arange(3)), images_of(3, 4))


def test_float16_is_clamped_not_infinite(tmp_path: Path) -> None:
    images = images_of(2, 4)
    images[1, 0, 0], images[1, 0, 1] = 1e9, -1e9
    path = write_stack(tmp_path / "a.mrcs", images, float16=True)
    with StackReader(path) as reader:
        found = reader.read(np.array([0, 1]))
    assert found[1, 0, :2].tolist() == [65504.0, -65504.0]
    np.testing.assert_allclose(found[0], images[0], rtol=1e-3, atol=1e-3)
    assert path.stat().st_size == 1024 + 2 * 16 * 2


def test_a_cut_stack_is_named_with_expected_and_found_length(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "a.mrcs", images_of(3, 4))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"a\.mrcs is cut short.*1216 bytes, found 1215"):
        StackReader(path)


def test_a_stack_cut_while_open_is_an_error(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "a.mrcs", images_of(3, 4))
    with StackReader(path) as reader:
        with path.open("r+b") as file:
            file.truncate(1024 + 80)
        np.testing.assert_array_equal(reader.read(np.array([0])), images_of(3, 4)[:1])
        with pytest.raises(InputError, match="ends in the middle"):
            reader.read(np.array([2]))


def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "a.mrcs", images_of(3, 4))
    with StackReader(path) as reader, pytest.raises(InputError, match="3 images; image 4 does"):
        reader.read(np.array([3]))
    with pytest.raises(InputError, match="images, not a map"):
        read_map(path)
    for mode, message in ((101, "4-bit"), (4, "complex"), (77, "not an MRC file")):
        patch(path, 12, np.int32(mode).tobytes())
        with pytest.raises(InputError, match=message):
            read_layout(path)
    (tmp_path / "short.mrc").write_bytes(b"abc")
    with pytest.raises(InputError, match="has 3 bytes"):
        read_layout(tmp_path / "short.mrc")
    with pytest.raises(InputError, match="does not exist"):
        read_map(tmp_path / "none.mrc")
    write_map(tmp_path / "flat.mrc", np.zeros((2, 4, 6), dtype=np.float32), 1.0)
    with pytest.raises(InputError, match="6 x 4 pixels"):
        StackReader(tmp_path / "flat.mrc")


def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "a.mrcs", images_of(3, 4))
    with pytest.raises(ValueError, match="stack of box 8"), StackWriter(path, 8, 1.0) as writer:
        writer.append(images_of(1, 4))
    assert [found.name for found in tmp_path.iterdir()] == ["a.mrcs"]
    with StackReader(path) as reader:
        assert reader.count == 3


def test_real_files_equal_mrcfile() -> None:
    for path in sorted(SHARED.glob("**/*.mrc*")):
        with mrcfile.open(path, permissive=True) as file:
            values = file.data[:4].astype(np.float32)
        with StackReader(path) as reader:
            np.testing.assert_array_equal(reader.read(np.arange(4)), values, err_msg=path.name)
