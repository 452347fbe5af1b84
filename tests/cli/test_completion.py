"""Completion in a real bash, by the script that click makes for it; and in zsh and fish by their protocols."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mediasift.cli import COMMANDS
from mediasift.engines.onnx.registry import entries
from tests.conftest import skip

ROOT = Path(__file__).resolve().parents[2]

_ASK = r"""
eval "$(_MEDIASIFT_COMPLETE=bash_source mediasift)"
while IFS= read -r line; do
    COMP_LINE=$line; COMP_POINT=${#line}; read -ra COMP_WORDS <<< "$line"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    compopt() { COMPREPLY+=("<$2>"); }
    _mediasift_completion mediasift
    (IFS=" "; printf '%s\n' "${COMPREPLY[*]}")
done
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with tables, and a `mediasift` on the PATH."""
    program = tmp_path / "bin" / "mediasift"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mediasift "$@"\n')
    program.chmod(0o755)
    (tmp_path / "list.csv").write_text("path,post,place\na.png,1,x\n")
    (tmp_path / "labels.csv").write_text("path,label,account\na.png,cat,x\n")
    return tmp_path


def environment(place: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "inference"),
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        **more,
    }


def test_bash_completes_commands_options_models_columns_and_files(place: Path):
    if not (bash := shutil.which("bash")):
        skip("bash is not installed")
    expected = {
        "mediasift dup": "duplicates",
        "mediasift classify --to": "--top",
        "mediasift classify photos -m digits-": "digits-forest digits-lenet",
        "mediasift compare a b --method di": "disc digits-forest digits-lenet",
        "mediasift models pull fashion-m": "fashion-mlp",
        "mediasift classify list.csv --column p": "path post place",
        "mediasift classify list.csv --keep post,p": "post,path post,place",
        "mediasift sample labels.csv --by ": "path label account",
        "mediasift evaluate labels.csv list.csv --by acc": "account",
        "mediasift timeline film.mp4 --with shots,k": "shots,keyframes",
        "mediasift info pho": "<default>",
        "mediasift keyframes film.mp4 --image-format p": "png",
        "mediasift detect a.png --draw d": "<dirnames>",
        "mediasift classify -m ./my": "<default>",
    }
    done = subprocess.run([bash, "--norc", "-c", _ASK], input="\n".join(expected) + "\n", cwd=place, check=True,
                          env=environment(place), capture_output=True, text=True)  # fmt: skip
    assert dict(zip(expected, done.stdout.splitlines(), strict=True)) == expected, done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_served_by_the_same_protocol(place: Path, shell: str):
    script = subprocess.run(["mediasift"], env=environment(place, _MEDIASIFT_COMPLETE=f"{shell}_source"), check=True,
                            capture_output=True, text=True).stdout  # fmt: skip
    assert f"_MEDIASIFT_COMPLETE={shell}_complete" in script
    words = {"zsh": "mediasift classify -m ", "fish": "mediasift classify -m"}[shell]
    asked = {
        "_MEDIASIFT_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": "3" if shell == "zsh" else "",
    }
    models = subprocess.run(["mediasift"], env=environment(place, **asked), check=True, capture_output=True, text=True)
    for name in entries():
        assert name in models.stdout
    begun = {"COMP_WORDS": "mediasift ", "COMP_CWORD": "1" if shell == "zsh" else ""}
    commands = subprocess.run(["mediasift"], env=environment(place, **{**asked, **begun}), check=True,
                              capture_output=True, text=True).stdout  # fmt: skip
    for name, text in COMMANDS.items():
        assert name in commands
        assert text[:20] in commands
