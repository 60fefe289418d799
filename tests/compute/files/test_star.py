"""STAR files: grammar, types, refusals with their line, writing, and agreement with `starfile`."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.files import star, star_columns
from compute.files.errors import InputError
from compute.files.labels import LABELS, label_kind, star_label
from compute.files.star import read_star, read_tables, write_star, write_tables
from compute.files.table import Table

SHARED = Path(__file__).parents[4] / "shared" / "data"
LOOP = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n_rlnClassNumber #3\n"


def read_text(folder: Path, text: str | bytes) -> dict[str, Table]:
    path = folder / "a.star"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_star(path)


def objects(*texts: str) -> np.ndarray:
    return np.array(texts, dtype=object)


def test_labels_are_unique_and_known_by_both_names() -> None:
    assert len({label.star for label in LABELS.values()}) == len(LABELS)
    assert star_label("angle_rot_deg") == "rlnAngleRot"
    assert label_kind("rlnCtfDataAreCtfPremultiplied") == "bool"
    assert label_kind("rlnSomethingOfOurs") is None


def test_types_are_forced_by_label_and_unknown_labels_stay_text(tmp_path: Path) -> None:
    rows = "001@a.mrcs 10000 1 001\n 2@b#c'd.mrcs\t1.5e4   2 3e0 \n"
    found = read_text(tmp_path, LOOP + "_wrpOther #4\n" + rows)["particles"]
    assert found.columns["rlnImageName"].tolist() == ["001@a.mrcs", "2@b#c'd.mrcs"]
    assert found.columns["rlnDefocusU"].dtype == np.float64
    assert found.columns["rlnDefocusU"].tolist() == [10000.0, 15000.0]
    assert found.columns["rlnClassNumber"].dtype == np.int64
    assert found.columns["wrpOther"].tolist() == ["001", "3e0"]
    assert all(values.flags.writeable for values in found.columns.values())
    assert (len(found), found.is_list, found.version) == (2, False, None)


def test_lists_loops_comments_quotes_and_versions(tmp_path: Path) -> None:
    text = (
        "# made by hand\n\n# version 30001\n\ndata_general\n\n_rlnFinalResolution  3.25 \n"
        "_rlnMaskName  'my \x07'mask\x07'.mrc' # which\n_rlnHasConverged 1\n\n\n# version 50001\n"
        + LOOP
        + '# a comment\n"one two.mrcs" 1 1.0\n"" 2 2\n \n\ndata_empty\n\ndata_none\nloop_\n_rlnX #1\n'
    )
    found = read_text(tmp_path, text)
    assert list(found) == ["general", "particles", "empty", "none"]
    general = found["general"]
    assert general.is_list and (general.version, found["particles"].version) == (30001, 50001)
    assert general.columns["rlnFinalResolution"].tolist() == [3.25]
    assert general.columns["rlnMaskName"].tolist() == ["my 'mask'.mrc"]
    assert general.columns["rlnHasConverged"].tolist() == [True]
    assert found["particles"].columns["rlnImageName"].tolist() == ["one two.mrcs", ""]
    assert found["particles"].columns["rlnClassNumber"].tolist() == [1, 2]
    assert (len(found["empty"]), len(found["none"])) == (0, 0)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark(tmp_path: Path, newline: str, mark: bytes) -> None:
    text = (LOOP + "a 1 1\nb 2 1").replace("\n", newline)
    found = read_text(tmp_path, mark + text.encode())["particles"]
    assert found.columns["rlnImageName"].tolist() == ["a", "b"]


def test_a_file_name_that_begins_with_data_is_a_row(tmp_path: Path) -> None:
    found = read_text(tmp_path, LOOP + "data_1.mrc 1 1\ndata_2.mrc 2 1\ndata_next\n")
    assert found["particles"].columns["rlnImageName"].tolist() == ["data_1.mrc", "data_2.mrc"]
    assert list(found) == ["particles", "next"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a 1 1\nb nan 1\n", r"a\.star, line 8 \(row 2 of data_particles\): rlnDefocusU is 'nan'"),
        ("a 1 1\nb <NA> 1\n", "line 8.*rlnDefocusU is '<NA>' but must be a finite number"),
        ("a inf 1\nb 2 1\n", "line 7.*rlnDefocusU is 'inf'"),
        ("a 1e400 1\nb 2 1\n", "line 7.*rlnDefocusU is '1e400'"),
        ("a x 1\n", "line 7.*rlnDefocusU is 'x'"),
        ("a True 1\nb False 1\n", "line 7.*rlnDefocusU is 'True'"),
        ("a 1 1.7\n", "line 7.*rlnClassNumber is '1.7' but must be a whole number"),
        ("a 1 1\nb 1\n", "line 8: 2 values in a row of data_particles, which has 3 labels"),
        ("a 1 1 4\n", "line 7: 4 values"),
        ("a 1 1\n\nb 1 1\n", "line 9: a row behind the blank line"),
        ("'a 1 1\n", "line 7: the quote ' at column 1 is not closed"),
        ("_rlnDefocusU #4\na 1 1 1\n", "line 7: _rlnDefocusU stands twice"),
        ("a 1 1\n\ndata_particles\n\nloop_\n_rlnX\n1\n", "data_particles stands there twice"),
        ("a 1 1\0\n", "line 7: zero bytes"),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(tmp_path, LOOP + rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no data block"),
        (b"hello\n", "line 1: 'hello' stands outside any data block"),
        ("data_\n_rlnMaskName m\xfcll.mrc\n".encode("latin-1"), "line 2: byte 0xfc is not UTF-8"),
        ("data_\n".encode("utf-16"), "UTF-16"),
        (b"data_a\n_rlnMaskName\n", "line 2: '_rlnMaskName' in data_a must be one label and one"),
        (b"data_a\n\n_rlnHasConverged 3\n", "line 3: rlnHasConverged is '3' but must be 0 or 1"),
        (b"data_a\nloop_\n_rlnOddZernike\n[1,b]\n", "line 4.*numbers in the form"),
        (b"data_a\nloop_\nx\n", "line 3: the loop of data_a has no labels"),
    ],
)
def test_refusals_of_whole_files(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(tmp_path, content)
    with pytest.raises(InputError, match=r"none\.star does not exist"):
        read_star(tmp_path / "none.star")


def test_a_short_text_in_the_last_column_is_found(tmp_path: Path) -> None:
    text = "data_\nloop_\n_rlnDefocusU\n_rlnImageName\n1 a\n2\n"
    with pytest.raises(InputError, match="line 6: 1 values"):
        read_text(tmp_path, text)


def test_the_written_layout(tmp_path: Path) -> None:
    optics = Table("optics", {"rlnOpticsGroup": np.array([1]), "rlnVoltage": np.array([300.0])})
    general = Table("general", {"rlnMaskName": objects("")}, is_list=True)
    particles = Table("particles", {"rlnImageName": objects("1@a b", "2@c"), "z": objects("1", "")})
    tables = [optics, general, particles, Table("none", {"rlnImageName": objects()})]
    write_star(tmp_path / "a.star", tables, comments=["one\ntwo"])
    assert (tmp_path / "a.star").read_text() == (
        "# one\n# two\n"
        "\n# version 30001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnVoltage #2 \n"
        "1 300\n \n"
        '\n# version 30001\n\ndata_general\n\n_rlnMaskName  ""\n \n'
        "\n# version 30001\n\ndata_particles\n\nloop_ \n_rlnImageName #1 \n_z #2 \n"
        '"1@a b" 1\n2@c ""\n \n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.star"]


def test_refusals_of_the_writer_leave_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    path.write_text("old")
    bad = Table("particles", {"rlnAngleRot": np.array([1.0, np.nan])})
    with pytest.raises(InputError, match="row 2 of data_particles: rlnAngleRot is nan"):
        write_star(path, [bad])
    with pytest.raises(ValueError, match="differ in length"):
        write_star(path, [Table("a", {"x": np.ones(1), "y": np.ones(2)})])
    with pytest.raises(ValueError, match="line break"):
        write_star(path, [Table("a", {"x": objects("a\nb")})])
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.just("\t"), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, width=64)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXTS, NUMBERS, st.integers(-(2**53), 2**53), st.booleans())),
    is_large=st.booleans(),
)
def test_what_is_written_is_read_back(tmp_path_factory, rows: list[tuple], is_large: bool) -> None:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    table = Table(
        "particles",
        {
            "unknownText": np.array(columns[0], dtype=object),
            "rlnDefocusU": np.array(columns[1], dtype=np.float64),
            "rlnClassNumber": np.array(columns[2], dtype=np.int64),
            "rlnHasConverged": np.array(columns[3], dtype=np.bool_),
        },
    )
    path = tmp_path_factory.mktemp("star") / "a.star"
    if not rows:
        return
    limits = (0, 0) if is_large else (10**9, 10**9)
    with (
        patch.object(star, "_MANY_ROWS", limits[0]),
        patch.object(star_columns, "_LARGE_BYTES", limits[1]),
    ):
        write_star(path, [table])
        found = read_star(path)["particles"].columns
    for label in ("unknownText", "rlnClassNumber", "rlnHasConverged"):
        assert found[label].tolist() == table.columns[label].tolist()
    np.testing.assert_allclose(
        found["rlnDefocusU"], table.columns["rlnDefocusU"], rtol=1e-11, atol=0
    )


NAMES = st.from_regex(r"[A-Za-z0-9/_.:+-]{0,4}@[A-Za-z0-9@/_.:+-]{0,8}", fullmatch=True).filter(
    lambda text: not text.startswith("_")
)
SIX_DIGITS = st.integers(-(10**9), 10**9).map(lambda number: number / 1e6 + 0.5)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(NAMES, SIX_DIGITS, st.integers(0, 10**6)), min_size=1, max_size=5),
    gap=st.sampled_from([" ", "\t", "   "]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_our_reader_and_starfile_agree(
    tmp_path_factory, rows: list[tuple], gap: str, newline: str
) -> None:
    body = "".join(gap.join(f"{value}" for value in row) + "\n" for row in rows)
    text = f"data_general\n\n_rlnFinalResolution{gap}3.5\n_rlnMaskName{gap}m.mrc\n\n{LOOP}{body}\n"
    path = tmp_path_factory.mktemp("star") / "a.star"
    path.write_bytes(text.replace("\n", newline).encode())
    ours, theirs = read_star(path), starfile.read(path, always_dict=True)
    assert list(ours) == list(theirs)
    assert {label: values[0] for label, values in ours["general"].columns.items()} == theirs[
        "general"
    ]
    frame = theirs["particles"]
    assert list(frame) == list(ours["particles"].columns)
    for label, values in ours["particles"].columns.items():
        assert values.tolist() == frame[label].tolist()


def test_small_tables_survive_starfile(tmp_path: Path) -> None:
    path = tmp_path / "run_model.star"
    general = {
        "rlnCurrentResolution": np.array([0.1 + 0.2]),
        "rlnIsHelix": np.array([False]),
        "rlnNrGroups": np.array([3]),
        "rlnReferenceImage": objects("data_1/my map#2.mrc"),
    }
    groups = {
        "rlnGroupName": objects("001", "data_2"),
        "rlnGroupScaleCorrection": np.array([1.0, 2.0]),
        "rlnSelected": np.array([True, False]),
    }
    curve = {"rlnSigma2Noise": np.array([1e-9, 1 / 3])}
    tables = [
        Table("general", general, is_list=True),
        Table("groups", groups),
        Table("curve", curve),
        Table("none", {"rlnGroupName": objects()}),
    ]
    write_tables(path, tables, comments=["Halfmap"])
    assert path.read_text().startswith("# Halfmap\n")
    found = read_tables(path)
    assert list(found) == ["general", "groups", "curve"]
    assert found["general"] == {label: values[0] for label, values in general.items()}
    for label, values in groups.items():
        assert found["groups"][label].tolist() == values.tolist()
    assert found["groups"]["rlnGroupScaleCorrection"].dtype == np.float64
    np.testing.assert_allclose(found["curve"]["rlnSigma2Noise"], [1e-9, 1 / 3], rtol=1e-9)
    ours = read_star(path)
    assert ours["general"].columns["rlnReferenceImage"].tolist() == ["data_1/my map#2.mrc"]


def test_small_tables_refuse_what_would_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    with pytest.raises(InputError, match='rlnMaskName is "Tom\'s.mrc"'):
        write_tables(path, [Table("a", {"rlnMaskName": objects("Tom's.mrc")}, is_list=True)])
    with pytest.raises(InputError, match="rlnSigma2Noise is inf"):
        write_tables(path, [Table("a", {"rlnSigma2Noise": np.array([np.inf])})])
    with pytest.raises(InputError, match="does not exist"):
        read_tables(path)
    for content in ("data_a\n\nloop_\n_rlnX\n_rlnY\n1 2\n3 4 5\n", "nothing\n"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"a\.star"):
            read_tables(path)
    path.write_text("data_a\n\nloop_\n_rlnX\n_rlnY\n1 2\n")
    assert read_tables(path)["a"]["rlnY"].tolist() == [2]


def test_real_files_agree_with_starfile(tmp_path: Path) -> None:
    texts = [label.star for label in LABELS.values() if label.kind == "str"]
    for path in sorted(SHARED.glob("**/*.star")):
        ours = read_star(path)
        theirs = starfile.read(path, always_dict=True, parse_as_string=texts)
        write_star(tmp_path / "again.star", list(ours.values()))
        again = read_star(tmp_path / "again.star")
        for name, frame in theirs.items():
            for label in frame:
                expected = ours[name].columns[label]
                guessed = frame[label]
                if label_kind(label) is None and guessed.dtype.kind in "if":
                    assert guessed.tolist() == list(map(float, expected))
                else:
                    assert guessed.astype(expected.dtype).tolist() == expected.tolist()
                assert again[name].columns[label].tolist() == expected.tolist(), label


CELLS = st.sampled_from(
    [
        "1",
        "-2.5",
        "+3",
        "1e-3",
        "007",
        "nan",
        "inf",
        "x",
        "True",
        "1.7",
        "1e400",
        "a@b#c",
        "1_0",
        "9" * 20,
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=4),
    gap=st.sampled_from([" ", "\t", "  "]),
    end=st.sampled_from(["", " "]),
)
def test_the_quick_and_the_careful_path_agree(
    tmp_path_factory, rows: list[list[str]], gap: str, end: str
) -> None:
    def outcome(comment: str) -> list | str:
        body = "".join(gap.join(row) + end + "\n" for row in rows)
        path.write_text(LOOP + body + comment)
        try:
            with patch.object(star_columns, "_LARGE_BYTES", 1):
                columns = read_star(path)["particles"].columns
        except InputError as error:
            return str(error)
        return [(values.dtype, values.tolist()) for values in columns.values()]

    path = tmp_path_factory.mktemp("star") / "a.star"
    assert outcome("") == outcome("# a comment makes the reader go line by line\n")


def test_a_missing_file_of_a_job_asks_for_the_job(tmp_path: Path) -> None:
    path = tmp_path / "Select" / "job017" / "particles.star"
    with pytest.raises(InputError) as caught:
        read_star(path)
    assert str(caught.value) == f"{path} does not exist. Did job017 finish? Pick another file."
    with pytest.raises(InputError, match=r"absent.star does not exist. Pick another file.$"):
        read_star("absent.star")
