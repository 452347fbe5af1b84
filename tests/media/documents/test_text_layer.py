"""What a page holds as text, and when its picture is read as well. PDFs are written here, object by object."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mediasift as ms
from mediasift.items import Item, TextPage
from tests.media.documents.test_pages import read

HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def document(
    path: Path,
    contents: str,
    *,
    page: str = "",
    fonts: Sequence[bytes] = (HELVETICA,),
    more: Sequence[bytes] = (),
    parent: str = "",
    xobjects: str = "",
) -> Path:
    """A PDF of one page, 600 x 800 points; fonts are F1, F2 ..., `more` are objects from number 10 on."""
    names = " ".join(f"/F{number} {19 + number} 0 R" for number in range(1, len(fonts) + 1))
    stream = contents.encode("latin-1")
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[10 0 R 11 0 R]/DR<</Font<</F1 20 0 R>>>>>>>>"
        if "Annots" in page
        else b"<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 600 800]{parent}>>".encode(),
        3: f"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<<{names}>>{xobjects}>>{page}>>".encode(),
        4: b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        **dict(enumerate(more, 10)),
        **dict(enumerate(fonts, 20)),
    }
    body, places = b"%PDF-1.7\n", {}
    for number, data in objects.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    table = b"".join(b"%d 1\n%010d 00000 n \n" % item for item in places.items())
    start = len(body)
    trailer = b"xref\n0 1\n0000000000 65535 f \n%strailer<</Root 1 0 R/Size 40>>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        start,
    )
    path.write_bytes(body + trailer)
    return path


def line(text: str, x: float, y: float, *, size: float = 12, font: int = 1) -> str:
    return f"BT /F{font} {size} Tf {x} {y} Td ({text}) Tj ET\n"


def words_of(path: Path, **options: Any) -> list[str]:
    (page,) = read(path, text_layer=True, **options)
    assert isinstance(page, TextPage)
    return [word.text for words in page.lines for word in words]


def picture(width: int = 60, height: int = 80) -> tuple[str, bytes]:
    """Resources with a grey picture /X, and its object, number 10."""
    data = zlib.compress(np.full((height, width), 200, np.uint8).tobytes())
    head = f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/DeviceGray/BitsPerComponent 8"
    return (
        "/XObject<</X 10 0 R>>",
        f"{head}/Filter/FlateDecode/Length {len(data)}>>stream\n".encode() + data + b"\nendstream",
    )


def text(path: Path, **options: Any) -> list[tuple[str, str]]:
    rows = list(ms.ocr(path, **options))
    assert not [row.error for row in rows if row.error]
    return [(row.text, row.engine) for row in rows]


def test_a_stamp_on_a_scan_leaves_the_scan_to_be_read(test_data: Path):
    stamped, plain = (list(ms.ocr(test_data / "reports/av/scan_stamp.pdf", pages=page)) for page in ("1", "2"))
    assert [(row.text, row.engine) for row in stamped[:1]] == [("ABC000123", "text-layer")]
    assert stamped[1].engine == "tesseract"
    assert "Minutes of the council" in stamped[1].text
    assert "nineteen votes" in stamped[1].text
    assert "ABC000123" not in stamped[1].text
    assert [row.engine for row in plain] == ["tesseract"]


@pytest.mark.parametrize(
    ("share", "lines", "mode", "both"),
    [
        (1.0, 1, 0, True), (0.5, 1, 0, True), (0.1, 1, 0, False), (1.0, 18, 0, False),
        (1.0, 1, 3, True), (1.0, 12, 3, False), (1.0, 4, 0, True),
    ],
)  # fmt: skip
def test_a_page_is_text_picture_or_both(tmp_path: Path, share: float, lines: int, mode: int, both: bool):
    """A full-page scan with a stamp, a small picture, a page of text on a ground, and the hidden text of a scan."""
    resources, grey = picture()
    drawn = f"q 600 0 0 {800 * share} 0 0 cm /X Do Q\n{mode} Tr\n"
    written = "".join(
        line(f"{i} Words that fill the width of the page from left to right", 50, 760 - 40 * i, size=18)
        for i in range(lines)
    )
    path = document(tmp_path / "a.pdf", drawn + written, xobjects=resources, more=[grey])
    (page,) = read(path, text_layer=True, dpi=72)
    assert isinstance(page, TextPage)
    assert (page.picture is not None) == both
    if page.picture is not None:  # without the words that are known already
        (whole,) = read(path, dpi=72)
        assert page.picture.image.shape == whole.image.shape
        dark = page.picture.image.min(axis=2) < 120
        assert not dark.any()


def test_letters_without_unicode_are_left_to_ocr_line_by_line(test_data: Path, tmp_path: Path):
    for name in ("no_tounicode_printable.pdf", "no_tounicode.pdf"):
        (item,) = read(test_data / "reports/av" / name, text_layer=True, dpi=30)
        assert isinstance(item, Item), name
    ((read_text, engine),) = text(test_data / "reports/av/no_tounicode_printable.pdf")
    assert (read_text, engine) == ("The harbour was closed on Tuesday because of ice", "tesseract")
    unknown = (
        b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[<</Type/Font/Subtype/CIDFontType2"
        b"/BaseFont/A/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor<</Type"
        b"/FontDescriptor/FontName/A/Flags 4/FontBBox[0 0 1 1]/ItalicAngle 0/Ascent 1/Descent 0/CapHeight 1/StemV 1>>"
        b">>]>>"
    )
    contents = line("Known words", 50, 700) + line("\\0007\\000K\\000H", 50, 600, font=2) + line("More known", 50, 500)
    path = document(tmp_path / "part.pdf", contents, fonts=[HELVETICA, unknown])
    (page,) = read(path, text_layer=True, dpi=72)
    assert isinstance(page, TextPage)
    assert [" ".join(word.text for word in words) for words in page.lines] == ["Known words", "More known"]
    assert page.picture is not None


def test_form_fields_are_read_and_shown(test_data: Path, tmp_path: Path):
    path = test_data / "reports/av/form.pdf"
    assert text(path) == [("Applicant:\nAmount:\nMarigold Quince 4200 EUR", "text-layer")]
    (forced,) = text(path, force_ocr=True)
    assert "Marigold Quince" in forced[0]
    assert "4200 EUR" in forced[0]
    (item,) = read(path, dpi=72)
    assert (item.image.min(axis=2) < 128).sum() > 900  # measured: 967, 400 of them the labels


def test_annotations_that_are_shown_are_read_and_hidden_ones_are_not(tmp_path: Path):
    def annotation(kind: str, words: str, top: int, flags: int) -> tuple[bytes, bytes]:
        stream = f"BT /F1 14 Tf 2 4 Td ({words}) Tj ET"
        drawn = f"<</Type/XObject/Subtype/Form/BBox[0 0 300 20]/Resources<</Font<</F1 20 0 R>>>>/Length {len(stream)}>>"
        rest = f"/FT/Tx/T(a{top})/V({words})/DA(/F1 14 Tf)/AP<</N {12 + (top == 500)} 0 R>>>>"
        head = f"<</Type/Annot/Subtype/{kind}/Rect[50 {top} 350 {top + 20}]/F {flags}"
        return f"{head}{rest}".encode(), f"{drawn}stream\n{stream}\nendstream".encode()

    note, shown = annotation("FreeText", "Approved by Ines", 600, 4)
    field, value = annotation("Widget", "hidden value", 500, 2)
    more = [note, field, shown, value]
    path = document(tmp_path / "notes.pdf", line("Printed", 50, 700), page="/Annots[10 0 R 11 0 R]", more=more)
    assert words_of(path) == ["Printed", "Approved", "by", "Ines"]
    (item,) = read(path, dpi=72)
    assert (item.image[180:202].min(axis=2) < 128).any()
    assert not (item.image[270:302].min(axis=2) < 128).any()


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("inherited", [False, True])
def test_the_crop_box_decides_what_is_on_the_page(test_data: Path, tmp_path: Path, rotation: int, inherited: bool):
    boxes = f"/CropBox[100 300 500 700]/Rotate {rotation}"
    contents = (
        line("Inside", 150, 600) + line("Below", 150, 100) + line("Beside", 20, 500) + line("Cut across", 480, 400)
    )
    page, parent = ("", boxes) if inherited else (boxes, "")
    (layer,) = read(document(tmp_path / "a.pdf", contents, page=page, parent=parent), text_layer=True, dpi=72)
    assert isinstance(layer, TextPage)
    words = [word for words in layer.lines for word in words]
    assert [word.text for word in words if len(word.text) > 3] == ["Inside"]
    for word in words:
        left, top, width, height = word.box
        assert 0 <= left <= left + width <= 401
        assert 0 <= top <= top + height <= 401
    assert "Secret" not in text(test_data / "reports/av/crop.pdf")[0][0]


def test_invisible_characters_part_no_word_and_joiners_stay_where_they_are_spelled(test_data: Path):
    ((words, _),) = text(test_data / "reports/av/softhyphen.pdf")
    assert {"Staatsangehörigkeit", "joinedword", "office"} <= set(words.split())
    assert words.split("\n")[3] == "nbsp between"
    assert len(words.split("\n")[2].split()) == 1  # Persian, whose non-joiner is part of the word
    assert "\u200c" in words


def test_characters_beyond_16_bits_are_whole(test_data: Path):
    assert text(test_data / "reports/av/nonbmp.pdf") == [("\U00020bb7 \U0001d54f \U0001f600 ok", "text-layer")]


def test_what_was_right_stays_right(test_data: Path):
    folder = test_data / "reports/av"
    assert "Visible sentence inside" in text(folder / "owner_only.pdf")[0][0]
    assert text(folder / "rot90.pdf")[0] == ("Secret footer outside\nVisible sentence inside", "text-layer")
    (row,) = ms.ocr(folder / "cut.pdf")
    assert row.error.startswith("damaged")


def test_fields_that_bring_no_appearance_are_drawn_and_read(tmp_path: Path):
    head = b"<</Type/Annot/Subtype/Widget/F 4/DA(/F1 14 Tf 0 g)"
    words = head + b"/Rect[50 600 350 620]/FT/Tx/T(a)/V(Written in)>>"
    choice = head + b"/Rect[50 500 350 520]/FT/Ch/T(b)/V(Chosen)/Opt[(Chosen)(Other)]/Ff 131072>>"
    path = document(tmp_path / "a.pdf", line("Printed", 50, 700), page="/Annots[10 0 R 11 0 R]", more=[words, choice])
    assert words_of(path) == ["Printed", "Written", "in", "Chosen"]
    (item,) = read(path, dpi=72)
    assert (item.image[180:202].min(axis=2) < 128).any()
    assert (item.image[280:302].min(axis=2) < 128).any()
