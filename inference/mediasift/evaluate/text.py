"""Tables of text against what they should say: path → text out of two files, and the scores."""

from __future__ import annotations

from pathlib import Path

from mediasift.errors import InputError
from mediasift.evaluate.error_rates import TextScore, text_scores
from mediasift.tables.reading import need_columns, read_table


def evaluate_text(result: Path, reference: Path, *, plain: bool = False) -> list[TextScore]:
    """A score per path of the reference, and the score of all.

    Args:
        result: A table of `ocr` or `transcribe` at any level, or any with the columns path and text; rows of one path
            are joined in their order.
        reference: The same columns: what each path should say.
        plain: Compare without case and punctuation.

    Raises:
        InputError: A table cannot be read, lacks a column, or the two have no path in common.
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
    records = read_table(file)
    need_columns(file, records, "path", "text")
    texts: dict[str, list[str]] = {}
    for record in records:
        texts.setdefault(str(record["path"]), []).append(str(record["text"] or ""))
    return {path: "\n".join(parts) for path, parts in texts.items()}
