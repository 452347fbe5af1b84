"""Files that appear whole or not at all, where they go, and what to do when the system refuses."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import IO

from mediasift.errors import MediasiftError, OutputError, TooLarge
from mediasift.items import Place

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_TURNS = tuple(threading.RLock() for _ in range(64))
"""Threads that write the same file wait for each other; which lock is whose follows from its name."""


def write_atomically(
    output: Path,
    write: bytes | Callable[[IO[bytes]], object],
    *,
    durable: bool = True,
    then: Callable[[str], object] | None = None,
    turns: bool = True,
) -> None:
    """Write a temporary file in the same folder and rename it.

    Args:
        output: The file to be.
        write: Its contents, or what writes them.
        durable: Wait until the disk has it. Files that the same command makes again need not.
        then: Called with the SHA-256 of the contents, before the file appears under its name.
        turns: Let threads that write the same file wait for each other, as long as `write` takes; not for one that only
            this thread may write, which takes long.

    Raises:
        OutputError: The file cannot be written; nothing half-written is left.
    """
    refuse_special(output)
    # Named after the output, so that what a killed run left behind is replaced, and goes, when it is continued.
    temporary = output.with_name(f".mediasift-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:12]}.part")
    mine: os.stat_result | None = None
    with _TURNS[hash(temporary) % len(_TURNS)] if turns else contextlib.nullcontext(), faults(output):
        try:
            temporary.unlink(missing_ok=True)  # a link there is removed, not followed
            with open(os.open(temporary, _NEW, 0o666), "w+b") as file:  # noqa: PTH123  (a file that is open)
                mine = os.fstat(file.fileno())
                file.write(write) if isinstance(write, bytes) else write(file)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                if then is not None:
                    file.seek(0)
                    then(hashlib.file_digest(file, "sha256").hexdigest())
            if not _is_at(mine, temporary):
                raise OutputError(f"{output}: another command writes the same file; give each a folder of its own")
            temporary.replace(output)
            if durable:
                _sync_folder(output.parent)
        finally:
            if mine is not None and _is_at(mine, temporary):
                temporary.unlink()


def refuse_special(output: Path) -> None:
    """Raise an OutputError where something other than a file has this name: nothing may be put in its place."""
    with faults(output):
        try:
            mode = output.stat().st_mode
        except FileNotFoundError:
            return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise OutputError(f"{output}: is {kind}, not a file; choose another name, or leave it out to write to stdout")


def _is_at(file: os.stat_result, path: Path) -> bool:
    try:
        return os.path.samestat(file, path.lstat())
    except FileNotFoundError:
        return False


def write_file(path: Path, data: bytes) -> None:
    """Write one of many files, whole, and the folder it lies in; the same command makes it again where it is lost.

    Raises:
        OutputError: It cannot be written.
        TooLarge: Its path is too long, which is this item's trouble alone.
    """
    try:
        make_folder(path.parent)
        write_atomically(path, data, durable=False)
    except OutputError as error:
        if getattr(error.__cause__, "errno", None) != errno.ENAMETOOLONG:
            raise
        raise TooLarge(
            f"{path}: longer than the path of a file may be here; write into a folder nearer to /"
        ) from error


def make_folder(folder: str | Path) -> None:
    """Make a folder and those it lies in, where they are missing.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror or error})") from error


def need_folder(folder: str | Path) -> None:
    """Make sure that `write_file` can make a folder, without making it: a mistake found later leaves nothing behind.

    Raises:
        OutputError: It cannot be made, or may not be written into.
    """
    whole = Path(os.path.abspath(folder))  # noqa: PTH100  (a link stays a link)
    with faults(whole):
        there = next(one for one in (whole, *whole.parents) if os.path.lexists(one))
        if not there.is_dir():
            raise OutputError(f"{folder}: the folder cannot be made ({os.strerror(errno.ENOTDIR)})")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: may not be written ({os.strerror(errno.EACCES)}); choose a folder of yours")


@contextlib.contextmanager
def new_folder(folder: Path, *, replaces: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """A folder that appears with all its files, or not at all: the block fills one beside it, which then gets the name.

    Args:
        folder: Its name.
        replaces: Whether a folder of this name that holds something may be replaced, with all that it holds. Its
            index.html goes first and comes last, so that what is half replaced never opens.

    Raises:
        OutputError: There is something of this name, other than an empty folder; or it cannot be made.
    """
    whole = Path(os.path.abspath(folder))  # noqa: PTH100  (the last part of `.` has a name, too)
    temporary = whole.with_name(f".mediasift-{hashlib.sha256(os.fsencode(whole.name)).hexdigest()[:12]}.part")
    with faults(folder):
        is_there = os.path.lexists(whole) and (not whole.is_dir() or any(whole.iterdir()))
        if is_there and not (whole.is_dir() and replaces(whole)):
            raise OutputError(f"{folder}: is there already; name a new folder with -d, or an empty one")
        make_folder(whole.parent)
        shutil.rmtree(temporary, ignore_errors=True)  # of a run that was killed
        temporary.mkdir()
    try:
        yield temporary
        with faults(folder):
            if whole.is_dir():
                (whole / _OPENS).unlink(missing_ok=True)
                files = sorted(temporary.iterdir(), key=lambda one: (one.name == _OPENS, one.name))
                for old in list(whole.iterdir()):
                    if old.is_dir():
                        shutil.rmtree(old)
                    elif old.name not in {file.name for file in files}:
                        old.unlink()
                for file in files:
                    file.replace(whole / file.name)
            else:
                temporary.rename(whole)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_OPENS = "index.html"
"""The file of a folder that is opened."""


def path_below(folder: str | Path, path: str | PurePath) -> Path:
    """Where in a folder the files of a source belong: as the source lies, never outside, and no two in one place.

    Every `..` becomes `_up`, the root `_root` (with the drive or server), and a name such as `_up` gets one `_` more:
    `../a/x.png` → `DIR/_up/a/x.png`, `/a/x.png` → `DIR/_root/a/x.png`, `_up/x.png` → `DIR/__up/x.png`. Of an
    address each part counts, as servers may give different files: `http://h/a//x.png` → `DIR/http:/h/a/_empty/x.png`.
    """
    if isinstance(path, str) and (address := re.fullmatch(r"([a-z][a-z0-9+.-]+:)//(.*)", path, re.DOTALL)):
        return Path(folder, *map(_part, (address[1], *address[2].split("/"))))
    pure = path if isinstance(path, PurePath) else PurePath(path)
    anchor = re.sub(r"[^\w.-]", lambda sign: f"%{ord(sign[0]):02x}", pure.anchor.strip("/\\"))
    names = map(_part, pure.parts[bool(pure.anchor) :])
    return (
        Path(folder, *([f"_root{anchor}"] if pure.anchor else []), *names) if pure.parts else Path(folder, "_unnamed")
    )


def _part(name: str) -> str:
    """A part of a path as the name of a folder or file; no two are one."""
    if re.fullmatch("_+(up|dot|empty|unnamed|root.*)", name):
        return f"_{name}"
    return {"..": "_up", ".": "_dot", "": "_empty"}.get(name, name)


_MARK = r"(_\d\d+-\d\d-\d\d\.\d{3}|_f\d+|_p\d+|\.(page|frame)-?\d+|\.box\d+|array\[\d+\])_*$"
"""How names end that `place_suffix` and Python's arrays have given."""


def unlike_a_place(name: str) -> str:
    """A source's name, with a `_` behind it where it would be taken for that of a place in another source."""
    return f"{name}_" if re.search(_MARK, name) else name


def fitting(path: Path) -> Path:
    """The path; a name of more than 255 bytes, which file systems refuse, is cut, and a hash of all of it added."""
    name = os.fsencode(path.name)
    if len(name) <= _NAME_BYTES:
        return path
    suffix = os.fsencode(path.suffix)[-16:]
    mark = b"~" + hashlib.sha256(name).hexdigest()[:12].encode()
    end = _NAME_BYTES - len(mark) - len(suffix)
    while name[end] & 0xC0 == 0x80:  # never within a character of UTF-8
        end -= 1
    return path.with_name(os.fsdecode(name[:end] + mark + suffix))


_NAME_BYTES = 255


def place_suffix(place: Place, *, time: str = "", frame: str, page: str) -> str:
    """What tells a file from others of the same source, e.g. `_00-01-23.500_f2087`, `.page-2`; else empty.

    Args:
        place: Where in the source.
        time, frame, page: How each is written where it is known, with `{}` for it; an empty one is left out.
    """
    parts = [
        (time, None if place.time_s is None else clock(place.time_s)), (frame, place.frame), (page, place.page),
        (".box{}", getattr(place, "part", None)),
    ]  # fmt: skip
    return "".join(pattern.format(value) for pattern, value in parts if value is not None)


def clock(time_s: float, between: str = "-", mark: str = ".") -> str:
    """Seconds as `hh-mm-ss.mmm`, with other signs if wanted."""
    minutes, milliseconds = divmod(round(abs(time_s) * 1000), 60_000)
    parts = (f"{minutes // 60:02}", f"{minutes % 60:02}", f"{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}")
    return "-" * (time_s < 0) + between.join(parts)


def _sync_folder(folder: Path) -> None:
    """Make the disk keep the new name; where folders cannot be opened (Windows), it does so by itself."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def faults(output: Path) -> Iterator[None]:
    """Whatever the operating system refuses inside becomes an OutputError about `output`."""
    try:
        yield
    except MediasiftError:
        raise
    except OSError as error:
        raise OutputError(_advice(output, error)) from error


def _advice(output: Path, error: OSError) -> str:
    """What happened to the file, and what to do; what is done so far is in the journal, if there is one."""
    code = error.errno
    if code in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return f"{output}: the disk or your quota is full; free some space and run the same command again to go on"
    if code == errno.EFBIG:
        return f"{output}: larger than this system allows; raise the limit (ulimit -f) and run the same command again"
    if code in (errno.ENOENT, errno.ENOTDIR):
        return f"{output}: the folder {output.parent} does not exist; make it first"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{output}: may not be written ({error.strerror}); choose a folder of yours with -o"
    if code == errno.ENAMETOOLONG:
        return f"{output}: the name is too long for files beside it; choose a shorter one with -o"
    return f"{output}: cannot be written ({error.strerror or error}); mend that and run the same command again to go on"
