"""No network: `--offline`, or `MEDIASIFT_OFFLINE=1`. Whatever could open a connection asks here first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mediasift.errors import UsageError

VARIABLE = "MEDIASIFT_OFFLINE"


def is_offline() -> bool:
    """Whether no connection may be opened."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def refuse_if_offline(purpose: str) -> None:
    """Raise a UsageError where no connection may be opened; `purpose` says what needs one."""
    if is_offline():
        raise UsageError(f"{purpose} needs the network, and --offline (or {VARIABLE}) forbids it")


def no_telemetry() -> None:
    """Keep ONNX Runtime from reporting to its makers; call it before onnxruntime is imported, by whomever.

    Since 1.29 its Linux packages send names and hashes of models, and events of their use, unless this variable is
    set: https://github.com/microsoft/onnxruntime/pull/27379. Research data stay here.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@contextmanager
def no_address_tried() -> Iterator[None]:
    """For an import of what imports urllib3, which else binds to `::1` to learn whether there is IPv6."""
    import socket

    known, socket.has_ipv6 = socket.has_ipv6, False
    try:
        yield
    finally:
        socket.has_ipv6 = known


def forbid_sockets() -> None:
    """From now on, for the rest of this process, Python code that opens a connection fails: for the worker only."""

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
            raise UsageError(f"something tried to use the network ({event}), and --offline (or {VARIABLE}) forbids it")

    import socket

    sys.addaudithook(hook)
    socket.has_ipv6 = False  # see `no_address_tried`
