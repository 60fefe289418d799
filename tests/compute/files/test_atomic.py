"""Whole files or none, and what killed processes leave."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from compute.files.atomic import remove_unfinished, replacing, write_whole


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    write_whole(path, b"first")
    with pytest.raises(KeyError), replacing(path) as file:
        file.write(b"sec")
        raise KeyError
    assert path.read_bytes() == b"first"
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


def test_a_file_for_which_there_is_no_room_is_named(tmp_path: Path) -> None:
    """The system names no file where a write fails; nothing of it is left."""
    path, before = tmp_path / "map.mrc", resource.getrlimit(resource.RLIMIT_FSIZE)
    write_whole(path, b"first")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OSError) as found:
            write_whole(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (found.value.errno, found.value.filename) == (errno.EFBIG, str(path))
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["map.mrc"]


def test_only_what_dead_processes_have_left_of_these_files_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [
        f"a.mrcs.{gone.pid}.tmp", f"b.mrcs.{10**20}.tmp", f"a.mrcs.{os.getpid()}.tmp", "a.mrcs.1.tmp",
        f"c.mrcs.{gone.pid}.tmp", f"a.mrcs.{gone.pid}.tmp.mrc", "a.mrcs.tmp", "a.mrcs",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    wanted = [tmp_path / "a.mrcs", tmp_path / "b.mrcs", tmp_path / "nowhere" / "a.mrcs"]
    assert remove_unfinished(wanted) == [tmp_path / name for name in names[:2]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[2:])
