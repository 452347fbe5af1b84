"""Pairs and neighbours against brute force, on random and on adversarial collections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediasift as ms
from mediasift.compare import cosine, hamming
from mediasift.compare.cosine import matrix, unit
from mediasift.compare.spaces import HashSpace, VectorSpace, max_distance, nearest
from tests.pictures import save, scene


@st.composite
def collections(draw: st.DrawFn) -> np.ndarray:
    """Vectors that are random, repeated, scaled, plain, empty, one number long, or nearly at the threshold."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, width = draw(st.integers(0, 60)), draw(st.sampled_from([1, 2, 3, 20]))
    vectors = (
        rng.normal(size=(count, width)) if draw(st.booleans()) else rng.integers(0, 3, (count, width)).astype(float)
    )
    for at in range(count):
        change = draw(st.sampled_from(["", "", "", "zero", "copy", "scale", "plain", "tiny"])) if count < 30 else ""
        if change == "zero":
            vectors[at] = 0
        elif change == "copy":
            vectors[at] = vectors[0]
        elif change == "scale":
            vectors[at] = vectors[0] * 1e6
        elif change == "plain":
            vectors[at] = 1
        elif change == "tiny":
            vectors[at] *= 1e-30
    return vectors


@settings(max_examples=120)
@given(collections(), st.one_of(st.floats(-1, 1), st.sampled_from([-1.0, 0.0, 0.5, 1.0, 0.70710678])))
def test_pairs_of_vectors_are_those_of_brute_force(vectors: np.ndarray, threshold: float):
    units = unit(vectors)
    everything = matrix(units)
    expected = {(a, b) for a in range(len(units)) for b in range(a + 1, len(units)) if everything[a, b] >= threshold}
    pairs = list(cosine.pairs(units, threshold))
    assert sorted(_listed(pairs)) == sorted(expected)
    for left, right, similarity in pairs:
        np.testing.assert_allclose(similarity, everything[left, right], atol=3e-6)


def test_pairs_across_many_tiles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cosine, "TILE", 16)
    rng = np.random.default_rng(0)
    units, others = unit(rng.normal(size=(100, 5))), unit(rng.normal(size=(45, 5)))
    a, b = np.nonzero(np.triu(matrix(units) >= 0.5, 1))
    assert sorted(_listed(cosine.pairs(units, 0.5))) == sorted(zip(a.tolist(), b.tolist(), strict=True))
    a, b = np.nonzero(matrix(units, others) >= 0.5)
    assert sorted(_listed(cosine.pairs(units, 0.5, others=others))) == sorted(zip(a.tolist(), b.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["pictures", "noise", "same", "few directions"])
@pytest.mark.parametrize("threshold", [0.3, 0.9, 0.9999, 1.0])
def test_pairs_of_long_vectors_by_their_principal_axes(kind: str, threshold: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cosine, "TILE", 64)
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(300, 300))
    if kind == "pictures":
        vectors *= 1 / np.arange(1, 301)
    elif kind == "same":
        vectors[:] = vectors[0]
    elif kind == "few directions":
        vectors[:, 3:] = 0
    vectors[10], vectors[20] = 0, 0
    vectors[200:230] = vectors[100:130] + rng.normal(size=(30, 1)) * 0.1 * vectors[130:160]
    units = unit(vectors)
    everything = matrix(units)
    a, b = np.nonzero(np.triu(everything >= threshold, 1))
    assert sorted(_listed(cosine.pairs(units, threshold))) == sorted(zip(a.tolist(), b.tolist(), strict=True))
    a, b = np.nonzero(everything[:, :90] >= threshold)
    pairs = _listed(cosine.pairs(units, threshold, others=units[:90]))
    assert sorted(pairs) == sorted(zip(a.tolist(), b.tolist(), strict=True))


def _listed(pairs) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for left, right, _ in pairs for a, b in zip(left, right, strict=True)]


def test_what_a_vector_without_direction_is_like():
    units = unit(np.array([[0, 0], [0, 0], [3, 4], [np.nan, np.inf], [1e300, 1e300], [1e-300, 0]]))
    assert matrix(units).tolist()[0] == [1, 1, 0, 1, 0, 0]
    assert matrix(units)[4, 2] == pytest.approx(7 / 5 / 2**0.5, abs=1e-6)
    assert matrix(units)[5, 2] == pytest.approx(0.6, abs=1e-6)


def test_cosines_are_those_of_scikit_learn():
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    vectors = np.random.default_rng(1).integers(0, 256, (40, 675))
    np.testing.assert_allclose(matrix(unit(vectors)), pairwise.cosine_similarity(vectors), atol=1e-6)


@st.composite
def hashes(draw: st.DrawFn) -> np.ndarray:
    """Hashes that are random, the same, few bits apart, or share parts of 16 bits."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 80))
    drawn = rng.integers(0, 2**64, count, dtype=np.uint64)
    kind = draw(st.sampled_from(["random", "near", "same", "parts"]))
    if kind == "near" and count:
        flips = rng.random((count, 64)) < draw(st.sampled_from([0.02, 0.1, 0.2]))
        drawn = drawn[0] ^ (flips * (np.uint64(1) << np.arange(64, dtype=np.uint64))).sum(axis=1, dtype=np.uint64)
    elif kind == "same" and count:
        drawn[:] = drawn[0]
    elif kind == "parts":
        drawn &= np.uint64(0xFFFF_0000_0000_FFFF)
    return drawn


@settings(max_examples=120)
@given(hashes(), hashes(), st.integers(0, 16), st.booleans(), st.sampled_from([1, 2]))
def test_indexed_pairs_of_hashes_are_those_of_brute_force(left, right, distance, itself, threads):
    other = None if itself else right
    expected = [
        (a, b, (int(x) ^ int(y)).bit_count())
        for a, x in enumerate(left)
        for b, y in enumerate(left if itself else right)
        if (int(x) ^ int(y)).bit_count() <= distance and (not itself or a < b)
    ]
    for pairs in (
        hamming.indexed(left, distance, right=other, threads=threads),
        hamming.brute(left, distance, right=other),
    ):
        listed = [(int(a), int(b), int(bits)) for part in pairs for a, b, bits in zip(*part, strict=True)]
        assert sorted(listed) == expected


def test_a_bucket_larger_than_what_is_compared_in_one_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hamming, "_CANDIDATES", 7)
    same = np.full(30, 5, dtype=np.uint64)
    assert sum(len(left) for left, _, _ in hamming.indexed(same, 3)) == 30 * 29 // 2


@pytest.mark.parametrize("distance", range(65))
def test_parts_cannot_all_differ_in_more_than_their_limits(distance: int):
    assert sum(limit + 1 for limit in hamming.part_limits(distance)) > distance


@pytest.mark.parametrize(
    ("similarity", "bits"), [(1, 0), (0.84375, 10), (0.85, 9), (63 / 64, 1), (0, 64), (-1, 64), (1.01, -1)]
)
def test_how_many_bits_a_similarity_allows(similarity: float, bits: int):
    assert max_distance(similarity) == bits


@settings(max_examples=60)
@given(collections(), st.integers(1, 5), st.integers(0, 3))
def test_neighbours_are_those_of_brute_force(vectors: np.ndarray, top: int, queries: int):
    queries = min(queries, len(vectors))
    among = np.arange(queries, len(vectors))
    space = VectorSpace(unit(vectors))
    neighbours = nearest(space, np.arange(queries), among, top=top)
    everything = matrix(unit(vectors))[:queries, queries:]
    best = np.sort(everything, axis=1)[:, ::-1][:, :top]
    np.testing.assert_allclose(neighbours.similarity, best, atol=3e-6)
    for query in range(queries):
        np.testing.assert_allclose(everything[query, neighbours.position[query] - queries], best[query], atol=3e-6)


def test_neighbours_of_hashes_ties_in_order():
    space = HashSpace(np.array([[0, 7, 1, 2, 0]], dtype=np.uint64))
    neighbours = nearest(space, np.array([0]), np.array([1, 2, 3, 4]), top=3)
    assert neighbours.position.tolist() == [[4, 2, 3]]
    assert neighbours.similarity.tolist() == [[1, 63 / 64, 63 / 64]]


def test_rows_of_pairs_are_in_input_order_with_those_that_cannot_be_read_behind(tmp_path: Path):
    for name, seed in (("b", 1), ("a", 2), ("c", 1)):
        save(tmp_path / f"{name}.png", scene(seed=seed))
    (tmp_path / "d.png").write_bytes(b"")
    files = [str(tmp_path / f"{name}.png") for name in "bacd"]
    rows = list(ms.compare(files, method="dhash"))
    pairs = [(Path(row.path_a).stem, Path(row.path_b).stem) for row in rows if not row.error]
    assert pairs == [("b", "a"), ("b", "c"), ("a", "c")]
    assert [row.similarity for row in rows[:3]] == [rows[0].similarity, 1.0, rows[0].similarity]
    assert -1 < rows[0].similarity == round(rows[0].similarity, 6) < 1
    assert {row.method for row in rows} == {"dhash"}
    assert (rows[3].path_a, rows[3].path_b, rows[3].error.partition(":")[0]) == (files[3], None, "empty")
    (alike,) = (row for row in ms.compare(files, method="dhash", min_similarity=1) if not row.error)
    assert (alike.path_a, alike.path_b, alike.similarity) == (files[0], files[2], 1.0)
