"""Pictures → vectors: an embedding model's output, or a classifier's penultimate layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.inner import InnerTensor, named, penultimate
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.recipe import input_shape
from mediasift.engines.onnx.registry import find_description, find_model
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import DescriptionError, InferenceFailed


class Embedder(OnnxModel):
    """A model from which vectors are taken; make one with `load_embedder`.

    Attributes:
        inner: The tensor inside the graph that is taken; None for the model's output.
    """

    inner: InnerTensor | None = None

    def run(self, batch: NDArray[Any], *, pad_to: int | None = None) -> NDArray[np.float32]:
        """float32 (N, D). A layer with height and width is averaged over them, one with time over its steps."""
        vectors = super().run(batch, pad_to=pad_to).astype(np.float32)
        if vectors.ndim > 3:  # (N, channels, height, width), whatever the layout of the input: ONNX has no other
            vectors = vectors.mean(axis=tuple(range(2, vectors.ndim)))
        elif vectors.ndim == 3:  # (N, steps, width) of a transformer
            vectors = vectors.mean(axis=1)
        return np.ascontiguousarray(vectors.reshape(len(vectors), -1), dtype=np.float32)


def load_embedder(
    model: str | Path | OnnxModel,
    *,
    layer: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Embedder:
    """A model to take vectors from.

    Args:
        model: Name, path, or a loaded model, of which device, threads and description are taken.
        layer: A tensor or node of the graph; None takes an embedding model's output, the
            embedding that a classifier's description names, or its penultimate layer.
        device: See `providers.DEVICES`; None for the CPU.
        threads: Of the model; None for every core.

    Raises:
        ModelError: It is not here, has no such layer, or cannot run on the device.
    """
    if isinstance(model, OnnxModel):
        path, description, device, threads = model.path, model.description, model.device, model.threads
    else:
        path = find_model(model)
        description = find_description(path)
    inner = None
    if layer is None and description.output.embedding is not None:
        inner = InnerTensor(name=description.output.embedding)
    elif layer is not None or description.task != "embed":
        facts = read_facts(path)
        if layer is None and description.task != "classify":
            raise DescriptionError(f"{path}: a model to {description.task}; name the layer to take with --layer")
        output = description.output.name or facts.outputs[0]
        inner = named(facts, layer) if layer is not None else penultimate(facts, output)
    loaded = Embedder(path, description, device=device or "cpu", threads=threads, inner=inner)
    loaded.inner = inner
    name = loaded.output_name if inner is None else inner.name
    loaded.facts = {**loaded.facts, "layer": name}
    grey = np.full((1, *input_shape(description.input)), 0.5, dtype=np.float32).astype(description.input.dtype)
    try:
        loaded.run(grey, pad_to=1)
    except (InferenceFailed, ValueError) as error:
        raise DescriptionError(f"{path}: layer {name!r} gives no vectors: {error}") from error
    return loaded
