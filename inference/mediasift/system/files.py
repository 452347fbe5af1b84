"""Files that appear whole or not at all, and what to do when the system refuses."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from mediasift.errors import MediasiftError, OutputError


def write_atomically(
    output: Path, write: Callable[[IO[bytes]], object], *, then: Callable[[str], object] = str
) -> None:
    """Write a temporary file in the same folder, flush it to the disk and rename it.

    Args:
        output: The file to be.
        write: Writes its contents.
        then: Called with the SHA-256 of the contents, before the file appears under its name.

    Raises:
        OutputError: The file cannot be written; nothing half-written is left.
    """
    # Named after the output, so that what a killed run left behind is overwritten, and goes, when it is continued.
    temporary = output.with_name(f".mediasift-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:12]}.part")
    with faults(output):
        try:
            with temporary.open("w+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                then(hashlib.file_digest(file, "sha256").hexdigest())
            temporary.replace(output)
            _sync_folder(output.parent)
        finally:
            temporary.unlink(missing_ok=True)


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
