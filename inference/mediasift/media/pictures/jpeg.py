"""JPEG: its header from the markers, its pixels by libjpeg, and whether the file held all of them.

libjpeg makes a picture of any file: what is missing becomes grey, what is damaged becomes noise, and it only warns,
which neither Pillow nor OpenCV passes on. So its input is given in two parts: without what it looks ahead for, a sound
file is not done, and with it, it is. Of files of several scans, FFmpeg's decoder, which is strict when asked to be, is
heard as well.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mediasift.errors import Damaged, Unsupported
from mediasift.media.libraries import Image, av
from mediasift.media.pictures.headers import Header, exif_orientation, guarded, translated

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _RESTART = 0xDA, 0xDD
_LAST = 5
"""Bytes without which a sound file cannot be done: its last one, and four that some cameras write behind it."""
_AHEAD = b"\xff\0" * 8
"""libjpeg fills a register of 64 bits before it goes on: what it needs behind the last pixel. Padding is ones."""
_MANY_ZEROS = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Markers:
    """What stands before the first scan.

    Attributes:
        header: What all formats have.
        process: The low half of the frame's marker: 0, 1 sequential, 2 progressive, 3 lossless, from 9 on arithmetic.
        depth: Bits per sample.
        components: In the frame.
        in_scan: Components of the first scan.
        mcu: (width, height) of a minimum coded unit, pixels.
        restart: Units between restart markers; 0 for none.
        tables: The segments without any application's.
        scan: Where the first scan's data begin.
    """

    header: Header
    process: int
    depth: int
    components: int
    in_scan: int
    mcu: tuple[int, int]
    restart: int
    tables: bytes
    scan: int


def jpeg_header(data: bytes) -> Header | None:
    """Size, orientation and colour profile; None where the markers do not add up."""
    markers = _markers(data)
    return None if markers is None else markers.header


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, where its body begins, body) up to the first scan (ITU-T T.81, annex B)."""
    position, end = 2, len(data)
    while position + 4 <= end and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in (0xFF, 0x01, *range(0xD0, 0xD9)):  # padding, or a marker without a body
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield marker, position + 4, data[position + 4 : position + 2 + length]
        if marker == _SCAN:
            return
        position += 2 + length


def _markers(data: bytes) -> _Markers | None:
    exif, icc, frame, restart, process = b"", dict[int, bytes](), b"", 0, 0
    tables = bytearray(_START)
    for marker, start, body in _segments(data):
        if marker == 0xE1 and not exif and body.startswith(b"Exif\0\0"):
            exif = body[6:]
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            icc.setdefault(body[12] if len(body) > 12 else 0, body[14:])
        elif marker == _RESTART and len(body) >= 2:
            (restart,) = struct.unpack_from(">H", body)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame, process = body, marker & 15
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            tables += bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body
        if marker == _SCAN and len(frame) >= 6 and body:
            depth, height, width, count = struct.unpack_from(">BHHB", frame)
            factors = frame[7::3][:count]
            if not width or not height or len(factors) < count or not all(factors):
                return None
            mcu = (8 * max(one >> 4 for one in factors), 8 * max(one & 15 for one in factors)) if count > 1 else (8, 8)
            header = Header(
                width=width, height=height, orientation=exif_orientation(exif), exif=exif,
                mode={1: "L", 3: "RGB", 4: "CMYK"}.get(count, ""), icc=b"".join(icc[number] for number in sorted(icc)),
            )  # fmt: skip
            return _Markers(
                header=header, process=process, depth=depth, components=count, in_scan=body[0], mcu=mcu,
                restart=restart, tables=bytes(tables), scan=start + len(body),
            )  # fmt: skip
    return None


def decode_jpeg(data: bytes, reduction: int = 1) -> Image.Image:
    """The picture, as stored, at 1/1, 1/2, 1/4 or 1/8 of its size.

    Raises:
        Damaged: It is cut, or libjpeg would have warned.
        Unsupported: It has more than 8 bits per sample, or is of a rare kind.
    """
    markers = _markers(data)
    if markers is None:
        raise Damaged("JPEG whose header is damaged or cut off")
    if markers.depth != 8:
        raise Unsupported(f"JPEG of {markers.depth} bits per sample; save it with 8 bits, or as PNG or TIFF")
    end = data.find(_END, markers.scan)
    body = data[:end] if end >= 0 else data.rstrip(b"\0") + b"\0"
    is_single = markers.process in (0, 1) and markers.in_scan == markers.components
    reduction = reduction if markers.process < 3 else 1
    is_over = False
    with translated("jpeg"):
        feed = _Feed(data, reduction)
        if not is_single:
            is_whole = feed.give(body + _END)
        else:
            is_over = feed.give(body[:-_LAST])
            is_whole = is_over or feed.give(body + _AHEAD)
    if is_over and end >= 0:
        raise Damaged("JPEG whose data are damaged: bytes are left over behind its last pixel")
    if not is_whole:
        raise Damaged("JPEG that is cut off, or whose data are damaged: they do not reach to its last pixel")
    picture = feed.picture
    _check_restarts(data, markers, len(body))
    corner = np.asarray(picture.crop((max(0, picture.width - 8), picture.height - 1, picture.width, picture.height)))
    if body[:end].endswith(_MANY_ZEROS) and not (is_single and (corner == corner[0, 0]).all()):
        raise Damaged("JPEG whose data are damaged: the last of them are zeros")
    if not is_single and _is_refused(markers.tables + body[markers.scan :] + _END):
        raise Damaged("JPEG that is cut off, or whose data are damaged")
    return picture


class _Feed:
    """libjpeg, as Pillow drives it.

    Attributes:
        picture: What there is of it.
    """

    def __init__(self, data: bytes, reduction: int) -> None:
        from PIL.JpegImagePlugin import JpegImageFile

        with guarded("jpeg"):
            file = JpegImageFile(io.BytesIO(data))
            if reduction > 1:
                file.draft(None, (max(1, file.width // reduction), max(1, file.height // reduction)))
        make: Any = Image._getdecoder  # noqa: SLF001  (ImageFile.Parser, which is public, cannot reduce)
        self._decoder = make(file.mode, "jpeg", file.tile[0].args, file.decoderconfig)
        self.picture = Image.new(file.mode, file.size)
        self._decoder.setimage(self.picture.im, (0, 0, *file.size))
        self._fed = 0

    def give(self, data: bytes) -> bool:
        """Whether the picture is done with these data, of which it has seen a part; an OSError for broken ones."""
        used, error = self._decoder.decode(memoryview(data)[self._fed :])
        if error < 0:
            raise OSError("broken data stream")
        self._fed += max(0, used)
        return bool(used < 0)


def _check_restarts(data: bytes, markers: _Markers, end: int) -> None:
    """Raise Damaged where restart markers are missing: each ends as many units as the header says."""
    if not markers.restart or markers.process > 1 or markers.in_scan != markers.components:
        return
    units = -(-markers.header.width // markers.mcu[0]) * -(-markers.header.height // markers.mcu[1])
    expected = -(-units // markers.restart) - 1
    for number in range(8):
        seen = data.count(bytes((0xFF, 0xD0 + number)), markers.scan, end)
        if seen != (expected - number + 7) // 8:
            raise Damaged("JPEG whose data are damaged: some of its restart markers are missing")


def _is_refused(data: bytes) -> bool:
    """Whether FFmpeg's decoder finds fault with a JPEG of tables and scans; not with kinds it lacks."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": "explode"}
    decoder.thread_count = 1
    try:
        decoder.decode(av.Packet(data))
    except av.FFmpegError as error:
        return isinstance(error, av.InvalidDataError)
    return False
