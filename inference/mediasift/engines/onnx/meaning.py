"""What a classifier's numbers are, by the last operations of its graph and by a run: nothing is assumed.

A softmax of a softmax, or a sigmoid of one, looks like a result: the order of the labels stays, the scores are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.decoders import DECODERS
from mediasift.engines.onnx.inner import score_outputs
from mediasift.engines.onnx.onnx_file import Node, OnnxFacts, read_facts
from mediasift.engines.onnx.recipe import arrange, noise
from mediasift.engines.onnx.segmenters import segment_scores
from mediasift.errors import DescriptionError, InferenceFailed

if TYPE_CHECKING:
    from mediasift.engines.onnx.session import OnnxModel

Ending = Literal["softmax", "sigmoid", "log-softmax", "log-sigmoid", "linear", "unknown"]
Values = Literal["logits", "probabilities"]

_PASSING = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "CastLike", "Transpose",
                      "DequantizeLinear", "QuantizeLinear", "Dropout", "Slice", "Split", "Concat", "ZipMap",
                      "Expand"})  # fmt: skip
"""Operations that move numbers and change none, but for rounding."""

_ENDINGS: dict[str, Ending] = {
    "Softmax": "softmax", "QLinearSoftmax": "softmax", "LogSoftmax": "log-softmax",
    "Sigmoid": "sigmoid", "QLinearSigmoid": "sigmoid", "HardSigmoid": "sigmoid",
    **dict.fromkeys(("Gemm", "MatMul", "Conv", "FusedGemm", "FusedMatMul", "FusedConv", "QLinearMatMul", "QLinearConv",
                     "QGemm", "MatMulInteger", "ConvInteger"), "linear"),
}  # fmt: skip

_POST_TRANSFORMS: dict[str, Ending] = {"LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}
"""Of ai.onnx.ml's classifiers; LOGISTIC of two labels gives both, p and 1 - p."""

TOLERANCE = 0.01
"""Probabilities may leave 0..1, and their sum 1, by so much: 8-bit ones have steps of 1/256."""

_FAR = 1e3
"""Inputs so many times as large as pictures drive any linear ending out of 0..1, and no sigmoid."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the numbers are.

    Attributes:
        values: logits or probabilities; logarithms of a softmax count as logits, whose softmax they are.
        ending: The operation that shows it.
        reason: How that is known, as the end of a sentence; empty where it is not.
        rows: The numbers of the pictures tried, float64 (N, columns).
    """

    values: Values
    ending: Ending
    reason: str
    rows: NDArray[np.float64]

    @property
    def columns(self) -> int:
        """How many numbers there are for each picture."""
        return int(self.rows.shape[1])


def ending_of(facts: OnnxFacts, output: str) -> Ending:
    """What the graph's last operation that changes numbers makes of them."""
    makers = {name: node for node in facts.nodes for name in node.outputs}
    stored = {tensor.name for tensor in facts.initializers}
    seen: set[str] = set()

    def maker(name: str) -> Node | None:
        """The last operation before this tensor that changes numbers."""
        while (node := makers.get(name)) is not None and node.op_type in _PASSING and name not in seen:
            seen.add(name)
            name = next((one for one in node.inputs if one and one not in stored), "")
        return node

    def kind(name: str) -> str:
        node = maker(name)
        return "" if node is None else node.op_type

    last = maker(output)
    if last is None:
        return "unknown"
    if last.op_type in _ENDINGS:
        return _ENDINGS[last.op_type]
    if transform := last.texts.get("post_transform"):
        return _POST_TRANSFORMS.get(transform[0], "unknown")
    before = [kind(name) for name in last.inputs]
    if last.op_type == "Div" and before == ["Exp", "ReduceSum"]:
        return "softmax"
    if (last.op_type == "Div" and before[1:] == ["Add"]) or (last.op_type == "Reciprocal" and before == ["Add"]):
        added = maker(last.inputs[-1])
        return "sigmoid" if added is not None and "Exp" in map(kind, added.inputs) else "unknown"
    if last.op_type == "Log":
        inner = ending_of(facts, last.inputs[0])
        logs: dict[Ending, Ending] = {"softmax": "log-softmax", "sigmoid": "log-sigmoid"}
        return logs.get(inner, "unknown")
    if last.op_type == "Neg" and before == ["Softplus"]:
        return "log-sigmoid"
    if last.op_type == "Exp":
        return "softmax" if ending_of(facts, last.inputs[0]) == "log-softmax" else "unknown"
    if last.op_type in ("Add", "QLinearAdd"):
        return "linear" if any(_ENDINGS.get(one) == "linear" for one in before) else "unknown"
    return "unknown"


def probe(model: OnnxModel, count: int = 4) -> NDArray[Any]:
    """Two noisy pictures, a black and a white one as the model wants them; as many as these, or as its batch."""
    wanted = model.description.input
    shape = (wanted.height, wanted.width) + (() if wanted.colour == "gray" else (3,))
    coarse = noise((2, 2, *shape[2:])).repeat(-(-shape[0] // 2), 0).repeat(-(-shape[1] // 2), 1)
    levels = [coarse, noise(shape), np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)]
    prepared = [arrange(one[: shape[0], : shape[1]], wanted) for one in levels]
    return np.stack([prepared[number % len(prepared)] for number in range(max(count, model.fixed_batch or 0))])


def read_meaning(model: OnnxModel) -> Meaning:
    """What the graph's end and a run show of the model's numbers.

    Raises:
        DescriptionError: They cannot be scores of any kind.
        InferenceFailed: The model does not run.
    """
    batch = probe(model)
    numbers = model.run(batch)
    others = [name for name in score_outputs(read_facts(model.path)) if name != model.output_name]
    another = f"name another output: --output-name {' or '.join(others)}" if others else "the graph has no other output"
    if numbers.dtype.kind not in "fiu":
        kind = "yes or no" if numbers.dtype.kind == "b" else "texts"
        raise DescriptionError(f"field output.name: {model.output_name!r} gives {kind}, no scores; {another}")
    if numbers.dtype.kind != "f":
        raise DescriptionError(
            f"field output.scale: the output {model.output_name!r} gives whole numbers ({numbers.dtype}) without a "
            "scale. If they are scores, their factor settles it, for example --output-scale 1/255; if they are label "
            f"numbers, {another}"
        )
    rows = numbers.reshape(len(batch), -1).astype(np.float64)
    if not rows.shape[1]:
        raise DescriptionError("field output.name: the output is empty; name another one with --output-name")
    name = f"{model.ending} operation" if model.ending == "linear" else model.ending
    ending, reason = model.ending, f"as the graph ends in a {name}"
    if ending == "sigmoid" and rows.shape[1] > 1 and np.allclose(rows.sum(axis=1), 1, atol=TOLERANCE):
        ending = "softmax"  # p and 1 - p, say
    if ending == "unknown":
        ending, reason = _shown(model, batch, rows)
    if (rows == 1).all():
        raise DescriptionError(
            "field output: every number is 1.0 for every picture, as of a softmax over a single number; one number "
            "with a sigmoid is --kind binary with two labels; else export the model without that softmax"
        )
    inside = rows.min() >= -TOLERANCE and rows.max() <= 1 + TOLERANCE
    values: Values = "probabilities" if ending in ("softmax", "sigmoid") and inside else "logits"
    return Meaning(values, ending, reason, rows)


def _shown(model: OnnxModel, batch: NDArray[Any], rows: NDArray[np.float64]) -> tuple[Ending, str]:
    """The ending that a run shows, where the graph's operations do not."""
    inside, sums = rows.min() >= 0 and rows.max() <= 1, rows.sum(axis=1)
    if rows.shape[1] > 1 and inside and np.allclose(sums, 1, atol=TOLERANCE):
        return "softmax", "as they lie within 0..1 and sum to 1 for every picture tried"
    if rows.shape[1] > 1 and rows.max() <= 0 and np.allclose(np.exp(rows).sum(axis=1), 1, atol=TOLERANCE):
        return "log-softmax", "as their exponentials sum to 1 for every picture tried"
    if (
        rows.shape[1] > 1
        and rows.min() >= 0
        and np.ptp(rows, axis=0).max() > TOLERANCE
        and np.ptp(sums) < 1e-4 * sums[0]
    ):
        raise DescriptionError(
            f"field output.scale: the numbers sum to {sums[0]:g} for every picture tried, so they are shares of that: "
            f"--output-scale 1/{sums[0]:g} --output-values probabilities"
        )
    if not inside or batch.dtype != np.float32:
        return "unknown", ""
    try:
        far = np.concatenate([model.run(batch * np.float32(factor)) for factor in (_FAR, -_FAR)])
    except InferenceFailed:
        return "unknown", ""
    if far.min() >= 0 and far.max() <= 1 and np.ptp(far) > TOLERANCE:
        return "sigmoid", "as they stay within 0..1 whatever is shown"
    return "unknown", ""


def prove(model: OnnxModel) -> None:
    """Run a model once, and compare its numbers with its description: a classifier's meaning, a detector's shapes.

    Raises:
        DescriptionError: The model does not run as described, or its numbers are others.
    """
    if model.is_proven:
        return
    wanted, labels = model.description.input, len(model.description.labels)
    try:
        if model.description.task == "classify":
            check_meaning(model)
        elif model.description.task == "detect":
            decoder = DECODERS[str(model.description.output.decoder)]
            boxes, scores = decoder(model.run_all(probe(model, 2)), (wanted.width, wanted.height), labels)
            check_probabilities(scores, DescriptionError, _OTHER_DECODER)
            if 0 < boxes.max(initial=0) <= _FRACTIONS < min(wanted.width, wanted.height) / 8:
                raise DescriptionError(
                    f"field output.decoder: all boxes lie within {boxes.min():.3g} to {boxes.max():.3g}: they are "
                    "fractions, and this decoder expects pixels; export the model with boxes in pixels, or name "
                    "another --decoder"
                )
        elif model.description.task == "segment":
            outputs = model.run_all(probe(model, model.fixed_batch or 2))
            for scores in segment_scores(outputs, model.description):
                check_probabilities(scores, DescriptionError)
        else:
            model.run(probe(model, 2))
    except InferenceFailed as error:
        raise DescriptionError(f"{model.path}: does not run as described: {error}") from error
    except DescriptionError as error:
        raise DescriptionError(f"{model.path}: {error}") from error
    model.is_proven = True


def check_meaning(model: OnnxModel) -> None:
    """Compare what the description says of a classifier's numbers with what they are.

    Raises:
        DescriptionError: They contradict; the message names the option that settles it.
        InferenceFailed: The model does not run.
    """
    description, meaning = model.description, read_meaning(model)
    output, labels = description.output, len(description.labels)
    if meaning.columns not in ((1, 2) if output.kind == "binary" else (labels,)):
        hint = "; one number for two labels is --kind binary" if (labels, meaning.columns) == (2, 1) else ""
        raise DescriptionError(
            f"field labels: {labels} of them, but the model gives {meaning.columns} values{hint} (--labels)"
        )
    for holds, message in _contradictions(meaning, output.values, output.kind, labels):
        if holds:
            raise DescriptionError(f"field output.{message}")
    if output.values == "probabilities":
        check_probabilities(meaning.rows, DescriptionError)


def _contradictions(meaning: Meaning, values: str, kind: str, labels: int) -> list[tuple[bool, str]]:
    """What would give wrong scores, and what to say of it."""
    logits, single = values == "logits", kind == "single"
    pair = kind == "binary" and meaning.columns == 2
    return [
        (
            logits and meaning.values == "probabilities",
            f"values: logits, but the model gives probabilities, {meaning.reason}: --output-values probabilities",
        ),
        (
            logits and meaning.ending == "log-sigmoid",
            "values: logits, but the model gives logarithms of a sigmoid: export it without the logarithm",
        ),
        (
            logits and meaning.ending == "log-softmax" and not (single or pair),
            f"kind: {kind}, but the model gives logarithms of a softmax, {meaning.reason}: --kind single",
        ),
        (
            single and logits and labels == 1,
            "kind: single, but a softmax over one label is always 1.0: --kind binary with two labels, or multilabel",
        ),
        (
            kind == "multilabel" and meaning.ending == "softmax" and meaning.columns > 1,
            f"kind: multilabel, but one label of many is true, {meaning.reason}: --kind single",
        ),
    ]  # fmt: skip


_OTHER_DECODER = "its description needs another decoder (models describe --decoder), or an export with scores"

_FRACTIONS = 1.5
"""Boxes of pixels reach further than this in pictures that show anything."""


def check_probabilities(
    numbers: NDArray[Any],
    error: type[DescriptionError] | type[InferenceFailed] = InferenceFailed,
    advice: str = "its description needs other output values (models describe --output-values logits)",
) -> None:
    """Raise an error for numbers that are declared probabilities and lie outside 0..1."""
    low, high = float(numbers.min(initial=0)), float(numbers.max(initial=0))
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):  # as NaN is not
        check_finite(numbers)
        raise error(f"the model gives {low:.4g} to {high:.4g}, which are no probabilities: {advice}")


def check_finite(*arrays: NDArray[Any]) -> None:
    """Raise an InferenceFailed where a model's numbers are NaN or infinite."""
    for array in arrays:
        if array.dtype.kind == "f" and not np.logical_and.reduce(np.isfinite(array), axis=None):
            raise InferenceFailed("the model gives numbers that are NaN or infinite")
