"""Every error mediasift raises, on one page.

A `SetupError` stops the run, with its exit code; an `ItemError` costs one item a row, whose `error` column says
`code: sentence`. Nothing but an ItemError ever becomes a row. Messages say what happened to which file, what was found,
and what to type next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """The end of a message about an unknown name: the known one that is most like it, in any case; empty if none is."""
    from difflib import get_close_matches  # late, as only a mistake needs it

    by_case = {str(one).casefold(): one for one in known}
    meant = _MEANT.get(str(name).casefold())
    likely = [meant] if meant in by_case else get_close_matches(str(name).casefold(), by_case, 1)
    return f"; did you mean {by_case[likely[0]]}?" if likely else ""


_MEANT = {
    "gpu": "cuda", "excel": "csv", "xlsx": "csv", "xls": "csv", "json": "jsonl", "label": "classify",
    "predict": "classify", "caption": "tag", "faces": "detect", "text": "ocr", "speech": "transcribe",
    "resize": "convert", "crop": "convert", "similar": "search", "dedupe": "duplicates", "scenes": "shots",
    "frames": "keyframes", "kappa": "agree", "reliability": "agree", "metadata": "info", "exif": "info",
    "report": "cite",
}  # fmt: skip
"""What newcomers call it → its name here."""


def plain(number: float) -> str:
    """A number in a message: three digits that count at least, no exponent, and never 0 for what is more."""
    places = max(0, 2 - math.floor(math.log10(abs(number)))) if number and math.isfinite(number) else 0
    text = f"{number:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count_of(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`, of a noun whose plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class MediasiftError(Exception):
    """Base of all errors of mediasift; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 1


class SetupError(MediasiftError):
    """The run as a whole cannot start or go on."""

    exit_code = 2


class UsageError(SetupError, ValueError):
    """A value, or a combination of options, that makes no sense."""


class ConsentNeeded(UsageError):
    """What would be sent costs money, and was not agreed to yet.

    Attributes:
        estimate: What would be sent, and what it would cost at most.
    """

    def __init__(self, message: str, *, estimate: str = "") -> None:
        super().__init__(message)
        self.estimate = estimate


class InputError(SetupError, OSError):
    """There is nothing to read."""

    exit_code = 3


class ModelError(SetupError):
    """A model that cannot be used as asked."""

    exit_code = 4


class ModelNotFound(ModelError, FileNotFoundError):
    """No model of this name or path is on this machine."""


class DescriptionError(ModelError, ValueError):
    """A model's description is missing or wrong; the message names the field."""


class ProviderUnavailable(ModelError):
    """The device asked for cannot run the model here."""


class EngineError(SetupError):
    """An engine (OCR, speech, codec) or a program that is missing or broken."""

    exit_code = 5


class MissingPackage(EngineError, ImportError):
    """An optional package is not installed; the message holds the line to type."""


class OutputError(SetupError, OSError):
    """The output cannot be written."""

    exit_code = 6


class Interrupted(SetupError):
    """Somebody wants the run to stop; with an output, the same command goes on with it."""

    exit_code = 130


class ItemError(MediasiftError):
    """One item failed. `str(error)` is the sentence, `as_cell()` the cell of the `error` column."""

    code: ClassVar[str] = "failed"

    def as_cell(self) -> str:
        """`code: sentence` on one line."""
        return f"{self.code}: {' '.join(str(self).split())}"


class NotFound(ItemError, FileNotFoundError):
    """A named input does not exist."""

    code = "not-found"


class Unreadable(ItemError, OSError):
    """The operating system does not let us read it."""

    code = "unreadable"


class Unavailable(ItemError, OSError):
    """What is fetched cannot be had at present: an overload, a lost connection. The same command tries it again."""

    code = "unavailable"


class NotMedia(ItemError):
    """Neither content nor suffix is that of a known format."""

    code = "not-media"


class EmptyFile(ItemError):
    """The file has no bytes."""

    code = "empty"


class Unsupported(ItemError):
    """A known format that cannot be read here, or not by this task."""

    code = "unsupported"


class Damaged(ItemError, ValueError):
    """The bytes do not decode."""

    code = "damaged"


class TooLarge(ItemError):
    """Beyond a stated limit."""

    code = "too-large"


class ItemTimeout(ItemError, TimeoutError):
    """Longer than the limit per item."""

    code = "timeout"


class Crashed(ItemError):
    """The process that worked on it died."""

    code = "crashed"


class InferenceFailed(ItemError, RuntimeError):
    """The model refused this item.

    Attributes:
        unpaid: A paid service surely did nothing, so that nothing is due for it.
    """

    code = "inference"

    def __init__(self, message: str, *, unpaid: bool = False) -> None:
        super().__init__(message)
        self.unpaid = unpaid


class TryAgain(InferenceFailed):
    """What passes by itself: an overload, a lost connection, a quota. `run` repeats the call before it is a row.

    Attributes:
        after_s: When, where the other side said so; else after 1, 2, 4 ... seconds.
    """

    def __init__(self, message: str, *, after_s: float | None = None, unpaid: bool = False) -> None:
        super().__init__(message, unpaid=unpaid)
        self.after_s = after_s
