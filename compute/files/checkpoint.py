"""The checkpoint of an iteration: named arrays and a JSON state in one file, exact and checked."""

import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from compute.files.atomic import replacing
from compute.files.errors import InputError

FORMAT = "halfmap checkpoint"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
EPOCH = (1980, 1, 1, 0, 0, 0)


def save_checkpoint(path: Path | str, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Write `arrays` and `state` to `path` as `prepared_checkpoint` does, at once."""
    with prepared_checkpoint(path, arrays, state):
        pass


@contextmanager
def prepared_checkpoint(
    path: Path | str, arrays: dict[str, np.ndarray], state: dict[str, Any]
) -> Iterator[None]:
    """Write `arrays` and `state` beside `path`, and replace it as a whole when the block ends without an error.

    The file is an uncompressed `.npz`: numpy opens it too. `state` holds only what JSON holds
    (texts, numbers, booleans, None, lists, and dicts with text keys), floats exactly, NaN and
    infinities included. Equal content makes an equal file, byte for byte. Raises ValueError for
    anything that would not come back as it was.
    """
    path = Path(path)
    _check_plain(state, "state")
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "state": state,
        "arrays": {name: _fingerprint(name, array) for name, array in arrays.items()},
    }
    text = json.dumps(manifest).encode()
    with replacing(path) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), text)
            archive.writestr(zipfile.ZipInfo(SEAL, EPOCH), hashlib.sha256(text).hexdigest())
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
                with archive.open(entry, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
        yield
    _sync_folder(path.parent)


def load_checkpoint(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the state in `path`, bit for bit as they were saved.

    Raises InputError when the file is missing, cut off, altered, or of another format.
    """
    path = Path(path)
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        arrays: dict[str, np.ndarray] = {}
        for name, fingerprint in manifest["arrays"].items():
            try:
                with archive.open(f"{name}.npy") as stream:
                    arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
            except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
                raise _damaged(path, f"its array '{name}' cannot be read") from error
            if _fingerprint(name, arrays[name]) != fingerprint:
                raise _damaged(path, f"its array '{name}' is not what was saved")
    return arrays, manifest["state"]


def load_state(path: Path | str) -> dict[str, Any]:
    """The state in `path` alone, without reading the arrays; errors as in `load_checkpoint`."""
    path = Path(path)
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        missing = {f"{name}.npy" for name in manifest["arrays"]} - set(archive.namelist())
        if missing:
            raise _damaged(path, f"it lacks {sorted(missing)[0]}")
        return cast(dict[str, Any], manifest["state"])


def _opened(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist: this iteration cannot be continued")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, OSError) as error:
        raise _damaged(path, "it is cut off or not a checkpoint") from error


def _manifest(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        text = archive.read(MANIFEST)
        seal = archive.read(SEAL).decode()
        is_intact = hashlib.sha256(text).hexdigest() == seal
        manifest = json.loads(text) if is_intact else {}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise _damaged(path, "its description cannot be read") from error
    if not is_intact:
        raise _damaged(path, "its description is not what was saved")
    if manifest["format"] != FORMAT or manifest["version"] != FORMAT_VERSION:
        raise InputError(
            f"checkpoint {path} has format '{manifest['format']}' version {manifest['version']}, "
            f"but this program continues from '{FORMAT}' version {FORMAT_VERSION}"
        )
    return cast(dict[str, Any], manifest)


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"checkpoint {path} is damaged ({what}): continue from an earlier iteration")


def _fingerprint(name: str, array: np.ndarray) -> dict[str, Any]:
    """Type, shape and SHA-256 of an array's values in C order."""
    if array.dtype.hasobject or array.dtype.names:
        raise ValueError(f"array '{name}' is of type {array.dtype}: only plain numbers are saved")
    values = np.ascontiguousarray(array)
    digest = hashlib.sha256(values.reshape(-1).view(np.uint8).data).hexdigest()
    return {"type": array.dtype.str, "shape": list(array.shape), "sha256": digest}


def _check_plain(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{where} has the key {key!r}: JSON keys must be texts")
            _check_plain(item, f"{where}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_plain(item, f"{where}[{number}]")
    elif not (value is None or isinstance(value, str | int | float)):
        raise ValueError(f"{where} is a {type(value).__name__}, which JSON would not return")


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable: without this a power cut can undo it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
