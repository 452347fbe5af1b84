"""Drawings: size by the rules of CSS, no network, no other files, within limits."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.errors import Damaged, ItemError, TooLarge, Unsupported
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.vector_graphics import drawing_size, rasterised
from tests.pictures import encoded, solid

XMLNS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def drawing(inside: str = "", attributes: str = 'width="20" height="10"', before: str = "") -> bytes:
    return f"{before}<svg {XMLNS} {attributes}>{inside}</svg>".encode()


@pytest.fixture(autouse=True)
def renderer(package):
    package("resvg_py", "svg")


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="20" height="10"', (20, 10)),
        ('width="1in" height="72pt"', (96, 96)),
        ('width="25.4mm" height="2.54cm"', (96, 96)),
        ('viewBox="0 0 30 40"', (30, 40)),
        ('viewBox="0 0 30 40" width="60"', (60, 80)),
        ('viewBox="0,0,30,40" height="20"', (15, 20)),
        ('viewBox="0 0 30 40" width="50%" height="100%"', (15, 40)),
        ("", (100, 100)),
    ],
)
def test_the_size_foretold_is_the_size_rendered(attributes: str, size: tuple[int, int]):
    inside = '<rect width="500" height="500" fill="#c00"/>'
    data = drawing(inside, attributes)
    assert drawing_size(data) == size
    (decoded,) = decode(data, suffix=".svg")
    assert decoded.image.shape == (size[1], size[0], 3)


def test_no_other_file_is_read(tmp_path: Path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(solid((255, 0, 0), 20, 10)))
    for href in (f'href="{secret}"', f'xlink:href="{secret}"', f'xlink:href="file://{secret}"', 'href="secret.png"',
                 'href="http://localhost:9/x.png"', 'href="//localhost/x.png"'):  # fmt: skip
        for element in ("image", "feImage", "use"):
            with pytest.raises(Unsupported, match="refers to another file"):
                rasterised(drawing(f'<{element} {href} width="20" height="10"/>'), max_megapixels=1)


def test_entities_of_other_files_are_refused_and_bombs_do_not_go_off(tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    outside = f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e SYSTEM "file://{secret}">]>'
    with pytest.raises(Unsupported, match="external entity"):
        rasterised(drawing("<text>&e;</text>", before=outside), max_megapixels=1)
    laughs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e0 "haha">{laughs}]>'
    with pytest.raises(Damaged):
        rasterised(drawing("<text>&e11;</text>", before=bomb), max_megapixels=1)
    inside = '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY red "#f00">]>'
    (decoded,) = decode(drawing('<rect width="20" height="10" fill="&red;"/>', before=inside), suffix=".svg")
    np.testing.assert_array_equal(decoded.image, solid((255, 0, 0), 20, 10))


@pytest.mark.parametrize(
    "attributes", ['width="100000" height="100000"', 'viewBox="0 0 1e6 1e6"', 'width="3m" height="1e6cm"']
)
def test_too_large_is_said_before_anything_is_rendered(attributes: str):
    with pytest.raises(ItemError):
        rasterised(drawing(attributes=attributes), max_megapixels=100)
    with pytest.raises(TooLarge):
        rasterised(drawing(attributes='width="11" height="10"'), max_megapixels=0.0001)


def test_pictures_inside_a_drawing_are_drawn_and_count(tmp_path: Path):
    url = "data:image/png;base64," + base64.b64encode(encoded(solid((0, 0, 255), 20, 10))).decode()
    data = drawing(f'<image href="{url}" width="20" height="10"/>')
    (decoded,) = decode(data, suffix=".svg")
    np.testing.assert_array_equal(decoded.image, solid((0, 0, 255), 20, 10))
    bomb = "data:image/png;base64," + base64.b64encode(encoded(solid((0, 0, 0), 4000, 4000))).decode()
    with pytest.raises(TooLarge):
        rasterised(drawing(f'<image href="{bomb}" width="2" height="1"/>'), max_megapixels=1)


@pytest.mark.parametrize("data", [b"<svg", drawing("<g>"), b"<svgx/>", drawing(attributes='width="0" height="5"'),
                                  drawing(attributes='width="-5" height="5"'), b"\xff\xfe<svg/>"])  # fmt: skip
def test_damaged_drawings(data: bytes):
    with pytest.raises(Damaged):
        rasterised(data, max_megapixels=1)


def test_nested_too_deep():
    with pytest.raises(TooLarge):
        rasterised(drawing("<g>" * 300 + "</g>" * 300), max_megapixels=1)


def test_a_row_for_each_drawing_of_the_test_data(test_data: Path):
    rows = list(ms.info(test_data / "valid-images" / "svg"))
    assert rows
    assert all(row.width for row in rows if not row.error)


def drawn(text: str, family: str = "sans-serif", encoding: str = "utf-8") -> np.ndarray:
    drawing = (
        f'<?xml version="1.0" encoding="{encoding}"?><svg xmlns="http://www.w3.org/2000/svg" width="200" height="60">'
        f'<text x="5" y="40" font-size="30" font-family="{family}">{text}</text></svg>'
    )
    (item,) = decode(drawing.encode(encoding))
    return item.image


@pytest.mark.parametrize("family", ["sans-serif", "serif", "monospace", "Arial", "No Such Font", "cursive, fantasy"])
def test_letters_are_drawn_whatever_fonts_this_machine_has(family: str, package):
    package("resvg_py", "svg")
    assert np.array_equal(drawn("Größe λ Ж", family), drawn("Größe λ Ж", "Roboto"))
    assert np.count_nonzero(drawn("Größe λ Ж", family) < 128) > 1000


def test_letters_that_the_font_lacks_are_said(package):
    package("resvg_py", "svg")
    with pytest.raises(Unsupported, match="漢"):
        drawn("漢 text")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str, package):
    package("resvg_py", "svg")
    assert np.array_equal(drawn("Größe", encoding=encoding), drawn("Größe"))


@pytest.mark.parametrize("name", ["prefixed.svg", "latin1.svg", "doctype-external.svg", "text.svg", "text-arial.svg"])
def test_reported_drawings(name: str, test_data: Path, package):
    package("resvg_py", "svg")
    (item,) = decode((test_data / "reports" / "pictures" / name).read_bytes(), suffix=".svg")
    assert np.count_nonzero(item.image[:, :, 1] < 128) > 500
