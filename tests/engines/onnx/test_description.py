from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.errors import DescriptionError
from tests.tiny_models import COLOURS


def changed(**fields) -> str:
    data = json.loads(COLOURS.to_json())
    for name, value in fields.items():
        *outer, last = name.split("__")
        inside = data
        for part in outer:
            inside = inside[part]
        if value is None:
            del inside[last]
        else:
            inside[last] = value
    return json.dumps(data)


def test_there_and_back():
    assert ModelDescription.from_json(COLOURS.to_json()) == COLOURS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 2}, "field schema: 2.*newer"),
        ({"schema": "1"}, "field schema"),
        ({"task": "guess"}, "field task: 'guess'; must be one of classify, detect, segment, embed"),
        ({"labels": []}, "field labels: missing"),
        ({"labels": ["a", 1]}, r"field labels\[1\]: must be a text"),
        ({"label_ids": ["x"]}, "field label_ids: 1 for 3 labels"),
        ({"input": 3}, "field input: must be an object"),
        ({"input__width": None}, "field input.width: missing"),
        ({"input__width": "224"}, "field input.width: must be a whole number"),
        ({"input__width": 0}, "field input.width: 0"),
        ({"input__width": True}, "field input.width"),
        ({"input__fit": "squeeze"}, "field input.fit"),
        ({"input__colour": "grey"}, "field input.colour"),
        ({"input__mean": [1, 2]}, "field input.mean: needs 1 or 3 numbers"),
        ({"input__std": [0]}, "field input.std"),
        ({"input__scale": 10**400}, "too large"),
        ({"input__layout": "NHW"}, "field input.layout"),
        ({"input__shorter_side": 4}, "field input.shorter_side"),
        ({"input__surprise": 1}, "field input.surprise: unknown"),
        ({"output__values": "boxes"}, "field output.values"),
        ({"output__kind": "binary"}, "field labels: binary needs two"),
        ({"output__decoder": "yolox"}, "field output.decoder"),
    ],
)
def test_errors_name_the_field(fields: dict, message: str):
    with pytest.raises(DescriptionError, match=message):
        ModelDescription.from_json(changed(**fields), source="x.json")


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "3", "null", "{}", "[" * 100_000])
def test_other_text_is_refused(text: str):
    with pytest.raises(DescriptionError, match=r"x\.json"):
        ModelDescription.from_json(text, source="x.json")


KEYS = st.sampled_from(["schema", "task", "input", "output", "labels", "width", "fit"])
SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=5)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)))
def test_any_json_is_a_description_or_an_error(data):
    try:
        ModelDescription.from_json(json.dumps(data))
    except DescriptionError as error:
        assert "description: " in str(error)


@given(
    st.integers(1, 512),
    st.sampled_from(["nearest", "area", "bilinear", "bicubic", "lanczos"]),
    st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2),
    st.floats(0.001, 10),
)
def test_any_description_survives_the_journey(size, resample, labels, std):
    description = ModelDescription(
        task="classify",
        input=InputDescription(width=size, height=size, fit="stretch", resample=resample, std=(std,)),
        output=OutputDescription(values="logits", kind="binary"),
        labels=tuple(labels),
        metrics={"accuracy": 0.5},
    )
    assert ModelDescription.from_json(description.to_json()) == description
