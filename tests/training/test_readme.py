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
import pytest

import mediasift as ms
from mediasift.engines.onnx.registry import Entry
from training.datasets import FILES, Dataset
from training.digits_forest import INPUT
from training.export import to_input

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
