"""The options of `mediasift models describe`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from mediasift.engines.onnx.description import (
    Colour,
    Dtype,
    Kind,
    Layout,
    ModelTask,
    Polarity,
    TextScores,
    Values,
    decoders_for,
)
from mediasift.errors import UsageError
from mediasift.media.pictures.transforms import Anchor, Fit, Resample
from mediasift.settings import Option, Settings, parse_size


def number(text: str) -> float:
    """A number or a fraction such as 1/255."""
    above, _, below = text.partition("/")
    try:
        value = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{text!r}: must be a number, or a fraction such as 1/255")
    return value


def numbers(text: str) -> tuple[float, ...]:
    """Numbers or fractions, separated by commas."""
    return tuple(number(part) for part in text.split(","))


@dataclass(frozen=True, kw_only=True)
class DescribeSettings(Settings):
    """What a user says of a model; None leaves it to the file."""

    task: Annotated[ModelTask | None, Option("What the model is for.", default="what the file says, else classify")] = (
        None
    )
    labels: Annotated[
        str | None,
        Option("File with a label a line, or JSON, in the order of the outputs.", metavar="FILE",
               default="what the file says"),
    ] = None  # fmt: skip
    size: Annotated[
        str | None,
        Option("Size of the model's input, e.g. 224x224.", metavar="WxH", check=parse_size, default="the graph's"),
    ] = None
    fit: Annotated[Fit | None, Option("How a picture gets that size.", default="stretch")] = None
    shorter_side: Annotated[
        int | None, Option("For fit crop: resize the shorter side to this first, e.g. 256.", metavar="N")
    ] = None
    anchor: Annotated[Anchor | None, Option("For fit pad: where the picture lies.", default="center")] = None
    pad_value: Annotated[
        int | None, Option("For fit pad: grey level 0 to 255 around it.", metavar="N", default="0")
    ] = None
    resample: Annotated[
        Resample | None,
        Option("How sizes change: linear is OpenCV's usual, bilinear and bicubic are Pillow's.", default="area"),
    ] = None
    colour: Annotated[
        Colour | None,
        Option("Order of the channels.", flag="--color", old=("--colour",), default="what the file says, else rgb"),
    ] = None
    scale: Annotated[
        str | None,
        Option("Factor for pixels 0..255, e.g. 1/255.", check=number, metavar="NUMBER",
               default="what the file says, else 1"),
    ] = None  # fmt: skip
    mean: Annotated[
        str | None,
        Option("Subtracted after scaling: one number, or one per channel.", check=numbers, metavar="NUMBERS",
               default="0"),
    ] = None  # fmt: skip
    std: Annotated[
        str | None,
        Option("Divided by after that: one number, or one per channel.", check=numbers, metavar="NUMBERS",
               default="1"),
    ] = None  # fmt: skip
    layout: Annotated[
        Layout | None, Option("Order of the axes.", default="what the graph's input shows, else NCHW")
    ] = None
    dtype: Annotated[Dtype | None, Option("Type of the pixels that go in.", default="the graph's")] = None
    polarity: Annotated[Polarity | None, Option("What it was trained on.", default="any")] = None
    input_name: Annotated[str | None, Option("The graph's input, where it has several.", metavar="NAME")] = None
    output_name: Annotated[str | None, Option("The graph's output, where several may hold scores.", metavar="NAME")] = (
        None
    )
    output_values: Annotated[
        Values | None, Option("What the model's numbers are.", default="by the graph's end and a run")
    ] = None
    output_scale: Annotated[
        str | None,
        Option("For whole numbers: value = (number - zero point) * scale, e.g. 1/255.", check=number,
               metavar="NUMBER", default="the graph's"),
    ] = None  # fmt: skip
    output_zero_point: Annotated[
        int | None, Option("For whole numbers: the one that stands for 0.", metavar="N", default="0")
    ] = None
    kind: Annotated[
        Kind | None, Option("Which labels can be true.", default="by the graph's end and the labels, else single")
    ] = None
    decoder: Annotated[
        str | None,
        Option(
            "For task detect or segment: what the outputs mean.",
            choices=(*decoders_for("detect"), *decoders_for("segment")),
            default="what the file says",
        ),
    ] = None
    text_model: Annotated[
        str | None,
        Option("For task embed: the text half of a pair such as CLIP, an .onnx file beside this one.", metavar="FILE"),
    ] = None
    tokenizer: Annotated[str, Option("Of the text half: the tokenizer's file beside it.", metavar="FILE")] = (
        "tokenizer.json"
    )
    text_scores: Annotated[
        TextScores, Option("How texts are scored: one of them is true (CLIP), or each for itself (SigLIP).")
    ] = "softmax"
    text_scale: Annotated[
        str | None,
        Option("A score is scale * cosine + bias; CLIP's is 100.", check=number, metavar="NUMBER", default=""),
    ] = None
    text_bias: Annotated[str, Option("See --text-scale.", check=number, metavar="NUMBER")] = "0"
    prompt: Annotated[str, Option("What a text is put into, e.g. 'a photo of {}'.", metavar="TEXT")] = "{}"
    text_length: Annotated[
        int | None, Option("Tokens that texts are filled up to, as SigLIP wants it.", least=1, metavar="N",
                           default="not filled up"),
    ] = None  # fmt: skip
    pad_id: Annotated[int, Option("What they are filled up with.", least=0, metavar="N")] = 0
    text_output_name: Annotated[str | None, Option("The text half's output.", metavar="NAME")] = None
    licence: Annotated[str | None, Option("Noted in the description.", metavar="NAME")] = None
    source: Annotated[str | None, Option("Where the model comes from; noted in the description.", metavar="TEXT")] = (
        None
    )
