"""Names of files as lists and tables write them: with blanks, composed otherwise, with bytes that are no text."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from mediasift.errors import count_of, did_you_mean
from mediasift.rows import printable
from mediasift.sources.records import composed


def shown_path(path: str) -> str:
    """A path as tables show it, no two alike: a byte that is not UTF-8 as a backslash, x and two digits.

    Where a name has such a byte, or holds these four characters itself, each backslash of its own is doubled.
    """
    if _STRANGE.search(path) is None:
        return path
    return printable(path.replace("\\", "\\\\"))


def path_shown_as(text: str) -> str:
    """The path that `shown_path` shows as this text; the text itself where it has no such sign."""
    if _STRANGE.search(text) is None:
        return text
    return _SPELLED.sub(lambda sign: chr(0xDC00 + int(sign[1], 16)) if sign[1] else "\\", text)


_STRANGE = re.compile(r"[\ud800-\udfff]|\\x[89a-f][0-9a-f]")
_SPELLED = re.compile(r"\\(?:x([89a-f][0-9a-f])|\\)")


def listed_file(name: str, folder: Path) -> Path:
    """The file that a list in this folder means: from the current folder, if it is not there, from the list's own.

    If it is in neither: without the blanks around it, as many write them behind commas; or with the same letters,
    otherwise composed.
    """
    ways = [Path(part, one) for one in dict.fromkeys((name, name.strip())) for part in ("", folder)]
    there = next((way for way in ways if os.path.lexists(way)), None)
    return there or next((file for way in ways if (file := otherwise_composed(way))), ways[0])


def tabled_file(path: str, folder: Path) -> Path:
    """The file that a path in a table in this folder means, whether it is written as it is or as `shown_path` does."""
    file = listed_file(path, folder)
    return file if file.exists() else listed_file(path_shown_as(path), folder)


def missing_name(name: str) -> str:
    """The end of a message about a file that is not there: what was meant, or where it was looked for."""
    if any(sign in name for sign in "\u201c\u201d\u201e\u2018\u2019"):
        return "; these quotes belong to the name, as a text program writes them: type \" or ' instead"
    if len(several := name.split()) > 1 and all(map(os.path.lexists, several)):
        return f"; these are {len(several)} names: leave out the quotes around all of them"
    folder, suffix = os.path.split(name.rstrip("/"))[0], Path(name).suffix
    try:
        here = os.path.abspath(folder)  # noqa: PTH100  (a link stays a link)
        if glob.has_magic(name):
            others = (name.removesuffix(suffix) + one for one in (suffix.upper(), suffix.lower()))
            other = next((one for one in others if glob.glob(one)), None)  # noqa: PTH207  (as it is looked up later)
            return f"; no file matches this pattern in {here}" if other is None else f"; did you mean {other}?"
        known = os.listdir(here)  # noqa: PTH208  (its names alone)
    except OSError:
        return f"; there is no folder {folder}" if folder else ""
    return did_you_mean(Path(name).name, known) or f"; it was looked for in {here}"


def nothing_to_read(names: Sequence[str], left_out: Mapping[str, int] = MappingProxyType({})) -> str:
    """The message where what was named holds nothing of a known kind, but other files: reason → how many."""
    if not names:
        return "nothing to read: no input is named"
    archives = left_out.get("archive", 0)
    others = sum(left_out.values()) - archives
    reasons = [f"{count_of(others, 'file')} there {'is' if others == 1 else 'are'} no media"] if others else []
    reasons += [of_archives(archives)] if archives else []
    return f"nothing to read in {', '.join(names)}" + (f" ({'; '.join(reasons)})" if reasons else "")


def of_archives(count: int) -> str:
    """What to do about archives in a folder, which are not looked into."""
    return f"archives are read where they are named, as in FOLDER/*.zip: {count:,} there"


def otherwise_composed(path: Path) -> Path | None:
    """The file whose name differs in nothing but how its letters are composed (NFC, NFD); None for none, or several."""
    if str(path).isascii():
        return None
    here = Path(path.anchor)
    for part in path.parts[bool(path.anchor) :]:
        names = [part]
        if not os.path.lexists(here / part):
            try:
                names = _names(str(here), here.stat().st_mtime_ns).get(composed(part), [])
            except OSError:
                return None
        if len(names) != 1:
            return None
        here /= names[0]
    return here


@lru_cache(maxsize=8)
def _names(folder: str, _changed_ns: int) -> dict[str, list[str]]:
    """The names in a folder by their composed form; a folder is listed once, however many files a list misses there."""
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):  # noqa: PTH208  (names alone)
        names.setdefault(composed(name), []).append(name)
    return names
