"""Selections: by value, class, image and distance, regrouped, split and joined; nothing else changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compute.files import events
from compute.files.errors import InputError
from compute.files.mrc import write_map
from compute.files.particles import check_particles, read_particles
from compute.files.stacks import StackWriter
from compute.files.star import read_star, write_star
from compute.files.table import Table
from compute.params.select import SelectParams
from tests.compute.jobs.plain_run import finish, inside
from webapp.options import OptionError, build, parse

COUNT, BOX = 60, 8


def optics(**columns: list) -> Table:
    """An optics table of one or more groups."""
    defaults: dict[str, list] = {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": ["one"],
        "rlnMicrographPixelSize": [2.0],
        "rlnImagePixelSize": [4.0],
        "rlnImageSize": [BOX],
        "rlnImageDimensionality": [2],
        "rlnVoltage": [300.0],
        "rlnSphericalAberration": [2.7],
        "rlnAmplitudeContrast": [0.1],
    }
    return Table("optics", {k: np.array(v) for k, v in (defaults | columns).items()})


def rows(**columns: Any) -> Table:
    """60 particles on four micrographs, in three classes, 100 micrograph pixels apart."""
    n = np.arange(COUNT)
    found: dict[str, Any] = {
        "rlnImageName": np.array([f"{i + 1:06d}@stack.mrcs" for i in n], dtype=object),
        "rlnMicrographName": np.array([f"mic{i % 4}.mrc" for i in n], dtype=object),
        "rlnOpticsGroup": np.ones(COUNT, dtype=np.int64),
        "rlnCoordinateX": 100.0 * (n // 4),
        "rlnCoordinateY": 50.0 + 0 * n,
        "rlnOriginXAngst": 0.0 * n,
        "rlnOriginYAngst": 0.0 * n,
        "rlnDefocusU": 10000.0 + 100.0 * n,
        "rlnClassNumber": 1 + n % 3,
        "rlnRandomSubset": 1 + n % 2,
        "rlnMaxValueProbDistribution": (n % 7) / 7.0,
        "someoneElsesColumn": np.array([f"text {i}" for i in n], dtype=object),
    }
    return Table("particles", found | columns)


def write(name: str = "p.star", table: Table | None = None, of: Table | None = None) -> None:
    write_star(name, [of or optics(), table or rows()])


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A folder with p.star and its images, the current one."""
    with inside(tmp_path):
        write()
        images = np.random.default_rng(0).normal(size=(COUNT, BOX, BOX)).astype(np.float32)
        with StackWriter("stack.mrcs", BOX, 4.0) as stack:
            stack.append(images)
        yield tmp_path


def table(name: str = "S/particles.star", block: str = "particles") -> dict[str, np.ndarray]:
    return read_star(name)[block].columns


def numbers(name: str = "S/particles.star") -> list[int]:
    """Which of the particles a file holds, by their images, from 0."""
    return [int(one.partition("@")[0]) - 1 for one in table(name)["rlnImageName"]]


def select(**options: Any) -> events.End:
    return finish("select", **({"tables": "p.star", "output": "S/particles"} | options))


def test_several_conditions_on_any_column(workplace: Path) -> None:
    end = select(
        conditions="DefocusU in 11000..14000; _rlnMicrographName ~ mic2; rlnClassNumber != 2"
    )
    expected = [i for i in range(COUNT) if 10 <= i <= 40 and i % 4 == 2 and 1 + i % 3 != 2]
    assert numbers() == expected
    first = end.outputs[0]
    assert (first.path, first.content, first.particles) == (
        "particles.star",
        "particles",
        len(expected),
    )
    assert (first.box_size, first.pixel_size_A) == (BOX, 4.0)
    report = json.loads(Path("S/particles_selection.json").read_text())
    assert [(one["before"], one["after"]) for one in report["steps"]] == [(60, 31), (31, 8), (8, 5)]


def test_all_columns_and_the_optics_survive(workplace: Path) -> None:
    select(conditions="someoneElsesColumn ~ 7")
    chosen = [7, 17, 27, 37, 47, 57]
    before, after = read_star("p.star"), read_star("S/particles.star")
    assert list(after["particles"].columns) == list(before["particles"].columns)
    for label, values in before["particles"].columns.items():
        assert after["particles"].columns[label].tolist() == values[chosen].tolist()
    for label, values in before["optics"].columns.items():
        assert after["optics"].columns[label].tolist() == values.tolist()
    check_particles(read_particles("S/particles.star"), needs_ctf=False)


def test_what_is_left_out_is_kept_apart(workplace: Path) -> None:
    select(conditions="rlnDefocusU < 12000")
    both = numbers() + numbers("S/particles_discarded.star")
    assert sorted(both) == list(range(COUNT)) and len(numbers()) == 20
    select(conditions="rlnDefocusU > 0")
    assert not Path("S/particles_discarded.star").exists()
    assert len(numbers("S/superseded/attempt01/particles.star")) == 20


def test_columns_of_the_optics_table_can_be_asked_for(workplace: Path) -> None:
    groups = optics(
        rlnOpticsGroup=[7, 3],
        rlnOpticsGroupName=["one", "two"],
        rlnMicrographPixelSize=[2.0, 2.0],
        rlnImagePixelSize=[4.0, 4.0],
        rlnImageSize=[BOX, BOX],
        rlnImageDimensionality=[2, 2],
        rlnVoltage=[300.0, 200.0],
        rlnSphericalAberration=[2.7, 2.7],
        rlnAmplitudeContrast=[0.1, 0.1],
    )
    write("p.star", rows(rlnOpticsGroup=np.where(np.arange(COUNT) < 9, 3, 7)), groups)
    select(conditions="rlnVoltage = 200")
    assert numbers() == list(range(9))
    select(conditions="rlnOpticsGroupName = one")
    assert numbers() == list(range(9, COUNT))


def test_a_file_of_the_old_layout(workplace: Path) -> None:
    Path("old.star").write_text(
        "data_\n\nloop_\n_rlnImageName #1\n_rlnDetectorPixelSize #2\n_rlnMagnification #3\n"
        "_rlnOriginX #4\n_rlnVoltage #5\n"
        + "".join(f"{i + 1}@stack.mrcs 4.0 10000 {i} 300\n" for i in range(COUNT))
    )
    select(tables="old.star", conditions="rlnOriginXAngst >= 40")
    assert numbers() == list(range(10, COUNT))
    assert table(block="optics")["rlnImagePixelSize"].tolist() == [4.0]


def test_micrographs_are_selected_too(workplace: Path) -> None:
    columns = {
        "rlnMicrographName": np.array([f"mic{i}.mrc" for i in range(4)], dtype=object),
        "rlnCtfMaxResolution": np.array([3.0, 4.0, 5.0, 6.0]),
        "rlnOpticsGroup": np.ones(4, dtype=np.int64),
    }
    write_star("m.star", [optics(), Table("micrographs", columns)])
    end = select(
        tables="m.star", conditions="rlnCtfMaxResolution <= 4", output="S/micrographs.star"
    )
    kept = table("S/micrographs.star", "micrographs")["rlnMicrographName"].tolist()
    assert kept == ["mic0.mrc", "mic1.mrc"]
    assert end.outputs[0].content == "micrographs" and end.outputs[0].pixel_size_A == 2.0
    with pytest.raises(InputError, match="duplicates are particles"):
        select(tables="m.star", duplicate_distance_A=3.0)
    with pytest.raises(InputError, match="only particle images can be judged"):
        select(tables="m.star", discard_odd_images=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"conditions": "rlnDefocusX < 3"}, "has no column rlnDefocusX; did you mean rlnDefocusU"),
        ({"conditions": "quite_else < 3"}, "has no column quite_else; it has rlnImageName"),
        ({"conditions": "rlnMicrographName < 3"}, "holds text .'mic0.mrc'., which cannot be"),
        ({"conditions": "rlnDefocusU = far"}, "needs a number: rlnDefocusU holds numbers"),
        (
            {"conditions": "rlnDefocusU < 11000; rlnDefocusU > 11000"},
            "none of 60 particles of p.star is left: rlnDefocusU < 11000 .60 -> 10., then .* .10 -> 0.",
        ),
        ({"classes": "5"}, r"class 5 of p.star has no particles; .* are 1 \(20\), 2 \(20\)"),
        ({"tables": "none.star"}, "none.star does not exist"),
        ({"tables": "empty.star"}, "contains no particles"),
        ({"tables": "classless.star", "classes": "1"}, "has no classes .rlnClassNumber."),
        ({"tables": "classless.star", "duplicate_distance_A": 5.0}, "no column rlnCoordinateX"),
        ({"tables": "lost.star", "discard_odd_images": True}, "1 of 1 stacks are missing; .*gone"),
        ({"regroup_count": 7}, "7 groups of 60 particles would hold fewer than ten"),
        ({"regroup_count": 6}, "p.star has 4 groups .rlnMicrographName.; 6 cannot"),
        ({"split_count": 61}, "p.star: 60 rows cannot be split into 61 subsets"),
        ({"split_count": 3, "split_size": 30}, "3 subsets of 30 need 90 rows but there are 60"),
        ({"prefer": "rlnFom", "duplicate_distance_A": 5.0}, "has no column rlnFom"),
        ({"output": "p"}, "p.star would be overwritten by its own selection"),
    ],
)
def test_what_cannot_be_selected_is_refused(workplace: Path, options: dict, sentence: str) -> None:
    write_star("empty.star", [optics()])
    names = ("rlnImageName", "rlnOpticsGroup", "rlnMicrographName", "rlnDefocusU")
    few = {name: rows().columns[name] for name in names}
    write("classless.star", Table("particles", few))
    write("lost.star", rows(rlnImageName=np.array(["1@gone.mrcs"] * COUNT, dtype=object)))
    before = Path("p.star").read_bytes()
    with pytest.raises(InputError, match=sentence):
        select(**options)
    assert not list(workplace.glob("S/*.star"))
    assert Path("p.star").read_bytes() == before


def test_duplicates_are_judged_where_the_particles_are(workplace: Path) -> None:
    """Neighbours on a micrograph are 200 Å apart; offsets bring the first two within 12 Å and part others."""
    offset = np.zeros(COUNT)
    offset[0], offset[4] = -94.0, 94.0  # both on micrograph 0: at 94 and 106 Å
    write("p.star", rows(rlnOriginXAngst=offset))
    select(duplicate_distance_A=11.9)
    assert len(numbers()) == COUNT
    select(duplicate_distance_A=12.1)
    assert sorted(set(range(COUNT)) - set(numbers())) == [4]
    select(duplicate_distance_A=12.1, prefer="rlnMaxValueProbDistribution")
    assert sorted(set(range(COUNT)) - set(numbers())) == [0]
    select(duplicate_distance_A=12.1, prefer="rlnMaxValueProbDistribution", prefer_smaller=True)
    assert sorted(set(range(COUNT)) - set(numbers())) == [4]
    select(duplicate_distance_A=12.1, micrograph_pixel_size_A=3.0)
    assert len(numbers()) == COUNT


def test_the_micrographs_pixel_is_asked_for_where_it_is_not_known(workplace: Path) -> None:
    of = optics()
    del of.columns["rlnMicrographPixelSize"]
    write("p.star", rows(), of)
    with pytest.raises(InputError, match="does not say the pixel size .* --image_angpix"):
        select(duplicate_distance_A=12.1)
    of.columns["rlnMicrographOriginalPixelSize"] = np.array([0.05])
    write("p.star", rows(), of)
    select(duplicate_distance_A=5.5)
    assert len(numbers()) == COUNT // 2 + 2
    remarks = json.loads(Path("S/particles_selection.json").read_text())["remarks"]
    assert any("pixels of 0.05 Å, those of the camera" in one for one in remarks)


def test_odd_images_go(workplace: Path) -> None:
    images = np.random.default_rng(0).normal(size=(COUNT, BOX, BOX)).astype(np.float32)
    images[11] += 5.0
    images[23] *= 6.0
    images[42, 3, 3] = np.nan
    with StackWriter("stack.mrcs", BOX, 4.0) as stack, np.errstate(invalid="ignore"):
        stack.append(images)
    select(discard_odd_images=True)
    assert sorted(set(range(COUNT)) - set(numbers())) == [11, 23, 42]
    select(discard_odd_images=True, conditions="rlnClassNumber = 3")
    assert 11 not in numbers() and set(numbers()) < set(range(2, COUNT, 3))


def test_the_order_of_what_is_done_is_told(workplace: Path) -> None:
    select(classes="1,3", conditions="rlnDefocusU < 13000", duplicate_distance_A=1.0)
    report = json.loads(Path("S/particles_selection.json").read_text())
    assert [one["what"] for one in report["steps"]] == [
        "classes 1,3",
        "rlnDefocusU < 13000",
        "no other within 1 Å",
    ]
    assert report["selected"] == len(numbers()) == 20


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"split_count": 7}, [9, 9, 9, 9, 8, 8, 8]),
        ({"split_size": 25}, [25, 25, 10]),
        ({"split_count": 2, "split_size": 25}, [25, 25]),
        ({"split_count": 4, "random_order": True, "random_seed": 3}, [15, 15, 15, 15]),
    ],
)
def test_subsets_share_out_all_rows(workplace: Path, options: dict, sizes: list[int]) -> None:
    end = select(**options)
    names = [f"S/particles_split{i + 1}.star" for i in range(len(sizes))]
    parts = [numbers(name) for name in names]
    assert [len(part) for part in parts] == sizes
    assert [one.particles for one in end.outputs if one.content == "particles"] == sizes
    every = [number for part in parts for number in part]
    assert len(set(every)) == len(every)
    if sum(sizes) == COUNT:
        assert sorted(every) == list(range(COUNT))
    assert (every == list(range(sum(sizes)))) == ("random_order" not in options)
    assert not Path("S/particles.star").exists()


def test_a_random_split_is_that_of_its_seed(workplace: Path) -> None:
    def drawn(seed: int) -> list[int]:
        select(split_count=2, random_order=True, random_seed=seed)
        return numbers("S/particles_split1.star")

    assert drawn(1) == drawn(1) != drawn(2)
    select(split_count=2, random_order=True)
    seed = json.loads(Path("S/particles_selection.json").read_text())["random_seed"]
    found = numbers("S/particles_split1.star")
    assert drawn(seed) == found == sorted(found)


def test_groups_are_put_together_by_defocus(workplace: Path) -> None:
    name = np.array([f"mic{i // 6}.mrc" for i in range(COUNT)], dtype=object)
    write("p.star", rows(rlnMicrographName=name, rlnGroupNumber=np.arange(COUNT)))
    select(regroup_count=3)
    found = table()
    assert "rlnGroupNumber" not in found
    groups = found["rlnGroupName"].tolist()
    assert groups == sorted(groups) and set(groups) == {"group_01", "group_02", "group_03"}
    for start in range(0, COUNT, 6):
        assert len(set(groups[start : start + 6])) == 1
    assert min(groups.count(one) for one in set(groups)) >= 18


# ---- classes


def write_classification() -> None:
    """A classification in C/: data, model with three classes of maps, one of which was lost."""
    Path("C").mkdir()
    write("C/run_it025_data.star")
    for number, value in ((1, 1.0), (2, -1.0)):
        volume = np.zeros((200, 200, 200), np.float32)
        volume[100, 40:160, 60:140] = value
        write_map(f"C/run_it025_class{number:03d}.mrc", volume, 1.5)
    classes = {
        "rlnReferenceImage": np.array(
            [f"C/run_it025_class{n:03d}.mrc" for n in (1, 2, 3)], dtype=object
        ),
        "rlnClassDistribution": np.array([0.5, 0.3, 0.2]),
        "rlnAccuracyRotations": np.array([1.5, 2.5, 999.0]),
        "rlnAccuracyTranslationsAngst": np.array([0.5, 0.6, 999.0]),
        "rlnEstimatedResolution": np.array([7.5, 9.0, 20.0]),
        "rlnOverallFourierCompleteness": np.array([0.9, 0.8, 0.7]),
    }
    groups = {
        "rlnGroupName": np.array([f"mic{i}.mrc" for i in range(4)], dtype=object),
        "rlnGroupScaleCorrection": np.array([0.7, 1.3, 0.8, 1.2]),
    }
    write_star(
        "C/run_it025_model.star", [Table("model_classes", classes), Table("model_groups", groups)]
    )


def test_classes_are_kept_and_shown(workplace: Path) -> None:
    write_classification()
    end = select(tables="C/run_it025_data.star", classes="1,3")
    assert numbers() == [i for i in range(COUNT) if i % 3 != 1]
    overview = json.loads(Path("S/particles_classes.json").read_text())
    first, second, third = overview["classes"]
    assert [one["is_selected"] for one in overview["classes"]] == [True, False, True]
    assert (first["particles"], first["fraction"]) == (20, pytest.approx(1 / 3))
    assert (first["resolution_A"], first["accuracy_angles_deg"]) == (7.5, 1.5)
    assert (first["accuracy_offsets_A"], first["distribution"]) == (0.5, 0.5)
    assert third["accuracy_angles_deg"] is None and third["slices"] == {}
    assert (first["box"], first["pixel_size_A"]) == (200, 1.5)
    z = np.array(first["slices"]["z"])
    assert z.shape == (100, 100) and z[20:80, 30:70].min() == 255 and z[:20].max() == 0
    assert np.array(second["slices"]["z"])[50, 50] == 0
    y = np.array(first["slices"]["y"])
    assert np.flatnonzero(y.max(axis=1)).tolist() == [50]
    assert "particles_classes.json" in [one.path for one in end.outputs]
    backup = read_star("S/backup_selection.star")[""].columns["rlnSelected"]
    assert backup.tolist() == [True, False, True]


def test_classes_without_a_model_are_counted(workplace: Path) -> None:
    select(conditions="rlnDefocusU > 0")
    overview = json.loads(Path("S/particles_classes.json").read_text())
    assert [one["particles"] for one in overview["classes"]] == [20, 20, 20]
    assert overview["model"] is None and overview["classes"][0]["resolution_A"] is None
    assert not Path("S/backup_selection.star").exists()


def test_images_of_2d_classes_are_shown(workplace: Path) -> None:
    write("run_it025_data.star")
    with StackWriter("run_it025_classes.mrcs", 10, 3.0) as stack:
        stack.append(np.stack([np.full((10, 10), 2.0), np.eye(10)]).astype(np.float32))
    images = np.array([f"{i:06d}@run_it025_classes.mrcs" for i in (1, 2)], dtype=object)
    write_star("run_it025_model.star", [Table("model_classes", {"rlnReferenceImage": images})])
    select(tables="run_it025_data.star", classes="2")
    overview = json.loads(Path("S/particles_classes.json").read_text())
    first, second, third = overview["classes"]
    assert np.array(second["slices"]["z"]).tolist() == (255 * np.eye(10)).tolist()
    assert np.array(first["slices"]["z"]).max() == 0 and third["image"] is None


def test_groups_are_put_together_by_their_scale(workplace: Path) -> None:
    write_classification()
    select(tables="C/run_it025_data.star", regroup_count=2)
    found = table()
    low = {f"mic{i}.mrc" for i in (0, 2)}
    for name, group in zip(found["rlnMicrographName"], found["rlnGroupName"], strict=True):
        assert group == ("group_01" if name in low else "group_02")


# ---- several files, and files elsewhere


def test_files_are_joined_with_their_optics(workplace: Path) -> None:
    def other(name: str, first: int, of: Table, **columns: Any) -> None:
        n = np.arange(first, first + COUNT)
        images = np.array([f"{i + 1:06d}@stack.mrcs" for i in n], dtype=object)
        write(name, rows(rlnImageName=images, **columns), of)

    other("same.star", 100, optics(rlnOpticsGroup=[5]), rlnOpticsGroup=np.full(COUNT, 5))
    other("other.star", 30, optics(rlnVoltage=[200.0]), rlnHelicalTubeID=np.ones(COUNT, dtype=int))
    end = select(tables="p.star, same.star, other.star")
    assert end.outputs[0].particles == 2 * COUNT + 30  # 30 images of other.star are in p.star
    assert numbers() == [*range(60), *range(100, 160), *range(60, 90)]
    groups = table(block="optics")
    assert groups["rlnOpticsGroup"].tolist() == [1, 2]
    assert groups["rlnOpticsGroupName"].tolist() == ["one", "one_2"]
    assert groups["rlnVoltage"].tolist() == [300.0, 200.0]
    assert table()["rlnOpticsGroup"].tolist() == [1] * 120 + [2] * 30
    assert "rlnHelicalTubeID" not in table() and "rlnClassNumber" in table()
    remarks = json.loads(Path("S/particles_selection.json").read_text())["remarks"]
    assert any("left out: rlnHelicalTubeID" in one for one in remarks)
    assert any("30 particles stand in more than one file" in one for one in remarks)


def test_files_that_do_not_belong_together(workplace: Path) -> None:
    names = np.array(["mic0.mrc"], dtype=object)
    write_star("m.star", [optics(), Table("micrographs", {"rlnMicrographName": names})])
    with pytest.raises(InputError, match="p.star holds particles and m.star micrographs"):
        select(tables="p.star,m.star")
    write("short.star", rows(), Table("optics", {"rlnOpticsGroup": np.array([1])}))
    with pytest.raises(InputError, match="data_optics of short.star has no rlnOpticsGroupName"):
        select(tables="p.star,short.star")


def test_images_are_found_from_where_the_selection_lies(
    workplace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a" / "b" / "c" / "d" / "e"
    elsewhere.mkdir(parents=True)
    Path("mtf.star").touch()
    write("p.star", of=optics(rlnMtfFileName=["mtf.star"]))
    with inside(elsewhere):
        select(tables=str(workplace / "p.star"), conditions="rlnDefocusU < 10150")
        found = read_particles("S/particles.star")
        assert [path.resolve() for path in found.stacks] == [(workplace / "stack.mrcs").resolve()]
        assert found.optics[0].mtf_path == workplace / "mtf.star"
        check_particles(found, needs_ctf=False)
    select(conditions="rlnDefocusU < 10150")
    assert table()["rlnImageName"].tolist() == ["000001@stack.mrcs", "000002@stack.mrcs"]


def read(words: str) -> SelectParams:
    params = build(SelectParams, parse(SelectParams, words.split()))
    assert isinstance(params, SelectParams)
    return params


def test_relions_options_are_understood() -> None:
    params = read(
        "--i p.star --o Select/job017/particles.star --select rlnDefocusU --minval 5000 --maxval 20000 "
        "--select_by_str rlnMicrographName --select_exclude bad --discard_on_stats --discard_sigma 5 "
        "--remove_duplicates 30 --image_angpix 0.885 --split --random_order --random_seed 1 "
        "--nr_split 2 --size_split 100"
    )
    assert params == SelectParams(
        tables="p.star",
        output="Select/job017/particles",
        column="rlnDefocusU",
        minimum=5000.0,
        maximum=20000.0,
        text_column="rlnMicrographName",
        excludes="bad",
        discard_odd_images=True,
        discard_sigma=5.0,
        duplicate_distance_A=30.0,
        micrograph_pixel_size_A=0.885,
        split=True,
        random_order=True,
        random_seed=1,
        split_count=2,
        split_size=100,
    )
    assert read("--i p.star --o S/ --remove_duplicates -1 --nr_split -1").split_count == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--i p.star --o S/p --conditions rlnDefocusU", "cannot be understood"),
        ("--i p.star --o S/p --classes one", "is not a number or a range"),
        ("--i p.star --o S/p --minval 3", "a range is given without a column"),
        ("--i p.star --o S/p --select rlnDefocusU", "no range is given for rlnDefocusU"),
        ("--i p.star --o S/p --select_include x", "a column of text and a word belong together"),
        ("--i p.star --o S/p --split", "into how many subsets"),
        ("--i p.star --o S/p --prefer x", "decides nothing without a distance"),
        ("--o S/p", "--i is needed"),
    ],
)
def test_requests_that_make_no_sense(words: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        read(words)
