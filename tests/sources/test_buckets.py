from __future__ import annotations

import csv
import hashlib
import logging
import os
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import ItemError, NotFound, Unavailable, Unreadable, Unsupported
from mediasift.sources import buckets, odd_keys
from mediasift.sources.buckets import BucketFile
from mediasift.sources.session import BLOCK
from mediasift.sources.settings import RemoteSettings
from tests.bucket_server import BUCKET, bucket
from tests.sources.test_remote import LARGE, png

ODD = ("p/a b+c.png", "p/q%20x.png", "p/x?y=1.png", "p/#h.png", "p/ü.png", "p/[1].png")
OBJECTS = {
    "a.png": png(), "large.png": LARGE, "p/deep/er/b.png": png(2), "p/notes.txt": b"no media", "p/.hidden.png": png(3),
    "p/empty.png": b"", "pq/c.png": png(4), "noend": png(5), **{key: png(10 + at) for at, key in enumerate(ODD)},
}  # fmt: skip
S3 = f"s3://{BUCKET}/"


@pytest.fixture(scope="module")
def client():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as environment, bucket(OBJECTS, environment) as client:
        buckets.forget_stores()
        yield client
    buckets.forget_stores()


def paths(*named: str, **options) -> list[str]:
    return [row.path.removeprefix(S3) for row in ms.info(list(named), **options)]


def test_objects_are_inputs(client):
    rows = list(ms.info([S3 + key for key in ("a.png", "large.png", *ODD, "p/empty.png", "gone.png")]))
    sums = [hashlib.sha256(OBJECTS[key]).hexdigest() for key in ("a.png", "large.png", *ODD)]
    assert [row.sha256 for row in rows[:-2]] == sums
    assert [row.error for row in rows[-2:]] == [
        "empty: the file is empty (0 bytes)",
        "not-found: there is no such object",
    ]


def test_folders_and_patterns(client):
    below = sorted(key for key in OBJECTS if key.startswith("p/") and key.endswith(".png") and "hidden" not in key)
    assert paths(S3 + "p/") == paths(S3 + "p") == below
    assert paths(S3 + "p/", recursive=False) == [key for key in below if "deep" not in key]
    assert paths(S3) == sorted(["a.png", "large.png", "pq/c.png", *below])
    assert paths(S3 + "*.png") == ["a.png", "large.png"]
    assert paths(S3 + "**/[1].png") == ["p/[1].png"]
    assert paths(S3 + "p*/**/?.png") == ["p/deep/er/b.png", "p/ü.png", "pq/c.png"]
    assert paths(S3 + "noend") == ["noend"]
    for nothing in ("nothing/", "*.gif", "nothing"):
        done = CliRunner().invoke(main, ["info", S3 + nothing])
        assert done.exit_code == 3, done.output


@pytest.mark.parametrize("key", ["large.png", "odd//large.png"])
def test_parts_are_read_with_few_requests_and_of_one_version(odd, key: str):
    content = BucketFile(S3 + key)
    with content.open() as opened:
        opened.seek(-10, 2)
        assert opened.read() == LARGE[-10:]
        odd.put_object(Bucket=BUCKET, Key=key, Body=png(9, (600, 800)))
        opened.seek(3 * BLOCK)
        with pytest.raises(Unavailable, match="changed while it was read"):
            opened.read(5)
    odd.put_object(Bucket=BUCKET, Key=key, Body=LARGE)
    assert BucketFile(S3 + key).read() == LARGE


def test_what_a_bucket_refuses(client, monkeypatch):
    with pytest.raises(NotFound, match="there is no bucket nowhere-at-all"):
        BucketFile("s3://nowhere-at-all/a.png").read()
    for url in (f"{S3}p/../a.png", f"{S3}p//./a.png", "gs://pictures/p//a.png", "az://pictures/p//a.png"):
        with pytest.raises(Unsupported, match="empty part"):
            BucketFile(url).read()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    buckets.forget_stores()
    with pytest.raises(Unreadable, match="environment says"):
        BucketFile(S3 + "a.png").read()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")  # then nothing is signed, and the bucket is not public
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    buckets.forget_stores()
    with pytest.raises(Unreadable, match=r"refuses access \(403\).*AWS_ACCESS_KEY_ID"):
        BucketFile(S3 + "a.png").read()
    buckets.forget_stores()


EMPTY_PARTS = {"odd//a.png": png(20), "odd/b.png": png(21), "odd//large.png": LARGE, "odd//c//empty.png": b"",
               "odd/z/last.png": png(22), "odd/./hidden.png": png(23)}  # fmt: skip


@pytest.fixture
def odd(client):
    for key, data in EMPTY_PARTS.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=data)
    yield client
    for key in EMPTY_PARTS:
        client.delete_object(Bucket=BUCKET, Key=key)


def test_keys_with_an_empty_part_are_listed_and_read_with_boto3(odd, monkeypatch):
    rows = {row.path.removeprefix(S3): row for row in ms.info(S3 + "odd/")}
    shown = sorted(key for key in EMPTY_PARTS if "hidden" not in key)
    assert list(rows) == shown
    assert [rows[key].error for key in shown] == ["", "empty: the file is empty (0 bytes)", "", "", ""]
    assert all(rows[key].sha256 == hashlib.sha256(EMPTY_PARTS[key]).hexdigest() for key in shown if EMPTY_PARTS[key])
    assert paths(S3 + "odd//c//") == ["odd//c//empty.png"]
    assert paths(S3 + "odd/**/?.png") == ["odd//a.png", "odd/b.png"]
    assert set(shown) < set(paths(S3))
    with pytest.raises(NotFound, match="there is no such object"):
        BucketFile(S3 + "odd//gone.png").read()
    with pytest.raises(NotFound, match="there is no bucket nowhere-at-all"):
        BucketFile("s3://nowhere-at-all//a.png").read()
    with pytest.raises(Unreadable, match=r"refuses access \(403\).*AWS_ACCESS_KEY_ID"):
        BucketFile(S3 + "odd//a.png", RemoteSettings(credentials="none")).read()
    monkeypatch.setenv("AWS_ENDPOINT", os.environ["AWS_ENDPOINT_URL"])  # a name that obstore alone knows
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    buckets.forget_stores()
    assert BucketFile(S3 + "odd//a.png").read() == EMPTY_PARTS["odd//a.png"]
    monkeypatch.setattr(odd_keys, "is_installed", lambda _: False)
    with pytest.raises(Unsupported, match=r"boto3; type: .*aws-vision"):
        BucketFile(S3 + "odd//a.png").read()


@pytest.mark.parametrize("url", ["s3://b-b/a.png", "gs://b-b/a.png", "az://b-b/a.png"])
def test_the_metadata_service_is_never_asked_unless_it_was_chosen(url: str, monkeypatch, tmp_path: Path):
    asked = Counter[str]()

    class Everything(BaseHTTPRequestHandler):
        def do_GET(self):
            asked[self.path] += 1
            self.send_error(404)

        do_PUT = do_GET  # noqa: N815  (the library's name)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Everything) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        here = f"http://127.0.0.1:{server.server_address[1]}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "HOME": str(tmp_path), "AWS_ENDPOINT_URL": here, "AWS_METADATA_ENDPOINT": here, "AWS_ALLOW_HTTP": "true",
            "GOOGLE_BASE_URL": here, "AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ENDPOINT": here,
            "AZURE_MSI_ENDPOINT": here, "GCE_METADATA_HOST": here.removeprefix("http://"),
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        buckets.forget_stores()
        with pytest.raises(ItemError):
            BucketFile(url).read()
        services = [path for path in asked if "meta" in path or "token" in path or "identity" in path]
        if url.startswith("s3:"):
            with pytest.raises(ItemError):
                BucketFile(url, RemoteSettings(credentials="machine")).read()
            assert any("token" in path for path in asked)
        server.shutdown()
    buckets.forget_stores()
    assert not services


def test_keys_that_aws_configure_wrote(client, monkeypatch, tmp_path: Path):
    keys = tmp_path / "credentials"
    keys.write_text("[study]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_PROFILE", "study")
    buckets.forget_stores()
    assert BucketFile(S3 + "a.png").read() == OBJECTS["a.png"]
    buckets.forget_stores()


def test_a_run_over_a_bucket_and_its_update(client, tmp_path: Path):
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(main, ["info", S3 + "p/", "-o", str(out), "--quiet"])
    assert done.exit_code == 1, done.output
    before = out.read_bytes()
    cells = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["path"].removeprefix(S3) for row in cells if row["error"]] == ["p/empty.png"]
    assert CliRunner().invoke(main, ["info", S3 + "p/", "-o", str(out), "--update", "--quiet"]).exit_code == 1
    assert out.read_bytes() == before


def test_offline(client):
    for name in (S3, S3 + "a.png"):
        done = CliRunner().invoke(main, ["info", name, "--offline"])
        assert done.exit_code == 2
        assert "--offline" in done.stderr
