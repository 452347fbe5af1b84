"""Addresses: what of them may be shown, and which belong to private networks."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from pathlib import PurePath
from urllib.parse import unquote, urlsplit, urlunsplit

_SIGNED = ("x-amz-", "x-goog-", "x-oss-", "x-cos-")
"""How the parameters of a signed address begin: Amazon's, Google's, and of those that follow Amazon."""

_SIGNATURES = frozenset({"signature", "sig", "hmac", "policy", "key-pair-id", "awsaccesskeyid", "googleaccessid"})
"""Parameters that are nothing but a signature, or name who signs."""

_AROUND = frozenset({
    "expires", "sv", "st", "se", "sr", "sp", "spr", "sip", "ss", "srt", "skoid", "sktid", "skt", "ske", "sks", "skv",
    "saoid", "suoid", "scid",
})  # fmt: skip
"""What goes with a signature and changes with it: when it ends, what it allows (Azure's SAS, CloudFront)."""

_SECRETS = frozenset({
    "key", "api_key", "apikey", "api-key", "token", "access_token", "auth_token", "id_token", "refresh_token",
    "session", "sessiontoken", "auth", "authorization", "password", "passwd", "pwd", "secret", "client_secret", "code",
    "jwt", "bearer", "credential", "credentials",
})  # fmt: skip
"""Parameters that may hold a secret; a short value is none, and may be the number of a picture."""

_SHORTEST_SECRET = 16


def hidden(address: str) -> str:
    """An address as tables, messages, journals and manifests show it: without what would open it to others.

    Of a signed address the values of the parameters that sign become `***`; signed again, it is the same input. The
    password before `@` becomes `***`. Other parameters that hold a secret by their name become `***` with eight digits
    of the hash of their value, so that two addresses which differ in nothing else stay two.
    """
    if "?" not in address and "@" not in address:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return re.sub(r"[?@].*", "***", address, count=1)
    place = parts.netloc
    if "@" in place:
        user, _, host = place.rpartition("@")
        name, colon, _ = user.partition(":")
        place = f"{name if colon else '***'}{':***' if colon else ''}@{host}"
    query = parts.query
    if query:
        is_signed = any(_name(one) in _SIGNATURES or _name(one).startswith(_SIGNED) for one in query.split("&"))
        query = "&".join(_hidden_parameter(one, is_signed=is_signed) for one in query.split("&"))
    if (place, query) == (parts.netloc, parts.query):
        return address
    return urlunsplit(parts._replace(netloc=place, query=query))


def path_of(address: str) -> PurePath:
    """The path in an address; an empty one for what is none."""
    try:
        return PurePath(unquote(urlsplit(address).path).replace("\0", ""))
    except ValueError:
        return PurePath()


def _name(parameter: str) -> str:
    return parameter.partition("=")[0].lower()


def _hidden_parameter(parameter: str, *, is_signed: bool) -> str:
    name, equals, value = parameter.partition("=")
    lower = name.lower()
    if not value:
        return parameter
    if lower.startswith(_SIGNED) or lower in _SIGNATURES or (is_signed and lower in _AROUND):
        return f"{name}{equals}***"
    if lower in _SECRETS and len(value) >= _SHORTEST_SECRET:
        return f"{name}{equals}***{hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return parameter


def is_public(numbers: str) -> bool:
    """Whether an IP address is one of the public network; those that carry an IPv4 address are what they carry."""
    address = ipaddress.ip_address(numbers.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _TRANSLATED:  # RFC 6052, 2.1
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
