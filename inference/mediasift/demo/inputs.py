"""The files of a tour, all made here: digits, landscapes, a film, a letter, and speech where espeak-ng is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mediasift.demo.drawing import Picture, digit, landscape, pan
from mediasift.errors import EngineError
from mediasift.items import Item
from mediasift.media.documents.pages import read_pages
from mediasift.media.pictures.encode import ENCODERS
from mediasift.media.pictures.transforms import resize
from mediasift.media.settings import PictureSettings
from mediasift.media.video.excerpt import film
from mediasift.sources.memory import Bytes
from mediasift.system.files import faults, make_folder, write_file

MEDIA, REFERENCE = "media", "reference.csv"
SPEECH = f"{MEDIA}/speech.wav"

_DIGITS_EACH, _LANDSCAPES = 3, 8

_SEED = 4
"""Of all that is drawn by chance; with this one, digits-forest mistakes two digits."""

_RATE_HZ, _SHOT_FRAMES, _WIDE, _HIGH = 25, 40, 240, 160
_LETTER = (
    "Dear reader,", "this page was typed: its text is in the file.", "The next one is a picture of a page,",
    "as a scanner makes it.",
)  # fmt: skip
_SCAN = ("Minutes of the meeting", "The committee met on 3 May 1921.", "All members were present.")
_SPEECH = "Good morning. This is a test. One, two, three, four, five."


def make_inputs(folder: Path, shown: str) -> None:
    """Fill a new folder.

    Args:
        folder: Where to write.
        shown: How commands will name it.

    Raises:
        OutputError: It cannot be written.
    """
    rng = np.random.default_rng(_SEED)
    lines = ["path,label"]
    for number in range(10):
        for turn in range(_DIGITS_EACH):
            name = f"{MEDIA}/digits/{number}-{'abc'[turn]}.png"
            write_file(folder / name, ENCODERS["png"](digit(number, rng), 90, b""))
            lines.append(f"{shown}/{name},{number}")
    write_file(folder / f"{MEDIA}/digits/damaged.png", ENCODERS["png"](digit(7, rng), 90, b"")[:150])
    write_file(folder / REFERENCE, "".join(f"{line}\n" for line in lines).encode())
    scenes = [landscape(rng) for _ in range(_LANDSCAPES)]
    for number, scene in enumerate(scenes, 1):
        write_file(folder / f"{MEDIA}/landscapes/{number}.jpg", ENCODERS["jpg"](scene, 92, b""))
    small, bright = resize(scenes[0], 200, 112), np.clip(scenes[4] * 1.15, 0, 255).astype(np.uint8)
    write_file(folder / f"{MEDIA}/landscapes/1-small.png", ENCODERS["png"](small, 90, b""))
    write_file(folder / f"{MEDIA}/landscapes/5-brighter.jpg", ENCODERS["jpg"](bright, 60, b""))
    shots = [frame for scene in scenes[:4] for frame in pan(scene, _SHOT_FRAMES, _WIDE, _HIGH)]
    write_file(folder / f"{MEDIA}/film.mp4", film(shots, _RATE_HZ))
    write_file(folder / f"{MEDIA}/letter.pdf", _letter())
    if shutil.which("espeak-ng"):
        _speak(folder / SPEECH)


def _letter() -> bytes:
    """Two pages: one of text, one that is a picture of such a page."""
    typed = Bytes("scan.pdf", _pdf([_typed(_SCAN)]))
    (page,) = read_pages(typed, "scan.pdf", PictureSettings(), lambda _: None)
    if not isinstance(page, Item):
        raise EngineError("PDFium cannot draw a page; type: pip install -U pypdfium2")
    return _pdf([_typed(_LETTER), page.image])


def _typed(lines: Sequence[str]) -> bytes:
    """What a page of text draws; the lines hold no brackets."""
    shown = " T* ".join(f"({line}) Tj" for line in lines)
    return f"BT /F 16 Tf 24 TL 50 360 Td {shown} ET".encode("ascii")


def _pdf(pages: Sequence[bytes | Picture]) -> bytes:
    """A PDF (ISO 32000-1) of pages of A5, each what it draws, or a picture that fills it."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    kids = " ".join(f"{4 + 3 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(), font
    ]  # fmt: skip
    for page in pages:
        at = len(objects) + 1
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 420] /Contents {at + 1} 0 R "
            f"/Resources << /Font << /F 3 0 R >> /XObject << /I {at + 2} 0 R >> >> >>".encode()
        )
        if isinstance(page, bytes):
            objects += [_stream("", page), b"null"]
        else:
            height, width = page.shape[:2]
            about = (
                f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB "
                "/BitsPerComponent 8 /Filter /DCTDecode "
            )
            objects += [_stream("", b"420 0 0 420 0 0 cm /I Do"), _stream(about, ENCODERS["jpg"](page, 85, b""))]
    out, places = bytearray(b"%PDF-1.7\n"), list[int]()
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode())


def _stream(about: str, data: bytes) -> bytes:
    return f"<< {about}/Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def _speak(path: Path) -> None:
    """A voice that a program makes, as a WAV file."""
    make_folder(path.parent)
    asked = ["espeak-ng", "-v", "en-us", "-s", "160", "-w", str(path), _SPEECH]
    with faults(path):
        try:
            subprocess.run(asked, check=True, capture_output=True, timeout=60)  # noqa: S603  (fixed words)
        except subprocess.SubprocessError as error:
            raise EngineError(f"espeak-ng fails ({error}); mend it, or take it off the PATH") from error
