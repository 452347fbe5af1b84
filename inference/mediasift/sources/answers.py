"""Answers of services as other programs kept them: one JSON, JSON Lines, or a folder of such files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mediasift.errors import Damaged, InputError, ItemError, NotMedia
from mediasift.sources.content import SCHEMES, Content, LocalFile
from mediasift.sources.records import JSON_LINES

SUFFIXES = (".json", *JSON_LINES)

KEYS: dict[str, tuple[str, ...]] = {
    "google-vision": (
        "labelAnnotations", "localizedObjectAnnotations", "faceAnnotations", "textAnnotations", "fullTextAnnotation",
        "safeSearchAnnotation", "landmarkAnnotations", "logoAnnotations", "webDetection", "imagePropertiesAnnotation",
        "cropHintsAnnotation", "productSearchResults",
    ),
    "rekognition": ("Labels", "FaceDetails", "TextDetections", "ModerationLabels", "CelebrityFaces"),
    "azure-vision": (
        "tagsResult", "objectsResult", "peopleResult", "readResult", "captionResult", "denseCaptionsResult",
        "smartCropsResult",
    ),
}  # fmt: skip
"""Service → by what its answers are known, one of these at least."""

_OLD_AZURE = ("tags", "categories", "objects", "faces", "adult", "brands", "description", "color", "imageType")
"""Of Azure's version 3.x, whose answers also have `metadata` or `requestId`."""

_NAMES = (
    "path", "file", "filename", "file_name", "image", "image_path", "image_id", "name", "id", "key", "uri", "url",
)  # fmt: skip
"""Keys beside an answer that may hold the picture's name, the likeliest first."""

_SCHEME = "\0answers:"


@dataclass(frozen=True, slots=True)
class Answers(Content):
    """A file of answers.

    Attributes:
        file: It.
        picture: What its one answer is about, unless that is stated beside it.
    """

    file: LocalFile
    picture: str

    @property
    def name(self) -> str:
        """The file's."""
        return self.file.name

    @property
    def address(self) -> str:
        """See `Content`."""
        return _SCHEME + json.dumps([self.file.address, self.picture])

    def state(self) -> Any:
        """The file's."""
        return self.file.state()

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The file."""
        return self.file.open()


def _at(address: str) -> Answers:
    path, picture = json.loads(address.removeprefix(_SCHEME))
    return Answers(LocalFile(Path(path)), picture)


SCHEMES[_SCHEME] = _at


def answer_files(name: str) -> Iterator[Answers]:
    """The file, or those in the folder, sorted; `photos/a.jpg.json` is about `photos/a.jpg`.

    Raises:
        InputError: There is none.
    """
    root = Path(name)
    if not root.exists():
        raise InputError(f"{name}: no such file or folder")
    files = sorted(one for one in root.rglob("*") if one.suffix.lower() in SUFFIXES) if root.is_dir() else [root]
    if not files:
        raise InputError(f"{name}: no file in it ends in {', '.join(SUFFIXES)}")
    for file in files:
        about = file.relative_to(root) if root.is_dir() else Path(file.name)
        yield Answers(LocalFile(file), os.fspath(about.with_suffix("")) if file.suffix.lower() in SUFFIXES else name)


class Kept(NamedTuple):
    """An answer, or why it is none; the picture it is about, and the page where it has several."""

    picture: str
    page: int | None
    service: str
    answer: Mapping[str, Any]
    error: ItemError | None = None


def read_answers(content: Answers) -> Iterator[Kept]:
    """Each answer in a file.

    Raises:
        Damaged: It is no JSON.
    """
    text = content.read().decode("utf-8-sig", "replace")
    is_lines = content.suffix.lower() in JSON_LINES
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, part in lines if is_lines else [(1, text)]:
        try:
            value = json.loads(part)
        except (ValueError, RecursionError) as error:
            raise Damaged(f"line {number} is no JSON ({error})" if is_lines else f"no JSON ({error})") from error
        yield from _split(value, f"{content.picture}#{number}" if len(lines) > 1 and is_lines else content.picture)


def _split(value: Any, picture: str) -> Iterator[Kept]:
    """An answer, or several with their names, whatever is around them."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):  # JSON in a text
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = {}
    if isinstance(value, Sequence) and not isinstance(value, str):
        for number, one in enumerate(value, 1):
            yield from _split(one, f"{picture}#{number}" if len(value) > 1 else picture)
        return
    if not isinstance(value, Mapping):
        yield _no_answer(picture)
        return
    context = value.get("context") or {}
    picture = str(context.get("uri") or _name_in(value) or picture)
    if service := service_of(value):
        yield Kept(picture, context.get("pageNumber"), service, value)
    elif isinstance(responses := value.get("responses"), list):
        for number, one in enumerate(responses, 1):
            named = f"{picture}#{number}" if len(responses) > 1 else picture
            yield Kept(named, None, "google-vision", {}) if one == {} else next(_split(one, named))
    elif inside := [one for one in value.values() if isinstance(one, (Mapping, list, str)) and _holds(one)]:
        for key, one in value.items():
            if one in inside:
                yield from _split(one, picture if len(inside) == 1 and _name_in(value) else key)
    else:
        yield _no_answer(picture)


def _no_answer(picture: str) -> Kept:
    known = "Google Vision, Rekognition or Azure's Image Analysis"
    return Kept(picture, None, "", {}, NotMedia(f"holds no answer of {known} that is known here"))


def _name_in(value: Mapping[str, Any]) -> str:
    return next((value[name] for name in _NAMES if isinstance(value.get(name), str) and value[name][:1] != "{"), "")


def _holds(value: Any) -> bool:
    """Whether there is an answer somewhere inside."""
    return any(one.error is None for one in _split(value, ""))


def service_of(answer: Mapping[str, Any]) -> str:
    """Whose answer it is; empty where none is known here."""
    plain = {name.replace("_", "").lower() for name in answer}
    for service, keys in KEYS.items():
        if plain & {key.lower() for key in keys} and (service != "rekognition" or set(answer) & set(keys)):
            return service
    if plain & {"metadata", "requestid"} and set(answer) & set(_OLD_AZURE):
        return "azure-vision"
    error = answer.get("error")
    return "google-vision" if isinstance(error, Mapping) and "message" in error and "code" in error else ""
