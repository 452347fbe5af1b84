"""What services recognise, by their makers' clients against servers on loopback: rows, money, failures."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.vision import google_answers
from mediasift.engines.vision.azure import AzureVision
from mediasift.engines.vision.google import GoogleVision
from mediasift.engines.vision.rekognition import Rekognition
from mediasift.engines.vision.service import Limits, after_s, shown
from mediasift.errors import ConsentNeeded, EngineError, Unsupported, UsageError
from mediasift.items import Item
from mediasift.media.counting import most_pictures
from mediasift.media.settings import PictureSettings
from mediasift.run.ledger import BOOK, Book
from mediasift.sources.content import LocalFile
from tests.pictures import save, scene
from tests.vision_server import google_part

killed_tags = pytest.importorskip("tests.killed_tags")
serving = pytest.importorskip("tests.vision_server").serving

SIZE = (120, 88)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


ENGINES = tuple(engine.name for engine in (GoogleVision, Rekognition, AzureVision))


@pytest.fixture
def service(package, tmp_path: Path, monkeypatch):
    """A server, and the options of an engine that asks it."""
    for module, extra in (("google.cloud.vision", "google-vision"), ("boto3", "aws-vision"),
                          ("azure.ai.vision.imageanalysis", "azure-vision")):  # fmt: skip
        package(module, extra)
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "VISION_KEY": "k"}.items():
        monkeypatch.setenv(name, value)
    with serving() as (server, endpoint):
        common = {"endpoint": endpoint, "paid": tmp_path / "paid", "max_cost": 1, "request_timeout_s": 20}
        region = {"region": "eu-west-1"}
        yield server, lambda engine: {**common, "engine": engine, **(region if engine == "rekognition" else {})}


@pytest.fixture
def google(service):
    server, options = service
    return server, options("google-vision")


def test_rows_of_google(google, photos: Path):
    server, options = google
    asked = ("sensitive", "labels", "logos", "objects", "faces", "landmarks")
    rows = ms.tag(photos / "0.png", features=asked, **options).to_dicts()
    assert list(dict.fromkeys(row["feature"] for row in rows)) == list(asked), "in the order that was asked for"
    by_feature = {name: [row for row in rows if row["feature"] == name] for name in asked}
    assert [(row["label"], row["likelihood"]) for row in by_feature["sensitive"]] == [
        ("adult", 1), ("spoof", 3), ("medical", 2), ("violence", 4), ("racy", 5),
    ]  # fmt: skip
    assert {row["found"] for row in by_feature["sensitive"]} == {2}, "two of them are likely"
    assert (by_feature["labels"][0]["label"], by_feature["labels"][0]["score"]) == ("Dog", 0.75)
    assert [(row["label"], row["found"]) for row in by_feature["logos"]] == [(None, 0)]
    (bicycle,) = by_feature["objects"]
    names = ("left", "top", "right", "bottom", "left_px", "top_px", "width_px", "height_px")
    assert [bicycle[name] for name in names] == [0.25, 0.5, 0.75, 1, 30, 44, 60, 44]
    face, *attributes = by_feature["faces"]
    assert (face["score"], face["left_px"], face["width_px"], face["found"]) == (0.9375, 0, 60, 1)
    assert {row["attribute"]: row["likelihood"] for row in attributes}["joy"] == 5
    assert {row["attribute"]: row["value"] for row in attributes}["roll_angle_deg"] == "-2.5"
    assert {row["answered"] for row in rows} == {"2026-11-28T00:00:00+00:00"}
    (request,) = server.requests
    assert request["requests"][0]["features"][0]["model"] == "builtin/stable"


def test_many_pictures_go_in_one_request_and_are_not_bought_again(google, photos: Path):
    server, options = google
    first = ms.tag(photos, features=["labels"], **options).to_dicts()
    assert len(server.requests) == 1
    assert ms.tag(photos, features=["labels"], **options).to_dicts() == first
    more = ms.tag(photos, features=["labels", "faces"], **options).to_dicts()
    assert [row for row in more if row["feature"] == "labels"] == first
    assert server.billed == {"LABEL_DETECTION": 3, "FACE_DETECTION": 3}


def test_a_refused_picture_is_a_row_and_the_others_have_theirs(google, photos: Path):
    server, options = google
    ms.tag(photos, **options).to_dicts()
    pictures = sorted({digest for digest, _ in server.answered})
    server.refused = {pictures[0]: 3}
    rows = ms.tag(photos, features=["faces"], **options).to_dicts()
    assert sorted({row["error"] for row in rows}) == ["", "inference: Google answers 400: Bad image data."]
    assert len({row["path"] for row in rows if not row["error"]}) == 2


def test_features_that_an_engine_lacks_are_refused_by_name(google, photos: Path):
    _, options = google
    with pytest.raises(UsageError, match="google-vision has no captions; it has labels"):
        ms.tag(photos, features=["labels", "captions"], **options)
    with pytest.raises(UsageError, match="name who recognises"):
        ms.tag(photos)


def test_nothing_is_sent_without_consent(google, photos: Path):
    server, options = google
    with pytest.raises(ConsentNeeded, match=r"3 inputs .* at most 0\.0150 USD") as caught:
        ms.tag(photos, features=["labels", "web", "sensitive"], **{**options, "max_cost": None})
    assert "LABEL_DETECTION + SAFE_SEARCH_DETECTION 1.50, WEB_DETECTION 3.50" in caught.value.estimate
    assert "first 1,000 pictures a month of each feature are free; that is not reckoned in" in caught.value.estimate
    assert not server.requests


def test_rows_of_rekognition(service, photos: Path):
    server, options = service
    asked = ("objects", "labels", "faces", "text", "sensitive")
    rows = ms.tag(photos / "0.png", features=asked, **options("rekognition")).to_dicts()
    by_feature = {name: [row for row in rows if row["feature"] == name] for name in asked}
    assert list(by_feature) == list(asked)
    first, second = by_feature["objects"]
    assert (first["label"], first["score"], second["number"]) == ("Dog", 0.9625, 2)
    assert [first[name] for name in ("left", "top", "right", "bottom", "left_px", "width_px")] == [
        0.125, 0.25, 0.375, 0.75, 15, 30,
    ]  # fmt: skip
    assert [(row["label"], row["attribute"], row["value"]) for row in by_feature["labels"]][:3] == [
        ("Dog", None, None), ("Dog", "parent", "Animal"), ("Dog", "category", "Animals"),
    ]  # fmt: skip
    faces = {row["attribute"]: (row["value"], row["score"]) for row in by_feature["faces"]}
    assert (faces["age_low"], faces["smile"], faces["happy"]) == (("20", None), ("true", 0.875), (None, 0.9375))
    assert faces["roll_deg"] == ("-5.5", None)
    assert [(row["label"], row["value"]) for row in by_feature["text"]] == [("line", "STOP NOW"), ("word", "STOP")]
    assert (by_feature["sensitive"][0]["label"], by_feature["sensitive"][0]["model"]) == ("Weapons", "7.0")
    assert {row["request_id"] for row in rows} == {"r-1"}
    assert server.billed == {"DetectLabels": 1, "DetectFaces": 1, "DetectText": 1, "DetectModerationLabels": 1}


def test_rows_of_azure(service, photos: Path):
    server, options = service
    asked = ("labels", "objects", "people", "text", "captions")
    rows = ms.tag(photos / "0.png", features=asked, **options("azure-vision")).to_dicts()
    assert [(row["feature"], row["label"], row["value"], row["score"]) for row in rows if row["number"] == 1] == [
        ("labels", "dog", None, 0.96875), ("objects", "dog", None, 0.75), ("people", "person", None, 0.9375),
        ("text", "line", "STOP", None), ("captions", "caption", "a dog that runs", 0.625),
    ]  # fmt: skip
    box = next(row for row in rows if row["feature"] == "people")
    assert [box[name] for name in ("left", "top", "right", "bottom", "left_px")] == [0.25, 0.5, 0.75, 0.75, 30]
    assert {(row["model"], row["request_id"]) for row in rows} == {("2023-10-01", "r-1")}
    assert len(server.requests) == 1


DENIED = b'{"error": {"code": "403", "message": "planned"}, "__type": "AccessDeniedException", "message": "planned"}'


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "plan", [(429, {"Retry-After": "0"}, b"{}"), (503, {"Retry-After": "0"}, b"{}"), "cut", "half"]
)
def test_what_passes_by_itself_is_tried_again(service, photos: Path, engine: str, plan):
    server, options = service
    server.planned = [plan]
    (row, *_), before = ms.tag(photos / "0.png", **options(engine)).to_dicts(), len(server.answered)
    assert (row["error"], row["label"].lower()) == ("", "dog")
    events = [json.loads(line)["event"] for line in (options(engine)["paid"] / BOOK).read_text().splitlines()]
    lost = ["reserved"] if plan in ("cut", "half") or plan[0] == 503 else ["reserved", "released"]
    assert events == [*lost, "reserved", "paid"], "what may have been done counts as paid"
    assert before == 1 + (plan == "half")


@pytest.mark.parametrize("engine", ENGINES)
def test_retry_after_is_obeyed(service, photos: Path, engine: str):
    server, options = service
    server.planned = [(429, {"Retry-After": "2"}, b"{}")]
    began = time.monotonic()
    assert not next(iter(ms.tag(photos / "0.png", **options(engine)))).error
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_answer_is_an_error_row_and_not_a_picture_without_anything(service, photos: Path, engine: str):
    server, options = service
    server.planned = ["nonsense"]
    (row,) = ms.tag(photos / "0.png", **options(engine))
    assert row.error.startswith("inference: ")
    assert "what is no answer" in row.error
    assert not list(options(engine)["paid"].glob("?" * 64 + ".json"))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slow_answer_is_an_error_row(service, photos: Path, engine: str):
    server, options = service
    server.delay_s = 4
    (row,) = ms.tag(photos / "0.png", **{**options(engine), "request_timeout_s": 0.5})
    assert "did not answer" in row.error


@pytest.mark.parametrize("engine", ENGINES)
def test_refused_credentials_stop_the_run(service, photos: Path, engine: str):
    server, options = service
    server.planned = [(403, {}, DENIED)]
    with pytest.raises(EngineError, match=r"planned.*(gcloud auth|aws configure|VISION_KEY)"):
        list(ms.tag(photos / "0.png", **options(engine)))
    assert len(server.requests) == 0


def test_missing_credentials_stop_before_the_first_file(service, photos: Path, monkeypatch, tmp_path: Path):
    _, options = service
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "VISION_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    for engine, message in zip(ENGINES, ("no Google credentials", "no AWS credentials", "no key"), strict=True):
        with pytest.raises(EngineError, match=message):
            ms.tag(photos, **{**options(engine), "endpoint": None if engine == ENGINES[0] else "http://127.0.0.1:9"})


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_picture_that_the_service_does_not_take_is_a_row(service, photos: Path, engine: str):
    server, options = service
    ms.tag(photos / "0.png", **options(engine)).to_dicts()
    server.refused = {server.answered[0][0]: 3}
    features = ["labels", "text"]
    rows = ms.tag(photos / "0.png", **options(engine), features=features).to_dicts()
    assert [(row["feature"], bool(row["error"])) for row in rows] == [("labels", False)] * (len(rows) - 1) + [
        ("text", True)
    ], "what was bought before is there; what failed is a row of its feature"
    save(photos / "small.png", scene(width=40, height=30))
    (row,) = ms.tag(photos / "small.png", **options(engine))
    assert row.error.startswith("unsupported: 40x30 pixels;")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_estimate_is_what_the_server_bills(service, photos: Path, engine: str):
    server, options = service
    features = ["text", "labels", *(["sensitive"] if engine != "azure-vision" else ["captions"])]
    asked = {**options(engine), "features": features}
    with pytest.raises(ConsentNeeded) as caught:
        ms.tag(photos, **{**asked, "max_cost": None})
    ms.tag(photos, **asked).to_dicts()
    usd = sum(PRICES[operation] * count for operation, count in server.billed.items()) / 1000
    assert f"at most {usd:.4f} USD" in str(caught.value)
    book = Book(options(engine)["paid"])
    book.close()
    assert book.usd == pytest.approx(usd)
    with pytest.raises(UsageError, match="more than --max-cost"):
        ms.tag(photos, **{**asked, "max_cost": usd - 1e-6})


PRICES = {
    "TEXT_DETECTION": 1.5, "LABEL_DETECTION": 1.5, "SAFE_SEARCH_DETECTION": 0, "DetectText": 1, "DetectLabels": 1,
    "DetectModerationLabels": 1, "read": 1.5, "tags": 1, "caption": 1.5,
}  # fmt: skip
"""USD for 1,000, by the price lists; SafeSearch is free beside labels."""


def test_killed_twice_nothing_that_arrived_is_bought_again(service, tmp_path: Path):
    assert "8 pictures" in killed_tags.check("rekognition", tmp_path / "killed", 8, 2, random.Random(1))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_limit_is_never_exceeded(service, photos: Path, engine: str):
    server, options = service
    asked = {**options(engine), "features": ["text"], "parallel": 1}
    save(photos.parent / "before.png", scene(120, 90))
    list(ms.tag(photos.parent / "before.png", **asked))
    limit = 3 * sum(PRICES[name] for name in server.billed) / 1000  # enough for the folder, had nothing been spent
    with pytest.raises(UsageError, match="more than --max-cost"):
        list(ms.tag(photos, **{**asked, "max_cost": limit}))
    assert sum(PRICES[name] * count for name, count in server.billed.items()) / 1000 <= limit
    assert not any(row.error for row in ms.tag(photos, **{**asked, "max_cost": 2 * limit}))
    assert sum(server.billed.values()) == 1 + 3


def test_the_command_line_shows_the_price_and_sends_nothing(service, photos: Path):
    server, options = service
    command = ["tag", str(photos), "--engine", "azure-vision", "--endpoint", options("")["endpoint"], "--paid",
               str(options("")["paid"])]  # fmt: skip
    shown = CliRunner().invoke(main, [*command, "--dry-run", "--yes"])
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "at most 0.0030 USD" in shown.stderr
    assert "Microsoft ends this service on 25 September 2028" in shown.stderr
    assert CliRunner().invoke(main, command).exit_code == 2
    assert not server.requests
    done = CliRunner().invoke(main, [*command, "--yes", "--quiet"])
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 3 * 2


def test_counts_are_one_option_away(google, photos: Path):
    _, options = google
    rows = ms.tag(photos, features=["sensitive", "objects"], per="item", **options).to_dicts()
    assert {row["label"] for row in rows} == {"sensitive:violence", "sensitive:racy", "objects:Bicycle"}


def item(width: int, height: int) -> Item:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Item(path="a", image=noise, original_size=(width, height))


def test_pictures_are_shrunk_to_what_a_service_takes():
    data, size = shown(item(300, 200), Limits(least_px=20, most_px=150, most_bytes=10_000), "it")
    assert len(data) <= 10_000
    assert size[0] <= 150
    assert abs(size[0] / size[1] - 1.5) < 0.1
    with pytest.raises(Unsupported, match="300x15 pixels; it takes pictures of 20"):
        shown(item(300, 15), Limits(least_px=20, most_px=150, most_bytes=10_000), "it")
    assert shown(item(64, 48), GoogleVision.limits, "it")[1] == (64, 48)


def test_names_with_underscores_and_numbers_of_likelihoods_are_read_alike():
    camel = google_part("FACE_DETECTION", "a", 80, 60)
    words = ("UNKNOWN", "VERY_UNLIKELY", "UNLIKELY", "POSSIBLE", "LIKELY", "VERY_LIKELY")
    face = {re.sub("([A-Z])", lambda m: f"_{m[1].lower()}", name): words.index(value) if value in words else value
            for name, value in camel["faceAnnotations"][0].items()}  # fmt: skip
    kept = list(google_answers.parse({"face_annotations": [face]}, (80, 60)))
    assert kept == list(google_answers.parse(camel, (80, 60)))
    assert {tag.attribute: tag.value for tag in kept}["blurred"] == "unknown"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), (None, None), ("Sat, 28 Nov 2020 00:00:00 GMT", 0)])
def test_how_long_a_service_wants_to_be_left_alone(header, seconds):
    assert after_s(header) == seconds


def test_pictures_are_counted_before_they_are_sent(tmp_path: Path):
    frames = [Image.fromarray(scene(seed=seed)) for seed in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=500)
    frames[0].save(tmp_path / "a.pdf", save_all=True, append_images=frames[1:])
    save(tmp_path / "a.png", scene())
    (tmp_path / "a.txt").write_text("no picture")

    def count(name: str, **options) -> int:
        return most_pictures(LocalFile(tmp_path / name), PictureSettings(**options))

    assert [count(name) for name in ("a.tif", "a.gif", "a.pdf", "a.png", "a.txt")] == [3, 1, 3, 1, 0]
    assert (count("a.gif", every_frame=True), count("a.gif", every="1s"), count("a.pdf", pages="2-")) == (3, 2, 2)
    assert count("a.gif", every="shot") >= 1
