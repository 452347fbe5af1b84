"""Measures as pictures: confusion matrix, reliability, the surest mistakes side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.evaluate.labels import Evaluation
from mediasift.system.files import write_file
from mediasift.system.optional import require

SHOWN_MISTAKES = 24
_COLUMNS = 6
_NUMBERS_UP_TO = 30
"""Labels up to which cells are wide; the matrix of more has names on all four sides, and lines."""
_NUMBERS = 5000
_LONGEST = 40
"""Letters of a name that are shown."""
_LARGEST = 60.0
"""Inches, of 100 pixels each."""


def need_plots() -> None:
    """Raise a MissingPackage, before anything is computed, where matplotlib is not installed."""
    require("matplotlib.figure", extra="evaluate")


def _figure(width: float, height: float) -> Any:
    """A figure without a window or any state shared with the caller's own plots."""
    return require("matplotlib.figure", extra="evaluate").Figure((width, height), layout="constrained")


def _save(figure: Any, output: Path) -> None:
    """Whole, or not at all."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    write_file(output, png.getvalue())


def draw_confusion(evaluation: Evaluation, output: Path) -> None:
    """The confusion matrix: rows are true, columns predicted, colours are shares of the row."""
    counts = evaluation.confusion
    if counts is None:
        return
    size = len(evaluation.labels)
    names = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in evaluation.labels]
    side = min(_LARGEST, 3 + (0.45 if size <= _NUMBERS_UP_TO else 0.25) * size)  # inches: a line of text has 0.2
    figure = _figure(side, side)
    axes = figure.subplots()
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(size), names, rotation=90)
    axes.set_yticks(range(size), names)
    points = min(10.0, 45 * side / size)
    axes.tick_params(labeltop=size > _NUMBERS_UP_TO, labelright=size > _NUMBERS_UP_TO, labelsize=points)
    axes.set(xlabel="predicted", ylabel="true")
    if size > _NUMBERS_UP_TO:  # in a larger one, the line of a cell in the middle is hard to follow
        axes.set_xticks(np.arange(-0.5, size, 5), minor=True)
        axes.set_yticks(np.arange(-0.5, size, 5), minor=True)
        axes.grid(which="minor", color="lightgrey", linewidth=0.5)
    for row, column in np.argwhere(counts)[:_NUMBERS]:
        dark = counts[row, column] > counts[row].sum() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if dark else "black",
                  fontsize=0.7 * points if size > _NUMBERS_UP_TO else points)  # fmt: skip
    _save(figure, output)


def draw_reliability(evaluation: Evaluation, output: Path) -> None:
    """How often the model is right when it is so sure; on the diagonal it is as right as it says."""
    if not evaluation.reliability:
        return
    scores, right, counts = zip(*evaluation.reliability, strict=True)
    figure = _figure(5, 5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(scores, right, marker="o")
    for score, share, count in zip(scores, right, counts, strict=True):
        axes.annotate(str(count), (score, share), textcoords="offset points", xytext=(4, -10), fontsize=7)
    axes.set(xlabel="score", ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    _save(figure, output)


def draw_mistakes(evaluation: Evaluation, pictures: Mapping[str, NDArray[np.uint8]], output: Path) -> None:
    """The surest mistakes as a contact sheet.

    Args:
        evaluation: With its mistakes.
        pictures: Path → uint8 (H, W, 3); paths that are not in it are left out.
        output: The picture to write.
    """
    shown = [mistake for mistake in evaluation.mistakes if mistake.path in pictures][:SHOWN_MISTAKES]
    if not shown:
        return
    rows = -(-len(shown) // _COLUMNS)
    figure = _figure(2.2 * _COLUMNS, 2.6 * rows)
    for number, mistake in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        axes.imshow(pictures[mistake.path])
        axes.axis("off")
        score = "" if mistake.score is None else f" {mistake.score:.2f}"
        axes.set_title(f"{mistake.true}\n→ {mistake.predicted}{score}", fontsize=7)
    _save(figure, output)
