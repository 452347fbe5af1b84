"""Which settings are tried, which is best, and what would help."""

from __future__ import annotations

from typing import Any

import pytest

from mediasift.bench.advice import RULES, advice
from mediasift.bench.roofline import measure_machine, share_of_possible
from mediasift.bench.stages import STAGES
from mediasift.bench.subject import Setup
from mediasift.bench.sweep import SWEPT, agreement, best, merged, parse_sweep, setups
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.operations import Operations
from mediasift.engines.onnx.providers import DEVICES
from mediasift.engines.onnx.registry import find_model
from mediasift.errors import UsageError

BASE = Setup(model="m", threads=2, jobs=2)


def test_values_are_read_or_the_usual_ones_taken():
    assert parse_sweep(["batch=1,8,8", "device=cpu"]) == {"batch": [1, 8], "device": ["cpu"]}
    assert parse_sweep(["batch", "jobs=0"]) == {"batch": SWEPT["batch"](), "jobs": [0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size=3", "one can sweep over batch"),
        ("batch=x", "no whole number"),
        ("batch=0", "from 1 on"),
        ("jobs=-1", "name values"),
        ("device=toaster", "toaster"),
    ],
)
def test_nonsense_is_refused(text: str, message: str):
    with pytest.raises(UsageError, match=message):
        parse_sweep([text])


def test_a_precision_is_part_of_the_device():
    assert parse_sweep(["device=cpu,openvino:float32"]) == {"device": ["cpu", "openvino:float32"]}
    with pytest.raises(UsageError, match="is none of"):
        parse_sweep(["device=cpu:float16"])


def test_every_combination_once():
    found = setups(BASE, {"batch": [1, 8], "threads": [1, 2]})
    assert [(one.batch_size, one.threads, one.jobs) for one in found] == [(1, 1, 2), (1, 2, 2), (8, 1, 2), (8, 2, 2)]
    assert setups(BASE, {}) == [BASE]


def test_agreement_is_the_share_of_pictures_with_the_same_labels():
    assert agreement([["a"], ["b", "c"], []], [["a"], ["c", "b"], []]) == pytest.approx(2 / 3)


def row(per_second: float, peak_bytes: int = 1, **more: Any) -> dict[str, Any]:
    return {"per_second": per_second, "peak_bytes": peak_bytes, "device": "cpu", **more}


def test_of_rows_that_are_as_fast_the_smallest_is_best():
    rows = [row(100, 50), row(101, 90), row(90, 10), row(500, 1, device="cuda")]
    assert best(rows, lambda one: one["device"] == "cpu") == rows[0]
    assert best(rows, lambda one: one["device"] == "coreml") is None


def measurement(seconds: list[float], items: int, **more: Any) -> dict[str, Any]:
    """Of `items` pictures in each round, with rounds of so many seconds."""
    rate = items * len(seconds) / sum(seconds)
    costs = {"cpu_s_per_item": 0.01, "cores_busy": 1.0, "peak_bytes": 5, "errors": 1, "agreement": 1.0}
    rounds = [[one / items] for one in seconds]
    return {"items": items * len(seconds), "per_second": rate, "rounds_s": rounds, **costs, **more}


def test_two_measurements_of_a_setting_become_one():
    first, second = measurement([1.0, 1.0], 10), measurement([3.0], 30, cpu_s_per_item=0.03, peak_bytes=9)
    both = merged(first, second)
    assert (both["items"], both["errors"], both["samples"], both["peak_bytes"]) == (50, 2, 3, 9)
    assert both["per_second"] == pytest.approx(50 / 5.0)
    assert both["cpu_s_per_item"] == pytest.approx((20 * 0.01 + 30 * 0.03) / 50)
    assert both["rounds_s"] == [[0.1], [0.1], [0.1]]
    assert both["median_s"] == pytest.approx(0.1)
    assert merged(first, {"device": "cuda", "error": "gone"}) == {"device": "cuda", "error": "gone"}


def test_every_stage_has_a_rule_for_what_helps():
    assert set(RULES) == set(STAGES)
    facts = read_facts(find_model("fashion-mlp"))
    known = {"model": "fashion-mlp", "device": "cpu", "threads": 4, "jobs": 1}
    for stage in RULES:
        assert advice(stage, known, facts, [], 100.0)
    assert "--jobs 4" in advice("decode", known, facts, [], 100.0)


def test_an_int8_form_that_is_known_is_named():
    facts = read_facts(find_model("digits-lenet"))
    setup = {"model": "resnet50-v1-12", "device": "openvino", "threads": 2, "jobs": 2}
    assert "resnet50-v1-12-int8" in advice("infer", setup, facts, [], 100.0)


def test_a_device_that_failed_in_the_sweep_is_not_recommended():
    facts = read_facts(find_model("digits-lenet"))
    setup = {"model": "digits-lenet", "device": "cpu", "threads": 2, "jobs": 2}
    failed = [{"device": name, "error": "no hardware"} for name in DEVICES]
    assert "--device" not in advice("infer", setup, facts, failed, 100.0)


def test_what_was_measured_comes_before_what_is_known_in_general():
    facts = read_facts(find_model("fashion-mlp"))
    known = {"model": "fashion-mlp", "device": "cpu", "threads": 2, "jobs": 2, "batch_size": 8}
    rows = [row(150.0, batch_size=32, threads=2, jobs=2), row(90.0, batch_size=1, threads=2, jobs=2)]
    assert advice("infer", known, facts, rows, 100.0) == "--batch-size 32: 1.50 times as fast in this sweep"
    assert "sweep" not in advice("write", known, facts, rows, 149.0)


def test_a_roofline_by_hand():
    """100 G multiply-adds per second and 10 GB/s; 4 G multiply-adds a picture: 25 a second, whatever memory does."""
    machine = {"float32_multiply_adds_per_second": 100e9, "int8_multiply_adds_per_second": 200e9,
               "memory_bytes_per_second": 10e9}  # fmt: skip
    large = Operations(multiply_adds=4_000_000_000, by_type={}, uncounted=(), weight_bytes=100_000_000)
    told: dict[str, Any] = {"per_second": 20.0, "batch_size": 8, "picture_bytes": 600_000, "cache_bytes": 32_000_000}
    found = share_of_possible(machine, large, quantised=False, **told)
    assert (found["possible_per_second"], found["percent_of_possible"]) == (25, 80)
    assert found["bound"] == "arithmetic"
    assert share_of_possible(machine, large, quantised=True, **told)["possible_per_second"] == 50
    thin = Operations(multiply_adds=25_000_000, by_type={}, uncounted=(), weight_bytes=100_000_000)
    alone = share_of_possible(machine, thin, quantised=False, **{**told, "batch_size": 1, "picture_bytes": 0})
    assert (alone["bound"], alone["possible_per_second"]) == ("memory", 100)
    cached = share_of_possible(machine, thin, quantised=False, **{**told, "batch_size": 1, "cache_bytes": 200_000_000})
    assert (cached["bound"], cached["possible_per_second"]) == ("arithmetic", 4000)


def test_a_model_that_is_not_counted_has_no_percentage():
    machine = {"float32_multiply_adds_per_second": 1.0, "memory_bytes_per_second": 1.0}
    forest = Operations(multiply_adds=0, by_type={}, uncounted=("TreeEnsemble",), weight_bytes=9)
    told: dict[str, Any] = {"per_second": 2.0, "batch_size": 8, "picture_bytes": 784, "cache_bytes": None}
    assert share_of_possible(machine, forest, quantised=False, **told)["percent_of_possible"] is None


def test_the_machine_is_measured_with_the_threads_asked_for():
    found = measure_machine(1, 0.2)
    assert found["threads"] == 1
    assert found["float32_by"] in ("numpy", "onnxruntime")
    for name in ("float32_multiply_adds_per_second", "int8_multiply_adds_per_second", "memory_bytes_per_second"):
        assert found[name] > 1e6
