"""The bytes of a file, read so that nothing that only looks like a file can hang us."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from mediasift.errors import InputError, ItemError, NotFound, Unreadable
from mediasift.sources.formats import HEAD_BYTES

_PIECE_BYTES = 1 << 22

_Taken = TypeVar("_Taken")


def read_head(file: Path) -> bytes:
    """The first `HEAD_BYTES` bytes of a regular file.

    Raises:
        NotFound, Unreadable: It is gone, not ours to read, or no regular file.
        InputError: This process may not open any more files.
    """
    return _read(file, lambda opened: opened.read(HEAD_BYTES))


def read_bytes(file: Path) -> bytes:
    """All bytes of a regular file.

    Raises:
        NotFound, Unreadable: It is gone, not ours to read, or no regular file.
        InputError: This process may not open any more files.
    """
    return _read(file, lambda opened: opened.read())


def _read(file: Path, take: Callable[[IO[bytes]], _Taken]) -> _Taken:
    """Opened without blocking, so that a FIFO cannot hang us, and looked at before it is read."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise Unreadable(
                    "a folder, not a file" if stat.S_ISDIR(mode) else "a pipe, socket or device, not a file"
                )
            return take(opened)
    except FileNotFoundError as error:
        if file.is_symlink():
            raise NotFound(f"a link to {file.readlink()}, which does not exist") from error
        raise NotFound("no such file") from error
    except ItemError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):  # not this file's fault
            raise InputError(
                f"{file}: too many open files on this machine or in this shell; raise the limit (ulimit -n) and run "
                "the same command again"
            ) from error
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unreadable(f"cannot be read ({reason})") from error


def read_sha256(file: Path, alive: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """(bytes, SHA-256 in hexadecimal) of a regular file of any size, of which only pieces are in memory.

    Args:
        file: The file.
        alive: Called after each piece.

    Raises:
        NotFound, Unreadable: It is gone, not ours to read, or no regular file.
        InputError: This process may not open any more files.
    """

    def digest(opened: IO[bytes]) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        while piece := opened.read(_PIECE_BYTES):
            size += len(piece)
            digest.update(piece)
            alive()
        return size, digest.hexdigest()

    return _read(file, digest)
