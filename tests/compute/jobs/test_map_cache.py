"""What the preview worker keeps: bounded, least used first out, and never stale."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from compute.files.errors import InputError
from compute.files.mrc import write_map
from compute.jobs.map_cache import MapCache

BOX = 8
MAP_BYTES = 4 * BOX**3 + 1024


@pytest.fixture
def maps(tmp_path: Path) -> list[str]:
    """Three maps of different values."""
    paths = [tmp_path / f"{n}.mrc" for n in range(3)]
    for number, path in enumerate(paths):
        write_map(path, np.full((BOX, BOX, BOX), number, dtype=np.float32) + np.eye(BOX), 1.5)
    return [str(path) for path in paths]


def test_maps_are_read_once(maps: list[str]) -> None:
    cache = MapCache(10 * MAP_BYTES)
    first, pixel_size_A = cache.volume(maps[1])
    assert cache.volume(maps[1])[0] is first and pixel_size_A == 1.5
    assert cache.transform(maps[1]) is cache.transform(maps[1])
    torch.testing.assert_close(torch.fft.irfftn(cache.transform(maps[1]), s=first.shape), first)


def test_a_link_is_the_same_map_and_a_change_is_seen(maps: list[str], tmp_path: Path) -> None:
    cache = MapCache(10 * MAP_BYTES)
    first, _ = cache.volume(maps[0])
    (tmp_path / "link.mrc").symlink_to(maps[0])
    assert cache.volume(str(tmp_path / "link.mrc"))[0] is first
    os.utime(maps[0], ns=(1, 1))
    assert cache.volume(maps[0])[0] is not first


def test_the_least_used_go_first(maps: list[str]) -> None:
    cache = MapCache(int(2.5 * MAP_BYTES))
    kept = [cache.volume(path)[0] for path in maps[:2]]
    assert cache.volume(maps[0])[0] is kept[0]
    cache.volume(maps[2])
    assert cache.held_bytes <= 2.5 * MAP_BYTES
    assert cache.volume(maps[0])[0] is kept[0]
    assert cache.volume(maps[1])[0] is not kept[1]


def test_what_is_too_large_is_not_kept(maps: list[str]) -> None:
    cache = MapCache(MAP_BYTES // 2)
    assert cache.volume(maps[0])[0] is not cache.volume(maps[0])[0]
    assert cache.held_bytes == 0


def test_files_that_cannot_be_shown(tmp_path: Path) -> None:
    cache = MapCache(10 * MAP_BYTES)
    with pytest.raises(InputError, match="does not exist"):
        cache.volume(str(tmp_path / "absent.mrc"))
    write_map(tmp_path / "flat.mrc", np.zeros((4, 8, 8), dtype=np.float32), 1.0)
    with pytest.raises(InputError, match="only cubic maps"):
        cache.volume(str(tmp_path / "flat.mrc"))
    broken = np.zeros((BOX,) * 3, dtype=np.float32)
    broken[1, 2, 3] = np.nan
    write_map(tmp_path / "nan.mrc", broken, 1.0)
    with pytest.raises(InputError, match="not numbers"):
        cache.volume(str(tmp_path / "nan.mrc"))
