"""A checkpoint comes back bit for bit, or not at all and with a sentence."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from compute.files.checkpoint import load_checkpoint, load_state, save_checkpoint
from compute.files.errors import InputError

ARRAYS = {
    "half1/map": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "poses": np.array([[0.1, math.nan], [-0.0, math.inf]]),
    "transform": np.array([1 + 2j, 3 - 4j], dtype=np.complex64),
    "indices": np.array([3, 1, 2], dtype=np.int64),
    "flags": np.array([True, False]),
    "names": np.array(["a", "bcd"]),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "scalar": np.array(7.5),
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "thinned": np.arange(10.0)[::3],
    "file": np.ones(1),
}
STATE: dict[str, Any] = {
    "iteration": 5,
    "resolution_A": 0.1 + 0.2,
    "smallest": 5e-324,
    "unknown": None,
    "limit": math.inf,
    "halves": [{"size": 10}, {"size": 11}],
    "symmetry": "D2",
}


def same(first: np.ndarray, second: np.ndarray) -> bool:
    alike = first.dtype == second.dtype and first.shape == second.shape
    return alike and first.tobytes() == second.tobytes()


def test_content_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "run_it005_checkpoint.npz"
    save_checkpoint(path, ARRAYS, STATE)
    arrays, state = load_checkpoint(path)
    assert list(arrays) == list(ARRAYS)
    assert all(same(arrays[name], ARRAYS[name]) for name in ARRAYS)
    assert state == STATE == load_state(path)


@pytest.mark.property
@given(
    array=npst.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.int64, np.complex64, np.bool_]),
        npst.array_shapes(max_dims=3, max_side=4),
    ),
    value=st.floats(allow_nan=False),
)
def test_any_array_and_float_come_back(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, value: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npz"
    save_checkpoint(path, {"array": array}, {"value": value})
    arrays, state = load_checkpoint(path)
    assert same(arrays["array"], array)
    assert state["value"] == value
    assert math.copysign(1.0, state["value"]) == math.copysign(1.0, value)


def test_equal_content_makes_equal_files_that_numpy_opens(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_checkpoint(tmp_path / name, ARRAYS, STATE)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as archive:
        assert same(archive["transform"], ARRAYS["transform"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, ARRAYS, STATE)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 61):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"c\.npz is damaged"):
            load_checkpoint(path)
        with pytest.raises(InputError, match="continue from an earlier iteration"):
            load_state(path)


def test_a_changed_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"values": np.arange(1000.0)}, {"iteration": 5})
    whole = bytearray(path.read_bytes())
    whole[whole.index(np.float64(500.0).tobytes())] ^= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match="array 'values'"):
        load_checkpoint(path)


@pytest.mark.parametrize("changed", ["state", "array"])
def test_a_forged_entry_is_refused(tmp_path: Path, changed: str) -> None:
    path, forged = tmp_path / "c.npz", tmp_path / "forged.npz"
    save_checkpoint(path, {"values": np.arange(4.0)}, {"iteration": 5})
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if changed == "state" and name == "manifest.json":
                content = content.replace(b'"iteration": 5', b'"iteration": 6')
            if changed == "array" and name == "values.npy":
                content = content.replace(np.float64(3.0).tobytes(), np.float64(4.0).tobytes())
            target.writestr(name, content)
    with pytest.raises(InputError, match="not what was saved"):
        load_checkpoint(forged)


def test_another_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, {}, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("compute.files.checkpoint.FORMAT_VERSION", 2)
        with pytest.raises(InputError, match="version 1, but .* version 2"):
            load_checkpoint(path)
    np.savez(tmp_path / "plain.npz", values=np.ones(2))
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path / "plain.npz")
    with pytest.raises(InputError, match="does not exist"):
        load_checkpoint(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "state",
    [
        {"pair": (1, 2)},
        {"by number": {1: "one"}},
        {"deep": [{"n": np.int64(3)}]},
        {"path": Path("x")},
    ],
)
def test_state_that_json_would_change_is_refused(tmp_path: Path, state: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match="state"):
        save_checkpoint(tmp_path / "c.npz", {}, state)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, ARRAYS, STATE)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="'things' is of type object"):
        save_checkpoint(path, {"things": np.array([{}], dtype=object)}, {})
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["c.npz"]


def test_manifest_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, ARRAYS, STATE)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["version"] == 1
    assert manifest["arrays"]["half1/map"]["shape"] == [2, 3, 4]
