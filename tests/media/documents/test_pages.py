"""PDF pages as pictures and as text."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import mediasift as ms
from mediasift.errors import ItemError, UsageError
from mediasift.items import FailedItem, Item, TextPage
from mediasift.media.documents.pages import parse_pages, wanted_pages
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.sources.content import LocalFile
from mediasift.sources.naming import Source
from tests.pictures import RED, solid


class WithTextLayer(PictureSettings):
    """Settings of a task that takes the text of a page as it is."""

    text_layer = True


def read(path: Path, *, text_layer: bool = False, **options) -> list:
    kind = WithTextLayer if text_layer else PictureSettings
    return list(read_source(Source(path=path.name, content=LocalFile(path)), "pictures", kind(**options)))


def pdf(path: Path, *pictures: np.ndarray, resolution: float = 72.0) -> Path:
    first, *rest = [Image.fromarray(picture) for picture in pictures]
    first.save(path, "PDF", save_all=True, append_images=rest, resolution=resolution)
    return path


def minimal_pdf(path: Path, width: float, height: float) -> Path:
    """A PDF of one empty page; PDFium rebuilds the missing cross-reference table."""
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        + f"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]>>endobj\n".encode()
        + b"trailer<</Root 1 0 R/Size 4>>\n%%EOF\n"
    )
    return path


def test_pages_become_rgb_pictures_at_the_resolution_asked_for(tmp_path: Path):
    path = pdf(tmp_path / "two.pdf", solid(RED, 72, 36), solid((0, 0, 250), 72, 36))
    items = read(path, dpi=144)
    assert [(item.page, item.image.shape, item.image.dtype) for item in items] == [
        (1, (72, 144, 3), np.uint8), (2, (72, 144, 3), np.uint8),
    ]  # fmt: skip
    assert np.abs(items[0].image[36, 72].astype(int) - RED).max() < 12
    assert items[0].original_size == (144, 72)


def test_classify_reads_the_pages_of_a_pdf(tmp_path: Path):
    path = pdf(tmp_path / "a.pdf", solid(RED), solid(RED), solid(RED))
    rows = list(ms.classify(path, model="fashion-mlp", pages="2-"))
    assert [(row.page, row.error) for row in rows] == [(2, ""), (3, "")]


def test_a_text_layer_is_taken_as_it_is_when_the_task_wants_it(test_data: Path):
    pages = read(test_data / "pdf" / "multipage.pdf", text_layer=True)
    assert [" ".join(word.text for line in page.lines for word in line) for page in pages] == [
        "Page 1",
        "Page 2",
        "Page 3",
    ]
    assert all(isinstance(page, Item) for page in read(test_data / "pdf" / "multipage.pdf"))


def test_the_boxes_of_a_text_layer_hold_its_ink(test_data: Path):
    """Where the words are said to be, the rendered page has ink; elsewhere it has none."""
    layer, page = (read(test_data / "pdf" / "multipage.pdf", text_layer=flag, dpi=150)[0] for flag in (True, False))
    assert isinstance(layer, TextPage)
    dark = (page.image.min(axis=2) < 128)[120:1600, 120:1120]  # inside the frame that is drawn on the page
    for word in (word for line in layer.lines for word in line):
        left, top, width, height = map(int, word.box)
        left, top = left - 120, top - 120
        box = slice(top - 2, top + height + 3), slice(left - 2, left + width + 3)
        assert dark[box].any()
        dark[box] = False
    assert not dark.any()


@pytest.mark.parametrize("text_layer", [True, False])
def test_every_pdf_of_the_test_data_yields_one_item_per_page_or_an_error(test_data: Path, text_layer: bool):
    counts = {"blank": 1, "cmyk": 1, "linn": 1, "multipage": 6, "skew": 1, "text": 2, "toc_circular": 2}
    for folder in ("ocr", "pdf"):
        for path in sorted((test_data / folder).glob("*.pdf")):
            expected = 3 if path.parent.name == "pdf" and path.stem == "multipage" else counts.get(path.stem)
            try:
                items = read(path, text_layer=text_layer, dpi=40)
            except ItemError as error:
                assert path.stem in ("invalid", "encrypted"), error
            else:
                assert [item.page for item in items] == list(range(1, expected + 1)), path


def test_an_encrypted_pdf_says_what_to_type_and_opens_with_its_password(test_data: Path, tmp_path: Path):
    path = test_data / "pdf" / "encrypted.pdf"
    for password, wanted in ((None, "encrypted"), ("nonsense", "wrong")):
        with pytest.raises(ItemError, match=rf"{wanted}.*--password"):
            read(path, password=password)
    table = ms.ocr(path, password="test_user", engine="rapidocr")  # as pypdfium2's own tests open it
    rows = list(table)
    assert rows
    assert not [row.error for row in rows if row.error]
    assert "test_user" not in table.manifest()


def test_a_page_too_large_for_the_limit_is_rendered_at_what_fits(tmp_path: Path):
    path = minimal_pdf(tmp_path / "huge.pdf", 14_400, 14_400)
    (item,) = read(path, dpi=2400, max_megapixels=4)
    assert 3.5e6 < item.image.shape[0] * item.image.shape[1] <= 4e6


def test_a_page_at_2400_dpi_is_capped(test_data: Path):
    item, *_ = read(test_data / "pdf" / "text.pdf", dpi=2400, max_megapixels=10, pages="1")
    assert item.image.shape[0] * item.image.shape[1] <= 10e6


def test_a_bomb_inside_a_small_page_is_refused_before_it_is_decoded(tmp_path: Path):
    picture = Image.new("1", (30_000, 10_000))
    path = tmp_path / "bomb.pdf"
    picture.save(path, "PDF", resolution=10_000)
    (item,) = read(path, max_megapixels=100)
    assert isinstance(item, FailedItem)
    assert item.error.as_cell().startswith("too-large: a picture of 30000 x 10000 is in the page")


def test_no_pdf_at_all_is_damaged_and_pages_it_does_not_have_are_not_found(tmp_path: Path, test_data: Path):
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing")
    with pytest.raises(ItemError, match="does not open"):
        read(broken)
    with pytest.raises(ItemError, match="3 pages, none of the pages 7-9"):
        read(test_data / "pdf" / "multipage.pdf", pages="7-9")


def test_ranges_of_pages_are_read():
    assert parse_pages("1-3, 5,9-") == ((1, 3), (5, 5), (9, None))
    for wrong in ("", "0", "3-1", "a", "1,,2", "-3"):
        with pytest.raises(UsageError, match="page numbers from 1"):
            parse_pages(wrong)


@pytest.mark.parametrize("second", ["9 0 R", "null", "4 0 R"])
@pytest.mark.parametrize("text_layer", [True, False])
def test_a_page_that_cannot_be_read_is_a_failure_of_that_page(tmp_path: Path, second: str, text_layer: bool):
    path = tmp_path / "a.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        + f"2 0 obj<</Type/Pages/Kids[3 0 R {second} 5 0 R]/Count 3>>endobj\n4 0 obj<</Type/Nonsense>>endobj\n".encode()
        + b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj\n"
        + b"5 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj\ntrailer<</Root 1 0 R/Size 6>>\n%%EOF\n"
    )
    items = read(path, text_layer=text_layer)
    assert [(item.page, isinstance(item, FailedItem)) for item in items] == [(1, False), (2, True), (3, False)]
    assert "page 2 of the PDF does not load" in str(items[1].error)
    assert [item.page for item in read(path, pages="2-3")] == [2, 3]
    rows = list(ms.classify(path, model="fashion-mlp"))
    assert [(row.page, row.error.partition(":")[0]) for row in rows] == [(1, ""), (2, "damaged"), (3, "")]
    (info,) = ms.info(path)
    assert "page 2 of 3 does not open" in info.error


@given(st.sets(st.integers(1, 30), min_size=1), st.integers(0, 30))
def test_pages_asked_for_come_once_and_in_order(pages: set[int], count: int):
    ranges = parse_pages(",".join(map(str, sorted(pages, reverse=True))))
    assert wanted_pages(count, ranges) == sorted(page for page in pages if page <= count)


def test_a_password_is_in_no_manifest(tmp_path: Path):
    path = pdf(tmp_path / "a.pdf", solid(RED))
    table: Any = ms.classify(path, model="fashion-mlp", password="secret")
    list(table)
    assert "secret" not in table.manifest()
    assert json.loads(table.manifest())["settings"]["dpi"] == 150
    assert io.StringIO(repr(table._rows.job)).read().find("secret") == -1
