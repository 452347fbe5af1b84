"""CIFAR-10 and CIFAR-100 from their python or binary batches: https://www.cs.toronto.edu/~kriz/cifar.html.

A binary record is one label byte (CIFAR-100: coarse, then fine) and 3,072 bytes: red, green, blue, each 32 rows of 32.
A python batch is a pickled dictionary with `data` of the same 3,072 columns. Pickles run code when they are read, so
only the handful of constructors that such a batch needs is let in.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.errors import InputError
from mediasift.sources.lists import split_lines
from training.datasets import Dataset

PIXELS = 3 * 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Cifar:
    """How a set's files are called, and where the label stands.

    Attributes:
        name: For people.
        classes: How many labels.
        binary: (files to train on, file to test on, file with the labels' names).
        python: The same for the pickled batches.
        label_bytes: In front of each binary record; the last one is the label.
        key: Of the labels in a python batch.
        names_key: Of the labels' names in the python form.
    """

    name: str
    classes: int
    binary: tuple[tuple[str, ...], str, str]
    python: tuple[tuple[str, ...], str, str]
    label_bytes: int
    key: str
    names_key: str


CIFAR = {
    "cifar10": Cifar(
        name="CIFAR-10",
        classes=10,
        binary=(tuple(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin", "batches.meta.txt"),
        python=(tuple(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"),
        label_bytes=1,
        key="labels",
        names_key="label_names",
    ),
    "cifar100": Cifar(
        name="CIFAR-100",
        classes=100,
        binary=(("train.bin",), "test.bin", "fine_label_names.txt"),
        python=(("train",), "test", "meta"),
        label_bytes=2,
        key="fine_labels",
        names_key="fine_label_names",
    ),
}

Batch = tuple[np.ndarray, np.ndarray]
"""uint8 (N, 32, 32, 3) RGB and label numbers uint8 (N,)."""


def load_cifar(name: str, folder: Path) -> Dataset:
    """The data set in a folder, in the form that is there.

    Raises:
        InputError: A file is missing or damaged.
    """
    given = CIFAR[name]
    is_binary = (folder / given.binary[1]).is_file()
    train_files, test_file, names_file = given.binary if is_binary else given.python
    read = _read_binary if is_binary else _read_python
    train = [read(folder / file, given) for file in train_files]
    test = read(folder / test_file, given)
    labels = _names(folder / names_file, given, is_binary=is_binary)
    files = (*train_files, test_file)
    return Dataset(
        name=given.name,
        labels=labels,
        train_images=np.concatenate([images for images, _ in train]),
        train_labels=np.concatenate([numbers for _, numbers in train]),
        test_images=test[0],
        test_labels=test[1],
        sha256={file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files},
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); is it the extracted archive's folder?") from error


def _read_binary(path: Path, given: Cifar) -> Batch:
    data = np.frombuffer(_bytes(path), np.uint8)
    width = given.label_bytes + PIXELS
    if not len(data) or len(data) % width:
        raise InputError(f"{path}: {len(data)} bytes are no whole number of records of {width}; fetch it again")
    records = data.reshape(-1, width)
    return _checked(path, records[:, given.label_bytes :], records[:, given.label_bytes - 1], given)


def _read_python(path: Path, given: Cifar) -> Batch:
    batch = _unpickled(path)
    try:
        data, numbers = np.asarray(batch["data"]), np.asarray(batch[given.key])
    except KeyError as error:
        raise InputError(f"{path}: has no {error}; is it a batch of {given.name}?") from error
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS or numbers.shape != (len(data),):
        raise InputError(f"{path}: data {data.dtype} {data.shape} and labels {numbers.shape} are no batch")
    return _checked(path, data, numbers, given)


def _checked(path: Path, data: np.ndarray, numbers: np.ndarray, given: Cifar) -> Batch:
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= given.classes:
        raise InputError(f"{path}: labels must be 0 to {given.classes - 1}, and at least one")
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), numbers.astype(np.uint8)


def _names(path: Path, given: Cifar, *, is_binary: bool) -> tuple[str, ...]:
    if is_binary:
        names = [line.strip() for line in split_lines(_bytes(path).decode("utf-8", "replace"))]
    else:
        names = [str(name) for name in _unpickled(path).get(given.names_key, ())]
    if len(names) != given.classes:
        raise InputError(f"{path}: {len(names)} names for {given.classes} labels")
    return tuple(names)


class _Careful(pickle.Unpickler):
    """Lets in what an array needs and nothing else."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        """The constructor, if it is one of the few."""
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it would run {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        # The batches were written by Python 2: its texts are bytes here.
        loaded = _Careful(io.BytesIO(_bytes(path)), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise InputError(f"{path}: no python batch ({error})") from error
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: no python batch (a {type(loaded).__name__})")
    return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in loaded.items()}
