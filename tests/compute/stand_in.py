"""A stand-in for an accelerator: tensors that live elsewhere as far as torch can tell, computed by the CPU underneath.

Whoever mixes them with tensors of the CPU, or takes their memory without `.cpu()`, gets an error, as on a GPU. A meter
tells how much memory they have taken.
"""

import dataclasses
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
"""Its name; torch itself knows no values of tensors there, so that whatever it does on its own fails."""

_BETWEEN_DEVICES = {"aten::_to_copy", "aten::copy_", "aten::_local_scalar_dense"}


class Meter:
    """The bytes that tensors on the stand-in hold now, and the most that they have held; views count once."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._tensors: Counter[int] = Counter()

    def add(self, tensor: "Remote") -> None:
        """Count a new tensor until it is gone."""
        storage = tensor.inner.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        self._tensors[place] += 1
        if self._tensors[place] == 1:
            self.now += size
            self.peak = max(self.peak, self.now)
        weakref.finalize(tensor, self._forget, place, size)

    def reset(self) -> None:
        """Forget the peak so far."""
        self.peak = self.now

    def _forget(self, place: int, size: int) -> None:
        self._tensors[place] -= 1
        if not self._tensors[place]:
            self.now -= size


class Remote(Tensor):
    """A tensor on the stand-in; `inner` holds its values."""

    inner: Tensor
    meter: ClassVar[Meter | None] = None

    @staticmethod
    def __new__(cls, inner: Tensor) -> "Remote":
        made: Remote = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        return made

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner
        if Remote.meter is not None:
            Remote.meter.add(self)

    def tolist(self) -> Any:
        """The values as Python numbers, which torch does without asking the tensor."""
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return compute(func, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """Catches whatever is made on the stand-in, or moved there."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return compute(func, args, kwargs or {})


class Spoken(TorchFunctionMode):
    """Says in other words what torch does without asking the tensors: constants, and a vector times a matrix."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.tensor and given.get("device") == DEVICE:
            return func(*args, **{**given, "device": "cpu"}).to(DEVICE)
        if func in (torch.matmul, Tensor.matmul, Tensor.__matmul__) and args[0].dim() == 1:
            return func(args[0].unsqueeze(0), *args[1:], **given).squeeze(0)
        return func(*args, **given)


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of an operation, on the device where torch would put it."""
    given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
    is_remote = any(isinstance(one, Remote) for one in given)
    name = func.name().split(".")[0]
    if is_remote and name not in _BETWEEN_DEVICES:
        checked = given[:1] if name == "aten::index" else given
        for one in checked:
            if one.dim() and not isinstance(one, Remote):
                raise RuntimeError(f"{name}: tensors of two devices are mixed")
    device = kwargs.get("device")
    if device is not None:
        is_remote = torch.device(device).type == DEVICE.type
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if name == "aten::copy_":
        is_remote = isinstance(args[0], Remote)
    args, kwargs = tree_map(_unwrapped, (args, kwargs))
    result = func(*args, **kwargs)
    if name.endswith("_") and not name.endswith("__") and given:
        return given[0]
    return tree_map(_wrapped, result) if is_remote else result


def _unwrapped(value: Any) -> Any:
    return value.inner if isinstance(value, Remote) else value


def _wrapped(value: Any) -> Any:
    return Remote(value) if isinstance(value, Tensor) else value


@contextmanager
def stand_in(meter: Meter | None = None) -> Iterator[torch.device]:
    """The device, usable inside the block; the meter sees all that is put there."""
    Remote.meter = meter
    try:
        with Spoken(), Elsewhere():
            yield DEVICE
    finally:
        Remote.meter = None


def moved(value: Any, device: torch.device) -> Any:
    """A tensor, or a dataclass of tensors, on another device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {
            field.name: moved(getattr(value, field.name), device)
            for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **parts)
    return value
