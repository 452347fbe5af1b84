"""What comes in: how much at a time, how large, and the pictures of a body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from mediasift.errors import ItemError, UsageError
from mediasift.serve.metrics import Metrics
from mediasift.serve.settings import Serve
from mediasift.sources.addresses import hidden
from mediasift.sources.remote import fetch_bytes
from mediasift.sources.settings import RemoteSettings

_MOST_PARTS = 256
_BODIES = 8
"""As many bodies of the largest size are held at a time; of smaller ones more."""


class Refused(Exception):
    """A request that cannot be answered with rows.

    Attributes:
        status: The HTTP status.
        headers: Of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


class Picture(NamedTuple):
    """One of a request; its name is empty where it has none. `error` says why there is no data."""

    name: str
    data: bytes
    error: ItemError | None = None


class Gate:
    """Holds so many requests, and so many bytes, at a time."""

    def __init__(self, settings: Serve, metrics: Metrics) -> None:
        self._most, self._body_bytes = settings.max_requests, round(settings.max_body_mb * 1e6)
        self._metrics = metrics
        self._held = self._bytes = 0

    @contextmanager
    def hold(self, request: Request) -> Iterator[None]:
        """Room for a request; raises `Refused` where there is none."""
        size = self._size(request)
        if self._held >= self._most or (self._held and self._bytes + size > _BODIES * self._body_bytes):
            raise Refused(503, f"the service is busy with {self._held} requests; try again", {"Retry-After": "1"})
        self._held, self._bytes = self._held + 1, self._bytes + size
        self._metrics.held.set(self._held)
        try:
            yield
        finally:
            self._held, self._bytes = self._held - 1, self._bytes - size
            self._metrics.held.set(self._held)

    def _size(self, request: Request) -> int:
        """As the request announces it, else the most that it may be."""
        length = request.headers.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() else self._body_bytes
        if size > self._body_bytes:
            raise self._too_large()
        return size

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is larger than {self._body_bytes / 1e6:g} MB (--max-body-mb)")

    async def read(self, request: Request) -> bytes:
        """The body."""
        if (coding := request.headers.get("content-encoding", "identity")) != "identity":
            raise Refused(415, f"a body coded as {coding}; send it as it is")
        pieces, size = list[bytes](), 0
        async for piece in request.stream():
            pieces.append(piece)
            size += len(piece)
            if size > self._body_bytes:
                raise self._too_large()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def pictures_of(content_type: str, body: bytes) -> list[Picture]:
    """The pictures of a body; one that is neither multipart nor JSON is one itself."""
    kind, parameters = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        pictures = _parts(parameters.get(b"boundary", b""), body)
        if not pictures:
            raise Refused(400, "the form has no file; send each picture as a file of the form")
        return pictures
    if kind == b"application/json":
        raise Refused(
            415, "the body is JSON; send the bytes of the picture, or a form with files; addresses with --allow-urls"
        )
    if not body:
        raise Refused(400, "the body is empty; send the bytes of a picture")
    return [Picture("", body)]


def is_json(content_type: str) -> bool:
    """Whether the body is JSON."""
    return parse_options_header(content_type)[0] == b"application/json"


def addresses_of(body: bytes) -> list[str]:
    """The addresses of pictures in a body `{"image_url": ADDRESS}`, or a list of them there."""
    asked = parsed(body)
    urls = asked.get("image_url")
    urls = [urls] if isinstance(urls, str) else urls
    if set(asked) != {"image_url"} or not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise Refused(400, 'the body must be {"image_url": "https://..."}, or a list of addresses there')
    if not 1 <= len(urls) <= _MOST_PARTS:
        raise Refused(413 if urls else 400, f"{len(urls)} addresses; send 1 to {_MOST_PARTS} in a request")
    return urls


def fetched(url: str, access: RemoteSettings, most: int) -> Picture:
    """What an address holds, `most` bytes of it at most; waits for it."""
    try:
        content = fetch_bytes(url, access, most=most)
    except UsageError as error:
        raise Refused(400, f"{hidden(url)}: {error}") from error
    except ItemError as error:
        return Picture(hidden(url), b"", error)
    return Picture(content.name, content.data)


def _parts(boundary: bytes, body: bytes) -> list[Picture]:
    """The files of a form (RFC 7578)."""
    pictures, headers = list[Picture](), dict[str, bytes]()
    name, value, data = bytearray(), bytearray(), bytearray()

    def header_ends() -> None:
        headers[name.decode("latin-1").lower()] = bytes(value)
        name.clear()
        value.clear()

    def part_ends() -> None:
        _, named = parse_options_header(headers.get("content-disposition", b""))
        if b"filename" not in named and headers.get("content-type", b"text/plain").startswith(b"text/plain"):
            field = named.get(b"name", b"").decode("utf-8", "replace")
            raise Refused(400, f"the form's field {field!r} is no file; options go into the address, as in ?top=5")
        if len(pictures) == _MOST_PARTS:
            raise Refused(413, f"more than {_MOST_PARTS} pictures in one request; send several requests")
        pictures.append(Picture(named.get(b"filename", b"").decode("utf-8", "surrogateescape"), bytes(data)))
        headers.clear()
        data.clear()

    is_whole = []
    callbacks: Any = {
        "on_header_field": lambda piece, start, end: name.extend(piece[start:end]),
        "on_header_value": lambda piece, start, end: value.extend(piece[start:end]),
        "on_header_end": header_ends,
        "on_part_data": lambda piece, start, end: data.extend(piece[start:end]),
        "on_part_end": part_ends,
        "on_end": lambda: is_whole.append(True),
    }
    try:
        MultipartParser(boundary, callbacks).write(body)
    except FormParserError as error:
        raise Refused(400, f"the form cannot be read ({error})") from error
    if not is_whole:
        raise Refused(400, "the form ends in the middle of a part")
    return pictures


def parsed(text: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Refused: It is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise Refused(400, "the body is no JSON object")
    return value
