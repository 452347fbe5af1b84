"""What an answer of Azure's Image Analysis says, of version 4.0 and of 3.x, which older studies have kept.

https://learn.microsoft.com/rest/api/computervision/image-analysis/analyze,
https://learn.microsoft.com/rest/api/computervision/analyze-image
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from typing import Any

from mediasift.engines.vision.tags import Tag, boxed

PARTS = {
    "tagsResult": "labels", "objectsResult": "objects", "peopleResult": "people", "readResult": "text",
    "captionResult": "captions", "denseCaptionsResult": "captions",
    "tags": "labels", "categories": "labels", "objects": "objects", "faces": "faces", "adult": "sensitive",
    "brands": "logos", "description": "captions",
}  # fmt: skip
"""Key of an answer → the feature that is read from it; those of 3.x are in the second half."""

_SENSITIVE = {"adult": "adultScore", "racy": "racyScore", "gory": "goreScore"}

Size = tuple[int, int] | None


def parse(raw: Mapping[str, Any], size: Size) -> Iterator[Tag]:
    """All tags of an answer.

    Args:
        raw: Its JSON values; of version 3.x, too.
        size: (width, height) of the picture, where the answer does not have it.
    """
    about = raw.get("metadata", {})
    size = (about["width"], about["height"]) if about.get("width") and about.get("height") else size
    yield from _new(raw, size)
    yield from _old(raw, size)


def _new(raw: Mapping[str, Any], size: Size) -> Iterator[Tag]:
    for number, one in enumerate(raw.get("tagsResult", {}).get("values", ()), 1):
        yield Tag(feature="labels", number=number, label=one["name"], score=one.get("confidence"))
    for number, one in enumerate(raw.get("objectsResult", {}).get("values", ()), 1):
        best = max(one.get("tags") or [{}], key=lambda tag: tag.get("confidence", 0))
        yield Tag(feature="objects", number=number, label=best.get("name"), score=best.get("confidence"),
                  **_box(one.get("boundingBox"), size))  # fmt: skip
    for number, one in enumerate(raw.get("peopleResult", {}).get("values", ()), 1):
        yield Tag(feature="people", number=number, label="person", score=one.get("confidence"),
                  **_box(one.get("boundingBox"), size))  # fmt: skip
    numbers = count(1)
    for line in chain.from_iterable(block.get("lines", ()) for block in raw.get("readResult", {}).get("blocks", ())):
        yield Tag(feature="text", number=next(numbers), label="line", value=line.get("text"),
                  **boxed(_corners(line), size))  # fmt: skip
        for word in line.get("words", ()):
            yield Tag(feature="text", number=next(numbers), label="word", value=word.get("text"),
                      score=word.get("confidence"), **boxed(_corners(word), size))  # fmt: skip
    captions = [raw["captionResult"]] if raw.get("captionResult") else []
    for number, one in enumerate([*captions, *raw.get("denseCaptionsResult", {}).get("values", ())], 1):
        yield Tag(feature="captions", number=number, label="caption", value=one.get("text"),
                  score=one.get("confidence"), **_box(one.get("boundingBox"), size))  # fmt: skip


def _old(raw: Mapping[str, Any], size: Size) -> Iterator[Tag]:
    numbers = count(1)
    for one in raw.get("tags", ()):
        yield Tag(feature="labels", number=next(numbers), label=one["name"], score=one.get("confidence"))
    for one in raw.get("categories", ()):
        category = Tag(feature="labels", number=next(numbers), label=one["name"], score=one.get("score"))
        yield category
        for kind, named in (one.get("detail") or {}).items():
            yield from (replace(category, attribute=kind, value=each.get("name"), score=each.get("confidence"))
                        for each in named or ())  # fmt: skip
    for number, one in enumerate(raw.get("objects", ()), 1):
        yield Tag(feature="objects", number=number, label=one.get("object"), score=one.get("confidence"),
                  **_box(one.get("rectangle"), size))  # fmt: skip
    for number, one in enumerate(raw.get("faces", ()), 1):
        face = Tag(feature="faces", number=number, label="face")
        yield replace(face, **_box(one.get("faceRectangle"), size))
        for name in ("age", "gender"):
            if one.get(name) is not None:
                yield replace(face, attribute=name, value=str(one[name]).lower())
    adult = raw.get("adult") or {}
    for number, (label, key) in enumerate(((a, b) for a, b in _SENSITIVE.items() if b in adult), 1):
        yield Tag(feature="sensitive", number=number, label=label, score=adult[key])
    for number, one in enumerate(raw.get("brands", ()), 1):
        yield Tag(feature="logos", number=number, label=one.get("name"), score=one.get("confidence"),
                  **_box(one.get("rectangle"), size))  # fmt: skip
    described = raw.get("description") or {}
    for number, one in enumerate(described.get("tags", ()), len(described.get("captions", ())) + 1):
        yield Tag(feature="captions", number=number, label="tag", value=one)
    for number, one in enumerate(described.get("captions", ()), 1):
        yield Tag(
            feature="captions", number=number, label="caption", value=one.get("text"), score=one.get("confidence")
        )


def _box(box: Mapping[str, float] | None, size: Size) -> dict[str, Any]:
    """`x, y, w, h` or `left, top, width, height`, in pixels."""
    if not box:
        return {}
    left, top = box.get("x", box.get("left", 0)), box.get("y", box.get("top", 0))
    right, bottom = left + box.get("w", box.get("width", 0)), top + box.get("h", box.get("height", 0))
    return boxed([(left, top), (right, bottom)], size)


def _corners(one: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(corner["x"], corner["y"]) for corner in one.get("boundingPolygon", ())]
