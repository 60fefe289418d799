from pathlib import Path

import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.mrc import read_map, write_map
from compute.files.progress import ProgressWriter
from db.errors import NotFound
from tests.webapp.components.rows import iteration, start
from webapp.command_line import command_line
from webapp.maps import MapCache
from webapp.records import RecordReader
from webapp.store import check_inside


def test_records_are_read_as_they_are_written(tmp_path: Path) -> None:
    reader = RecordReader()
    assert reader.read(tmp_path).start is None
    with ProgressWriter(tmp_path / "progress.jsonl") as writer:
        writer.write(start())
        first = reader.read(tmp_path)
        assert first.start is not None and not first.iterations
        writer.write(iteration(1))
        assert [row.iteration for row in reader.read(tmp_path).iterations] == [1]
    assert reader.read(tmp_path) is reader.read(tmp_path)


def test_half_a_line_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with ProgressWriter(path) as writer:
        writer.write(start())
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "iter')
    reader = RecordReader()
    assert reader.read(tmp_path).position == len(whole)
    assert reader.read(tmp_path).position == len(whole)


def test_a_file_that_was_made_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, reader = tmp_path / "progress.jsonl", RecordReader()
    with ProgressWriter(path) as writer:
        for event in (start(), iteration(1), iteration(2)):
            writer.write(event)
    assert len(reader.read(tmp_path).iterations) == 2
    path.unlink()
    with ProgressWriter(path) as writer:
        writer.write(start())
    assert reader.read(tmp_path).iterations == ()


def test_a_map_is_read_once_until_its_file_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "map.mrc", MapCache()
    write_map(path, np.ones((4, 4, 4)), 1.0)
    first = cache.get(path, read_map)
    assert cache.get(path, read_map) is first
    write_map(path, np.zeros((6, 6, 6)), 1.0)
    assert cache.get(path, read_map).volume.shape == (6, 6, 6)
    with pytest.raises(InputError, match="does not exist"):
        cache.get(tmp_path / "none.mrc", read_map)


def test_maps_beyond_the_limit_are_forgotten(tmp_path: Path) -> None:
    cache = MapCache(largest_bytes=3 * 4**3 * 4)
    paths = [tmp_path / f"{n}.mrc" for n in range(4)]
    for path in paths:
        write_map(path, np.ones((4, 4, 4)), 1.0)
    first = [cache.get(path, read_map) for path in paths]
    assert cache.get(paths[3], read_map) is first[3]
    assert cache.get(paths[0], read_map) is not first[0]


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "link", "none", "."])
def test_nothing_outside_the_folder_is_handed_out(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(NotFound):
        check_inside(folder, name)


def test_files_of_the_folder_are(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "run.out").write_text("x")
    assert check_inside(tmp_path, "sub/run.out") == (tmp_path / "sub" / "run.out").resolve()


def test_the_command_can_be_pasted() -> None:
    words = command_line("refine", {"particles": "my set.star", "zero_mask": False, "gpu": None})
    assert words == "halfmap refine --particles 'my set.star' --no-zero-mask"
