"""Fetches from web servers: politely, never from where it must not, and with each failure as a sentence.

Names are looked up here and each address is checked before a connection to that very address is made, at every
redirect again: a name that first leads to a public address and then to a private one leads nowhere.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from mediasift import __version__
from mediasift.errors import NotFound, TooLarge, Unavailable, Unreadable
from mediasift.sources.addresses import hidden
from mediasift.sources.connections import Silent, explained, new_pool
from mediasift.sources.settings import RemoteSettings
from mediasift.system.network import refuse_if_offline

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

_SLOWEST_BYTES, _SLOW_S = 4096, 60.0
"""So many bytes must come in so many seconds."""

_PAUSES_S = (0.5, 1.0, 2.0)
"""Between attempts, where the server does not say when."""

_PATIENCE_S = 60.0
"""The longest that a server may make us wait between two attempts."""

_MOST_REDIRECTS = 10

_STRIKES, _REST_S = 3, 60.0
"""After so many inputs in a row that a server did not answer at all, it is left alone for so many seconds."""

_PIECE_BYTES = 1 << 16

_PASSING = frozenset({408, 425, 429})
"""Answers below 500 that pass by themselves."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Alive = Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a server answers.

    Attributes:
        url: Where it came from, after redirects.
        status: 200, 206, 304, 412 or 416; all else is an error.
        headers: As they were sent.
    """

    url: str
    status: int
    response: BaseHTTPResponse

    def header(self, name: str) -> str:
        """The value of a header; empty where there is none."""
        return str(self.response.headers.get(name, ""))

    @property
    def length(self) -> int | None:
        """Bytes of the body, where the server says."""
        text = self.header("Content-Length")
        return int(text) if text.isdecimal() else None

    def pieces(self, alive: Alive, *, decoded: bool = False) -> Iterator[bytes]:
        """The body, as it comes.

        Raises:
            Unavailable: The connection was cut, or is too slow.
        """
        since, count = time.monotonic(), 0
        while True:
            with explained(self.url):
                piece = self.response.read1(_PIECE_BYTES, decode_content=decoded)
            if not piece:
                return
            count += len(piece)
            if (now := time.monotonic()) - since > _SLOW_S:
                if count < _SLOWEST_BYTES:
                    raise Unavailable(f"the server sends {count} bytes in {_SLOW_S:g} s, which is too slow")
                since, count = now, 0
            alive()
            yield piece


class _Host:
    """How a server is treated: so many connections at a time, so many requests a second, and pauses it asked for."""

    def __init__(self, access: RemoteSettings) -> None:
        self._room = threading.BoundedSemaphore(access.per_host)
        self._pause_s = 1 / access.rate if access.rate else 0.0
        self._lock = threading.Lock()
        self._next = self._rests_until = 0.0
        self._why, self._strikes = "", 0

    @contextlib.contextmanager
    def turn(self, alive: Alive) -> Iterator[None]:
        """Wait for a connection, and until a request may be sent.

        Raises:
            Unavailable: The server is left alone at present.
        """
        with self._lock:
            if self._rests_until > time.monotonic():
                raise Unavailable(self._why)
        while not self._room.acquire(timeout=1):
            alive()
        try:
            with self._lock:
                at = max(self._next, time.monotonic())
                self._next = at + self._pause_s
            wait_until(at, alive)
            yield
        finally:
            self._room.release()

    def wait(self, seconds: float) -> None:
        """Send nothing for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def rest(self, seconds: float, why: str) -> None:
        """Ask nothing for so long, and say why."""
        with self._lock:
            self._rests_until, self._why = time.monotonic() + seconds, why

    def answered(self, *, at_all: bool) -> None:
        """Note whether an input got any answer."""
        with self._lock:
            self._strikes = 0 if at_all else self._strikes + 1
        if self._strikes >= _STRIKES:
            self.rest(_REST_S, "the server did not answer for the last inputs, and is left alone for a minute")


def wait_until(moment: float, alive: Alive) -> None:
    """Sleep until a moment of the monotonic clock."""
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        alive()


class _Passing(Unavailable):
    """An answer that passes by itself; `after_s` is when, where the server says."""

    def __init__(self, message: str, after_s: float | None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Client:
    """Connections to web servers, for any number of threads.

    Args:
        access: What may be fetched, and how fast.
    """

    def __init__(self, access: RemoteSettings) -> None:
        self._pool = new_pool(allow_private=access.allow_private, connections=access.per_host)
        made, self._making = defaultdict[str, _Host](lambda: _Host(access)), threading.Lock()
        self._hosts = made

    def _host(self, url: str) -> _Host:
        with self._making:
            return self._hosts[urlsplit(url).netloc.rpartition("@")[2].lower()]

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str], alive: Alive = lambda: None) -> Iterator[Answer]:
        """The answer to a GET, whose connection is free again behind the block.

        Raises:
            NotFound, Unreadable: There is nothing there, or it is not for us.
            Unavailable: It cannot be had at present, after several attempts.
            UsageError: Offline.
        """
        refuse_if_offline(hidden(url))
        _checked_url(url)
        host = self._host(url)
        for pause_s in (*_PAUSES_S, None):
            with contextlib.ExitStack() as stack:
                try:
                    answer = self._follow(url, headers, alive, stack)
                except (Silent, _Passing) as error:
                    after_s: float | None = getattr(error, "after_s", None)
                    if after_s is not None and after_s > _PATIENCE_S:
                        why = f"{error}; it wants to be left alone for {after_s:,.0f} s"
                        host.rest(after_s, why)
                        raise Unavailable(why) from error
                    if pause_s is None:
                        host.answered(at_all=not isinstance(error, Silent))
                        raise Unavailable(str(error)) from error
                    wait_s = pause_s if after_s is None else after_s
                else:
                    host.answered(at_all=True)
                    yield answer
                    return
            if after_s is not None:
                host.wait(wait_s)
            wait_until(time.monotonic() + wait_s, alive)

    def _follow(self, url: str, headers: Mapping[str, str], alive: Alive, stack: contextlib.ExitStack) -> Answer:
        """The answer behind the redirects; the stack keeps its connection."""
        first, seen = _origin(url), set[str]()
        while True:
            seen.add(url)
            with contextlib.ExitStack() as here:
                here.enter_context(self._host(url).turn(alive))
                own = _authorization(url) if _origin(url) == first else {}
                response = self._asked(url, {**headers, **own})
                here.callback(response.close)
                if response.status not in _REDIRECTS:
                    _check(response, url)
                    stack.push(here.pop_all())
                    return Answer(url, response.status, response)
                url = _redirected(url, response.headers.get("Location"))
            if url in seen or len(seen) > _MOST_REDIRECTS:
                way = "in a circle" if url in seen else f"more than {_MOST_REDIRECTS} times"
                raise Unreadable(f"the server redirects {way}")

    def _asked(self, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        parts = _checked_url(url)
        with explained(url):
            return self._pool.request(
                "GET", parts, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity", "Accept": "*/*", **headers},
                redirect=False, retries=False, preload_content=False, decode_content=False,
            )  # fmt: skip


_AGENT = f"mediasift/{__version__}"


_MAKING = threading.Lock()
_client = lru_cache(maxsize=32)(Client)


def client(access: RemoteSettings) -> Client:
    """The client for such settings; one for all that are equal, so that they share connections and politeness."""
    with _MAKING:  # a cache alone makes several where several threads ask at once
        return _client(access)


def forget_clients() -> None:
    """Close all connections, and begin again with each server."""
    _client.cache_clear()


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _authorization(url: str) -> dict[str, str]:
    """The header for `user:password@` in an address."""
    import base64

    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _checked_url(url: str) -> str:
    """The address as it is asked for: its host in ASCII, without what stands before @ and behind #."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
        port = "" if parts.port is None else f":{parts.port}"
    except (ValueError, UnicodeError) as error:
        raise Unreadable(f"the address is not one ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Unreadable("the address names no server")
    place = f"[{host}]{port}" if ":" in host else f"{host}{port}"
    path, query = (quote(part, safe="/%:;@!$&'()*+,=~?[]|^`{}\\\"<>") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, place, path or "/", query, ""))


def _redirected(url: str, location: str | None) -> str:
    if not location:
        raise Unreadable("the server redirects without an address")
    try:
        target = urljoin(url, location.encode("latin-1").decode("utf-8", "replace"))
        scheme = urlsplit(target).scheme
    except (ValueError, UnicodeError) as error:
        raise Unreadable("the server redirects to what is no address") from error
    if scheme not in ("http", "https"):
        raise Unreadable(f"the server redirects to {scheme or 'nothing'}:, which is not the web")
    if scheme == "http" and urlsplit(url).scheme == "https" and (urlsplit(url).username or "?" in url):
        raise Unreadable("the server redirects from https to http, which would show the address to others")
    return target


def _check(response: BaseHTTPResponse, url: str) -> None:
    """Raise what an answer means that holds nothing to read."""
    status = response.status
    if status in (200, 206, 304, 412, 416):
        return
    text = f"the server answers {status} ({http.client.responses.get(status, 'unknown')})"
    if status in (404, 410):
        raise NotFound(text)
    if status in (401, 403, 407, 451):
        known = "" if urlsplit(url).username or "?" in url else "; it may want a key or a signed address"
        raise Unreadable(f"{text}{known if status != 451 else ''}")
    if status in _PASSING or status >= 500:
        raise _Passing(text, _seconds(response.headers.get("Retry-After")))
    raise Unreadable(text)


def _seconds(retry_after: str | None) -> float | None:
    """Of a header (RFC 9110, 10.2.3): a number of seconds, or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None


def check_size(size: int | None, access: RemoteSettings) -> None:
    """Raise a TooLarge for more bytes than may be fetched."""
    if size is not None and size > access.max_file_gb * 1e9:
        raise TooLarge(f"{size:,} bytes are more than {access.max_file_gb:g} GB (--max-file)")
