"""What an answer of Amazon Rekognition says: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations.html."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from mediasift.engines.vision.tags import Tag, boxed

PARTS = {
    "Labels": ("labels", "objects"), "FaceDetails": ("faces",), "TextDetections": ("text",),
    "ModerationLabels": ("sensitive",), "CelebrityFaces": ("people",),
}  # fmt: skip
"""Key of an answer → the features that are read from it."""

VERSIONS = ("LabelModelVersion", "TextModelVersion", "ModerationModelVersion")

_STATED = (
    "Smile", "Eyeglasses", "Sunglasses", "Gender", "Beard", "Mustache", "EyesOpen", "MouthOpen", "FaceOccluded",
)  # fmt: skip
"""Attributes of a face that have a value and how sure it is."""

Size = tuple[int, int] | None


def parse(raw: Mapping[str, Any], size: Size) -> Iterator[Tag]:
    """All tags of an answer of any operation; its boxes are fractions, whatever the picture's size."""
    del size
    objects = count(1)
    for number, one in enumerate(raw.get("Labels", ()), 1):
        label = Tag(feature="labels", number=number, label=one.get("Name"))
        yield replace(label, score=_share(one))
        for attribute, key in (("parent", "Parents"), ("category", "Categories")):
            yield from (replace(label, attribute=attribute, value=above["Name"]) for above in one.get(key, ()))
        for instance in one.get("Instances", ()):
            yield Tag(feature="objects", number=next(objects), label=one.get("Name"), score=_share(instance),
                      **_box(instance))  # fmt: skip
    for number, one in enumerate(raw.get("FaceDetails", ()), 1):
        yield from _face(one, Tag(feature="faces", number=number, label="face"))
    for number, one in enumerate(raw.get("TextDetections", ()), 1):
        yield Tag(feature="text", number=number, label=str(one.get("Type", "")).lower(), value=one.get("DetectedText"),
                  score=_share(one), **_box(one.get("Geometry", {})))  # fmt: skip
    for number, one in enumerate(raw.get("ModerationLabels", ()), 1):
        label = Tag(feature="sensitive", number=number, label=one.get("Name"))
        yield replace(label, score=_share(one))
        if one.get("ParentName"):
            yield replace(label, attribute="parent", value=one["ParentName"])
    for number, one in enumerate(raw.get("CelebrityFaces", ()), 1):
        yield Tag(feature="people", number=number, label=one.get("Name"), label_id=one.get("Id"),
                  score=_share(one, "MatchConfidence"), **_box(one.get("Face", {})))  # fmt: skip


def _share(one: Mapping[str, Any], name: str = "Confidence") -> float | None:
    """A confidence in percent as 0..1."""
    return None if one.get(name) is None else float(one[name]) / 100


def _box(one: Mapping[str, Any]) -> dict[str, Any]:
    box = one.get("BoundingBox")
    if not box:
        return {}
    left, top, width, height = (float(box.get(name, 0)) for name in ("Left", "Top", "Width", "Height"))
    return boxed([(left, top), (left + width, top + height)], None, is_px=False)


def _face(one: Mapping[str, Any], face: Tag) -> Iterator[Tag]:
    yield replace(face, score=_share(one), **_box(one))
    for name in ("Low", "High"):
        if name in one.get("AgeRange", {}):
            yield replace(face, attribute=f"age_{name.lower()}", value=str(one["AgeRange"][name]))
    for name in _STATED:
        if name in one:
            yield replace(
                face, attribute=_snake(name), value=str(one[name].get("Value")).lower(), score=_share(one[name])
            )
    emotions: Sequence[Mapping[str, Any]] = one.get("Emotions", ())
    yield from (replace(face, attribute=emotion["Type"].lower(), score=_share(emotion)) for emotion in emotions)
    numbers = {**{f"{name}_deg": value for name, value in one.get("Pose", {}).items()}, **one.get("Quality", {})}
    yield from (replace(face, attribute=_snake(name), value=f"{value:g}") for name, value in numbers.items())


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
