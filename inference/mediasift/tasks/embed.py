"""Pictures as vectors: an embedding model's output, or what a classifier knows before it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.embedder import Embedder, load_embedder
from mediasift.engines.onnx.recipe import smallest_size
from mediasift.engines.onnx.settings import ModelSettings
from mediasift.items import Item
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.tasks.task import ModelRunSettings, Reads, Started

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
class Embed(ModelSettings, PictureSettings, ModelRunSettings):
    """Turn pictures into vectors with a model: a row with a vector for each, best into .parquet or .npz.

    The vector is an embedding model's output, or what goes into a classifier's last layer.
    """

    name: ClassVar[str] = "embed"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Embedding

    layer: Annotated[
        str | None,
        Option(
            "Tensor or node of the graph to take.",
            metavar="NAME",
            default="an embedding, or a classifier's penultimate",
        ),
    ] = None

    def start(self, resources: Resources) -> StartedEmbed:
        """Load the model.

        Raises:
            ModelError: It is not here, has no such layer, or cannot run on the device.
        """
        embedder = load_embedder(str(self.model), layer=self.layer, device=self.device, threads=resources.threads)
        return StartedEmbed(embedder, embedder.model.fixed_batch or resources.batch_size or BATCH_SIZE)


class StartedEmbed(Started):
    """See `tasks.task.Started`."""

    def __init__(self, embedder: Embedder, batch_size: int) -> None:
        self.embedder = embedder
        self.batch_size = batch_size
        self.facts = embedder.facts
        self.needs = smallest_size(embedder.wanted)

    def prepare(self, item: Item) -> NDArray[Any]:
        """The model's input for the picture."""
        return self.embedder.prepare(item.image)

    def infer(self, batch: Sequence[NDArray[Any]]) -> list[list[Row]]:
        """One row each."""
        return [[Embedding(embedding=vector)] for vector in self.embedder.run(batch, pad_to=self.batch_size)]
