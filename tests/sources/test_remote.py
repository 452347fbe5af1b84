"""Web addresses as inputs, over real sockets on loopback: connections, client, session, content, run."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import ItemError, NotFound, TooLarge, Unavailable, Unreadable, UsageError
from mediasift.media.video.every import parse_every
from mediasift.media.video.footage import chosen_frames, open_footage
from mediasift.run.journal import journal_path
from mediasift.sources import connections, web
from mediasift.sources.content import LocalFile
from mediasift.sources.keeping import TABLE
from mediasift.sources.remote import WebFile, fetch_bytes
from mediasift.sources.session import BLOCK
from mediasift.sources.settings import RemoteSettings
from tests.videos import make_video, numbered
from tests.web_server import Handler, after, redirect, serving, slowly

OURS = RemoteSettings(allow_private=True)


def png(seed: int = 0, size: tuple[int, int] = (20, 30)) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "png")
    return out.getvalue()


SMALL, LARGE = png(), png(1, (600, 800))
"""LARGE has six blocks."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(web, "_PAUSES_S", (0.01, 0.01, 0.01))


@pytest.fixture
def site():
    with serving({"/a.png": SMALL, "/large.png": LARGE}) as site:
        yield site
    web.forget_clients()


def file(site, path: str, **access) -> WebFile:
    return WebFile(site.url + path, RemoteSettings(allow_private=True, **access))


def rows(site, *paths: str, **options):
    named = [path if "//" in path else site.url + path for path in paths]
    return list(ms.info(named, **{"allow_private": True, **options}))


# what a server answers


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, Unreadable, "401 (Unauthorized); it may want a key"),
        (403, Unreadable, "403 (Forbidden)"),
        (404, NotFound, "404 (Not Found)"),
        (410, NotFound, "410 (Gone)"),
        (418, Unreadable, "418"),
        (429, Unavailable, "429 (Too Many Requests)"),
        (500, Unavailable, "500 (Internal Server Error)"),
        (503, Unavailable, "503 (Service Unavailable)"),
    ],
)
def test_each_answer_is_a_sentence(site, status, error, sentence):
    site.pages["/x"] = lambda handler: handler.answer(status, b"<h1>no</h1>")
    with pytest.raises(error) as raised:
        file(site, "/x").read()
    assert f"the server answers {sentence}" in str(raised.value)
    assert type(raised.value) is error
    assert site.asked("/x") == (4 if error is Unavailable else 1)


def test_what_passes_is_asked_again_when_the_server_says(site, monkeypatch):
    monkeypatch.setattr(web, "_PAUSES_S", (0.01, 9.0, 9.0))
    site.pages["/x"] = after(2, 429, SMALL, Retry_After="1")
    began = time.monotonic()
    assert file(site, "/x").read() == SMALL
    assert time.monotonic() - began >= 1.9
    site.pages["/long"] = after(9, 503, SMALL, Retry_After="3600")
    with pytest.raises(Unavailable, match=r"wants to be left alone for 3,600 s"):
        file(site, "/long").read()
    with pytest.raises(Unavailable, match=r"wants to be left alone"):
        file(site, "/a.png").read()
    assert site.asked("/a.png") == 0


def test_redirects_are_followed_to_their_end(site):
    for status in (301, 302, 303, 307, 308):
        site.pages["/r"] = redirect("/a.png", status)
        assert file(site, "/r").read() == SMALL
    site.pages |= {f"/{number}": redirect(f"/{number + 1}") for number in range(20)}
    site.pages |= {"/loop": redirect("/pool"), "/pool": redirect("/loop"), "/ftp": redirect("ftp://a.test/x")}
    site.pages |= {"/file": redirect("file:///etc/passwd"), "/none": lambda handler: handler.answer(302)}
    for path, sentence in (
        ("/0", "more than 10 times"), ("/loop", "in a circle"), ("/ftp", "to ftp:"), ("/file", "to file:"),
        ("/none", "without an address"),
    ):  # fmt: skip
        with pytest.raises(Unreadable, match=sentence):
            file(site, path).read()


def test_a_redirect_is_asked_once_for_all_blocks(site):
    site.pages["/r"] = redirect("/large.png")
    assert file(site, "/r").read() == LARGE
    assert (site.asked("/r"), site.asked("/large.png")) == (1, 2)


def test_private_addresses_are_refused_before_a_connection(site):
    for host in ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "2130706433", "0x7f.1", "0"):
        with pytest.raises(ItemError) as raised:
            WebFile(f"http://{host}:{site.url.rpartition(':')[2]}/a.png").read()
        assert "--allow-private" in str(raised.value) or "no server" in str(raised.value)
    assert not site.requests


def test_each_redirect_and_each_lookup_is_checked(site, monkeypatch):
    """A second loopback address stands for a private one."""
    monkeypatch.setattr(connections, "is_public", lambda numbers: numbers == "127.0.0.1")
    web.forget_clients()
    port = site.url.rpartition(":")[2]
    site.pages["/inside"] = redirect(f"http://127.0.0.2:{port}/a.png")
    with pytest.raises(Unreadable, match=r"127\.0\.0\.2 is in a private network"):
        WebFile(site.url + "/inside").read()
    lookups = iter(["127.0.0.1", "127.0.0.2"])  # a name that is bound to another address after the first look
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **more: real(next(lookups), *args, **more))
    site.pages["/a.png"] = lambda handler: (handler.file(SMALL), setattr(handler, "close_connection", True))
    name = f"http://rebound.test:{port}/a.png"
    assert WebFile(name).read() == SMALL
    with pytest.raises(Unreadable, match=r"rebound\.test \(127\.0\.0\.2\) is in a private network"):
        WebFile(name).read()


def test_no_server_and_no_address(site):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="cannot be reached"):
            WebFile(f"http://127.0.0.1:{closed.getsockname()[1]}/a", OURS).read()
    for address in ("http://", "http:///a", "http://a b/", "http://[::1/a", "http://a:99999999/", "http://\udcff/"):
        with pytest.raises(ItemError):
            WebFile(address, OURS).read()


def test_a_server_that_never_answers_is_left_alone(monkeypatch):
    monkeypatch.setattr(connections, "_SILENCE_S", 0.2)
    web.forget_clients()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url, errors = f"http://127.0.0.1:{mute.getsockname()[1]}/", []
        for number in range(5):
            with pytest.raises(Unavailable) as raised:
                WebFile(f"{url}{number}", OURS).read()
            errors.append(str(raised.value))
    assert "is silent" in errors[0]
    assert all("left alone for a minute" in error for error in errors[3:])
    web.forget_clients()


# bytes


def test_a_small_file_is_one_request_and_a_large_one_two(site):
    for path, data, asked in (("/a.png", SMALL, 1), ("/large.png", LARGE, 2)):
        content = file(site, path)
        with content.held(lambda: None):
            assert content.head(100) == data[:100]
            assert content.read() == data
            assert content.read() == data
            with content.local() as copy:
                assert copy.suffix == ".png"
                assert copy.read_bytes() == data
            assert content.size == len(data)
        assert not copy.exists()
        assert site.asked(path) == asked


def test_any_bytes_of_a_large_file(site):
    with file(site, "/large.png").open() as opened:
        opened.seek(-10, 2)
        assert opened.read() == LARGE[-10:]
        opened.seek(3 * BLOCK - 5)
        assert opened.read(10) == LARGE[3 * BLOCK - 5 : 3 * BLOCK + 5]
        assert opened.tell() == 3 * BLOCK + 5
    assert site.sent <= 5 * BLOCK
    with file(site, "/large.png").open() as opened:
        assert opened.read() == LARGE


def test_a_cut_download_goes_on_where_it_was_cut(site):
    first = True

    def cut(handler: Handler) -> None:
        nonlocal first
        most, first = (300_000 if "bytes=0-" not in handler.headers["Range"] else 100_000) if first else 400_000, False
        handler.file(LARGE, most=most)

    site.pages["/cut.png"] = cut
    assert file(site, "/cut.png").read() == LARGE
    assert site.sent < len(LARGE) + 20
    site.pages["/cut.png"] = lambda handler: handler.file(LARGE, most=0)
    with pytest.raises(Unavailable, match="cut"):
        file(site, "/cut.png").read()


def test_an_object_that_changes_is_an_error_and_no_mixture(site):
    for known in ({}, {"tag": None}):  # by its ETag, by its date

        def changed(handler: Handler, known=known) -> None:
            is_first = "bytes=0-" in handler.headers["Range"]
            date = {} if is_first else {"date": "Thu, 02 Jan 2025 00:00:00 GMT"}
            handler.file(LARGE if is_first else png(2, (600, 800)), **known, **date)

        site.pages["/x.png"] = changed
        with pytest.raises(Unavailable, match="changed while it was read"):
            file(site, "/x.png").read()
    (row,) = rows(site, "/x.png")
    assert row.error.startswith("unavailable: it was changed")


def test_a_server_without_ranges_sends_once(site):
    site.pages["/x.png"] = lambda handler: handler.answer(200, LARGE)
    content = file(site, "/x.png")
    with content.held(lambda: None):
        assert content.head(10) == LARGE[:10]
        assert content.read() == LARGE
    assert site.asked("/x.png") == 1


def test_parts_of_what_has_no_version_are_not_put_together(site):
    def partly(handler: Handler) -> None:
        if "Range" in handler.headers:
            handler.answer(206, LARGE[:BLOCK], Content_Range=f"bytes 0-{BLOCK - 1}/{len(LARGE)}")
        else:
            handler.answer(200, LARGE)

    site.pages["/x.png"] = partly
    assert file(site, "/x.png").read() == LARGE
    assert site.asked("/x.png") == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda handler: handler.answer(206, SMALL), "does not say which"),
        (lambda handler: handler.answer(206, SMALL, Content_Range="bytes 5-9/100"), "bytes from 5 on"),
        (lambda handler: handler.answer(206, SMALL, Content_Range="bytes 0-9/10"), "were announced"),
        (lambda handler: handler.answer(416, Content_Range="bytes */90"), "changed"),
        (lambda handler: (handler.answer(200, SMALL, length=10**6), handler.cut()), "cut"),
    ],
)
def test_wrong_lengths_and_parts(site, answer, error):
    site.pages["/x.png"] = answer
    with pytest.raises(ItemError, match=error):
        file(site, "/x.png").read()


def test_an_empty_file_and_a_compressed_one(site):
    site.pages |= {
        "/empty.png": b"",
        "/gz.png": lambda handler: handler.answer(200, gzip.compress(SMALL), Content_Encoding="gzip"),
    }
    empty, packed = rows(site, "/empty.png", "/gz.png")
    assert empty.error == "empty: the file is empty (0 bytes)"
    assert (packed.error, packed.sha256) == ("", hashlib.sha256(SMALL).hexdigest())


def test_more_than_may_be_fetched(site):
    def endless(handler: Handler) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.end_headers()
        for _ in range(99):
            handler.wfile.write(LARGE)

    site.pages["/endless"] = endless
    for path in ("/large.png", "/endless"):
        with pytest.raises(TooLarge, match="--max-file"):
            file(site, path, max_file_gb=0.001).read()


def test_a_slow_server_may_take_its_time_but_not_all_of_it(site, monkeypatch):
    site.pages["/slow"] = slowly(SMALL, 0.02, 200)
    alive = []
    content = file(site, "/slow")
    with content.held(lambda: alive.append(True)):
        assert content.read() == SMALL
    assert len(alive) > 5
    monkeypatch.setattr(web, "_SLOW_S", 0.05)
    monkeypatch.setattr(web, "_SLOWEST_BYTES", 10**6)
    with pytest.raises(Unavailable, match="too slow"):
        file(site, "/slow").read()


def test_politeness(site):
    def slow(handler: Handler) -> None:
        time.sleep(0.1)
        handler.file(SMALL)

    site.pages |= {f"/{number}": slow for number in range(8)}
    access = {"per_host": 2, "allow_private": True}
    threads = [threading.Thread(target=WebFile(f"{site.url}/{n}", RemoteSettings(**access)).read) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.most == 2
    began = time.monotonic()
    for _ in range(4):
        file(site, "/a.png", rate=10.0).read()
    assert time.monotonic() - began >= 0.3


def test_bytes_for_a_service(site):
    given = fetch_bytes(f"{site.url}/a.png?token=0123456789abcdef0123", OURS)
    assert (given.data, given.name) == (SMALL, f"{site.url}/a.png")
    with pytest.raises(TooLarge):
        fetch_bytes(f"{site.url}/large.png", OURS, most=1000)
    with pytest.raises(Unreadable, match="private"):
        fetch_bytes(f"{site.url}/a.png")
    for address in ("file:///etc/passwd", "s3://b/k", "/etc/passwd"):
        with pytest.raises(UsageError):
            fetch_bytes(address, OURS)


# runs


def test_every_input_is_one_row_and_nothing_is_fetched_twice(site, tmp_path: Path):
    site.pages |= {
        "/403": lambda handler: handler.answer(403),
        "/page.jpg": b"<html>gone</html>",
        "/r": redirect("/a.png"),
    }
    site.pages["/503"] = lambda handler: handler.answer(503)
    paths = ("/a.png", "/large.png", "/gone.png", "/403", "/page.jpg", "/r", "/503")
    with (tmp_path / "list.csv").open("w", newline="") as out:
        csv.writer(out).writerows(
            [["id", "image_url"], *([number, site.url + one] for number, one in enumerate(paths))]
        )
    table, command = tmp_path / "out.csv", ["info", str(tmp_path / "list.csv"), "--column", "image_url", "--keep", "id"]
    command += ["--allow-private", "-o", str(table), "--quiet"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1, done.output
    cells = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["path"].removeprefix(site.url) for row in cells] == list(paths)
    assert [row["id"] for row in cells] == [str(number) for number in range(7)]
    codes = [row["error"].partition(":")[0] for row in cells]
    assert codes == ["", "", "not-found", "unreadable", "damaged", "", "unavailable"]
    assert [site.asked(one) for one in ("/large.png", "/gone.png", "/403", "/r")] == [2, 1, 1, 1]
    before = len(site.requests)
    site.pages["/503"] = SMALL  # what passes is tried again by the same command, and nothing else
    done = CliRunner().invoke(main, command)
    cells = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["error"].partition(":")[0] for row in cells] == ["", "", "not-found", "unreadable", "damaged", "", ""]
    assert [path for path, _ in site.requests[before:]] == ["/503"]
    before = len(site.requests)
    assert CliRunner().invoke(main, command).exit_code == 1
    assert len(site.requests) == before


def test_a_run_that_was_cut_off_asks_whether_what_it_has_is_still_the_same(site, tmp_path: Path):
    released = threading.Event()
    site.pages |= {"/b.png": png(3), "/c.png": lambda handler: (released.wait(60), handler.file(png(4)))}
    (tmp_path / "list.txt").write_text("".join(f"{site.url}/{name}.png\n" for name in "abc"))
    command = ["info", "list.txt", "--allow-private", "--jobs", "1", "-o", "out.csv", "--quiet"]
    process = subprocess.Popen([sys.executable, "-P", "-m", "mediasift", *command], cwd=tmp_path)
    journal, until = journal_path(tmp_path / "out.csv"), time.monotonic() + 60
    while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b"\n") >= 4):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    released.set()
    site.pages["/b.png"] = png(5)
    before = len(site.requests)
    done = subprocess.run([sys.executable, "-P", "-m", "mediasift", *command], cwd=tmp_path, check=False)
    assert done.returncode == 0
    asked = Counter((path, headers["Range"]) for path, headers in site.requests[before:])
    block = f"bytes=0-{BLOCK - 1}"
    assert asked == {
        ("/a.png", "bytes=0-0"): 1, ("/b.png", "bytes=0-0"): 1, ("/b.png", block): 1, ("/c.png", block): 1,
    }  # fmt: skip
    cells = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["sha256"] for row in cells] == [hashlib.sha256(png(n)).hexdigest() for n in (0, 5, 4)]


@pytest.mark.parametrize("dated", [True, False])
def test_update_asks_servers_what_changed(site, tmp_path: Path, dated: bool):
    """By the date, or, where a server states always the same one, by its ETag."""
    site.pages["/b.png"] = png(3)
    named, out = [f"{site.url}/a.png", f"{site.url}/b.png"], tmp_path / "out.csv"
    ms.info(named, allow_private=True).write(out)
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    site.pages["/b.png"] = (lambda handler: handler.file(png(5), tag=None, date=later)) if dated else png(5)
    ms.info(named, allow_private=True).write(out, update=True)
    cells = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["sha256"] for row in cells] == [hashlib.sha256(png(n)).hexdigest() for n in (0, 5)]
    assert site.asked("/a.png") == 2  # the second time for one byte


def test_secrets_are_in_no_file(site, tmp_path: Path, monkeypatch):
    secret = "0123456789abcdef0123456789abcdef"
    address = f"{site.url}/a.png?X-Amz-Signature={secret}&token={secret}".replace("//", f"//me:{secret}@")
    command = ["info", address, f"{address}x", "--allow-private", "-o", str(tmp_path / "o.csv")]
    monkeypatch.setattr(sys, "argv", ["mediasift", *command])
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert site.requests[0][1]["Authorization"].startswith("Basic ")
    assert f"X-Amz-Signature={secret}" in site.requests[0][0]
    written = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert secret.encode() not in written
    assert secret not in done.output
    assert written.count(b"token=***") >= 5  # two rows, the inputs, the command line


def test_offline_opens_no_socket(site):
    done = CliRunner().invoke(main, ["info", f"{site.url}/a.png", "--allow-private", "--offline"])
    assert done.exit_code == 2
    assert "--offline" in done.stderr
    assert not site.requests


def test_kept_files_are_the_corpus(site, tmp_path: Path):
    corpus = tmp_path / "corpus"
    address = f"{site.url}/large.png?token=0123456789abcdef0123"
    for _ in range(2):  # the second time everything vanished
        good, twin, gone = rows(site, address, "/a.png", "/gone.png", keep_files=str(corpus))
        assert (good.error, twin.error) == ("", "")
        assert (good.sha256, twin.sha256) == tuple(hashlib.sha256(data).hexdigest() for data in (LARGE, SMALL))
        assert gone.error.startswith("not-found")
        site.pages.clear()
    noted = list(csv.DictReader((corpus / TABLE).read_text().splitlines()))
    assert sorted(one["status"] for one in noted) == ["not-found", "not-found", "ok", "ok"]
    kept = {one["address"]: one for one in noted if one["file"]}
    assert len(kept) == 2
    for one in kept.values():
        assert hashlib.sha256((corpus / one["file"]).read_bytes()).hexdigest() == one["sha256"] in one["file"]
        assert one["last_modified"]
    assert "0123456789abcdef0123" not in (corpus / TABLE).read_text()


def test_a_session_ends_with_its_copy(site, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for content in (file(site, "/large.png"), file(site, "/a.png")):
        content.read()
        with content.local():
            assert len(list(tmp_path.iterdir())) == 1
        assert not list(tmp_path.iterdir())


def test_key_frames_of_a_large_film_are_few_requests(site, tmp_path: Path):
    """420 frames of noise, every 14th an I-frame: about 45 MB, of which a block for each I-frame is fetched."""
    path, noise = tmp_path / "film.mp4", np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        options = {"g": "14", "keyint_min": "14", "sc_threshold": "0", "preset": "ultrafast", "qp": "13", "bf": "2"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(420):
            picture = noise.integers(0, 256, (360, 320), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        container.mux(stream.encode())
    site.pages["/film.mp4"] = path.read_bytes()
    seen = []
    for content in (LocalFile(path), file(site, "/film.mp4")):
        with content.held(lambda: None), open_footage(content) as footage:
            frames = [(one.number, one.time_s, one.rgb().tobytes()) for one in footage.iframes()]
            assert footage.complaint() is None
            seen.append((footage.timetable, frames))
    assert seen[0] == seen[1]
    assert [number for number, *_ in seen[0][1]] == list(range(0, 420, 14))
    assert path.stat().st_size > 40_000_000
    assert len(site.requests) <= 45
    assert site.sent <= path.stat().st_size / 3
    content = file(site, "/film.mp4")
    with content.held(lambda: None), open_footage(content) as footage:
        site.pages["/film.mp4"] = path.read_bytes()[::-1]
        with pytest.raises(Unavailable, match="changed while it was read"):
            list(footage.iframes())


@pytest.mark.parametrize("every", ["iframe", "2s", "1f", "shot"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_any_frames_of_a_film_are_those_of_the_file_itself(site, tmp_path: Path, suffix: str, every: str):
    path = make_video(tmp_path / f"film.{suffix}", numbered(120), range(120))
    site.pages["/film"] = path.read_bytes()
    seen = []
    for content in (LocalFile(path), file(site, "/film")):
        with content.held(lambda: None), open_footage(content) as footage:
            chosen = chosen_frames(footage, parse_every(every))
            seen.append([(frame.number, frame.time_s, shot, frame.rgb().tobytes()) for frame, shot in chosen])
    assert seen[0] == seen[1]
    asked = [headers.get("Range") for _, headers in site.requests]
    assert len(asked) == len(set(asked))
