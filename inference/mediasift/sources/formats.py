"""Which format a file has: decided by its first bytes, by its suffix only where the format has no signature.

Signatures: https://www.iana.org/assignments/media-types and each format's own specification.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mediasift.errors import Damaged, EmptyFile, NotMedia

Kind = Literal["picture", "document", "video", "sound"]

HEAD_BYTES = 4096
"""How many first bytes `sniff` wants; fewer will do for a shorter file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format's name, the kind of media it holds, and whether its content showed it (or only its suffix)."""

    name: str
    kind: Kind
    recognised: bool = True


_SIGNATURES: dict[Kind, dict[str, tuple[bytes, ...]]] = {
    "picture": {
        "jpeg": (b"\xff\xd8\xff",),
        "png": (b"\x89PNG\r\n\x1a\n",),
        "mng": (b"\x8aMNG\r\n\x1a\n",),
        "gif": (b"GIF87a", b"GIF89a"),
        "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        "psd": (b"8BPS",),
        "jpeg2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
        "jxl": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
        "qoi": (b"qoif",),
        "hdr": (b"#?RADIANCE", b"#?RGBE"),
        "exr": (b"v/1\x01",),
        "sun-raster": (b"\x59\xa6\x6a\x95",),
        "dds": (b"DDS \x7c\0\0\0",),
        "blp": (b"BLP1", b"BLP2"),
        "icns": (b"icns",),
        "jxr": (b"II\xbc\x01",),
        "camera-raw": (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM"),
        "xpm": (b"/* XPM */",),
        "eps": (b"%!PS-Adobe", b"\xc5\xd0\xd3\xc6"),
        "wmf": (b"\xd7\xcd\xc6\x9a",),
        "msp": (b"DanM", b"LinS"),
        "fits": (b"SIMPLE  =",),
    },
    "document": {"pdf": (b"%PDF-",)},
    "video": {
        "matroska": (b"\x1a\x45\xdf\xa3",),
        "flv": (b"FLV\x01",),
        "asf": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",),
        "mpeg": (b"\0\0\x01\xba", b"\0\0\x01\xb3"),
        "nut": (b"nut/multimedia container\0",),
    },
    "sound": {
        "flac": (b"fLaC",),
        "mp3": tuple(b"ID3" + bytes((version,)) for version in (2, 3, 4)),
        "au": (b".snd",),
        "amr": (b"#!AMR",),
        "caf": (b"caff\0\1",),
    },
}
"""How files begin."""

_RIFF: dict[bytes, tuple[str, Kind]] = {
    b"WEBP": ("webp", "picture"), b"AVI ": ("avi", "video"), b"WAVE": ("wav", "sound"),
}  # fmt: skip

_BOXES = (b"moov", b"mdat", b"free", b"wide", b"styp", b"moof", b"sidx")
"""How MP4 files and segments without a brand begin."""

_FILM_IN_OGG = (b"\x80theora", b"\x01video\0", b"OVP80\x01", b"BBCD\0")
"""How the first packet of pictures begins: Theora, OGM, VP8, Dirac."""

_BRANDS: dict[bytes, tuple[str, Kind]] = {
    **dict.fromkeys((b"avif", b"avis"), ("avif", "picture")),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), ("heif", "picture")),
    **dict.fromkeys((b"M4A ", b"M4B "), ("m4a", "sound")),
    b"crx ": ("camera-raw", "picture"),
}

_NAMED: dict[Kind, str] = {
    "picture": "gif bmp webp avif tga ico psd svg pcx qoi jxl hdr exr dds jpeg=jpg,jpeg,jpe,jfif,mpo png=png,apng "
    "tiff=tif,tiff pnm=pbm,pgm,ppm,pnm,pam,pfm heif=heic,heif jpeg2000=jp2,j2k,jpx",
    "document": "pdf",
    "video": "mp4=mp4,m4v,mov,3gp,3g2 matroska=mkv,webm mpeg=mpg,mpeg,ts,m2ts,mts avi asf=wmv flv nut ogg=ogv,ogm",
    "sound": "wav mp3 flac m4a aac amr aiff au caf ogg=ogg,oga,opus",
}
"""Formats with their suffixes, where these are not their names."""

_SUFFIXES: dict[str, tuple[str, Kind]] = {
    f".{suffix}": (name, kind)
    for kind, formats in _NAMED.items()
    for name, _, suffixes in (one.partition("=") for one in formats.split())
    for suffix in (suffixes or name).split(",")
}

_TS_PACKETS = ((0, 188), (4, 192))
"""MPEG transport stream: where the first packet's sync byte stands, and how far the next one's; Blu-ray's have a time
before each packet."""


def sniff(head: bytes, suffix: str = "") -> Format | None:
    """The format of a file that begins with `head`; None when neither content nor suffix says any.

    Args:
        head: The first bytes, `HEAD_BYTES` of them or the whole file.
        suffix: With the dot, e.g. `.jpg`; asked only when the content shows nothing.
    """
    if recognised := _by_content(head):
        return _recognised(*recognised)
    if named := _SUFFIXES.get(suffix.lower()):
        # Truevision TGA has no signature; its colour map flag, picture type and depth must be possible ones.
        is_tga = named[0] == "tga" and len(head) >= 18 and head[1] in (0, 1) and head[2] in (1, 2, 3, 9, 10, 11)
        return Format(name=named[0], kind=named[1], recognised=is_tga and head[16] in (8, 15, 16, 24, 32))
    return None


ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""How the name of an archive ends."""


def archive_suffix(name: str) -> str:
    """How the name of an archive ends; empty for other names."""
    return next((suffix for suffix in sorted(ARCHIVES, key=len, reverse=True) if name.lower().endswith(suffix)), "")


_DOCUMENTS = (".doc", ".docx", ".odt", ".rtf", ".pages", ".ppt", ".pptx", ".odp", ".key", ".epub")
"""What is no picture, but can be made one."""


def known_format(head: bytes, suffix: str, *, searched: Collection[Kind] = ("sound", "document")) -> Format:
    """The format of a file that begins with `head`, or why it has none.

    Args:
        head: As for `sniff`.
        suffix: The same.
        searched: Kinds for which a suffix is enough: what reads them searches for where they begin.

    Raises:
        EmptyFile, NotMedia, Damaged: No bytes; nothing known; a known suffix over bytes of no known format.
    """
    if not head:
        raise EmptyFile("the file is empty (0 bytes)")
    if (form := sniff(head, suffix)) is None:
        advice = "; a text document: save it as PDF, and name that" if suffix in _DOCUMENTS else ""
        if archive_suffix(f"a{suffix}"):
            advice = "; of an archive, name the file on this machine: what it holds is read then"
        raise NotMedia(f"neither its content nor its suffix {suffix!r} is that of a known format{advice}")
    if not form.recognised and form.kind not in searched:
        raise Damaged(f"named {suffix}, but its content is no {form.name.upper()} or any other known format")
    return form


@lru_cache(maxsize=256)
def _recognised(name: str, kind: Kind) -> Format:
    return Format(name=name, kind=kind)


def _by_content(head: bytes) -> tuple[str, Kind] | None:
    for kind, formats in _SIGNATURES.items():
        for name, signatures in formats.items():
            if head.startswith(signatures):
                return name, kind
    if head.startswith(b"OggS"):
        return "ogg", "video" if any(mark in head[:1024] for mark in _FILM_IN_OGG) else "sound"
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[4:8] in _BOXES and not head[:4].decode("latin-1").isprintable():
        return "mp4", "video"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff", "sound"
    return _weak_signature(head)


def _iso_media(head: bytes) -> tuple[str, Kind]:
    """By the major brand, else the compatible ones, of an ISO base media file (ISO/IEC 14496-12)."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, length, 4))]
    if brands[0] in (b"mif1", b"msf1"):
        brands = [*brands[1:], brands[0]]
    return next((_BRANDS[brand] for brand in brands[:8] if brand in _BRANDS), ("mp4", "video"))


def _weak_signature(head: bytes) -> tuple[str, Kind] | None:
    """Formats whose signature is so short that the next fields must make sense too."""
    bmp_header = int.from_bytes(head[14:18], "little") if head[:2] == b"BM" and len(head) >= 18 else 0
    if bmp_header in (12, 16, 40, 52, 56, 64, 108, 124):
        return "bmp", "picture"
    if head[:4] in (b"\0\0\1\0", b"\0\0\2\0") and len(head) >= 22:
        count, offset = int.from_bytes(head[4:6], "little"), int.from_bytes(head[18:22], "little")
        if 0 < count < 1024 and offset >= 6 + 16 * count:
            return "ico", "picture"
    if re.match(rb"P[1-6Ff](\s|#[^\n]*\n)+\d+\s|P7\s+(#[^\n]*\n\s*)*(WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)\s", head):
        return "pnm", "picture"
    if (
        head[:2] == b"\x01\xda"
        and head[2:3] in (b"\0", b"\1")
        and head[3:4] in (b"\1", b"\2")
        and head[5:6] in b"\1\2\3"
    ):
        return "sgi", "picture"
    if head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[12:14] in (b"\x08\0", b"\0\0"):  # 8 bits a pixel
        return "fli", "picture"
    if head[:1] == b"\x0a" and head[1:2] in b"\0\2\3\5" and head[2:3] == b"\1" and head[3:4] in b"\1\2\4\x08":
        return "pcx", "picture"
    if any(len(head) > start + step and set(head[start : 5 * step : step]) == {0x47} for start, step in _TS_PACKETS):
        return "mpeg", "video"
    if _is_mpeg_sound(head):
        return "mp3", "sound"
    if _is_drawing(head):
        return "svg", "picture"
    return None


_BIT_RATES = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""(version bits, layer bits) → kbit/s (ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3)."""
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _is_mpeg_sound(head: bytes) -> bool:
    """Whether a frame of MPEG audio stands there, and the next where it says; text in UTF-16 begins like one."""
    length = _frame_bytes(head[:4])
    if length + 4 > len(head):  # too short to tell; FF FE is also how UTF-16 begins
        return length > 0 and not head.startswith(codecs.BOM_UTF16_LE)
    return length > 0 and _frame_bytes(head[length : length + 4]) > 0


def _frame_bytes(header: bytes) -> int:
    """How long a frame with this header is; 0 where it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer, rate, sampling = header[1] >> 3 & 3, header[1] >> 1 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 0 or rate in (0, 15) or sampling == 3:
        return 0
    bits = _BIT_RATES[3 if version == 3 else 2, layer if version == 3 or layer == 3 else 2][rate - 1] * 1000
    padding = header[2] >> 1 & 1
    if layer == 3:  # layer I counts in slots of four bytes
        return 4 * (12 * bits // _SAMPLE_RATES[version][sampling] + padding)
    return (72 if version != 3 and layer == 1 else 144) * bits // _SAMPLE_RATES[version][sampling] + padding


def _is_drawing(head: bytes) -> bool:
    """Whether it is XML whose first element is `svg`, with a prefix or without, in UTF-8, UTF-16 or Latin-1."""
    wide = head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    text = head.decode("utf-16", "ignore") if wide else head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    prolog = re.match(r"(\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(\[.*?\]\s*)?>)*", text, re.DOTALL)
    rest = text[prolog.end() :] if prolog else text
    if re.match(r"<([\w.-]+:)?svg[\s>/]", rest):
        return True
    # A prolog that does not end within what is looked at (definitions of entities, a licence).
    return rest.startswith("<!DOCTYPE svg") or (rest.startswith("<!--") and "-->" not in rest and "<svg" in rest)


def moves(name: str, head: bytes) -> bool:
    """Whether a picture of this format, by its first bytes, may be an animation."""
    if name == "png":
        return b"acTL" in head
    if name == "webp":
        return head[12:16] == b"VP8X" and bool(head[20] & 2)  # the animation flag, RFC 9649, 2.7
    return name == "gif" or (name == "avif" and b"avis" in head[8:64])  # AVIF 1.1, 6.3: the brand of sequences
