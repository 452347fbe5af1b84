"""The small models on numbers that are in memory already: forest against scikit-learn, perceptron against Keras.

    python -m benchmarks.bench_tables MNIST [--rounds 7]

MNIST is a folder with the four original .gz files. The forest is trained here (a minute), exported by
`training/forest_onnx.py`, and asked about 1 to 10,000 rows; scikit-learn gets one job and one per core. The perceptron
has the architecture of fashion-mlp and random weights, which cost the same time. Needs the training extra.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.measure import alternate, goal, median, ratios, save
from benchmarks.profiles import operator_shares
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.system.machine import available_cores
from training import digits_forest, fashion_mlp
from training.datasets import load
from training.export import to_input

OURS, ONE_JOB, EVERY_CORE = "mediasift", "scikit-learn, 1 job", "scikit-learn, {} jobs"
CALLED, PREDICTED = "Keras, model(x)", "Keras, model.predict(x)"
ROWS = (1, 10, 100, 1000, 10_000)
LEAST_SECONDS = 0.1
"""What is shorter is done several times in a turn."""


def described(folder: Path, name: str, graph: Any, given: InputDescription) -> OnnxModel:
    """The graph as a file with a description, loaded."""
    path = folder / f"{name}.onnx"
    path.write_bytes(graph.SerializeToString())
    labels = tuple(f"class {number}" for number in range(10))
    output = OutputDescription(values="probabilities")
    describe_model(path, ModelDescription(task="classify", input=given, output=output, labels=labels))
    return load_model(path)


def repeated(work: Callable[[np.ndarray], Any], rows: np.ndarray, seconds: float) -> Callable[[], int]:
    """A turn: the work so often that it takes long enough, if once takes so many seconds."""
    times = max(1, round(LEAST_SECONDS / seconds))

    def turn() -> int:
        for _ in range(times):
            work(rows)
        return times * len(rows)

    return turn


def measured(contestants: dict[str, Callable[[np.ndarray], Any]], rows: np.ndarray, rounds: int) -> dict[str, Any]:
    """Rows per second of each, on the same rows."""
    print(f"== {len(rows):,} rows", flush=True)
    once = {name: rows_seconds(work, rows) for name, work in contestants.items()}
    return alternate({name: repeated(work, rows, once[name]) for name, work in contestants.items()}, rounds)


def rows_seconds(work: Callable[[np.ndarray], Any], rows: np.ndarray) -> float:
    """Seconds for the second of two calls."""
    work(rows)
    rates = alternate({"once": lambda: (work(rows), 1)[1]}, 1)
    return 1 / max(median(rates, "once"), 1e-6)


def agreement(ours: np.ndarray, theirs: np.ndarray) -> str:
    """In words; stops where the labels are not the same.

    Args:
        ours: float (N, labels), probabilities.
        theirs: The same.
    """
    same, difference = int((ours.argmax(1) == theirs.argmax(1)).sum()), float(np.abs(ours - theirs).max())
    if same < len(ours) or difference > 1e-5:
        raise SystemExit(f"{same} of {len(ours)} labels equal, scores within {difference:.1e}: no ratio is meant then")
    return f"all {same:,} labels equal, scores within {difference:.0e}"


def forest(folder: Path, data: Path, rounds: int) -> dict[str, Any]:
    """The forest's part of the result."""
    from training.forest_onnx import forest_to_onnx

    dataset = load("mnist", folder=data)
    grown = digits_forest.train(dataset.train_images, dataset.train_labels)
    model = described(folder, "forest", forest_to_onnx(grown, input_name="pixels"), digits_forest.INPUT)
    inputs = to_input(dataset.test_images, digits_forest.INPUT)
    cores = available_cores()
    every_core = EVERY_CORE.format(cores)

    def sklearn(jobs: int) -> Callable[[np.ndarray], Any]:
        return lambda rows: grown.set_params(n_jobs=jobs).predict_proba(rows)

    contestants = {OURS: model.run, ONE_JOB: sklearn(1), every_core: sklearn(cores)}
    same = agreement(model.run(inputs), sklearn(1)(inputs))
    results = {count: measured(contestants, inputs[:count], rounds) for count in ROWS}
    most, one = results[ROWS[-1]], results[1]
    best = max(ONE_JOB, every_core, key=lambda name: median(most, name))
    quickest = max(ONE_JOB, every_core, key=lambda name: median(one, name))
    shares = operator_shares(model.path, inputs)
    return {
        "agreement": same,
        "10,000 rows": {"measured": most, "ratio": ratios(most, best)},
        "one row": {"measured": one, "ratio": ratios(one, quickest)},
        "growth": [
            {
                "rows": count,
                **{f"{name}, milliseconds": round(1000 * count / median(rates, name), 3) for name in contestants},
                "ratio": round(median(rates, OURS) / max(median(rates, ONE_JOB), median(rates, every_core)), 2),
            }
            for count, rates in results.items()
        ],
        "goals": [
            goal("random forest, 100 trees, 10,000 rows of 784 pixels", best, ratios(most, best)[OURS], at_least=1.5,
                 aim_for=3.0, agreement=same,
                 why=f"{shares}: both libraries walk the same 100 trees of some 10,000 nodes, about 17 steps per row "
                 "and tree, each a wait for memory and a guess of the branch predictor; ONNX Runtime does it 128 rows "
                 "at a time with float32 numbers"),
            goal("random forest, one row", quickest, ratios(one, quickest)[OURS], at_least=50, aim_for=150,
                 agreement=same, why=f"{shares}; the rest is the call"),
        ],
    }  # fmt: skip


def perceptron(folder: Path, rounds: int) -> dict[str, Any]:
    """The perceptron's part of the result."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from training.keras_onnx import keras_to_onnx

    keras.utils.set_random_seed(0)
    network = fashion_mlp.build()
    model = described(folder, "perceptron", keras_to_onnx(network), fashion_mlp.INPUT)
    inputs = np.random.default_rng(0).random((1000, 28, 28), dtype=np.float32)
    contestants = {
        OURS: model.run,
        CALLED: lambda rows: network(rows, training=False).numpy(),
        PREDICTED: lambda rows: network.predict(rows, verbose=0),
    }
    same = agreement(model.run(inputs), network.predict(inputs, verbose=0))
    one = measured(contestants, inputs[:1], rounds)
    quicker = max(CALLED, PREDICTED, key=lambda name: median(one, name))
    return {
        "agreement": same,
        "one row": {"measured": one, "ratio": ratios(one, quicker)},
        "goals": [
            goal("multilayer perceptron (fashion-mlp), one row", quicker, ratios(one, quicker)[OURS], at_least=20,
                 aim_for=100, agreement=same,
                 why=f"{operator_shares(model.path, inputs[:1])}; the rest is the call"),
        ],
    }  # fmt: skip


@click.command()
@click.argument("mnist", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", default=7, show_default=True)
def main(mnist: Path, rounds: int) -> None:
    """Measure and write results/bench_tables.json."""
    with tempfile.TemporaryDirectory() as name:
        parts = {"random forest": forest(Path(name), mnist, rounds),
                 "multilayer perceptron": perceptron(Path(name), rounds)}  # fmt: skip
    goals = [one for part in parts.values() for one in part.pop("goals")]
    result = {"what": "small models on numbers in memory, float32, CPU; rows per second", "goals": goals, **parts}
    save("bench_tables", result, "onnxruntime", "scikit-learn", "tensorflow", "keras", "numpy")


if __name__ == "__main__":
    main()
