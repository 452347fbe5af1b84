"""What was learnt as one ONNX file, which is compared with it before it gets its name."""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.engines.onnx.description import Kind, ModelDescription, OutputDescription
from mediasift.errors import ModelError
from mediasift.run.stream import stream_of
from mediasift.sources.content import LocalFile
from mediasift.sources.labelled import Labelled
from mediasift.sources.naming import Source
from mediasift.tasks.classify import Classification, Classify
from mediasift.train.grafting import Backbone, grafted
from mediasift.train.learning import Floats
from mediasift.train.lesson import Lesson
from mediasift.train.pictures import label_counts, set_sha256

GATE = 100
"""Pictures that the written file is compared on."""
TOLERANCE = 1e-4
"""Of scores: networks in float32 sum up in another order from one batch size to the next."""


def as_onnx(backbone: Backbone, labelled: Labelled, lesson: Lesson, *, kind: Kind, settings: dict[str, Any]) -> bytes:
    """The ONNX file."""
    given = backbone.description
    description = ModelDescription(
        task="classify",
        labels=labelled.classes,
        input=replace(given.input, name=backbone.input_name),
        output=OutputDescription(values="probabilities", kind=kind, name=backbone.scores, embedding=backbone.embedding),
        provenance={
            "data": labelled.name, "data_sha256": set_sha256(labelled), "pictures": len(labelled.files),
            "pictures_of_each_label": label_counts(labelled), "backbone": backbone.path.stem,
            "backbone_sha256": backbone.facts["model_sha256"],
            "backbone_licence": given.provenance.get("licence", "see the backbone"),
            "strength": list(lesson.head.strengths), "temperature": list(lesson.head.temperatures),
            "settings": settings, "date": _date(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        },
        metrics={str(one.measure): one.value for one in lesson.measures if not one.label},
        tolerance=TOLERANCE,
    )  # fmt: skip
    return grafted(
        backbone, lesson.head.weights, lesson.head.bias, activation="Softmax" if kind == "single" else "Sigmoid",
        description=description,
    )  # fmt: skip


_PACKAGES = ("numpy", "scikit-learn", "onnxruntime")


def _date() -> str:
    """Now, UTC; or the time in SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/)."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(given), UTC) if given else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check(data: bytes, output: Path, labelled: Labelled, known: Floats, task: Classify) -> None:
    """Raise a ModelError unless the file, classifying pictures as a user would, gives the scores that were learnt."""
    spread = np.unique(np.linspace(0, len(labelled.files) - 1, GATE).astype(int))
    sources = [Source(path=str(labelled.files[row]), content=LocalFile(labelled.files[row])) for row in spread]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / output.name
        file.write_bytes(data)
        try:
            read = list(stream_of(replace(task, model=str(file), top=0), []).read(sources))
        except ModelError as error:
            raise ModelError(f"{output}: not written: the file that was made cannot be used: {error}") from error
    for row, finished in zip(spread, read, strict=True):
        given = {one.label: one.score for one in finished.rows if isinstance(one, Classification)}
        got = np.array([given.get(label) or 0.0 for label in labelled.classes])
        if not np.abs(got - known[row]).max() <= TOLERANCE + 1e-6:  # rows are rounded to 6 decimals; NaN is refused
            raise ModelError(
                f"{output}: not written: ONNX Runtime gives {labelled.files[row]} "
                f"{got.round(4).tolist()}, what was learnt gives {known[row].round(4).tolist()}"
            )
