"""WebVTT out: a timeline as subtitles that any player shows (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST_S = 0.04
"""A cue that marks one moment lasts one frame of 25 a second."""


def webvtt(cues: Iterable[tuple[float, float, str]]) -> str:
    """A WebVTT file of cues (start_s, end_s, text), which ascend; text is escaped."""
    parts = ["WEBVTT\n"]
    for start, end, text in cues:
        begin = max(0.0, start)
        parts.append(f"{_clock(begin)} --> {_clock(max(end, begin + SHORTEST_S))}\n{_escaped(text)}\n")
    return "\n".join(parts)


def _clock(time_s: float) -> str:
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


def _escaped(text: str) -> str:
    """One line, without what a player would take for markup."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
