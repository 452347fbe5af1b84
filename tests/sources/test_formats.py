from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.sources.formats import sniff
from tests.pictures import encoded, scene


@pytest.mark.parametrize(
    ("form", "name"),
    [("PNG", "png"), ("JPEG", "jpeg"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tiff"), ("WEBP", "webp"),
     ("ICO", "ico"), ("PPM", "pnm"), ("PCX", "pcx"), ("JPEG2000", "jpeg2000"), ("AVIF", "avif"), ("QOI", "qoi")],
)  # fmt: skip
def test_content_decides_whatever_the_suffix(form: str, name: str):
    kind = sniff(encoded(scene(), form), ".pdf")
    assert kind is not None
    assert (kind.name, kind.kind, kind.recognised) == (name, "picture", True)


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        (b"%PDF-1.7\n", "document", "pdf"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "video", "mp4"),
        (b"\0\0\0\x20ftypM4A \0\0\2\0M4A mp42", "sound", "m4a"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound", "wav"),
        (b"RIFF\0\0\0\0AVI LIST", "video", "avi"),
        (b"\x1a\x45\xdf\xa3", "video", "matroska"),
        (b"ID3\4\0", "sound", "mp3"),
        (b"\xff\xfb\x90\x64" + bytes(413) + b"\xff\xfb\x92\x64", "sound", "mp3"),
        (b"\xff\xf3\x84\xc4" + bytes(188) + b"\xff\xf3\x84\xc4", "sound", "mp3"),
        (b"<ns0:svg xmlns:ns0='http://www.w3.org/2000/svg'>", "picture", "svg"),
        (b"<!-- a --><?pi?>\n<!DOCTYPE svg PUBLIC 'x' 'y' [<!ENTITY a 'b'>]>\n<svg>", "picture", "svg"),
        ("\ufeff<?xml version='1.0' encoding='UTF-16'?><svg>".encode("utf-16-le"), "picture", "svg"),
        ("\ufeff<svg width='1'>".encode("utf-16-be"), "picture", "svg"),
        ("<?xml version='1.0' encoding='latin-1'?><!-- \xe9 --><svg>".encode("latin-1"), "picture", "svg"),
        (b"P5\n# GIMP\n3 2\n255\n", "picture", "pnm"),
        (b"P7\nWIDTH 3\n", "picture", "pnm"),
        (b"II\xbc\x01\x08\0\0\0", "picture", "jxr"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "picture", "camera-raw"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video", "mp4"),
        (b"\xff\xfb\x90\x64\0\0", "sound", "mp3"),
        (b"<?xml version='1.0'?><svg xmlns='x'/>", "picture", "svg"),
    ],
)
def test_other_kinds_of_media(head: bytes, kind: str, name: str):
    sniffed = sniff(head)
    assert sniffed is not None
    assert (sniffed.kind, sniffed.name) == (kind, name)


@pytest.mark.parametrize(
    "head",
    [
        b"", b"hello, world", b"path,label\na.jpg,dog\n", b"<html><body>", b"BM is a car maker",
        "\ufeffpath,label\na.jpg,dog\n".encode("utf-16-le"), "\ufeffnotes".encode("utf-16-be"),
        "\ufeff\u0590 right to left".encode("utf-16-le"), b"P1 said that", b"P5 notes\nmore", b"ID3 decision trees",
        b"caffeine and sleep", b"DDS notes", b"Get free stuff", b"Somewide", b"The moov",
        b"\xff\xfb\x90\x64" + b"text" * 300,
        b"<?xml version='1.0'?><html><body><svg></svg></body></html>", b"<rss><svg/></rss>", b"\x01\xda\x07\x07text",
    ],
)  # fmt: skip
def test_other_files_are_no_media(head: bytes):
    assert sniff(head, ".txt") is None


def test_a_suffix_without_the_content_is_not_recognised():
    kind = sniff(b"this is text", ".JPG")
    assert kind is not None
    assert (kind.name, kind.recognised) == ("jpeg", False)


def test_a_tga_is_no_icon():
    header = bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 24, 0])
    kind = sniff(header + bytes(200), ".tga")
    assert kind is not None
    assert (kind.name, kind.recognised) == ("tga", True)


@given(st.binary(max_size=300), st.sampled_from(["", ".jpg", ".tga", ".mp4", ".xyz"]))
def test_any_bytes_have_an_answer(head: bytes, suffix: str):
    kind = sniff(head, suffix)
    assert kind is None or kind.kind in ("picture", "document", "video", "sound")


def test_the_test_data_have_the_kind_of_their_folder(test_data: Path):
    kinds = {"imagenet-photos": "picture", "valid-images/avif": "picture", "valid-images/heif": "picture"}
    for folder, kind in kinds.items():
        for path in (test_data / folder).rglob("*.*"):
            sniffed = sniff(path.read_bytes()[:4096])
            assert sniffed is not None, path
            assert sniffed.kind == kind, path


def test_reported_texts_are_left_out(test_data: Path):
    folder = test_data / "reports" / "pictures" / "utf16folder"
    for path in folder.iterdir():
        head = sniff(path.read_bytes()[:4096], path.suffix)
        assert head is None or head.kind == "picture", path


def test_every_sound_of_the_test_data_is_still_one(test_data: Path):
    for path in test_data.rglob("*.mp3"):
        head = sniff(path.read_bytes()[:4096])
        assert head is not None, path
        assert head.name == "mp3", path
