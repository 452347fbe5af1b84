"""How far a text is from what it should be: word and character error rates.

The rate is the number of words (characters) that were replaced, left out or put in, over the number in the reference
(Morris, Maier, Green 2004); it may exceed 1. Alignment and counts are jiwer's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mediasift.errors import InputError
from mediasift.evaluate.references import matched, true_texts
from mediasift.rows import Row
from mediasift.settings import Settings
from mediasift.system.optional import require

TOTAL = "(all)"


@dataclass(frozen=True, kw_only=True)
class EvaluateText(Settings):
    """How text is evaluated; see `evaluate_text`."""

    plain: bool = False
    encoding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore(Row):
    """The errors in one text; in the row whose path is `(all)`, in all of them together.

    Attributes:
        words, characters: In the reference.
        word_errors, character_errors: Replaced, left out and put in.
        word_error_rate, character_error_rate: Errors per word and character of the reference, 0 is perfect; None
            where the reference is empty.
    """

    words: int | None = None
    word_errors: int | None = None
    word_error_rate: float | None = None
    characters: int | None = None
    character_errors: int | None = None
    character_error_rate: float | None = None


def evaluate_text(
    result: str | Path, reference: str | Path, *, plain: bool = False, encoding: str | None = None
) -> list[TextScore]:
    """Word and character error rates of a table of text, per path of the reference and in all (path `(all)`).

    Args:
        result: A table of `ocr` or `transcribe` at any level, or any with the columns path and text; rows of one path
            are joined in their order. Paths that differ from the reference's are matched by name, where that is unique.
        reference: The same columns: what each path should say; or a folder with a .txt file for each path.
        plain: Compare without case and punctuation.
        encoding: Of both; None takes UTF-8.

    Raises:
        InputError: A table cannot be read, lacks a column, or they have no path in common.
    """
    wanted, texts = true_texts(Path(reference), encoding), true_texts(Path(result), encoding)
    paths = matched(texts, wanted)
    if not paths:
        raise InputError(
            f"{result} and {reference} have no path in common, e.g. {next(iter(texts), 'nothing')} and "
            f"{next(iter(wanted), 'nothing')}"
        )
    return text_scores({paths[path]: text for path, text in texts.items() if path in paths}, wanted, plain=plain)


def text_scores(texts: Mapping[str, str], reference: Mapping[str, str], *, plain: bool = False) -> list[TextScore]:
    """A score per text of the reference, in its order, and the score of all.

    White space is made single before texts are compared. A text that is missing counts as empty.

    Args:
        texts: Path → what was read or heard.
        reference: Path → what it should be.
        plain: Compare without case and punctuation, as is usual for speech.
    """
    scores = [
        _score(path, *(_tidy(text, plain) for text in (wanted, texts.get(path, ""))))
        for path, wanted in reference.items()
    ]
    names = ("words", "word_errors", "characters", "character_errors")
    return [*scores, _rated(TOTAL, *(sum(getattr(score, name) for score in scores) for name in names))]


def _tidy(text: str, plain: bool) -> str:
    if plain:
        kinds = ((c, unicodedata.category(c)) for c in text.casefold())
        text = "".join(" " if kind == "Pd" or c == "/" else "" if kind.startswith("P") else c for c, kind in kinds)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _score(path: str, wanted: str, text: str) -> TextScore:
    if not wanted:
        return _rated(path, 0, len(text.split()), 0, len(text))
    jiwer = require("jiwer", extra="evaluate")
    words, letters = jiwer.process_words(wanted, text), jiwer.process_characters(wanted, text)
    errors = [counted.substitutions + counted.deletions + counted.insertions for counted in (words, letters)]
    return _rated(path, len(wanted.split()), errors[0], len(wanted), errors[1])


def _rated(path: str, words: int, word_errors: int, characters: int, character_errors: int) -> TextScore:
    word_rate, character_rate = (
        round(errors / count, 6) if count else None
        for errors, count in ((word_errors, words), (character_errors, characters))
    )
    return TextScore(
        path=path, words=words, word_errors=word_errors, word_error_rate=word_rate, characters=characters,
        character_errors=character_errors, character_error_rate=character_rate,
    )  # fmt: skip
