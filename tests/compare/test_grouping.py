"""Groups against the rule, written down as plainly as it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.compare import grouping as duplicates
from mediasift.compare.cosine import matrix, unit
from mediasift.compare.grouping import group
from mediasift.compare.methods import hash_space, pixel_space
from mediasift.compare.spaces import INVERSE, SIDEWAYS, TURNS, HashSpace, VectorSpace


def by_the_rule(similar: np.ndarray, order: list[int], least: float) -> list[int]:
    """The leader of each, one picture after another."""
    leader = [-1] * len(similar)
    for at in order:
        if leader[at] < 0:
            leader[at] = at
            for other in order:
                if leader[other] < 0 and similar[at, other] >= least:
                    leader[other] = at
    return leader


def clustered(seed: int, count: int, turns: int = 1) -> np.ndarray:
    """Hashes (T, N) around a few centres."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 4, dtype=np.uint64)
    flips = rng.random((turns, count, 64)) < rng.choice([0.0, 0.05, 0.12], (turns, count, 1))
    noise = (flips * (np.uint64(1) << np.arange(64, dtype=np.uint64))).sum(axis=2, dtype=np.uint64)
    return centres[rng.integers(0, 4, count)] ^ noise


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.sampled_from([1, 3]), st.sampled_from([0, 5, 10, 16]))
def test_groups_of_hashes_follow_the_rule_with_and_without_an_index(seed, count, turns, bits):
    space = HashSpace(clustered(seed, count, turns))
    order = np.random.default_rng(seed).permutation(count)
    at = np.arange(count)
    expected = by_the_rule(space.similarities(at, at)[0], order.tolist(), 1 - bits / 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_ROWS", 7)
        patch.setattr(duplicates, "_COLUMNS", 11)
        tiles = group(space, order, 1 - bits / 64)
        patch.setattr(duplicates, "WORTH_INDEXING", 0)
        pairs = group(space, order, 1 - bits / 64, threads=2)
        patch.setattr(duplicates, "_MOST_PAIRS", 3)  # more than can be held: by tiles after all
        fallen_back = group(space, order, 1 - bits / 64)
    for groups in (tiles, pairs, fallen_back):
        assert groups.position.tolist() == expected
        np.testing.assert_array_equal(groups.similarity, tiles.similarity)
        np.testing.assert_array_equal(groups.turn, tiles.turn)
        members = groups.position != at
        assert (groups.similarity[members] >= 1 - bits / 64).all()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.sampled_from([0.3, 0.9, 1.0]))
def test_groups_of_vectors_follow_the_rule(seed, count, least):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (count, 4)).astype(np.float32)
    units = unit(vectors)
    order = rng.permutation(count)
    groups = group(VectorSpace(units), order, least)
    assert groups.position.tolist() == by_the_rule(np.round(matrix(units), 6), order.tolist(), np.float32(least))


def test_a_chain_of_small_steps_is_not_one_group():
    chain = np.array([[(1 << n) - 1 for n in range(0, 60, 5)]], dtype=np.uint64)  # each 5 bits from the next
    groups = group(HashSpace(chain), np.arange(12), 1 - 5 / 64)
    assert groups.position.tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10]


def test_the_preferred_one_leads():
    groups = group(HashSpace(np.array([[1, 0, 3]], dtype=np.uint64)), np.array([2, 0, 1]), 1 - 1 / 64)
    assert groups.position.tolist() == [2, 1, 2]


def test_an_old_collection_is_not_grouped_and_takes_new_pictures_to_the_most_similar():
    old, new = [0, 1, 0xFF00], [3, 0xFF00, 0xFFFF_0000, 0xFFFF_0001]
    space = HashSpace(np.array([old + new], dtype=np.uint64))
    groups = group(space, np.arange(3, 7), 1 - 2 / 64, known=3)
    assert groups.position.tolist() == [0, 1, 2, 1, 2, 5, 5]
    assert groups.similarity.tolist() == [1, 1, 1, 63 / 64, 1, 1, 63 / 64]


def test_turns_undo_each_other_and_there_are_eight_of_them():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    ways = list(TURNS.values())
    assert len({ways[at](pixels).tobytes() + bytes(ways[at](pixels).shape) for at in range(8)}) == 8
    for at, way in enumerate(ways):
        np.testing.assert_array_equal(ways[INVERSE[at]](way(pixels)), pixels)
        assert (way(pixels).shape == (4, 3)) == (at in SIDEWAYS)
    np.testing.assert_array_equal(TURNS["rotate90"](np.array([[1, 2], [3, 4]], np.uint8)), [[3, 1], [4, 2]])
    np.testing.assert_array_equal(TURNS["mirror"](np.array([[1, 2], [3, 4]], np.uint8)), [[2, 1], [4, 3]])


@pytest.mark.parametrize("at", range(8))
def test_a_turned_picture_is_found_and_its_turn_is_named(at: int):
    """The turn named is the one that makes the member look like its representative."""
    rng = np.random.default_rng(at)
    original = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    way = list(TURNS.values())[INVERSE[at]]  # so that turn `at` brings it back
    member = np.ascontiguousarray(way(original.transpose(2, 0, 1)).transpose(1, 2, 0))
    for centred in (False, True):
        space = pixel_space(np.stack([original, member]), is_centred=centred, turns=True)
        groups = group(space, np.arange(2), 0.999)
        assert groups.position.tolist() == [0, 0]
        assert groups.turn.tolist() == [0, at]
        assert groups.similarity.tolist() == [1, 1]
        alone = pixel_space(np.stack([original, member]), is_centred=centred, turns=False)
        assert (group(alone, np.arange(2), 0.999).position.tolist() == [0, 0]) == (at == 0)
    gray = np.ascontiguousarray(np.stack([original[:8, :8, 0], list(TURNS.values())[INVERSE[at]](original[:8, :8, 0])]))
    groups = group(hash_space("ahash", gray, gray, turns=True), np.arange(2), 1.0)
    assert (groups.position.tolist(), groups.turn.tolist()) == ([0, 0], [0, at])


def test_nothing_at_all():
    assert group(HashSpace(np.zeros((1, 0), np.uint64)), np.zeros(0, np.int64), 0.9).position.tolist() == []
    assert len(pixel_space(np.zeros((0, 4, 4, 3), np.uint8), is_centred=True, turns=True)) == 0
