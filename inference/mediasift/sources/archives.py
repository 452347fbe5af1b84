"""Members of `.zip` and `.tar` archives as inputs: `photos.zip` is a folder, and `photos.zip/a/b.jpg` a file in it.

Nothing is unpacked to disk by its own name. The members of an archive are listed once; each is then read where it
stands. A compressed `.tar` is unpacked once, as a whole, into a file without a name.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from mediasift.errors import Damaged, ItemError, NotFound, TooLarge, Unsupported
from mediasift.sources.content import SCHEMES, Content, LocalFile, content_at
from mediasift.sources.folders import Skipped, is_of_media
from mediasift.sources.formats import archive_suffix, sniff
from mediasift.sources.settings import AS_USUAL, RemoteSettings
from mediasift.system.files import faults

_COMPRESSED: dict[str, Any] = {
    ".tar.gz": gzip.open, ".tgz": gzip.open, ".tar.bz2": bz2.open, ".tbz2": bz2.open, ".tar.xz": lzma.open,
    ".txz": lzma.open,
}  # fmt: skip
_BOMB_BYTES, _BOMB_RATIO = 1 << 28, 200
"""What unpacks to more than so many bytes, and to so many times what it takes, is made to fill a disk."""

_OPEN = 4
"""Archives that stay open."""

_PIECE_BYTES = 1 << 20


class _Entry(NamedTuple):
    """A member: its bytes; how it is opened; why it is not to be read."""

    size: int
    open: Callable[[], BinaryIO]
    refusal: ItemError | None = None


class _Opened:
    """An archive that is open: its members by name, each once, in the archive's order. For several threads."""

    def __init__(self, content: Content, access: RemoteSettings) -> None:
        self.entries: dict[str, _Entry] = {}
        self.skipped = Skipped()
        self._stack, self._lock = ExitStack(), threading.Lock()
        self._most = int(access.max_file_gb * 1e9)
        try:
            self._file = self._stack.enter_context(content.open())
            with _explained("the archive"):
                try:
                    self._take_zip() if archive_suffix(content.name) == ".zip" else self._take_tar(content)
                except (ValueError, IndexError, OverflowError, struct.error) as error:
                    raise Damaged(f"the archive is damaged ({error})") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of it."""
        self._stack.close()

    def _add(self, name: str, mode: int, entry: _Entry) -> None:
        """A member, as far as it is a file; a later one of the same name takes its place, as when it is unpacked."""
        if stat.S_ISDIR(mode) or name.endswith("/"):
            return
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self.skipped["link" if stat.S_ISLNK(mode) else "special"] += 1
            return
        name = _unpacked_name(name)
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or parts[0].endswith(":"):
            entry = entry._replace(refusal=Unsupported("its name leads out of the archive; unpack it yourself"))
        if name in self.entries:
            self.skipped["replaced"] += 1
            del self.entries[name]
        self.entries[name] = entry

    def _take_zip(self) -> None:
        archive = self._stack.enter_context(zipfile.ZipFile(self._file))
        for one in archive.infolist():
            refusal: ItemError | None = _too_large(one.file_size, one.compress_size, self._most)
            if one.flag_bits & 1:
                refusal = Unsupported("it is encrypted; unpack the archive with its password")
            opened = cast("Callable[[], BinaryIO]", lambda one=one: archive.open(one))
            self._add(_name(one), one.external_attr >> 16 & 0xFFFF, _Entry(one.file_size, opened, refusal))

    def _take_tar(self, content: Content) -> None:
        unpack = _COMPRESSED.get(archive_suffix(content.name))
        if unpack is not None:
            self._file = self._unpacked(unpack(self._file), content.size or 0)
        with tarfile.open(fileobj=self._file, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            for one in archive:
                if one.islnk():  # a second name of a file
                    with suppress(KeyError):
                        self._add(one.name, stat.S_IFREG, self.entries[_unpacked_name(one.linkname)])
                    continue
                refusal = Unsupported("it is a sparse file; unpack the archive") if one.issparse() else None
                mode = _MODES.get(one.type, stat.S_IFREG if one.isfile() else stat.S_IFCHR)
                window = cast(
                    "Callable[[], BinaryIO]", lambda one=one: _Window(self._read_at, one.offset_data, one.size)
                )
                self._add(
                    one.name, mode, _Entry(one.size, window, refusal or _too_large(one.size, one.size, self._most))
                )

    def _unpacked(self, packed: BinaryIO, size: int) -> BinaryIO:
        with faults(Path(tempfile.gettempdir(), "unpacked.tar")):
            copy = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  (the stack closes it)
        count = 0
        while piece := packed.read(_PIECE_BYTES):
            count += len(piece)
            if (refusal := _too_large(count, size, self._most)) is not None:
                raise refusal
            with faults(Path(tempfile.gettempdir(), "unpacked.tar")):
                copy.write(piece)
        copy.seek(0)
        return cast("BinaryIO", copy)

    def _read_at(self, place: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(place)
            return self._file.read(size)


_MODES = {tarfile.SYMTYPE: stat.S_IFLNK, tarfile.DIRTYPE: stat.S_IFDIR}
"""Type of a member of a `.tar` that is no file → its mode; devices and pipes count as one."""


def _too_large(size: int, packed: int, most: int) -> TooLarge | None:
    if size > most:
        return TooLarge(f"it unpacks to {size:,} bytes; more than {most / 1e9:g} GB needs --max-file")
    if size > _BOMB_BYTES and size > _BOMB_RATIO * packed:
        return TooLarge(f"it unpacks to {size:,} bytes from {packed:,}, as what is made to fill a disk does")
    return None


def _name(one: zipfile.ZipInfo) -> str:
    """A member's name: UTF-8 where the archive says so, or where it can be nothing else; CP437 (APPNOTE 6.3.10, D)."""
    if one.flag_bits & 0x800 or one.filename.isascii():
        return one.filename
    with suppress(UnicodeError):
        return one.filename.encode("cp437").decode("utf-8")
    return one.filename


def _unpacked_name(name: str) -> str:
    """The name under which a member is unpacked: `a//b.jpg` and `./a/./b.jpg` lie where `a/b.jpg` does."""
    root = "/" if name.startswith("/") else ""
    return root + "/".join(part for part in name.split("/") if part not in ("", "."))


class _Window(io.RawIOBase):
    """A part of a file that several read."""

    def __init__(self, read_at: Callable[[int, int], bytes], start: int, size: int) -> None:
        self._read_at, self._start, self._size, self._place = read_at, start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there."""
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def readinto(self, buffer: Any) -> int:
        """As many bytes as fit."""
        data = self._read_at(self._start + self._place, max(0, min(len(buffer), self._size - self._place)))
        if not data and len(buffer) and self._place < self._size:
            raise EOFError
        self._place += len(data)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _explained(what_it_is: str) -> Iterator[None]:
    """What the libraries raise, in our words."""
    try:
        yield
    except NotImplementedError as error:
        raise Unsupported(f"{what_it_is} is packed in a way that cannot be read here ({error})") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        raise Damaged(f"{what_it_is} is damaged, or not whole ({error or 'it ends early'})") from error
    except OSError as error:
        if isinstance(error, ItemError) or error.errno is not None or type(error) is not OSError:
            raise
        raise Damaged(f"{what_it_is} is damaged ({error})") from error  # as bz2 does


_kept: OrderedDict[tuple[str, str], list[Any]] = OrderedDict()  # [archive, users]
_keeping = threading.Lock()


@contextmanager
def _opened(content: Content, access: RemoteSettings) -> Iterator[_Opened]:
    """An archive, which stays open for the next who ask for it."""
    key = f"{content.address} {access.max_file_gb}", json.dumps(content.state())
    with _keeping:
        if key not in _kept:
            _kept[key] = [_Opened(content, access), 0]
        _kept.move_to_end(key)
        slot = _kept[key]
        slot[1] += 1
        for old in [one for one, (_, users) in _kept.items() if not users][: max(0, len(_kept) - _OPEN)]:
            _kept.pop(old)[0].close()
    try:
        yield slot[0]
    finally:
        with _keeping:
            slot[1] -= 1


@dataclass(frozen=True, slots=True)
class Member(Content):
    """A file in an archive."""

    archive: Content
    member: str
    access: RemoteSettings = AS_USUAL

    @property
    def name(self) -> str:
        """The archive's, and its own."""
        return f"{self.archive.name}/{self.member}"

    @property
    def address(self) -> str | None:
        """See `Content`."""
        return None if self.archive.address is None else _SCHEME + json.dumps([self.archive.address, self.member])

    @property
    def size(self) -> int | None:
        """See `Content`."""
        with suppress(ItemError), self._entry() as entry:
            return entry.size
        return None

    def under(self, access: RemoteSettings) -> Member:
        """See `Content`."""
        return replace(self, access=access)

    def state(self) -> Any:
        """It changes when the archive does."""
        state = self.archive.state()
        return None if state is None else json.dumps(state)

    def has_changed_since(self, moment: datetime) -> bool:
        """Whether the archive has."""
        return self.archive.has_changed_since(moment)

    @contextmanager
    def _entry(self) -> Iterator[_Entry]:
        with _opened(self.archive, self.access) as archive:
            entry = archive.entries.get(_unpacked_name(self.member))
            if entry is None:
                raise NotFound("there is no such file in the archive")
            yield entry

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """See `Content`."""
        with self._entry() as entry, _explained("the file in the archive"):
            if entry.refusal is not None:
                raise entry.refusal
            with entry.open() as file:
                yield cast("BinaryIO", io.BufferedReader(file)) if isinstance(file, io.RawIOBase) else file


def members(content: Content, access: RemoteSettings, recursive: bool, skipped: Skipped) -> Iterator[Member]:
    """The media in an archive, sorted by name, as those in a folder.

    Raises:
        ItemError: It cannot be read.
    """
    with _opened(content, access) as archive:
        skipped.update(archive.skipped)
        for name in sorted(archive.entries):
            one, parts = Member(content, name, access), name.replace("\\", "/").split("/")
            if any(part.startswith(".") or part == "__MACOSX" for part in parts) and ".." not in parts:
                skipped["hidden"] += 1
            elif archive_suffix(name):
                skipped["archive"] += 1
            elif recursive or len(parts) == 1:
                if is_of_media(PurePosixPath(name).suffix) or _looks_like_media(one):
                    yield one
                else:
                    skipped["other"] += 1


def _looks_like_media(one: Member) -> bool:
    with suppress(ItemError):
        return sniff(one.head(), one.suffix) is not None
    return False


def member_at(name: str) -> Member | None:
    """The file in an archive that a path such as `photos.zip/a/b.jpg` leads to; None for any other path."""
    for place in (at for at, sign in enumerate(name) if sign == "/"):
        archive = name[:place]
        if archive_suffix(archive) and os.path.isfile(archive):  # noqa: PTH113  (as it was typed)
            return Member(LocalFile(Path(archive)), name[place + 1 :])
    return None


def _member_at(address: str) -> Member:
    archive, member = json.loads(address.removeprefix(_SCHEME))
    return Member(content_at(archive), member)


_SCHEME = "member:"
SCHEMES[_SCHEME] = _member_at
