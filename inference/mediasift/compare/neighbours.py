"""Rows of `search`: the nearest pictures of a collection to each query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mediasift.compare.collection import Collection
from mediasift.compare.nearest import nearest
from mediasift.compare.spaces import Space
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


def neighbour_rows(
    collection: Collection, space: Space, *, queries: int, top: int, min_similarity: float | None
) -> Iterator[Neighbour]:
    """Each query's neighbours; then a row for each picture that could not be read.

    Args:
        collection: Queries first, then the pictures to search.
        space: The readable ones of them.
        queries: How many of the inputs are queries.
        top: Neighbours per query at most.
        min_similarity: Leave out what is less similar; None leaves nothing out.
    """
    readable = collection.readable
    asked = np.array([entry.feature for entry in readable if entry.source < queries], dtype=np.int64)
    among = np.array([entry.feature for entry in readable if entry.source >= queries], dtype=np.int64)
    found = nearest(space, asked, among, top=top)
    least = -2.0 if min_similarity is None else space.least(min_similarity)
    for row, feature in enumerate(asked):
        close = [column for column in range(found.position.shape[1]) if found.similarity[row, column] >= least]
        query = readable[feature].path
        if not close:
            yield Neighbour(path="", query=query)
        for rank, column in enumerate(close, start=1):
            entry = readable[found.position[row, column]]
            similarity = round(float(found.similarity[row, column]), 6)
            turn = space.turn_names[found.turn[row, column]] or None
            neighbour = Neighbour(query=query, rank=rank, similarity=similarity, turn=turn)
            yield placed(neighbour, entry, collection.sources[entry.source].kept)
    for entry in collection.entries:
        if entry.error:
            failed = Neighbour(query=entry.path if entry.source < queries else None, error=entry.error)
            yield placed(failed, entry, collection.sources[entry.source].kept)
