"""Files that arrive in folders: notices that something changed, and when a file is whole.

Notices are hints that make it quick; what is true is what stands in the folders, which are looked at as a whole now and
then, because a system may lose notices, and gives none of what other machines write on a network file system.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from mediasift.sources.content import LocalFile
from mediasift.sources.naming import Source
from mediasift.system.optional import install_line, is_installed, require

POLL_S = 2.0
"""Between two looks at folders of which the system gives no notice."""

SURE_S = 60.0
"""Between two looks at folders of which it does."""

_SHARED = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "gluster",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse",
    "virtiofs",
    "vboxsf",
)
"""How kinds of file systems begin that other machines write to, of which Linux gives no notice."""


class Notices(AbstractContextManager["Notices"]):
    """What changed in folders; where the system gives no notice, there is only the time.

    Args:
        folders: The folders.
        recursive: Also those inside.
        poll_s: Look that often, and ask for no notices; None leaves it to the folders.

    Attributes:
        every_s: How often to look at everything.
        reason: Why there are no notices; empty where there are.
    """

    def __init__(self, folders: Sequence[str], *, recursive: bool, poll_s: float | None) -> None:
        self.every_s, self.reason = SURE_S, "" if poll_s is None else "--poll"
        self._changed: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._observer: Any = None
        if poll_s is None:
            self.reason = self._refused(folders, recursive=recursive)
        if self.reason:
            self.every_s = poll_s or POLL_S

    def _refused(self, folders: Sequence[str], *, recursive: bool) -> str:
        """Ask for notices; why there are none, else empty."""
        for folder in folders:
            if (kind := file_system(folder)).startswith(_SHARED):
                return f"{folder} is on a shared file system ({kind})"
        if not is_installed("watchdog"):
            return f"for notices: {install_line('watch')}"
        events, observers = require("watchdog.events"), require("watchdog.observers")
        wanted = [getattr(events, f"{name}Event") for name in
                  ("FileCreated", "FileModified", "FileClosed", "FileMoved", "DirCreated", "DirMoved")]  # fmt: skip
        self._observer = observers.Observer()
        try:
            for folder in folders:
                handler = _handler(events.FileSystemEventHandler, self._changed.put, folder)
                self._observer.schedule(handler, os.path.realpath(folder), recursive=recursive, event_filter=wanted)
            self._observer.start()
        except OSError as error:  # the system watches only so many folders
            self.__exit__()
            return f"the system gives no notices ({error.strerror or error})"
        return ""

    def take(self, timeout_s: float) -> list[tuple[str, str]]:
        """(path, spelled as its folder was typed; folder) of what changed since the last call; waits for the first."""
        paths: dict[tuple[str, str], None] = {}
        try:
            while True:
                paths[self._changed.get(timeout=0 if paths else timeout_s)] = None
        except queue.Empty:
            return list(paths)

    def __exit__(self, *_: object) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            if observer.is_alive():
                observer.join()


def _handler(kind: Any, put: Callable[[tuple[str, str]], None], folder: str) -> Any:
    """What watchdog calls with events."""
    real = os.path.realpath(folder)

    def on_any_event(event: Any) -> None:
        path = os.fsdecode(event.dest_path or event.src_path)
        if path != real:
            put((os.path.join(folder, os.path.relpath(path, real)), folder))

    handler = kind()
    handler.on_any_event = on_any_event
    return handler


def file_system(folder: str) -> str:
    """The kind of file system that holds a folder, e.g. `ext4`; empty where the system does not say."""
    try:
        mounts = _mounts(Path("/proc/self/mountinfo").read_bytes())
        real = Path(os.path.realpath(folder))
    except OSError:
        return ""
    holding = [one for one in mounts if real.is_relative_to(one[0])]
    return max(reversed(holding), key=lambda one: len(one[0]), default=("", ""))[1]  # of two at one place, the later


def _mounts(table: bytes) -> list[tuple[str, str]]:
    r"""(mount point, kind) of each line of Linux's mountinfo; the kernel writes a blank in a name as `\040`."""
    lines = [os.fsdecode(line).split(" ") for line in table.split(b"\n") if line]
    return [
        (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]), fields[fields.index("-") + 1])
        for fields in lines
    ]


class Waiting:
    """Files that may still be written. One comes out when it was the same for `settle_s` and no one writes it.

    Args:
        settle_s: So long.
        is_being_written: Whether a process has it open for writing, as far as is known.
    """

    def __init__(self, settle_s: float, is_being_written: Callable[[Path], bool]) -> None:
        self._settle_s, self._is_being_written = settle_s, is_being_written
        self._seen: dict[str, tuple[Source, Any, float]] = {}  # in the order of the times

    def __len__(self) -> int:
        """How many wait."""
        return len(self._seen)

    def __iter__(self) -> Iterator[str]:
        """Their paths."""
        return iter(self._seen)

    def add(self, source: Source) -> None:
        """A file that is there, perhaps again: if it changed since, its time begins again."""
        state = source.content and source.content.state()
        if source.path not in self._seen or self._seen[source.path][1] != state:
            self._since_now(source, state)

    def _since_now(self, source: Source, state: Any) -> None:
        self._seen.pop(source.path, None)
        self._seen[source.path] = source, state, time.monotonic()

    def ready(self) -> Iterator[Source]:
        """Those that are whole, each taken out when it is asked for."""
        while self._seen:
            path, (source, before, since) = next(iter(self._seen.items()))
            if time.monotonic() < since + self._settle_s:
                return
            del self._seen[path]
            file = source.content.path if isinstance(source.content, LocalFile) else None
            if file is not None and not os.path.lexists(file):
                continue  # it was removed, or renamed, of which there is another notice
            state = source.content and source.content.state()
            if state != before or (file is not None and self._is_being_written(file)):
                self._since_now(source, state)
            else:
                yield source


@contextmanager
def writers() -> Iterator[Callable[[Path], bool]]:
    """A function: whether a process has a file open for writing, as far as the system says.

    Linux says so of files of the same user, on local file systems: it grants a read lease only while no process has the
    file open for writing (fcntl(2), F_SETLEASE). A lease is given back at once; who opens the file meanwhile waits for
    that, and the signal that then reaches us is ignored, which Python allows in its main thread alone.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        yield lambda _file: False
        return
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        yield _has_writer
    finally:
        signal.signal(signal.SIGIO, before)


def _has_writer(file: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # another user's file, or another kind of file system
        return False
    finally:
        os.close(handle)
    return False
