"""Pages read by Google's dense text detection, by its client against a server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

import mediasift as ms
from mediasift.errors import ConsentNeeded
from tests.pictures import save, scene

serving = pytest.importorskip("tests.vision_server").serving


@pytest.fixture
def google(package, tmp_path: Path):
    package("google.cloud.vision", "google-vision")
    with serving() as (server, endpoint):
        yield server, {"engine": "google-vision", "endpoint": endpoint, "paid": tmp_path / "paid", "max_cost": 1}


def test_lines_and_words_have_boxes_and_are_bought_once(google, tmp_path: Path):
    server, options = google
    page = save(tmp_path / "page.png", scene(width=200, height=100))
    rows = ms.ocr(page, level="line", **options).to_dicts()
    places = ("left_px", "top_px", "width_px", "height_px", "confidence")
    assert [(row["text"], *(row[name] for name in places)) for row in rows] == [
        ("Stop, now", 0, 0, 60, 10, 0.75), ("or", 0, 30, 20, 10, 0.75), ("else", 0, 60, 20, 10, 0.75),
    ]  # fmt: skip
    words = ms.ocr(page, level="word", **options).to_dicts()
    assert [(row["text"], row["left_px"], row["width_px"]) for row in words][:2] == [("Stop,", 0, 40), ("now", 40, 20)]
    (whole,) = ms.ocr(page, **options).to_dicts()
    assert (whole["text"], whole["engine"], whole["found"]) == ("Stop, now\nor\n\nelse", "google-vision", 3)
    assert server.billed == {"DOCUMENT_TEXT_DETECTION": 1}


def test_boxes_are_those_of_the_page_where_it_was_shrunk(google, tmp_path: Path, monkeypatch):
    from mediasift.engines.ocr import google_vision
    from mediasift.engines.vision.service import Limits

    _, options = google
    monkeypatch.setattr(google_vision._Documents, "limits", Limits(least_px=1, most_px=100, most_bytes=1_000_000))
    page = save(tmp_path / "page.png", scene(width=200, height=100))
    (first, *_) = ms.ocr(page, level="word", **options).to_dicts()
    assert (first["left_px"], first["width_px"], first["height_px"]) == (0, 80, 20)


def test_the_price_is_shown_first_and_what_fails_is_a_row(google, tmp_path: Path):
    server, options = google
    page = save(tmp_path / "page.png", scene(width=200, height=100))
    with pytest.raises(ConsentNeeded, match=r"1 input goes .* at most 0\.0015 USD") as caught:
        ms.ocr(page, **{**options, "max_cost": None})
    assert "DOCUMENT_TEXT_DETECTION 1.50" in caught.value.estimate
    server.planned = [(400, {}, b'{"error": {"code": 400, "message": "planned"}}'), (503, {"Retry-After": "0"}, b"{}")]
    (row,) = ms.ocr(page, **options).to_dicts()
    assert row["error"] == "inference: Google answers 400: planned"
    (row,) = ms.ocr(page, **options).to_dicts()
    assert row["text"].startswith("Stop, now")
