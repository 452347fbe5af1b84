from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from mediasift.errors import UsageError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

pytestmark = pytest.mark.usefixtures("scikit_learn")

TOLERANCE = 1e-6


def grow(rows: np.ndarray, labels: np.ndarray, *, trees: int = 3, seed: int = 0, **options) -> RandomForestClassifier:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, random_state=seed, **options).fit(rows, labels)


def run(model: bytes, rows: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    output = next(value.name for value in session.get_outputs() if value.name == "probabilities")
    return session.run([output], {session.get_inputs()[0].name: rows})[0]


def converted(forest: RandomForestClassifier, rows: np.ndarray, **options) -> np.ndarray:
    from training.forest_onnx import forest_to_onnx

    return run(forest_to_onnx(forest, **options).SerializeToString(), rows)


def assert_same(scores: np.ndarray, expected: np.ndarray) -> None:
    """Probabilities within the tolerance; the same label wherever the two best ones are further apart than that."""
    assert scores.dtype == np.float32
    assert scores.shape == expected.shape
    assert np.abs(scores - expected).max() <= TOLERANCE
    ordered = np.sort(expected, axis=1)
    clear = np.ones(len(expected), bool) if expected.shape[1] == 1 else ordered[:, -1] - ordered[:, -2] > 2 * TOLERANCE
    assert (scores.argmax(axis=1) == expected.argmax(axis=1))[clear].all()


def pure(forest: RandomForestClassifier) -> bool:
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return all((tree.value[tree.children_left < 0, 0].max(axis=1) == 1).all() for tree in trees)


def operators(forest: RandomForestClassifier, **options) -> list[str]:
    from training.forest_onnx import forest_to_onnx

    return [node.op_type for node in forest_to_onnx(forest, **options).graph.node]


def around(value: float) -> list[float]:
    """The float32 next to a value, and three of its neighbours on both sides, as far as they are finite."""
    steps = [np.float32(value)]
    with np.errstate(over="ignore"):
        for direction in (np.float32(np.inf), np.float32(-np.inf)):
            step = steps[0]
            for _ in range(3):
                step = np.nextafter(step, direction)
                steps.append(step)
    return [float(step) for step in steps if np.isfinite(step)]


EDGES = [
    value
    for base in (0.0, 1.0, -1.0, 2.0, 255.0, 0.1, 1e6, 2.0**24, -1e30, float(np.finfo(np.float32).max))
    for value in around(base)
]
PIXELS = st.integers(0, 255).map(float)
NEIGHBOURS = st.sampled_from(EDGES)


@st.composite
def cases(draw: st.DrawFn, values: st.SearchStrategy[float], classes: int = 4):
    """Rows to train on, other rows to ask about, labels, and a forest's settings."""
    count, width = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    rows, others = (draw(arrays_of.arrays(np.float32, (count, width), elements=values)) for _ in range(2))
    labels = draw(arrays_of.arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    options = {
        "trees": draw(st.integers(1, 5)),
        "seed": draw(st.integers(0, 1000)),
        "max_depth": draw(st.none() | st.integers(1, 4)),
        "min_samples_leaf": draw(st.sampled_from([1, 1, 2, 5])),
        "bootstrap": draw(st.booleans()),
    }
    return rows, np.concatenate([rows, others]), labels, options


@given(cases(PIXELS | st.floats(-1000, 1000, width=32)))
@settings(max_examples=60)
def test_every_forest_says_what_scikit_learn_says(case):
    rows, asked, labels, options = case
    forest = grow(rows, labels, **options)
    assert_same(converted(forest, asked), forest.predict_proba(asked))


@given(cases(NEIGHBOURS))
@settings(max_examples=60)
def test_neighbouring_float32_values_take_the_same_branch(case):
    rows, asked, labels, options = case
    forest = grow(rows, labels, **options)
    assert_same(converted(forest, asked), forest.predict_proba(asked))


@given(cases(PIXELS | NEIGHBOURS, classes=2))
@settings(max_examples=60)
def test_binary_gives_the_probability_of_the_second_class(case):
    rows, asked, labels, options = case
    labels[:1] = 1 - labels[-1]
    if len(set(labels.tolist())) < 2:
        return
    forest = grow(rows, labels, **options)
    scores = converted(forest, asked, binary=True)
    assert scores.shape == (len(asked), 1)
    assert np.abs(scores - forest.predict_proba(asked)[:, 1:]).max() <= TOLERANCE


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=30)
def test_pure_leaves_give_exactly_the_same_labels_ties_included(seed: int, half: int):
    """With an even number of trees ties are common; the first of the best wins in both."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (60, 3)).astype(np.float32)
    forest = grow(rows, rng.integers(0, 3, 60), trees=2 * half, seed=seed)
    asked = rng.integers(0, 256, (300, 3)).astype(np.float32)
    expected = forest.predict_proba(asked)
    assert (converted(forest, asked).argmax(axis=1) == expected.argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("name", "kind"), [("pure", "TreeEnsemble"), ("mixed", "TreeEnsemble, Cast, Gather, ReduceMean")]
)
def test_pure_and_mixed_leaves_have_their_own_encoding(name: str, kind: str):
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 256, (300, 6)).astype(np.float32)
    forest = grow(rows, rng.integers(0, 4, 300), trees=20, max_depth=4 if name == "mixed" else None)
    assert pure(forest) == (name == "pure")
    assert ", ".join(operators(forest)) == kind
    assert_same(converted(forest, rows), forest.predict_proba(rows))


@pytest.mark.parametrize("direction", [np.inf, -np.inf])
@pytest.mark.parametrize("value", [4.0, 4.0 + 2**-21, 255.0, -3.0, 2.0**24])
def test_a_threshold_between_two_neighbouring_float32_values_parts_them(value: float, direction: float):
    """Half way between neighbours is no float32; rounded to the nearest it may be the wrong one of the two."""
    pair = np.array([[value], [np.nextafter(np.float32(value), np.float32(direction))]], np.float32)
    forest = grow(pair, np.array([0, 1]), trees=1, bootstrap=False)
    threshold = forest.estimators_[0].tree_.threshold[0]
    assert float(np.float32(threshold)) != threshold
    assert converted(forest, pair).tolist() == [[1, 0], [0, 1]]


def test_a_forest_of_one_class():
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    forest = grow(rows, np.full(6, 7))
    assert converted(forest, rows).tolist() == [[1]] * 6


@pytest.mark.parametrize("binary", [False, True])
def test_trees_that_are_a_single_mixed_leaf(binary: bool):
    """Rows that are all alike cannot be parted."""
    rows = np.ones((10, 3), np.float32)
    forest = grow(rows, np.array([0] * 7 + [1] * 3), bootstrap=False)
    assert all(estimator.tree_.node_count == 1 for estimator in forest.estimators_)
    expected = [0.3] if binary else [0.7, 0.3]
    assert converted(forest, rows, binary=binary) == pytest.approx(np.array([expected] * 10), abs=TOLERANCE)


def test_single_leaves_beside_grown_trees():
    rows = np.array([[0], [1], [1], [1], [1], [1]], np.float32)
    forest = grow(rows, np.array([0, 1, 1, 1, 1, 1]), trees=20)
    sizes = {estimator.tree_.node_count for estimator in forest.estimators_}
    assert sizes == {1, 3}
    assert_same(converted(forest, rows), forest.predict_proba(rows))


@pytest.mark.parametrize(
    "names",
    [np.array(["cat", "dog", "eel"]), np.array([3, 7, 42]), np.array([-1, 0, 9])],
    ids=["text", "gaps", "minus"],
)
@pytest.mark.parametrize("depth", [None, 2])
def test_columns_follow_the_forests_classes_whatever_they_are_called(names: np.ndarray, depth: int | None):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (100, 3)).astype(np.float32)
    forest = grow(rows, names[rows.argmax(axis=1)], trees=10, max_depth=depth)
    scores = converted(forest, rows)
    assert_same(scores, forest.predict_proba(rows))
    if depth is None:
        assert (forest.classes_[scores.argmax(axis=1)] == forest.predict(rows)).all()


def test_true_and_false_are_two_classes():
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    forest = grow(rows, rows[:, 0] > 20)
    assert_same(converted(forest, rows), forest.predict_proba(rows))
    assert_same(converted(forest, rows, binary=True), forest.predict_proba(rows)[:, 1:])


def test_weighted_classes():
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 20, (200, 2)).astype(np.float32)
    forest = grow(rows, rng.integers(0, 3, 200), max_depth=3, class_weight={0: 1, 1: 10, 2: 0.1})
    assert_same(converted(forest, rows), forest.predict_proba(rows))


def test_the_graph_takes_any_number_of_rows_and_calls_things_as_told():
    from training.forest_onnx import forest_to_onnx

    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    model = forest_to_onnx(grow(rows, rows[:, 0] > 20), input_name="this", output_name="that").SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (given_,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given_.name, given_.shape, given_.type) == ("this", ["N", 2], "tensor(float)")
    assert (result.name, result.shape, result.type) == ("that", ["N", 2], "tensor(float)")
    together = session.run(None, {"this": rows})[0]
    alone = np.concatenate([session.run(None, {"this": rows[i : i + 1]})[0] for i in range(20)])
    assert np.abs(together - alone).max() <= TOLERANCE


@pytest.mark.usefixtures("skl2onnx")
@pytest.mark.parametrize("depth", [None, 5])
def test_skl2onnx_converts_to_the_same_in_a_far_larger_file(depth: int | None):
    from skl2onnx import to_onnx

    from training.forest_onnx import forest_to_onnx

    rng = np.random.default_rng(3)
    rows = rng.integers(0, 256, (2000, 10)).astype(np.float32)
    forest = grow(rows, rng.integers(0, 10, 2000), trees=20, max_depth=depth)
    theirs = to_onnx(forest, rows[:1], options={id(forest): {"zipmap": False}}).SerializeToString()
    ours = forest_to_onnx(forest).SerializeToString()
    assert np.abs(run(ours, rows) - run(theirs, rows)).max() <= TOLERANCE
    assert len(ours) < len(theirs) / 3


@pytest.mark.parametrize("binary", [False, True])
def test_several_outputs_are_refused(binary: bool):
    from training.forest_onnx import forest_to_onnx

    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    forest = grow(rows, np.stack([rows[:, 0] > 5, rows[:, 0] > 9], axis=1))
    with pytest.raises(UsageError, match="predicts 2 things at once"):
        forest_to_onnx(forest, binary=binary)


@pytest.mark.parametrize("classes", [1, 3])
def test_binary_needs_two_classes(classes: int):
    from training.forest_onnx import forest_to_onnx

    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    with pytest.raises(UsageError, match=f"binary needs two classes, the forest has {classes}"):
        forest_to_onnx(grow(rows, np.arange(10) % classes), binary=True)


@pytest.mark.parametrize("sign", [1, -1], ids=["dark", "bright"])
def test_the_question_is_the_one_that_is_usually_answered_with_no(sign: int):
    """On dark rows most data go left, on their negative right; either way the scores are scikit-learn's."""
    from onnx import numpy_helper

    from training.forest_onnx import BRANCH_GT, BRANCH_LEQ, forest_to_onnx

    rng = np.random.default_rng(0)
    rows = (sign * np.where(rng.random((300, 8)) < 0.8, 0, rng.integers(1, 255, (300, 8)))).astype(np.float32)
    forest = grow(rows, rng.integers(0, 3, 300))
    model = forest_to_onnx(forest)
    (modes,) = (numpy_helper.to_array(one.t) for one in model.graph.node[0].attribute if one.name == "nodes_modes")
    assert set(modes.tolist()) == {BRANCH_GT if sign > 0 else BRANCH_LEQ}
    assert_same(run(model.SerializeToString(), rows), forest.predict_proba(rows))


@pytest.mark.parametrize("options", [{}, {"max_depth": 3}, {"min_samples_leaf": 5}, {"bootstrap": False}])
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_missing_values_go_where_scikit_learn_sends_them(options: dict[str, object], share: float):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5)).astype(np.float32)
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    rows[rng.random(rows.shape) < share] = np.nan
    forest = grow(rows, labels, trees=9, **options)
    assert_same(converted(forest, rows), forest.predict_proba(rows))
    assert_same(converted(forest, rows, binary=True), forest.predict_proba(rows)[:, 1:])


def test_extra_trees_are_forests_and_other_tree_models_are_refused():
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestRegressor
    from sklearn.tree import DecisionTreeClassifier

    from training.forest_onnx import forest_to_onnx

    rows = np.random.default_rng(0).random((60, 4)).astype(np.float32)
    labels = (rows[:, 0] > 0.5).astype(int)
    extra = ExtraTreesClassifier(5, random_state=0).fit(rows, labels)
    assert_same(converted(extra, rows), extra.predict_proba(rows))
    for other in (GradientBoostingClassifier, RandomForestRegressor, DecisionTreeClassifier):
        with pytest.raises(UsageError, match=other.__name__):
            forest_to_onnx(other().fit(rows, labels))
