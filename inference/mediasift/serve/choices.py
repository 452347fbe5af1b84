"""Options of a verb as text, from the query of a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mediasift.errors import UsageError, did_you_mean
from mediasift.settings import Declared, comma_separated, options
from mediasift.tasks.model import OF_A_RUN

_FIXED = {"engine", "files", "directory", "layer"}
"""What the service decides, and what would write files or load a model again."""

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def askable(kind: Any) -> dict[str, Declared]:
    """The options of a verb that a request may choose: how pictures are read, and what rows have."""
    return {
        one.name: one for one in options(kind)
        if one.flag and not one.option.secret and one.name not in OF_A_RUN | _FIXED
    }  # fmt: skip


def chosen(kind: Any, pairs: Iterable[Iterable[str]]) -> dict[str, Any]:
    """The values of the options that are named.

    Args:
        kind: The verb's settings.
        pairs: (name, text); an option that may be given several times may be there several times.

    Raises:
        UsageError: There is no such option, or its text is no value.
    """
    known, texts = askable(kind), dict[str, list[str]]()
    for name, text in pairs:
        if name not in known:
            raise UsageError(
                f"no option {name!r} here; there are {', '.join(sorted(known))}{did_you_mean(name, known)}"
            )
        texts.setdefault(name, []).append(text)
    return {name: _value(known[name], each) for name, each in texts.items()}


def _value(declared: Declared, texts: list[str]) -> Any:
    option = declared.option
    if option.multiple:
        return tuple(text if option.parse is None else option.parse(text) for text in texts)
    if len(texts) > 1:
        raise UsageError(f"{declared.name}: given {len(texts)} times; give it once")
    (text,) = texts
    if option.parse is not None:
        return option.parse(text)
    if declared.is_sequence:
        return comma_separated(text)
    if declared.kind is bool:
        if text.lower() not in _BOOLEANS:
            raise UsageError(f"{declared.name} {text!r}: must be true or false")
        return _BOOLEANS[text.lower()]
    if declared.kind in (int, float):
        try:
            return declared.kind(text)
        except ValueError:
            wanted = "a whole number" if declared.kind is int else "a number"
            raise UsageError(f"{declared.name} {text!r}: must be {wanted}") from None
    return text
