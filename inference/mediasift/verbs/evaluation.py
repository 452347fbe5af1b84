"""How good a table is."""

from __future__ import annotations

from pathlib import Path

from mediasift.evaluate.labels import Evaluation
from mediasift.evaluate.labels import evaluate_labels as measured
from mediasift.evaluate.plots import need_plots
from mediasift.evaluate.report import said_labels, true_labels, write_report
from mediasift.tables.reading import read_table


def evaluated_column(reference: str | Path) -> str:
    """What a table of what is true tells: `text` if it has such a column and none `label`, else `label`.

    Raises:
        InputError: It cannot be read.
    """
    names = read_table(Path(reference))[0]
    return "text" if "text" in names and "label" not in names else "label"


def evaluate_labels(
    result: str | Path, reference: str | Path, *, report: str | Path | None = None, seed: int = 0
) -> Evaluation:
    """How good a table of labels is, measured against a table of what is true.

    Args:
        result: Written by `classify`, or any table with the columns path and label (score, rank and label_id count).
        reference: With the columns path and label.
        report: Folder for tables and plots.
        seed: Of the bootstrap that the intervals come from.

    Raises:
        InputError: A table cannot be read, lacks a column, or they have no path in common.
        MissingPackage: A report needs matplotlib.
    """
    result, reference = Path(result), Path(reference)
    if report is not None:
        need_plots()
    true = true_labels(reference, read_table(reference))
    known = {label for labels in true.values() for label in labels}
    found = measured(said_labels(result, read_table(result), known), true, seed=seed)
    if report is not None:
        write_report(found, Path(report))
    return found
