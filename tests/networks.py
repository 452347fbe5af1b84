"""Networks of the forms that exporters write, and pictures of plain colours, for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from tests.pictures import save


def colours(folder: Path, count: int = 12) -> Path:
    """`count` noisy pictures each of red and blue, as folders."""
    rng = np.random.default_rng(1)
    for label, colour in (("blue", (40, 60, 200)), ("red", (200, 60, 40))):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            noise = rng.integers(-40, 40, (10, 10, 3))
            save(folder / label / f"{number}.png", np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
    return folder


def foreign(folder: Path, kind: str) -> Path:
    """A described network of one of the forms that exporters write, 8 x 8 pictures, 5 labels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((rng.standard_normal(shape) * 0.3).astype(np.float32), name)

    batch: int | str
    layout, batch, opset = "NCHW", "N", 13
    weights = [weight("w1", 6, 3, 3, 3), weight("w2", 6, 5), weight("b2", 5)]
    body = [helper.make_node("Conv", ["x", "w1"], ["c"], pads=[1] * 4), helper.make_node("Relu", ["c"], ["r"])]
    pooled = [helper.make_node("GlobalAveragePool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    if kind in ("gemm", "fixed-batch", "stubborn-batch", "opset-18"):
        tail = [helper.make_node("Gemm", ["f", "w2", "b2"], ["y"])]
        batch = 1 if "batch" in kind else "N"
        opset = 18 if kind == "opset-18" else 13
        if kind == "stubborn-batch":
            weights.append(numpy_helper.from_array(np.array([1, 6], np.int64), "one"))
            pooled[1] = helper.make_node("Reshape", ["p", "one"], ["f"])
        nodes = [*body, *pooled, *tail]
    elif kind == "matmul-add-softmax":
        nodes = [*body, *pooled, helper.make_node("MatMul", ["f", "w2"], ["m"]),
                 helper.make_node("Add", ["m", "b2"], ["a"]),
                 helper.make_node("Softmax", ["a"], ["y"], axis=1)]  # fmt: skip
    elif kind == "conv-then-pool":  # as SqueezeNet
        weights[1:] = [weight("w3", 5, 6, 1, 1)]
        nodes = [*body, helper.make_node("Conv", ["r", "w3"], ["c2"]), helper.make_node("Relu", ["c2"], ["r2"]),
                 helper.make_node("GlobalAveragePool", ["r2"], ["y"])]  # fmt: skip
    elif kind == "tokens":  # as a vision transformer that averages its tokens last
        weights.append(numpy_helper.from_array(np.array([0, 6, 64], np.int64), "shape"))
        nodes = [*body, helper.make_node("Reshape", ["r", "shape"], ["t0"]),
                 helper.make_node("Transpose", ["t0"], ["t"], perm=[0, 2, 1]),
                 helper.make_node("MatMul", ["t", "w2"], ["m"]),
                 helper.make_node("ReduceMean", ["m"], ["y"], axes=[1], keepdims=0)]  # fmt: skip
    else:  # channels last, as Keras writes
        assert kind == "nhwc"
        layout = "NHWC"
        nodes = [helper.make_node("Transpose", ["pixels"], ["x"], perm=[0, 3, 1, 2]), *body, *pooled,
                 helper.make_node("Gemm", ["f", "w2", "b2"], ["y"])]  # fmt: skip
    name, shape = ("pixels", [batch, 8, 8, 3]) if layout == "NHWC" else ("x", [batch, 3, 8, 8])
    graph = helper.make_graph(
        nodes, kind, [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path = folder / f"{kind}.onnx"
    onnx.save(model, path)
    values = "probabilities" if "softmax" in kind else "logits"
    description = ModelDescription(
        task="classify",
        labels=tuple("abcde"),
        input=InputDescription(width=8, height=8, fit="stretch", scale=1 / 255, layout=layout),
        output=OutputDescription(values=values),
    )
    describe_model(path, description)
    return path
