"""A language model that reads pages, over a real socket: its text, and nothing that it does not say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.ocr.codebook import PROMPT
from mediasift.errors import ConsentNeeded, UsageError
from tests.chat_server import FINGERPRINT, MODEL, chatting
from tests.pictures import save, solid

LINES = ["Dear Anna,", "  all is \u201cwell\u201d. "]


@pytest.fixture
def reader(tmp_path: Path):
    with chatting(lambda _: {"lines": LINES}) as (served, url):
        yield served, {"engine": "codebook", "url": url, "model": MODEL, "paid": tmp_path / "paid"}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return save(tmp_path / "page.png", np.tile(solid((250, 250, 250), 300, 400), (1, 2, 1)))


@pytest.mark.parametrize("isolate", [False, True])
def test_text_without_boxes_and_confidences(reader, page: Path, isolate: bool):
    served, options = reader
    (row,) = ms.ocr(page, **options, isolate=isolate)
    assert row.text == "Dear Anna,\nall is \u201cwell\u201d."
    assert (row.confidence, row.left_px, row.top_px, row.width_px, row.height_px) == (None,) * 5
    assert (row.engine, row.note, row.found) == ("codebook", f"{MODEL} {FINGERPRINT}", 2)
    assert served.asked[0].text == PROMPT
    assert served.asked[0].size == (600, 400)
    words = list(ms.ocr(page, **options, level="word", isolate=isolate))
    assert [one.text for one in words] == ["Dear", "Anna,", "all", "is", "\u201cwell\u201d."]
    assert next(iter(ms.ocr(page, **options, level="line", clean_steps=["deskew"]))).text == "Dear Anna,"
    assert len(served.asked) <= 2, "what has arrived is not asked for again; a cleaned page is another"


def test_a_page_without_text_is_a_row(reader, page: Path):
    served, options = reader
    served.brain = lambda _: {"lines": [" "]}
    (row,) = ms.ocr(page, **options)
    assert (row.text, row.found, row.error) == ("", 0, "")


@pytest.mark.parametrize(
    ("style", "says"),
    [("words", "no JSON object in the answer"), ("missing", "it must have lines"), ("unknown", "and nothing else"),
     ("cut", "raise --max-tokens"), ("refusal", "'I cannot help with that.'")],
)  # fmt: skip
def test_what_is_no_page_is_an_error_and_is_kept(reader, page: Path, style: str, says: str):
    served, options = reader
    served.plans = [style]
    for _ in range(2):
        (row,) = ms.ocr(page, **options)
        assert row.error.startswith("inference: ")
        assert says in row.error
    assert len(served.asked) == 1


def test_a_large_page_is_shrunk_and_says_so(reader, tmp_path: Path):
    served, options = reader
    (row,) = ms.ocr(save(tmp_path / "large.png", solid((9, 9, 9), 50, 1000)), **options, pixels=400)
    assert served.asked[0].size == (20, 400)
    assert "reduced to 40% (--pixels): small print may be missing" in row.note


def test_the_price_is_asked_first(reader, page: Path):
    served, options = reader
    prices = {"price_in": 10.0, "price_out": 40.0, "picture_tokens": 85}
    with pytest.raises(ConsentNeeded, match="1 input goes to a paid service"):
        ms.ocr(page, **options, **prices)
    words = ["ocr", str(page), *(f"--{name.replace('_', '-')}={value}" for name, value in (options | prices).items())]
    done = CliRunner().invoke(main, [*words, "--dry-run"])
    assert (done.exit_code, served.asked) == (0, [])
    assert "answers of 4,096 tokens" in done.stderr
    (row,) = ms.ocr(page, **options, **prices, yes=True)
    assert row.text
    book = (options["paid"] / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in book] == ["reserved", "paid", "released"]


def test_options_that_say_nothing_here(reader, page: Path):
    _, options = reader
    with pytest.raises(UsageError, match="codebook does not say how sure it is"):
        ms.ocr(page, **options, min_confidence=0.5)
    with pytest.raises(UsageError, match="codebook makes no pdf files"):
        ms.ocr(page, **options, files=["pdf"], directory=page.parent / "made")
    with pytest.raises(UsageError, match="--url is for codebook"):
        ms.ocr(page, engine="tesseract", url=options["url"])
