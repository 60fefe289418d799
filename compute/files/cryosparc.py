"""cryoSPARC's `.cs` files: NumPy arrays with one named field per quantity, merged with their passthrough files.

A `.cs` file is a structured array in NumPy's own format; fields have names like `alignments3D/pose`. What
a job does not change stays in a second file ("passthrough") with the same `uid` of each particle. Names
and units of the fields are those of the cryosparc-tools documentation (tools.cryosparc.com).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from compute.files.errors import InputError, missing

UID: Final = "uid"
_NEEDED: Final = ("blob/path", "blob/idx", "blob/shape", "blob/psize_A")


@dataclass(frozen=True, slots=True)
class CryosparcParticles:
    """The fields of a particle set by name, one row per particle, texts as `str`."""

    path: Path
    fields: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.fields[UID])

    def has(self, *names: str) -> bool:
        """Whether all these fields are there."""
        return all(name in self.fields for name in names)

    def number(self, name: str, default: float) -> np.ndarray:
        """A field as float64, with the digits that its float32 values mean; `default` where it is missing."""
        if name not in self.fields:
            return np.full(len(self), default)
        return decimal(self.fields[name])


def decimal(values: np.ndarray) -> np.ndarray:
    """Float32 values as the decimal numbers that they stand for: 2.7 and not 2.7000000477.

    Seven digits tell float32 values of a person's input apart; other types keep their value.
    """
    if values.dtype != np.float32:
        return values.astype(np.float64)
    flat = [float(f"{value:.7g}") for value in values.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(values.shape)


def read_cryosparc(path: Path | str, passthrough: Sequence[Path | str] = ()) -> CryosparcParticles:
    """The particles of a `.cs` file, with the fields that its passthrough files add (matched by `uid`).

    Raises InputError for what is no such file, for a passthrough that lacks particles, for numbers that
    are not finite, and where it is not said where the images are.
    """
    path = Path(path)
    fields = _fields(path)
    for other in map(Path, passthrough):
        _merge(fields, _fields(other), path, other)
    missing = [name for name in _NEEDED if name not in fields]
    if missing:
        raise InputError(
            f"{path} has no {', '.join(missing)}: give the passthrough file of the same job "
            "(--passthrough), or pick a file of particles with images."
        )
    if not len(fields[UID]):
        raise InputError(f"{path} contains no particles. Pick another file.")
    for name, values in fields.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
            raise InputError(f"{path}, particle {row + 1}: {name} is not a finite number.")
    return CryosparcParticles(path, fields)


def _fields(path: Path) -> dict[str, np.ndarray]:
    """The fields of one file."""
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no .cs file of cryoSPARC that can be read: {error}.") from None
    names = getattr(array.dtype, "names", None)
    if names is None or UID not in names:
        raise InputError(f"{path} has no field 'uid'; it is no .cs file of cryoSPARC.")
    found = {name: _text(np.atleast_1d(array)[name]) for name in names}
    if len(np.unique(found[UID])) < len(found[UID]):
        raise InputError(f"{path} has particles with the same uid; remove duplicates first.")
    return found


def _text(values: np.ndarray) -> np.ndarray:
    """Byte texts as `str`, anything else as it is."""
    if values.dtype.kind == "S":
        return np.array([text.decode(errors="replace") for text in values.tolist()], dtype=object)
    return values.astype(object) if values.dtype.kind == "U" else np.ascontiguousarray(values)


def _merge(
    fields: dict[str, np.ndarray], more: dict[str, np.ndarray], path: Path, other: Path
) -> None:
    """Add the fields of a passthrough file that the particles do not have yet."""
    order = np.argsort(more[UID])
    place = np.searchsorted(more[UID][order], fields[UID])
    row = order[np.minimum(place, len(order) - 1)] if len(order) else np.zeros(0, dtype=np.int64)
    known = more[UID][row] == fields[UID] if len(row) else np.zeros(len(fields[UID]), dtype=bool)
    if not known.all():
        raise InputError(
            f"{other} lacks {int((~known).sum())} of the {len(known)} particles of {path}; it belongs to "
            "another job."
        )
    fields.update({name: values[row] for name, values in more.items() if name not in fields})
