"""MNIST and Fashion-MNIST as arrays, from the four original idx files or downloaded.

The idx format is described at http://yann.lecun.com/exdb/mnist/: two zero bytes, the type of the values (8 for
unsigned bytes), the number of axes, then the length of each axis as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mediasift.errors import InputError
from mediasift.system.optional import require

FILES = {
    "train_images": "train-images-idx3-ubyte.gz",
    "train_labels": "train-labels-idx1-ubyte.gz",
    "test_images": "t10k-images-idx3-ubyte.gz",
    "test_labels": "t10k-labels-idx1-ubyte.gz",
}
TRAIN_SIZE = 60_000
"""Of the 70,000 pictures in one table, as OpenML has them, these are the training part."""

Arrays = dict[str, np.ndarray]
"""The keys of `FILES`: images uint8 (N, 28, 28), labels uint8 (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a data set comes from: its name, its name on OpenML, and what its label numbers mean."""

    name: str
    openml: str
    labels: tuple[str, ...]


SOURCES = {
    "mnist": Source(name="MNIST", openml="mnist_784", labels=tuple("0123456789")),
    "fashion-mnist": Source(
        name="Fashion-MNIST",
        openml="Fashion-MNIST",
        labels=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Pictures with labels, split once and for all into a part to train on and a part to test on.

    Attributes:
        name: For people, e.g. `MNIST`.
        labels: Label number → label.
        train_images, test_images: uint8 (N, 28, 28), light on dark, 0..255.
        train_labels, test_labels: uint8 (N,), label numbers.
        sha256: File name → SHA-256 of the file; for a download, name of the array → SHA-256 of its bytes.
    """

    name: str
    labels: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    sha256: Mapping[str, str]


def load(name: str, *, folder: Path | None = None, download: Callable[[Source], Arrays] | None = None) -> Dataset:
    """The data set of this name.

    Args:
        name: A key of `SOURCES`.
        folder: Where the four files of `FILES` lie; None downloads.
        download: What fetches the arrays when there is no folder; None takes `from_openml`.

    Raises:
        InputError: A file is missing or damaged, the parts do not fit together, or the download failed.
    """
    source = SOURCES[name]
    if folder is None:
        arrays = (download or from_openml)(source)
        sha256 = {part: hashlib.sha256(array.tobytes()).hexdigest() for part, array in arrays.items()}
    else:
        arrays = {part: read_idx(folder / file) for part, file in FILES.items()}
        sha256 = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES.values()}
    for half in ("train", "test"):
        _check(arrays[f"{half}_images"], arrays[f"{half}_labels"], where=f"{folder or source.openml} ({half})")
    return Dataset(name=source.name, labels=source.labels, sha256=sha256, **arrays)


def _check(images: np.ndarray, labels: np.ndarray, *, where: str) -> None:
    if images.shape[1:] != (28, 28) or labels.ndim != 1:
        raise InputError(f"{where}: found images {images.shape} and labels {labels.shape}, not (N, 28, 28) and (N,)")
    if not len(images) or len(images) != len(labels):
        raise InputError(f"{where}: found {len(images)} images and {len(labels)} labels; are the files of one set?")
    if labels.max() > 9:
        raise InputError(f"{where}: found label {labels.max()}, the labels are 0 to 9")


def read_idx(path: Path) -> np.ndarray:
    """The array in a gzipped idx file: uint8, with the axes that the file states.

    Raises:
        InputError: The file is missing, is not gzip or idx, or holds fewer or more values than it states.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the folder needs {', '.join(FILES.values())}") from None
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: truncated or damaged gzip ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read as gzip ({error.strerror or error})") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise InputError(f"{path}: not an idx file of unsigned bytes; it begins with {data[:4].hex(' ') or 'nothing'}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise InputError(f"{path}: ends inside its header; fetch it again")
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    if len(data) - start != math.prod(shape):
        raise InputError(f"{path}: states {math.prod(shape)} values {shape}, holds {len(data) - start}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def from_openml(source: Source) -> Arrays:
    """The arrays from https://www.openml.org, which scikit-learn keeps for the next time.

    Raises:
        InputError: OpenML cannot be reached, the download is cut off, or the data are not as expected.
        MissingPackage: scikit-learn is not installed.
    """
    fetch_openml = require("sklearn.datasets", extra="training").fetch_openml
    print(f"{source.name}: downloading {source.openml} from OpenML, 15 to 40 MB, once; a minute or so ...", flush=True)
    started = time.monotonic()
    try:
        table = fetch_openml(source.openml, version=1, as_frame=False, parser="liac-arff")
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise InputError(
            f"{source.name} cannot be downloaded ({error}). Put {', '.join(FILES.values())} "
            "into a folder and name it with --data FOLDER"
        ) from error
    print(f"{source.name}: downloaded and read in {time.monotonic() - started:.0f} s", flush=True)
    images = table.data.astype(np.uint8).reshape(-1, 28, 28)
    labels = table.target.astype(np.uint8)
    return {
        "train_images": images[:TRAIN_SIZE],
        "train_labels": labels[:TRAIN_SIZE],
        "test_images": images[TRAIN_SIZE:],
        "test_labels": labels[TRAIN_SIZE:],
    }
