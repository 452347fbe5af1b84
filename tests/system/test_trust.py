"""Nothing in the current folder is executed, whatever verb runs there and however the program is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mediasift.system.trust import trusted_environment
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write
from tests.videos import make_video, numbered

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("mediasift")
NAMES = ("PIL", "numpy", "cv2", "onnxruntime", "av", "click", "tqdm", "pypdfium2", "json", "typing", "random", "socket",
         "tempfile", "zipfile", "csv", "queue", "uuid", "pyarrow", "pytesseract", "rapidocr", "pocketsphinx",
         "onnx_asr", "matplotlib", "jiwer", "pandas", "onnx", "google", "tests")  # fmt: skip
"""Modules that the folder holds. Those that Python itself imports before ours cannot be kept from `python -m`."""

VERBS = {
    "classify": ["classify", ".", "-m", "tiny.onnx", "--format", "csv"],
    "embed": ["embed", ".", "-m", "tiny.onnx", "--format", "jsonl"],
    "info": ["info", "."],
    "convert": ["convert", "a.png", "-d", "out"],
    "keyframes": ["keyframes", "film.mp4", "-d", "stills"],
    "shots": ["shots", "film.mp4"],
    "timeline": ["timeline", "film.mp4"],
    "ocr": ["ocr", "a.png"],
    "transcribe": ["transcribe", "film.mp4", "--engine", "sphinx"],
    "compare": ["compare", "a.png", "b.png"],
    "duplicates": ["duplicates", "."],
    "search": ["search", ".", "--query", "a.png"],
    "models": ["models", "list"],
    "doctor": ["doctor"],
    "bench": ["bench", "-m", "tiny.onnx", "a.png", "--seconds", "0.1"],
}
IN_CI = ("classify", "duplicates", "keyframes")
"""A sample; MEDIASIFT_EXAMPLES, as in the nightly run, takes all."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two pictures, a film, a model, and modules that tell on themselves."""
    folder = tmp_path / "photos"
    folder.mkdir()
    save(folder / "a.png", scene(40, 30))
    save(folder / "b.png", scene(40, 30, seed=2))
    make_video(folder / "film.mp4", numbered(10), range(0, 1000, 100))
    write(folder, mean_colour())
    return folder


def hostile(folder: Path) -> Path:
    """Put the modules, and programs, into the folder; the file that tells which were executed."""
    executed = folder.parent / "executed"
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(executed)!r}, 'a').write('{name} ')\nraise SystemExit(99)\n")
    program = folder / "tesseract"
    program.write_text(f"#!/bin/sh\necho tesseract >> {executed}\n")
    program.chmod(0o755)
    return executed


def run(folder: Path, start: list[str], words: list[str], **environment: str) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*start, *words], cwd=folder, env={**clean, **environment}, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("verb", VERBS if os.environ.get("MEDIASIFT_EXAMPLES") else IN_CI)
def test_no_module_and_no_program_that_lies_among_the_files(place: Path, verb: str):
    whole = run(place, [str(PROGRAM)], VERBS[verb])
    executed = hostile(place)
    for start in ([str(PROGRAM)], [sys.executable, "-m", "mediasift"]):
        again = run(place, start, VERBS[verb], PYTHONPATH=f".{os.pathsep}", PATH=f":.:{os.environ['PATH']}")
        assert not executed.exists(), executed.read_text()
        assert verb in ("bench", "doctor") or again == whole


def test_a_relative_entry_is_the_current_folder_and_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", str(tmp_path), "bin"]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path)]))
    environment = trusted_environment()
    assert (environment["PATH"], environment["PYTHONPATH"]) == (str(tmp_path), str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    assert trusted_environment()["PYTHONPATH"] == ""


def test_another_program_keeps_its_path(tmp_path: Path):
    """Who imports mediasift decides where modules come from; only the worker is ours."""
    (tmp_path / "mine.py").write_text("here = 1\n")
    code = "import mediasift, sys, mine; print(mine.here, '' in sys.path)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "inference")})  # fmt: skip
    assert done.stdout.split() == ["1", "True"]
