"""What a Python caller has in memory instead of a name: the bytes of a file, an array, a picture of Pillow."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import UsageError
from mediasift.sources.content import Content


@dataclass(frozen=True, slots=True)
class Bytes(Content):
    """The bytes of a file, given by a Python caller with the name that they would have."""

    name: str
    data: bytes = field(repr=False)

    def state(self) -> str:
        """Their hash."""
        return hashlib.blake2b(self.data, digest_size=16).hexdigest()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """See `Content`."""
        with io.BytesIO(self.data) as file:
            yield file


@dataclass(frozen=True, slots=True, eq=False)
class Array(Content):
    """A picture given by a Python caller, without bytes to open.

    Attributes:
        image: uint8 (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey, or a picture of Pillow.
    """

    name: str
    image: Any = field(repr=False)

    refusal: ClassVar[str] = "an array, not a file: it has no header and holds one picture"

    def state(self) -> str:
        """Its hash."""
        shape = str(getattr(self.image, "shape", None) or (self.image.mode, self.image.size)).encode()
        return hashlib.blake2b(shape + self.image.tobytes(), digest_size=16).hexdigest()


class PillowPicture(Protocol):
    """What is used here of a picture of Pillow."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""

    def getbands(self) -> tuple[str, ...]:
        """Names of its channels."""

    def tobytes(self) -> bytes:
        """Its pixels."""


def given(value: Any, index: int) -> Content | None:
    """What a Python caller gives instead of a name: an array, the bytes of a file, an open file, a picture of Pillow.

    Args:
        value: What it may be; None comes back for anything else.
        index: Its number among the inputs, from 0: it has no name of its own.

    Raises:
        UsageError: A file that is open as text.
    """
    if isinstance(value, Content):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Bytes(f"bytes[{index}]", bytes(value))
    if hasattr(value, "tobytes") and (hasattr(value, "dtype") or hasattr(value, "getbands")):
        return Array(f"{'array' if hasattr(value, 'dtype') else 'picture'}[{index}]", value)
    if not hasattr(value, "read") or isinstance(value, (str, Path)):
        return None
    data, name = value.read(), getattr(value, "name", None)
    if not isinstance(data, bytes):
        raise UsageError(f"input {index + 1}: the file is open as text; open it with mode 'rb'")
    return Bytes(name if isinstance(name, str) else f"file[{index}]", data)


OneNamed = str | Path | NDArray[np.uint8] | bytes | IO[bytes] | PillowPicture | Content
Named = OneNamed | Sequence[OneNamed]
"""Paths, folders, globs, lists, or what is in memory: uint8 arrays (H, W, 3) in RGB, the bytes of files, files open for
reading, pictures of Pillow; one or several."""

TAKEN = "a path (str or Path), a uint8 array (H, W, 3) in RGB, bytes, a file open for reading or a picture of Pillow"
"""What is one of them, in a message."""


def named_inputs(inputs: Named) -> list[str | Path | Content]:
    """One input or several as a list."""
    if isinstance(inputs, (str, Path)):
        return [inputs]
    if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
        raise TypeError("inputs: a table or dictionary; name its column of paths, e.g. frame['path']")
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "OU":  # a column of text
        inputs = inputs.tolist()
    if (content := given(inputs, 0)) is not None:
        return [content]
    if not isinstance(inputs, Iterable):
        raise TypeError(f"inputs: {TAKEN}; or several of them, as a list; not {type(inputs).__name__}")
    named = [given(one, index) or one for index, one in enumerate(cast("Iterable[Any]", inputs))]
    for number, one in enumerate(named, 1):
        if not isinstance(one, (str, PathLike, Content)):
            raise TypeError(f"inputs: each must be {TAKEN}; number {number} is {type(one).__name__}: {one!r:.40}")
    return named
