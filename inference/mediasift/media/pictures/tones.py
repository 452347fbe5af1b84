"""High dynamic range → sRGB, for pictures as an ordinary screen shows them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.media.libraries import cv2
from mediasift.media.pictures.transforms import Picture

PQ, HLG = 16, 18
"""Transfer functions that need it, by their numbers in ITU-T H.273, table 3."""

_WHITE_NITS = 203.0
"""What becomes 255: graphics white of ITU-R BT.2408; all that is brighter is cut there."""

_PEAK_NITS = 1000.0
"""Of the display that HLG is made for; its system gamma is then 1.2 (ITU-R BT.2100, table 5)."""

_BT2020, _P3, _UNKNOWN = 9, 12, 2
_LUMA_2020 = (0.2627, 0.6780, 0.0593)

_FROM_BT2020 = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
_FROM_P3 = [[1.2249, -0.2249, 0.0], [-0.0421, 1.0421, 0.0], [-0.0196, -0.0786, 1.0983]]
_TO_BT709 = {number: np.array(rows, np.float32)
             for number, rows in ((_BT2020, _FROM_BT2020), (_UNKNOWN, _FROM_BT2020), (_P3, _FROM_P3))}  # fmt: skip
"""Linear light of primaries → linear BT.709: BT.2020 (ITU-R BT.2087, inverse) and P3 with D65 (SMPTE EG 432-1)."""


def tone_mapped(rgb: NDArray[np.uint16], transfer: int, primaries: int) -> Picture:
    """uint8 (H, W, 3) sRGB of uint16 (H, W, 3) PQ or HLG.

    Args:
        rgb: In the primaries' colour space, 0..65535.
        transfer: `PQ` or `HLG`.
        primaries: ITU-T H.273, table 2; BT.2020, which unknown ones count as, and P3 are converted to those of sRGB.
    """
    light = np.take(_light(transfer), rgb)
    if transfer == HLG:  # the display's own gamma, on the luminance of the scene
        luma = cv2.transform(light, np.array([_LUMA_2020], np.float32)).reshape(*rgb.shape[:2], 1)
        light *= (_PEAK_NITS / _WHITE_NITS) * np.maximum(luma, 1e-6) ** 0.2
    if (matrix := _TO_BT709.get(primaries)) is not None:
        light = np.asarray(cv2.transform(light, matrix), np.float32)
    return np.asarray(np.take(_srgb(), (np.clip(light, 0, 1) * 65535 + 0.5).astype(np.uint16)))


@lru_cache(maxsize=2)
def _light(transfer: int) -> NDArray[np.float32]:
    """Light of each of 65,536 levels: of PQ in units of white, of HLG that of the scene, 0..1 (ITU-R BT.2100)."""
    signal: NDArray[Any] = np.arange(65536) / 65535
    if transfer == PQ:
        root = signal ** (32 / 2523)
        nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (8192 / 1305)
        return (nits / _WHITE_NITS).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


@lru_cache(maxsize=1)
def _srgb() -> NDArray[np.uint8]:
    """SRGB's byte of each of 65,536 levels of light (IEC 61966-2-1)."""
    light: NDArray[Any] = np.arange(65536) / 65535
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (signal * 255 + 0.5).astype(np.uint8)
