"""`training/README.md` tells the truth: its commands have these options, its script trains a model that can be used."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main as mediasift
from mediasift.engines.onnx.registry import Entry, entries, entry_description
from tests.pictures import save, scene
from tests.tiny_models import integer, model, node, stored, value_info
from training.datasets import FILES, Dataset
from training.digits_forest import INPUT
from training.export import to_input
from training.resnet50 import main as resnet50

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "training" / "README.md").read_text(encoding="utf-8")


def test_every_script_and_data_file_is_named():
    scripts = [path.name for path in (ROOT / "training").glob("*.py") if path.name != "__init__.py"]
    for name in (*scripts, *FILES.values()):
        assert f"`{name}`" in README, name


@pytest.mark.parametrize("line", re.findall(r"^python -m (training\..+)$", README, re.MULTILINE))
def test_commands_that_are_shown_exist(line: str):
    module, *words = shlex.split(line)
    command = importlib.import_module(module).main
    if not isinstance(command, click.Command):  # a build calls it, which has no click
        words = [word for word in words if word not in importlib.import_module(module).parser()._option_string_actions]
        assert not [word for word in words if word.startswith("-")]
        return
    if isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.usefixtures("scikit_learn")
def test_the_script_that_is_shown_trains_a_model(test_data: Path, fashion_mnist: Dataset, tmp_path: Path):
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "fashion_trees.py").write_text(script, encoding="utf-8")
    output = tmp_path / "fashion-trees.onnx"
    done = subprocess.run(
        [sys.executable, "fashion_trees.py", "--data", str(test_data / "fashion-mnist"), "-o", str(output)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "inference"), str(ROOT)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Agreement(rows=10000, max_difference=")
    model = ms.load_model(output)
    scores = model.run(to_input(fashion_mnist.test_images, INPUT))
    accuracy = (scores.argmax(axis=1) == fashion_mnist.test_labels).mean()
    assert accuracy == pytest.approx(model.description.metrics["test_accuracy"], abs=1e-9)
    assert accuracy >= 0.8


def test_the_entry_that_is_shown_has_the_registrys_fields():
    (entry,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (listed,) = tomllib.loads(entry)["model"]
    assert Entry(**listed).name == "fashion-trees"


FORMS = {
    "bvlcalexnet-12": ("data_0", 1, "softmaxout_1"),
    "googlenet-12": ("data_0", 1, "prob_0"),
    "resnet18-v1-7": ("data", "N", "resnetv15_dense0_fwd"),
    "resnet34-v1-7": ("data", "N", "resnetv16_dense0_fwd"),
    "senet154": ("input0", "batch", "output0"),
}
"""Input, its first side and output of each file that is to be described, as its page or its exporter has them."""
LINES = re.findall(r"`mediasift (models describe (\S+)\.onnx [^`]+)`", README)
WEIGHTS = np.random.default_rng(0).normal(0, 1, (588, 1000)).astype(np.float32)


def stand_in(name: str, spread: float) -> bytes:
    """Every 16th pixel of each channel, a layer of random weights and, for Caffe's networks, a softmax."""
    given, batch, output = FORMS[name]
    numbers = {"starts": [0, 0], "ends": [224, 224], "axes": [2, 3], "steps": [16, 16]}
    weights = [stored(key, np.array(value, np.int64)) for key, value in numbers.items()]
    softmax = isinstance(batch, int)
    nodes = [
        node("Slice", (given, *numbers), ("places",)),
        node("Flatten", ("places",), ("flat",)),
        node("MatMul", ("flat", "weights"), ("logits" if softmax else output,)),
        *([node("Softmax", ("logits",), (output,), attributes=integer("axis", 1))] if softmax else []),
    ]
    inputs, outputs = [value_info(given, (batch, 3, 224, 224))], [value_info(output, (batch, 1000))]
    return model(nodes, inputs, outputs, initializers=(*weights, stored("weights", WEIGHTS * np.float32(spread))))


def pixels_of(name: str, file: Path) -> np.ndarray:
    """(1, 3, 224, 224) as the network's makers compute it, with Pillow and numpy alone.

    AlexNet, GoogLeNet: the zoo's page of GoogLeNet. ResNet: the zoo's page. SENet: timm's evaluation transform.
    """
    picture = Image.open(file).convert("RGB")
    if "net-12" in name:
        bgr = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC), np.float64)[:, :, ::-1]
        return (bgr - [103.939, 116.779, 123.68]).transpose(2, 0, 1)[None]
    assert picture.size == (640, 512)  # half as large, the shorter side is 256
    filters = Image.Resampling.BICUBIC if name == "senet154" else Image.Resampling.BILINEAR
    small = picture.resize((320, 256), filters).crop((48, 16, 272, 240))
    ready = (np.asarray(small, np.float64) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return ready.transpose(2, 0, 1)[None]


def test_each_network_of_the_table_has_its_route():
    assert [name for _, name in LINES] == list(FORMS)
    for name in re.findall(r"models pull ([\w.-]+)`|or `(resnet50-v2-7)`", README):
        assert "".join(name) in entries()
    page = " ".join(CliRunner().invoke(resnet50, ["--help"]).stdout.split())
    assert "AlexNet, GoogLeNet, ResNet18, ResNet34 and SENet" in page
    assert 'training/README.md, "Which network is where"' in page
    assert "## Which network is where\n" in README


@pytest.mark.parametrize(("line", "name"), LINES)
def test_the_lines_that_describe_networks_give_the_makers_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, name: str
):
    spread = 0.001 if "net-12" in name else 0.1
    (tmp_path / f"{name}.onnx").write_bytes(stand_in(name, spread))
    words = [str(ROOT / word) if word.startswith("exported_models/") else word for word in shlex.split(line)]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(mediasift, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    noise = np.random.default_rng(1).integers(-40, 40, (512, 640, 3))
    picture = save(tmp_path / "picture.png", np.clip(scene(640, 512) + noise, 0, 255).astype(np.uint8))
    logits = pixels_of(name, picture)[:, :, ::16, ::16].reshape(1, -1) @ (WEIGHTS * spread).astype(np.float64)
    expected = np.exp(logits[0] - logits.max())
    expected /= expected.sum()
    rows = ms.load_model(f"{name}.onnx").predict(picture, top=1000)
    scores = {row.label_id: row.score for row in rows}
    names = entry_description(entries()["resnet50-v1-12"])
    np.testing.assert_allclose([scores[label_id] for label_id in names.label_ids], expected, atol=1e-6)  # six decimals
    assert expected.max() > 0.01  # the network distinguishes
