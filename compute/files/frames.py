"""The messages between a program and its preview worker: a JSON header and raw arrays, version 1.

A frame is, in this order: the four bytes `HFP1`, the length of the header (unsigned, 32 bit, little
endian), the header (a JSON object in UTF-8), and the bytes of the arrays in C order, little endian, one
behind the other. The header's `arrays` lists them: `name`, `dtype` (NumPy's name) and `shape`.

The worker greets with `{"id": 0, "values": {"protocol": 1, "program_version": …, "pid": …}}`. A request is
`{"id": n, "what": …, "arguments": {…}}` without arrays; its answer `{"id": n, "values": {…}, "arrays":
[…]}`, or `{"id": n, "error": "one sentence"}`. Answers come in the order of the requests. The worker ends
when its input ends.
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

PROTOCOL: Final = 1
MAGIC: Final = b"HFP1"
LARGEST_HEADER: Final = 1 << 20
LARGEST_ARRAYS: Final = 1 << 30
_PREFIX: Final = struct.Struct("<4sI")
_DTYPES: Final = frozenset(
    {"bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}
)


class FrameError(ValueError):
    """Bytes that are not a frame of this protocol, or a frame that is too large."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: what its header says, and its arrays by name."""

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def frame_bytes(frame: Frame) -> bytes:
    """The bytes of a frame. Raises FrameError where it would be too large, ValueError for odd types."""
    listed, blocks = [], []
    for name, values in frame.arrays.items():
        block = np.asarray(values, order="C")
        if block.dtype.name not in _DTYPES:
            raise ValueError(f"arrays of type {block.dtype.name} cannot be sent")
        block = block.astype(block.dtype.newbyteorder("<"), copy=False)
        listed.append({"name": name, "dtype": block.dtype.name, "shape": list(block.shape)})
        blocks.append(block.tobytes())
    text = json.dumps({**frame.header, "arrays": listed}, ensure_ascii=False).encode()
    if len(text) > LARGEST_HEADER or sum(map(len, blocks)) > LARGEST_ARRAYS:
        raise FrameError("the message is too large")
    return b"".join([_PREFIX.pack(MAGIC, len(text)), text, *blocks])


def read_frame(read_exactly: Callable[[int], bytes]) -> Frame:
    """The next frame, from a function that gives so many bytes (and raises EOFError where there are none).

    Raises FrameError where the bytes are no frame.
    """
    magic, length = _PREFIX.unpack(read_exactly(_PREFIX.size))
    if magic != MAGIC or length > LARGEST_HEADER:
        raise FrameError(f"not a message of the preview protocol (version {PROTOCOL})")
    try:
        header = json.loads(read_exactly(length))
        listed = [
            (str(one["name"]), str(one["dtype"]), tuple(int(n) for n in one["shape"]))
            for one in header.pop("arrays", [])
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FrameError("the header of a preview message is not what it should be") from None
    if any(dtype not in _DTYPES or min(shape, default=0) < 0 for _, dtype, shape in listed):
        raise FrameError("a preview message lists an array that cannot be")
    sizes = [math.prod(shape) * np.dtype(dtype).itemsize for _, dtype, shape in listed]
    if sum(sizes) > LARGEST_ARRAYS:
        raise FrameError("the arrays of a preview message are too large")
    arrays = {}
    for (name, dtype, shape), size in zip(listed, sizes, strict=True):
        values = np.frombuffer(read_exactly(size), dtype=np.dtype(dtype).newbyteorder("<"))
        arrays[name] = values.reshape(shape)
    return Frame(header, arrays)
