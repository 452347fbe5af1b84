"""An S3 on loopback: moto's server, with a bucket that anybody may fill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "pictures"


@contextmanager
def bucket(objects: Mapping[str, bytes], environment: pytest.MonkeyPatch) -> Iterator[boto3.client]:
    """A client for the bucket with these objects; the environment leads to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "testing", "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():  # fmt: skip
        environment.setenv(name, value)
    try:
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        for key, data in objects.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=data)
        yield client
    finally:
        server.stop()
