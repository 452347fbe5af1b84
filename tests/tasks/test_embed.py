"""Vectors from inside a graph, against what the `onnx` package and plain numpy say they are."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import METADATA_KEY, InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.embedder import load_embedder
from mediasift.engines.onnx.inner import penultimate
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.registry import find_model
from mediasift.errors import DescriptionError, ModelError
from tests.pictures import BLUE, GREEN, RED, save, scene, solid
from tests.tiny_models import COLOURS, integer, integers, mean_colour, model, node, value_info, write

PHOTOS = 6


def tensor(name: str, values: np.ndarray) -> bytes:
    """A TensorProto: float32, uint8 or int8."""
    kind = {"float32": 1, "uint8": 2, "int8": 3}[values.dtype.name]
    shape = b"".join(encode(1, size) for size in values.shape)
    return (
        shape
        + encode(2, kind)
        + encode(8, name.encode())
        + encode(9, values.astype(values.dtype.newbyteorder("<")).tobytes())
    )


def quantised(folder: Path) -> Path:
    """Mean colour → 8 bit (scale 0.01, zero point 7) → reshaped → an 8-bit matrix product → logits."""
    stored = (
        tensor("s", np.array(0.01, np.float32)), tensor("z", np.array(7, np.uint8)),
        tensor("w", np.eye(3, dtype=np.uint8)), tensor("ws", np.array(1, np.float32)),
        tensor("wz", np.array(0, np.uint8)),
        tensor("os", np.array(0.01, np.float32)), tensor("oz", np.array(0, np.uint8)),
    )  # fmt: skip
    nodes = [
        node("ReduceMean", ("x",), ("mean",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0)),
        node("QuantizeLinear", ("mean", "s", "z"), ("mean_q",)),
        node("Flatten", ("mean_q",), ("flat_q",)),
        node("QLinearMatMul", ("flat_q", "s", "z", "w", "ws", "wz", "os", "oz"), ("logits_q",)),
        node("DequantizeLinear", ("logits_q", "os", "oz"), ("y",)),
    ]
    data = model(nodes, [value_info("x", ("N", 3, 8, 8))], [value_info("y", ("N", 3))], initializers=stored,
                 metadata={METADATA_KEY: COLOURS.to_json()})  # fmt: skip
    return write(folder, data, "quantised.onnx")


def test_an_8_bit_layer_comes_out_as_numbers(tmp_path: Path):
    path = quantised(tmp_path)
    last = penultimate(read_facts(path), "y")
    assert (last.name, last.scale, last.zero_point) == ("flat_q", "s", "z")
    for layer in (None, "mean_q", "flat_q"):
        rows = list(ms.embed([solid(RED), solid(GREEN), solid(BLUE)], model=path, layer=layer))
        vectors = np.stack([row.embedding for row in rows])
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, np.array([RED, GREEN, BLUE]) / 255, atol=0.005 + 1e-6)
        np.testing.assert_allclose(vectors * 100, np.round(vectors * 100), atol=1e-4)  # steps of the scale
    (row,) = ms.embed(solid(RED), model=path, layer="mean")
    np.testing.assert_allclose(row.embedding, np.array(RED) / 255, atol=1e-6)


def test_mobilenets_penultimate_layer_is_what_the_onnx_package_finds(mobilenet: Path, test_data: Path):
    onnx = pytest.importorskip("onnx")
    import onnxruntime as ort

    from mediasift.engines.onnx.recipe import prepare
    from mediasift.media.pictures.images import decode
    from tests.conftest import IMAGENET_INPUT

    photos = sorted((test_data / "imagenet-photos").iterdir())[:PHOTOS]
    graph = onnx.load(mobilenet)
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in graph.graph.initializer}
    (last,) = [one for one in graph.graph.node if one.op_type == "QLinearMatMul"]
    graph.graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.UINT8, None))
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # exact on every processor, as ours
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for photo, row in zip(photos, ms.embed(photos, model=mobilenet, batch_size=1), strict=True):
        image = next(iter(decode(photo.read_bytes(), needs=(256, 256)))).image
        (raw,) = session.run([last.input[0]], {"input": prepare(image, IMAGENET_INPUT)[None]})
        expected = (raw[0].astype(np.float32) - stored[last.input[2]]) * stored[last.input[1]]
        assert row.embedding.shape == (1280,)
        np.testing.assert_allclose(row.embedding, expected, atol=1e-5)


def test_a_floating_point_networks_penultimate_layer_by_hand():
    """The last layer's own weights turn the embedding into the model's answer."""
    onnx = pytest.importorskip("onnx")
    path = find_model("fashion-mlp")
    picture = scene(28, 28, seed=3)
    (row,) = ms.embed(picture, model="fashion-mlp")
    assert row.embedding.shape == (100,)
    assert (row.embedding >= 0).all()
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    product, bias = [one for one in read_facts(path).nodes if one.op_type in ("MatMul", "Add")][-2:]
    logits = row.embedding @ stored[product.inputs[1]] + stored[bias.inputs[1]]
    scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    (best,) = ms.classify(picture, model="fashion-mlp")
    assert best.score == pytest.approx(scores.max(), abs=1e-5)


def test_an_embedding_model_gives_its_output(tmp_path: Path):
    description = ModelDescription(
        task="embed", input=InputDescription(width=8, height=8, fit="stretch", scale=1 / 255),
        output=OutputDescription(values="embedding"),
    )  # fmt: skip
    path = write(tmp_path, mean_colour(description))
    rows = list(ms.embed([solid(RED), solid(BLUE)], model=path))
    np.testing.assert_allclose([row.embedding for row in rows], np.array([RED, BLUE]) / 255, atol=1e-6)
    assert ms.similarity_matrix([solid(RED), solid(RED), solid(BLUE)], method=str(path))[0].tolist() == pytest.approx(
        [1, 1, np.dot(RED, BLUE) / np.linalg.norm(RED) / np.linalg.norm(BLUE)], abs=1e-5
    )


def test_a_layer_with_height_and_width_is_averaged_over_them(tmp_path: Path):
    path = write(tmp_path, mean_colour())
    embedder = load_embedder(str(path), layer="y")
    assert embedder.facts["layer"] == "y"
    data = model(
        [node("Identity", ("x",), ("same",)),
         node("ReduceMean", ("same",), ("y",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))],
        [value_info("x", ("N", 3, 8, 8))], [value_info("y", ("N", 3))], metadata={METADATA_KEY: COLOURS.to_json()},
    )  # fmt: skip
    path = write(tmp_path, data, "spatial.onnx")
    (row,) = ms.embed(solid(GREEN), model=path, layer="same")
    np.testing.assert_allclose(row.embedding, np.array(GREEN) / 255, atol=1e-6)


def test_models_that_give_no_vectors(tmp_path: Path):
    with pytest.raises(ModelError, match="no layer with weights"):
        ms.embed(scene(), model="digits-forest")
    with pytest.raises(ModelError, match=r"no layer 'nonsense' in the graph; its last ones are"):
        ms.embed(scene(), model="fashion-mlp", layer="nonsense")
    assert issubclass(DescriptionError, ModelError)


def test_parquet_with_fixed_size_lists_and_npz_without_pickle(tmp_path: Path, package):
    package("pyarrow", "parquet")
    import pyarrow.parquet as parquet

    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for number in (1, 2, 3):
        save(photos / f"{number}.png", scene(seed=number))
    for name in ("v.parquet", "v.npz", "v.csv", "v.jsonl"):
        done = CliRunner().invoke(
            main, ["embed", str(photos), "-m", "fashion-mlp", "-o", str(tmp_path / name), "--quiet"]
        )
        assert done.exit_code == 1
    expected = [row.embedding for row in ms.embed(photos, model="fashion-mlp")][1:]
    table = parquet.read_table(tmp_path / "v.parquet")
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[100]"
    assert table["embedding"].to_pylist()[0] is None
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()[1:], np.float32), expected)
    with np.load(tmp_path / "v.npz") as archive:
        assert set(archive.files) == {"path", "page", "frame", "time_s", "embedding", "error"}
        assert archive["embedding"].shape == (4, 100)
        assert archive["embedding"].dtype == np.float32
        assert np.isnan(archive["embedding"][0]).all()
        np.testing.assert_array_equal(archive["embedding"][1:], expected)
        assert [Path(path).name for path in archive["path"]] == ["0.png", "1.png", "2.png", "3.png"]
        assert archive["error"].tolist()[1:] == ["", "", ""] != archive["error"].tolist()[:1]
        assert np.isnan(archive["page"]).all()
    with (tmp_path / "v.csv").open() as file:
        assert len(next(iter(list(csv.DictReader(file))[1:]))["embedding"].split()) == 100
    first = (tmp_path / "v.npz").read_bytes()
    ms.embed(photos, model="fashion-mlp").write(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == first
    assert struct.unpack("<I", first[:4])[0] == 0x04034B50


def test_near_duplicates_by_a_models_eye_also_turned(mobilenet: Path, test_data: Path):
    folder = test_data / "near-duplicates" / "mixed_images"
    rows = list(ms.duplicates(folder, method=str(mobilenet), turns=True))
    by_name = {Path(row.path).name: row for row in rows}
    original = by_name["ukbench00120.jpg"].group
    assert original is not None
    assert by_name["ukbench00120_hflip.jpg"].group == original
    assert by_name["ukbench00120_hflip.jpg"].turn == "mirror"
    assert by_name["ukbench09268.jpg"].group is None


def test_a_loaded_model_gives_the_vectors_of_its_file(tmp_path: Path):
    picture = scene(40, 30)
    by_name, by_model = (list(ms.embed(picture, model=one)) for one in ("fashion-mlp", ms.load_model("fashion-mlp")))
    assert (by_name[0].embedding == by_model[0].embedding).all()
