"""EfficientNet-Lite0 as a Keras model gives what the ONNX file of the same weights gives, also after its export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.engines.onnx.registry import exported_models
from mediasift.errors import ModelError
from tests.conftest import skip
from training import lite0
from training.lite0_weights import LiteError, find_weights
from training.resnet50 import main

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float32 ONNX file, which numpy and the standard library made."""
    try:
        find_weights()
    except LiteError as error:
        skip(str(error))
    return lite0.make(exported_models(), precision="float32", output=tmp_path_factory.mktemp("lite0") / "float32.onnx")


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_before_it_is_taught_it_gives_the_numbers_of_the_onnx_file(graph: Path):
    """Sums of up to 1,152 float32 products in another order: 1e-5 of probabilities, 1e-4 of means of 0..6."""
    from training.architectures import base_network, with_preprocessing

    pictures = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8).astype(np.float32)
    ready = ((pictures - 127) / 128).transpose(0, 3, 1, 2)
    logits, embedding = ort.InferenceSession(graph).run(["logits", "embedding"], {"input": ready})
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))

    whole = with_preprocessing("efficientnet-lite0", base_network("efficientnet-lite0", weights="imagenet"))
    np.testing.assert_allclose(
        whole.predict(pictures, verbose=0), raised / raised.sum(axis=1, keepdims=True), atol=1e-5
    )
    base = base_network("efficientnet-lite0", weights=str(find_weights()), top=False)
    places = base.predict(ready.transpose(0, 2, 3, 1), verbose=0)
    np.testing.assert_allclose(places.mean(axis=(1, 2)), embedding, atol=1e-4)
    assert embedding.max() > 1


def test_exported_it_classifies_photographs_as_the_onnx_file_does(graph: Path, tmp_path: Path, test_data: Path):
    """The recipe as well: size, resampling and preprocessing."""
    output = tmp_path / "exported.onnx"
    done = call("export", "--architecture", "efficientnet-lite0", "-o", output)
    assert done.exit_code == 0, done.output
    photos = sorted((test_data / "imagenet-photos").iterdir())[::12]
    ours, theirs = (list(ms.classify(photos, model=model)) for model in (output, graph))
    assert [row.label for row in ours] == [row.label for row in theirs]
    np.testing.assert_allclose([row.score for row in ours], [row.score for row in theirs], atol=1e-4)
    assert sum(row.label_id == Path(row.path).name.split("_")[0] for row in ours) >= 10  # of 12


def test_a_fine_tuned_one_tells_ants_from_bees(graph: Path, tmp_path: Path, test_data: Path):
    """Eight photographs of each to learn from; the rate of the last block leaves what is known as it is."""
    rest = []
    lines = ["path,label"]
    for label in ("ants", "bees"):
        photos = sorted((test_data / "ants-bees" / "train" / label).iterdir())
        lines += [f"{photo.absolute()},{label}" for photo in photos[:12]]
        rest += photos[12:42]
    (tmp_path / "taught.csv").write_text("\n".join(lines))
    output = tmp_path / "ants-bees.onnx"
    done = call(
        "finetune", "--data", tmp_path / "taught.csv", "--architecture", "efficientnet-lite0", "--epochs", "8",
        "--top-epochs", "1", "--batch-size", "4", "-o", output,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = list(ms.classify(rest, model=output))
    assert np.mean([row.label == Path(row.path).parent.name for row in rows]) >= 0.75
    description = ms.load_model(output).description
    assert (description.labels, description.input.resample) == (("ants", "bees"), "bicubic")


def test_any_size_can_be_asked_for(graph: Path):
    from training.architectures import base_network

    assert base_network("efficientnet-lite0", weights="imagenet", size=96, top=False).output_shape == (None, 3, 3, 1280)


def test_weights_that_are_not_there_or_are_others(tmp_path: Path):
    from training.architectures import base_network

    (tmp_path / "other.pth").write_bytes(b"no weights")
    for weights, message in (
        ("none", "leave out --weights none"),
        (str(tmp_path / "gone.pth"), r"gone\.pth: the weights cannot be read"),
        (str(tmp_path / "other.pth"), "not the weights of EfficientNet-Lite0"),
    ):
        with pytest.raises(ModelError, match=message):
            base_network("efficientnet-lite0", weights=weights)
