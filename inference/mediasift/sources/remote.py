"""Web addresses as inputs: `https://...`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from mediasift.errors import NotFound, Unreadable, UsageError
from mediasift.sources.content import SCHEMES, Alive
from mediasift.sources.fetched import Fetched
from mediasift.sources.memory import Bytes
from mediasift.sources.origins import Changed, Given, Version
from mediasift.sources.settings import AS_USUAL, RemoteSettings
from mediasift.sources.web import Answer, client

_PART = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
"""RFC 9110, 14.4."""


@dataclass(frozen=True, slots=True)
class WebFile(Fetched):
    """What a web server gives."""

    def origin(self) -> _Server:
        """See `Fetched`."""
        return _Server(self.url, self.access)


@dataclass(slots=True)
class _Server:
    """One address, and where it was redirected to."""

    url: str
    access: RemoteSettings
    _now_at: str = field(default="", init=False)

    @contextmanager
    def ask(self, first: int, end: int | None, version: Version | None, alive: Alive) -> Iterator[Given]:
        """See `fetched.Origin`."""
        headers = {} if end is None and not first else {"Range": f"bytes={first}-{'' if end is None else end - 1}"}
        if version is not None and version.is_sure:  # a server may heed either
            if version.tag and not version.tag.startswith("W/"):
                headers |= {"If-Match": version.tag, "If-Range": version.tag}
            else:
                headers |= {"If-Unmodified-Since": version.date, "If-Range": version.date}
        with ExitStack() as stack:
            answer = self._answer(headers, alive, stack)
            if answer.status == 206 and (_is_coded(answer) or _place(answer)[1] is None):
                stack.close()  # a part of what is coded, or of what has no end, is of no use
                answer = self._answer({}, alive, stack)
            yield _given(answer, first, version, alive)

    def _answer(self, headers: Mapping[str, str], alive: Alive, stack: ExitStack) -> Answer:
        """From where the last answer came from; where that is no more, by the redirects again."""
        web = client(self.access)
        if self._now_at not in ("", self.url):
            with suppress(NotFound, Unreadable):
                return stack.enter_context(web.get(self._now_at, headers, alive))
        answer = stack.enter_context(web.get(self.url, headers, alive))
        self._now_at = answer.url
        return answer


def _is_coded(answer: Answer) -> bool:
    """Whether the body is compressed, though that was not wanted."""
    return answer.header("Content-Encoding").strip().lower() not in ("", "identity")


def _place(answer: Answer) -> tuple[int, int | None]:
    """Where a part begins, and how long the whole is."""
    part = _PART.match(answer.header("Content-Range").strip())
    if part is None:
        raise Unreadable("the server gives a part, but does not say which")
    return int(part[1] or 0), None if part[2] == "*" else int(part[2])


def _given(answer: Answer, first: int, version: Version | None, alive: Alive) -> Given:
    """What an answer gives of the version that is wanted.

    Raises:
        Changed: It is of another one.
        Unreadable: It is another part.
    """
    if answer.status == 412:
        raise Changed
    start, size, pieces = (
        0,
        None if _is_coded(answer) else answer.length,
        answer.pieces(alive, decoded=_is_coded(answer)),
    )
    if answer.status in (206, 416):
        start, size = _place(answer)
    here = Version(tag=answer.header("ETag"), size=size, date=answer.header("Last-Modified"))
    if version is not None and (here.tag, here.date) != (version.tag, version.date):
        raise Changed
    if version is not None and size is not None and size != version.size:
        raise Changed
    if answer.status == 416:
        if size or version is not None:
            raise Changed
        pieces = iter(())  # an empty file has no first byte
    if start > first:
        raise Unreadable(f"the server gives bytes from {start:,} on, instead of {first:,}")
    return Given(version=here, first=start, pieces=pieces)


def fetch_bytes(url: str, access: RemoteSettings = AS_USUAL, *, most: int = 50_000_000) -> Bytes:
    """What a web address holds, in memory: for a service that is given addresses by others.

    Args:
        url: `http://` or `https://`; no other address is fetched.
        access: How. Unless `allow_private`, nothing of a private network is reached.
        most: Bytes.

    Raises:
        UsageError: It is no such address, or offline.
        ItemError: See `Fetched`; a TooLarge for more than `most` bytes.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UsageError("an address begins with http:// or https://")
    content = WebFile(url, replace(access, max_file_gb=min(access.max_file_gb, most / 1e9), keep_files=None))
    return Bytes(f"{content.name.partition('?')[0]}", content.read())


SCHEMES |= {"http://": WebFile, "https://": WebFile}
