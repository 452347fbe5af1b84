"""PAM, which Pillow does not read; the other kinds of PNM it does, and scales to the white that they state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged
from mediasift.media.pictures.headers import Header


class _Pam(NamedTuple):
    """The header of a PAM (http://netpbm.sourceforge.net/doc/pam.html), and where its samples begin."""

    width: int
    height: int
    depth: int
    white: int
    start: int


def _pam(data: bytes) -> _Pam:
    head, ended, _ = data[:65536].partition(b"\nENDHDR\n")
    lines = [line.split(None, 1) for line in head.split(b"\n")[1:] if line and not line.startswith(b"#")]
    stated = {words[0]: words[1] for words in lines if len(words) == 2}
    try:
        numbers = [int(stated[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
    except (KeyError, ValueError):
        numbers = [0, 0, 0, 0]
    width, height, depth, white = numbers
    if not ended or min(numbers) < 1 or depth > 4 or white > 65535:
        raise Damaged("PAM whose header is damaged, or with more than four channels")
    return _Pam(width, height, depth, white, len(head) + len(ended))


def pam_header(data: bytes) -> Header | None:
    """The header of a PAM; None for other kinds of PNM."""
    if not data.startswith(b"P7"):
        return None
    pam = _pam(data)
    return Header(width=pam.width, height=pam.height, mode=("L", "LA", "RGB", "RGBA")[pam.depth - 1])


def decode_pam(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """(pixels, alpha): uint8 (H, W, 1 or 3) whose white is 255, and (H, W) where there is one.

    Raises:
        Damaged: Samples are missing, or above the white stated.
    """
    pam = _pam(data)
    kind = np.dtype(np.uint8 if pam.white < 256 else ">u2")
    count = pam.width * pam.height * pam.depth
    if len(data) < pam.start + count * kind.itemsize:
        raise Damaged("PAM cut off")
    numbers = np.frombuffer(data, kind, count, pam.start).reshape(pam.height, pam.width, pam.depth)
    if numbers.max() > pam.white:
        raise Damaged(f"PAM with samples above the {pam.white} that it states as white")
    scaled = ((numbers.astype(np.uint32) * 255 + pam.white // 2) // pam.white).astype(np.uint8)
    return (scaled, None) if pam.depth % 2 else (scaled[:, :, :-1], scaled[:, :, -1])
