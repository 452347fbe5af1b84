"""What is measured on: the user's pictures, or drawn ones that cost a decoder as much as photographs do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError, ItemError
from mediasift.media.pictures.encode import ENCODERS
from mediasift.sources.content import LocalFile
from mediasift.sources.formats import sniff
from mediasift.sources.naming import Inputs, find_sources

Pictures = tuple[list[str], dict[str, Any]]
"""The files, and what a result says of them."""


def draw_pictures(folder: Path, *, count: int, width: int, height: int) -> Pictures:
    """JPEGs of noise whose amplitudes fall as 1 / frequency, as those of photographs do; always the same.

    Source: D. J. Field, Relations between the statistics of natural images and the response properties of cortical
    cells, J. Opt. Soc. Am. A 4 (1987). Plain noise would cost a JPEG decoder thrice as much, flat colours half.
    """
    rng = np.random.default_rng(0)
    files = [folder / f"{number:05}.jpg" for number in range(count)]
    for file in files:
        grey, *colours = (_noise(width, height, rng) for _ in range(4))
        pixels = 128 + 40 * grey[:, :, None] + 15 * np.stack(colours, axis=2)  # much detail in brightness alone
        file.write_bytes(ENCODERS["jpg"](pixels.clip(0, 255).astype(np.uint8), 90, b""))
    return _described(files, drawn=True, width=width, height=height)


def _noise(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """float64 (H, W), mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / frequency, (height, width))
    return np.asarray(field / (field.std() or 1.0))


def find_pictures(named: Sequence[str | Path], *, limit: int) -> Pictures:
    """At most `limit` pictures of those that the user named, evenly spread over all of them.

    Raises:
        InputError: There is none.
    """
    contents = [source.content for source in find_sources(Inputs(named=named))]
    pictures = [content.path for content in contents if isinstance(content, LocalFile) and _is_picture(content)]
    if not pictures:
        raise InputError(f"no picture to measure with in {', '.join(map(str, named))}")
    chosen = np.linspace(0, len(pictures) - 1, min(limit, len(pictures))).round().astype(int)
    return _described([pictures[number] for number in chosen], drawn=False, available=len(pictures))


def _is_picture(content: LocalFile) -> bool:
    """Whether it is a picture by its content; errors are not what is measured."""
    with suppress(ItemError):
        kind = sniff(content.head(), content.suffix)
        return kind is not None and kind.kind == "picture" and kind.recognised
    return False


def _described(files: Sequence[Path], **facts: Any) -> Pictures:
    mean_bytes = round(float(np.mean([file.stat().st_size for file in files])))
    return [str(file) for file in files], {**facts, "pictures": len(files), "mean_bytes": mean_bytes}
