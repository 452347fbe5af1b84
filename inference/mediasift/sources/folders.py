"""The media files in a folder: walked once, sorted by name, in memory that hardly grows with their number."""

from __future__ import annotations

import heapq
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from mediasift.errors import ItemError
from mediasift.sources.content import Content, LocalFile
from mediasift.sources.formats import archive_suffix, sniff
from mediasift.sources.lists import LISTS

Skipped = Counter[str]
"""Files in named folders that are no rows, by reason: `other` (no media), `archive`, `hidden`, `link`, `special`."""

_RUN = 20_000
"""Names that are sorted at a time; those that wait are one text, as objects a million of them would take 70 MB."""


class Folder:
    """One named folder: walks it, sorted, and follows a link to a folder only where nothing would come twice.

    Args:
        name: The folder, as typed.
        recursive: Enter folders inside.
        skipped: Counts what is left out.
    """

    def __init__(self, name: str, recursive: bool, skipped: Skipped) -> None:
        self._name, self._root = name, os.path.realpath(name)
        self._recursive, self._skipped = recursive, skipped
        self._entered: set[str] = set()

    def files(self) -> Iterator[tuple[str, OSError | None]]:
        """(path, None) of each media file, depth first; (path, why) of each folder that cannot be opened."""
        levels = [(self._name, _names(self._name))]
        while levels:
            here, names = levels[-1]
            try:
                entry, is_plain = next(names, (None, False))
            except OSError as error:
                yield here, error
                entry = None
            if entry is None:
                levels.pop()
            elif _is_hidden(entry):
                self._skipped["hidden"] += 1
            else:
                path = os.path.join(here, entry)
                mode = stat.S_IFREG if is_plain else _mode(path)
                if stat.S_ISDIR(mode):
                    if self._recursive and self._enter(path):
                        levels.append((path, _names(path)))
                elif self._is_wanted(path, mode):
                    yield path, None

    def files_at(self, path: str) -> Iterator[tuple[str, OSError | None]]:
        """What `files` gives of one file or folder inside, whose path begins with the folder's name, as typed."""
        *folders, name = os.path.relpath(path, self._name).split(os.sep)
        if any(map(_is_hidden, (*folders, name))) or (folders and not self._recursive):
            return
        mode = _mode(path)
        if stat.S_ISDIR(mode):
            if self._recursive:
                yield from Folder(path, recursive=True, skipped=self._skipped).files()
        elif os.path.lexists(path) and self._is_wanted(path, mode):
            yield path, None

    def _enter(self, path: str) -> bool:
        if not os.path.islink(path):
            return True
        real = os.path.realpath(path)
        seen = real in self._entered or _contains(self._root, real) or _contains(real, self._root)
        self._entered.add(real)
        if seen:
            self._skipped["link"] += 1
        return not seen

    def _is_wanted(self, path: str, mode: int) -> bool:
        """Whether the file is media, by its content or its suffix; a broken link with a media suffix is, too."""
        if mode and not stat.S_ISREG(mode):
            self._skipped["special"] += 1
            return False
        suffix = os.path.splitext(path)[1]
        if is_of_media(suffix):
            return True
        with suppress(ItemError):
            if mode and sniff(LocalFile(path).head(), suffix) is not None:
                return True
        self._skipped["archive" if archive_suffix(path) else "other"] += 1
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _names(folder: str) -> Iterator[tuple[str, bool]]:
    """The names in a folder, sorted, and whether it says of each that it is a file, no link; an OSError comes first."""
    runs = []
    with os.scandir(folder) as entries:
        while some := sorted((entry.name, _is_plain(entry)) for entry in itertools.islice(entries, _RUN)):
            runs.append(("/".join(name for name, _ in some), bytes(is_plain for _, is_plain in some)))
    each = (
        zip((name[0] for name in re.finditer("[^/]+", names)), map(bool, plain), strict=True) for names, plain in runs
    )
    yield from heapq.merge(*each)


def _is_plain(entry: os.DirEntry[str]) -> bool:
    """Whether the folder says so, which costs nothing; where it does not, `_mode` asks."""
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _mode(path: str) -> int:
    """Of what is there, behind links; 0 where that cannot be looked up."""
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0


@lru_cache(maxsize=256)
def is_of_media(suffix: str) -> bool:
    """Whether files with this suffix are media."""
    return sniff(b"", suffix) is not None


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def common_folder(named: Sequence[str | Path | Content]) -> str:
    """The folder in which all named files and folders lie, as typed; empty where there is none, or for lists."""
    folders = []
    for name in named:
        if isinstance(name, Content) or not Path(name).exists() or Path(name).suffix.lower() in LISTS:
            return ""
        folders.append(os.fspath(name) if os.path.isdir(name) else os.path.dirname(name))
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # absolute and relative ones, or several drives
        return ""
