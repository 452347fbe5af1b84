"""Pictures → vectors: an embedding model's output, or a classifier's penultimate layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import InputDescription
from mediasift.engines.onnx.inner import named, penultimate
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.recipe import input_shape, prepare
from mediasift.engines.onnx.registry import find_description, find_model
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import DescriptionError, InferenceFailed


class Embedder:
    """A model from which vectors are taken; make one with `load_embedder`."""

    def __init__(self, model: OnnxModel, layer: str) -> None:
        self.model = model
        self.facts: Mapping[str, Any] = {**model.facts, "layer": layer}
        self._try(layer)

    def _try(self, layer: str) -> None:
        """One grey picture through the model, so that what does not run stops the run before the first file."""
        grey = np.full(input_shape(self.wanted), 0.5, dtype=np.float32).astype(self.wanted.dtype)
        try:
            self.run([grey], pad_to=1)
        except (InferenceFailed, ValueError) as error:
            raise DescriptionError(f"{self.model.path}: layer {layer!r} gives no vectors: {error}") from error

    @property
    def wanted(self) -> InputDescription:
        """The recipe for pictures."""
        return self.model.description.input

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """One picture, uint8 (H, W, 3) RGB, as the model wants it."""
        return prepare(image, self.wanted)

    def run(self, prepared: Sequence[NDArray[Any]], *, pad_to: int) -> NDArray[np.float32]:
        """float32 (N, D). A layer with height and width is averaged over them, one with time over its steps."""
        parts = [
            self.model.run(np.stack(prepared[start : start + pad_to]), pad_to=pad_to)
            for start in range(0, len(prepared), pad_to)
        ]
        found = np.concatenate(parts).astype(np.float32)
        if found.ndim > 3:  # (N, channels, height, width), whatever the layout of the input: ONNX has no other
            found = found.mean(axis=tuple(range(2, found.ndim)))
        elif found.ndim == 3:  # (N, steps, width) of a transformer
            found = found.mean(axis=1)
        return np.ascontiguousarray(found.reshape(len(found), -1), dtype=np.float32)


def load_embedder(model: str, *, layer: str | None = None, device: str = "cpu", threads: int | None = None) -> Embedder:
    """A model to take vectors from.

    Args:
        model: Name or path.
        layer: A tensor or node of the graph; None takes an embedding model's output, a classifier's penultimate layer.
        device: See `providers.DEVICES`.
        threads: Of the model; None for every core.

    Raises:
        ModelError: It is not here, has no such layer, or cannot run on the device.
    """
    path = find_model(model)
    description = find_description(path)
    if layer is None and description.task == "embed":
        loaded = OnnxModel(path, description, device=device, threads=threads)
        return Embedder(loaded, loaded.output_name)
    facts = read_facts(path)
    if layer is None and description.task != "classify":
        raise DescriptionError(f"{path}: a model to {description.task}; name the layer to take with --layer")
    output = description.output.name or facts.outputs[0]
    inner = named(facts, layer) if layer is not None else penultimate(facts, output)
    loaded = OnnxModel(path, description, device=device, threads=threads, inner=inner)
    return Embedder(loaded, inner.name)
