from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.engines.onnx import session as module
from mediasift.engines.onnx.description import OutputDescription
from mediasift.engines.onnx.providers import DEVICES, check_device, open_session, provider_is_here
from mediasift.engines.onnx.session import load_model
from mediasift.errors import (
    DescriptionError,
    InferenceFailed,
    ModelError,
    ModelNotFound,
    ProviderUnavailable,
    UsageError,
)
from mediasift.system.machine import available_cores
from tests.tiny_models import COLOURS, mean_colour, model, node, value_info, write


def test_run(tmp_path: Path):
    loaded = load_model(write(tmp_path, mean_colour()))
    batch = np.zeros((3, 3, 8, 8), np.float32)
    batch[1, 2] = 0.5
    assert loaded.run(batch).tolist() == [[0, 0, 0], [0, 0, 0.5], [0, 0, 0]]
    assert (loaded.device, loaded.provider) == ("cpu", "CPUExecutionProvider")
    assert loaded.facts["model_sha256"] == loaded.sha256


@pytest.mark.parametrize("batch", ["N", 1, 4])
@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_any_number_of_pictures_through_any_batch(tmp_path: Path, batch, count: int):
    loaded = load_model(write(tmp_path, mean_colour(batch=batch)))
    pictures = np.random.default_rng(0).random((count, 3, 8, 8), dtype=np.float32)
    assert np.abs(loaded.run(pictures, pad_to=4) - pictures.mean(axis=(2, 3))).max() < 1e-6


def test_a_model_without_a_description_is_refused_with_the_line_to_type(tmp_path: Path):
    with pytest.raises(DescriptionError, match="mediasift models describe"):
        load_model(write(tmp_path, mean_colour(None)))


def test_descriptions_that_do_not_fit_the_graph(tmp_path: Path):
    def load(**change):
        description = replace(COLOURS, **change)
        return load_model(write(tmp_path, mean_colour(description)))

    with pytest.raises(DescriptionError, match=r"input\.dtype"):
        load(input=replace(COLOURS.input, dtype="uint8"))
    with pytest.raises(DescriptionError, match=r"input\.width"):
        load(input=replace(COLOURS.input, width=9))
    with pytest.raises(DescriptionError, match=r"input\.width, height, layout"):
        load(input=replace(COLOURS.input, layout="NHWC"))
    with pytest.raises(DescriptionError, match=r"input\.name: no 'z'"):
        load(input=replace(COLOURS.input, name="z"))
    with pytest.raises(DescriptionError, match=r"output\.name"):
        load(output=OutputDescription(values="logits", name="z"))


def test_names_and_paths_that_are_nothing(tmp_path: Path):
    with pytest.raises(ModelNotFound, match=r"no model 'nonsense'; there are .*digits-forest"):
        load_model("nonsense")
    with pytest.raises(ModelNotFound, match="no such file"):
        load_model(tmp_path / "nothing.onnx")


def test_hostile_graphs_are_model_errors(tmp_path: Path):
    metadata = {"mediasift": COLOURS.to_json()}
    shape = [value_info("x", ("N", 3, 8, 8))]
    out = [value_info("y", ("N", 3))]
    cyclic = [node("Abs", ("b",), ("a",)), node("Add", ("a", "x"), ("b",)), node("Abs", ("b",), ("y",))]
    custom = [node("Steal", ("x",), ("y",), domain="evil.ops")]
    wrong = [node("MatMul", ("x",), ("y",))]
    for nodes in (cyclic, custom, wrong):
        with pytest.raises(ModelError, match="ONNX Runtime refuses"):
            load_model(write(tmp_path, model(nodes, shape, out, metadata=metadata)))


def test_a_batch_the_graph_refuses_is_an_item_error(tmp_path: Path):
    loaded = load_model(write(tmp_path, mean_colour()))
    with pytest.raises(InferenceFailed, match="the model failed"):
        loaded.run(np.zeros((1, 3, 9, 9), np.float32))


def test_the_device_asked_for_is_the_device_used_or_an_error(tmp_path: Path):
    path = write(tmp_path, mean_colour())
    for device in DEVICES:
        if provider_is_here(device):
            continue
        with pytest.raises(ProviderUnavailable, match=f"device {device} is not installed; here are: cpu") as caught:
            load_model(path, device=device)
        assert "type: pip" in str(caught.value)
    with pytest.raises(ProviderUnavailable, match="unknown"):
        load_model(path, device="abacus")
    assert load_model(path, device="auto").device in DEVICES


def test_the_cpu_runs_a_graph_of_one_node():
    check_device("cpu")


def test_threads_stay_within_what_the_process_may_use():
    import os

    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_sessions_come_from_bytes_too():
    session = open_session(mean_colour(), "cpu", 1)
    assert session.get_inputs()[0].name == "x"


def test_a_device_beside_a_loaded_model_is_its_own_or_refused(tmp_path: Path):
    model = load_model(write(tmp_path, mean_colour()))
    picture = np.full((8, 8, 3), (250, 3, 3), np.uint8)
    for verb in (ms.classify, ms.embed):
        options = {} if verb is ms.classify else {"layer": "y"}
        assert [row.error for row in verb(picture, model=model, device="cpu", **options)] == [""]
        with pytest.raises(UsageError, match="loaded on cpu already"):
            list(verb(picture, model=model, device="openvino", **options))
    model.device = "openvino"  # as if it were loaded there
    with pytest.raises(UsageError, match="loaded on openvino already"):
        list(ms.classify(picture, model=model, device="cpu"))


def test_a_light_model_of_small_pictures_takes_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Unless threads are asked for, its pictures are large, or it takes longer than reading a picture does."""
    light = write(tmp_path, mean_colour())
    of_large = replace(COLOURS, input=replace(COLOURS.input, width=65, height=65))
    large = write(tmp_path, mean_colour(of_large, size=65), "large.onnx")
    assert load_model(light).facts["cost"] == {"threads": 1}
    assert not any("cost" in load_model(path, threads=threads).facts for path, threads in ((light, 2), (large, None)))
    monkeypatch.setattr(module, "_QUICK_S", 0)
    assert "cost" not in load_model(light).facts


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(tmp_path: Path, threads: int):
    with pytest.raises(UsageError, match="at least 1"):
        load_model(write(tmp_path, mean_colour()), threads=threads)
    with pytest.raises(UsageError, match="at least 1"):
        list(ms.classify(np.zeros((8, 8, 3), np.uint8), model=write(tmp_path, mean_colour()), threads=threads))
