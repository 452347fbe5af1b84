"""Pictures as vectors: an embedding model's output, or what a classifier knows before it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.embedder import load_embedder
from mediasift.engines.onnx.recipe import prepare
from mediasift.engines.onnx.session import OnnxModel
from mediasift.engines.onnx.settings import ModelSettings
from mediasift.items import Item
from mediasift.media.settings import PartSettings
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.tasks.task import ModelRunSettings, Reads, StartedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Row):
    """One picture as a vector.

    Attributes:
        embedding: float32 (D,), as the model gives it.
    """

    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Embed(ModelSettings, PartSettings, ModelRunSettings):
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
        if isinstance(self.model, OnnxModel):
            self.check_loaded(self.model, resources.threads)
        model = load_embedder(self.model, layer=self.layer, device=self.device, threads=resources.threads)
        return StartedEmbed(self, model, resources)


class StartedEmbed(StartedModel):
    """See `tasks.task.Started`."""

    def prepare(self, item: Item) -> NDArray[Any]:
        """The model's input for the picture."""
        return prepare(item.image, self.model.description.input)

    def infer(self, batch: Sequence[NDArray[Any]]) -> list[list[Row]]:
        """One row each."""
        return [[Embedding(embedding=vector)] for vector in self.model.run(np.stack(batch), pad_to=self.pad_to)]
