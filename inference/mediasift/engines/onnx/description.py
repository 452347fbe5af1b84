"""What a model says of itself: the JSON under the key `mediasift` in an ONNX file, or beside it.

Everything that turns a picture into the model's input, and its output into rows, stands here; nothing is
guessed. `ModelDescription.from_json` names the field that is wrong and what would be right.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from mediasift.engines.onnx.decoders import DECODERS
from mediasift.errors import DescriptionError

SCHEMA = 1
"""Version of the description's form. A higher one is refused: it may mean something we do not know."""

METADATA_KEY = "mediasift"
"""The key in an ONNX file's `metadata_props`."""

Fit = Literal["stretch", "crop", "pad"]
Resample = Literal["nearest", "area", "bilinear", "bicubic", "lanczos"]
Colour = Literal["rgb", "bgr", "gray"]
Layout = Literal["NCHW", "NHWC", "NHW", "flat"]
Dtype = Literal["float32", "float16", "uint8"]
Polarity = Literal["any", "light-on-dark", "dark-on-light"]
ModelTask = Literal["classify", "detect", "embed"]
Values = Literal["logits", "probabilities", "embedding", "boxes"]
Kind = Literal["single", "binary", "multilabel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDescription:
    """How a picture becomes the model's input: value = (pixel * scale - mean) / std, pixel 0..255.

    Attributes:
        width, height: Size of the model's input, pixels.
        fit: `stretch` ignores the proportions; `crop` covers the size and cuts the middle; `pad` fits
            inside and fills the rest with `pad_value`.
        shorter_side: For `crop`: the shorter side is resized to this before the middle is cut
            (256 before 224 is common); None resizes just enough to cover.
        anchor: For `pad`: where the picture lies.
        pad_value: Grey level 0..255 of the filling.
        resample: `area` averages when shrinking (OpenCV's INTER_AREA) and is bilinear when enlarging;
            `bilinear`, `bicubic` and `lanczos` are Pillow's antialiased filters.
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
    anchor: Literal["center", "top-left"] = "center"
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
            are taken as they are; `embedding` is a vector; `boxes` go through `decoder`.
        kind: `single`: one label of many is true. `binary`: one number, the probability (or logit) of the
            second label. `multilabel`: every label on its own.
        decoder: For `boxes`, the name of a detector's decoder.
        name: The graph's output; None takes the only one (of a detector's several, the decoder knows which is which).
    """

    values: Values
    kind: Kind = "single"
    decoder: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model's own account: task, labels, input recipe, meaning of the output, origin and scores.

    Attributes:
        labels: Position in the output → label.
        label_ids: The same positions → an identifier (a WordNet id, say); empty when there is none.
        provenance: Data, command, versions, date, seed, licence: whatever tells where the model comes from.
        metrics: Scores, e.g. `{"test_accuracy": 0.9705}`.
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
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DescriptionError(f"{source}: not valid JSON ({error})") from error
        try:
            if not isinstance(data, dict):
                raise DescriptionError("must be a JSON object")
            schema = data.pop("schema", None)
            if schema != SCHEMA:
                raise DescriptionError(
                    f"field schema: {schema!r}; this version of mediasift reads {SCHEMA}"
                    + (" (a newer mediasift wrote it: pip install -U mediasift)" if _newer(schema) else "")
                )
            return typing.cast("ModelDescription", _build(cls, data, ""))
        except DescriptionError as error:
            raise DescriptionError(f"{source}: {error}") from error


def _newer(schema: object) -> bool:
    return isinstance(schema, int) and schema > SCHEMA


def _build(kind: type[Any], data: object, prefix: str) -> object:
    """An instance of the dataclass `kind` from a JSON object; errors name the field with its prefix."""
    if not isinstance(data, dict):
        raise DescriptionError(f"field {prefix.rstrip('.')}: must be an object, found {data!r:.60}")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(data) - set(known)):
        raise DescriptionError(f"field {prefix}{unknown[0]}: unknown; known are {', '.join(known)}")
    made: dict[str, Any] = {}
    for name, value in data.items():
        made[name] = _value(hints[name], value, f"{prefix}{name}")
    try:
        return kind(**made)
    except TypeError:
        missing = [n for n in known if n not in made and _required(known[n])]
        raise DescriptionError(f"field {prefix}{missing[0]}: missing") from None


def _required(f: Any) -> bool:
    from dataclasses import MISSING

    return f.default is MISSING and f.default_factory is MISSING


def _value(hint: Any, value: Any, name: str) -> Any:
    """`value` as the type `hint` says, or a DescriptionError that names the field."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        return _build(hint, value, f"{name}.")
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        return _value(next(a for a in args if a is not type(None)), value, name)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise DescriptionError(f"field {name}: {value!r:.60}; must be one of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise DescriptionError(f"field {name}: must be a list, found {value!r:.60}")
        return tuple(_value(args[0], v, f"{name}[{i}]") for i, v in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise DescriptionError(f"field {name}: must be an object, found {value!r:.60}")
        return value
    wanted = {int: (int,), float: (int, float), str: (str,)}[hint]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise DescriptionError(f"field {name}: must be a {_WORDS[hint]}, found {value!r:.60}")
    return hint(value)


_WORDS: dict[Any, str] = {int: "whole number", float: "number", str: "text"}


def _check(description: ModelDescription) -> None:
    """Raise a DescriptionError for fields that contradict one another."""
    given = description.input
    for name in ("width", "height"):
        if not 1 <= getattr(given, name) <= 16384:
            raise DescriptionError(f"field input.{name}: {getattr(given, name)}; must be 1 to 16384")
    if given.shorter_side is not None and (given.fit != "crop" or given.shorter_side < max(given.width, given.height)):
        raise DescriptionError("field input.shorter_side: needs fit crop and at least the larger of width and height")
    if not 0 <= given.pad_value <= 255:
        raise DescriptionError(f"field input.pad_value: {given.pad_value}; must be 0 to 255")
    for name in ("mean", "std"):
        if len(getattr(given, name)) not in (1, given.channels):
            raise DescriptionError(f"field input.{name}: needs 1 or {given.channels} numbers")
    if 0.0 in given.std:
        raise DescriptionError("field input.std: 0 would divide by zero")
    if given.layout == "NHW" and given.channels != 1:
        raise DescriptionError("field input.layout: NHW has no channel axis and needs colour gray")
    output = description.output
    wanted = {"classify": ("logits", "probabilities"), "detect": ("boxes",), "embed": ("embedding",)}[description.task]
    if output.values not in wanted:
        raise DescriptionError(f"field output.values: {output.values}; for {description.task}: {', '.join(wanted)}")
    _check_decoder(description)
    if description.task != "embed" and not description.labels:
        raise DescriptionError("field labels: missing")
    if output.kind == "binary" and len(description.labels) != 2:
        raise DescriptionError(f"field labels: binary needs two, found {len(description.labels)}")
    if description.label_ids and len(description.label_ids) != len(description.labels):
        raise DescriptionError(f"field label_ids: {len(description.label_ids)} for {len(description.labels)} labels")


def _check_decoder(description: ModelDescription) -> None:
    decoder = description.output.decoder
    if (decoder is None) == (description.task == "detect"):
        raise DescriptionError(f"field output.decoder: for task detect, and only there; one of {', '.join(DECODERS)}")
    if decoder is not None and decoder not in DECODERS:
        raise DescriptionError(f"field output.decoder: {decoder!r}; must be one of {', '.join(DECODERS)}")
