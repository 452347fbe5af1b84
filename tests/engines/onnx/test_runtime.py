from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.engines.onnx import runtime as module
from mediasift.engines.onnx import session
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.runtime import runtime, session_options, sums_overflow
from mediasift.engines.onnx.session import load_model
from tests.conftest import skip
from tests.tiny_models import COLOURS, mean_colour, write

WEIGHTS = np.random.default_rng(5).integers(-127, 128, (3, 192), dtype=np.int8)
SCALE = 192 * 127.0 / 3
"""The largest sum of a picture, in three steps of the output: none is clipped."""


def whole_numbers(folder: Path) -> Path:
    """A described classifier of 8 x 8 pictures whose one layer multiplies uint8 with int8 numbers."""
    from onnx import TensorProto, helper, numpy_helper

    stored = {
        "one": np.float32(1), "zero": np.uint8(0), "middle": np.int8(0), "scale": np.float32(SCALE),
        "high": np.uint8(128), "w": WEIGHTS.reshape(3, 3, 8, 8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "one", "middle"], ["v"]),
        helper.make_node("Conv", ["d", "v"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "scale", "high"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "scale", "high"], ["s"]),
        helper.make_node("Flatten", ["s"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "whole", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.asarray(one), name) for name, one in stored.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    description = replace(
        COLOURS, input=replace(COLOURS.input, scale=1.0), output=replace(COLOURS.output, values="logits")
    )
    helper.set_model_props(made, {"mediasift": description.to_json()})
    return write(folder, made.SerializeToString())


def expected(pixels: np.ndarray) -> np.ndarray:
    """The layer's numbers by numpy's 64-bit integers, pixels uint8 (N, 3, 8, 8)."""
    sums = pixels.reshape(len(pixels), -1).astype(np.int64) @ WEIGHTS.T.astype(np.int64)
    return np.clip(np.rint(sums / SCALE), -128, 127) * SCALE


def bright() -> np.ndarray:
    return np.random.default_rng(1).integers(200, 256, (4, 3, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize("overflow", [False, True])
def test_eight_bit_sums_are_those_of_whole_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overflow: bool):
    """With both kinds of weights, where this processor has a choice."""
    if sums_overflow() and not overflow:
        overflow = True  # the processor has none
    asked = []
    monkeypatch.setattr(module, "sums_overflow", lambda: asked.append(1) or overflow)
    monkeypatch.setattr(session, "sums_overflow", lambda: overflow)
    model = load_model(whole_numbers(tmp_path))
    assert asked
    assert ("unsigned" in model.facts["cost"]["int8_weights"]) == overflow
    np.testing.assert_allclose(model.run(bright().astype(np.float32)), expected(bright()), rtol=1e-6)


def test_a_model_without_whole_numbers_is_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def sums_overflow() -> bool:
        raise AssertionError

    monkeypatch.setattr(module, "sums_overflow", sums_overflow)
    path = write(tmp_path, mean_colour())
    assert not read_facts(path).is_quantized
    assert "int8_weights" not in load_model(path).facts.get("cost", {})
    assert read_facts(whole_numbers(tmp_path)).is_quantized


def test_the_manifest_names_the_weights_under_what_rows_cost(tmp_path: Path):
    model, out = whole_numbers(tmp_path), tmp_path / "out.csv"
    ms.classify(np.zeros((8, 8, 3), np.uint8), model=model).write(out)
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert manifest["resources"]["int8_weights"] in ("as stored", "unsigned, as sums would overflow")
    assert "cost" not in manifest["model"]  # else another processor could not go on with the table


def test_the_largest_sum_is_a_valid_graph():
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_from_string(module._largest_sum()), full_check=True)


ASKED = """
import sys
import numpy as np
from mediasift.engines.onnx.runtime import runtime, session_options, sums_overflow
model = runtime().InferenceSession(sys.argv[1], session_options(1))
print(sums_overflow(), *model.run(None, {"x": np.load(sys.argv[2])})[0].ravel().tolist())
"""


def test_a_processor_without_vnni_gives_the_same_numbers(tmp_path: Path):
    """QEMU computes as Intel's Haswell, which has AVX2 and no VNNI."""
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        skip("QEMU's user emulation is not installed (apt-get install qemu-user)")
    if platform.machine() != "x86_64":
        pytest.skip("the packages here are for another kind of processor")
    path, pixels = whole_numbers(tmp_path), tmp_path / "pixels.npy"
    np.save(pixels, bright().astype(np.float32))
    command = [emulator, "-cpu", "Haswell", os.path.realpath(sys.executable), "-c", ASKED, path, pixels]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    overflow, *numbers = done.stdout.split()
    assert overflow == "True"
    np.testing.assert_allclose(np.array(numbers, dtype=float), expected(bright()).ravel(), rtol=1e-6)


def test_threads_and_spinning_are_set():
    options = session_options(3, spin=True)
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"
    assert runtime() is sys.modules["onnxruntime"]
