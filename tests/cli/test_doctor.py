from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.run import doctor
from mediasift.system.optional import install_line


def test_doctor_is_content_here():
    done = CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
    assert done.exit_code == 0, done.stdout
    for expected in ("device cpu", "CPUExecutionProvider runs", "model digits-forest", "GB free", "OpenCV"):
        assert expected in done.stdout


def test_two_variants_of_one_package_are_broken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "1.0" if name.startswith("opencv-python") else "")
    report = doctor._variants("OpenCV", doctor._OPENCV, "opencv-python-headless")
    assert report.state == "broken"
    assert "pip uninstall -y opencv-python opencv-python-headless" in report.text
    assert doctor._variants("ONNX Runtime", doctor._ONNXRUNTIME, "onnxruntime").state == "broken"


def test_a_wrong_model_is_broken_and_the_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    (tmp_path / "squeezenet1.1-7.onnx").write_bytes(b"nonsense")
    done = CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "broken  model squeezenet1.1-7" in done.stdout


def test_every_extra_is_named():
    extras = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    of_devices_and_groups = {"all", "training", "dev", "docs", "openvino"}
    assert {extra for extra, _ in doctor._OPTIONAL.values()} == set(
        extras["optional-dependencies"]
    ) - of_devices_and_groups


def test_a_missing_extra_is_named_with_what_it_gives_and_the_line_to_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_OPTIONAL", {"no_such_package_here": ("ocr", "read text with Tesseract")})
    done = CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
    (line,) = [line for line in done.stdout.splitlines() if " extra ocr" in line]
    assert line.startswith("info ")
    assert line.endswith(f"to read text with Tesseract, type: {install_line('ocr')}")
