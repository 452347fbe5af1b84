"""Cosine similarity of vectors: a matrix, or all pairs above a threshold without ever holding N x N numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

TILE = 1024
"""Vectors per side of a tile: 4 MB of products, which stay in the cache while they are looked through."""


Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Positions of pairs, left and right, and how similar they are: (P,) each."""


def unit(vectors: NDArray[np.generic]) -> Vectors:
    """The vectors at length 1, with one more number at their end.

    A vector of zeros (a black picture; a plain one, once it is centred) has no direction, and its cosine is undefined.
    Here it gets a direction of its own, the additional number: so its similarity is 1 to another such vector and 0 to
    all others, and no comparison ever yields "not a number".

    Args:
        vectors: (N, D), numbers of any type; what is not finite counts as 0.

    Returns:
        float32 (N, D + 1).
    """
    out = np.zeros((len(vectors), vectors.shape[1] + 1), dtype=np.float32)
    for start in range(0, len(vectors), _AT_ONCE):
        part = np.nan_to_num(vectors[start : start + _AT_ONCE].astype(np.float64), posinf=0, neginf=0)
        largest = np.abs(part).max(axis=1, keepdims=True, initial=0)
        part /= np.where(largest > 0, largest, 1)  # so that squares neither overflow nor vanish
        lengths = np.sqrt(np.einsum("nd,nd->n", part, part))
        none = lengths == 0
        out[start : start + _AT_ONCE, :-1] = part / np.where(none, 1, lengths)[:, None]
        out[start : start + _AT_ONCE, -1] = none
    return out


_AT_ONCE = 1024
"""Vectors that are worked on as float64 at a time."""


def centred(vectors: NDArray[np.generic]) -> NDArray[np.float64]:
    """Each vector minus its own mean, so that the cosine becomes Pearson's correlation; float64 (N, D)."""
    numbers = vectors.astype(np.float64)
    return np.asarray(numbers - numbers.mean(axis=1, keepdims=True))


def matrix(units: Vectors, others: Vectors | None = None) -> NDArray[np.float64]:
    """Similarity of each with each: float64 (N, M), -1..1, rounded to 6 decimals.

    Args:
        units: What `unit` gave, (N, D).
        others: (M, D); None compares `units` with themselves.
    """
    products = units.astype(np.float64) @ (units if others is None else others).astype(np.float64).T
    return np.asarray(np.round(products, 6).clip(-1, 1))


def pairs(units: Vectors, min_similarity: float, *, others: Vectors | None = None) -> Iterator[Pairs]:
    """All pairs whose cosine is at least `min_similarity`, some at a time; exact, none is missed.

    Vectors of pictures lie near a few directions. So their numbers along these principal axes are computed first: the
    cosine of a pair is at most the product of those, plus the product of the lengths of what is left (Cauchy and
    Schwarz). Where that does not reach the threshold, nothing else need be computed.

    Products are float32; those so near to the threshold that rounding could decide are computed again as float64.

    Args:
        units: What `unit` gave, (N, D).
        min_similarity: -1..1.
        others: (M, D); None compares `units` with themselves, each pair once, left before right.
    """
    margin = np.float32((units.shape[1] + 3) * 2.0**-22)
    least = np.float32(min_similarity) - margin
    axes = _leading_axes(units, least)
    leading = None if axes is None else _leading(units, axes)
    right = units if others is None else others
    right_leading = leading if others is None or axes is None else _leading(others, axes)
    for top in range(0, len(units), TILE):
        for start in range(top if others is None else 0, len(right), TILE):
            most = None
            if leading is not None and right_leading is not None:
                most = leading[top : top + TILE] @ right_leading[start : start + TILE].T
            a, b, similarity = _tile(units[top : top + TILE], right[start : start + TILE], most, least)
            a, b = a + top, b + start
            if others is None and top == start:
                upper = a < b
                a, b, similarity = a[upper], b[upper], similarity[upper]
            keep = _reach(units, right, (a, b, similarity), min_similarity, margin)
            if keep.any():
                yield a[keep], b[keep], similarity[keep].clip(-1, 1)


_LEADING = (64, 128, 192)
"""How many numbers of each vector may be looked at first: as few as leave little else to compute. Pictures need few;
directions without any structure, 128 for a threshold of 0.9."""

_SAMPLE = 2048
"""Vectors from which the axes are found; they are tried on half as many others."""

_FEW = 0.005
"""Up to this share of a tile's pairs it takes less time to compute them one by one than the whole tile."""


def _leading(units: Vectors, axes: Vectors) -> Vectors:
    """The numbers along the axes (D, K), and the length of the rest behind them: float32 (N, K + 1).

    That length is what is missing to 1, with the rounding error of that difference added: never too short. So the
    product of two such rows is at least the cosine.
    """
    leading = np.empty((len(units), axes.shape[1] + 1), dtype=np.float32)
    np.matmul(units, axes, out=leading[:, :-1])
    rest = 1 - np.einsum("nd,nd->n", leading[:, :-1], leading[:, :-1])
    leading[:, -1] = np.sqrt(rest.clip(0) + units.shape[1] * 2.0**-21)
    return leading


def _leading_axes(units: Vectors, least: np.float32) -> Vectors | None:
    """Orthonormal axes (D, K), along which a sample extends most; None where the vectors are too few or none suffice.

    They suffice if among other vectors few pairs could reach the threshold by what they show.
    """
    if len(units) < TILE:
        return None
    step = max(2, len(units) // _SAMPLE)
    sample = units[::step].astype(np.float64)
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1].astype(np.float32)  # the longest extension first
    for count in _LEADING:
        if 3 * count <= units.shape[1]:
            tried = _leading(units[1 :: 2 * step], np.ascontiguousarray(axes[:, :count]))
            if np.count_nonzero(tried @ tried.T >= least) - len(tried) <= _FEW * len(tried) ** 2:
                return np.ascontiguousarray(axes[:, :count])
    return None


def _tile(rows: Vectors, columns: Vectors, most: Vectors | None, least: np.float32) -> Pairs:
    """The pairs of one tile that may reach the threshold, and their products; `most` is what these are at most."""
    if most is not None:
        places = np.flatnonzero(most >= least)
        if len(places) <= _FEW * most.size:
            a, b = np.divmod(places, len(columns))
            products = np.einsum("pd,pd->p", rows[a], columns[b])
            near = np.flatnonzero(products >= least)
            return a[near], b[near], products[near]
    products = rows @ columns.T
    places = np.flatnonzero(products >= least)
    a, b = np.divmod(places, len(columns))
    return a, b, products.ravel()[places]


def _reach(units: Vectors, others: Vectors, candidates: Pairs, least: float, margin: np.float32) -> NDArray[np.bool_]:
    """Which of the candidates truly reach the threshold."""
    left, right, similarity = candidates
    reached = similarity >= least
    doubtful = np.flatnonzero(np.abs(similarity - np.float32(least)) <= margin)
    for start in range(0, len(doubtful), _AT_ONCE):
        some = doubtful[start : start + _AT_ONCE]
        a, b = units[left[some]].astype(np.float64), others[right[some]].astype(np.float64)
        reached[some] = np.round(np.einsum("pd,pd->p", a, b), 6) >= least
    return reached
