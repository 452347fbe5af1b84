"""Rows of `search`: the nearest pictures of a collection to each query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mediasift.compare.collection import Collection
from mediasift.compare.spaces import Space, nearest
from mediasift.rows import Row, placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(Row):
    """One picture of the collection; its place is that of the neighbour.

    Attributes:
        query: The query's path.
        rank: From 1, the most similar first.
        similarity: 1 for the same.
        turn: How it is turned to look like the query; empty as it is.
    """

    query: str | None = None
    rank: int | None = None
    similarity: float | None = None
    turn: str | None = None


def neighbour_rows(collection: Collection, space: Space, top: int, min_similarity: float | None) -> Iterator[Neighbour]:
    """Each query's neighbours; then a row for each picture that could not be read.

    Args:
        collection: Queries first, then the pictures to search.
        space: The readable ones of them.
        top: Neighbours per query at most.
        min_similarity: Leave out what is less similar; None leaves nothing out.
    """
    readable = collection.readable
    queries = sum(entry.source < collection.first for entry in readable)
    matches = nearest(space, np.arange(queries), np.arange(queries, len(readable)), top=top)
    least = -2.0 if min_similarity is None else space.least(min_similarity)
    for query, *row in zip(readable[:queries], *matches, strict=True):
        close = [(at, value, turn) for at, value, turn in zip(*row, strict=True) if value >= least]
        if not close:
            yield Neighbour(path="", query=query.path)
        for rank, (at, value, turn) in enumerate(close, start=1):
            entry, similarity = readable[at], round(float(value), 6)
            name = space.turn_names[turn] or None
            neighbour = Neighbour(query=query.path, rank=rank, similarity=similarity, turn=name)
            yield placed(neighbour, entry, collection.sources[entry.source].kept)
    for entry in collection.entries:
        if entry.error:
            failed = Neighbour(query=entry.path if entry.source < collection.first else None, error=entry.error)
            yield placed(failed, entry, collection.sources[entry.source].kept)
