"""What an answer of Google's Cloud Vision says: https://cloud.google.com/vision/docs/reference/rest/v1/AnnotateImageResponse.

Programs keep it with names in camel case or with underscores, and likelihoods as words or numbers; all are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from mediasift.engines.vision.tags import LIKELIHOODS, UNKNOWN, Tag, boxed

PARTS = {
    "labelAnnotations": "labels", "localizedObjectAnnotations": "objects", "faceAnnotations": "faces",
    "textAnnotations": "text", "fullTextAnnotation": "text", "safeSearchAnnotation": "sensitive",
    "landmarkAnnotations": "landmarks", "logoAnnotations": "logos", "webDetection": "web",
}  # fmt: skip
"""Key of an answer → the feature that is read from it."""

_SENSITIVE = ("adult", "spoof", "medical", "violence", "racy")
_FACE_LIKELIHOODS = ("joy", "sorrow", "anger", "surprise", "underExposed", "blurred", "headwear")
_FACE_NUMBERS = ("rollAngle", "panAngle", "tiltAngle")
_MATCHES = {
    "fullMatchingImages": "full_match", "partialMatchingImages": "partial_match",
    "pagesWithMatchingImages": "page", "visuallySimilarImages": "similar",
}  # fmt: skip

Size = tuple[int, int] | None


def parse(raw: Mapping[str, Any], size: Size) -> Iterator[Tag]:
    """All tags of an `AnnotateImageResponse`.

    Args:
        raw: Its JSON values.
        size: (width, height) of the picture that was sent; None where it is not known.
    """
    answer = _camel(raw)
    yield from _entities("labels", answer.get("labelAnnotations", ()), size)
    for number, one in enumerate(answer.get("localizedObjectAnnotations", ()), 1):
        corners = _corners(one, "normalizedVertices")
        yield Tag(feature="objects", number=number, label=one.get("name"), label_id=one.get("mid") or None,
                  score=one.get("score"), **boxed(corners, size, is_px=False))  # fmt: skip
    yield from _faces(answer.get("faceAnnotations", ()), size)
    yield from _text(answer, size)
    likelihoods = answer.get("safeSearchAnnotation", {})
    for number, name in enumerate((one for one in _SENSITIVE if one in likelihoods), 1):
        yield Tag(feature="sensitive", number=number, label=name, **_likelihood(likelihoods[name]))
    yield from _entities("landmarks", answer.get("landmarkAnnotations", ()), size)
    yield from _entities("logos", answer.get("logoAnnotations", ()), size)
    yield from _web(answer.get("webDetection", {}))


def _camel(value: Any) -> Any:
    """The same with all names in camel case."""
    if isinstance(value, Mapping):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): _camel(inside) for name, inside in value.items()}
    return [_camel(inside) for inside in value] if isinstance(value, (list, tuple)) else value


def _corners(one: Mapping[str, Any], kind: str = "vertices") -> list[tuple[float, float]]:
    """Corners of its polygon; a coordinate that is missing is 0."""
    return [(corner.get("x", 0), corner.get("y", 0)) for corner in one.get("boundingPoly", {}).get(kind, ())]


def _entities(feature: str, entities: Sequence[Mapping[str, Any]], size: Size) -> Iterator[Tag]:
    for number, one in enumerate(entities, 1):
        tag = Tag(feature=feature, number=number, label=one.get("description"))
        yield replace(tag, label_id=one.get("mid") or None, score=one.get("score"), **boxed(_corners(one), size))
        for place in one.get("locations", ()):
            for name in ("latitude", "longitude"):
                yield replace(tag, attribute=name, value=str(place.get("latLng", {}).get(name, 0)))


def _faces(faces: Sequence[Mapping[str, Any]], size: Size) -> Iterator[Tag]:
    for number, one in enumerate(faces, 1):
        face = Tag(feature="faces", number=number, label="face")
        yield replace(face, score=one.get("detectionConfidence"), **boxed(_corners(one), size))
        for name in _FACE_LIKELIHOODS:
            if (likelihood := one.get(f"{name}Likelihood")) is not None:
                yield replace(face, attribute=_snake(name), **_likelihood(likelihood))
        for name in _FACE_NUMBERS:
            if name in one:
                yield replace(face, attribute=f"{_snake(name)}_deg", value=f"{one[name]:g}")


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda m: f"_{m[1].lower()}", name)


def _likelihood(stated: str | int) -> dict[str, Any]:
    """As the fields of a tag: 1..5, or in words that it is unknown."""
    names = (UNKNOWN, *LIKELIHOODS)
    name = names[stated] if isinstance(stated, int) and 0 <= stated < len(names) else str(stated).lower()
    return {"likelihood": LIKELIHOODS.index(name) + 1} if name in LIKELIHOODS else {"value": UNKNOWN}


def _text(answer: Mapping[str, Any], size: Size) -> Iterator[Tag]:
    """The whole text first, then each word."""
    annotations = answer.get("textAnnotations", ())
    whole = answer.get("fullTextAnnotation", {}).get("text", "")
    if not annotations and whole:
        yield Tag(feature="text", label="page", value=whole)
    for number, one in enumerate(annotations, 1):
        yield Tag(feature="text", number=number, label="page" if number == 1 else "word", value=one.get("description"),
                  **boxed(_corners(one), size))  # fmt: skip


def _web(web: Mapping[str, Any]) -> Iterator[Tag]:
    """Entities; what they match has an address. How relevant an entity is, is no share and comparable to no other's."""
    numbers = count(1)
    for one in web.get("webEntities", ()):
        entity = Tag(feature="web", number=next(numbers), label=one.get("description") or one.get("entityId"))
        yield replace(entity, label_id=one.get("entityId"))
        if "score" in one:
            yield replace(entity, attribute="relevance", value=f"{one['score']:g}")
    for one in web.get("bestGuessLabels", ()):
        yield Tag(feature="web", number=next(numbers), label="best_guess", value=one.get("label"))
    for name, label in _MATCHES.items():
        for one in web.get(name, ()):
            yield Tag(feature="web", number=next(numbers), label=label, value=one.get("url"))
