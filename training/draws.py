"""How good a classifier of one's own gets with so many labelled pictures: `python -m training.draws --help`.

In each draw, so many pictures of each label are taught and all others are classified, as a user would do both.
"""

from __future__ import annotations

import contextlib
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

import mediasift as ms
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER
from mediasift.errors import InputError
from mediasift.sources.labelled import Labelled, read_labelled
from training.command import TrainingCommand

Teach = Callable[[Path, Path, str, int], None]
"""(list of pictures and labels, the file to write, name of the network, seed)."""


def _head(*, augment: bool) -> Teach:
    def teach(table: Path, output: Path, network: str, seed: int) -> None:
        kept = output.with_name(f"{network}{'-augmented' * augment}.index".replace("/", "_"))
        ms.train(table, output=output, backbone=network, augment=augment, seed=seed, index=kept)

    return teach


def _fine_tuned(*alterations: str) -> Teach:
    def teach(table: Path, output: Path, network: str, seed: int) -> None:
        from training.resnet50 import finetune

        words = ["--data", table, "--architecture", network, "--seed", seed, "-o", output, *alterations]
        with contextlib.redirect_stdout(sys.stderr):
            finetune.main([str(word) for word in words], standalone_mode=False)

    return teach


WAYS: dict[str, Teach] = {
    "head": _head(augment=False),
    "head-augmented": _head(augment=True),
    "finetuned": _fine_tuned("--rotate", "0", "--no-flip", "--crop", "0", "--zoom", "0", "--brightness", "0"),
    "finetuned-augmented": _fine_tuned(),
}


def drawn(labelled: Labelled, each: int, seed: int) -> np.ndarray:
    """Whether a picture is taught: bool (N,), of each label so many.

    Raises:
        InputError: A label has no more than these.
    """
    taught = np.zeros(len(labelled.files), bool)
    rng = np.random.default_rng(seed)
    for label in labelled.classes:
        positions = np.array([row for row, names in enumerate(labelled.labels) if label in names])
        if len(positions) <= each:
            raise InputError(f"{labelled.name}: {len(positions)} pictures of {label!r}; --each {each} leaves none")
        taught[rng.permutation(positions)[:each]] = True
    return taught


def measured(
    labelled: Labelled, taught: np.ndarray, teach: Teach, network: str, seed: int, folder: Path
) -> list[float]:
    """Share of right answers to the others, mean of their scores, and seconds of processor time that teaching took."""
    table, output = folder / "taught.csv", folder / f"draw-{seed}.onnx"
    with table.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(("path", "label"))
        lines.writerows(
            (path.absolute(), *labels)
            for path, labels, chosen in zip(labelled.files, labelled.labels, taught, strict=True)
            if chosen
        )
    started = time.process_time()
    teach(table, output, network, seed)
    seconds = time.process_time() - started
    others = [row for row, chosen in enumerate(taught) if not chosen]
    answers = list(ms.classify([labelled.files[row] for row in others], model=output))
    output.unlink()
    right = [answer.label == labelled.labels[row][0] for row, answer in zip(others, answers, strict=True)]
    return [float(np.mean(right)), float(np.mean([answer.score for answer in answers])), seconds]


@click.command("python -m training.draws", cls=TrainingCommand)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--way", default="head", show_default=True, type=click.Choice(list(WAYS)), help="How it is taught.")
@click.option(
    "--network", default=DEFAULT_CLASSIFIER, show_default=True, help="A backbone, or an architecture to fine-tune."
)
@click.option(
    "--each", multiple=True, required=True, type=click.IntRange(2), help="Pictures of each label, repeatable."
)
@click.option("--draws", default=10, show_default=True, type=click.IntRange(2), help="How often, each from its seed.")
def main(data: Path, way: str, network: str, each: tuple[int, ...], draws: int) -> None:
    """Print how good a classifier gets that DATA's pictures teach, a folder for each label or a list."""
    labelled = read_labelled(data)
    if labelled.multilabel:
        raise InputError(f"{data}: has pictures with several labels or none; draws are of pictures with one")
    print("way,network,pictures_of_each,draws,accuracy,sd,worst,mean_score,processor_seconds_per_draw")
    with tempfile.TemporaryDirectory() as folder:
        for count in each:
            results = [
                measured(labelled, drawn(labelled, count, seed), WAYS[way], network, seed, Path(folder))
                for seed in range(draws)
            ]
            accuracies, scores, seconds = zip(*results, strict=True)
            numbers = (
                statistics.mean(accuracies), statistics.stdev(accuracies), min(accuracies), statistics.mean(scores)
            )  # fmt: skip
            print(f"{way},{network},{count},{draws}", *(f"{number:.4f}" for number in numbers),
                  f"{statistics.mean(seconds):.1f}", sep=",", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
