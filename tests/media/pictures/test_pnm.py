"""PNM and PAM: white is the maximum that the file states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediasift.errors import Damaged
from mediasift.media.pictures.images import decode


def image(data: bytes, **options) -> np.ndarray:
    (item,) = decode(data, **options)
    return item.image


@pytest.mark.parametrize("white", [1, 3, 15, 100, 255, 256, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("kind", [b"P2", b"P3", b"P5", b"P6", b"P7"])
def test_white_is_what_is_stated(kind: bytes, white: int):
    levels = np.round(np.linspace(0, white, 16)).astype(int)
    samples = levels.repeat(3) if kind in (b"P3", b"P6") else levels
    body = samples.astype(np.uint8 if white < 256 else ">u2").tobytes()
    if kind in (b"P2", b"P3"):
        body = " ".join(map(str, samples)).encode()
    head = b"%s\n# a comment\n16 1\n%d\n" % (kind, white)
    if kind == b"P7":
        head = b"P7\nWIDTH 16\nHEIGHT 1\nDEPTH 1\nMAXVAL %d\nTUPLTYPE GRAYSCALE\nENDHDR\n" % white
    assert np.abs(image(head + body)[0, :, 0] - levels / white * 255).max() <= 1


@pytest.mark.parametrize("name", ["ramp-10bit.pgm", "ramp-12bit.pgm", "ramp-16bit.pgm"])
def test_reported_ramps(name: str, test_data: Path):
    shown = image((test_data / "reports" / "pictures" / name).read_bytes())
    assert (shown.min(), shown.max()) == (0, 255)


def test_pam_with_colours_and_opacity():
    head = b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 1000\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    pixels = np.array([1000, 0, 0, 1000, 0, 0, 1000, 0], ">u2").tobytes()
    assert image(head + pixels).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    with pytest.raises(Damaged, match="cut off"):
        image((head + pixels)[:-1])
    with pytest.raises(Damaged, match="above"):
        image(head + np.array([1001] * 8, ">u2").tobytes())
    with pytest.raises(Damaged):
        image(b"P7\nWIDTH x\nENDHDR\n1234")
