"""The surest mistakes of a classifier as one page that a browser opens, pictures inside."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

from mediasift.errors import ItemError
from mediasift.evaluate.labels import Mistake
from mediasift.evaluate.report import THUMBNAIL, read_picture
from mediasift.media.pictures.encode import ENCODERS
from mediasift.media.pictures.transforms import resize
from mediasift.system.files import write_atomically

SHOWN = 48
_QUALITY = 85
_STYLE = (
    "body{font:14px sans-serif;margin:2em}figure{display:inline-block;width:180px;margin:.5em;vertical-align:top}"
    "img{max-width:180px;max-height:180px}figcaption{overflow-wrap:anywhere}b{color:#a00}"
)


def write_page(path: Path, mistakes: Sequence[Mistake], *, title: str, note: str) -> None:
    """Write the page.

    Args:
        path: The .html file.
        mistakes: The surest first; so many are shown.
        title: What stands above.
        note: What the mistakes are, in a sentence.

    Raises:
        OutputError: It cannot be written.
    """
    figures = "\n".join(_figure(one) for one in mistakes[:SHOWN])
    count = f"{min(SHOWN, len(mistakes))} of {len(mistakes)} mistakes, the surest first."
    page = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n<p>{escape(note)} {count}</p>\n{figures}\n</html>\n"
    )
    write_atomically(path, page.encode("utf-8", "backslashreplace"))


def _figure(mistake: Mistake) -> str:
    picture = ""
    with contextlib.suppress(ItemError):  # it may have gone meanwhile
        image = read_picture(str(mistake.path))
        factor = THUMBNAIL / max(image.shape[:2])
        small = resize(image, max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        encoded = base64.b64encode(ENCODERS["jpg"](small, _QUALITY, b"")).decode()
        picture = f'<img alt="" src="data:image/jpeg;base64,{encoded}">'
    score = "" if mistake.score is None else f" ({mistake.score:.2f})"
    true, predicted, path = (escape(str(text)) for text in (mistake.true, mistake.predicted, mistake.path))
    return (
        f"<figure>{picture}<figcaption>is {true}<br>predicted <b>{predicted}</b>{score}<br><small>{path}</small>"
        "</figcaption></figure>"
    )
