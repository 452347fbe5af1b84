"""Connections to web servers, to addresses that are allowed alone, and what goes wrong with them in our words."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mediasift.errors import ItemError, NotFound, Unavailable, Unreadable
from mediasift.sources.addresses import is_public
from mediasift.system.network import no_address_tried

if TYPE_CHECKING:
    import urllib3

_CONNECT_S, _SILENCE_S = 10.0, 30.0
"""How long a server may take to accept, and then be silent; a file may take as long as it comes."""


class _Stop(Exception):
    """Carries an error of ours through the library."""

    def __init__(self, error: ItemError) -> None:
        self.error = error


class Silent(Unavailable):
    """No answer at all."""


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """What the library raises, in our words."""
    from urllib3 import exceptions

    try:
        yield
    except _Stop as stop:
        raise stop.error from stop
    except exceptions.SSLError as error:
        text = str(error)
        if "CERTIFICATE" in text or "certificate" in text:
            raise Unreadable(f"the certificate of {urlsplit(url).hostname} is not valid ({_last(error)})") from error
        raise Silent(f"no safe connection ({_last(error)})") from error
    except exceptions.NewConnectionError as error:
        raise Silent(f"the server cannot be reached ({_last(error)})") from error
    except (exceptions.ConnectTimeoutError, TimeoutError) as error:
        raise Silent(f"the server does not answer within {_CONNECT_S:g} s") from error
    except exceptions.ReadTimeoutError as error:
        raise Silent(f"the server is silent for {_SILENCE_S:g} s") from error
    except exceptions.LocationParseError as error:
        raise Unreadable("the address is not one") from error
    except (exceptions.HTTPError, OSError, http.client.HTTPException) as error:
        raise Silent(f"the connection was cut ({_last(error)})") from error


def _last(error: BaseException) -> str:
    """The reason at the end of a chain of errors, short and on one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(getattr(error, "strerror", None) or type(error).__name__)[:200]


def _connected(host: str, port: int, *, allow_private: bool) -> socket.socket:
    """A connection to the first address of a host that answers, none of them one that we must not reach."""
    try:
        known = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise _Stop(Unreadable("the address names no server")) from error
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME or error.errno == getattr(socket, "EAI_NODATA", None):
            raise _Stop(NotFound(f"there is no server {host}")) from error
        raise _Stop(Silent(f"the name {host} cannot be looked up ({error.strerror})")) from error
    allowed = [one for one in known if allow_private or is_public(str(one[4][0]))]
    if not allowed:
        where = "" if host == known[0][4][0] else f" ({known[0][4][0]})"
        raise _Stop(
            Unreadable(f"{host}{where} is in a private network, not fetched from; to allow it: --allow-private")
        )
    for number, (family, kind, protocol, _, address) in enumerate(allowed, 1):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_CONNECT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(address)
            return connection
        except OSError:
            connection.close()
            if number == len(allowed):
                raise
    raise AssertionError  # there is one, or it raised


def new_pool(*, allow_private: bool, connections: int) -> urllib3.PoolManager:
    """The library's pool, with connections of ours."""
    with no_address_tried():
        import urllib3
        from urllib3.connection import HTTPConnection, HTTPSConnection
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    def new(self: Any) -> socket.socket:
        try:
            return _connected(self.host, self.port, allow_private=allow_private)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no answer") from error
        except OSError as error:
            raise NewConnectionError(self, str(error.strerror or error)) from error

    plain = type("_Plain", (HTTPConnection,), {"_new_conn": new})
    safe = type("_Safe", (HTTPSConnection,), {"_new_conn": new})
    timeout = urllib3.Timeout(connect=_CONNECT_S, read=_SILENCE_S)
    pool = urllib3.PoolManager(num_pools=100, maxsize=connections, timeout=timeout, block=False)
    pool.pool_classes_by_scheme = {
        "http": type("_PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_SafePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": safe}),
    }
    return pool
