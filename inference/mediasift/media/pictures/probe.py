"""A picture's header, by the reader of its format: JPEG, PNG, TIFF, WebP, PAM and Radiance here, the rest by Pillow.

Of AVIF and HEIF, also the colours that the file states of its primary picture (ISO/IEC 23008-12).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mediasift.errors import Damaged, Unsupported
from mediasift.media.libraries import Image
from mediasift.media.pictures.headers import Header, exif_orientation, opened
from mediasift.media.pictures.jpeg import jpeg_header
from mediasift.media.pictures.png import png_header
from mediasift.media.pictures.pnm import pam_header
from mediasift.media.pictures.tiff import CAMERA_RAW, tiff_header


def read_header(data: bytes, name: str) -> Header:
    """The header of a picture in the format `name` (see `formats.sniff`).

    Raises:
        Damaged: The header makes no sense.
        Unsupported: No decoder here knows the format.
        TooLarge: The header alone is a bomb.
    """
    if name in _READERS and (header := _READERS[name](data)):
        return header
    with opened(data, name) as picture:
        return pillow_header(picture)


def pillow_header(picture: Image.Image) -> Header:
    """The header of an opened Pillow picture."""
    exif = picture.info.get("exif") or b""
    return Header(
        width=picture.width, height=picture.height, orientation=exif_orientation(exif), mode=picture.mode,
        icc=picture.info.get("icc_profile") or b"", exif=exif.removeprefix(b"Exif\0\0"),
    )  # fmt: skip


class _Box(NamedTuple):
    """Of an ISO base media file (ISO/IEC 14496-12), as AVIF and HEIF are: where its body lies."""

    kind: bytes
    start: int
    end: int


def color_code_points(data: bytes) -> tuple[int, int] | None:
    """Numbers of primaries and transfer (ITU-T H.273) of the primary picture; None where the file states no such.

    A gain map and what it makes of the picture are other items, with colours of their own.
    """
    try:
        meta = next(box for box in _boxes(data, 0, len(data)) if box.kind == b"meta")
        inside = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end)}
        of_items = {box.kind: box for box in _boxes(data, inside[b"iprp"].start, inside[b"iprp"].end)}
        properties = list(_boxes(data, of_items[b"ipco"].start, of_items[b"ipco"].end))
        for number in _associated(data, of_items[b"ipma"].start, _primary(data, inside[b"pitm"].start)):
            box = properties[number - 1]
            if number and box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
                primaries, transfer = struct.unpack_from(">HH", data, box.start + 4)
                return primaries, transfer
    except (struct.error, StopIteration, KeyError, IndexError):
        return None  # the decoder says what is wrong with it
    return None


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        stop = end if size == 0 else start + size
        if stop < start + head:
            return
        yield _Box(kind, start + head, min(stop, end))
        start = stop


def _primary(data: bytes, start: int) -> int:
    (item,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
    return int(item)


def _associated(data: bytes, start: int, item: int) -> list[int]:
    """Numbers of the properties of an item, from 1, by the table of associations."""
    wide_item, wide_number = data[start] > 0, data[start + 3] & 1
    (count,), start = struct.unpack_from(">I", data, start + 4), start + 8
    for _ in range(count):
        (one,) = struct.unpack_from(">I" if wide_item else ">H", data, start)
        start += 4 if wide_item else 2
        (length,), start = struct.unpack_from(">B", data, start), start + 1
        numbers = struct.unpack_from(f">{length}{'H' if wide_number else 'B'}", data, start)
        if one == item:
            return [number & (0x7FFF if wide_number else 0x7F) for number in numbers]
        start += length * (2 if wide_number else 1)
    return []


_MANY_ZEROS = bytes(64)


def check_end(data: bytes, name: str) -> None:
    """Raise Damaged for a compressed picture that ends in zeros, as a download does that was not finished.

    Its decoder would take them for pixels: WebP and AVIF have no checksums.
    """
    end = len(data)
    if name == "webp":
        end = 8 + int.from_bytes(data[4:8], "little")
    elif name in ("avif", "heif"):
        for box in _boxes(data, 0, len(data)):
            end = box.end if box.kind == b"mdat" else end
    elif name != "qoi":
        return
    if data[:end].endswith(_MANY_ZEROS) or (name == "qoi" and not data.endswith(b"\0\0\0\0\0\0\0\1")):
        raise Damaged(f"{name.upper()} whose data are not all there: the last of them are zeros, or missing")


def _webp(data: bytes) -> Header | None:
    """The header of an extended WebP that stands still (RFC 9649, 2.7); None for others."""
    if data[12:16] != b"VP8X" or len(data) < 30 or data[20] & 2:
        return None
    first: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind in (b"EXIF", b"ICCP"):
            first.setdefault(kind, data[position + 8 : position + 8 + length].removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    exif = first.get(b"EXIF", b"")
    return Header(
        width=width, height=height, orientation=exif_orientation(exif), mode="RGBA" if data[20] & 16 else "RGB",
        icc=first.get(b"ICCP", b""), exif=exif,
    )  # fmt: skip


def _radiance(data: bytes) -> Header:
    """Size of a Radiance HDR picture: the line `-Y height +X width` after the header's empty line."""
    _, _, rest = data[:65536].partition(b"\n\n")
    parts = rest.split(b"\n", 1)[0].split()
    if len(parts) != 4 or not (parts[1].isdigit() and parts[3].isdigit()) or not 0 < len(parts[1] + parts[3]) < 20:
        raise Unsupported("HDR with a header that is damaged or of a kind unknown here")
    return Header(width=int(parts[3]), height=int(parts[1]), mode="F")


_READERS: dict[str, Callable[[bytes], Header | None]] = {
    "jpeg": jpeg_header, "png": png_header, "tiff": tiff_header, "webp": _webp, "hdr": _radiance, "pnm": pam_header,
}  # fmt: skip

ADVICE = {
    "eps": "; it is a program for a printer: Ghostscript (gs -sDEVICE=png16m -r150) or Inkscape makes a picture of it",
    "jxl": "; `djxl FILE.jxl FILE.png` (libjxl) converts it",
    "jxr": "; JPEG XR is read by Windows' own programs and by JxrDecApp: save it as PNG",
    "exr": "; it holds light, not colours: tone-map it, for example with oiiotool, and save it as PNG",
    "camera-raw": f"; {CAMERA_RAW}",
    "wmf": "; LibreOffice or Inkscape saves it as PNG",
}
"""What reads a format that nothing here decodes: the rest of the sentence that says so."""
