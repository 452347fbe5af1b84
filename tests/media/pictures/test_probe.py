"""One rule of orientation for every format: the first EXIF block counts, and nothing else."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import mediasift as ms
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.probe import read_header
from mediasift.sources.formats import sniff
from tests.pictures import encoded, scene

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def image(data: bytes) -> np.ndarray:
    (item,) = decode(data)
    return item.image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_every_format(form: str, orientation: int, tmp_path: Path):
    options = {"lossless": True} if form == "WEBP" else {"subsampling": "4:4:4"} if form == "AVIF" else {}
    data = encoded(scene(), form, exif=exif(orientation), **options)
    picture = Image.fromarray(scene())
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture)).astype(int)
    assert np.abs(image(data).astype(int) - expected).mean() < 8
    (tmp_path / "a").write_bytes(data)
    (row,) = ms.info(tmp_path / "a")
    assert (row.width, row.height) == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_turns_none(form: str):
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(scene(), form, xmp=XMP, **options) if form != "TIFF" else encoded(scene(), form, tiffinfo={700: XMP})
    assert image(data).shape == (32, 48, 3)


def test_the_first_of_two_blocks_counts():
    def segment(orientation: int) -> bytes:
        body = exif(orientation)
        return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body

    plain = encoded(scene(), "JPEG")
    for first, second, shape in ((1, 6, (32, 48, 3)), (6, 1, (48, 32, 3))):
        assert image(plain[:2] + segment(first) + segment(second) + plain[2:]).shape == shape
    webp = encoded(scene(), "WEBP", exif=exif(1))
    body = exif(6).removeprefix(b"Exif\0\0")
    more = b"EXIF" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    longer = webp[:4] + struct.pack("<I", len(webp) + len(more) - 8) + webp[8:] + more
    assert read_header(longer, "webp").orientation == 1


@pytest.mark.parametrize(
    ("name", "is_turned"),
    [
        ("two-exif-1-then-6.jpg", False), ("xmp-orientation6-only.jpg", False), ("xmp-orientation6-only.webp", False),
        ("xmp-then-exif6.jpg", True), ("ifd1-orientation6.jpg", False), ("exif6-before-idat.png", True),
        ("exif6-after-idat.png", False), ("rawprofile-exif6.png", False),
    ],
)  # fmt: skip
def test_reported_files(name: str, is_turned: bool, test_data: Path):
    path = test_data / "reports" / "pictures" / name
    size = (120, 200) if is_turned else (200, 120)
    (item,) = decode(path.read_bytes())
    assert item.image.shape == (size[1], size[0], 3)
    (row,) = ms.info(path)
    assert (row.width, row.height) == size


def test_an_extended_webp_says_what_it_holds():
    data = encoded(np.dstack([scene(), scene()[:, :, 0]]), "WEBP", exif=exif(6), icc_profile=b"profile")
    header = read_header(data, "webp")
    assert (header.width, header.height, header.orientation, header.mode, header.icc) == (48, 32, 6, "RGBA", b"profile")
    kind = sniff(data)
    assert kind is not None
    assert kind.name == "webp"
