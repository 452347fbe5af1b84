"""What is measured on: the user's pictures, or drawn ones that cost a decoder as much as photographs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError, ItemError
from mediasift.media.pictures.encode import ENCODERS
from mediasift.sources.content import LocalFile
from mediasift.sources.formats import sniff
from mediasift.sources.naming import Inputs, Skipped, find_sources

QUALITY = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The files, and what a result says of them.

    Attributes:
        files: Their paths.
        facts: JSON values.
    """

    files: tuple[str, ...]
    facts: dict[str, Any]


def draw_pictures(folder: Path, *, count: int, width: int, height: int, seed: int = 0) -> Pictures:
    """JPEGs of noise whose amplitudes fall as 1 / frequency, as those of photographs do; always the same.

    Source: D. J. Field, Relations between the statistics of natural images and the response properties of cortical
    cells, J. Opt. Soc. Am. A 4 (1987). Plain noise would cost a JPEG decoder thrice as much, flat colours half.
    """
    rng = np.random.default_rng(seed)
    files = []
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        path.write_bytes(ENCODERS["jpg"](_scene(width, height, rng), QUALITY, b""))
        files.append(str(path))
    facts = {"drawn": True, "width": width, "height": height, "format": "jpeg", "quality": QUALITY, "seed": seed}
    return Pictures(files=tuple(files), facts={**facts, **_sizes(files)})


def _scene(width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB: brightness with much detail, colours with little."""
    grey = _noise(width, height, rng)[:, :, None]
    colours = np.stack([_noise(width, height, rng) for _ in range(3)], axis=2)
    values = 128 + 40 * grey + 15 * colours
    return np.asarray(values.clip(0, 255), dtype=np.uint8)


def _noise(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """float64 (H, W), mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(rng.standard_normal((height, width))) / frequency
    field = np.fft.irfft2(waves, (height, width))
    return np.asarray(field / (field.std() or 1.0))


def find_pictures(named: Sequence[str | Path], *, limit: int) -> Pictures:
    """At most `limit` pictures of what the user named, evenly spread over all of them.

    Raises:
        InputError: There is none.
    """
    contents = [source.content for source in find_sources(Inputs(named=list(named)), Skipped())]
    found = [content for content in contents if isinstance(content, LocalFile) and _is_picture(content)]
    if not found:
        raise InputError(f"no picture to measure with in {', '.join(map(str, named))}")
    positions = np.linspace(0, len(found) - 1, min(limit, len(found))).round().astype(int)
    files = [str(found[position].path) for position in positions]
    return Pictures(files=tuple(files), facts={"drawn": False, "found": len(found), **_sizes(files)})


def _is_picture(content: LocalFile) -> bool:
    """Whether it is a picture by its content; what cannot be read is none, as errors are not what is measured."""
    try:
        kind = sniff(content.head(), content.suffix)
    except ItemError:
        return False
    return kind is not None and kind.kind == "picture" and kind.recognised


def _sizes(files: Sequence[str]) -> dict[str, Any]:
    sizes = [Path(file).stat().st_size for file in files]
    return {"pictures": len(files), "mean_bytes": round(float(np.mean(sizes)))}
