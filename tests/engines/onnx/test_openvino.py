from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.engines.onnx import openvino, providers
from mediasift.engines.onnx.choice import MAX_DIFFERENCE, relative_difference
from mediasift.engines.onnx.openvino import OpenVinoSession, usual_precision
from mediasift.engines.onnx.providers import DEVICES, check_device, provider_is_here
from mediasift.engines.onnx.session import load_model
from mediasift.errors import InferenceFailed, ModelError, ProviderUnavailable
from mediasift.system.optional import is_installed
from tests.conftest import skip
from tests.tiny_models import mean_colour, write

EXAMPLES = sorted(Path("examples/digits").glob("[0-9].*"))


def batch(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, 8, 8), dtype=np.float32)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's own runtime, whatever the processor: as if the plug-in found none."""
    if not is_installed("openvino"):
        skip("OpenVINO's own runtime is not installed (pip install 'mediasift[openvino-runtime]')")
    monkeypatch.setattr(providers, "_hardware", lambda _: [])


def test_the_device_runs_or_says_what_to_type(tmp_path: Path):
    path = write(tmp_path, mean_colour())
    if not provider_is_here("openvino"):
        with pytest.raises(ProviderUnavailable, match=r"mediasift\[openvino\]"):
            load_model(path, device="openvino")
        return
    try:
        model = load_model(path, device="openvino:float32", threads=1)
    except ProviderUnavailable as error:
        assert not is_installed("openvino"), error  # it runs everywhere
        assert "[openvino-runtime]'" in str(error)
        return
    assert np.abs(model.run(batch()) - load_model(path).run(batch())).max() < 1e-5
    assert model.facts["precision"] == "float32"
    assert model.facts["share_of_nodes"] == 1
    assert check_device("openvino") == 1


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", ["digits-lenet", "fashion-mlp", "fashion-lenet"])
def test_its_numbers_are_the_cpus_in_float32_and_its_labels_in_any_precision(name: str):
    expected = ms.load_model(name).predict(EXAMPLES, top=3)
    exact = ms.load_model(name, device="openvino:float32").predict(EXAMPLES, top=3)
    usual = ms.load_model(name, device="openvino").predict(EXAMPLES)
    for cpu, ours, other in zip(expected, exact, usual, strict=True):
        assert [row.label for row in ours] == [row.label for row in cpu]
        assert np.abs(np.array([row.score for row in ours]) - [row.score for row in cpu]).max() < 1e-4
        assert other[0].label == cpu[0].label
        assert abs(other[0].score - cpu[0].score) < 0.1


@pytest.mark.usefixtures("alone")
def test_two_precisions_differ_and_agree(tmp_path: Path):
    path = write(tmp_path, mean_colour())
    cpu, ours = load_model(path).run(batch()), load_model(path, device="openvino").run(batch())
    assert relative_difference(cpu, ours) <= MAX_DIFFERENCE


@pytest.mark.usefixtures("alone")
def test_the_manifest_names_runtime_version_precision_and_share(tmp_path: Path):
    import openvino as library

    out = tmp_path / "out.csv"
    ms.classify(EXAMPLES[:1], model="digits-lenet", device="openvino").write(out)
    model = json.loads((tmp_path / "out.csv.run.json").read_text())["model"]
    assert model["runtime"] == f"openvino {library.__version__}"
    assert (model["provider"], model["device"], model["share_of_nodes"]) == ("OpenVINO", "openvino", 1.0)
    assert model["precision"] == usual_precision()


@pytest.mark.usefixtures("alone")
def test_nothing_that_reports_to_its_makers_is_imported():
    for first in ("from mediasift.engines.onnx.openvino import _core; _core()", "import mediasift as ms; ms.doctor()"):
        code = f"import sys; {first}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert {"openvino", "onnxruntime_ep_openvino"} & set(done.stdout.split())  # the plug-in, where it has a device
        assert "openvino_telemetry" not in done.stdout


@pytest.mark.usefixtures("alone")
def test_threads_are_those_that_were_asked_for(tmp_path: Path):
    session = OpenVinoSession(str(write(tmp_path, mean_colour())), threads=1, precision="float32")
    assert session._compiled.get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.usefixtures("alone")
def test_any_number_of_threads_get_their_own_answers(tmp_path: Path):
    model = load_model(write(tmp_path, mean_colour()), device="openvino:float32")
    batches = [np.full((1 + number % 3, 3, 8, 8), number, np.float32) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(model.run, batches))
    assert all((answer == given[0, 0, 0, 0]).all() for answer, given in zip(answers, batches, strict=True))
    assert [len(answer) for answer in answers] == [len(given) for given in batches]


@pytest.mark.usefixtures("alone")
def test_what_it_cannot_do_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match=r"device openvino refuses the model: .*Use --device cpu"):
        load_model("digits-forest", device="openvino")
    model = load_model(write(tmp_path, mean_colour()), device="openvino")
    with pytest.raises(InferenceFailed, match="the model failed"):
        model.run(np.zeros((1, 3, 9, 9), np.float32))
    for precision in DEVICES["openvino"].precisions:
        try:
            loaded = load_model(model.path, device=f"openvino:{precision}")
        except ProviderUnavailable as error:
            assert f"does not compute in {precision}" in str(error)
        else:
            used = loaded._session._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
            assert used == openvino.HINTS[precision]
