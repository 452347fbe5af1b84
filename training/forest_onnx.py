"""A scikit-learn random forest as a small ONNX graph.

skl2onnx writes one entry per leaf and class, each with its tree, node and class number: 93 MB for 100 trees on
MNIST. The operator `TreeEnsemble` (ai.onnx.ml 5) needs a few numbers per inner node, and many nodes may point to
the same leaf. A leaf there adds one weight to one target, which leaves three ways to say what a forest means:

| forest                                  | target of a leaf | its weight                     | over the trees |
|-----------------------------------------|------------------|--------------------------------|----------------|
| `binary`: P(second class) is enough     | 0                | P(second class)                | average        |
| pure leaves: one class each             | the class        | 1                              | average        |
| mixed leaves: several classes in a leaf | the tree         | row in a table of class shares | see below      |

For mixed leaves the node answers "tree t ended in row r" for every tree, and `Gather` and `ReduceMean` look the
rows up and average them, so the thresholds are stored once and not once per class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mediasift.errors import UsageError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

OPSETS = (helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5))
IR_VERSION = 10
"""The oldest that knows ai.onnx.ml 5, so that older ONNX Runtimes read the file too."""

AVERAGE, SUM = 0, 1
BRANCH_LEQ, BRANCH_GT = 0, 3
LARGEST_EXACT = 2**24
"""Whole numbers up to here are exact in float32, the type of a leaf's weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """All nodes of all trees in one row of M; the trees follow one another.

    Attributes:
        left, right: int64 (M,), position of the children; -1 at a leaf.
        feature: int64 (M,), column that is compared.
        threshold: float32 (M,), left when value <= threshold.
        tree: int64 (M,), number of the tree.
        shares: float32 (M, K), share 0..1 of every class.
        samples: float64 (M,), how much of the training data came by.
        counts: int64 (M,), how many rows of it.
        missing_left: bool (M,), whether a missing value (NaN) goes left.
        roots: int64 (trees,), position of each tree's first node.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    tree: np.ndarray
    shares: np.ndarray
    samples: np.ndarray
    counts: np.ndarray
    missing_left: np.ndarray
    roots: np.ndarray


def forest_to_onnx(
    forest: RandomForestClassifier,
    *,
    binary: bool = False,
    input_name: str = "features",
    output_name: str = "probabilities",
) -> onnx.ModelProto:
    """The forest as a graph: float32 (N, features) → float32 (N, classes), probabilities 0..1.

    Args:
        forest: Fitted, with one output. Columns of the result are in the order of `forest.classes_`.
        binary: Only the probability of the second of two classes: float32 (N, 1).
        input_name: What the graph calls its input.
        output_name: What the graph calls its output.

    Raises:
        UsageError: Another kind of model, several outputs, `binary` with other than two classes, or more leaves than
            float32 can count.
    """
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    if not isinstance(forest, (RandomForestClassifier, ExtraTreesClassifier)):
        raise UsageError(
            f"{type(forest).__name__} is not converted here: its trees mean something else than those of a "
            "RandomForestClassifier or ExtraTreesClassifier; skl2onnx converts it, with zipmap=False"
        )
    if forest.n_outputs_ != 1:
        raise UsageError(f"the forest predicts {forest.n_outputs_} things at once; train one forest for each")
    if binary and forest.n_classes_ != 2:
        raise UsageError(f"binary needs two classes, the forest has {forest.n_classes_}")
    nodes = _flatten(forest)
    initializers: list[TensorProto] = []
    if binary:
        target = np.zeros(len(nodes.tree), np.int64)
        graph_nodes = [_tree_ensemble(nodes, target, nodes.shares[:, 1], 1, AVERAGE, input_name, output_name)]
    elif _pure(nodes):
        target = nodes.shares.argmax(axis=1)
        weight = np.ones(len(target), np.float32)
        graph_nodes = [_tree_ensemble(nodes, target, weight, forest.n_classes_, AVERAGE, input_name, output_name)]
    else:
        graph_nodes, initializers = _mixed(nodes, input_name, output_name)
    return _model(graph_nodes, initializers, forest, 1 if binary else forest.n_classes_, input_name, output_name)


def _flatten(forest: RandomForestClassifier) -> _Nodes:
    """The trees' arrays, one after another, with positions moved accordingly."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _Nodes.__slots__}
    offset = 0
    for number, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        left, right, feature = tree.children_left, tree.children_right, tree.feature
        threshold, shares, samples = tree.threshold, tree.value[:, 0, :], tree.weighted_n_node_samples
        missing_left, counts = np.asarray(tree.missing_go_to_left, dtype=bool), tree.n_node_samples
        if tree.node_count == 1:
            # The operator has no tree without a node: both branches of one node lead to the only leaf.
            left = right = np.array([1, -1])
            feature, threshold = np.array([0, 0]), np.zeros(2)
            shares, samples, counts = np.repeat(shares, 2, axis=0), np.repeat(samples, 2), np.repeat(counts, 2)
            missing_left = np.zeros(2, bool)
        parts["left"].append(np.where(left < 0, -1, left + offset))
        parts["right"].append(np.where(right < 0, -1, right + offset))
        parts["feature"].append(feature)
        parts["threshold"].append(_float32_below(threshold))
        parts["tree"].append(np.full(len(left), number))
        parts["shares"].append(shares.astype(np.float32))
        parts["samples"].append(samples)
        parts["counts"].append(counts)
        parts["missing_left"].append(missing_left)
        parts["roots"].append(np.array([offset]))
        offset += len(left)
    return _Nodes(**{name: np.concatenate(arrays) for name, arrays in parts.items()})


def _float32_below(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 <= threshold, float64: every float32 value then takes the same branch as before."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _pure(nodes: _Nodes) -> bool:
    return bool((nodes.shares[nodes.left < 0].max(axis=1) == 1).all())


def _mixed(nodes: _Nodes, input_name: str, output_name: str) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """Nodes and tensors that find each tree's row in a table of class shares and average the rows."""
    leaf = nodes.left < 0
    table, row_of_leaf = np.unique(nodes.shares[leaf], axis=0, return_inverse=True)
    if len(table) > LARGEST_EXACT:
        raise UsageError(f"{len(table)} different leaves, at most {LARGEST_EXACT}: grow smaller trees")
    row = np.zeros(len(leaf), np.float32)
    row[leaf] = row_of_leaf.reshape(-1)
    return [
        _tree_ensemble(nodes, nodes.tree, row, len(nodes.roots), SUM, input_name, "row_of_tree"),
        helper.make_node("Cast", ["row_of_tree"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["class_shares", "row"], ["shares_of_tree"], axis=0),
        helper.make_node("ReduceMean", ["shares_of_tree", "axis_of_trees"], [output_name], keepdims=0),
    ], [
        numpy_helper.from_array(table, "class_shares"),
        numpy_helper.from_array(np.array([1], np.int64), "axis_of_trees"),
    ]


def _tree_ensemble(
    nodes: _Nodes, target: np.ndarray, weight: np.ndarray, targets: int, aggregate: int, source: str, result: str
) -> onnx.NodeProto:
    """One `TreeEnsemble` in which node m, if it is a leaf, adds `weight[m]` to `target[m]`."""
    leaf = nodes.left < 0
    inner = ~leaf
    # Equal leaves are stored once; a leaf's weight travels with its target, float64 holds both exactly.
    leaves, leaf_number = np.unique(np.stack([target[leaf], weight[leaf]], axis=1), axis=0, return_inverse=True)
    position = np.cumsum(inner) - 1
    position[leaf] = leaf_number.reshape(-1)
    yes, no, question = _busy_branch_last(nodes)
    threshold = nodes.threshold[inner]
    missing = nodes.missing_left[inner] == (question == BRANCH_LEQ)
    tracks = {"nodes_missing_value_tracks_true": missing.astype(int).tolist()} if _knows_missing(nodes) else {}
    return helper.make_node(
        "TreeEnsemble",
        [source],
        [result],
        domain="ai.onnx.ml",
        aggregate_function=aggregate,
        n_targets=targets,
        tree_roots=position[nodes.roots].tolist(),
        nodes_modes=numpy_helper.from_array(np.full(len(threshold), question, np.uint8), "modes"),
        nodes_featureids=nodes.feature[inner].tolist(),
        nodes_splits=numpy_helper.from_array(threshold, "splits"),
        nodes_truenodeids=position[yes].tolist(),
        nodes_trueleafs=leaf[yes].astype(int).tolist(),
        nodes_falsenodeids=position[no].tolist(),
        nodes_falseleafs=leaf[no].astype(int).tolist(),
        leaf_targetids=leaves[:, 0].astype(int).tolist(),
        leaf_weights=numpy_helper.from_array(leaves[:, 1].astype(np.float32), "weights"),
        **tracks,
    )


def _knows_missing(nodes: _Nodes) -> bool:
    """Whether the forest saw missing values in its training: else scikit-learn sends all to where more samples went."""
    inner = nodes.left >= 0
    left, right = nodes.left[inner], nodes.right[inner]
    usual = nodes.counts[left] > nodes.counts[right]
    return bool((nodes.missing_left[inner] != usual).any() or np.isinf(nodes.threshold[inner]).any())


def _busy_branch_last(nodes: _Nodes) -> tuple[np.ndarray, np.ndarray, int]:
    """Where the inner nodes lead if true and if false, and the question: `<=`, or `>` where more data go left.

    ONNX Runtime puts a node's false branch right behind it in memory and follows a pointer to the true one; on pictures
    that are mostly dark, `>` is a quarter faster. All nodes ask the same, because a mix takes a slower way.
    """
    inner = nodes.left >= 0
    left, right = nodes.left[inner], nodes.right[inner]
    if nodes.samples[left].sum() > nodes.samples[right].sum():
        return right, left, BRANCH_GT
    return left, right, BRANCH_LEQ


def _model(
    nodes: list[onnx.NodeProto],
    initializers: list[TensorProto],
    forest: RandomForestClassifier,
    columns: int,
    input_name: str,
    output_name: str,
) -> onnx.ModelProto:
    """A checked model around the nodes."""
    graph = helper.make_graph(
        nodes,
        "random_forest",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", int(forest.n_features_in_)])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["N", columns])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="mediasift.training")
    onnx.checker.check_model(model)
    return model
