"""What a model says of itself: the JSON under the key `mediasift` in an ONNX file, or beside it.

Everything that turns a picture into the model's input, and its output into rows, stands here; nothing is
guessed. `ModelDescription.from_json` names the field that is wrong and what would be right.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal

from mediasift.engines.onnx.decoders import DECODERS
from mediasift.engines.onnx.segmenters import CLASS_MAP, SEGMENTERS
from mediasift.errors import DescriptionError, did_you_mean
from mediasift.media.pictures.transforms import Anchor, Fit, Resample

SCHEMA = 1
"""Version of the description's form. A higher one is refused: it may mean something we do not know."""

METADATA_KEY = "mediasift"
"""The key in an ONNX file's `metadata_props`."""

Colour = Literal["rgb", "bgr", "gray"]
Layout = Literal["NCHW", "NHWC", "NHW", "flat"]
Dtype = Literal["float32", "float16", "uint8"]
Polarity = Literal["any", "light-on-dark", "dark-on-light"]
ModelTask = Literal["classify", "detect", "segment", "embed"]
Values = Literal["logits", "probabilities", "numbers", "embedding", "boxes"]
Kind = Literal["single", "binary", "multilabel"]
TextScores = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDescription:
    """How a picture becomes the model's input: value = (pixel * scale - mean) / std, pixel 0..255.

    Attributes:
        width, height: Size of the model's input, pixels.
        fit: `stretch` ignores the proportions; `crop` covers the size and cuts the middle; `pad` fits
            inside and fills the rest with `pad_value`.
        shorter_side: For `crop`: the shorter side is resized to this before the middle is cut
            (256 before 224 is common); None resizes just enough to cover. For `stretch`: both sides are, as the
            first Caffe models had it.
        anchor: For `pad`: where the picture lies.
        pad_value: Grey level 0..255 of the filling.
        resample: `area` averages when shrinking (OpenCV's INTER_AREA) and is bilinear when enlarging;
            `linear` is OpenCV's plain INTER_LINEAR, as many detectors are deployed; `bilinear`, `bicubic` and
            `lanczos` are Pillow's antialiased filters, as torchvision, timm and Transformers use them.
        colour: Channel order, or `gray` (ITU-R 601 luma).
        scale: Factor for pixels, 1 or 1/255 usually.
        mean, std: One number per channel, or one for all; in units after `scale`.
        layout: `flat` is (N, height * width * channels), `NHW` has no channel axis.
        dtype: Type of the model's input.
        polarity: What the model was trained on; the other one needs `--invert`.
        name: The graph's input; None takes the only one.
    """

    width: int
    height: int
    fit: Fit
    shorter_side: int | None = None
    anchor: Anchor = "center"
    pad_value: int = 0
    resample: Resample = "area"
    colour: Colour = "rgb"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Layout = "NCHW"
    dtype: Dtype = "float32"
    polarity: Polarity = "any"
    name: str | None = None

    @property
    def channels(self) -> int:
        """1 for gray, else 3."""
        return 1 if self.colour == "gray" else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDescription:
    """What the model's numbers mean.

    Attributes:
        values: `logits` get a softmax (`single`) or a sigmoid (`binary`, `multilabel`); `probabilities`
            are taken as they are; `numbers` are those of labels, one for each pixel; `embedding` is a vector; `boxes`
            go through `decoder`.
        kind: `single`: one label of many is true. `binary`: one number, the probability (or logit) of the
            second label. `multilabel`: every label on its own.
        decoder: The name of a detector's decoder, or of a segmenting model's.
        name: The graph's output; None takes the only one (of a detector's several, the decoder knows which is which).
        scale, zero_point: Where the graph gives whole numbers, or shares of another whole than 1: value = (number -
            zero_point) * scale. None takes the numbers as they are, 8-bit ones by the scale in the graph.
        embedding: A classifier's other output, what its last layer reads, (N, D); None where it has none.
    """

    values: Values
    kind: Kind = "single"
    decoder: str | None = None
    name: str | None = None
    scale: float | None = None
    zero_point: int = 0
    embedding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDescription:
    """The text half of a pair that puts pictures and texts into one space; its files lie beside the picture half.

    Attributes:
        model: The network's ONNX file: input_ids (and attention_mask) → a vector.
        tokenizer: The tokenizer's JSON file, as Transformers writes it.
        scores: `softmax` over the texts (CLIP), or `sigmoid` of each for itself (SigLIP).
        scale, bias: A score comes of scale * cosine + bias.
        prompt: What `{}`, the user's text, is put into.
        length: Tokens that the network was trained with, filled up with `pad_id`; None where it takes any number, and
            filling does not matter (CLIP).
        output_name: The graph's output; None takes the only one, or text_embeds.
    """

    model: str
    tokenizer: str
    scores: TextScores
    scale: float
    bias: float = 0.0
    prompt: str = "{}"
    length: int | None = None
    pad_id: int = 0
    output_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model's own account: task, labels, input recipe, meaning of the output, origin and scores.

    Attributes:
        labels: Position in the output → label.
        label_ids: The same positions → an identifier (a WordNet id, say); empty when there is none.
        provenance: Data, command, versions, date, seed, licence: whatever tells where the model comes from.
        metrics: Scores, e.g. `{"test_accuracy": 0.9705}`.
        text: For an embedding model: the half that makes vectors of texts; None where it has none.
        tolerance: Largest difference of scores between the trained model and the ONNX file that the
            exporter allowed; None for models from elsewhere.
    """

    task: ModelTask
    input: InputDescription
    output: OutputDescription
    labels: tuple[str, ...] = ()
    label_ids: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float | None = None
    text: TextDescription | None = None

    def __post_init__(self) -> None:
        _check(self)

    def to_json(self) -> str:
        """The description as one line of JSON, with its schema version."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "description") -> ModelDescription:
        """The description that `text` holds.

        Args:
            text: JSON, as `to_json` writes it.
            source: What to call it in an error message.

        Raises:
            DescriptionError: Not JSON, of a newer schema, or a field is missing, unknown or wrong.
        """
        try:
            data = json.loads(text, parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            raise DescriptionError(f"{source}: not valid JSON ({error})") from error
        try:
            if not isinstance(data, dict):
                raise DescriptionError("must be a JSON object")
            schema = data.pop("schema", None)
            if schema != SCHEMA:
                newer = isinstance(schema, int) and schema > SCHEMA
                raise DescriptionError(
                    f"field schema: {schema!r}; this version of mediasift reads {SCHEMA}"
                    + (" (a newer mediasift wrote it: pip install -U mediasift)" if newer else "")
                )
            return typing.cast("ModelDescription", _build(cls, data, ""))
        except (DescriptionError, OverflowError) as error:
            raise DescriptionError(f"{source}: {error}") from error


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no number")


def _build(kind: type[Any], data: object, prefix: str) -> object:
    """An instance of the dataclass `kind` from a JSON object; errors name the field with its prefix."""
    if not isinstance(data, dict):
        raise DescriptionError(f"field {prefix.rstrip('.')}: must be an object, found {data!r:.60}")
    hints = typing.get_type_hints(kind)
    if unknown := sorted(set(data) - set(hints)):
        raise DescriptionError(
            f"field {prefix}{unknown[0]}: unknown; known are {', '.join(hints)}{did_you_mean(unknown[0], hints)}"
        )
    for one in fields(kind):
        if one.name not in data and one.default is MISSING and one.default_factory is MISSING:
            raise DescriptionError(f"field {prefix}{one.name}: missing")
    return kind(**{name: _value(hints[name], value, f"{prefix}{name}") for name, value in data.items()})


_KINDS: dict[Any, tuple[Any, str]] = {
    tuple: (list, "a list"),
    Mapping: (dict, "an object"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    str: (str, "a text"),
}
"""Type of a field → what JSON has for it, and how that is called."""


def _value(hint: Any, value: Any, name: str) -> Any:
    """`value` as the type `hint` says, or a DescriptionError that names the field."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, f"{name}.")
    if origin is types.UnionType:
        return None if value is None else _value(args[0], value, name)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise DescriptionError(
                f"field {name}: {value!r:.60}; must be one of {', '.join(map(str, args))}{did_you_mean(value, args)}"
            )
        return value
    kind, words = _KINDS[origin or hint]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DescriptionError(f"field {name}: must be {words}, found {value!r:.60}")
    if origin is tuple:
        return tuple(_value(args[0], part, f"{name}[{i}]") for i, part in enumerate(value))
    return value if origin is Mapping else hint(value)


def decoders_for(task: ModelTask) -> tuple[str, ...]:
    """The decoders that a model for this task may have; none where it needs none."""
    return {"detect": tuple(DECODERS), "segment": (CLASS_MAP, *SEGMENTERS)}.get(task, ())


_VALUES: dict[str, tuple[Values, ...]] = {
    "classify": ("logits", "probabilities"),
    "detect": ("boxes",),
    "segment": ("boxes",),
    CLASS_MAP: ("logits", "probabilities", "numbers"),
    "embed": ("embedding",),
}
"""Task, or decoder of a map → what the numbers may be; a new task without a line here fails at once."""


def _check(description: ModelDescription) -> None:
    """Raise a DescriptionError for fields that contradict one another."""
    given, output, labels, ids = description.input, description.output, description.labels, description.label_ids
    side, known, names = given.shorter_side, decoders_for(description.task), ", ".join(DECODERS)
    if description.task == "segment":
        names = ", ".join(known)
    wanted = _VALUES[CLASS_MAP if output.decoder == CLASS_MAP else description.task]
    rules = (
        (1 <= given.width <= 16384, f"input.width: {given.width}; must be 1 to 16384"),
        (1 <= given.height <= 16384, f"input.height: {given.height}; must be 1 to 16384"),
        (
            side is None or (given.fit != "pad" and side >= max(given.width, given.height)),
            "input.shorter_side: needs fit crop or stretch and at least the larger of width and height",
        ),
        (0 <= given.pad_value <= 255, f"input.pad_value: {given.pad_value}; must be 0 to 255"),
        (len(given.mean) in (1, given.channels), f"input.mean: needs 1 or {given.channels} numbers"),
        (len(given.std) in (1, given.channels), f"input.std: needs 1 or {given.channels} numbers"),
        (0.0 not in given.std, "input.std: 0 would divide by zero"),
        (given.scale != 0, "input.scale: 0 would make all pictures the same"),
        (output.scale != 0, "output.scale: 0 would make all scores the same"),
        (
            all(map(math.isfinite, (given.scale, *given.mean, *given.std, output.scale or 1))),
            "input or output: scale, mean and std must be finite numbers",
        ),
        (given.layout != "NHW" or given.channels == 1, "input.layout: NHW has no channel axis and needs colour gray"),
        (
            (output.decoder is not None) == bool(known),
            f"output.decoder: for task detect or segment, and only there; one of {names}",
        ),
        (output.values in wanted, f"output.values: {output.values}; for {description.task}: {', '.join(wanted)}"),
        (output.embedding is None or description.task == "classify", "output.embedding: only a classifier has one"),
        (output.decoder in (None, *known), f"output.decoder: {output.decoder!r}; must be one of {names}"),
        (
            output.decoder != CLASS_MAP or output.kind != "binary",
            "output.kind: binary; a map of one label is multilabel, of two that exclude each other single",
        ),
        (description.task == "embed" or labels, "labels: missing"),
        (description.text is None or description.task == "embed", "text: only a model to embed has a text half"),
        (description.text is None or "{}" in description.text.prompt, "text.prompt: needs {}, where the text goes"),
        (output.kind != "binary" or len(labels) == 2, f"labels: binary needs two, found {len(labels)}"),
        (len(ids) in (0, len(labels)), f"label_ids: {len(ids)} for {len(labels)} labels"),
    )
    for holds, message in rules:
        if not holds:
            raise DescriptionError(f"field {message}")
