"""A picture's header, by the reader of its format: JPEG, PNG, TIFF, WebP, PAM and Radiance here, the rest by Pillow."""

from __future__ import annotations

import struct
from collections.abc import Callable

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


_MANY_ZEROS = bytes(64)


def check_end(data: bytes, name: str) -> None:
    """Raise Damaged for a compressed picture that ends in zeros, as a download does that was not finished.

    Its decoder would take them for pixels: WebP and AVIF have no checksums.
    """
    end = len(data)
    if name == "webp":
        end = 8 + int.from_bytes(data[4:8], "little")
    elif name in ("avif", "heif"):
        position = 0
        while position + 8 <= len(data):
            length, kind = struct.unpack_from(">I4s", data, position)
            position += length if length >= 8 else len(data)
            end = position if kind == b"mdat" else end
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
