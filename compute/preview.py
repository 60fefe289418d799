"""`python -m compute preview`: one warm worker that answers small questions about maps with arrays.

It reads requests from standard input and answers on standard output; `compute.files.frames` is the protocol
and `compute.params.preview` holds the requests. Maps and their transforms stay in memory up to a bound.
"""

import os
import sys
from importlib.metadata import version
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from compute.files.frames import PROTOCOL, Frame, FrameError, frame_bytes, read_frame
from compute.jobs.map_cache import MapCache
from compute.jobs.memory import keep_freed
from compute.jobs.preview_answers import answer
from compute.jobs.preview_rehearsal import rehearse
from compute.params.preview import PreviewRequest

BYTES_PER_GB = 1 << 30
DEFAULT_MEMORY_GB = 2.0


def main(words: list[str]) -> int:
    """Serve until the input ends; the only word that may follow is `--memory-GB=X`. Returns the exit status."""
    memory_GB = DEFAULT_MEMORY_GB
    for word in words:
        name, _, value = word.partition("=")
        try:
            memory_GB = float(value)
        except ValueError:
            memory_GB = -1.0
        if name != "--memory-GB" or memory_GB <= 0:
            print("usage: python -m compute preview [--memory-GB=2]", file=sys.stderr)
            return 2
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    keep_freed()
    rehearse()
    serve(sys.stdin.buffer, answers, MapCache(int(memory_GB * BYTES_PER_GB)))
    return 0


def serve(requests: BinaryIO, answers: BinaryIO, cache: MapCache) -> None:
    """Answer requests one after the other until there are no more."""

    def read_exactly(count: int) -> bytes:
        data = requests.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def send(frame: Frame) -> None:
        answers.write(frame_bytes(frame))
        answers.flush()

    greeting = {"protocol": PROTOCOL, "program_version": version("halfmap"), "pid": os.getpid()}
    send(Frame({"id": 0, "values": greeting}))
    while True:
        try:
            request = read_frame(read_exactly)
        except EOFError:
            return
        except FrameError as error:
            send(Frame({"id": None, "error": f"{error}"}))
            return
        send(_answered(request, cache))


def _answered(request: Frame, cache: MapCache) -> Frame:
    """The answer to a request, or the sentence that says why there is none."""
    number = request.header.get("id")
    try:
        values, arrays = answer(_read(request), cache)
    except (ValueError, OSError, MemoryError) as error:
        return Frame({"id": number, "error": _sentence(error)})
    return Frame({"id": number, "values": values}, arrays)


def _read(request: Frame) -> PreviewRequest:
    """The checked request; ValueError with one sentence for what is wrong with it."""
    arguments: Any = request.header.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ValueError("the arguments of a preview request must be an object")
    reader: TypeAdapter[PreviewRequest] = TypeAdapter(PreviewRequest)
    try:
        return reader.validate_python({**arguments, "what": request.header.get("what")})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ValueError(f"{where}: {problem['msg']}" if where else str(problem["msg"])) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory for this preview"
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror}"
    return str(error)
