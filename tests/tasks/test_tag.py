"""What services recognise, by their makers' clients against servers on loopback: rows, money, failures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.engines.vision import google_answers
from mediasift.engines.vision.google import GoogleVision
from mediasift.engines.vision.service import Limits, after_s, shown
from mediasift.errors import ConsentNeeded, EngineError, Unsupported, UsageError
from mediasift.items import Item
from mediasift.media.counting import most_pictures
from mediasift.media.settings import PictureSettings
from mediasift.sources.content import LocalFile
from tests.pictures import save, scene
from tests.vision_server import google_part

serving = pytest.importorskip("tests.vision_server").serving

SIZE = (80, 60)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def google(package, tmp_path: Path):
    package("google.cloud.vision", "google-vision")
    with serving() as (server, endpoint):
        yield server, {"engine": "google-vision", "endpoint": endpoint, "paid": tmp_path / "paid", "max_cost": 1}


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
    assert [bicycle[name] for name in names] == [0.25, 0.5, 0.75, 1, 20, 30, 40, 30]
    face, *attributes = by_feature["faces"]
    assert (face["score"], face["left_px"], face["width_px"], face["found"]) == (0.9375, 0, 40, 1)
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


def test_wrong_credentials_stop_the_run(google, photos: Path):
    server, options = google
    server.planned = [(403, {}, b'{"error": {"code": 403, "message": "planned"}}')]
    with pytest.raises(EngineError, match=r"planned.*gcloud auth"):
        list(ms.tag(photos, **options))


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
