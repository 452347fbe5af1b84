"""One writer per file: the operating system's lock, which goes with the process; a lock file where there is none."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What file systems without locks answer (Lustre mounted without `flock`, some network drives)."""


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
    if mine.exists() and mine.read_text(encoding="utf-8") == _owner():
        mine.unlink()


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


def _take_lock_file(path: Path) -> bool:
    """Make the lock file; one whose process is gone from this machine is taken over."""
    for _ in range(2):
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w", encoding="utf-8") as file:
                file.write(_owner())
            return True
        except FileExistsError:
            if not _abandoned(path):
                return False
            path.unlink(missing_ok=True)
    return False


def _abandoned(path: Path) -> bool:
    """Whether the process named in the lock file ran on this machine and is gone."""
    host, _, process = path.read_text(encoding="utf-8").rpartition(" ")
    if sys.platform == "win32" or host != socket.gethostname() or not process.isdigit():
        return False  # Windows has no way to ask for a process without a library
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return int(process) == os.getpid()
