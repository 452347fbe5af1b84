"""Fetching models, from a real server on loopback that cuts connections, lies and dawdles."""

from __future__ import annotations

import hashlib
import http.server
import multiprocessing
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.engines.onnx import pull as pulling
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.pull import Patience, fetch, pull_model
from mediasift.engines.onnx.registry import Entry
from mediasift.errors import ModelError, ModelNotFound, OutputError, UsageError
from tests.tiny_models import COLOURS, mean_colour, write

CONTENT = np.random.default_rng(0).bytes(400_000)
QUICK = Patience(silence_s=0.5, attempts=3, pause_s=0.01)


class Server(http.server.ThreadingHTTPServer):
    """Serves `CONTENT` in the way that the path names, and remembers the ranges it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.gate = threading.Event()

    def url(self, manner: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{manner}/model.onnx"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        getattr(self, "serve_" + self.path.split("/")[1].replace("-", "_"))(start)

    def head(self, start: int = 0, length: int | None = None, **more: str) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start if length is None else length))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()

    def serve_copy(self, start: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(COPY)))
        self.end_headers()
        self.wfile.write(COPY)

    def serve_drip(self, start: int) -> None:
        self.head(start)
        for at in range(start, len(CONTENT), 100):
            self.wfile.write(CONTENT[at : at + 100])
            time.sleep(0.05)

    def serve_whole(self, start: int) -> None:
        self.head(start)
        self.wfile.write(CONTENT[start:])

    def serve_cutting(self, start: int) -> None:
        """Cuts the connection after 120,000 bytes, each time."""
        self.head(start)
        self.wfile.write(CONTENT[start : start + 120_000])

    def serve_cutting_once_then_never(self, start: int) -> None:
        self.head(start)
        self.wfile.write(CONTENT[start:] if start else CONTENT[:150_000])

    def serve_cutting_without_ranges(self, start: int) -> None:
        """Cuts once, and answers a range with everything."""
        first = len(self.server.asked) == 1
        self.head()
        self.wfile.write(CONTENT[:150_000] if first else CONTENT)

    def serve_wrong_range(self, start: int) -> None:
        """Cuts once, and answers the range with another one; afterwards whole."""
        if start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self.head()
            self.wfile.write(CONTENT if len(self.server.asked) > 1 else CONTENT[:150_000])

    def serve_no_such_range(self, start: int) -> None:
        if start:
            self.send_error(416)
        else:
            self.serve_whole(0)

    def serve_wrong_bytes(self, start: int) -> None:
        self.head(start)
        self.wfile.write(bytes(len(CONTENT) - start))

    def serve_wrong_length(self, _: int) -> None:
        self.head(length=1234)
        self.wfile.write(CONTENT[:1234])

    def serve_too_much(self, _: int) -> None:
        """No length, and more than the model has."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT + b"more")

    def serve_too_little(self, _: int) -> None:
        """No length, half of it, and no ranges: as a proxy that gives up would."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT[:10_000])

    def serve_html(self, _: int) -> None:
        """What a captive portal answers to everything."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>please log in</html>")

    def serve_slow(self, start: int) -> None:
        """Twenty pieces with pauses that are shorter than the patience, but longer together."""
        self.head(start)
        for position in range(start, len(CONTENT), 20_000):
            self.wfile.write(CONTENT[position : position + 20_000])
            self.wfile.flush()
            time.sleep(0.04)

    def serve_standing_still(self, start: int) -> None:
        """Half of it, and then nothing more comes; the second time all is well."""
        self.head(start)
        if start:
            self.wfile.write(CONTENT[start:])
        else:
            self.wfile.write(CONTENT[:200_000])
            self.wfile.flush()
            self.server.gate.wait(5)

    def serve_busy(self, start: int) -> None:
        if len(self.server.asked) < 3:
            self.send_error(503)
        else:
            self.serve_whole(start)

    def serve_missing(self, _: int) -> None:
        self.send_error(404)

    def serve_moved(self, _: int) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.url("whole"))
        self.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.gate.set()
        running.shutdown()
        thread.join()


def entry(url: str = "") -> Entry:
    return Entry(
        name="net", file="net.onnx", sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT), licence="MIT",
        about="a test", url=url,
    )  # fmt: skip


def alone(folder: Path, *names: str) -> bool:
    """Whether the folder holds these files and nothing else, no temporary ones either."""
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("manner", "requests"),
    [
        ("whole", 1),
        ("cutting", 4),
        ("cutting-once-then-never", 2),
        ("cutting-without-ranges", 2),
        ("wrong-range", 3),
        ("slow", 1),
        ("standing-still", 2),
        ("busy", 3),
        ("moved", 2),
    ],
)
def test_the_file_arrives_whole_whatever_the_server_does(tmp_path: Path, server: Server, manner: str, requests: int):
    reports: list[tuple[int, int]] = []
    path = fetch(
        entry(server.url(manner)), tmp_path, patience=QUICK, report=lambda here, total: reports.append((here, total))
    )
    assert path.read_bytes() == CONTENT
    assert alone(tmp_path, "net.onnx")
    assert len(server.asked) == requests
    assert reports[-1] == (len(CONTENT), len(CONTENT))


def test_what_has_come_is_not_fetched_again(tmp_path: Path, server: Server):
    fetch(entry(server.url("cutting-once-then-never")), tmp_path, patience=QUICK)
    first, second = server.asked
    assert first is None
    assert 150_000 - 20_000 <= int(second.removeprefix("bytes=").removesuffix("-")) <= 150_000


def test_a_later_command_goes_on_where_an_earlier_one_gave_up(tmp_path: Path, server: Server):
    part = tmp_path / ".net.onnx.part"
    part.write_bytes(CONTENT[:300_000])
    fetch(entry(server.url("whole")), tmp_path, patience=QUICK)
    assert server.asked == ["bytes=300000-"]
    assert alone(tmp_path, "net.onnx")


@pytest.mark.parametrize("left", [CONTENT + b"longer", b"\0" * 300_000, b"\0" * len(CONTENT)])
def test_a_useless_beginning_is_given_up(tmp_path: Path, server: Server, left: bytes):
    (tmp_path / ".net.onnx.part").write_bytes(left)
    assert fetch(entry(server.url("whole")), tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert alone(tmp_path, "net.onnx")


def test_a_range_that_the_server_does_not_have_starts_anew(tmp_path: Path, server: Server):
    (tmp_path / ".net.onnx.part").write_bytes(CONTENT[:300_000])
    fetch(entry(server.url("no-such-range")), tmp_path, patience=QUICK)
    assert server.asked == ["bytes=300000-", None]


@pytest.mark.parametrize(
    ("manner", "kind", "message"),
    [
        ("wrong-bytes", ModelError, "SHA-256 is not .*nothing was kept"),
        ("wrong-length", ModelError, "1,234 bytes, but net has 400,000"),
        ("too-much", ModelError, "more than 400,000 bytes"),
        ("too-little", ModelError, "cannot be fetched.*the connection was cut"),
        ("html", ModelError, "cannot be fetched.*the connection was cut"),
        ("missing", ModelNotFound, "the server answers 404 Not Found"),
    ],
)
def test_a_server_that_lies_leaves_nothing_under_the_models_name(
    tmp_path: Path, server: Server, manner: str, kind: type[Exception], message: str
):
    with pytest.raises(kind, match=message):
        fetch(entry(server.url(manner)), tmp_path, patience=QUICK)
    assert not (tmp_path / "net.onnx").exists()
    # What was cut may wait for the next command; then it must not spoil it.
    assert fetch(entry(server.url("whole")), tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert alone(tmp_path, "net.onnx")


def test_offline_says_what_to_do_instead(tmp_path: Path, server: Server):
    url = server.url("whole")
    server.server_close()
    with pytest.raises(ModelError) as raised:
        fetch(entry(url), tmp_path, patience=QUICK)
    text = str(raised.value)
    assert f"net cannot be fetched from {url} (Connection refused)" in text.replace("[Errno 111] ", "")
    assert "0.4 MB" in text
    assert "mediasift models pull net --from FILE" in text
    assert alone(tmp_path)


@pytest.mark.parametrize("address", ["http://", "http://[::1", "https://a b/", "http://127.0.0.1:port/x"])
def test_an_address_that_is_none_says_so(tmp_path: Path, address: str):
    with pytest.raises(ModelError, match="net cannot be fetched from http"):
        fetch(entry(), tmp_path, source=address, patience=QUICK)
    assert alone(tmp_path)


def test_from_a_file(tmp_path: Path):
    usb = tmp_path / "usb.onnx"
    usb.write_bytes(CONTENT)
    models = tmp_path / "models"
    assert fetch(entry("https://example.invalid/"), models, source=str(usb)).read_bytes() == CONTENT
    assert alone(models, "net.onnx")
    usb.write_bytes(CONTENT[:-1])
    (models / "net.onnx").unlink()
    with pytest.raises(ModelError, match="399,999 bytes, but net has 400,000"):
        fetch(entry(), models, source=str(usb))
    usb.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelError, match="SHA-256"):
        fetch(entry(), models, source=str(usb))
    with pytest.raises(ModelNotFound, match="no such file"):
        fetch(entry(), models, source=str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="https://"):
        fetch(entry(), models, source="ftp://example.invalid/x")
    assert alone(models)


COPY = np.random.default_rng(1).bytes(300_000)


def with_copy(url: str = "") -> Entry:
    return replace(entry(url), copies={hashlib.sha256(COPY).hexdigest(): len(COPY)})


def test_a_copy_that_the_registry_accepts_is_as_good_from_a_file_and_from_an_address(tmp_path: Path, server: Server):
    usb = tmp_path / "usb.onnx"
    usb.write_bytes(COPY)
    assert fetch(with_copy(), tmp_path / "a", source=str(usb)).read_bytes() == COPY
    assert fetch(with_copy(), tmp_path / "b", source=server.url("copy"), patience=QUICK).read_bytes() == COPY
    with pytest.raises(ModelError, match="300,000 bytes, but net has 400,000"):
        fetch(entry(), tmp_path / "c", source=server.url("copy"), patience=QUICK)


def test_a_file_that_is_named_is_looked_at_even_when_the_model_is_here(tmp_path: Path):
    usb = tmp_path / "usb.onnx"
    usb.write_bytes(CONTENT)
    path = fetch(entry(), tmp_path / "models", source=str(usb))
    assert fetch(entry(), tmp_path / "models", source=str(usb)) == path
    usb.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelError, match="is not net, which is here already"):
        fetch(entry(), tmp_path / "models", source=str(usb))
    with pytest.raises(ModelNotFound, match="no such file"):
        fetch(entry(), tmp_path / "models", source=str(tmp_path / "nothing"))
    assert path.read_bytes() == CONTENT


def test_a_server_that_drips_is_cut_off_and_what_came_is_kept(tmp_path: Path, server: Server):
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"takes too long.*--timeout.*bytes are kept"):
        fetch(entry(server.url("drip")), tmp_path, patience=replace(QUICK, total_s=0.5))
    assert time.monotonic() - began < 5
    assert 0 < (tmp_path / ".net.onnx.part").stat().st_size < len(CONTENT)
    assert fetch(entry(server.url("whole")), tmp_path, patience=QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_fetched_files_and_descriptions_obey_the_umask(tmp_path: Path, server: Server, mask: int):
    before = os.umask(mask)
    try:
        (tmp_path / "usb.onnx").write_bytes(CONTENT)
        made = [fetch(entry(server.url("whole")), tmp_path / "a", patience=QUICK),
                fetch(entry(), tmp_path / "b", source=str(tmp_path / "usb.onnx"))]  # fmt: skip
        made.append(describe_model(write(tmp_path, mean_colour()), COLOURS))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o666 & ~mask}


def test_a_good_file_is_left_alone_and_a_wrong_one_replaced(tmp_path: Path, server: Server):
    path = fetch(entry(server.url("whole")), tmp_path)
    assert fetch(entry("http://example.invalid"), tmp_path) == path
    path.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(ModelError):
        fetch(entry(server.url("missing")), tmp_path, patience=QUICK)
    assert path.read_bytes() == bytes(len(CONTENT))
    assert fetch(entry(server.url("whole")), tmp_path).read_bytes() == CONTENT


def _fetched(url: str, folder: str) -> bool:
    return fetch(entry(url), Path(folder), patience=QUICK).read_bytes() == CONTENT


def test_parallel_pulls_do_no_harm(tmp_path: Path, server: Server):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert all(pool.starmap(_fetched, [(server.url("slow"), str(tmp_path))] * 4))
    assert (tmp_path / "net.onnx").read_bytes() == CONTENT
    assert alone(tmp_path, "net.onnx")


def test_a_folder_that_is_a_file(tmp_path: Path, server: Server):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(OutputError, match="MEDIASIFT_MODELS"):
        fetch(entry(server.url("whole")), tmp_path / "models")


def call(*arguments: str):
    return CliRunner().invoke(main, ["models", "pull", *arguments], catch_exceptions=False)


def test_the_command_fetches_by_name(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path / "cache"))
    monkeypatch.setattr(pulling, "entries", lambda: {"net": entry(server.url("cutting"))})
    done = call("net")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'cache' / 'net.onnx'}\n")
    assert call("net", "--from", server.url("missing")).exit_code == 0  # it is here already


def test_the_commands_errors(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    done = call("nonsense")
    assert (done.exit_code, "there are digits-forest" in done.stderr) == (4, True)
    done = call("squeezenet1.1-7", "--from", server.url("whole"))
    assert (done.exit_code, "400,000 bytes, but squeezenet1.1-7 has 4,956,208" in done.stderr) == (4, True)
    assert call("squeezenet1.1-7", "--from", "ftp://x").exit_code == 2


def test_offline_is_an_option_of_the_command(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path / "cache"))
    monkeypatch.setattr(pulling, "entries", lambda: {"net": entry(server.url("whole"))})
    done = call("net", "--offline")
    assert (done.exit_code, server.asked) == (2, []), done.output
    assert call("net").exit_code == 0


def test_models_that_come_along_need_no_network():
    assert pull_model("digits-forest").name == "digits-forest.onnx"
