from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasift.errors import ItemError
from mediasift.media.pictures.headers import exif_orientation
from mediasift.media.pictures.probe import read_header
from mediasift.sources.formats import sniff
from tests.pictures import encoded, scene


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "AVIF", "PPM"])
@pytest.mark.parametrize("size", [(1, 1), (48, 32), (301, 2)])
def test_size_without_decoding(form: str, size: tuple[int, int]):
    data = encoded(scene(*size), form)
    kind = sniff(data)
    assert kind is not None
    header = read_header(data, kind.name)
    assert (header.width, header.height, header.orientation) == (*size, 1)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(form: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(), form, exif=exif.tobytes())
    assert read_header(data, form.lower()).orientation == orientation


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_impossible_orientations_are_upright(value: int):
    exif = Image.Exif()
    exif[0x0112] = value
    assert exif_orientation(exif.tobytes()[6:]) == 1


def test_pages_of_a_tiff_are_counted():
    out = io.BytesIO()
    pages = [Image.fromarray(scene(seed=seed)) for seed in range(3)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    assert read_header(out.getvalue(), "tiff").pages == (0, 1, 2)


def test_a_tiff_whose_directories_form_a_ring_ends():
    data = bytearray(encoded(scene(), "TIFF"))
    start = int.from_bytes(data[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    data[end : end + 4] = start.to_bytes(4, "little")
    assert read_header(bytes(data), "tiff").pages == (0,)


def test_headers_agree_with_pillow_on_the_valid_files(test_data: Path):
    for path in sorted((test_data / "valid-images").rglob("*.*")):
        data = path.read_bytes()
        kind = sniff(data[:4096], path.suffix)
        if kind is None or kind.name not in ("jpeg", "png", "tiff"):
            continue
        try:
            with Image.open(io.BytesIO(data)) as picture:
                expected = picture.size
        except OSError:
            continue
        header = read_header(data, kind.name)
        assert (header.width, header.height) == expected, path


@settings(max_examples=200)
@given(st.sampled_from(["JPEG", "PNG", "TIFF"]), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damaged_headers_give_an_item_error_or_a_header(form: str, position: int, patch: bytes):
    data = bytearray(encoded(scene(), form))
    data[position : position + len(patch)] = patch
    try:
        header = read_header(bytes(data), form.lower())
    except ItemError:
        return
    assert header.width > 0
    assert header.height > 0
