"""The gate between a trained model and its ONNX file, and what the file says of its origin.

A file appears under its name only when ONNX Runtime, reading that very file, gives the same labels as the trained
model on held-out data, and the same scores within the tolerance that stands in the file's description.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mediasift.engines.onnx.description import METADATA_KEY, InputDescription, ModelDescription
from mediasift.engines.onnx.providers import open_session, ort_errors
from mediasift.errors import ModelError, OutputError

if TYPE_CHECKING:
    import onnx

    from training.datasets import Dataset

ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 200_000_000


class ParityError(ModelError):
    """The ONNX model does not say what the trained model says; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the trained model and ONNX Runtime compare: pictures, and the largest difference of a score."""

    rows: int
    max_difference: float


def to_input(images: np.ndarray, given: InputDescription) -> np.ndarray:
    """The model's input, of type and layout as described, from pictures that have its size already.

    Args:
        images: uint8 (N, H, W), grey, 0..255.
        given: With colour gray; value = (pixel * scale - mean) / std.
    """
    if images.shape[1:] != (given.height, given.width) or given.channels != 1:
        raise ModelError(f"pictures {images.shape} are not (N, {given.height}, {given.width}) of one grey channel")
    values = images.astype(np.float32) * np.float32(given.scale)
    values = (values - np.float32(given.mean[0])) / np.float32(given.std[0])
    shape = {
        "flat": (len(images), given.height * given.width),
        "NHW": images.shape,
        "NCHW": (len(images), 1, given.height, given.width),
        "NHWC": (len(images), given.height, given.width, 1),
    }[given.layout]
    return values.astype(given.dtype).reshape(shape)


def provenance(dataset: Dataset, *, command: str, seed: int, packages: Iterable[str]) -> dict[str, Any]:
    """Where a model comes from: data, command, seed, date and the versions that made it.

    Args:
        dataset: What it was trained and tested on.
        command: The line that repeats the training, see `training.command.recorded`.
        seed: Of every random choice.
        packages: Names of the distributions whose versions matter.
    """
    rows = (len(dataset.train_labels), len(dataset.test_labels))
    return origin(dataset.name, dict(dataset.sha256), rows=rows, command=command, seed=seed, packages=packages)


def origin(
    data: str,
    sha256: str | dict[str, str],
    *,
    rows: tuple[int, int],
    command: str,
    seed: int,
    packages: Iterable[str],
    **more: Any,
) -> dict[str, Any]:
    """As `provenance`, of any data: their name and SHA-256, and how many rows were trained and tested on."""
    return {
        "data": data,
        "data_sha256": sha256,
        "train_rows": rows[0],
        "test_rows": rows[1],
        **more,
        "command": command,
        "seed": seed,
        "date": _date(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def _date() -> str:
    """Now, UTC; or the time in SOURCE_DATE_EPOCH, so that a build can be repeated byte for byte.

    See https://reproducible-builds.org/specs/source-date-epoch/.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(given), UTC) if given else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def export(
    model: onnx.ModelProto,
    *,
    description: ModelDescription,
    output: Path,
    inputs: np.ndarray,
    expected: np.ndarray,
) -> Agreement:
    """Write the model with its description, if ONNX Runtime agrees with the trained model.

    Args:
        model: The graph, of a classifier.
        description: What goes into the file, with a tolerance.
        output: Where to; an older file of this name is replaced at once, or stays as it is.
        inputs: Held-out data as the graph takes it, (N, ...).
        expected: What the trained model says to it: float (N, labels), or (N, 1) for output kind binary.

    Raises:
        ParityError: Shapes or labels differ, scores differ by more than the tolerance, or the graph fails.
        OutputError: The file cannot be written.
    """
    model.metadata_props.add(key=METADATA_KEY, value=description.to_json())
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(model.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        agreement = compare(temporary, inputs=inputs, expected=expected)
        temporary.replace(output)
    except ParityError as error:
        raise ParityError(f"{output}: not written: {error}") from error
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error
    finally:
        # Where it could not even be created (a name too long, a file for a folder), this fails as well.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return agreement


def compare(path: Path, *, inputs: np.ndarray, expected: np.ndarray) -> Agreement:
    """How well an ONNX file with a description reproduces `expected`.

    Args:
        path: The file.
        inputs: Held-out data as the graph takes it, (N, ...).
        expected: float (N, labels), or (N, 1) for output kind binary.

    Raises:
        ParityError: As in `export`.
    """
    try:
        session = open_session(str(path), "cpu")
    except ort_errors() as error:
        raise ParityError(f"ONNX Runtime refuses the graph: {error}") from error
    text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    description = ModelDescription.from_json(text, source=path.name)
    columns = 1 if description.output.kind == "binary" else len(description.labels)
    if not len(inputs) or expected.shape != (len(inputs), columns):
        raise ParityError(f"{len(inputs)} inputs need scores ({len(inputs)}, {columns}), found {expected.shape}")
    at_once = max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // inputs[0].nbytes))
    starts = range(0, len(inputs), at_once)
    scores = np.concatenate([_scores(session, inputs[i : i + at_once], description) for i in starts])
    # One row alone: a graph with a fixed batch axis would serve the held-out data and fail in use.
    single = _scores(session, inputs[:1], description)
    if scores.shape != expected.shape or single.shape != expected[:1].shape:
        raise ParityError(f"the graph's output is {scores.shape} for scores {expected.shape}")
    difference = max(np.abs(scores - expected).max(), np.abs(single - expected[:1]).max())
    wrong = int((_decisions(scores, description) != _decisions(expected, description)).sum())
    if wrong:
        raise ParityError(f"{wrong} of {len(inputs)} labels differ (largest difference of scores {difference:.1e})")
    # Written so that NaN, which is neither larger nor smaller, does not pass.
    if description.tolerance is None or not difference <= description.tolerance:
        raise ParityError(f"scores differ by up to {difference:.1e}, allowed is {description.tolerance}")
    return Agreement(rows=len(inputs), max_difference=float(difference))


def _scores(session: Any, rows: np.ndarray, description: ModelDescription) -> np.ndarray:
    """The graph's output for these rows."""
    feed = {description.input.name or session.get_inputs()[0].name: rows}
    names = [description.output.name] if description.output.name else None
    try:
        return np.asarray(session.run(names, feed)[0])
    except ort_errors() as error:
        raise ParityError(f"the graph cannot take input {rows.dtype} {rows.shape}: {error}") from error


def _decisions(scores: np.ndarray, description: ModelDescription) -> np.ndarray:
    """Label numbers for `single`; for `binary` and `multilabel`, yes or no for each score."""
    if description.output.kind == "single":
        return np.asarray(scores.argmax(axis=1))
    return np.asarray(scores > (0.5 if description.output.values == "probabilities" else 0))
