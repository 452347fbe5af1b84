"""WebVTT out: subtitles that any player shows (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Iterable

from mediasift.system.files import clock

SHORTEST_S = 0.04
"""A cue that marks one moment lasts one frame of 25 a second."""


def webvtt(cues: Iterable[tuple[float, float, str]]) -> str:
    """A WebVTT file of cues (start_s, end_s, text), which ascend."""
    return "\n".join(["WEBVTT\n", *(cue(*one) for one in cues)])


def cue(start_s: float, end_s: float, text: str, *, speaker: str | None = None) -> str:
    """One cue, its text escaped, the speaker as its voice."""
    begin = max(0.0, start_s)
    voice = f"<v {_escaped(speaker)}>" if speaker else ""
    return f"{clock(begin, ':')} --> {clock(max(end_s, begin + SHORTEST_S), ':')}\n{voice}{_escaped(text)}\n"


def _escaped(text: str) -> str:
    """One line, as an empty one would end the cue, without what a player would take for markup."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
