"""Rows with text → text for reading: plain, or as subtitles (SubRip, WebVTT)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from mediasift.errors import UsageError
from mediasift.rows import Row, columns

NEEDS = {"txt": ("text",), "srt": ("start_s", "end_s", "text"), "vtt": ("start_s", "end_s", "text")}
"""Format → the columns it is made of."""


def check_columns(name: str, row_type: type[Row]) -> None:
    """Raise a UsageError unless rows of this type can be written in the format."""
    have = {column.name for column in columns(row_type)}
    if missing := [column for column in NEEDS[name] if column not in have]:
        raise UsageError(f"{name}: this table has no column {missing[0]}; choose csv, jsonl or parquet")


def write_txt(rows: Iterable[Any], row_type: type[Row], file: IO[bytes]) -> None:
    """The text of each row on a line of its own; pages and files are parted by a form feed."""
    check_columns("txt", row_type)
    before = None
    for row in _with_text(rows):
        place = (row.path, row.page, row.frame)
        if before is not None and place != before:
            file.write(b"\f")
        before = place
        file.write(_text(row).encode("utf-8", "backslashreplace") + b"\n")


def write_srt(rows: Iterable[Any], row_type: type[Row], file: IO[bytes]) -> None:
    """SubRip: numbered, times with a comma. One recording."""
    check_columns("srt", row_type)
    for number, row in enumerate(_one_recording(rows, "srt"), 1):
        start, end = _times(row)
        cue = f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_single(row)}\n\n"
        file.write(cue.encode())


def write_vtt(rows: Iterable[Any], row_type: type[Row], file: IO[bytes]) -> None:
    """WebVTT (W3C): times with a point, `&` and `<` escaped, speakers as voices. One recording."""
    check_columns("vtt", row_type)
    file.write(b"WEBVTT\n")
    for row in _one_recording(rows, "vtt"):
        start, end = _times(row)
        text = _single(row).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        speaker = getattr(row, "speaker", None)
        voice = f"<v {speaker}>" if speaker else ""
        file.write(f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n{voice}{text}\n".encode())


TextWriter = Callable[[Iterable[Any], type[Row], IO[bytes]], None]

TEXTS: dict[str, TextWriter] = {"txt": write_txt, "srt": write_srt, "vtt": write_vtt}
"""Name of a format, which is also its suffix → its writer."""


def _text(row: Row) -> str:
    return str(getattr(row, "text", None) or "")


def _single(row: Row) -> str:
    """On one line: an empty one would end the cue."""
    return " ".join(_text(row).split())


def _with_text(rows: Iterable[Any]) -> Iterator[Any]:
    return (row for row in rows if _text(row))


def _times(row: Any) -> tuple[float, float]:
    return row.start_s, max(row.end_s, row.start_s)


def _one_recording(rows: Iterable[Any], name: str) -> Iterator[Any]:
    first = None
    for row in _with_text(rows):
        first = row.path if first is None else first
        if row.path != first:
            raise UsageError(f"a .{name} holds one recording, and here are {first} and {row.path}; name one input")
        yield row


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"
