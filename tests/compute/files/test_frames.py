"""Messages of the preview protocol: they come back as they were, and nothing else is taken for one."""

import io
import struct

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from compute.files.frames import MAGIC, Frame, FrameError, frame_bytes, read_frame

ARRAYS = st.dictionaries(
    st.text(max_size=5),
    st.one_of(
        *(
            arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0))
            for kind in ("u1", "<i8", ">f4", "<f8", "?")
        )
    ),
    max_size=3,
)
HEADERS = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name != "arrays"),
    st.one_of(st.none(), st.integers(-(2**53), 2**53), st.text(max_size=9)),
    max_size=4,
)


def read(data: bytes) -> Frame:
    """The frame that bytes hold."""
    stream = io.BytesIO(data)

    def exactly(count: int) -> bytes:
        got = stream.read(count)
        if len(got) < count:
            raise EOFError
        return got

    frame = read_frame(exactly)
    assert not stream.read()
    return frame


@pytest.mark.property
@hypothesis.given(header=HEADERS, arrays=ARRAYS)
def test_frames_come_back(header: dict, arrays: dict[str, np.ndarray]) -> None:
    frame = read(frame_bytes(Frame(header, arrays)))
    assert dict(frame.header) == header
    assert list(frame.arrays) == list(arrays)
    for name, values in arrays.items():
        found = frame.arrays[name]
        assert found.shape == values.shape and found.dtype == values.dtype.newbyteorder("<")
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        struct.pack("<4sI", MAGIC, 2**31) + b"{}",
        struct.pack("<4sI", MAGIC, 2) + b"[]",
        struct.pack("<4sI", MAGIC, 2) + b"{,",
        struct.pack("<4sI", MAGIC, 16) + b'{"arrays": [{}]}',
    ],
)
def test_what_is_no_frame(data: bytes) -> None:
    with pytest.raises(FrameError):
        read(data)


@pytest.mark.parametrize(
    ("dtype", "shape"), [("object", [1]), ("uint8", [2**40]), ("float32", [-1])]
)
def test_arrays_that_cannot_be(dtype: str, shape: list[int]) -> None:
    text = f'{{"arrays": [{{"name": "a", "dtype": "{dtype}", "shape": {shape}}}]}}'.encode()
    with pytest.raises(FrameError):
        read(struct.pack("<4sI", MAGIC, len(text)) + text)


def test_a_cut_frame_is_an_end() -> None:
    data = frame_bytes(Frame({"id": 1}, {"a": np.arange(5)}))
    for length in (0, 3, 8, len(data) - 1):
        with pytest.raises(EOFError):
            read(data[:length])


def test_complex_numbers_are_not_sent() -> None:
    with pytest.raises(ValueError, match="complex64"):
        frame_bytes(Frame({}, {"a": np.zeros(2, dtype=np.complex64)}))
