"""Multiply-adds against the literature and against sums done by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediasift.engines.onnx.describe import describe_model
from mediasift.engines.onnx.operations import count_operations, multiply_adds
from mediasift.engines.onnx.registry import entries, entry_description
from mediasift.engines.onnx.session import load_model
from tests.tiny_models import mean_colour, write


def test_lenet_by_hand():
    """A layer a line: results x filter; training/lenet.py has the shapes."""
    layers = {"first": 28 * 28 * 12 * 25, "second": 10 * 10 * 24 * 12 * 25, "hidden": 600 * 84, "last": 84 * 10}
    found = count_operations(load_model("digits-lenet"))
    assert found.multiply_adds == sum(layers.values()) == 1_006_440
    assert found.by_type["Conv"] == layers["first"] + layers["second"]
    assert found.uncounted == ()


def test_a_perceptron_multiplies_each_weight_once():
    found = count_operations(load_model("fashion-mlp"))
    assert found.multiply_adds == 784 * 300 + 300 * 100 + 100 * 10
    assert found.weight_bytes >= 4 * found.multiply_adds


def test_mobilenet_v2_in_8_bits_has_the_300_million_of_its_paper(mobilenet: Path):
    """Sandler et al., MobileNetV2 (2018), table 4: 300 M multiply-adds, 3.4 M parameters."""
    found = count_operations(load_model(mobilenet))
    assert found.multiply_adds == pytest.approx(300e6, rel=0.01)
    assert found.weight_bytes == pytest.approx(3.5e6, rel=0.1)


def test_a_fixed_batch_counts_one_picture(test_data: Path, tmp_path: Path):
    """YOLOX-Nano: 1.08 G FLOPs at 416 pixels in its authors' table, which are 0.54 G multiply-adds."""
    path = tmp_path / "yolox_nano.onnx"
    path.write_bytes((test_data / "models" / "yolox_nano.onnx").read_bytes())
    describe_model(path, entry_description(entries()["yolox-nano"]))
    assert count_operations(load_model(path)).multiply_adds == pytest.approx(0.54e9, rel=0.05)


def test_a_forest_says_that_it_is_not_counted():
    found = count_operations(load_model("digits-forest"))
    assert found.multiply_adds == 0
    assert found.uncounted == ("TreeEnsemble",)


def test_no_products_are_no_operations(tmp_path: Path):
    found = count_operations(load_model(write(tmp_path, mean_colour())))
    assert (found.multiply_adds, dict(found.by_type), found.uncounted) == (0, {}, ())


@pytest.mark.parametrize(
    ("kind", "left", "right", "result", "expected"),
    [
        ("Conv", (1, 3, 224, 224), (64, 3, 7, 7), (1, 64, 112, 112), 118_013_952),  # ResNet's first layer
        ("Conv", (1, 32, 112, 112), (32, 1, 3, 3), (1, 32, 112, 112), 3_612_672),  # a depthwise one
        ("ConvTranspose", (1, 8, 4, 4), (8, 2, 2, 2), (1, 2, 8, 8), 8 * 16 * 8),
        ("Gemm", (2, 2048), (2048, 1000), (2, 1000), 2 * 2_048_000),
        ("Gemm", (2048, 2), (2048, 1000), (2, 1000), 2 * 2_048_000),  # transposed
        ("MatMul", (5, 12, 49, 64), (5, 12, 64, 49), (5, 12, 49, 49), 5 * 12 * 49 * 49 * 64),
    ],
)
def test_each_rule(kind: str, left: tuple, right: tuple, result: tuple, expected: int):
    assert multiply_adds(kind, left, right, result) == expected


def test_rules_agree_with_counting_every_product():
    """A convolution done the slow way, without padding: one for each number of each filter at each place."""
    height, width, channels, filters, side = 6, 5, 3, 4, 3
    products = 0
    for _ in range(filters):
        for top in range(height - side + 1):
            for left in range(width - side + 1):
                products += np.ones((height, width, channels))[top : top + side, left : left + side].size
    shapes = ((1, channels, height, width), (filters, channels, side, side), (1, filters, height - 2, width - 2))
    assert multiply_adds("Conv", *shapes) == products
