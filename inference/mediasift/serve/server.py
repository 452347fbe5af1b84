"""Running a service: its socket, its workers, and its end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from mediasift.errors import UsageError
from mediasift.serve.app import made
from mediasift.serve.metrics import Metrics, log
from mediasift.serve.pool import Pool
from mediasift.serve.settings import KEY_VARIABLE, Serve

_IDLE_S = 75
"""How long a connection without requests stays open: longer than proxies keep theirs, which else get resets."""


class _Server(uvicorn.Server):
    """One whose signals end it, rather than be raised again when it has ended."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """SIGINT and SIGTERM: what was accepted is answered, then it ends; the second time, at once."""
        before = {one: signal.signal(one, self._end) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, *_: object) -> None:
        self.force_exit, self.should_exit = self.should_exit, True


class _Lines(logging.Handler):
    """What libraries complain of, as lines of our log."""

    def emit(self, record: logging.LogRecord) -> None:
        """A line."""
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        log(record.getMessage(), level=record.levelname.lower(), **({"traceback": trace} if trace else {}))


def run(settings: Serve) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        UsageError: The address is not ours, or its port is in use; the key cannot be read.
        SetupError: A model or an engine is not here, or cannot run.
    """
    key, listener = settings.api_key(), _bound(settings)
    with listener, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(settings, key, listener))


def _loop_factory() -> Any:
    """What makes the event loop: uvloop where there is one, which takes a tenth less processor time for a request."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return None
    return uvloop.new_event_loop


def _bound(settings: Serve) -> socket.socket:
    """A socket at the address, on which nothing listens yet."""
    listener = None
    try:
        (family, *_, address), *_ = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # with the protocol named, as asyncio turns Nagle's algorithm off only then: else answers wait 40 ms for an ACK
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise UsageError(
            f"cannot listen at {settings.host} port {settings.port} ({error.strerror}); name another --port or --host"
        ) from error
    return listener


async def _run(settings: Serve, key: str | None, listener: socket.socket) -> None:
    metrics = Metrics()
    pool = Pool(settings, metrics.happened)
    logging.getLogger().addHandler(_Lines(logging.WARNING))
    logging.captureWarnings(True)
    try:
        await pool.start()
        server = _Server(uvicorn.Config(
            made(settings, pool, metrics, key), log_config=None, access_log=False, lifespan="off", ws="none",
            server_header=False, timeout_keep_alive=_IDLE_S, loop="asyncio",
        ))  # fmt: skip
        listener.listen(server.config.backlog)
        host, port, *_ = listener.getsockname()
        log("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}",
            models=[one["name"] for one in pool.models], ocr=settings.ocr, key=key is not None)  # fmt: skip
        if key is None and not ipaddress.ip_address(host).is_loopback:
            log(f"all who reach this address may use the service; ask for a key with --api-key-file or {KEY_VARIABLE}",
                level="warning")  # fmt: skip
        await server.serve(sockets=[listener])
        log("ended")
    finally:
        await pool.close()
