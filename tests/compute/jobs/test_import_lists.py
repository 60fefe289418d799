"""Lists of micrographs and of coordinates: converted, matched, and found from the project."""

from collections.abc import Iterator
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from compute.files.coordinates import coordinate_files, read_coordinates
from compute.files.errors import InputError
from compute.files.micrographs import read_micrographs
from compute.files.star import read_star
from tests.compute.jobs.plain_run import finish, inside, warnings

LIST = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMtfFileName #3
_rlnMicrographPixelSize #4
_rlnVoltage #5
_rlnSphericalAberration #6
_rlnAmplitudeContrast #7
opticsGroup1 1 mtf.star 0.885 200 1.4 0.1


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnSomethingNew #4
MotionCorr/job002/Mics/a.mrc 1 10000 x
MotionCorr/job002/Mics/a2.mrc 1 11000 y
"""
OLD_LIST = """data_

loop_
_rlnMicrographName #1
_rlnDefocusU #2
_rlnDetectorPixelSize #3
_rlnMagnification #4
_rlnVoltage #5
Mics/a.mrc 10000 5.0 50000 300
Mics/a2.mrc 11000 5.0 50000 200
"""


def micrograph(path: Path, pixel_A: float = 0.885) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.zeros((24, 32), dtype=np.float32))
        file.voxel_size = pixel_A


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """Another project with two micrographs and their list; the current folder is our empty project beside it."""
    folder = tmp_path / "other"
    for name in ("a", "a2"):
        micrograph(folder / "MotionCorr" / "job002" / "Mics" / f"{name}.mrc")
    (folder / "CtfFind" / "job003").mkdir(parents=True)
    (folder / "CtfFind" / "job003" / "micrographs_ctf.star").write_text(LIST)
    (folder / "mtf.star").write_text("data_mtf\n")
    (tmp_path / "project").mkdir()
    with inside(tmp_path / "project"):
        yield folder


def test_micrographs_of_another_project_are_found_from_ours(other: Path) -> None:
    source = other / "CtfFind" / "job003" / "micrographs_ctf.star"
    end = finish("importing", files=str(source), output="Import/job001/import")
    tables = read_star("Import/job001/micrographs.star")
    names = tables["micrographs"].columns["rlnMicrographName"].tolist()
    assert names == [str(other / "MotionCorr/job002/Mics" / name) for name in ("a.mrc", "a2.mrc")]
    assert tables["micrographs"].columns["rlnSomethingNew"].tolist() == ["x", "y"]
    assert tables["optics"].columns["rlnMtfFileName"].tolist() == [str(other / "mtf.star")]
    (output,) = end.outputs
    assert (output.content, output.particles, output.pixel_size_A) == ("micrographs", 2, 0.885)
    assert warnings("Import/job001/import") == []
    assert read_micrographs("Import/job001/micrographs.star").files[0].is_file()


def test_micrographs_of_the_same_name_in_our_project_are_not_taken_for_theirs(other: Path) -> None:
    micrograph(Path("MotionCorr/job002/Mics/a.mrc"))
    source = other / "CtfFind" / "job003" / "micrographs_ctf.star"
    finish("importing", files=str(source), output="Import/job001/import")
    names = read_star("Import/job001/micrographs.star")["micrographs"].columns["rlnMicrographName"]
    assert names[0] == str(other / "MotionCorr/job002/Mics/a.mrc")


def test_lists_of_3_0_are_converted(other: Path) -> None:
    for name in ("a", "a2"):
        micrograph(Path(f"Mics/{name}.mrc"), 1.0)
    Path("old.star").write_text(OLD_LIST)
    finish("importing", files="old.star", output="Import/job001/own")
    tables = read_star("Import/job001/own.star")
    optics = tables["optics"].columns
    assert optics["rlnMicrographPixelSize"].tolist() == [1.0, 1.0]
    assert optics["rlnMicrographOriginalPixelSize"].tolist() == [1.0, 1.0]
    assert optics["rlnVoltage"].tolist() == [300.0, 200.0]
    assert tables["micrographs"].columns["rlnOpticsGroup"].tolist() == [1, 2]
    assert tables["micrographs"].columns["rlnMicrographName"].tolist() == [
        "Mics/a.mrc",
        "Mics/a2.mrc",
    ]


def test_the_pixel_size_of_a_list_can_be_given(other: Path) -> None:
    """E13, E19."""
    source = other / "CtfFind" / "job003" / "micrographs_ctf.star"
    source.write_text(LIST.replace("_rlnMicrographPixelSize", "_rlnPixelOfOurs"))
    with pytest.raises(InputError, match="does not say the pixel size"):
        finish("importing", files=str(source), output="Import/job001/import")
    finish("importing", files=str(source), output="Import/job002/import", pixel_size_A=1.0)
    (warning,) = warnings("Import/job002/import")
    assert "says 0.8850 Å, the list 1.0000 Å" in warning
    assert read_micrographs("Import/job002/micrographs.star").pixel_size_A.tolist() == [1.0]


def test_missing_micrographs_are_told_or_accepted(other: Path) -> None:
    """E3."""
    source = other / "CtfFind" / "job003" / "micrographs_ctf.star"
    (other / "MotionCorr/job002/Mics/a2.mrc").unlink()
    with pytest.raises(InputError, match=r"1 of 2 micrographs of .*; the first is .*a2\.mrc"):
        finish("importing", files=str(source), output="Import/job001/import")
    assert not Path("Import/job001/micrographs.star").exists()
    finish("importing", files=str(source), output="Import/job002/import", allow_missing=True)
    assert len(read_star("Import/job002/micrographs.star")["micrographs"]) == 2
    assert "1 of 2 micrographs" in warnings("Import/job002/import")[0]


def test_a_changed_beginning_of_paths_is_followed(other: Path) -> None:
    for name in ("a", "a2"):
        micrograph(Path(f"moved/{name}.mrc"))
    Path("list.star").write_text(LIST)
    finish(
        "importing",
        files="list.star",
        output="Import/job001/import",
        path_map="MotionCorr/job002/Mics/=moved/",
    )
    names = read_star("Import/job001/micrographs.star")["micrographs"].columns["rlnMicrographName"]
    assert names.tolist() == ["moved/a.mrc", "moved/a2.mrc"]


def test_a_cut_micrograph_is_named(other: Path) -> None:
    path = other / "MotionCorr/job002/Mics/a2.mrc"
    path.write_bytes(path.read_bytes()[:-4])
    source = other / "CtfFind" / "job003" / "micrographs_ctf.star"
    with pytest.raises(InputError, match=r"a2\.mrc is cut short"):
        finish("importing", files=str(source), output="Import/job001/import")


# Coordinates


@pytest.fixture
def picks(other: Path) -> Path:
    """Coordinates of both micrographs in three formats, and the list of the micrographs as ours."""
    finish(
        "importing",
        files=str(other / "CtfFind" / "job003" / "micrographs_ctf.star"),
        output="Import/job001/import",
    )
    folder = other / "picks"
    folder.mkdir()
    (folder / "a_autopick.star").write_text(
        "data_\n\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnAutopickFigureOfMerit\n5.5 6 0.3\n40 7 0.2\n"
    )
    (folder / "a2.box").write_text("10 11 9 9\n3 4 8 8\n")
    return folder


def test_coordinates_become_star_files_and_a_list(picks: Path) -> None:
    end = finish(
        "importing",
        files=str(picks / "*"),
        kind="coordinates",
        micrographs_star="Import/job001/micrographs.star",
        output="Import/job002/import",
    )
    table = read_star("Import/job002/coordinates.star")["coordinate_files"].columns
    micrographs = read_micrographs("Import/job001/micrographs.star")
    assert table["rlnMicrographName"].tolist() == list(micrographs.names)
    files = [read_coordinates(Path(name)) for name in table["rlnMicrographCoordinates"]]
    assert files[0].columns["rlnCoordinateX"].tolist() == [5.5, 40.0]
    assert files[0].columns["rlnAutopickFigureOfMerit"].tolist() == [0.3, 0.2]
    assert files[1].columns["rlnCoordinateX"].tolist() == [14.0, 7.0]
    assert files[1].columns["rlnCoordinateY"].tolist() == [15.0, 8.0]
    (output,) = end.outputs
    assert (output.path, output.content, output.particles) == ("coordinates.star", "coordinates", 4)
    assert warnings("Import/job002/import") == ["1 coordinates lie outside of their micrographs."]
    for source in ("coordinates.star", "coords_suffix_coords.star"):
        found = coordinate_files(f"Import/job002/{source}", "", "", micrographs.names)
        assert sorted(found) == [0, 1] and all(path.is_file() for path in found.values())


def test_a_list_of_coordinates_is_imported_again(picks: Path) -> None:
    for number, source in ((2, str(picks / "*")), (3, "Import/job002/coordinates.star")):
        finish(
            "importing",
            files=source,
            micrographs_star="Import/job001/micrographs.star",
            output=f"Import/job00{number}/import",
        )
    first, second = (
        read_star(f"Import/job00{number}/coordinates.star")["coordinate_files"].columns
        for number in (2, 3)
    )
    assert first["rlnMicrographName"].tolist() == second["rlnMicrographName"].tolist()
    for old, new in zip(
        first["rlnMicrographCoordinates"], second["rlnMicrographCoordinates"], strict=True
    ):
        assert old != new and Path(old).read_bytes() == Path(new).read_bytes()


def test_coordinates_that_do_not_fit(picks: Path) -> None:
    def refused(message: str, **params: str) -> None:
        values = {
            "files": str(picks / "*"),
            "micrographs_star": "Import/job001/micrographs.star",
        } | params
        with pytest.raises(InputError, match=message):
            finish("importing", output="Import/job009/import", **values)
        assert not Path("Import/job009/coordinates.star").exists()

    refused(
        "coordinates need the list of their micrographs",
        files=str(picks / "a_autopick.star"),
        micrographs_star="",
    )
    refused("No file fits", files=str(picks / "*.txt"))
    (picks / "a_manual.star").write_text("data_\n\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n")
    refused("both have coordinates of")
    (picks / "a_manual.star").unlink()
    (picks / "b.box").write_text("1 2 3 3\n")
    refused(r"b\.box begins with the name of none of the 2 micrographs")
    (picks / "b.box").unlink()
    (picks / "a2.box").write_text("1 x\n")
    refused(r"a2\.box, line 1: '1 x' are no coordinates")
    (picks / "a2.box").unlink()
    Path("list.star").write_text(
        "data_coordinate_files\n\nloop_\n_rlnMicrographName\n_rlnMicrographCoordinates\nz.mrc picks.star\n"
    )
    refused(r"list\.star has coordinates of z\.mrc, which is not in", files="list.star")
    finish(
        "importing",
        files=str(picks / "*"),
        micrographs_star="Import/job001/micrographs.star",
        output="Import/job010/import",
    )
    assert "1 of 2 micrographs have no coordinates." in warnings("Import/job010/import")
