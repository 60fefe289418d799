from pathlib import Path

import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.mrc import write_map
from webapp.pages.browser import entries, preview
from webapp.reach import allowed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A root beside a folder whose name begins alike, with links in and out."""
    root, other = tmp_path / "proj", tmp_path / "proj_secret"
    (root / "sub").mkdir(parents=True)
    other.mkdir()
    (other / "hidden.star").write_text("x")
    (root / "a.star").write_text("x")
    (root / "b.mrc").write_text("x")
    (root / ".dot.star").write_text("x")
    (root / "out.star").symlink_to(other / "hidden.star")
    (root / "in.star").symlink_to(root / "a.star")
    return root


def test_a_folder_with_a_longer_name_is_outside(place: Path) -> None:
    with pytest.raises(InputError, match="outside"):
        allowed(place.parent / "proj_secret", [place])
    with pytest.raises(InputError, match="outside"):
        allowed(place / ".." / "proj_secret" / "hidden.star", [place])


def test_only_fitting_files_and_no_links_that_leave(place: Path) -> None:
    found = entries(place, [place], (".star",))
    assert [one.name for one in found] == ["sub", "a.star", "in.star"]
    assert found[0].is_folder


def test_closed_folders_are_neither_listed_nor_opened(place: Path) -> None:
    closed = [place / "sub"]
    assert [one.name for one in entries(place, [place], (".star",), closed)] == [
        "a.star",
        "in.star",
    ]
    with pytest.raises(InputError, match="a project that you do not see"):
        entries(place / "sub", [place], (".star",), closed)


def test_a_map_is_previewed_by_header_and_slices(tmp_path: Path) -> None:
    write_map(tmp_path / "m.mrc", np.random.default_rng(0).random((12, 12, 12)), 2.5)
    text = preview(tmp_path / "m.mrc")
    assert "12 px of 2.5 Å" in text
    assert "data:image/png;base64," in text


def test_a_broken_file_is_refused_in_a_sentence(place: Path) -> None:
    with pytest.raises(InputError, match="1024"):
        preview(place / "b.mrc")
