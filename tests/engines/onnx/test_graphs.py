"""Graphs written byte by byte, read by the `onnx` package and run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mediasift.engines.onnx.graphs import DATA_TYPES, graph, model, node, opset, tensor, value_info
from mediasift.engines.onnx.providers import open_session

VALUES = st.sampled_from(sorted(DATA_TYPES)).flatmap(
    lambda name: arrays(np.dtype(name), array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


@settings(deadline=None)
@given(VALUES)
def test_a_tensor_is_what_the_onnx_package_reads(values: np.ndarray):
    onnx = pytest.importorskip("onnx")
    read = onnx.TensorProto.FromString(tensor("weights", values))
    assert read.name == "weights"
    array = onnx.numpy_helper.to_array(read)
    assert array.dtype == values.dtype
    np.testing.assert_array_equal(array, values)


def linear() -> bytes:
    """y = leaky(x · w + b), x (N, 2)."""
    weights = tensor("w", np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    bias = tensor("b", np.array([0, 0, -100], np.float32))
    nodes = [node("Gemm", ["x", "w", "b"], ["s"], alpha=1.0), node("LeakyRelu", ["s"], ["y"], alpha=0.5)]
    made = graph(nodes, [weights, bias], [value_info("x", ("N", 2))], [value_info("y", ("N", 3))])
    return model(made, opsets=[opset(13)], metadata={"key": "Wärme", "": ""})


def test_a_model_passes_the_onnx_packages_checker():
    onnx = pytest.importorskip("onnx")
    read = onnx.load_from_string(linear())
    onnx.checker.check_model(read, full_check=True)
    assert {entry.key: entry.value for entry in read.metadata_props} == {"key": "Wärme", "": ""}
    assert read.graph.node[1].attribute[0].f == 0.5
    assert read.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_a_model_runs(tmp_path: Path):
    (tmp_path / "linear.onnx").write_bytes(linear())
    session = open_session(str(tmp_path / "linear.onnx"), "cpu")
    (array,) = session.run(None, {"x": np.array([[1, 1], [2, 0]], np.float32)})
    np.testing.assert_array_equal(array, [[5, 7, -45.5], [2, 4, -47]])
