"""Objects in buckets as inputs: `s3://`, `gs://` and `az://`, with obstore (the extra `remote`).

A name that ends with `/`, or whose last part has no suffix, is a folder: all media below it. One with `*` or `?` is a
pattern. The rest of a name is the key as it is: no sign in it stands for another.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mediasift.errors import ItemError, NotFound, Unavailable, Unreadable
from mediasift.sources import odd_keys
from mediasift.sources.content import SCHEMES, Alive
from mediasift.sources.fetched import Fetched
from mediasift.sources.folders import Skipped, is_of_media
from mediasift.sources.odd_keys import OddObject
from mediasift.sources.origins import Changed, Given, Version, version_of
from mediasift.sources.settings import RemoteSettings
from mediasift.system.optional import require

_PIECE_BYTES = 1 << 18
_LISTED = 1000


class _Cloud(NamedTuple):
    """A service.

    Attributes:
        store: Name of its class.
        bucket: What that calls a bucket.
        variables: That hold credentials; any of them is a choice.
        files: Below the home folder, that do.
    """

    store: str
    bucket: str
    variables: tuple[str, ...]
    files: tuple[str, ...] = ()


_CLOUDS = {
    "s3": _Cloud("S3Store", "bucket", ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")),
    "gs": _Cloud(
        "GCSStore", "bucket",
        ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY",
         "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_BEARER_TOKEN"),
        (".config/gcloud/application_default_credentials.json",),
    ),
    "az": _Cloud(
        "AzureStore", "container_name",
        ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN",
         "AZURE_STORAGE_TOKEN", "AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BucketFile(Fetched):
    """An object."""

    @property
    def suffix(self) -> str:
        """Of its key."""
        return PurePosixPath(_parts(self.url)[2]).suffix

    def origin(self) -> _Object:
        """See `Fetched`."""
        return _Object(self.url, self.access)


def _parts(url: str) -> tuple[str, str, str]:
    """(scheme, bucket, key)."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return scheme, bucket, key


@dataclass(frozen=True, slots=True)
class _Object:
    """Where an object lies."""

    url: str
    access: RemoteSettings

    @contextmanager
    def ask(self, first: int, end: int | None, version: Version | None, alive: Alive) -> Iterator[Given]:
        """See `session.Origin`."""
        scheme, bucket, key = _parts(self.url)
        if odd_keys.is_odd(key):
            odd_keys.check_key(scheme, key)
            s3 = odd_keys.client(is_signed=_is_signed(scheme, self.access.credentials))
            with OddObject(s3, bucket, key, _refusal(self.url)).ask(first, end, version, alive) as given:
                yield given
            return
        options: dict[str, Any] = (
            {} if end is None and not first else {"range": (first, end) if end else {"offset": first}}
        )
        if version is not None and version.tag:
            options["if_match"] = version.tag
        with _explained(self.url):
            obstore = require("obstore", extra="remote")
            answer = None
            if first == 0 and version is None and end is not None:
                answer = _first(obstore, store(self.url, self.access), key, options)
                if answer is None:
                    yield Given(version=Version(size=0), first=0, pieces=iter(()))
                    return
            else:
                answer = obstore.get(store(self.url, self.access), key, options=options)
            here = version_of(answer.meta)
        if version is not None and here != version:
            raise Changed
        yield Given(version=here, first=answer.range[0], pieces=self._pieces(answer, alive))

    def _pieces(self, answer: Any, alive: Alive) -> Iterator[bytes]:
        with _explained(self.url):
            for piece in answer.stream(min_chunk_size=_PIECE_BYTES):
                alive()
                yield bytes(piece)


def _first(obstore: Any, where: Any, key: str, options: Mapping[str, Any]) -> Any:
    """The first bytes; None of an empty object, which has none, so that services answer in different ways."""
    try:
        return obstore.get(where, key, options=options)
    except (obstore.exceptions.GenericError, ValueError):
        if obstore.head(where, key)["size"] == 0:
            return None
        raise


_MAKING = threading.Lock()


def store(url: str, access: RemoteSettings) -> Any:
    """The store of an object's bucket, one for all of them; raises MissingPackage, Unreadable."""
    scheme, bucket, _ = _parts(url)
    with _MAKING:
        try:
            return _store(scheme, bucket, access.credentials)
        except require("obstore.exceptions", extra="remote").BaseError as error:
            reason = str(error).partition("\n")[0]
            raise Unreadable(
                f"{scheme}://{bucket} cannot be opened with what the environment says ({reason})"
            ) from error


@lru_cache(maxsize=64)
def _store(scheme: str, bucket: str, credentials: str) -> Any:
    stores, cloud = require("obstore.store", extra="remote"), _CLOUDS[scheme]
    chosen: dict[str, Any] = {cloud.bucket: bucket}
    endpoint = ""
    if scheme == "s3":
        endpoint = odd_keys.endpoint()
        if not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
            chosen["region"] = "us-east-1"
        chosen |= _shared_credentials() if credentials == "auto" else {}
    elif scheme == "az" and not os.environ.get("AZURE_STORAGE_ACCOUNT_NAME"):
        raise Unreadable("the storage account is not known; set AZURE_STORAGE_ACCOUNT_NAME")
    if not _is_signed(scheme, credentials):
        chosen["skip_signature"] = True  # else the library asks the machine's metadata service
    patience = {"connect_timeout": "10s", "read_timeout": "30s", "timeout": "1 day"}
    plain = (
        {"allow_http": True} if endpoint.startswith("http://") or os.environ.get("AZURE_STORAGE_USE_EMULATOR") else {}
    )
    retries = {"max_retries": 3, "backoff": {"init_backoff": _seconds(0.5), "max_backoff": _seconds(4), "base": 2}}
    return getattr(stores, cloud.store)(
        **chosen, client_options={**patience, **plain}, retry_config={**retries, "retry_timeout": _seconds(60)}
    )


def _is_signed(scheme: str, credentials: str) -> bool:
    """Whether requests have credentials, by what was chosen and what is there."""
    cloud = _CLOUDS[scheme]
    own = any(os.environ.get(name) for name in cloud.variables) or (scheme == "s3" and bool(_shared_credentials()))
    own = own or any((Path.home() / file).is_file() for file in cloud.files)
    return credentials == "machine" or (credentials == "auto" and own)


def forget_stores() -> None:
    """Look at the environment again."""
    _store.cache_clear()
    odd_keys.client.cache_clear()


def _seconds(count: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=count)


def _shared_credentials() -> dict[str, str]:
    """Keys that `aws configure` wrote, where the environment has none; obstore does not read them."""
    from configparser import ConfigParser, Error

    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return {}
    file, keys = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials", ConfigParser()
    with suppress(OSError, Error, KeyError, UnicodeError):
        keys.read(file, encoding="utf-8")
        mine = keys[os.environ.get("AWS_PROFILE") or "default"]
        names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
        session = {"session_token": mine["aws_session_token"]} if "aws_session_token" in mine else {}
        return {name: mine[written] for name, written in names.items()} | session
    return {}


_STATUS = re.compile(r"status code: (\d{3})")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """What the library raises, in our words; its own quote addresses and answers."""
    exceptions = require("obstore.exceptions", extra="remote")
    refusal = _refusal(url)
    try:
        yield
    except ItemError:
        raise
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        raise refusal(404, "NoSuchBucket" in str(error)) from error
    except exceptions.PreconditionError as error:
        raise Changed from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        status = _STATUS.search(str(error))
        raise refusal(int(status[1]) if status else 403, False) from error
    except (exceptions.BaseError, OSError, ValueError) as error:
        status = _STATUS.search(str(error))
        raise refusal(int(status[1]) if status else None, False) from error


def _refusal(url: str) -> odd_keys.Refusal:
    """What to raise, by the status of an answer."""
    scheme, bucket, _ = _parts(url)

    def refusal(status: int | None, no_bucket: bool) -> ItemError:
        if status == 404:
            return NotFound(f"there is no bucket {bucket}" if no_bucket else "there is no such object")
        if status in (401, 403):
            names = " or ".join(_CLOUDS[scheme].variables[:2])
            return Unreadable(
                f"{scheme}://{bucket} refuses access ({status}); its credentials are taken from the environment: "
                f"{names}"
            )
        if status is not None and status != 429 and status < 500:
            return Unreadable(f"{scheme}://{bucket} answers {status}")
        return Unavailable(f"{scheme}://{bucket} " + (f"answers {status}" if status else "cannot be reached"))

    return refusal


def is_folder(url: str) -> bool:
    """Whether a name stands for several objects."""
    *_, key = _parts(url)
    return url.startswith(_SCHEMES) and (not PurePosixPath(key).suffix or key.endswith("/") or bool(_MAGIC.search(key)))


_SCHEMES = tuple(f"{name}://" for name in _CLOUDS)
_MAGIC = re.compile(r"[*?]")


def listed(url: str, access: RemoteSettings, recursive: bool, skipped: Skipped) -> Iterator[BucketFile]:
    """The objects that a folder or a pattern stands for, in the order of their keys.

    Of a folder, those whose suffix is one of media; what they hold is not looked at, which would be a request each.

    Raises:
        NotFound: There is none.
        ItemError: It cannot be listed.
    """
    scheme, bucket, key = _parts(url)
    magic = _MAGIC.search(key)
    prefix = key[: magic.start()].rpartition("/")[0] if magic else key.rstrip("/")
    pattern = _pattern(key) if magic else None
    count = 0
    for meta in _objects(url, prefix, access):
        path = meta["path"]
        below = path[len(prefix) :].lstrip("/")
        if pattern is not None:
            if not pattern.fullmatch(path):
                continue
        elif not below and path == prefix:
            below = path.rpartition("/")[2]  # an object without a suffix
        elif not recursive and "/" in below:
            continue
        elif any(part.startswith(".") for part in below.split("/")):
            skipped["hidden"] += 1
            continue
        elif not is_of_media(PurePosixPath(path).suffix):
            skipped["other"] += 1
            continue
        count += 1
        content = BucketFile(f"{scheme}://{bucket}/{path}", access)
        version = version_of(meta)
        content.note([version.tag, version.size, version.date])
        yield content
    if not count:
        raise NotFound(f"{'the pattern matches' if magic else 'there is'} no object")


def _objects(url: str, prefix: str, access: RemoteSettings) -> Iterator[Mapping[str, Any]]:
    """All objects below a prefix; the one of that very name, where there is nothing below it."""
    obstore, last = require("obstore", extra="remote"), ""
    scheme, bucket, _ = _parts(url)
    is_odd = bool(prefix) and odd_keys.is_odd(prefix)
    with _explained(url):
        where = store(url, access)
        try:
            for many in () if is_odd else obstore.list(where, prefix or None, chunk_size=_LISTED):
                for meta in many:
                    last = meta["path"]
                    yield meta
        except obstore.exceptions.InvalidPathError:
            is_odd = True
        if is_odd:
            odd_keys.check_key(scheme, f"{prefix}//")
            s3 = odd_keys.client(is_signed=_is_signed(scheme, access.credentials))
            for meta in odd_keys.objects(s3, bucket, prefix and f"{prefix}/", last, _refusal(url)):
                last = meta["path"]
                yield meta
        if not last and prefix:
            yield obstore.head(where, prefix)


def _pattern(key: str) -> re.Pattern[str]:
    """As `glob` reads it: `*` and `?` stand for what is no `/`, `**` for any folders."""
    signs = {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(signs.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|[*?])", key)))


SCHEMES |= dict.fromkeys(_SCHEMES, BucketFile)
