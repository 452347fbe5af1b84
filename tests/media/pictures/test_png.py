"""PNG: what stands beside the pixels is no damage, and what a chunk announces is never allocated."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.errors import Damaged, Unsupported
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.png import bare_png, png_header
from tests.pictures import encoded, scene

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    stated = struct.pack(">I", len(body) if length is None else length)
    return stated + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*between: bytes, pixels: bytes | None = None, after: bytes = b"", color: int = 2, depth: int = 8) -> bytes:
    """A PNG of `scene`, with chunks before and after its pixels."""
    picture = scene() if color == 2 else scene()[:, :, 0]
    raw = b"".join(b"\0" + row.tobytes() for row in picture)
    packed = zlib.compress(raw) if pixels is None else pixels
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 48, 32, depth, color, 0, 0, 0))
    return SIGNATURE + head + b"".join(between) + chunk(b"IDAT", packed) + after + chunk(b"IEND", b"")


def image(data: bytes, **options) -> np.ndarray:
    (item,) = decode(data, **options)
    return item.image


BIG = zlib.compress(bytes(100_000_000), 9)


@pytest.mark.parametrize(
    "beside",
    [
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 9_000_000),
        chunk(b"zTXt", b"Comment\0\0" + BIG),
        chunk(b"iCCP", b"Display\0\0" + BIG),
        chunk(b"iCCP", b"Display\0\0damaged"),
        chunk(b"eXIf", b"MM\0*" + bytes(3_000_000)),
        chunk(b"tEXt", b"Comment\0" + b"x" * 8_000_000),
        chunk(b"abCd", b"unknown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["before", "after"])
def test_what_stands_beside_the_pixels_is_no_damage(beside: bytes, where: str, tmp_path: Path):
    data = png(beside) if where == "before" else png(after=beside)
    assert np.array_equal(image(data), scene())
    (tmp_path / "a.png").write_bytes(data)
    (row,) = ms.info(tmp_path / "a.png")
    assert (row.width, row.height, row.error) == (48, 32, "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much memory a process had")
@pytest.mark.parametrize("kind", [b"tEXt", b"iCCP", b"IDAT", b"eXIf", b"PLTE"])
def test_what_a_chunk_announces_is_not_allocated(kind: bytes, tmp_path: Path):
    length = 0x7FFFFFFF if kind == b"tEXt" else 0xFFFFFFF0
    (tmp_path / "a.png").write_bytes(png(chunk(kind, b"x" * 900, length=length)))
    code = (
        "import pathlib, mediasift as ms\n"
        "rows = [*ms.info('a.png'), *ms.convert('a.png', 'out')]\n"
        "peak = pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]\n"
        "print(int(peak) // 1024, rows[1].error[:7], rows[0].width)"  # ru_maxrss would be that of these tests
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
    )
    megabytes, error, width = done.stdout.split()
    assert int(megabytes) < 700
    assert (error, width) == ("damaged", "48")


def test_after_the_pixels_an_announcement_does_no_harm():
    assert np.array_equal(image(png(after=chunk(b"tEXt", b"x" * 99, length=0x7FFFFFFF))), scene())


def test_damaged_pixels_are_damage_whatever_the_checksum_says():
    raw = b"".join(b"\0" + row.tobytes() for row in scene())
    for packed in (zlib.compress(raw)[:-40], zlib.compress(raw)[:-4] + b"abcd", zlib.compress(raw[:900])):
        with pytest.raises(Damaged):
            image(png(pixels=packed))
    data = bytearray(png())
    data[len(data) // 2] ^= 1
    with pytest.raises(Damaged, match="checksum"):
        image(bytes(data))
    with pytest.raises(Damaged, match="cut off"):
        image(png()[:-60])


@pytest.mark.parametrize("name", ["huge-itxt.png", "huge-icc-exif.png"])
def test_reported_texts(name: str, test_data: Path):
    path = test_data / "reports" / "pictures" / name
    (row,) = ms.info(path)
    assert row.error == ""
    assert {row.width, row.height} == {200, 120}
    assert row.sha256 is not None
    assert len(list(decode(path.read_bytes()))) == 1


@pytest.mark.parametrize("name", ["idat-damaged-middle.png", "idat-damaged-middle-big.png"])
def test_reported_damage(name: str, test_data: Path):
    with pytest.raises(Damaged):
        list(decode((test_data / "reports" / "pictures" / name).read_bytes()))


def test_apples_png_is_a_kind_of_its_own(test_data: Path):
    path = test_data / "reports" / "pictures" / "cgbi-real.png"
    with pytest.raises(Unsupported, match="pngcrush"):
        list(decode(path.read_bytes()))
    (row,) = ms.info(path)
    assert (row.error, row.width is not None) == ("", True)


@pytest.mark.parametrize(("color", "depth"), [(0, 8), (2, 8)])
def test_one_colour_may_be_transparent(color: int, depth: int):
    first = scene()[0, 0] if color == 2 else scene()[0, 0, :1]
    data = png(chunk(b"tRNS", struct.pack(f">{len(first)}H", *first.tolist())), color=color, depth=depth)
    shown = image(data, background="#010203")
    assert shown[0, 0].tolist() == [1, 2, 3]
    assert shown[-1, -1].tolist() == (scene()[-1, -1].tolist() if color == 2 else [int(scene()[-1, -1, 0])] * 3)


def test_the_copy_for_decoders_has_the_pixels_alone():
    data = png(chunk(b"tEXt", b"a\0b"))
    assert b"tEXt" not in bare_png(data)
    assert len(bare_png(data)) == len(data) - 15
    header = png_header(encoded(scene(), "PNG"))
    assert header is not None
    assert header.mode == "RGB"
