"""What compares pictures in Python alone: two of them, or each with each as a matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.settings import Compare
from mediasift.errors import Unreadable
from mediasift.run.stream import Named


def similarity(
    a: str | Path | NDArray[np.uint8],
    b: str | Path | NDArray[np.uint8],
    *,
    method: str = "pixels",
    size: int = Compare.size,
    centred: bool = False,
    resample: Literal["area", "bicubic"] = "area",
    layer: str | None = None,
    device: str = "cpu",
) -> float:
    """How similar two pictures are, 1 for the same: by default the cosine of their pixels at 15x15.

    Arguments as for `compare`.

    Raises:
        ItemError: One of them cannot be read.
    """
    settings = Compare(method=method, size=size, centred=centred, resample=resample, layer=layer, device=device)
    first = next(iter(settings.table([a, b])))
    if first.similarity is None:
        raise Unreadable(f"{first.path_a}: {first.error}")
    return first.similarity


def similarity_matrix(
    inputs: Named,
    *,
    method: str = Compare.method,
    size: int = Compare.size,
    centred: bool = False,
    resample: Literal["area", "bicubic"] = "area",
    layer: str | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Similarity of each picture with each: float64 (N, N), 1 for the same; NaN for what cannot be read.

    Pages and frames are compared one by one. Arguments as for `compare`.
    """
    settings = Compare(method=method, size=size, centred=centred, resample=resample, layer=layer, device=device)
    return settings.matrix(inputs)
