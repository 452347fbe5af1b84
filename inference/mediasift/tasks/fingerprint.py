"""What is left of a picture for comparing it: its shrunken pixels, or a model's vector."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.embedder import Embedder, load_embedder
from mediasift.engines.onnx.recipe import prepare
from mediasift.items import Item
from mediasift.media.pictures.transforms import Resample, disc, middle, resize, sharpness, to_gray
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.tasks.task import ModelRunSettings, Reads, Started

_SHARPNESS_SIDE = 256
"""Sharpness is measured at this longer side: else a larger copy would always count as the less sharp one."""

_TURNS = 8
"""As they are, turned by 90, 180, 270 degrees clockwise, and the same of the mirrored picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(Row):
    """What is compared of one picture.

    Attributes:
        width, height: Of the upright picture in the file, pixels.
        pixels: The shrunken picture, uint8 (height, width[, 3]) as base64; then, where it is not square, once more
            with the sides exchanged.
        vector: A model's float32 (D,), or (8 * D,) with turns.
        sharpness: Variance of the Laplacian, where it was asked for.
        digest: SHA-256 of size and pixels as decoded, where it was asked for.
    """

    width: int | None = None
    height: int | None = None
    pixels: str | None = None
    vector: NDArray[np.float32] | None = None
    sharpness: float | None = None
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class TakeFingerprints(PictureSettings, ModelRunSettings):
    """What is taken of each picture; made by the verbs that compare.

    Attributes:
        width, height: Shrink to this; 0 for none.
        how: `stretch`, `crop` the centre, or `disc`: `height` rays of `width` points from the middle.
        resample: How to shrink.
        gray: One channel instead of three.
        model: Name or path of a model to take vectors from; empty for none.
        layer: The layer of it; None for the default one.
        device: Where the model runs.
        turns: Vectors also of the mirrored and turned picture.
        sharpness: Measure it.
        digest: Decode every pixel and take the SHA-256.
    """

    name: ClassVar[str] = "fingerprint"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Fingerprint

    width: int = 0
    height: int = 0
    how: Literal["stretch", "crop", "disc"] = "stretch"
    resample: Resample = "lanczos"
    gray: bool = True
    model: str = ""
    layer: str | None = None
    device: str | None = None
    turns: bool = False
    sharpness: bool = False
    digest: bool = False

    def start(self, resources: Resources) -> StartedFingerprints:
        """Load the model, if there is one.

        Raises:
            ModelError: It is not here, or gives no vectors.
        """
        embedder = None
        if self.model:
            embedder = load_embedder(self.model, layer=self.layer, device=self.device, threads=resources.threads)
        return StartedFingerprints(self, embedder, resources.batch_size or 8)


class StartedFingerprints(Started):
    """See `tasks.task.Started`."""

    def __init__(self, settings: TakeFingerprints, embedder: Embedder | None, batch_size: int) -> None:
        self.settings, self.embedder, self.batch_size = settings, embedder, batch_size
        self.facts = {} if embedder is None else embedder.facts
        if embedder is not None and not settings.digest:
            # What a model sees everywhere; hashes are of every pixel, as a reduced JPEG differs from the same picture
            # in another format by up to 10 bits.
            side = _SHARPNESS_SIDE if settings.sharpness else 1
            self.needs = max(embedder.needs[0], side), max(embedder.needs[1], side)

    def prepare(self, item: Item) -> tuple[Fingerprint, list[NDArray[Any]]]:
        """All but the vector, and what the model wants for that."""
        settings, image = self.settings, item.image
        row = Fingerprint(
            width=item.original_size[0],
            height=item.original_size[1],
            pixels=self._shrunken(image) if settings.width else None,
            sharpness=_sharpness(image) if settings.sharpness else None,
            digest=_digest(image) if settings.digest else None,
        )
        if self.embedder is None:
            return row, []
        wanted = self.embedder.description.input
        return row, [prepare(_turned(image, turn), wanted) for turn in range(_TURNS if settings.turns else 1)]

    def _shrunken(self, image: NDArray[np.uint8]) -> str:
        settings = self.settings
        picture = to_gray(image) if settings.gray else image
        sizes = dict.fromkeys([(settings.width, settings.height), (settings.height, settings.width)])
        if settings.how == "disc":
            return base64.b64encode(disc(picture, settings.height, settings.width).tobytes()).decode("ascii")
        if settings.how == "crop":
            picture = middle(picture, settings.width, settings.height)
        parts = [resize(picture, width, height, settings.resample) for width, height in sizes]
        return base64.b64encode(b"".join(part.tobytes() for part in parts)).decode("ascii")

    def infer(self, batch: Sequence[tuple[Fingerprint, list[NDArray[Any]]]]) -> list[list[Row]]:
        """The rows, with their vectors."""
        if self.embedder is None:
            return [[row] for row, _ in batch]
        inputs = np.stack([one for _, wanted in batch for one in wanted])
        vectors = self.embedder.run(inputs, pad_to=self.batch_size).reshape(len(batch), -1)
        return [[replace(row, vector=vector)] for (row, _), vector in zip(batch, vectors, strict=True)]


def _turned(image: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Mirrored for turns from 4 on, then turned clockwise by `turn` quarters: the order of `similarity.turns.TURNS`."""
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if turn >= 4 else image, -(turn % 4)))


def _sharpness(image: NDArray[np.uint8]) -> float:
    factor = _SHARPNESS_SIDE / max(image.shape[:2])
    width, height = (max(3, round(side * factor)) for side in (image.shape[1], image.shape[0]))
    return round(sharpness(resize(image, width, height) if factor < 1 else image), 3)


def _digest(image: NDArray[np.uint8]) -> str:
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
