"""Vectors in two dimensions, and in clusters with what is typical of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError
from mediasift.rows import Row
from mediasift.tables.formats import records_of
from mediasift.tables.stored import Record

Vectors = NDArray[np.float32]

_COMPONENTS = 50
"""Principal components on which clusters are made."""

_STARTS, _ROUNDS, _SEED = 4, 100, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Row):
    """Where an item lies.

    Attributes:
        x, y: Its first two principal components.
        cluster: From 1, the largest first.
        typical: Its rank in the cluster by distance to the middle, from 1: the most typical.
    """

    x: float
    y: float
    cluster: int
    typical: int


POINT = tuple(field.name for field in fields(Point) if field.name not in {one.name for one in fields(Row)})


def read_vectors(file: Path, encoding: str | None) -> tuple[list[Record], list[NDArray[np.float32] | None]]:
    """The rows of a table that `embed` wrote, without their vectors, and these; None where a row has none.

    Raises:
        InputError: It cannot be read, has no column `embedding`, or vectors of several lengths.
    """
    records, vectors = list[Record](), list[NDArray[np.float32] | None]()
    lengths: set[int] = set()
    for number, record in enumerate(records_of(file, encoding), 1):
        if "embedding" not in record or "path" not in record:
            raise InputError(
                f"{file}: no table of vectors; make one, e.g. with: mediasift embed photos/ -m MODEL -o vectors.npz"
            )
        cell = record["embedding"]
        try:
            vector = np.asarray(cell.split() if isinstance(cell, str) else cell or [], np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"{file}: row {number}: its embedding is no vector ({error})") from error
        if len(vector) and not np.isfinite(vector).all():
            raise InputError(f"{file}: row {number}: a number of its embedding is not finite")
        records.append({name: None if one == "" else one for name, one in record.items() if name != "embedding"})
        vectors.append(vector if len(vector) else None)
        lengths |= {len(vector)} - {0}
    if len(lengths) != 1:
        raise InputError(f"{file}: has vectors of {sorted(lengths) or 'no'} numbers; all must be of one length")
    return records, vectors


def projected(vectors: Vectors) -> tuple[NDArray[np.float64], float]:
    """Principal components, float64 (N, C), of the vectors brought to unit length, and the share that two explain.

    Each axis points to where its largest loading is positive (Jolliffe and Cadima 2016,
    https://doi.org/10.1098/rsta.2015.0202).

    Args:
        vectors: float32 (N, D).
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    unit = unit - unit.mean(axis=0)
    scatter = (unit.T @ unit).astype(np.float64)
    values, axes = np.linalg.eigh(scatter)
    count = min(_COMPONENTS, len(values))
    axes = axes[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(count)])
    total = float(np.trace(scatter))
    components = unit @ axes
    if count == 1:
        components = np.hstack([components, np.zeros_like(components)])
    return components, float(values[::-1][:2].sum() / total) if total > 0 else 1.0


def clustered(components: NDArray[np.float64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cluster of each point, from 1, the largest first, and its rank in there, from 1, the most typical first.

    k-means with the seeds of Arthur and Vassilvitskii (k-means++, 2007), the best of four starts.

    Args:
        components: float64 (N, C).
        count: Clusters at most; fewer where there are fewer different points.
    """
    random = np.random.default_rng(_SEED)
    count = min(count, len(np.unique(components, axis=0)))
    runs = [_lloyd(components, _seeds(components, count, random)) for _ in range(_STARTS)]
    nearest, distance = min(runs, key=lambda run: float(run[1].sum()))
    sizes = np.bincount(nearest, minlength=count)
    number = np.empty(count, np.int64)
    number[np.argsort(-sizes, kind="stable")] = np.arange(1, count + 1)
    order = np.lexsort((distance, nearest))
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(len(nearest), np.int64)
    rank[order] = np.arange(len(order)) - starts[nearest[order]] + 1
    return number[nearest], rank


def _squared(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances (N, K)."""
    both = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(both - 2 * points @ centres.T, 0))


def _seeds(points: NDArray[np.float64], count: int, random: np.random.Generator) -> NDArray[np.float64]:
    centres = points[[int(random.integers(len(points)))]]
    while len(centres) < count:
        away = _squared(points, centres).min(axis=1)
        centres = np.vstack([centres, points[random.choice(len(points), p=away / away.sum())]])
    return centres


def _lloyd(
    points: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """(the nearest centre of each point, its squared distance); a centre that nothing is near stays where it is."""
    nearest = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        distances = _squared(points, centres)
        now = distances.argmin(axis=1)
        if (now == nearest).all():
            break
        nearest = now
        sizes = np.bincount(nearest, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
    return nearest, distances[np.arange(len(points)), nearest]


def points_of(records: Sequence[Record], vectors: Vectors, clusters: int | None) -> tuple[list[Point], float]:
    """A point for each row with a vector, and the share of the variance that the two axes explain."""
    components, share = projected(vectors)
    count = clusters or int(np.clip(round((len(vectors) / 2) ** 0.5), 2, 20))
    cluster, typical = clustered(components, count)
    place = {"page": int, "frame": int, "time_s": float}

    def cells(record: Record) -> dict[str, Any]:
        return {name: None if record.get(name) is None else kind(float(record[name])) for name, kind in place.items()}

    rows = zip(records, components[:, :2].round(6).tolist(), cluster.tolist(), typical.tolist(), strict=True)
    points = [
        Point(path=str(record["path"]), **cells(record), x=x, y=y, cluster=group, typical=rank)
        for record, (x, y), group, rank in rows
    ]
    return points, share
