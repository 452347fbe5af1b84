"""Hostile pictures: bombs, and mutants of small seeds that this file draws; the same seed gives the same files.

`python -m benchmarks.bench_mutants --count 100000` runs as many as you like.
"""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.pictures import scene

PER_FOLDER = 1000


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """(suffix, bytes) of small valid pictures in every format that can be written here, in several kinds each."""
    rgb = Image.fromarray(scene(64, 48))
    more = [Image.fromarray(scene(64, 48, seed=seed)) for seed in range(1, 4)]
    alpha = rgb.copy()
    alpha.putalpha(128)
    deep = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, str, Image.Image, dict[str, object]]] = [
        (".jpg", "JPEG", rgb, {"quality": 90}),
        (".jpg", "JPEG", rgb, {"progressive": True, "exif": exif}),
        (".jpg", "JPEG", rgb.convert("L"), {"restart_marker_blocks": 2}),
        (".jpg", "JPEG", rgb.convert("CMYK"), {}),
        (".jpg", "JPEG", rgb, {"subsampling": 2, "optimize": True, "comment": b"a comment"}),
        (".png", "PNG", rgb, {}),
        (".png", "PNG", rgb.convert("P"), {"bits": 4}),
        (".png", "PNG", alpha, {"exif": exif}),
        (".png", "PNG", deep, {}),
        (".png", "PNG", rgb.convert("1"), {}),
        (".png", "PNG", rgb, {"save_all": True, "append_images": more}),
        (".gif", "GIF", rgb, {}),
        (".gif", "GIF", rgb, {"save_all": True, "append_images": more, "loop": 0}),
        (".webp", "WEBP", rgb, {"quality": 70}),
        (".webp", "WEBP", alpha, {"lossless": True}),
        (".webp", "WEBP", rgb, {"save_all": True, "append_images": more}),
        (".bmp", "BMP", rgb, {}),
        (".bmp", "BMP", rgb.convert("P"), {}),
        (".tif", "TIFF", rgb, {}),
        (".tif", "TIFF", rgb, {"compression": "tiff_lzw", "save_all": True, "append_images": more}),
        (".tif", "TIFF", rgb, {"compression": "tiff_deflate"}),
        (".tif", "TIFF", rgb, {"compression": "jpeg"}),
        (".tif", "TIFF", rgb.convert("1"), {"compression": "group4"}),
        (".tif", "TIFF", Image.fromarray(np.asarray(rgb.convert("F")) / 255), {}),
        (".tif", "TIFF", deep, {"compression": "packbits"}),
        (".ppm", "PPM", rgb, {}),
        (".pgm", "PPM", deep, {}),
        (".tga", "TGA", rgb, {"compression": "tga_rle"}),
        (".ico", "ICO", rgb, {"sizes": [(16, 16), (32, 32)]}),
        (".pcx", "PCX", rgb, {}),
        (".sgi", "SGI", rgb, {}),
        (".dds", "DDS", rgb, {}),
        (".qoi", "QOI", rgb, {}),
        (".jp2", "JPEG2000", rgb, {}),
        (".avif", "AVIF", rgb, {"quality": 50}),
        (".icns", "ICNS", rgb.resize((128, 128)), {}),
        (".xbm", "XBM", rgb.convert("1"), {}),
    ]
    Image.init()
    files = []
    for suffix, form, picture, options in kinds:
        if form not in Image.SAVE:
            continue
        out = io.BytesIO()
        picture.save(out, form, **options)
        files.append((suffix, out.getvalue()))
    files.append((".hdr", cv2.imencode(".hdr", scene(32, 24).astype(np.float32) / 255)[1].tobytes()))
    files.append(
        (".svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="9" height="9"/></svg>')
    )
    return tuple(files)


SUFFIXES = (
    ".jpg",
    ".png",
    ".gif",
    ".tif",
    ".webp",
    ".bmp",
    ".ico",
    ".heic",
    ".jxl",
    ".psd",
    "",
    ".mp4",
    ".pdf",
    ".JPG",
)


def mutant(number: int, seed: int) -> tuple[str, bytes]:
    """(suffix, bytes) of one hostile file, the same for the same number and seed."""
    chance = random.Random(seed * 1_000_003 + number)
    suffix, data = chance.choice(seeds())
    mutated = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        mutated = chance.choice(MUTATIONS)(mutated, chance) or mutated
    if chance.random() < 0.1:
        suffix = chance.choice(SUFFIXES)
    return suffix, bytes(mutated)


def _flip_bits(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _flip_in_the_header(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 2, 4))):
        data[chance.randrange(min(len(data), 64))] ^= 1 << chance.randrange(8)
    return data


def _cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(1, len(data) + 1)]


def _cut_at_a_boundary(data: bytearray, chance: random.Random) -> bytearray:
    """Just before, in or behind a marker or chunk."""
    marks = [i for i in range(len(data) - 4) if data[i] == 0xFF or data[i : i + 4].isalpha()] or [len(data)]
    return data[: max(1, chance.choice(marks) + chance.randrange(-2, 6))]


def _overwrite(data: bytearray, chance: random.Random) -> bytearray:
    at, length = chance.randrange(len(data)), chance.choice((1, 4, 16, 200))
    length = min(length, len(data) - at)
    data[at : at + length] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data


def _absurd_number(data: bytearray, chance: random.Random) -> bytearray:
    """A 16- or 32-bit field becomes an extreme value, in either byte order."""
    width = chance.choice((2, 4))
    if len(data) < width:
        return data
    at = chance.randrange(min(len(data) - width + 1, 400))
    value = chance.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65500, 30000))
    order = chance.choice((">", "<"))
    packed = struct.pack(order + ("H" if width == 2 else "I"), value & ((1 << 8 * width) - 1))
    data[at : at + width] = packed
    return data


def _remove(data: bytearray, chance: random.Random) -> bytearray:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 2, 4, 30))]
    return data or bytearray(b"\0")


def _repeat(data: bytearray, chance: random.Random) -> bytearray:
    at = chance.randrange(len(data))
    part = data[at : at + chance.choice((1, 8, 100, 2000))]
    data[at:at] = part * chance.choice((1, 2, 50))
    return data


def _polyglot(data: bytearray, chance: random.Random) -> bytearray:
    """The beginning of one file and the end of another, or one behind the other."""
    other = chance.choice(seeds())[1]
    if chance.random() < 0.5:
        return data + other
    return data[: chance.randrange(1, len(data) + 1)] + other[chance.randrange(len(other)) :]


def _garbage_behind(data: bytearray, chance: random.Random) -> bytearray:
    return data + chance.randbytes(chance.choice((1, 100, 5000)))


MUTATIONS = (
    _flip_bits,
    _flip_in_the_header,
    _cut,
    _cut_at_a_boundary,
    _overwrite,
    _absurd_number,
    _remove,
    _repeat,
    _polyglot,
    _garbage_behind,
)


def write_mutants(folder: Path, count: int, seed: int, *, first: int = 0) -> None:
    """So many mutants as files of a folder."""
    for number in range(first, first + count):
        suffix, data = mutant(number, seed)
        (folder / f"{number:07}{suffix}").write_bytes(data)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, *extra: bytes, pixels: bytes = b"") -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


@functools.cache
def _zeros(count: int) -> bytes:
    """So many zero bytes, deflated: one block again and again, as all of it takes seconds (RFC 1950, RFC 1951)."""
    whole, rest = zlib.compressobj(9, wbits=-15), zlib.compressobj(9, wbits=-15)
    block = whole.compress(bytes(1 << 20)) + whole.flush(zlib.Z_FULL_FLUSH)  # which refers to nothing before it
    end = rest.compress(bytes(count & ((1 << 20) - 1))) + rest.flush()
    adler = (count % 65521) << 16 | 1
    return b"\x78\xda" + block * (count >> 20) + end + adler.to_bytes(4, "big")


def _tiff(width: int, height: int, *, strips: int = 1, compression: int = 1) -> bytes:
    tags = ((256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 4, height), (279, 4, strips))  # fmt: skip
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + struct.pack("<I", 0)


def _jpeg_of(width: int, height: int) -> bytes:
    """A valid small JPEG that claims another size."""
    data = bytearray(seeds()[0][1])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _gif_of_frames(count: int) -> bytes:
    head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"
    return head + b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0" * count + b"\x3b"


def _tiff_in_a_circle() -> bytes:
    """A TIFF whose second page is its first."""
    data = bytearray(_tiff(4, 4))
    data[-4:] = struct.pack("<I", 8)
    return bytes(data) + bytes(16)


def bombs() -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of files that are small and want to become large, or long."""
    yield "claims-4-terapixels.png", _png(2**21, 2**21)
    yield "truly-400-megapixels.png", _png(20_000, 20_000, pixels=_zeros(20_000 * 60_001))
    yield "99-megapixels.png", _png(9_900, 10_000, pixels=_zeros(10_000 * 29_701))
    yield "text-bomb.png", _png(4, 4, *[_chunk(b"zTXt", b"k\0\0" + _zeros(64 << 20))] * 20, pixels=_zeros(52))
    yield "profile-bomb.png", _png(4, 4, _chunk(b"iCCP", b"k\0\0" + _zeros(256 << 20)), pixels=_zeros(52))
    yield "65535.jpg", _jpeg_of(65535, 65535)
    yield "9999.jpg", _jpeg_of(9999, 9999)
    yield "zero.jpg", _jpeg_of(0, 0)
    yield "huge.tif", _tiff(2**31 - 1, 2**31 - 1)
    yield "strips.tif", _tiff(9000, 9000, strips=2**31 - 1)
    yield "lzw.tif", _tiff(9900, 10_000, compression=5)
    yield "circle.tif", _tiff_in_a_circle()
    yield "million-frames.gif", _gif_of_frames(1_000_000)
    yield "screen.gif", b"GIF89a\xff\xff\xff\xff\x80\0\0" + _gif_of_frames(3)[13:]
    yield "16383.webp", b"RIFF\x1e\0\0\0WEBPVP8 \x12\0\0\0\x30\x01\0\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(8)
    yield "wide.ppm", b"P6 1000000000 1000000000 255\n" + bytes(10)
    yield "digits.ppm", b"P6 " + b"9" * 5000 + b" 1 255\n"
    yield (
        "bitmap.bmp",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield (
        "laughs.svg",
        (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "ha">'
            + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
            + b']><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&j;</text></svg>'
        ),
    )
    yield (
        "poster.svg",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="900000" height="900000"><rect width="9" height="9"/></svg>',
    )
    yield (
        "reads-files.svg",
        (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&x;</text>'
            b'<image href="/etc/passwd"/></svg>'
        ),
    )
