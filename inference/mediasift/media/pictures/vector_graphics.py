"""SVG drawings → pixels, without network, without other files, within the limit of megapixels.

The renderer (resvg, through the extra `svg`) never uses the network, but by itself it would read pictures that a
drawing names by their path, and leave out letters for which this machine has no font. So the drawing is looked through
first, by a parser that follows nothing; and all letters are drawn in Roboto, which comes with the extra, so that a
drawing is the same everywhere.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

from mediasift.errors import Damaged, TooLarge, Unsupported
from mediasift.media.pictures.headers import check_size
from mediasift.media.pictures.probe import read_header
from mediasift.sources.formats import sniff
from mediasift.system.optional import is_installed, lazily, require

if TYPE_CHECKING:
    from PIL import ImageFont
else:
    ImageFont = lazily("PIL.ImageFont")

MAX_BYTES = 50_000_000
_MAX_ELEMENTS = 1_000_000
_MAX_DEPTH = 200
_DEFAULT_SIDE = 100.0  # our choice, where neither a size nor a viewBox is given
_DPI = 96.0  # of CSS
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"

_UNITS = {
    "": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "em": 16.0, "ex": 8.0,
}  # fmt: skip
"""Pixels per unit, at the 96 per inch of CSS (https://www.w3.org/TR/css-values-4/#absolute-lengths)."""


class _Drawing:
    """What there is in a drawing, found by one pass over it: its size, and what it refers to and holds."""

    def __init__(self, data: bytes) -> None:
        self.size = (0.0, 0.0)
        self.references: list[str] = []
        self.embedded: list[str] = []
        self.letters: set[str] = set()
        self._elements = self._depth = self._in_text = 0
        if len(data) > MAX_BYTES:
            raise TooLarge(f"SVG of {len(data):,} bytes; at most {MAX_BYTES:,}")
        parser = expat.ParserCreate()  # by itself it expands entities within a fixed factor only (Expat 2.4.1)
        parser.StartElementHandler, parser.EndElementHandler = self._element, self._end
        parser.EntityDeclHandler, parser.CharacterDataHandler = _refuse_entity, self._characters
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise Damaged(f"SVG is no well-formed XML ({error})") from error

    def pixels(self) -> tuple[int, int]:
        """(width, height) at which it is rendered."""
        width, height = self.size
        if not (0 < width < 1e7 and 0 < height < 1e7):
            raise Damaged(f"SVG of the size {width:g} x {height:g}")
        return max(1, round(width)), max(1, round(height))

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        self._in_text += self._in_text > 0 or _local(name) == "text"
        if self._elements > _MAX_ELEMENTS or self._depth > _MAX_DEPTH:
            raise TooLarge(f"SVG with more than {_MAX_ELEMENTS:,} elements, or nested deeper than {_MAX_DEPTH}")
        if self._elements == 1:
            if _local(name) != "svg":
                raise Damaged(f"SVG whose first element is {_local(name)[:30]!r}")
            self.size = _size(attributes)
        for key, value in attributes.items():
            if _local(key) in ("href", "src") and not value.strip().startswith("#"):
                if value.strip().lower().startswith("data:"):
                    self.embedded.append(value.strip())
                elif _local(name) in ("image", "feImage", "use"):
                    self.references.append(value.strip())

    def _characters(self, text: str) -> None:
        if self._in_text:
            self.letters.update(text)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        self._in_text -= self._in_text > 0


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _size(attributes: dict[str, str]) -> tuple[float, float]:
    """(width, height) in pixels by the root's attributes, as the renderer takes them."""
    box = [float(part) for part in re.findall(_NUMBER, attributes.get("viewBox", ""))]
    wide, high = box[2:] if len(box) == 4 else (_DEFAULT_SIDE, _DEFAULT_SIDE)
    width, height = _length(attributes.get("width"), wide), _length(attributes.get("height"), high)
    if len(box) == 4 and wide > 0 and high > 0:  # one side given: the other one by proportion
        if width is None and height is not None:
            width = height * wide / high
        elif height is None and width is not None:
            height = width * high / wide
    return wide if width is None else width, high if height is None else height


def _length(text: str | None, whole: float) -> float | None:
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(%|[a-zA-Z]*)\s*", text or "")
    if not match:
        return None
    if match[2] == "%":
        return whole * float(match[1]) / 100
    return float(match[1]) * _UNITS.get(match[2].lower(), 1.0)


def _refuse_entity(_name: str, _is_parameter: int, value: str | None, *_where: str | None) -> None:
    if value is None:
        raise Unsupported("SVG with an external entity; it may not read other files")


def drawing_size(data: bytes) -> tuple[int, int]:
    """(width, height) at which a drawing is rendered, pixels.

    Raises:
        Damaged: No SVG, or no size.
        TooLarge, Unsupported: See `rasterised`.
    """
    return _Drawing(data).pixels()


def rasterised(data: bytes, *, max_megapixels: float) -> bytes:
    """The drawing as a PNG, at its own size, transparent where nothing is drawn.

    Raises:
        Unsupported: The renderer is not installed; or the drawing refers to other files, which are never read, or has
            letters that the font lacks.
        Damaged: It does not render.
        TooLarge: More pixels than the limit, in the drawing or in a picture inside it.
    """
    if not (is_installed("resvg_py") and is_installed("font_roboto")):
        raise Unsupported("SVG needs the extra svg; mediasift doctor shows the line that installs it here")
    drawing = _Drawing(data)
    if drawing.references:
        raise Unsupported(f"SVG that refers to another file ({drawing.references[0][:60]!r}); other files are not read")
    width, height = drawing.pixels()
    for size in ((width, height), *map(_embedded_size, drawing.embedded)):
        check_size(*size, max_megapixels)
    resvg, fonts = require("resvg_py", extra="svg"), require("font_roboto", extra="svg").font_files
    if missing := sorted(drawing.letters - _drawable(fonts["Roboto"], frozenset(drawing.letters))):
        raise Unsupported(
            f"SVG with letters that the font here does not have ({''.join(missing)[:20]!r}); save it as PNG"
        )
    families = {
        f"{kind}_family": "Roboto" for kind in ("font", "serif", "sans_serif", "cursive", "fantasy", "monospace")
    }
    try:
        image = resvg.svg_to_bytes(
            svg_string=_text(data), dpi=_DPI, width=width, height=height, skip_system_fonts=True, **families,
            font_files=[fonts[name] for name in ("Roboto", "RobotoBold", "RobotoItalic", "RobotoBoldItalic")],
        )  # fmt: skip
    except (ValueError, RuntimeError, LookupError) as error:
        raise Damaged(f"SVG does not render ({error})") from error
    return bytes(image)


def _text(data: bytes) -> str:
    """The drawing's text, in the encoding that its first bytes say (XML 1.0, appendix F)."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16")
    declared = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)""", data)
    encoding = declared[1].decode("ascii") if declared and not data.startswith(codecs.BOM_UTF8) else "utf-8-sig"
    return data.decode("utf-8-sig" if encoding.lower() == "utf-8" else encoding)


@lru_cache(maxsize=256)
def _drawable(font: str, letters: frozenset[str]) -> frozenset[str]:
    """Those of the letters that a font has, or that are not drawn at all."""
    face = ImageFont.truetype(font, 20)
    absent = bytes(face.getmask("\uffff"))
    return frozenset(
        one for one in letters if not one.isprintable() or one.isspace() or bytes(face.getmask(one)) != absent
    )


def _embedded_size(url: str) -> tuple[int, int]:
    """Size of a picture in a `data:` address, (0, 0) for what the renderer will not take for a picture either."""
    kind, _, body = url.partition(",")
    try:
        data = base64.b64decode(unquote_to_bytes(body)) if kind.lower().endswith(";base64") else unquote_to_bytes(body)
    except binascii.Error:
        return 0, 0
    form = sniff(data[:4096])
    if form is None or form.kind != "picture":
        return 0, 0
    if form.name == "svg":
        return drawing_size(data)
    header = read_header(data, form.name)
    return header.width, header.height
