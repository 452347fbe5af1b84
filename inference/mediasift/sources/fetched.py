"""Content that is fetched: what web addresses and objects in buckets have in common."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, cast

from mediasift.errors import ItemError, MediasiftError
from mediasift.sources.addresses import hidden, path_of
from mediasift.sources.content import Alive, Content, Reach
from mediasift.sources.formats import HEAD_BYTES
from mediasift.sources.origins import Given, Origin, Version
from mediasift.sources.session import BLOCK, Cursor, Session
from mediasift.sources.settings import AS_USUAL, RemoteSettings

_AHEAD = 16
"""Threads that ask for the first blocks of inputs that are read soon."""


@dataclass(slots=True, eq=False)
class _Desk:
    """What several uses of one input share.

    Attributes:
        session: What they fetched; None while there is none.
        users: How many there are.
        ahead: The first block is asked for.
        state: What was seen of it; None before anything was.
        requests, bytes: That were sent for it, and that came.
    """

    session: Session | None = None
    users: int = 0
    ahead: tuple[Future[None], ExitStack] | None = None
    state: Any = None
    requests: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Where an object lies, with requests and bytes counted; see `origins.Origin`."""

    origin: Origin
    desk: _Desk

    @contextmanager
    def ask(self, first: int, end: int | None, version: Version | None, alive: Alive) -> Iterator[Given]:
        """See `origins.Origin`."""
        self.desk.requests += 1
        with self.origin.ask(first, end, version, alive) as given:
            yield replace(given, pieces=self._pieces(given.pieces))

    def _pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.desk.bytes += len(piece)
            yield piece


UNREAD = "unread"
"""The state of what could not be read."""


@dataclass(frozen=True, slots=True)
class Fetched(Content):
    """Content that is fetched.

    Attributes:
        url: Its address, with whatever opens it.
        access: How it is fetched.
    """

    url: str = field(repr=False)
    access: RemoteSettings = AS_USUAL
    _desk: _Desk = field(default_factory=_Desk, repr=False, compare=False)

    asks: ClassVar[bool] = True

    def origin(self) -> Origin:
        """Where it lies; each kind has its own."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The address, as it may be shown."""
        return hidden(self.url)

    @property
    def suffix(self) -> str:
        """Of the last name in the address."""
        return path_of(self.url).suffix

    @property
    def address(self) -> str:
        """See `Content`."""
        return self.url

    @property
    def size(self) -> int | None:
        """See `Content`."""
        with suppress(ItemError), self.session() as session:
            return session.size
        return None

    def under(self, access: RemoteSettings) -> Self:
        """See `Content`."""
        return replace(self, access=access)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """What was fetched so far; shared by all who use it at the same time."""
        desk = self._desk
        with desk.lock:
            if desk.session is None:
                desk.session = Session(_Counted(self.origin(), desk), self.name, self.access)
            desk.users += 1
            session = desk.session
        try:
            yield session
        finally:
            with desk.lock:
                if session.version is not None:
                    desk.state = _state(session.version)
                desk.users -= 1
                if desk.users == 0:
                    desk.session = None
                    session.close()

    @contextmanager
    def held(self, alive: Alive) -> Iterator[None]:
        """See `Content`."""
        with ExitStack() as stack, self.session() as session:
            session.alive = alive
            if (ahead := self._desk.ahead) is not None:
                self._desk.ahead = None
                future, use = ahead
                stack.enter_context(use)
                while wait([future], timeout=1).not_done:
                    alive()
            try:
                yield
            finally:
                self._desk.state = self._desk.state or (UNREAD if session.version is None else _state(session.version))

    def ask_ahead(self) -> None:
        """See `Content`."""
        use = ExitStack()
        session = use.enter_context(self.session())

        def start() -> None:
            with suppress(MediasiftError):  # it is raised where the content is read
                session.start()

        self._desk.ahead = _THREADS.submit(start), use

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """See `Content`."""
        with self.session() as session:
            session.start()
            yield cast("BinaryIO", io.BufferedReader(Cursor(session), BLOCK))

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """See `Content`."""
        with self.session() as session:
            return session.read_at(0, size)

    def read(self) -> bytes:
        """See `Content`."""
        with self.session() as session:
            return session.all()

    @contextmanager
    def local(self) -> Iterator[Path]:
        """See `Content`."""
        with self.session() as session:
            yield session.local()

    @contextmanager
    def reached(self) -> Iterator[Path | Reach]:
        """See `Content`."""
        with self.session() as session:
            if session.is_partial:
                yield lambda: cast("BinaryIO", Cursor(session))
            else:
                yield session.local()

    def state(self) -> Any:
        """[ETag, bytes, date] as it was read; else as the server says now, at the price of a request."""
        session, seen = self._desk.session, self._desk.state
        if seen is None:
            version = session.version if session is not None and session.version is not None else self._version_now()
            seen = None if version is None else _state(version)
        return seen

    @property
    def fetched(self) -> tuple[int, int]:
        """See `Content`."""
        return self._desk.requests, self._desk.bytes

    def note(self, state: Any, fetched: Sequence[int] = (0, 0)) -> None:
        """See `Content`."""
        self._desk.state = state
        self._desk.requests, self._desk.bytes = fetched

    def has_changed_since(self, moment: datetime) -> bool:
        """Whether the server says so; one that tells no date is believed to have the same."""
        version = self._version_now()
        with suppress(ValueError, TypeError):
            return version is not None and parsedate_to_datetime(version.date) >= moment
        return False

    def _version_now(self) -> Version | None:
        """What the server has now; None where it cannot be asked at present, or has nothing."""
        with suppress(ItemError), self.origin().ask(0, 1, None, lambda: None) as given:
            return given.version
        return None


def _state(version: Version) -> list[Any]:
    return [version.tag, version.size, version.date]


_THREADS = ThreadPoolExecutor(_AHEAD, thread_name_prefix="mediasift-fetch")  # which start when they are needed
