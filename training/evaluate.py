"""How good a classifier is, ours or anybody's: `python -m training.evaluate --help`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from mediasift import verbs
from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import InputError, NotFound
from mediasift.evaluate.labels import Evaluation, Prediction, measure_labels
from mediasift.evaluate.plots import need_plots
from mediasift.evaluate.report import measure_rows, read_picture, write_report
from mediasift.sources.labelled import read_labelled
from training.command import TrainingCommand
from training.datasets import FILES, read_idx

TOP = 5
"""Labels per picture that are looked at, where one is true."""
PRINTED = frozenset({"precision", "recall", "f1", "support"})

True_ = Mapping[str, Sequence[str]]


def evaluate_folder(model: OnnxModel, data: Path) -> Evaluation:
    """On pictures in a folder per label, or in a CSV with the columns `path` and `label`."""
    labelled = read_labelled(data)
    true = {str(file): labels for file, labels in zip(labelled.files, labelled.labels, strict=True)}
    by_id = _speaks_in_identifiers(model.description, labelled.classes)
    top = 0 if labelled.multilabel else TOP
    return measure_labels(_predicted(verbs.classify(list(true), model=model, top=top), by_id=by_id), true)


def _speaks_in_identifiers(description: ModelDescription, classes: Sequence[str]) -> bool:
    """Whether the data name labels by identifiers (WordNet ids).

    Raises:
        InputError: They have no label that the model knows.
    """
    if set(classes) & set(description.labels):
        return False
    if set(classes) & set(description.label_ids):
        return True
    raise InputError(
        f"none of the data's labels ({', '.join(classes[:5])} ...) is one of the model's: "
        f"{', '.join(description.labels[:5])} ..."
    )


def _predicted(rows: Any, *, by_id: bool) -> dict[str, list[Prediction]]:
    predicted: dict[str, list[Prediction]] = {}
    for row in rows:
        if row.found == 0:
            predicted.setdefault(row.path, [])
        elif row.label is not None:
            predicted.setdefault(row.path, []).append(
                Prediction(label=row.label_id if by_id else row.label, score=row.score)
            )
    return predicted


def evaluate_idx(model: OnnxModel, data: Path) -> tuple[Evaluation, Callable[[str], np.ndarray]]:
    """On the test part of MNIST or a set of its form, whose label numbers are positions in the model's labels."""
    images, numbers = read_idx(data / FILES["test_images"]), read_idx(data / FILES["test_labels"])
    labels = model.description.labels
    if len(images) != len(numbers) or numbers.max(initial=0) >= len(labels):
        raise InputError(
            f"{data}: {len(images)} pictures, {len(numbers)} labels up to {numbers.max(initial=0)}; "
            f"the model has {len(labels)} labels"
        )
    true = {f"array[{row}]": (labels[number],) for row, number in enumerate(numbers)}
    rows = verbs.classify(list(images), model=model, top=min(TOP, len(labels)))
    pictures = dict(zip(true, images, strict=True))

    def picture(path: str) -> np.ndarray:
        if path not in pictures:
            raise NotFound(path)
        return np.repeat(pictures[path][:, :, None], 3, axis=2)

    return measure_labels(_predicted(rows, by_id=False), true), picture


@click.command("python -m training.evaluate", cls=TrainingCommand)
@click.argument("model")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder with a folder per label, a .csv (path, label), or a folder with the four idx files.",
)
@click.option("-o", "--report", type=click.Path(path_type=Path), help="Folder for tables and plots.")
@click.option("--device", default="cpu", show_default=True)
def main(model: str, data: Path, report: Path | None, device: str) -> None:
    """Classify labelled pictures with MODEL, a name or an ONNX file, and tell how well it does."""
    if report is not None:
        need_plots()
    loaded = load_model(model, device=device)
    if (data / FILES["test_images"]).is_file():
        measured, picture = evaluate_idx(loaded, data)
    else:
        measured, picture = evaluate_folder(loaded, data), read_picture
    for one in measure_rows(measured):
        if len(measured.labels) <= TOP or one.measure not in PRINTED:
            interval = "" if one.low is None else f"  ({one.low:.4f} to {one.high:.4f})"
            value = "undefined" if one.value is None else f"{one.value:.4f}"
            print(f"{one.measure:<28} {one.label:<20} {value}{interval}")
    if report is not None:
        write_report(measured, report, picture=picture)
        print(f"wrote {report}")


if __name__ == "__main__":
    main()
