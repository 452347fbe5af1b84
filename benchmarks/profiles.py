"""What the time of a model goes into, and what this machine could do: for results that miss their goal.

The operations of a graph follow from its shapes; a multiplication with an addition counts as two (Williams, Waterman
and Patterson, "Roofline", 2009).
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort

from mediasift.engines.onnx.providers import session_options


def operator_times(path: Path, inputs: np.ndarray, *, runs: int = 5) -> dict[str, float]:
    """Kind of operator → milliseconds per run, the longest first, by ONNX Runtime's own profiler on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(None, {session.get_inputs()[0].name: inputs})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["args"]["op_name"]] += event["dur"]
    return {name: spent / runs / 1000 for name, spent in times.most_common()}


def operator_shares(path: Path, inputs: np.ndarray) -> str:
    """The operators that take the most time, in words."""
    times = operator_times(path, inputs)
    total = sum(times.values()) or 1.0
    shares = [f"{spent / total:.0%} {name}" for name, spent in times.items() if spent / total >= 0.02]
    return f"of the computing ({total:.3g} ms) {', '.join(shares[:3])}"


def operations(path: Path) -> float:
    """Floating-point operations of one picture: of convolutions and matrix products, which are nearly all.

    Args:
        path: A graph with a free batch axis.
    """
    import onnx
    from onnx import numpy_helper, shape_inference

    graph = shape_inference.infer_shapes(onnx.load(path)).graph
    shapes = {
        value.name: [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    weights = {one.name: numpy_helper.to_array(one).shape for one in graph.initializer}
    count = 0.0
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm") and node.input[1] in weights:
            kernel, result = weights[node.input[1]], shapes.get(node.output[0], [])
            per_number = np.prod(kernel[1:]) if node.op_type == "Conv" else kernel[0]
            count += 2.0 * float(per_number) * float(np.prod(result[1:]))
    return count


def matrix_product_rate(side: int = 1536, *, rounds: int = 7) -> float:
    """Floating-point operations per second of a float32 matrix product in ONNX Runtime, the best of some rounds."""
    import onnx
    from onnx import TensorProto, helper

    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", shapes[:2], shapes[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])
    matrix = np.random.default_rng(0).random((side, side), dtype=np.float32)
    best = np.inf
    for _ in range(rounds):
        started = time.perf_counter()
        session.run(None, {"a": matrix, "b": matrix})
        best = min(best, time.perf_counter() - started)
    return 2.0 * side**3 / best
