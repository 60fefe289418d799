import gzip
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.mrc import write_map
from webapp.components.volume_file import browser_map


def unpacked(data: bytes, folder: Path) -> tuple[np.ndarray, float]:
    path = folder / "shown.mrc"
    path.write_bytes(gzip.decompress(data))
    assert mrcfile.validate(path)
    with mrcfile.open(path) as file:
        return np.array(file.data), float(file.voxel_size.x)


def test_the_browser_gets_the_middle_of_the_map_nearly_exactly(tmp_path: Path) -> None:
    volume = np.random.default_rng(1).standard_normal((40, 40, 40)).astype(np.float32)
    write_map(tmp_path / "map.mrc", volume, 2.0)
    shown, pixel = unpacked(browser_map(tmp_path / "map.mrc", 40.0), tmp_path)
    assert pixel == pytest.approx(2.0)
    assert shown.shape == (22, 22, 22)
    assert shown == pytest.approx(volume[9:31, 9:31, 9:31], rel=1e-3)


def test_large_maps_are_averaged(tmp_path: Path) -> None:
    volume = np.ones((200, 200, 200), dtype=np.float32)
    write_map(tmp_path / "map.mrc", volume, 1.0)
    data = browser_map(tmp_path / "map.mrc", None)
    shown, pixel = unpacked(data, tmp_path)
    assert shown.shape == (100, 100, 100)
    assert pixel == pytest.approx(2.0)
    assert len(data) < 100_000


def test_images_are_no_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        browser_map(tmp_path / "none.mrc", None)
