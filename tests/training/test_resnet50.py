"""Pretrained networks: preprocessing inside the graph is Keras' own, and a fine-tuned one is a usable file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.errors import ModelError
from tests.conftest import WHOLE
from tests.networks import colours
from tests.pictures import save
from training.architectures import ARCHITECTURES, FORMS, plain_input
from training.finetuning import answer, class_weights
from training.pictures import Part
from training.resnet50 import given_inputs, main

pytestmark = pytest.mark.usefixtures("tensorflow")


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def identity_like(size: int):
    """A network that shows what reaches it: each place's channels, weighted so that their order shows."""
    import keras

    given = keras.Input((size, size, 3))
    made = keras.layers.Flatten()(keras.layers.Conv2D(2, 1, use_bias=False)(given))
    model = keras.Model(given, made)
    model.layers[1].set_weights([np.array([[1.0, 0.1], [-2.0, 0.01], [0.5, 3.0]], np.float32).reshape(1, 1, 3, 2)])
    return model


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("name", ["resnet50", "vgg16", "mobilenetv2", "densenet121", "efficientnetb0", "xception"])
def test_plain_pictures_reach_the_network_as_keras_preprocesses_them(name: str, form: str):
    """Against `keras.applications.*.preprocess_input` on an array, outside any graph; tolerance 1e-3 of some 100."""
    from training.architectures import with_preprocessing
    from training.keras_onnx import keras_to_onnx

    wanted = plain_input(8, form)
    base = identity_like(8)
    graph = keras_to_onnx(with_preprocessing(name, base), dtype=wanted.dtype, channels_first=wanted.layout == "NCHW")
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    (reached,) = session.run(None, {"pixels": given_inputs(pictures, wanted)})
    module = ARCHITECTURES[name].loaded()
    ready = module.preprocess_input(pictures.astype(np.float32))
    np.testing.assert_allclose(reached, base.predict(ready, verbose=0), atol=1e-3)


def test_the_caffe_way_is_bgr_minus_means():
    """The book's networks: the constants as they stand in the literature, not through Keras."""
    from training.architectures import with_preprocessing

    pictures = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    answers = with_preprocessing("resnet50", identity_like(4)).predict(pictures.astype(np.float32), verbose=0)
    ready = pictures[..., ::-1] - np.array([103.939, 116.779, 123.68])
    expected = ready @ np.array([[1.0, 0.1], [-2.0, 0.01], [0.5, 3.0]])
    np.testing.assert_allclose(answers, expected.reshape(2, -1), atol=1e-3)


@pytest.mark.parametrize("name", ["efficientnetb0", *(["vgg16", "resnet50"] if WHOLE else [])])
def test_a_network_with_random_weights_is_the_same_as_an_onnx_file(name: str):
    """Keras' own network and its ONNX graph; MobileNetV2 and VGG16 go through commands below that compare them, too."""
    import keras

    from training.architectures import base_network, with_preprocessing
    from training.keras_onnx import keras_to_onnx

    keras.utils.set_random_seed(0)
    network = with_preprocessing(name, base_network(name, weights="none", size=64, top=False))
    graph = keras_to_onnx(network, dtype="uint8", channels_first=False)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == ["pixels"]
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    (answers,) = session.run(None, {"pixels": pictures})
    expected = np.asarray(network(pictures.astype(np.float32)))
    np.testing.assert_allclose(answers, expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()


def test_every_architecture_is_there():
    for chosen in ARCHITECTURES.values():
        module = chosen.loaded()
        assert callable(getattr(module, chosen.function))
        assert callable(module.preprocess_input)


def test_an_exported_network_takes_plain_pictures_and_has_imagenets_labels(tmp_path: Path):
    output = tmp_path / "net.onnx"
    done = call("export", "--architecture", "mobilenetv2", "--weights", "none", "-o", output)
    assert done.exit_code == 0, done.output
    assert "all 16 labels equal" in done.output
    model = ms.load_model(output)
    assert (model.description.labels[0], model.description.label_ids[0]) == ("tench", "n01440764")
    assert (model.description.input.dtype, model.description.input.layout) == ("uint8", "NHWC")
    assert "resnet50 export --architecture mobilenetv2 --weights none" in model.description.provenance["command"]
    picture = save(tmp_path / "a.png", np.full((300, 400, 3), 90, np.uint8))
    assert len(list(ms.classify(str(picture), model=model, top=3))) == 3


def test_weights_that_are_not_there_or_do_not_fit(tmp_path: Path):
    from training.architectures import base_network

    with pytest.raises(ModelError, match=r"nothing\.h5"):
        base_network("mobilenetv2", weights=str(tmp_path / "nothing.h5"))
    (tmp_path / "wrong.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(ModelError, match="do not fit MobileNetV2"):
        base_network("mobilenetv2", weights=str(tmp_path / "wrong.h5"))


def test_a_fine_tuned_network_is_one_file_that_classifies(tmp_path: Path):
    """Random weights, and few layers; with ImageNet's the same command tells ants from bees."""
    data, output = colours(tmp_path / "data", count=16), tmp_path / "net.onnx"
    done = call(
        "finetune", "--data", data, "--architecture", "vgg16", "--weights", "none", "--size", "32",
        "--epochs", "2", "--top-epochs", "1", "--rotate", "45", "-o", output,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    description = ms.load_model(output).description
    assert (description.output.kind, description.labels) == ("binary", ("blue", "red"))
    assert description.provenance["validation_rows"] > 0
    assert "--rotate 45.0" in description.provenance["command"]
    rows = list(ms.classify(str(data), model=output))
    assert len(rows) == 32
    assert {row.label for row in rows} <= set(description.labels)
    assert "test_accuracy" in done.output
    assert re.search(r"ONNX Runtime: all \d+ labels equal", done.output)


def test_frozen_first_then_the_last_block_and_the_best_state_is_kept():
    """Three colours, and a network of two layers, of which the second is its last block."""
    import keras

    from training.finetuning import Augmentation, Plan, build, fit

    given = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 1, activation="relu", name="block1")(given)
    normal = keras.layers.BatchNormalization(name="block2_normal")(hidden)
    base = keras.Model(given, keras.layers.Conv2D(8, 1, activation="relu", name="block2")(normal))
    model = build("mobilenetv2", base, outputs=3, single=True, augmentation=Augmentation(brightness=0), seed=0)
    before = {layer.name: [w.copy() for w in layer.get_weights()] for layer in base.layers}
    numbers = np.arange(60) % 3
    pictures = np.zeros((60, 8, 8, 3), np.uint8)
    pictures[np.arange(60), :, :, numbers] = 200
    plan = Plan(epochs=6, top_epochs=2, patience=20, seed=0)

    def loss() -> float:
        return float(-np.log(model.predict(pictures, verbose=0)[np.arange(60), numbers]).mean())

    first = loss()
    fit(model, base, "block2", (pictures, numbers), (pictures[:9], numbers[:9]), plan=plan)

    def changed(name: str) -> bool:
        after = base.get_layer(name).get_weights()
        return any((a != b).any() for a, b in zip(before[name], after, strict=True))

    assert [changed(name) for name in ("block1", "block2_normal", "block2")] == [False, False, True]
    assert loss() < first


def test_what_the_network_should_say():
    files = (Path("a"), Path("b"))
    two = Part(files=files, targets=np.array([[True, False], [False, True]]))
    three = Part(files=files, targets=np.array([[False, False, True], [True, False, False]]))
    assert answer(two, multilabel=False).tolist() == [[0.0], [1.0]]
    assert answer(three, multilabel=False).tolist() == [2, 0]
    assert answer(three, multilabel=True).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_rare_labels_weigh_more():
    assert class_weights(np.array([0, 0, 0, 1])) == {0: pytest.approx(2 / 3), 1: pytest.approx(2)}
    assert class_weights(np.array([[0.0], [1.0]])) == {0: 1.0, 1: 1.0}
    assert class_weights(np.zeros((4, 3))) is None


def test_augmentation_alters_pictures_in_training_only():
    from training.finetuning import Augmentation, build

    base = identity_like(8)
    model = build("efficientnetb0", _with_places(base), outputs=2, single=True, augmentation=Augmentation(), seed=0)
    model.layers[-1].set_weights([np.eye(2, dtype=np.float32) / 1000, np.zeros(2, np.float32)])
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
    still = [np.asarray(model(pictures, training=False)) for _ in range(2)]
    moved = [np.asarray(model(pictures, training=True)) for _ in range(2)]
    assert (still[0] == still[1]).all()
    assert not (moved[0] == moved[1]).all()


def _with_places(base):
    """`build` expects a network that ends in places: (N, H, W, C)."""
    import keras

    return keras.Model(base.input, base.layers[1].output)


def test_a_label_with_too_few_pictures(tmp_path: Path):
    done = call(
        "finetune", "--data", colours(tmp_path / "data", count=2), "--weights", "none", "-o", tmp_path / "n.onnx"
    )
    assert done.exit_code == 3
    assert "fine-tuning needs three" in done.output
