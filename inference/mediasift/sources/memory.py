"""What a Python caller has in memory instead of a name: the bytes of a file, an array, a picture of Pillow."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

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
