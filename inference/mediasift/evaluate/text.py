"""Tables of text against what they should say: path → text out of two files, and the scores."""

from __future__ import annotations

from pathlib import Path

from mediasift.errors import InputError, UsageError
from mediasift.evaluate.error_rates import TextScore, text_scores
from mediasift.tables.reading import read_table


def evaluate_text(result: Path, reference: Path, *, plain: bool = False) -> list[TextScore]:
    """A score per path of the reference, and the score of all.

    Args:
        result: A table of `ocr` or `transcribe` at any level, or any with the columns path and text; rows of one path
            are joined in their order.
        reference: The same columns: what each path should say.
        plain: Compare without case and punctuation.

    Raises:
        InputError: A table cannot be read, or the two have no path in common.
        UsageError: A column is missing.
    """
    wanted, found = _texts(reference), _texts(result)
    if not wanted.keys() & found.keys():
        raise InputError(
            f"{result} and {reference} have no path in common, e.g. {next(iter(found), 'none')} and "
            f"{next(iter(wanted), 'none')}"
        )
    return text_scores(found, wanted, plain=plain)


def _texts(file: Path) -> dict[str, str]:
    """Path → all its text."""
    texts: dict[str, list[str]] = {}
    for row in read_table(file):
        if "path" not in row or "text" not in row:
            missing = "path" if "path" not in row else "text"
            raise UsageError(f"{file}: no column {missing}; it has {', '.join(row)}")
        texts.setdefault(str(row["path"]), []).append(str(row["text"] or ""))
    if not texts:
        raise InputError(f"{file}: holds no rows")
    return {path: "\n".join(parts) for path, parts in texts.items()}
