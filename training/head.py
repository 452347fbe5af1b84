"""A classifier of one's own from a few dozen pictures: `python -m training.head --help`.

Any described ONNX network turns the pictures into embeddings; a regularised linear head is fitted to them; network and
head become one ONNX file. No TensorFlow, no GPU: a minute for some hundred pictures.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from mediasift.engines.onnx.description import ModelDescription, OutputDescription
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.recipe import arrange
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, find_description, find_model
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import InputError
from mediasift.sources.labelled import Labelled, read_labelled
from mediasift.system.optional import require
from training.command import TrainingCommand, check_output, output_option, recorded, seed_option
from training.export import export, origin
from training.pictures import Part, read_pictures, readable, sha256_of, split

STRENGTHS = tuple(float(c) for c in np.logspace(-5, 2, 8))
"""Candidates for C, the inverse strength of the regularisation, of scikit-learn's LogisticRegression."""
FOLDS = 5
BATCH = 16
GATE_ROWS = 200
"""Held-out pictures that the written file is compared on."""
TOLERANCE = 1e-5
PACKAGES = ("numpy", "scikit-learn", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear layer on embeddings: logits = embedding · weights + bias.

    Attributes:
        weights: float64 (D, classes).
        bias: float64 (classes,).
        strength: The C chosen by cross-validation, of each label where they are independent.
        cross_validated: Mean accuracy over the folds; None where there were too few pictures for folds.
    """

    weights: np.ndarray
    bias: np.ndarray
    strength: tuple[float, ...]
    cross_validated: float | None


def fit_head(embeddings: np.ndarray, targets: np.ndarray, *, multilabel: bool, seed: int) -> Head:
    """The head that cross-validation likes best.

    Args:
        embeddings: float32 (N, D).
        targets: bool (N, classes).
        multilabel: Every label on its own, instead of one of them.
        seed: Of the folds.
    """
    if not multilabel:
        weights, bias, strength, accuracy = _fit(embeddings, targets.argmax(axis=1), seed=seed)
        if weights.shape[1] == 1:  # scikit-learn gives two classes one number: softmax over its half, minus and plus
            weights, bias = np.concatenate([-weights, weights], axis=1) / 2, np.array([-bias[0], bias[0]]) / 2
        return Head(weights=weights, bias=bias, strength=(strength,), cross_validated=accuracy)
    fitted = [_fit(embeddings, column, seed=seed) for column in targets.T]
    accuracies = [accuracy for *_, accuracy in fitted if accuracy is not None]
    return Head(
        weights=np.concatenate([weights for weights, *_ in fitted], axis=1),
        bias=np.concatenate([bias for _, bias, *_ in fitted]),
        strength=tuple(strength for _, _, strength, _ in fitted),
        cross_validated=float(np.mean(accuracies)) if accuracies else None,
    )


def _fit(
    embeddings: np.ndarray, labels: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray, float, float | None]:
    """(weights (D, K or 1), bias, C, cross-validated accuracy). Standardisation is folded into the weights."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2:
        raise InputError("a label is on all pictures to learn from, or on none: there is nothing to tell apart")
    exact = embeddings.astype(np.float64)
    scaler = StandardScaler().fit(exact)
    scaled = scaler.transform(exact)
    model: Any = LogisticRegression(C=1.0, max_iter=5000)
    accuracy = None
    if counts.min() >= 2:
        folds = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=seed)
        scores = {"likelihood": "neg_log_loss", "accuracy": "accuracy"}
        search = GridSearchCV(model, {"C": STRENGTHS}, scoring=scores, refit="likelihood", cv=folds)
        search.fit(scaled, labels)
        model, accuracy = search.best_estimator_, float(search.cv_results_["mean_test_accuracy"][search.best_index_])
    else:
        model.fit(scaled, labels)
    weights = model.coef_ / scaler.scale_
    return weights.T, model.intercept_ - weights @ scaler.mean_, float(model.C), accuracy


def activate(logits: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Probabilities (N, classes): sigmoid of each where labels are independent, else softmax."""
    if multilabel:
        return 0.5 * (1 + np.tanh(logits / 2))
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def embed(model: OnnxModel, files: tuple[Path, ...]) -> tuple[np.ndarray, dict[int, str]]:
    """Embeddings float32 (N, D), rows of broken files zero, and position → error of those; a line every 10 seconds."""
    vectors: dict[int, np.ndarray] = {}
    broken: dict[int, str] = {}
    waiting: list[tuple[int, np.ndarray]] = []
    size = model.fixed_batch or BATCH
    reported = time.monotonic()

    def run() -> None:
        if waiting:
            positions, rows = zip(*waiting, strict=True)
            vectors.update(zip(positions, model.run(np.stack(rows), pad_to=size), strict=True))
            waiting.clear()

    for position, pixels, error in read_pictures(files, model.description.input):
        if pixels is None:
            broken[position] = error
            continue
        waiting.append((position, arrange(pixels, model.description.input)))
        if len(waiting) == size:
            run()
        if time.monotonic() - reported > 10:
            reported = time.monotonic()
            print(f"{len(vectors) + len(broken)} of {len(files)} pictures", flush=True)
    run()
    if not vectors:
        raise InputError(f"none of {len(files)} pictures can be read; the first: {files[0]}: {broken[0]}")
    rows = np.zeros((len(files), next(iter(vectors.values())).size), np.float32)
    for position, vector in vectors.items():
        rows[position] = vector.reshape(-1)
    return rows, broken


def scores_on(test: Part, probabilities: np.ndarray, *, multilabel: bool) -> dict[str, float]:
    """Accuracy on held-out pictures; with several labels also exact matches and F1 over all answers together."""
    if not multilabel:
        return {"test_accuracy": float((probabilities.argmax(axis=1) == test.numbers).mean())}
    decided = probabilities > 0.5
    hits = (decided & test.targets).sum()
    return {
        "test_accuracy": float((decided == test.targets).mean()),
        "test_exact_match": float((decided == test.targets).all(axis=1).mean()),
        "test_f1_micro": float(2 * hits / max(1, decided.sum() + test.targets.sum())),
    }


def describe(
    backbone: str, labelled: Labelled, head: Head, parts: tuple[Part, Part], metrics: dict[str, float], **how: Any
) -> ModelDescription:
    """What the file says of itself."""
    path = find_model(backbone)
    below = find_description(path)
    train, test = parts
    licence = below.provenance.get("licence")
    return ModelDescription(
        task="classify",
        labels=labelled.classes,
        input=below.input,
        output=OutputDescription(
            values="probabilities", kind="multilabel" if labelled.multilabel else "single", name="probabilities"
        ),
        provenance=origin(
            labelled.name,
            sha256_of(labelled),
            rows=(len(train.files), len(test.files)),
            packages=PACKAGES,
            backbone=path.stem,
            backbone_sha256=sha256(path),
            **({"backbone_licence": licence} if licence else {}),
            strength=list(head.strength),
            **how,
        ),
        metrics=metrics,
        tolerance=TOLERANCE,
    )


@click.command("python -m training.head", cls=TrainingCommand)
@click.option(
    "--backbone", default=DEFAULT_CLASSIFIER, show_default=True, help="A described ONNX network, name or file."
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder with a folder per label, or a .csv with the columns path and label.",
)
@click.option("--test-share", default=0.2, show_default=True, help="Part of the pictures held out to test on.")
@click.option("--layer", help="Tensor to take as the embedding.  [default: what the last layer reads]")
@seed_option
@output_option
@click.pass_context
def main(
    ctx: click.Context, backbone: str, data: Path, test_share: float, layer: str | None, seed: int, output: Path
) -> None:
    """Fit a linear classifier to a network's embeddings of labelled pictures; write both as one ONNX file."""
    check_output(output)
    for package in ("sklearn", "onnx"):
        require(package, extra="training")
    from training.backbone import Opened, cut, with_head

    labelled = read_labelled(data)
    below = cut(backbone, layer=layer)
    print(
        f"{len(labelled.files)} pictures, {len(labelled.classes)} labels; embeddings of {below.size} numbers",
        flush=True,
    )
    with TemporaryDirectory() as folder, Opened(below.graph, below.input, Path(folder)) as model:
        vectors, broken = embed(model, labelled.files)
    place = {file: number for number, file in enumerate(labelled.files)}
    train, test = split(labelled, readable(labelled, broken), test_share=test_share, seed=seed)
    seen, held_out = (vectors[[place[file] for file in half.files]] for half in (train, test))
    head = fit_head(seen, train.targets, multilabel=labelled.multilabel, seed=seed)
    probabilities = activate(held_out @ head.weights + head.bias, multilabel=labelled.multilabel)
    metrics = scores_on(test, probabilities, multilabel=labelled.multilabel)
    if head.cross_validated is not None:
        metrics["cross_validated_accuracy"] = head.cross_validated
    for name, value in metrics.items():
        print(f"{name} {value:.4f}" + (f" on {len(test.files)} held-out pictures" if name.startswith("test") else ""))

    gate = test.files[:GATE_ROWS]
    inputs = [arrange(pixels, below.input) for _, pixels, _ in read_pictures(gate, below.input) if pixels is not None]
    agreement = export(
        with_head(
            below,
            head.weights,
            head.bias,
            activation="Sigmoid" if labelled.multilabel else "Softmax",
            output_name="probabilities",
        ),
        description=describe(backbone, labelled, head, (train, test), metrics, command=recorded(ctx), seed=seed),
        output=output,
        inputs=np.stack(inputs),
        expected=probabilities[: len(gate)],
        batch=below.batch,
    )
    print(f"ONNX Runtime: all {agreement.rows} labels equal, scores within {agreement.max_difference:.1e}")
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
