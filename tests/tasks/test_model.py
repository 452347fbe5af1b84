from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.engines.onnx.description import METADATA_KEY, OutputDescription
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import UsageError
from mediasift.system.machine import peak_bytes, resident_bytes
from mediasift.tasks.model import load_model
from tests import tiny_models as tiny
from tests.pictures import save, scene
from tests.tasks.test_detect import described
from tests.tiny_models import COLOURS, mean_colour, write

BLUE = np.full((8, 8, 3), (3, 3, 250), np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> ms.Model:
    return load_model(write(tmp_path, mean_colour()))


def count_calls(model: ms.Model, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that go into ONNX Runtime from now on."""
    sizes: list[int] = []
    call = model._call

    def counted(batch: np.ndarray, size: int) -> list[np.ndarray]:
        sizes.append(size)
        return call(batch, size)

    monkeypatch.setattr(model, "_call", counted)
    return sizes


def test_every_form_of_one_picture_gives_the_same_label(model: ms.Model, tmp_path: Path):
    path = save(tmp_path / "blue.png", BLUE)
    with path.open("rb") as opened:
        forms = [path, str(path), path.read_bytes(), opened, Image.open(path), BLUE, io.BytesIO(path.read_bytes())]
        rows = [model.predict(one) for one in forms]
    assert [[row.label for row in one] for one in rows] == [["blue"]] * len(forms)
    assert [one[0].path for one in rows] == [
        str(path), str(path), "bytes[0]", str(path), "picture[0]", "array[0]", "file[0]",
    ]  # fmt: skip
    several = model.predict([BLUE, path, BLUE[:, :, ::-1]])
    assert [[row.label for row in one] for one in several] == [["blue"], ["blue"], ["red"]]
    assert model.predict([]) == []
    assert model.predict(one for one in (BLUE,)) == [model.predict(BLUE)]


@pytest.mark.parametrize("name", ["digits-lenet", "digits-forest", "fashion-mlp"])
def test_rows_are_those_of_the_verb(name: str, tmp_path: Path):
    paths = [save(tmp_path / f"{number}.png", scene(40, 28, seed=number)) for number in range(3)]
    loaded = load_model(name)
    for chosen in ({}, {"top": 4, "min_score": 0.01}, {"crops": [(0, 0, 0.5, 1), (0.5, 0, 1, 1)], "invert": True}):
        expected = list(ms.classify(paths, model=name, **chosen))
        assert [row for rows in loaded.predict(paths, **chosen) for row in rows] == expected


def test_one_picture_is_one_call_of_its_own_size_and_several_go_in_together(
    model: ms.Model, monkeypatch: pytest.MonkeyPatch
):
    model.predict(BLUE)  # with the trial run
    sizes = count_calls(model, monkeypatch)
    model.predict(BLUE)
    model.predict([BLUE] * 5)
    assert sizes == [1, 5]
    model.predict([BLUE] * 130)
    assert sizes[2:] == [64, 64, 2]


def test_what_cannot_be_read_is_a_row_with_an_error_between_the_others(model: ms.Model, tmp_path: Path):
    rows = model.predict([BLUE, b"no picture", tmp_path / "nothing.png", tmp_path, BLUE])
    assert [len(one) for one in rows] == [1] * 5
    labels = [(row.label, row.error.partition(":")[0]) for (row,) in rows]
    assert labels == [("blue", ""), (None, "not-media"), (None, "not-found"), (None, "unreadable"), ("blue", "")]
    assert [row.path for (row,) in rows][2] == str(tmp_path / "nothing.png")
    (row,) = model.predict(b"")
    assert row.error


def test_a_picture_that_the_model_cannot_compute_leaves_the_others(tmp_path: Path):
    """The logarithm of black is no number."""
    reduce = tiny.node(
        "ReduceMean", ("x",), ("m",), attributes=tiny.integers("axes", (2, 3)) + tiny.integer("keepdims", 0)
    )
    made = tiny.model(
        [reduce, tiny.node("Log", ("m",), ("y",))], [tiny.value_info("x", ("N", 3, 8, 8))],
        [tiny.value_info("y", ("N", 3))], metadata={METADATA_KEY: COLOURS.to_json()},
    )  # fmt: skip
    loaded = load_model(write(tmp_path, made))
    loaded.is_proven = True  # a black picture is one of those of the trial
    bright = np.full((8, 8, 3), (200, 90, 90), np.uint8)
    rows = loaded.predict([bright, np.zeros((8, 8, 3), np.uint8), bright])
    assert [row.error.partition(":")[0] for (row,) in rows] == ["", "inference", ""]
    assert [row.label for (row,) in rows] == ["red", None, "red"]


def test_pages_and_frames_have_rows_of_their_own_in_order(model: ms.Model, tmp_path: Path):
    pages = [Image.fromarray(one) for one in (BLUE, BLUE[:, :, ::-1].copy())]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    assert [(row.page, row.label) for row in model.predict(tmp_path / "two.tif")] == [(1, "blue"), (2, "red")]


def test_a_detector_and_a_model_of_vectors(tmp_path: Path):
    head = np.array([[32, 32, 32, 16, 0.9, 0.1], [48, 32, 16, 8, 0.3, 0.6]], np.float32).T[None]
    path = write(tmp_path, tiny.constants({"y": head}, size=(64, 64)))
    ms.describe_model(path, described("yolov8", ("cat", "dog")))
    rows = load_model(path).predict(scene(128, 64))
    assert [(row.label, row.left_px, row.found) for row in rows] == [("cat", 32, 2), ("dog", 80, 2)]
    assert [row.label for row in load_model(path).predict(scene(128, 64), labels=["DOG"])] == ["dog"]
    with pytest.raises(TypeError, match="no option 'draw'"):
        load_model(path).predict(scene(128, 64), draw=tmp_path)
    vectors = replace(COLOURS, task="embed", labels=(), label_ids=(), output=OutputDescription(values="embedding"))
    ((row,), (other,)) = load_model(write(tmp_path, mean_colour(vectors), "vectors.onnx")).predict(
        [BLUE, BLUE[:, :, ::-1]]
    )
    np.testing.assert_allclose(row.embedding * 255, [3, 3, 250], rtol=1e-5)
    np.testing.assert_allclose(other.embedding * 255, [250, 3, 3], rtol=1e-5)


def test_options_and_pictures_that_do_not_exist_are_refused(model: ms.Model):
    for name in ("nonsense", "jobs", "isolate", "device", "threads", "recursive", "keep", "model"):
        with pytest.raises(TypeError, match=f"no option '{name}' here; there are .*min_score.*top"):
            model.predict(BLUE, **{name: 1})
    with pytest.raises(UsageError, match="top -1"):
        model.predict(BLUE, top=-1)
    with pytest.raises(TypeError, match="not int"):
        model.predict(3)
    with pytest.raises(TypeError, match="not int"):
        model.predict([BLUE, 3])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="float64"):
        model.predict(np.zeros((8, 8, 3)))
    with pytest.raises(UsageError, match="open as text"):
        model.predict(io.StringIO("text"))


def test_many_threads_get_their_own_answers(model: ms.Model):
    pictures = [np.full((8, 8, 3), np.eye(3, dtype=np.uint8)[number % 3] * 250, np.uint8) for number in range(300)]
    with ThreadPoolExecutor(8) as pool:
        labels = [row.label for (row,) in pool.map(model.predict, pictures)]
    assert labels == ["red", "green", "blue"] * 100


def test_no_thread_is_started_and_memory_stays_flat(model: ms.Model):
    picture, pid = scene(8, 8), os.getpid()
    for _ in range(2000):
        model.predict(picture)
    threads, before, peak = threading.active_count(), resident_bytes(pid), peak_bytes(pid)
    for number in range(20_000):
        model.predict(picture, **({"top": number % 100} if number % 10 == 0 else {}))
    assert threading.active_count() == threads
    if before:  # elsewhere than on Linux it is not known
        assert resident_bytes(pid) - before < 2_000_000
        assert peak_bytes(pid) - peak < 8_000_000


def test_the_verbs_take_it_and_refuse_other_threads(model: ms.Model):
    assert isinstance(model, OnnxModel)
    assert [row.label for row in ms.classify(BLUE, model=model)] == ["blue"]
    for verb, more in ((ms.classify, {}), (ms.embed, {"layer": "y"})):
        with pytest.raises(UsageError, match="threads 3: the model is loaded with one thread per core already"):
            verb(BLUE, model=model, threads=3, **more)
    other = load_model(model.path, threads=1)
    assert [row.label for row in ms.classify(BLUE, model=other, threads=1)] == ["blue"]
