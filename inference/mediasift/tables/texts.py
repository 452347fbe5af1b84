"""Rows with text → text for reading: plain, or as subtitles (SubRip, WebVTT)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

from mediasift.errors import UsageError
from mediasift.media.video.webvtt import cue
from mediasift.system.files import clock
from mediasift.tables.writers import Form


def write_txt(rows: Iterable[Any], form: Form, file: IO[bytes]) -> None:  # noqa: ARG001  (as every writer)
    """The text of each row on a line of its own; a form feed stands between pages and between files."""
    before = None
    for row in _with_text(rows):
        place = (row.path, row.page, row.frame)
        if before is not None and place != before:
            file.write(b"\f")
        before = place
        file.write(row.text.encode("utf-8", "backslashreplace") + b"\n")


def write_srt(rows: Iterable[Any], form: Form, file: IO[bytes]) -> None:  # noqa: ARG001  (as every writer)
    """SubRip: numbered, times with a comma. One recording."""
    for number, row in enumerate(_one_recording(rows, "srt"), 1):
        start, end = (clock(time_s, ":", ",") for time_s in _shown(row))
        file.write(f"{number}\n{start} --> {end}\n{' '.join(row.text.split())}\n\n".encode())


def write_vtt(rows: Iterable[Any], form: Form, file: IO[bytes]) -> None:  # noqa: ARG001  (as every writer)
    """WebVTT: speakers as voices. One recording."""
    file.write(b"WEBVTT\n")
    for row in _one_recording(rows, "vtt"):
        file.write(b"\n" + cue(*_shown(row), row.text, speaker=getattr(row, "speaker", None)).encode())


def _shown(row: Any) -> tuple[float, float]:
    """From when to when, counted from the beginning of the recording as players count, never negative."""
    origin_s = getattr(row, "origin_s", None) or 0.0
    start_s = max(0.0, row.start_s - origin_s)
    return start_s, max(start_s, row.end_s - origin_s)


def _with_text(rows: Iterable[Any]) -> Iterator[Any]:
    return (row for row in rows if getattr(row, "text", None))


def _one_recording(rows: Iterable[Any], name: str) -> Iterator[Any]:
    first = None
    for row in _with_text(rows):
        first = row.path if first is None else first
        if row.path != first:
            raise UsageError(f"a .{name} holds one recording, and here are {first} and {row.path}; name one input")
        yield row
