"""Rows of `compare`: every pair, or every pair that is similar enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mediasift.compare.collection import Collection
from mediasift.compare.spaces import Space
from mediasift.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Row):
    """Two pictures and how similar they are; or, with `error`, one that could not be read.

    Attributes:
        path_a, page_a, frame_a: The first picture, and where it is in its file.
        path_b, page_b, frame_b: The second.
        similarity: 1 for the same.
        method: What they were compared by.
    """

    shared: ClassVar[tuple[str, ...]] = ("error",)

    path_a: str | None = None
    page_a: int | None = None
    frame_a: int | None = None
    path_b: str | None = None
    page_b: int | None = None
    frame_b: int | None = None
    similarity: float | None = None
    method: str | None = None


def pair_rows(
    collection: Collection, space: Space, method: str, min_similarity: float | None, threads: int
) -> Iterator[Pair]:
    """Pairs in input order, those below the minimum left out; then a row for each picture that could not be read."""
    empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    parts = space.pairs(-1.0 if min_similarity is None else min_similarity, threads)
    left, right, similarity = (np.concatenate(part) for part in zip(empty, *parts, strict=True))
    order = np.lexsort((right, left))
    for a, b, value in zip(left[order].tolist(), right[order].tolist(), similarity[order].tolist(), strict=True):
        one, other = collection.readable[a], collection.readable[b]
        yield Pair(
            path_a=one.path, page_a=one.page, frame_a=one.frame, path_b=other.path, page_b=other.page,
            frame_b=other.frame, similarity=round(value, 6), method=method,
        )  # fmt: skip
    for entry in collection.entries:
        if entry.error:
            yield Pair(path_a=entry.path, page_a=entry.page, frame_a=entry.frame, method=method, error=entry.error)
