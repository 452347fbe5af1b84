"""Content: the only thing that opens an input. Here: files of this machine.

A further kind (what a Python caller has in memory, a web address, an object in a bucket, a member of an archive) is one
class with `open`, and one line in `SCHEMES` where it has an address.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from mediasift.errors import InputError, ItemError, MediasiftError, NotFound, Unreadable, Unsupported
from mediasift.sources.formats import HEAD_BYTES
from mediasift.sources.settings import RemoteSettings
from mediasift.system.files import faults

_PIECE_BYTES = 1 << 22

Reach = Callable[[], BinaryIO]
"""Opens a file of which no more is fetched than is read. What it opens has `blank`: zeros instead of what would be."""

Alive = Callable[[], None]
"""Called now and then while something takes long."""

_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Content:
    """What an input holds, wherever it is. A kind says how it is opened, named, and distinguished from another.

    Attributes:
        name: For messages; its suffix counts where a format has no signature.
        address: By which `content_at` finds it again, from any folder and process; None where it has none.
        size: Bytes; None where that is unknown, or there is nothing.
        refusal: Why it is not to be read as a file; else it has an `open` of its own.
        asks: Whether `state` has to ask a server, unless it was read before.
    """

    __slots__ = ()
    refusal: ClassVar[str]
    asks: ClassVar[bool] = False

    if TYPE_CHECKING:  # a dataclass would take it for the default of its field

        @property
        def name(self) -> str:
            """See the class."""

    @property
    def suffix(self) -> str:
        """Of the name, with the dot; empty where it has none."""
        return PurePath(self.name).suffix

    @property
    def address(self) -> str | None:
        """See the class."""
        return None

    @property
    def size(self) -> int | None:
        """See the class."""
        with suppress(ItemError), self.open() as file:
            return file.seek(0, os.SEEK_END)
        return None

    def state(self) -> Any:
        """A JSON value that changes when the content does; None where there is nothing, or it is unknown."""
        return None

    def has_changed_since(self, moment: datetime) -> bool:  # noqa: ARG002  (files look at it)
        """Whether it was written, or put in another's place, since then, as far as that is known."""
        return False

    def open(self) -> AbstractContextManager[BinaryIO]:
        """A seekable file, closed at the end of the block.

        Raises:
            NotFound, Unreadable, Unsupported: There is nothing, it is not ours to read, or not to be read as a file;
                also while it is read, inside the block.
            InputError: This process may not open any more files.
        """
        raise Unsupported(self.refusal)

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """The first bytes, or all where there are fewer; raises as `open`."""
        with self.open() as file:
            return file.read(size)

    def read(self) -> bytes:
        """All bytes; raises as `open`."""
        with self.open() as file:
            return file.read()

    def sha256(self, alive: Alive = lambda: None) -> tuple[int, str]:
        """(bytes, SHA-256 in hexadecimal), with only pieces in memory; raises as `open`.

        Args:
            alive: Called after each piece.
        """
        size, digest = 0, hashlib.sha256()
        with self.open() as file:
            while piece := file.read(_PIECE_BYTES):
                size += len(piece)
                digest.update(piece)
                alive()
        return size, digest.hexdigest()

    def under(self, access: RemoteSettings) -> Content:  # noqa: ARG002  (of what is fetched)
        """The same, fetched in this way."""
        return self

    def ask_ahead(self) -> None:
        """Begin to fetch it, as it is read soon."""

    def held(self, alive: Alive) -> AbstractContextManager[None]:  # noqa: ARG002  (the same)
        """Keep what is fetched in the block, so that no byte is fetched twice; `alive` is called meanwhile."""
        return _NOT_HELD

    @property
    def fetched(self) -> tuple[int, int]:
        """Requests that were sent for it so far, and bytes that came; none where no server is asked."""
        return 0, 0

    def note(self, state: Any, fetched: Sequence[int] = (0, 0)) -> None:
        """Take over the `state` that another process saw when it read it, and what it `fetched` meanwhile."""

    @contextmanager
    def reached(self) -> Iterator[Path | Reach]:
        """For libraries that jump: a file as `local` gives it; or what opens one that fetches what is read of it."""
        with self.local() as file:
            yield file

    @contextmanager
    def local(self) -> Iterator[Path]:
        """A file on this machine, for libraries that insist on one; as it stands here, a copy for the block.

        Raises:
            OutputError: There is no room for the copy.
            ItemError, InputError: As `open`.
        """
        with tempfile.TemporaryDirectory(prefix="mediasift-") as folder:
            copy = Path(folder, f"content{self.suffix}")
            with self.open() as file, faults(copy), copy.open("xb") as out:
                shutil.copyfileobj(file, out, _PIECE_BYTES)
            yield copy


def content_bytes(state: Any) -> int | None:
    """The bytes of a content by its state: the first whole number in it; None where there is none."""
    if isinstance(state, (list, tuple)):
        return next((size for part in state if (size := content_bytes(part)) is not None), None)
    return state if type(state) is int else None


_NOT_HELD = nullcontext()


@dataclass(frozen=True, slots=True, init=False)
class LocalFile(Content):
    """A file of this machine, opened so that nothing that only looks like a file can hang us.

    Attributes:
        name: The path as it was named.
    """

    name: str

    def __init__(self, path: str | Path) -> None:
        object.__setattr__(self, "name", os.fspath(path))

    @property
    def path(self) -> Path:
        """The same as a path."""
        return Path(self.name)

    @property
    def suffix(self) -> str:
        """See `Content`."""
        base = os.path.basename(self.name)
        dot = base.rfind(".")
        return base[dot:] if 0 < dot < len(base) - 1 else ""

    @property
    def address(self) -> str:
        """The absolute path, in which links stay links."""
        return os.path.abspath(self.name)

    def state(self) -> list[int] | None:
        """[size, time of change in ns, time of change of its entry in ns, inode]; None where it is not there.

        The last two betray a file put in another's place, with its size and time.
        """
        try:
            status = os.stat(self.name)
        except (OSError, ValueError):
            return None
        return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]

    def has_changed_since(self, moment: datetime) -> bool:
        """Whether it, its entry, or a link in its path was changed since then, by the clock of its file system."""
        state = self.state()
        since_ns = moment.timestamp() * 1e9
        return state is not None and (max(state[1:3]) >= since_ns or _newest_link_ns(self.name) >= since_ns)

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """See `Content`; without the buffers that `open` makes, which cost more than reading a small file."""
        try:
            (handle, all_of_it), pieces = _regular(self.name), list[bytes]()
            try:
                while size and (piece := os.read(handle, min(size, all_of_it or size))):
                    pieces.append(piece)
                    size = 0 if len(piece) == all_of_it else size - len(piece)
            finally:
                os.close(handle)
        except MediasiftError:
            raise
        except OSError as error:
            raise _explained(self.name, error) from error
        return b"".join(pieces)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """See `Content`. Opened without blocking, so that a FIFO cannot hang us, and looked at before it is read."""
        try:
            with os.fdopen(_regular(self.name)[0], "rb") as file:
                yield file
        except MediasiftError:
            raise
        except OSError as error:
            raise _explained(self.name, error) from error

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The file itself, of which we know that it opens: a library would wait for a FIFO for ever."""
        with self.open():
            pass
        yield self.path


def _newest_link_ns(path: str) -> int:
    """When the last link in a path, its own or of a folder, was made, in ns; 0 without any."""
    times = [0]
    while path:
        with suppress(OSError, ValueError):
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                times.append(status.st_ctime_ns)
        above = os.path.dirname(path.rstrip("/"))
        path = "" if above == path else above
    return max(times)


def _regular(path: str) -> tuple[int, int]:
    """The handle of a regular file, and how many bytes it holds, as far as the system knows (of /proc: 0)."""
    try:
        handle = os.open(path, _READ_ONLY)
    except ValueError as error:
        raise Unreadable(f"cannot be read ({error})") from error
    status = os.fstat(handle)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return handle, status.st_size
    os.close(handle)
    raise Unreadable("a folder, not a file" if stat.S_ISDIR(mode) else "a pipe, socket or device, not a file")


def _explained(path: str, error: OSError) -> MediasiftError:
    """What the system refuses, in our words."""
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return NotFound(f"a link to {os.readlink(path)}, which does not exist")
        return NotFound("no such file")
    if error.errno in (errno.EMFILE, errno.ENFILE):  # not this file's fault
        return InputError(
            f"{path}: too many open files on this machine or in this shell; raise the limit (ulimit -n) and run the "
            "same command again"
        )
    return Unreadable(f"cannot be read ({error.strerror or error})")


SCHEMES: dict[str, Callable[[str], Content]] = {}
"""How an address begins → what makes its content; each kind enters itself, see `sources.naming`."""


def addressed(name: str) -> Content | None:
    """The content at an address that begins with one of `SCHEMES`; None for any other name."""
    if not name.startswith(tuple(SCHEMES)):
        return None
    return next(make for prefix, make in SCHEMES.items() if name.startswith(prefix))(name)


def content_at(address: str) -> Content:
    """The content whose `address` this is, or the file of this path."""
    return LocalFile(address) if address.startswith("/") else addressed(address) or LocalFile(address)
