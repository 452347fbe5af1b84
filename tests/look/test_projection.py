"""Principal components against scikit-learn's, clusters against what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediasift.errors import InputError
from mediasift.look.projection import clustered, points_of, projected, read_vectors


def drawn(count: int = 60, groups: int = 4, length: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    which = np.arange(count * groups) % groups
    centres = np.eye(length)[:groups] * 5
    return (centres[which] + random.normal(0, 0.3, (count * groups, length))).astype(np.float32), which


def test_the_axes_are_those_of_scikit_learn(package):
    package("sklearn", extra="train")
    from sklearn.decomposition import PCA

    vectors, _ = drawn()
    components, share = projected(vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = PCA(2).fit(unit)
    expected = fitted.transform(unit)
    for axis in range(2):
        assert abs(abs(np.corrcoef(components[:, axis], expected[:, axis])[0, 1]) - 1) < 1e-5
        assert np.allclose(np.abs(components[:, axis]), np.abs(expected[:, axis]), atol=1e-4)
    assert abs(share - fitted.explained_variance_ratio_.sum()) < 1e-5


def test_clusters_are_those_that_were_drawn_and_the_most_typical_is_nearest_to_the_middle():
    vectors, which = drawn()
    components, _ = projected(vectors)
    cluster, typical = clustered(components, 4)
    assert len({(one, other) for one, other in zip(cluster, which, strict=True)}) == 4
    for number in range(1, 5):
        inside = np.flatnonzero(cluster == number)
        distances = np.linalg.norm(components[inside] - components[inside].mean(axis=0), axis=1)
        assert (typical[inside][np.argsort(distances)] == np.arange(1, len(inside) + 1)).all()


def test_the_largest_cluster_is_the_first_and_equal_vectors_make_fewer():
    vectors = np.repeat(np.eye(3, 5, dtype=np.float32), [1, 5, 2], axis=0)
    cluster, typical = clustered(projected(vectors)[0], 8)
    assert cluster.tolist() == [3, 1, 1, 1, 1, 1, 2, 2]
    assert sorted(typical[1:6]) == [1, 2, 3, 4, 5]
    one = projected(np.ones((3, 1), np.float32))
    assert one[0].tolist() == [[0, 0]] * 3
    assert clustered(one[0], 2)[0].tolist() == [1, 1, 1]


def test_vectors_of_every_format_are_the_same(tmp_path: Path):
    np.savez(tmp_path / "v.npz", path=np.array(["a", "b"]), embedding=np.array([[1, 2], [np.nan, np.nan]], np.float32))
    (tmp_path / "v.csv").write_text("path,embedding\na,1 2\nb,\n")
    (tmp_path / "v.jsonl").write_text('{"path": "a", "embedding": [1, 2]}\n{"path": "b", "embedding": null}\n')
    for name in ("v.npz", "v.csv", "v.jsonl"):
        records, vectors = read_vectors(tmp_path / name, None)
        assert [one["path"] for one in records] == ["a", "b"]
        assert vectors[0].tolist() == [1, 2]
        assert vectors[1] is None
    points, _ = points_of([{"path": "a", "frame": "3.0"}, {"path": "b"}], np.eye(2, dtype=np.float32), None)
    assert [(one.path, one.frame, one.typical) for one in points] == [("a", 3, 1), ("b", None, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na,x\n", "no table of vectors"),
        ("path,embedding\na,1 2\nb,1\n", r"vectors of \[1, 2\] numbers"),
        ("path,embedding\na,\n", "vectors of no numbers"),
        ("path,embedding\na,1 x\n", "row 1: its embedding is no vector"),
        ("path,embedding\na,1 inf\n", "row 1: a number of its embedding is not finite"),
    ],
)
def test_what_are_no_vectors_is_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_vectors(tmp_path / "v.csv", None)
