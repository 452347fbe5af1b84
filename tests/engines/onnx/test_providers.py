from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.engines.onnx import openvino, providers
from mediasift.engines.onnx.choice import fastest, relative_difference
from mediasift.engines.onnx.providers import DEVICES, SPECS, Setting, engine_folder, precision_of, provider_is_here
from mediasift.engines.onnx.runtime import placed_nodes
from mediasift.engines.onnx.session import load_model
from mediasift.errors import InferenceFailed, ProviderUnavailable
from mediasift.run import doctor as doctoring
from tests.pictures import save, scene
from tests.tiny_models import COLOURS, mean_colour, write


def batch(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, 8, 8), dtype=np.float32)


def test_the_session_itself_tells_where_its_nodes_are(tmp_path: Path):
    model = load_model(write(tmp_path, mean_colour()))
    placed = placed_nodes(model._session)
    if placed is not None:  # ONNX Runtime before 1.24 does not tell
        assert placed == {"CPUExecutionProvider": 1}
        assert model.facts["share_of_nodes"] == 1.0


def test_openvinos_threads_and_precision_are_set_by_its_own_names():
    options = DEVICES["openvino"].options(Setting(threads=3, precision="bfloat16"))
    assert json.loads(options["load_config"]) == {
        "CPU": {"INFERENCE_NUM_THREADS": 3, "INFERENCE_PRECISION_HINT": "bf16"}
    }
    options = DEVICES["openvino"].options(Setting(threads=2))
    assert json.loads(options["load_config"]) == {"CPU": {"INFERENCE_NUM_THREADS": 2}}


@pytest.mark.parametrize(
    ("instructions", "expected"), [(("avx2", "avx512_vnni"), "float32"), (("avx512_bf16", "amx_bf16"), "bfloat16")]
)
def test_plain_openvino_is_told_its_precision_so_that_the_manifest_can_name_it(
    monkeypatch: pytest.MonkeyPatch, instructions: tuple[str, ...], expected: str
):
    monkeypatch.setattr(openvino, "instruction_sets", lambda: instructions)
    assert precision_of("openvino") == expected
    assert precision_of("openvino:float16") == "float16"
    assert precision_of("tensorrt:float16") == "float16"
    assert precision_of("cpu") is None  # the model's own


def test_engines_of_tensorrt_are_kept_by_model_precision_gpu_and_versions(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    versions = {"tensorrt": "10.9.0", "tensorrt-cu12": ""}
    first = engine_folder(Setting(threads=1, key="abc"), gpu="NVIDIA A10, 550.54", versions=versions)
    assert first.name == "abc_float32_NVIDIA-A10-550.54_tensorrt-10.9.0"
    others = [
        engine_folder(Setting(threads=1, key="abd"), gpu="NVIDIA A10, 550.54", versions=versions),
        engine_folder(Setting(threads=1, key="abc", precision="float16"), gpu="NVIDIA A10, 550.54", versions=versions),
        engine_folder(Setting(threads=1, key="abc"), gpu="NVIDIA A10, 560.1", versions=versions),
        engine_folder(Setting(threads=1, key="abc"), gpu="NVIDIA A10, 550.54", versions={"tensorrt": "10.10"}),
    ]
    assert len({first, *others}) == 5
    options = DEVICES["tensorrt"].options(Setting(threads=1, key="abc", precision="float16"))
    assert Path(options["trt_engine_cache_path"]).is_dir()
    assert options["trt_fp16_enable"] == "1"
    assert DEVICES["tensorrt"].options(Setting(threads=1)) == {}


@pytest.mark.parametrize("device", [name for name in DEVICES if name not in ("cpu", "openvino")])
def test_a_device_that_is_absent_ends_with_4_and_what_to_type(tmp_path: Path, device: str):
    if provider_is_here(device):
        pytest.skip(f"{device} is here")
    picture = save(tmp_path / "a.png", scene(8, 8))
    model = write(tmp_path, mean_colour())
    done = CliRunner().invoke(main, ["classify", str(picture), "-m", str(model), "--device", device, "--quiet"])
    assert done.exit_code == 4
    assert f"device {device} is not installed; here are: cpu" in done.stderr
    assert "type: pip " in done.stderr
    assert done.stdout == ""


def test_a_precision_the_device_does_not_have_ends_with_2(tmp_path: Path):
    assert "cpu:float16" not in SPECS
    done = CliRunner().invoke(main, ["classify", str(tmp_path), "--device", "cpu:float16"])
    assert done.exit_code == 2
    assert "'openvino:float32'" in done.stderr
    with pytest.raises(ProviderUnavailable, match="cpu:float16"):
        load_model(write(tmp_path, mean_colour()), device="cpu:float16")


def test_auto_says_what_it_took_and_the_manifest_too(tmp_path: Path):
    picture = save(tmp_path / "a.png", scene(8, 8))
    model = write(tmp_path, mean_colour())
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(main, ["classify", str(picture), "-m", str(model), "--device", "auto", "-o", str(out)])
    assert done.exit_code == 0
    message = done.stderr.splitlines()[0]
    assert message.startswith("auto: the model runs on ")
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert manifest["settings"]["device"] == "auto"
    assert manifest["model"]["device"] == message.split()[-1]
    assert manifest["model"]["device"] in DEVICES
    assert manifest["model"]["share_of_nodes"] in (1.0, None)  # None: ONNX Runtime before 1.24


def test_difference_of_two_outputs():
    difference = relative_difference(np.array([[0.0, 1.0], [3.0, 2.0]]), np.array([[0.0, 1.5], [2.0, 2.5]]))
    assert difference == 1 / 3
    assert relative_difference(np.zeros((2, 3)), np.full((2, 3), np.nan)) == np.inf
    assert relative_difference(np.zeros((2, 3)), np.zeros((2, 3))) == 0


class Counted:
    """A model of known cost: it spends so many milliseconds, and adds an error to its numbers."""

    def __init__(self, milliseconds: float, error: float = 0.0, *, fails: bool = False) -> None:
        self.milliseconds = milliseconds
        self.error = error
        self.fails = fails

    def run(self, pictures, *, pad_to=None):
        import time

        if self.fails:
            raise InferenceFailed("out of memory")
        time.sleep(self.milliseconds / 1000)
        return pictures.mean(axis=(2, 3)) + self.error


def test_auto_takes_the_fastest_that_computes_rightly():
    def choose(**models: Counted) -> str:
        def load(device: str) -> Counted:
            if device not in models:
                raise ProviderUnavailable("not here")
            return models[device]

        return fastest(load, COLOURS.input, ["tensorrt", "cuda", "openvino"])

    cpu = Counted(30)
    assert choose(cpu=cpu) == "cpu"
    assert choose(cpu=cpu, openvino=Counted(1)) == "openvino"
    assert choose(cpu=cpu, openvino=Counted(60)) == "cpu"
    assert choose(cpu=cpu, cuda=Counted(1, error=1.0), openvino=Counted(10)) == "openvino"
    assert choose(cpu=cpu, cuda=Counted(0, error=np.nan)) == "cpu"
    assert choose(cpu=cpu, cuda=Counted(0, fails=True)) == "cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_accelerators_give_the_cpus_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write(tmp_path, mean_colour())
    model = load_model(path, device=device)
    expected, answers = load_model(path).run(batch(8)), model.run(batch(8), pad_to=4)
    assert (answers.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(answers - expected).max() < 1e-3
    assert model.facts["share_of_nodes"] > 0
    if device == "tensorrt":
        assert list((tmp_path / "cache" / "mediasift" / "tensorrt").glob("*/*.engine"))


FAKE = """
import sys

class InferenceSession:
    def __init__(self, *args, **more):
        print("2026-11-27 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] /onnxruntime_src/x.cc:2043 "
              "Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library libonnx_cuda.so with error: "
              "libcublasLt.so.13: cannot open shared object file: No such file or directory", file=sys.stderr)
"""


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_fails_says_onnx_runtimes_own_reason_and_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A stand-in for the module prints what onnxruntime-gpu 1.31 prints on a machine without CUDA."""
    (tmp_path / "onnxruntime.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(providers, "provider_is_here", lambda device: device in ("cpu", "cuda"))
    providers._reason.cache_clear()
    with pytest.raises(ProviderUnavailable) as refused:
        load_model(write(tmp_path, mean_colour()), device="cuda")
    providers._reason.cache_clear()
    assert "libcublasLt.so.13: cannot open shared object file" in str(refused.value)
    assert "onnxruntime_src" not in str(refused.value)
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in str(refused.value)


def test_doctor_repeats_the_reason_and_fails(monkeypatch: pytest.MonkeyPatch):
    def check(device: str) -> float:
        if device == "cuda":
            raise ProviderUnavailable("device cuda: libcublasLt.so.13: cannot open")
        return 1.0

    monkeypatch.setattr(doctoring, "provider_is_here", lambda device: device in ("cpu", "cuda"))
    monkeypatch.setattr(doctoring, "check_device", check)
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert re.search(r"^broken +device cuda +.*libcublasLt", done.stdout, re.MULTILINE)
