"""Answers that other programs kept: whose they are, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mediasift.engines.vision import azure_answers, google_answers, rekognition_answers
from mediasift.engines.vision.service import moment
from mediasift.engines.vision.tags import Reply, Tag

PARSERS: dict[str, Callable[[Mapping[str, Any], tuple[int, int] | None], Iterator[Tag]]] = {
    "google-vision": google_answers.parse, "rekognition": rekognition_answers.parse,
    "azure-vision": azure_answers.parse,
}  # fmt: skip
"""Service → what an answer of it says."""

_FEATURES: dict[str, Mapping[str, str | tuple[str, ...]]] = {
    "google-vision": google_answers.PARTS, "rekognition": rekognition_answers.PARTS,
    "azure-vision": azure_answers.PARTS,
}  # fmt: skip


def stored_reply(service: str, answer: Mapping[str, Any]) -> tuple[Reply, tuple[str, ...], tuple[int, int] | None]:
    """An answer that was kept, the features that it has, and the (width, height) of its picture, where it says so."""
    about = answer.get("ResponseMetadata") or {}
    models = (answer.get(name) for name in ("modelVersion", *rekognition_answers.VERSIONS))
    date = (about.get("HTTPHeaders") or {}).get("date")
    plain = {name.replace("_", "").lower() for name in answer}
    features: list[str] = []
    for key, of in _FEATURES[service].items():
        if key.lower() in plain:
            features += (of,) if isinstance(of, str) else of
    known = {key.lower() for key in _FEATURES[service]} | _ABOUT
    left = [name for name, value in answer.items() if name.replace("_", "").lower() not in known and value]
    size = answer.get("metadata") or {}
    reply = Reply(
        raw=answer, model=next((str(one) for one in models if one), ""), answered=moment(date) if date else "",
        request_id=str(answer.get("requestId") or about.get("RequestId") or ""),
        note=f"not read: {', '.join(left)}" if left else "",
    )  # fmt: skip
    sides = (size["width"], size["height"]) if size.get("width") and size.get("height") else None
    return reply, tuple(dict.fromkeys(features)), sides


_ABOUT = {
    "modelversion", "labelmodelversion", "textmodelversion", "moderationmodelversion", "metadata", "requestid",
    "responsemetadata", "context", "error", "orientationcorrection", "unrecognizedfaces", "contenttypes",
}  # fmt: skip
"""Keys of answers that are no features."""
