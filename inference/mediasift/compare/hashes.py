"""Perceptual hashes: a picture's shrunken grey pixels as 64 bits.

The three are those of the `imagehash` library; given the same shrunken pixels, the bits are the same. The first and the
last are described at https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html, the second at
https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureHash:
    """One kind of hash.

    Attributes:
        width, height: Size to which the picture is shrunk, grey, proportions ignored.
        bits: Pixels (N, height, width) → bool (N, 8, 8).
    """

    width: int
    height: int
    bits: Callable[[Pixels], NDArray[np.bool_]]


def average(pixels: Pixels) -> NDArray[np.bool_]:
    """Lighter than the picture's mean; pixels uint8 (N, 8, 8)."""
    return np.asarray(pixels > pixels.mean(axis=(1, 2), keepdims=True))


def difference(pixels: Pixels) -> NDArray[np.bool_]:
    """Lighter than the neighbour on the left; pixels uint8 (N, 8, 9)."""
    return np.asarray(pixels[:, :, 1:] > pixels[:, :, :-1])


def perceptual(pixels: Pixels) -> NDArray[np.bool_]:
    """Low frequencies of the cosine transform above their median; pixels uint8 (N, 32, 32)."""
    low = cosine_transform(cosine_transform(pixels.astype(np.float64), axis=1), axis=2)[:, :8, :8]
    return np.asarray(low > np.median(low, axis=(1, 2), keepdims=True))


HASHES: dict[str, PictureHash] = {
    "ahash": PictureHash(width=8, height=8, bits=average),
    "dhash": PictureHash(width=9, height=8, bits=difference),
    "phash": PictureHash(width=32, height=32, bits=perceptual),
}
"""Name → the hash. A new one is a function and a line here, and its default in `methods.METHODS`."""


def to_hashes(name: str, pixels: Pixels) -> Hashes:
    """The hashes of shrunken pictures, the first bit of the first row highest.

    Args:
        name: A key of `HASHES`.
        pixels: uint8 (N, height, width) grey, of the size which the hash wants.

    Returns:
        uint64 (N,).
    """
    if not len(pixels):
        return np.zeros(0, dtype=np.uint64)
    bits = [HASHES[name].bits(pixels[start : start + _AT_ONCE]) for start in range(0, len(pixels), _AT_ONCE)]
    octets = np.packbits(np.concatenate(bits).reshape(len(pixels), 64), axis=1)
    return octets.view(">u8").astype(np.uint64).reshape(-1)


_AT_ONCE = 4096
"""Pictures whose transforms are in memory at a time: 32 MB for the largest hash."""


def cosine_transform(values: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """The unnormalised discrete cosine transform (DCT-II) of an even number of values along an axis, float64.

    By a real Fourier transform, in the order of operations of pocketfft
    (https://gitlab.mpcdf.mpg.de/mtr/pocketfft), on which the reference library stands: a plain matrix product is as
    exact, but its rounding differs, and in pictures with symmetries many coefficients tie with the median.
    """
    c = np.moveaxis(values, axis, 0).copy()
    count = len(c)
    c[0] *= 2
    c[-1] *= 2
    odd, even = c[1:-1:2].copy(), c[2:-1:2].copy()
    halves = np.zeros((count // 2 + 1, *c.shape[1:]), dtype=np.complex128)
    halves[0], halves[-1] = c[0], c[-1]
    halves[1:-1] = (odd + even) + 1j * (even - odd)
    r = np.fft.irfft(halves, n=count, axis=0, norm="forward")
    cosines = np.cos(0.5 * np.pi * np.arange(1, count + 1) / count)
    k = np.arange(1, count // 2)
    shape = (-1, *[1] * (r.ndim - 1))
    near, far = cosines[k - 1].reshape(shape), cosines[count - k - 1].reshape(shape)
    first, second = near * r[count - k] + far * r[k], near * r[k] - far * r[count - k]
    out = r.copy()
    out[k], out[count - k] = 0.5 * (first + second), 0.5 * (first - second)
    out[count // 2] *= cosines[count // 2 - 1]
    return np.moveaxis(out, 0, axis)
