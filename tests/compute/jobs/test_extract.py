"""Extraction as a job: coordinates and offsets, tables, what is left out, and what cannot be extracted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from compute.__main__ import run_job
from compute.files.errors import InputError
from compute.files.mrc import read_layout
from compute.jobs.extract_geometry import box_centres, recentred
from compute.params.extract import ExtractParams
from compute.signal.extraction import normalised_plainly, windows
from tests.compute.jobs import extracting as e

ANGLES = {"AngleRot": 0.0, "AngleTilt": 0.0, "AnglePsi": 0.0}


def particle(x: float, y: float, origin: tuple[float, float], **more: Any) -> dict[str, Any]:
    """A row of a refined particle."""
    place = {"CoordinateX": x, "CoordinateY": y, "OriginXAngst": origin[0]}
    return place | {"OriginYAngst": origin[1], **more}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one micrograph of noise, 240 x 200 pixels of 0.885 Å."""
    e.write_micrographs(tmp_path, {"m.mrc": e.noise()})
    return tmp_path


FIRST = particle(100, 80, (13.098, -13.098), **ANGLES)
SECOND = particle(100.7, 80.2, (1.5, -2.5), AngleRot=30.0, AngleTilt=60.0, AnglePsi=45.0)
THIRD = particle(60, 50, (0.4425, -0.4425), **ANGLES)


@pytest.mark.parametrize(
    ("row", "options", "xy", "origin"),
    [
        (FIRST, {"recenter": True}, (85, 95), (-0.177, 0.177)),
        (SECOND, {"recenter": True}, (98.7, 83.2), (-0.27, 0.155)),
        (THIRD, {"recenter": True}, (59, 51), (-0.4425, 0.4425)),
        (FIRST, {}, (100, 80), (13.098, -13.098)),
        (FIRST, {"reset_offsets": True}, (100, 80), (0, 0)),
        (FIRST, {"recenter": True, "recenter_x": 10.0, "recenter_y": 5.0, "recenter_z": -3.0},
         (125, 115), (-0.177, 0.177)),
        (SECOND, {"recenter": True, "recenter_x": 10.0, "recenter_y": 5.0, "recenter_z": -3.0},
         (120.7, 58.2), (0.405463, 0.178133)),
        (SECOND, {"recenter": True, "recenter_x": 10.0, "recenter_y": 5.0, "recenter_z": -3.0,
                  "reference_pixel_size_A": 1.77}, (109.7, 70.2), (0.067732, -0.27593)),
        (THIRD, {"recenter": True, "recenter_x": 10.0, "recenter_y": 5.0, "recenter_z": -3.0},
         (100, 71), (0.4425, 0.4425)),
    ],
)  # fmt: skip
def test_coordinates_and_offsets_are_those_stated(
    project: Path, row: dict, options: dict, xy: tuple, origin: tuple
) -> None:
    e.write_refined(project, [row])
    found = e.extract(project, particles="refined.star", **options)
    np.testing.assert_allclose(found.xy, [xy], atol=1e-9)
    np.testing.assert_allclose(found.origins_A, [origin], atol=1e-5)
    x, y = int(xy[0]), int(xy[1])
    np.testing.assert_array_equal(found.images()[0], e.noise()[y - 8 : y + 8, x - 8 : x + 8])


def test_the_centre_of_a_negative_coordinate_is_below_it() -> None:
    coordinates, origins = recentred(
        np.array([[30.4, 30.4]]), np.array([[46.2, 46.2]]), np.array([1.5]), np.array([1.5])
    )
    np.testing.assert_allclose(coordinates, [[-0.6, -0.6]])
    np.testing.assert_allclose(origins, [[-0.3, -0.3]])
    assert box_centres(coordinates).tolist() == [[-1, -1]]
    assert box_centres(np.array([[30.9, 0.99]])).tolist() == [[30, 0]]


def test_files_of_version_3_0_are_converted(project: Path) -> None:
    old = {
        "Voltage": 300,
        "SphericalAberration": 2.7,
        "AmplitudeContrast": 0.1,
        "Magnification": 10000,
    }
    rows = {"CoordinateX": [100], "CoordinateY": [80], "OriginX": [3.7], "OriginY": [-3.7],
            "MicrographName": ["m.mrc"], "ImageName": ["1@a.mrcs"], "DetectorPixelSize": [3.54]}  # fmt: skip
    text = e.table("", rows | {label: [value] for label, value in old.items()})
    (project / "refined.star").write_text(text.replace("# version 30001", ""))
    legacy = e.table("", {"MicrographName": ["m.mrc"]}).replace("# version 30001", "")
    (project / "micrographs.star").write_text(legacy)
    with pytest.raises(InputError, match="--micrograph-pixel-size"):
        e.extract(project, particles="refined.star", recenter=True)
    found = e.extract(
        project,
        "F/particles",
        particles="refined.star",
        recenter=True,
        micrograph_pixel_size_A=0.885,
    )
    np.testing.assert_allclose(found.xy, [[85, 95]])
    np.testing.assert_allclose(found.origins_A, [[-0.177, 0.177]], atol=1e-9)
    assert found.optics["ImagePixelSize"] == pytest.approx([0.885])
    assert "OriginX" not in found.columns


@pytest.mark.parametrize(
    ("box", "scale", "radius"), [(256, 64, 24), (360, 256, 96), (300, 128, 48), (200, 90, 33)]
)
def test_the_background_radius_is_three_quarters_rounded_down(
    box: int, scale: int, radius: int
) -> None:
    params = ExtractParams(micrographs="m", particles="p", output="E/p", box=box, rescale_box=scale)
    assert params.background_radius == radius


def test_the_chapters_settings_give_its_pixel_size(project: Path) -> None:
    e.write_refined(project, [FIRST | {"RandomSubset": 2, "Unknown": "kept", "ClassNumber": 3}])
    found = e.extract(
        project, particles="refined.star", recenter=True, box=360, rescale_box=256, normalise=True,
        invert_contrast=True,
    )  # fmt: skip
    assert found.optics["ImagePixelSize"] == pytest.approx([1.24453125], abs=1e-9)
    assert found.optics["ImageSize"].tolist() == [256]
    assert found.optics["CtfDataAreCtfPremultiplied"].tolist() == [0]
    layout = read_layout(found.folder / "m.mrcs")
    assert layout.shape == (1, 256, 256)
    assert layout.pixel_size_A == pytest.approx(1.24453125, abs=1e-6)
    columns = found.columns
    assert columns["ImageName"].tolist() == ["000001@E/m.mrcs"]
    assert columns["MicrographName"].tolist() == ["m.mrc"]
    assert [
        columns[name][0]
        for name in ("RandomSubset", "rlnUnknown".removeprefix("rln"), "ClassNumber")
    ] == [2, "kept", 3]
    picks = found.block("extractpick.star", "coordinate_files")
    assert picks["MicrographCoordinates"].tolist() == ["E/m_extract.star"]
    assert found.block("m_extract.star", "images")["CoordinateX"].tolist() == [85]


def test_coordinates_of_a_list_and_of_a_suffix_are_the_same(tmp_path: Path) -> None:
    names = {
        "Mics/job002/Movies/a.mrc": e.noise(seed=1),
        "Mics/job002/Movies/b.mrc": e.noise(seed=2),
    }
    ctf = {"DefocusU": [10000, 11000], "DefocusV": [9000, 9500], "DefocusAngle": [10, 20]}
    e.write_micrographs(tmp_path, names, **ctf)
    picks = tmp_path / "Pick" / "job004" / "Movies"
    picks.mkdir(parents=True)
    (picks / "a_auto.star").write_text(
        e.table(
            "",
            {
                "CoordinateX": [50, 60.5],
                "CoordinateY": [70, 80],
                "AutopickFigureOfMerit": [1.5, 0.2],
            },
        )
    )
    (picks / "b_auto.star").write_text(e.table("", {"CoordinateX": [90], "CoordinateY": [40]}))
    (picks.parent / "coords_suffix_auto.star").write_text("micrographs.star\n")
    rows = {"MicrographName": list(names),
            "MicrographCoordinates": [f"Pick/job004/Movies/{n}_auto.star" for n in "ab"]}  # fmt: skip
    (tmp_path / "list.star").write_text(e.table("coordinate_files", rows))
    by_list = e.extract(tmp_path, coordinates="list.star")
    by_suffix = e.extract(
        tmp_path, "F/particles", coordinates="Pick/job004/coords_suffix_auto.star"
    )
    for found in (by_list, by_suffix):
        assert found.xy.tolist() == [[50, 70], [60.5, 80], [90, 40]]
        columns = found.columns
        assert columns["AutopickFigureOfMerit"].tolist() == [1.5, 0.2, 0.0]
        assert columns["DefocusU"].tolist() == [10000, 10000, 11000]
        assert columns["CtfScalefactor"].tolist() == [1, 1, 1]
        assert "MicrographPixelSize" not in found.optics
        np.testing.assert_array_equal(
            found.images("Movies/b.mrcs")[0], e.noise(seed=2)[32:48, 82:98]
        )
    assert by_list.columns["ImageName"].tolist()[2] == "000001@E/Movies/b.mrcs"


def test_coordinates_in_text_files(project: Path) -> None:
    (project / "m.box").write_text("42 72 16 16\n# none\n10 20 17 17\n")
    found = e.extract(project, coordinates_suffix=".box")
    assert found.xy.tolist() == [[50, 80], [18, 28]]
    (project / "m.txt").write_text("50.7 80 0.3\n")
    found = e.extract(project, "F/particles", coordinates_suffix=".txt")
    assert found.xy.tolist() == [[50, 80]]


def test_only_particles_above_the_figure_of_merit(project: Path) -> None:
    e.write_coordinates(
        project,
        {"m.mrc": [(50, 50, 1.0), (60, 60, 0.5), (70, 70, 0.49)]},
        ["AutopickFigureOfMerit"],
    )
    found = e.extract(project, minimum_pick_fom=0.5)
    assert found.columns["CoordinateX"].tolist() == [50]
    with pytest.raises(InputError, match="the largest is 1"):
        e.extract(project, "F/particles", minimum_pick_fom=2.0)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.float32, np.uint16, np.float16])
def test_micrographs_of_every_mode(tmp_path: Path, kind: type) -> None:
    pixels = (e.noise() * 9).clip(0, 100).astype(kind)
    e.write_micrographs(tmp_path, {"m.mrc": pixels})
    e.write_coordinates(tmp_path, {"m.mrc": [(50, 60)]})
    np.testing.assert_array_equal(e.extract(tmp_path).images()[0], pixels[52:68, 42:58])


@pytest.mark.parametrize(
    ("kind", "compression"), [(np.uint8, "zlib"), (np.uint16, None), (np.float32, "lzw")]
)
def test_micrographs_as_tiff(tmp_path: Path, kind: type, compression: str | None) -> None:
    pixels = (e.noise() * 9).clip(0, 100).astype(kind)
    e.write_micrographs(tmp_path, {"other.mrc": e.noise()})
    tifffile.imwrite(tmp_path / "m.tif", pixels, compression=compression)
    text = (tmp_path / "micrographs.star").read_text().replace("other.mrc", "m.tif")
    (tmp_path / "micrographs.star").write_text(text)
    e.write_coordinates(tmp_path, {"m.tif": [(50, 60)]})
    np.testing.assert_array_equal(e.extract(tmp_path).images()[0], pixels[52:68, 42:58])


def test_half_precision_and_its_statistics(project: Path) -> None:
    e.write_coordinates(project, {"m.mrc": [(50, 60), (90, 90)]})
    exact = e.extract(project, normalise=True, invert_contrast=True).images()
    found = e.extract(project, "F/particles", float16=True, normalise=True, invert_contrast=True)
    assert found.images().dtype == np.float16
    np.testing.assert_allclose(found.images(), exact, rtol=1e-3, atol=1e-4)


def test_particles_off_the_edge_are_left_out_and_counted(project: Path) -> None:
    inside, partly, off = (100, 100), (3, 100), (-9, 50)
    e.write_coordinates(project, {"m.mrc": [inside, partly, off]})
    found = e.extract(project)
    assert found.xy.tolist() == [[100, 100], [3, 100]]
    rejected = found.block("rejected.star", "rejected")
    assert rejected["CoordinateX"].tolist() == [-9]
    assert "outside the micrograph" in rejected["halfmapReason"][0]
    codes = [event["code"] for event in found.events("warning")]
    assert codes == ["E4", "E5"]
    found = e.extract(project, "F/particles", maximum_padding_percent=25.0)
    assert found.xy.tolist() == [[100, 100]]
    assert len(found.block("rejected.star", "rejected")["CoordinateX"]) == 2
    e.write_coordinates(project, {"m.mrc": [off]})
    with pytest.raises(InputError, match="all 1 particles lie outside .* 240 x 200 pixels"):
        e.extract(project, "G/particles")


def refined_of(folder: Path, names: list[str], **kind: Any) -> None:
    rows = [particle(100 + i, 80, (0, 0), MicrographName=name) for i, name in enumerate(names)]
    e.write_refined(folder, rows, **kind)


def test_particles_of_other_micrographs_are_refused_with_a_map(tmp_path: Path) -> None:
    e.write_micrographs(tmp_path, {"mics/a.mrc": e.noise(), "mics/b.mrc": e.noise()})
    refined_of(tmp_path, ["Movies/a.mrc", "Movies/b.mrc", "Movies/b.mrc"])
    with pytest.raises(InputError) as refused:
        e.extract(tmp_path, particles="refined.star", allow_missing=True)
    assert str(refused.value) == (
        "0 of 3 particles belong to the 2 micrographs in micrographs.star. First particle without one: "
        "'Movies/a.mrc', first micrograph: 'mics/a.mrc'. With --path-map 'Movies/=mics/', 3 would."
    )
    assert not (tmp_path / "E" / "particles.star").exists()
    found = e.extract(tmp_path, particles="refined.star", path_map="Movies/=mics/")
    assert found.columns["MicrographName"].tolist() == ["mics/a.mrc", "mics/b.mrc", "mics/b.mrc"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Movies/a.mrc", "a.mrc", "Movies/="),
        ("a.mrc", "mics/a.mrc", "=mics/"),
        ("x/y/a.mrc", "x/z/a.mrc", "x/y/=x/z/"),
        ("a.mrc", "a.tif", ".mrc=.tif"),
        ("Movies/a.mrc", "mics/a.tif", "Movies/=mics/,.mrc=.tif"),
        ("MotionCorr/job002/Movies/a.mrc", "mics/a.mrc", "Movies/=mics/"),
    ],
)
def test_the_map_that_is_suggested_fits(tmp_path: Path, old: str, new: str, expected: str) -> None:
    from compute.files.micrograph_names import mapped, parse_map, suggested_map

    assert suggested_map([old], {new: 0}) == expected
    assert mapped(old, parse_map(expected, "")) == new


def test_names_are_equal_and_not_parts_of_each_other(tmp_path: Path) -> None:
    e.write_micrographs(tmp_path, {"mics/a.mrc": e.noise(), "xmics/a.mrc": e.noise(seed=2)})
    refined_of(tmp_path, ["Job/job007/xmics/a.mrc", "mics/a.mrc"])
    found = e.extract(tmp_path, particles="refined.star")
    assert found.columns["MicrographName"].tolist() == ["mics/a.mrc", "xmics/a.mrc"]
    assert found.columns["CoordinateX"].tolist() == [101, 100]


def test_some_unknown_micrographs_need_consent(tmp_path: Path) -> None:
    e.write_micrographs(tmp_path, {"a.mrc": e.noise()})
    refined_of(tmp_path, ["a.mrc", "gone.mrc"])
    with pytest.raises(InputError, match="1 of 2 particles belong .* --allow-missing"):
        e.extract(tmp_path, particles="refined.star")
    found = e.extract(tmp_path, particles="refined.star", allow_missing=True)
    assert found.columns["MicrographName"].tolist() == ["a.mrc"]
    assert found.block("rejected.star", "rejected")["halfmapReason"].tolist() == [
        "its micrograph is not listed"
    ]


def test_missing_micrographs_are_listed_with_their_particles(tmp_path: Path) -> None:
    e.write_micrographs(tmp_path, {name: e.noise() for name in ("a.mrc", "b.mrc", "c.mrc")})
    refined_of(tmp_path, ["a.mrc", "b.mrc", "c.mrc", "c.mrc"])
    (tmp_path / "b.mrc").unlink()
    (tmp_path / "c.mrc").unlink()
    with pytest.raises(
        InputError, match=r"2 of 3 micrographs do not exist \(3 of 4 particles\): b.mrc, c.mrc"
    ):
        e.extract(tmp_path, particles="refined.star")
    found = e.extract(tmp_path, particles="refined.star", allow_missing=True)
    assert found.columns["MicrographName"].tolist() == ["a.mrc"]


def test_micrographs_that_cannot_be_told_apart(tmp_path: Path) -> None:
    e.write_micrographs(tmp_path, {"M/job001/a.mrc": e.noise(), "M/job002/a.mrc": e.noise()})
    refined_of(tmp_path, ["a.mrc"])
    with pytest.raises(InputError, match="cannot be told apart"):
        e.extract(tmp_path, particles="refined.star")


def test_optics_groups_are_matched_by_name_before_any_work(project: Path) -> None:
    refined_of(project, ["m.mrc"])
    text = (project / "refined.star").read_text().replace("opticsGroup1", "krios")
    (project / "refined.star").write_text(text)
    with pytest.raises(InputError, match="--optics-map 'krios=opticsGroup1'"):
        e.extract(project, particles="refined.star")
    found = e.extract(project, particles="refined.star", optics_map="krios=opticsGroup1")
    assert found.optics["OpticsGroupName"].tolist() == ["krios"]


def test_groups_that_disagree_with_the_micrographs(project: Path) -> None:
    text = e.optics("MicrographPixelSize", 0.885).rstrip() + "\nother 2 1.77 300 2.7 0.1\n \n"
    rows = {"MicrographName": ["m.mrc"], "OpticsGroup": [2]}
    (project / "micrographs.star").write_text(text + e.table("micrographs", rows))
    refined_of(project, ["m.mrc"])
    with pytest.raises(
        InputError, match="group of 0.885 Å per pixel, but their micrographs in one of 1.77"
    ):
        e.extract(project, particles="refined.star")


def test_ctf_of_the_particles_or_of_the_micrographs(tmp_path: Path) -> None:
    ctf = {"DefocusU": [20000], "DefocusV": [19000], "DefocusAngle": [5]}
    e.write_micrographs(tmp_path, {"m.mrc": e.noise()}, **ctf)
    e.write_refined(
        tmp_path, [FIRST | {"DefocusU": 12345.0, "DefocusV": 12000.0, "DefocusAngle": 1.0}]
    )
    kept = e.extract(tmp_path, particles="refined.star")
    assert kept.columns["DefocusU"].tolist() == [12345]
    taken = e.extract(tmp_path, "F/particles", particles="refined.star", keep_ctfs_micrographs=True)
    assert taken.columns["DefocusU"].tolist() == [20000]
    assert taken.columns["DefocusAngle"].tolist() == [5]


def test_images_without_contrast_and_bad_pixels_are_reported(tmp_path: Path) -> None:
    dead, holed = np.full((200, 240), 7.0, np.float32), e.noise()
    holed[60, 50] = np.nan
    e.write_micrographs(tmp_path, {"dead.mrc": dead, "holed.mrc": holed})
    e.write_coordinates(tmp_path, {"dead.mrc": [(50, 60), (80, 90)], "holed.mrc": [(50, 60)]})
    found = e.extract(tmp_path, normalise=True)
    assert np.abs(found.images("dead.mrcs")).max() == 0.0
    assert np.isfinite(found.images("holed.mrcs")).all()
    warnings = [event["message"] for event in found.events("warning")]
    assert (
        warnings[0].startswith("2 images have a constant background") and "dead.mrc" in warnings[0]
    )
    assert "holed.mrc" in warnings[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"box": 361}, "use 360 or 362"),
        ({"rescale_box": 255}, "use 254 or 256"),
        ({"normalise": True, "background_diameter_px": 400.0}, "from 1 to 8"),
        ({"normalise": True, "background_radius_px": 9}, "from 1 to 8"),
        ({"particles": "refined.star", "reset_offsets": True, "recenter": True}, "choose one"),
        ({"particles": "refined.star", "recenter_x": 3.0}, "needs recentring"),
        ({"recenter": True}, "only refined particles have offsets"),
        ({"particles": "refined.star", "coordinates": "list.star"}, "give one of them"),
        ({"premultiply_ctf": True, "phase_flip": True}, "choose one"),
        ({"micrographs": "nowhere.star"}, "nowhere.star does not exist"),
        ({"particles": "nowhere.star"}, "nowhere.star does not exist"),
        ({"coordinates_suffix": "_no.star"}, "no coordinates were found"),
        ({"particles": "empty.star"}, "contains no particles"),
        ({"coordinates_suffix": "_none.star"}, "contain no particles"),
        ({"particles": "plain.star", "recenter": True}, "no refined offsets \\(rlnOriginXAngst\\)"),
        ({"particles": "offsets.star", "recenter": True, "recenter_x": 1.0}, "has no angles"),
        ({"minimum_pick_fom": 0.0}, "no rlnAutopickFigureOfMerit"),
        ({"premultiply_ctf": True}, "rlnDefocusU are missing"),
        ({"path_map": "nonsense", "particles": "plain.star"}, "must be OLD=NEW"),
        ({"micrographs": "plain.star"}, "pick a micrograph file"),
    ],
)  # fmt: skip
def test_what_cannot_be_extracted_is_said_before_any_work(
    project: Path, options: dict, sentence: str
) -> None:
    e.write_coordinates(project, {"m.mrc": [(50, 60)]})
    (project / "m_none.star").write_text(e.table("", {"CoordinateX": [], "CoordinateY": []}))
    optics = e.optics("ImagePixelSize", 3.54, ImageSize=64)
    rows = {"CoordinateX": [50], "CoordinateY": [60], "MicrographName": ["m.mrc"],
            "ImageName": ["1@a.mrcs"], "OpticsGroup": [1]}  # fmt: skip
    (project / "plain.star").write_text(optics + e.table("particles", rows))
    rows |= {"OriginXAngst": [0], "OriginYAngst": [0]}
    (project / "offsets.star").write_text(optics + e.table("particles", rows))
    (project / "empty.star").write_text(
        optics + e.table("particles", {label: [] for label in rows})
    )
    with pytest.raises(ValueError, match=sentence):
        e.extract(project, **options)
    assert not list(project.rglob("E/*.mrcs")) and not (project / "E" / "particles.star").exists()


def test_no_pixel_size_of_the_micrographs_asks_for_it(project: Path) -> None:
    text = (project / "micrographs.star").read_text().replace("rlnMicrographPixelSize", "rlnOther")
    (project / "micrographs.star").write_text(text)
    e.write_refined(project, [FIRST])
    with pytest.raises(InputError, match="give it \\(--micrograph-pixel-size\\)"):
        e.extract(project, particles="refined.star")
    found = e.extract(project, particles="refined.star", micrograph_pixel_size_A=0.885)
    assert found.optics["ImagePixelSize"].tolist() == [0.885]


def test_no_image_size_is_needed(project: Path) -> None:
    e.write_refined(project, [FIRST | {"DefocusU": 10000, "DefocusV": 10000, "DefocusAngle": 0}])
    text = (project / "refined.star").read_text().replace("rlnImageSize", "rlnOther")
    (project / "refined.star").write_text(text)
    assert e.extract(project, particles="refined.star").optics["ImageSize"].tolist() == [16]


def test_several_threads_give_the_same_files(tmp_path: Path) -> None:
    names = [f"m{i}.mrc" for i in range(6)]
    e.write_micrographs(tmp_path, {name: e.noise(seed=i) for i, name in enumerate(names)})
    picks = {name: [(40 + 10 * i, 50 + 5 * k) for k in range(9)] for i, name in enumerate(names)}
    e.write_coordinates(tmp_path, picks)
    options: dict[str, Any] = {"box": 24, "rescale_box": 18, "normalise": True, "white_dust": 2.0}
    one = e.extract(tmp_path, threads=1, **options)
    many = e.extract(tmp_path, "F/particles", threads=4, **options)
    for name in names:
        stack = name.replace(".mrc", ".mrcs")
        assert (one.folder / stack).read_bytes() == (many.folder / stack).read_bytes()
    assert one.xy.tolist() == many.xy.tolist()
    (end,) = many.events("end")
    assert end["outputs"][0] == {
        "path": "particles.star", "content": "particles", "particles": 54, "box_size": 18,
        "pixel_size_A": pytest.approx(0.885 * 24 / 18),
    }  # fmt: skip


def test_bright_micrographs_are_normalised_as_exactly_as_dark_ones(tmp_path: Path) -> None:
    bright = e.noise() + np.float32(4096.0)
    e.write_micrographs(tmp_path, {"m.mrc": bright})
    e.write_coordinates(tmp_path, {"m.mrc": [(100, 100), (60, 70)]})
    found = e.extract(tmp_path, box=48, normalise=True).images()
    cut = windows(bright, np.array([[100, 100], [60, 70]]), 48)
    np.testing.assert_allclose(found, normalised_plainly(cut, 18, True), atol=3e-6)


def test_the_job_file_says_what_is_wrong(project: Path) -> None:
    with pytest.raises(ValueError, match="box: 17 is odd"):
        run_job({"job": "extract", "params": {"micrographs": "m", "output": "E/p", "box": 17}})
