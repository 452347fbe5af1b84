"""One writer per file: the operating system's lock, which goes with the process; a lock file where there is none.

The owner of a lock file touches it again and again; one that was not touched for long was left by a process that was
killed, here or on another machine, and is taken over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import threading
from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What file systems without locks answer (Lustre mounted without `flock`, some network drives)."""


BEAT_S, STALE_S = 10.0, 120.0
"""How often a lock file is touched; and when one that was not touched is taken over."""

_held: dict[Path, threading.Event] = {}
"""Our lock files; each event ends the thread that touches one."""


def lock(file: int, path: Path) -> bool:
    """Whether the file, open for writing, is ours alone now. The lock lasts until `unlock` or the end of the process.

    Beside `path`, its name, a lock file is made where the file system knows no locks.
    """
    try:
        _system_lock(file)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return _take_lock_file(_lock_file(path))
        return False
    return True


def unlock(path: Path) -> None:
    """Take our lock file away, if there is one; the system's lock goes when the locked file is closed."""
    mine = _lock_file(path)
    if is_ours(path) and (stop := _held.pop(mine, None)) is not None:
        stop.set()
        mine.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether a file that we locked still is, with a lock file that no other process has taken over since."""
    mine = _lock_file(path)
    return mine not in _held or _read(mine) == _owner()


def owner(path: Path) -> str:
    """Who has locked the file, as far as that can be found out; empty else."""
    mine = _lock_file(path)
    if text := _read(mine):
        return f"process {text.rpartition(' ')[2]} on {text.rpartition(' ')[0]}, by {mine}"
    with contextlib.suppress(OSError, IndexError):  # Linux tells: proc_locks(5)
        inode = str(path.stat().st_ino)
        held = (line.split() for line in Path("/proc/locks").read_text().split("\n") if line)
        return next((f"process {words[4]} on this machine" for words in held if words[5].endswith(f":{inode}")), "")
    return ""


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 40  # a byte behind all data, so that others may read while it is locked

    def _system_lock(file: int) -> None:
        position = os.lseek(file, 0, os.SEEK_CUR)
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, position, os.SEEK_SET)

else:
    import fcntl

    def _system_lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _owner() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _take_lock_file(path: Path) -> bool:
    """Make the lock file; one that was left behind is taken over."""
    for _ in range(2):
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w", encoding="utf-8") as file:
                file.write(_owner())
        except FileExistsError:
            if not _abandoned(path):
                return False
            path.unlink(missing_ok=True)
        else:
            _held[path] = stop = threading.Event()
            threading.Thread(target=_touch, args=(path, stop), daemon=True).start()
            return True
    return False


def _touch(path: Path, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        with contextlib.suppress(OSError):
            os.utime(path)


def _abandoned(path: Path) -> bool:
    """Whether the process named in the lock file is gone from this machine, or has not touched it for long."""
    host, _, process = _read(path).rpartition(" ")
    if sys.platform != "win32" and host == socket.gethostname() and process.isdigit():
        if int(process) == os.getpid():
            return path not in _held
        with contextlib.suppress(PermissionError):
            try:
                os.kill(int(process), 0)
            except ProcessLookupError:
                return True
    probe = path.with_name(f"{path.name}.{os.getpid()}")  # whose time is that of the lock's own machine
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime > STALE_S
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
