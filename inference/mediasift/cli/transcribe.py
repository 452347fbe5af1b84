"""`mediasift transcribe`, which makes subtitles of one recording only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mediasift.cli.derived import agreed_table, command_of, made
from mediasift.cli.options import Showing, finish, taken
from mediasift.errors import UsageError
from mediasift.sources.lists import LISTS
from mediasift.tasks.transcribe import Transcribe

command = command_of("transcribe")


def _run(inputs: tuple[str, ...], **chosen: Any) -> None:
    showing, settings = taken(chosen), made(Transcribe, chosen)
    _one_for_subtitles(inputs, showing)
    finish(agreed_table(settings, inputs), showing)


def _one_for_subtitles(inputs: tuple[str, ...], showing: Showing) -> None:
    """Before the work is done, not after it."""
    form = showing.format or ("" if showing.output is None else showing.output.suffix.lower().lstrip("."))
    single = len(inputs) == 1 and inputs[0] != "-" and not Path(inputs[0]).is_dir()
    if form in ("srt", "vtt") and not (single and Path(inputs[0]).suffix.lower() not in LISTS):
        raise UsageError(f"a .{form} holds one recording: name one file; of several make a table, or call it for each")


command.callback = _run
