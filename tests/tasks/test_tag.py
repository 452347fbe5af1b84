"""What services recognise, by their makers' clients against servers on loopback: rows, money, failures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.errors import ConsentNeeded, EngineError, UsageError

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
