"""Pictures as vectors: an embedding model's output, or what a classifier knows before it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.embedder import Embedder, load_embedder
from mediasift.engines.onnx.recipe import smallest_size
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER
from mediasift.items import Item
from mediasift.rows import Row
from mediasift.tasks.task import Reads, Resources, Started

BATCH_SIZE = 8
"""Pictures per model call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Row):
    """One picture as a vector.

    Attributes:
        embedding: float32 (D,), as the model gives it.
    """

    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Embed:
    """Settings.

    Attributes:
        model: Name or path of a classifier or an embedding model.
        layer: Tensor or node of its graph; None for an embedding model's output or a classifier's penultimate layer.
        device: See `models.providers.DEVICES`.
    """

    name: ClassVar[str] = "embed"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Embedding

    model: str = DEFAULT_CLASSIFIER
    layer: str | None = None
    device: str = "cpu"

    def start(self, resources: Resources) -> StartedEmbed:
        """Load the model.

        Raises:
            ModelError: It is not here, has no such layer, or cannot run on the device.
        """
        embedder = load_embedder(self.model, layer=self.layer, device=self.device, threads=resources.threads)
        return StartedEmbed(embedder, embedder.model.fixed_batch or resources.batch_size or BATCH_SIZE)


class StartedEmbed(Started):
    """See `tasks.task.Started`."""

    def __init__(self, embedder: Embedder, batch_size: int) -> None:
        self.embedder = embedder
        self.batch_size = batch_size
        self.facts: Mapping[str, Any] = embedder.facts
        self.needs: tuple[int, int] | None = smallest_size(embedder.wanted)

    def prepare(self, item: Item) -> NDArray[Any]:
        """The model's input for the picture."""
        return self.embedder.prepare(item.image)

    def infer(self, batch: Sequence[NDArray[Any]]) -> list[list[Row]]:
        """One row each."""
        return [[Embedding(embedding=vector)] for vector in self.embedder.run(batch, pad_to=self.batch_size)]
