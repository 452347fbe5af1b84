"""Which settings are tried, which is best, and what would help."""

from __future__ import annotations

from typing import Any

import pytest

from mediasift.bench.subject import Setup
from mediasift.bench.sweep import SWEPT, advice, best, parse_sweep, setups
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.registry import find_model
from mediasift.errors import UsageError

BASE = Setup(model="m", threads=2, jobs=2)


def test_values_are_read_or_the_usual_ones_taken():
    assert parse_sweep(["batch=1,8,8", "jobs=0"]) == {"batch": [1, 8], "jobs": [0]}
    assert parse_sweep(["batch"]) == {"batch": SWEPT["batch"]()}


@pytest.mark.parametrize(
    ("text", "message"),
    [("size=3", "to sweep over are batch"), ("batch=x", "whole numbers"), ("batch=0", "at least 1"),
     ("jobs=-1", "at least 0")],
)  # fmt: skip
def test_nonsense_is_refused(text: str, message: str):
    with pytest.raises(UsageError, match=message):
        parse_sweep([text])


def test_every_combination_once():
    combinations = setups(BASE, {"batch": [1, 8], "threads": [1, 2]})
    assert [(one.batch_size, one.threads, one.jobs) for one in combinations] == [
        (1, 1, 2), (1, 2, 2), (8, 1, 2), (8, 2, 2)
    ]  # fmt: skip
    assert setups(BASE, {}) == [BASE]


def row(per_second: float, peak_bytes: int = 1, **more: Any) -> dict[str, Any]:
    return {"per_second": per_second, "peak_bytes": peak_bytes, "errors": 0, "device": "cpu", **more}


def test_of_rows_that_are_as_fast_the_smallest_is_best_and_errors_are_not_speed():
    rows = [row(100, 50), row(101, 90), row(90, 10), row(500, 1, errors=3)]
    assert best(rows) == rows[0]


def helps(stage: str, setup: Setup, model: str, rows: list[dict[str, Any]], *, busy: float = 1.0) -> str:
    alone = {stage: {"per_second": 10.0, "cpu_s_per_item": busy * setup.jobs / 10}}
    return advice({"bottleneck": stage, "alone": alone}, setup, read_facts(find_model(model)), rows, 100.0)


def test_advice_follows_from_the_stage_and_from_what_limits_it():
    few = Setup(model="fashion-mlp", threads=4, jobs=1)
    many = Setup(model="fashion-mlp", threads=2, jobs=2)
    assert "--jobs 4" in helps("read", few, "fashion-mlp", [])
    assert "convert" in helps("read", many, "fashion-mlp", [])
    assert "a disk of this machine" in helps("read", many, "fashion-mlp", [], busy=0.05)
    assert "uint8" in helps("prepare", many, "fashion-mlp", [])
    known = Setup(model="resnet50-v1-12", device="openvino", threads=2, jobs=2)
    assert "resnet50-v1-12-int8" in helps("infer", known, "digits-lenet", [])


def test_what_was_measured_comes_before_what_is_known_in_general():
    setup = Setup(model="fashion-mlp", threads=2, jobs=2, batch_size=8)
    rows = [row(150.0, batch_size=32, threads=2, jobs=2), row(90.0, batch_size=1, threads=2, jobs=2)]
    assert helps("infer", setup, "fashion-mlp", rows) == "--batch-size 32: 1.50 times as fast in this sweep"
    assert "sweep" not in helps("infer", setup, "fashion-mlp", [{**rows[0], "per_second": 101.0}])
