"""`mediasift train`: its options, and what it does from labelled pictures to one ONNX file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.settings import Duplicates
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER
from mediasift.engines.onnx.settings import DeviceSettings
from mediasift.errors import InputError, OutputError, UsageError
from mediasift.evaluate.labels import Measure, Mistake
from mediasift.settings import Option
from mediasift.sources.labelled import Labelled, read_labelled
from mediasift.sources.settings import Encoding
from mediasift.system.files import write_atomically
from mediasift.system.optional import require
from mediasift.tasks.classify import Classify
from mediasift.tasks.task import ModelRunSettings
from mediasift.train.grafting import open_backbone
from mediasift.train.learning import Examples, one_thread, scores
from mediasift.train.lesson import about_pictures, learn
from mediasift.train.page import write_page
from mediasift.train.pictures import (
    EmbedCopies,
    check_counts,
    embed,
    group_numbers,
    near_duplicates,
    targets_of,
)
from mediasift.train.writing import as_onnx, check


@dataclass(frozen=True, kw_only=True)
class Train(DeviceSettings, ModelRunSettings):
    """Teach a classifier one's own labels, from labelled pictures, and write it as one ONNX file.

    DATA is a folder with a folder for each label, or a list with the columns path and label; a picture has several
    labels where it has several lines or a cell like dog|cat, and none where the cell is empty.

    A network that is there already turns the pictures into embeddings, and a logistic regression is fitted to them. The
    file classifies like any other model: mediasift classify photos/ -m my.onnx. It was taught with every picture; the
    figures are of models that had not seen the pictures they were tested on.
    """

    output: Annotated[str | Path, Option("The .onnx file to write.", short="-o", metavar="FILE")]
    backbone: Annotated[
        str | Path, Option("The network that makes the embeddings: name of a model, or an .onnx file.", metavar="MODEL")
    ] = DEFAULT_CLASSIFIER
    layer: Annotated[
        str | None,
        Option("Tensor or node of the network to take.", metavar="NAME", default="an embedding, or the penultimate"),
    ] = None
    column: Annotated[str, Option("Column of a list that holds the paths.", metavar="NAME")] = "path"
    label_column: Annotated[str, Option("Column of a list that holds the labels.", metavar="NAME")] = "label"
    encoding: Encoding = None
    augment: Annotated[
        bool,
        Option("Also learn from altered copies: mirrored, cropped, turned by 45 degrees. Takes six times as long."),
    ] = False
    class_weights: Annotated[
        bool,
        Option("Rare labels count as much as frequent ones; scores are then those of equally frequent labels."),
    ] = False
    report: Annotated[
        str | Path | None,
        Option("Write the surest mistakes here, as a page with the pictures.", metavar="FILE.html"),
    ] = None
    index: Annotated[
        str | Path | None,
        Option("Keep the embeddings here; the next run embeds only what is new.", metavar="FILE",
               default="the user's cache folder"),
    ] = None  # fmt: skip
    seed: Annotated[int, Option("Of the splits.", least=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came out.

    Attributes:
        output: The file.
        measures: How good it is, on pictures that it had not seen.
        warnings: What makes the figures doubtful, a sentence each.
        mistakes: Of cross-validation, the surest first.
    """

    output: Path
    measures: tuple[Measure, ...]
    warnings: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def train(data: str | Path, settings: Train, *, progress: TextIO | None = None) -> Trained:
    """Teach a classifier one's own labels and write it.

    Args:
        data: A folder with a folder for each label, or a table with paths and labels.
        settings: See `Train`.
        progress: Where to report how far it is.

    Raises:
        UsageError, OutputError: The file cannot be written by that name; tried before the first picture is read.
        InputError: There are no labelled pictures, or too few of a label.
        ModelError: The backbone cannot be used; or the file does not say what was learnt, and is not written.
        MissingPackage: scikit-learn is not installed.
    """
    output = Path(settings.output)
    _check(output, settings, Path(data))
    backbone = open_backbone(str(settings.backbone), layer=settings.layer)
    labelled = read_labelled(
        Path(data), path=settings.column, label=settings.label_column, encoding=settings.encoding, can_choose=True
    )
    work = _shared(settings, EmbedCopies(model=str(settings.backbone), layer=settings.layer, augment=settings.augment))
    index = None if settings.index is None else Path(settings.index)
    vectors, broken = embed(labelled, work, index=index, progress=progress)
    left_out = [f"{labelled.files[position]}: {error}" for position, error in broken.items()]
    labelled, vectors = _readable(labelled, vectors, broken)
    same = near_duplicates(labelled.files, _shared(settings, Duplicates()))
    examples = Examples(
        vectors=vectors, targets=targets_of(labelled), groups=group_numbers(len(vectors), same),
        kind="multilabel" if labelled.multilabel else "binary" if len(labelled.classes) == 2 else "single",
    )  # fmt: skip
    check_counts(labelled, examples.targets, examples.groups)
    with one_thread():
        lesson = learn(labelled, examples, balanced=settings.class_weights, seed=settings.seed)
    warnings = [*about_pictures(labelled, left_out, same), *lesson.warnings]
    chosen = {name: getattr(settings, name) for name in ("layer", "augment", "class_weights", "seed")}
    file = as_onnx(backbone, labelled, lesson, kind=examples.kind, settings=chosen)
    known = scores(lesson.head.sums(vectors[:, 0]), examples.kind)
    check(file, output, labelled, known, _shared(settings, Classify()))
    write_atomically(output, file)
    if settings.report is not None:
        write_page(
            Path(settings.report), lesson.mistakes, title=f"Mistakes of {output.name}",
            note=f"Predictions of models that were trained with other pictures of {labelled.name} (cross-validation).",
        )  # fmt: skip
    return Trained(output=output, measures=lesson.measures, warnings=tuple(warnings), mistakes=lesson.mistakes)


def _check(output: Path, settings: Train, data: Path) -> None:
    require("sklearn", extra="train")
    if output.suffix != ".onnx":
        raise UsageError(f"{output}: the output's name must end in .onnx")
    for file in (output, *([] if settings.report is None else [Path(settings.report)])):
        if not file.parent.is_dir():
            raise OutputError(f"{file}: the folder {file.parent} does not exist; make it first")
        if file.is_dir():
            raise OutputError(f"{file}: is a folder; name a file")
    if settings.report is not None and Path(settings.report).suffix != ".html":
        raise UsageError(f"{settings.report}: the page's name must end in .html")
    of_lists = ("column", "label_column", "encoding")
    if data.is_dir() and any(getattr(settings, name) != getattr(Train, name) for name in of_lists):
        raise UsageError(
            f"--column, --label-column and --encoding are for lists; {data} is a folder, whose folders are the labels"
        )


def _shared(settings: Train, task: Any) -> Any:
    """A task that runs as these settings say."""
    names = {field.name for kind in (ModelRunSettings, DeviceSettings) for field in fields(kind)}
    return replace(task, **{name: getattr(settings, name) for name in names})


def _readable(
    labelled: Labelled, vectors: NDArray[np.float32], broken: dict[int, str]
) -> tuple[Labelled, NDArray[np.float32]]:
    """Those that can be read. Raises an InputError where none of a label can."""
    left = [position for position in range(len(labelled.files)) if position not in broken]
    kept = replace(
        labelled,
        files=tuple(labelled.files[position] for position in left),
        labels=tuple(labelled.labels[position] for position in left),
    )
    if gone := sorted(set(labelled.classes) - set(kept.classes)):
        raise InputError(f"{labelled.name}: 0 readable pictures of {gone[0]!r}; mend them, or take the label out")
    return kept, vectors[left]
