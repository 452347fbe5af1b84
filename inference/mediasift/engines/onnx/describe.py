"""Writing a sidecar description for a foreign ONNX file, proven by one run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mediasift.engines.onnx.decoders import DECODERS
from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.recipe import input_shape
from mediasift.engines.onnx.registry import sidecar
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import DescriptionError, InferenceFailed
from mediasift.system.files import write_atomically


def describe_model(path: str | Path, description: ModelDescription) -> Path:
    """Write `NAME.json` beside `NAME.onnx` after the model has run once as described; returns its path.

    Raises:
        DescriptionError: The graph contradicts the description; nothing is written.
        OutputError: The file cannot be written.
    """
    check_by_one_run(OnnxModel(Path(path), description))
    target = sidecar(Path(path))
    write_atomically(target, f"{description.to_json()}\n".encode())
    return target


def check_by_one_run(model: OnnxModel) -> None:
    """Run two grey pictures through the model and compare the outputs' shapes with the labels, by its decoder if any.

    Raises:
        DescriptionError: The model does not run, or gives another number of values than there are labels.
    """
    wanted = model.description.input
    grey = np.full((model.fixed_batch or 2, *input_shape(wanted)), 0.5, dtype=np.float32).astype(wanted.dtype)
    try:
        if model.description.task == "detect":
            DECODERS[str(model.description.output.decoder)](
                model.run_all(grey), (wanted.width, wanted.height), len(model.description.labels)
            )
            return
        result = model.run(grey)
    except InferenceFailed as error:
        raise DescriptionError(f"{model.path}: does not run as described: {error}") from error
    except DescriptionError as error:
        raise DescriptionError(f"{model.path}: {error}") from error
    if model.description.task == "classify":
        labels, found = len(model.description.labels), result.size / len(grey)
        if found not in ((1, 2) if model.description.output.kind == "binary" else (labels,)):
            raise DescriptionError(
                f"{model.path}: field labels: {labels} of them, but the model gives {found:g} values"
            )
