"""High dynamic range as numbers of the standards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.media.pictures.tones import HLG, PQ, tone_mapped
from mediasift.media.video.footage import open_footage
from mediasift.sources.content import LocalFile
from tests.videos import make_video


@pytest.mark.parametrize(("transfer", "signal", "white"), [
    (PQ, 0.5807, 255), (PQ, 0.0, 0), (PQ, 1.0, 255),  # 203 nits are 58 % of PQ and 75 % of HLG (ITU-R BT.2408, table 1)
    (HLG, 0.75, 255), (HLG, 0.0, 0), (HLG, 1.0, 255),
])  # fmt: skip
def test_graphics_white_becomes_white(transfer: int, signal: float, white: int):
    grey = np.full((4, 4, 3), round(signal * 65535), np.uint16)
    assert np.abs(tone_mapped(grey, transfer, 9).astype(int) - white).max() <= 1


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_what_is_brighter_stays_brighter_and_grey_stays_grey(transfer: int):
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], 3, axis=2)
    mapped = tone_mapped(ramp, transfer, 9).astype(int)
    assert (np.diff(mapped[0, :, 0]) >= 0).all()
    assert np.ptp(mapped, axis=2).max() <= 1


def test_a_film_in_hlg(tmp_path: Path):
    grey = np.full((64, 64, 3), 191, np.uint8)
    options = {"x265-params": "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"}
    path = make_video(
        tmp_path / "a.mp4", [grey] * 3, [0, 40, 80], codec="libx265", pixels="yuv420p10le", options=options
    )
    (info,) = ms.info(path)
    assert info.transfer == "hlg"
    with open_footage(LocalFile(path)) as footage:
        assert next(frame.rgb() for frame in footage.frames()).min() >= 250
