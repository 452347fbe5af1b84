"""The description of a foreign ONNX file: what its user says, what the file says, what is assumed; and its sidecar."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mediasift.engines.onnx.describe_settings import DescribeSettings, number, numbers
from mediasift.engines.onnx.description import (
    InputDescription,
    Kind,
    ModelDescription,
    ModelTask,
    OutputDescription,
    TextDescription,
    Values,
    decoders_for,
)
from mediasift.engines.onnx.foreign import from_ultralytics, needed_options, read_hints
from mediasift.engines.onnx.labels import read_labels
from mediasift.engines.onnx.meaning import prove, read_meaning
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.registry import sidecar
from mediasift.engines.onnx.segmenters import CLASS_MAP
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import DescriptionError, InferenceFailed, UsageError
from mediasift.settings import parse_size
from mediasift.system.files import write_atomically


def describe_model(path: str | Path, description: ModelDescription, *, force: bool = False) -> Path:
    """Write `NAME.json` beside `NAME.onnx` after the model has run once as described; returns its path.

    Args:
        path: The ONNX file.
        description: What to write.
        force: Replace a file of that name.

    Raises:
        UsageError: There is a file of that name.
        DescriptionError: The graph contradicts the description; nothing is written.
        OutputError: The file cannot be written.
    """
    target = sidecar(Path(path))
    if target.exists() and not force:
        raise UsageError(f"{target}: exists, and is not replaced; to replace it: --force")
    prove(OnnxModel(Path(path), description))
    write_atomically(target, f"{description.to_json()}\n".encode())
    return target


_USUAL: dict[str, Any] = {
    "fit": "stretch", "shorter_side": None, "anchor": "center", "pad_value": 0, "resample": "area", "colour": "rgb",
    "scale": "1", "mean": "0", "std": "1", "layout": "NCHW", "dtype": "float32", "polarity": "any",
}  # fmt: skip
"""Fields of a recipe, and what they are where neither user nor file says it."""

_SCALING = ("scale", "mean", "std")

_ASSUMED = ("fit", "resample", "colour", *_SCALING)
"""Of these fields, those that change the scores of every picture: what is assumed of them is reported."""


_THEIRS = ("fit", "resample", "pad_value", *_SCALING)
"""Fields that no file of Ultralytics states: they are assumed to be as Ultralytics prepares pictures."""


class Draft:
    """The description that options and file make together; a classifier runs once for it.

    Attributes:
        description: What was given, what the file says, and what is assumed, together.
        stated: What the file says, as options.
        assumed: What neither says, as options.
        sources: How it is known what the file says, where that is not plain.

    Raises:
        UsageError, DescriptionError: An option is missing, which the message names, or contradicts the graph.
    """

    def __init__(self, path: Path, given: DescribeSettings) -> None:
        self.path, self.given = path, given
        self.facts, self.hints = read_facts(path), read_hints(path, given.input_name)
        self.own: ModelDescription | None = None
        with suppress(DescriptionError):  # where the file says too little, the options say the rest
            self.own = from_ultralytics(self.facts, path)
        if self.own is not None and given.task not in (None, self.own.task):
            self.own = None
        tasks: tuple[ModelTask, ...] = ("detect", "segment")
        by_decoder: ModelTask = next((one for one in tasks if given.decoder in decoders_for(one)), "classify")
        self.task: ModelTask = given.task or (self.own.task if self.own is not None else by_decoder)
        self.stated: list[str] = []
        self.assumed: list[str] = []
        self.sources: list[str] = []
        self.description = self._described()

    def _described(self) -> ModelDescription:
        given, own = self.given, self.own
        picture = self._input()
        labels, ids = self._labels()
        provenance = {name: value for name, value in (own.provenance if own else {}).items() if name != "assumed"}
        provenance |= {name: value for name in ("source", "licence") if (value := getattr(given, name))}
        description = ModelDescription(
            task=self.task,
            input=picture,
            output=self._output(),
            labels=labels,
            label_ids=ids,
            provenance=provenance,
            text=self._text(),
        )
        if self.task == "classify" and not (given.output_values and given.kind):
            description = replace(description, output=self._classifier_output(description))
        return description

    def _input(self) -> InputDescription:
        """The recipe, field by field: as given, else as the file states it, else assumed."""
        given, known, size = self.given, self._known(), self._size()
        chosen: dict[str, Any] = {}
        is_whole = (given.dtype or known["dtype"]) == "uint8"  # such pixels are not scaled
        reported = [name for name in _ASSUMED if not (is_whole and name in _SCALING)]
        for name, usual in _USUAL.items():
            flag = f"--{name.replace('_', '-').replace('colour', 'color')}"
            value, stated = getattr(given, name), known.get(name)
            if value is None and stated not in (None, usual):
                is_theirs = self.own is not None and name in _THEIRS
                (self.assumed if is_theirs else self.stated).append(f"{flag} {stated}")
            elif value is None and stated is None and name in reported:
                self.assumed.append(f"{flag} {usual}")
            chosen[name] = next((one for one in (value, stated) if one is not None), usual)
        if chosen["dtype"] not in ("float32", "float16", "uint8"):
            raise DescriptionError(
                f"{self.path}: the graph's input is of type {chosen['dtype']}; pictures go in as float32, float16 or "
                "uint8: export the model with one of these"
            )
        chosen |= {"scale": number(chosen["scale"]), **{name: numbers(chosen[name]) for name in ("mean", "std")}}
        scaled = [f"--{name}" for name in _SCALING if getattr(given, name) not in (None, _USUAL[name])]
        if is_whole and scaled:
            raise UsageError(
                f"{self.path}: its input is of type uint8 and takes pixels as they are, from 0 to 255; leave out "
                f"{' and '.join(scaled)}"
            )
        return InputDescription(width=size[0], height=size[1], name=given.input_name, **chosen)

    def _known(self) -> dict[str, Any]:
        """What the file states of the recipe."""
        given, hints, own = self.given, self.hints, self.own
        known: dict[str, Any] = {"layout": hints.layout, "dtype": hints.dtype, "colour": hints.colour}
        scaling = dict(zip(_SCALING, hints.scaling or (None,) * 3, strict=True))
        if own is not None:
            known |= {name: getattr(own.input, name) for name in ("fit", "resample", "colour", "pad_value")}
            scaling = {"scale": f"1/{1 / own.input.scale:g}", "mean": "0", "std": "1"}
        if not any((given.scale, given.mean, given.std)):  # half of one recipe and half of another would be neither
            known |= scaling
        if hints.layout == "flat" and hints.colour is None:
            size, count = self._size(), self.facts.shapes[given.input_name or self.facts.inputs[0]][1] or 0
            known["colour"] = {size[0] * size[1]: "gray", 3 * size[0] * size[1]: "rgb"}.get(count)
        return known

    def _size(self) -> tuple[int, int]:
        if self.given.size is not None:
            return parse_size(self.given.size)
        if self.hints.size is None:
            shape = ", ".join("?" if side is None else str(side) for side in self.facts.shapes[self.facts.inputs[0]])
            raise UsageError(
                f"{self.path}: --size is needed: the graph's input ({shape}) has no fixed width and height"
                + (
                    "; a row of pixels has width * height numbers, in colour three times as many"
                    * (self.hints.layout == "flat")
                )
            )
        shown = f"--size {self.hints.size[0]}x{self.hints.size[1]}"
        self.stated += [shown] if shown not in self.stated else []
        return self.hints.size

    def _labels(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        labels = self.hints.labels
        if self.given.labels is not None:
            return read_labels(Path(self.given.labels))
        if labels:
            self.stated.insert(0, f"{len(labels)} labels")
            self.sources.append(f"labels from {self.hints.label_source}")
        elif self.task != "embed":
            raise DescriptionError(
                f"{self.path}: field labels: missing, as the file names none. Type: mediasift models describe "
                f"{self.path} {needed_options(self.path)}..."
            )
        return labels, ()

    def _output(self) -> OutputDescription:
        """What the numbers are, as far as options and metadata say it."""
        given, own = self.given, self.own.output if self.own is not None else None
        decoders, decoder = decoders_for(self.task), given.decoder or (own.decoder if own is not None else None)
        if decoders and decoder is None:
            raise UsageError(f"{self.path}: --decoder is needed to {self.task}: one of {', '.join(decoders)}")
        if decoders and given.decoder is None:
            self.stated.append(f"--decoder {decoder}")
        is_map = decoder == CLASS_MAP
        if is_map and given.output_values is None:
            raise UsageError(
                f"{self.path}: --output-values is needed for a map: logits or probabilities of each label, or numbers "
                "of labels"
            )
        usual: dict[ModelTask, Values] = {"classify": "logits", "embed": "embedding"}
        return OutputDescription(
            values=given.output_values or usual.get(self.task, "boxes"),
            kind=given.kind or ("multilabel" if decoders and not is_map else "single"),
            decoder=decoder,
            name=given.output_name,
            scale=None if given.output_scale is None else number(given.output_scale),
            zero_point=given.output_zero_point or 0,
        )

    def _text(self) -> TextDescription | None:
        """The text half of a pair."""
        given = self.given
        if given.text_model is None:
            return None
        if given.text_scale is None:
            raise UsageError(f"{self.path}: --text-scale is needed for a pair: what its cosines are multiplied by")
        return TextDescription(
            model=given.text_model, tokenizer=given.tokenizer, scores=given.text_scores, scale=number(given.text_scale),
            bias=number(given.text_bias), prompt=given.prompt, length=given.text_length, pad_id=given.pad_id,
            output_name=given.text_output_name,
        )  # fmt: skip

    def _classifier_output(self, description: ModelDescription) -> OutputDescription:
        """The rest of it, by the graph's end and a run."""
        given, output, labels = self.given, description.output, len(description.labels)
        try:
            meaning = read_meaning(OnnxModel(self.path, description))
        except InferenceFailed as error:
            raise DescriptionError(f"{self.path}: does not run as described: {error}") from error
        except DescriptionError as error:
            raise DescriptionError(f"{self.path}: {str(error).removeprefix(f'{self.path}: ')}") from error
        kind: Kind = "single"
        if (labels, meaning.columns) == (2, 1):
            kind = "binary"
        elif meaning.ending == "sigmoid" and meaning.columns == labels:
            kind = "multilabel"
        if given.output_values is None:
            (self.stated if meaning.reason else self.assumed).append(f"--output-values {meaning.values}")
            self.sources += [f"{meaning.values}, {meaning.reason}"] if meaning.reason else []
        if given.kind is None:
            is_shown = kind != "single" or "softmax" in meaning.ending
            (self.stated if is_shown else self.assumed).append(f"--kind {kind}")
        return replace(output, values=given.output_values or meaning.values, kind=given.kind or kind)
