"""Numbers in memory: forest beside scikit-learn, perceptron beside Keras, pairs of vectors and of hashes.

    python -m benchmarks.bench_numbers [--hashes 1000000] [--quick]

The forest is trained here (a minute) and exported by `training/forest_onnx.py`; the perceptron has the architecture of
fashion-mlp and random weights; of the hashes a thousandth are planted within 10 bits of another. Needs `training`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.harness import DATA, Result, Row, alternate, run, versus
from mediasift.compare import cosine, hamming
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.system.machine import available_cores
from training import digits_forest, fashion_mlp
from training.datasets import load
from training.export import to_input

OURS, BITS, THRESHOLD = "mediasift", 10, 0.9


def described(folder: Path, name: str, graph: Any, given: InputDescription) -> OnnxModel:
    """The graph as a file with a description, loaded."""
    path = folder / f"{name}.onnx"
    path.write_bytes(graph.SerializeToString())
    labels, output = tuple(f"class {number}" for number in range(10)), OutputDescription(values="probabilities")
    describe_model(path, ModelDescription(task="classify", input=given, output=output, labels=labels))
    return load_model(path)


Work = Mapping[str, Callable[[np.ndarray], Any]]
"""Contestant → what answers for so many rows."""


def compared(
    title: str, work: Work, inputs: np.ndarray, times: int, rounds: int, floor: float, result: Result
) -> None:  # fmt: skip
    """A row: everyone answers for the same inputs, so many times in a turn; the quickest other is the peer."""
    answers = [np.asarray(one(inputs)) for one in work.values()]
    if any((one.argmax(1) != answers[0].argmax(1)).any() or np.abs(one - answers[0]).max() > 1e-5 for one in answers):
        raise SystemExit(f"{title}: the answers differ, no ratio")
    turns = {name: lambda one=one: [one(inputs) for _ in range(times)] for name, one in work.items()}
    result.timings[title] = timings = alternate(turns, len(inputs) * times, rounds)
    best = max((name for name in work if name != OURS), key=lambda name: timings[name]["per_second"])
    row = Row(what=title, peer=versus(timings, OURS, best, floor), outputs="all labels, and scores within 1e-5")
    result.rows.append(row)


def models(folder: Path, quick: bool, rounds: int, result: Result) -> None:
    """Forest and perceptron."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from training.forest_onnx import forest_to_onnx
    from training.keras_onnx import keras_to_onnx

    data = load("mnist", folder=DATA / "mnist")
    few = 5000 if quick else len(data.train_images)
    grown = digits_forest.train(data.train_images[:few], data.train_labels[:few])
    model = described(folder, "forest", forest_to_onnx(grown, input_name="pixels"), digits_forest.INPUT)
    inputs, cores = to_input(data.test_images, digits_forest.INPUT), available_cores()
    forest = {OURS: model.run} | {
        f"scikit-learn, {jobs} jobs": lambda rows, jobs=jobs: grown.set_params(n_jobs=jobs).predict_proba(rows)
        for jobs in {1, cores}
    }
    compared("random forest of 100 trees, 10,000 rows", forest, inputs, 1, rounds, 1.5, result)
    compared("random forest of 100 trees, one row", forest, inputs[:1], 20, rounds, 50, result)
    keras.utils.set_random_seed(0)
    network = fashion_mlp.build()
    perceptron = described(folder, "perceptron", keras_to_onnx(network), fashion_mlp.INPUT)
    work = {OURS: perceptron.run, "Keras, model(x)": lambda rows: network(rows, training=False).numpy()}
    one = np.random.default_rng(0).random((1, 28, 28), dtype=np.float32)
    compared("perceptron fashion-mlp, one row", work, one, 50, rounds, 20, result)


def vectors(count: int) -> np.ndarray:
    """float32 (N, 675): 15 x 15 x 3 pixels whose detail falls off as in photographs, one in ten a near copy of another.

    Amplitude 1 / frequency: Field, "Relations between the statistics of natural images ...", 1987.
    """
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(15)[:, None], np.fft.fftfreq(15)[None, :])
    frequency[0, 0] = np.inf
    drawn = np.fft.ifft2(np.fft.fft2(rng.normal(size=(count, 3, 15, 15))) / frequency).real
    drawn += 2 * drawn.mean(axis=1, keepdims=True)  # the channels of a photograph go together
    flat, copies = drawn.reshape(count, -1).astype(np.float32), count // 10
    flat[-copies:] = flat[:copies] + rng.normal(size=(copies, 675)) * 0.2 * flat[:copies].std(axis=1, keepdims=True)
    return flat


def pairs(count: int, rounds: int, result: Result) -> None:
    """All pairs of vectors at or above a cosine, beside scikit-learn's two lines."""
    from sklearn.metrics.pairwise import cosine_similarity

    data = vectors(count)

    def ours() -> int:
        return sum(len(left) for left, _, _ in cosine.pairs(cosine.unit(data), THRESHOLD))

    def theirs() -> int:
        return len(np.nonzero(np.triu(cosine_similarity(data) >= THRESHOLD, 1))[0])

    if ours() != theirs():
        raise SystemExit("the pairs differ, no ratio")
    title, peer = f"all pairs of {count:,} vectors with a cosine of {THRESHOLD}", "scikit-learn cosine_similarity"
    result.timings[title] = timings = alternate({OURS: ours, peer: theirs}, count, rounds)
    result.rows.append(Row(what=title, peer=versus(timings, OURS, peer, 1.0), outputs="as many pairs"))


def hashes(most: int) -> dict[str, dict[str, float]]:
    """Seconds for all pairs of hashes within 10 bits, as their number grows; every planted one has to be there."""
    rng, grown = np.random.default_rng(1), dict[str, dict[str, float]]()
    for count in (one for one in (10_000, 100_000, 1_000_000) if one <= most):
        numbers = rng.integers(0, 2**64, count, dtype=np.uint64)
        places = rng.permutation(count)[: 2 * (count // 1000)].reshape(2, -1)
        for a, b in places.T:
            flips = rng.choice(64, rng.integers(0, BITS + 1), replace=False).astype(np.uint64)
            numbers[b] = numbers[a] ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
        started, near = time.perf_counter(), set[tuple[int, int]]()
        for left, right, _ in hamming.pairs(numbers, BITS, threads=available_cores()):
            near.update(zip(left.tolist(), right.tolist(), strict=True))
        seconds = time.perf_counter() - started
        if lost := [pair for pair in places.T.tolist() if (min(pair), max(pair)) not in near]:
            raise SystemExit(f"{len(lost)} planted pairs are not there")
        grown[f"{count:,} hashes"] = {"seconds": seconds, "pairs": len(near), "planted": len(places.T)}
    return grown


def measure(folder: Path, quick: bool, hashes_: int) -> Result:
    """Models, vectors, hashes."""
    result = Result(what="small models and comparisons of numbers in memory",
                    packages=("onnxruntime", "scikit-learn", "tensorflow", "keras", "numpy"))  # fmt: skip
    rounds = 1 if quick else 5
    models(folder, quick, rounds, result)
    pairs(2000 if quick else 20_000, 1 if quick else 3, result)
    result.facts = hashes(min(hashes_, 10_000) if quick else hashes_)
    return result


if __name__ == "__main__":
    run("numbers", measure, click.Option(["--hashes", "hashes_"], type=int, default=1_000_000, show_default=True))
