"""Objects of S3 whose keys have an empty part (`a//b.png`), which obstore takes for no paths: with boto3.

A key with `.` or `..` as a part is never asked for: on its way a library or a proxy may make another key of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mediasift.errors import ItemError, Unsupported
from mediasift.sources.content import Alive
from mediasift.sources.origins import Changed, Given, Version, version_of
from mediasift.system.optional import install_line, is_installed, require

EXTRA = "aws-vision"
"""Of mediasift, which brings boto3."""

_PIECE_BYTES = 1 << 18

Refusal = Callable[[int | None, bool], ItemError]
"""A status of HTTP, or None where there was no answer, and whether the bucket is missing → what to raise."""


def is_odd(key: str) -> bool:
    """Whether obstore does not take a key."""
    return any(part in ("", ".", "..") for part in key.split("/"))


def check_key(scheme: str, key: str) -> None:
    """Raise Unsupported for an odd key that boto3 does not take either, or if boto3 is not here."""
    if scheme != "s3" or not {".", ".."}.isdisjoint(key.split("/")):
        raise Unsupported(f"a key with an empty part, . or .. cannot be fetched here ({key}); copy it to another name")
    if not is_installed("boto3"):
        raise Unsupported(f"a key with an empty part ({key}) is fetched with boto3; type: {install_line(EXTRA)}")


_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def endpoint() -> str:
    """Where the environment says that S3 is; empty for Amazon's own. boto3 does not look at the last name."""
    return next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")


@lru_cache(maxsize=16)
def client(*, is_signed: bool) -> Any:
    """For S3 as the environment describes it; requests are signed with what boto3 finds there, or not at all."""
    boto3, config = require("boto3", extra=EXTRA), require("botocore.config", extra=EXTRA)
    how: dict[str, Any] = {} if is_signed else {"signature_version": require("botocore", extra=EXTRA).UNSIGNED}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    limits = {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 3}}
    if here := endpoint():  # as obstore asks services that speak the protocol of S3
        how["s3"] = {"addressing_style": "path"}
    return boto3.client("s3", region_name=region, endpoint_url=here or None, config=config.Config(**limits, **how))


@contextmanager
def _explained(refusal: Refusal) -> Iterator[None]:
    """What the library raises, in our words."""
    exceptions = require("botocore.exceptions", extra=EXTRA)
    try:
        yield
    except exceptions.ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 412:
            raise Changed from error
        raise refusal(status, error.response.get("Error", {}).get("Code") == "NoSuchBucket") from error
    except (exceptions.BotoCoreError, exceptions.HTTPClientError, OSError) as error:
        raise refusal(None, False) from error


@dataclass(frozen=True, slots=True)
class OddObject:
    """Where such an object lies; `s3` is a `client`."""

    s3: Any
    bucket: str
    key: str
    refusal: Refusal

    @contextmanager
    def ask(self, first: int, end: int | None, version: Version | None, alive: Alive) -> Iterator[Given]:
        """See `origins.Origin`."""
        part = {} if end is None and not first else {"Range": f"bytes={first}-{'' if end is None else end - 1}"}
        tag = {"IfMatch": version.tag} if version is not None and version.tag else {}
        with _explained(self.refusal):
            try:
                answer = self.s3.get_object(Bucket=self.bucket, Key=self.key, **part, **tag)
            except self.s3.exceptions.ClientError as error:
                if first or not _is_empty(error):
                    raise
                answer = None
        if answer is None:
            yield Given(version=Version(size=0), first=0, pieces=iter(()))
            return
        where, _, whole = answer.get("ContentRange", "").removeprefix("bytes ").partition("/")
        size = int(whole) if whole.isdigit() else answer["ContentLength"]
        here = version_of({"size": size, "e_tag": answer.get("ETag"), "last_modified": answer["LastModified"]})
        if version is not None and here != version:
            raise Changed
        with closing(answer["Body"]) as body:
            yield Given(
                version=here, first=int(where.partition("-")[0] or 0), pieces=_pieces(body, self.refusal, alive)
            )


def _is_empty(error: Any) -> bool:
    """Whether an object has no first byte."""
    return bool(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 416)


def _pieces(body: Any, refusal: Refusal, alive: Alive) -> Iterator[bytes]:
    with _explained(refusal):
        for piece in body.iter_chunks(_PIECE_BYTES):
            alive()
            yield piece


def objects(s3: Any, bucket: str, prefix: str, after: str, refusal: Refusal) -> Iterator[Mapping[str, Any]]:
    """All objects whose keys begin so and stand behind another, in the order of keys, as obstore describes them."""
    with _explained(refusal):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, StartAfter=after):
            for one in page.get("Contents", ()):
                known = {"size": one["Size"], "e_tag": one.get("ETag"), "last_modified": one["LastModified"]}
                yield {"path": one["Key"], **known}
