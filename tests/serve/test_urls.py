"""Pictures that a request names by their addresses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mediasift.serve.requests import Refused, addresses_of, fetched, is_json
from mediasift.sources.settings import AS_USUAL, RemoteSettings
from tests.pictures import save, scene
from tests.serve.service import Service

OPEN = replace(AS_USUAL, allow_private=True)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    picture = save(tmp_path_factory.mktemp("web") / "a.png", scene(60, 40, seed=1)).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path.startswith("/a.png") else 404)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_: object) -> None:
            """Not on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_an_address_holds(web: str, tmp_path: Path):
    picture = fetched(f"{web}/a.png?token=0123456789abcdef", OPEN, 50_000)
    assert picture.data == save(tmp_path / "a.png", scene(60, 40, seed=1)).read_bytes()
    assert picture.error is None
    assert "0123456789abcdef" not in picture.name


@pytest.mark.parametrize(
    ("path", "access", "most", "code"),
    [("/none.png", OPEN, 50_000, "not-found"), ("/a.png", OPEN, 100, "too-large"), ("/a.png", AS_USUAL, 50_000, "")],
)
def test_what_cannot_be_fetched_says_why(web: str, path: str, access: RemoteSettings, most: int, code: str):
    picture = fetched(web + path, access, most)
    assert picture.error is not None
    assert picture.data == b""
    assert not code or picture.error.code == code
    assert access is OPEN or "private" in str(picture.error) or "loopback" in str(picture.error)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "s3://bucket/a.png", "a.png", "", "-"])
def test_what_is_no_web_address_is_refused(address: str):
    with pytest.raises(Refused, match="begins with http"):
        fetched(address, OPEN, 1000)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"image_url": 5}, 400),
        ({"image_url": []}, 400),
        ({"image_url": ["a", None]}, 400),
        ({"image_url": "a", "top": 5}, 400),
        ({"image_url": ["a"] * 257}, 413),
        ([], 400),
    ],
)
def test_a_body_of_another_form_is_refused(body: object, status: int):
    with pytest.raises(Refused) as refusal:
        addresses_of(json.dumps(body).encode())
    assert refusal.value.status == status


def test_one_address_or_several():
    assert addresses_of(b'{"image_url": "https://a"}') == ["https://a"]
    assert addresses_of(b'{"image_url": ["https://a", "https://b"]}') == ["https://a", "https://b"]
    assert is_json("application/json; charset=utf-8")
    assert not is_json("image/png")


def test_the_service_reaches_no_private_network(web: str, locked: Service):
    body = json.dumps({"image_url": [f"{web}/a.png", "http://localhost/", "http://[::1]/"]}).encode()
    rows = locked.post("/v1/classify", body, "application/json", X_API_Key="s3cret").rows
    assert len(rows) == 3
    assert all(row["error"] and not row["label"] for row in rows)
    wrong = locked.post("/v1/classify", b'{"image_url": "file:///etc/passwd"}', "application/json", X_API_Key="s3cret")
    assert wrong.status == 400
