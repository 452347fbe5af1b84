"""A head on any backbone: trained on real photographs, and cut out of networks of every form."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.engines.onnx.describe import describe_model
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.protobuf import encode
from mediasift.errors import InputError, ModelError
from tests.pictures import save
from training.head import activate, fit_head, main
from training.pictures import read_pictures

pytestmark = pytest.mark.usefixtures("scikit_learn")


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def ants_bees(test_data: Path, mobilenet: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The model trained on four fifths of the photographs, and what the command printed."""
    output = tmp_path_factory.mktemp("head") / "ants-bees.onnx"
    done = call("--backbone", mobilenet, "--data", test_data / "ants-bees" / "train", "-o", output)
    assert done.exit_code == 0, done.output
    return output, done.stdout


def test_nine_of_ten_held_out_photographs_are_right(ants_bees: tuple[Path, str]):
    output, printed = ants_bees
    description = ms.load_model(output).description
    assert description.labels == ("ants", "bees")
    assert description.metrics["test_accuracy"] >= 0.90
    assert description.metrics["cross_validated_accuracy"] >= 0.90
    assert (description.provenance["train_rows"], description.provenance["test_rows"]) == (195, 49)
    assert description.provenance["backbone"] == "mobilenetv2-12-int8"
    assert "--backbone mobilenetv2-12-int8.onnx --data DIR" in description.provenance["command"]
    assert "all 49 labels equal" in printed
    assert output.stat().st_size < 4e6


def test_one_file_classifies_through_the_ordinary_command(ants_bees: tuple[Path, str], test_data: Path):
    output, _ = ants_bees
    rows = list(ms.classify(str(test_data / "ants-bees" / "train"), model=output))
    right = [row.label == Path(row.path).parent.name for row in rows]
    assert len(right) == 244
    assert np.mean(right) >= 0.95
    assert all(0.5 <= row.score <= 1 for row in rows)


def test_the_same_seed_gives_the_same_scores(ants_bees: tuple[Path, str], test_data: Path, mobilenet: Path, tmp_path):
    again = tmp_path / "again.onnx"
    call("--backbone", mobilenet, "--data", test_data / "ants-bees" / "train", "-o", again)
    picture = str(next((test_data / "ants-bees" / "train" / "ants").iterdir()))
    first, second = (next(iter(ms.classify(picture, model=model))).score for model in (ants_bees[0], again))
    assert first == second


def colours(folder: Path, count: int = 12) -> Path:
    """`count` noisy pictures each of red and blue, as folders."""
    rng = np.random.default_rng(1)
    for label, colour in (("blue", (40, 60, 200)), ("red", (200, 60, 40))):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            noise = rng.integers(-40, 40, (10, 10, 3))
            save(folder / label / f"{number}.png", np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
    return folder


def foreign(folder: Path, kind: str) -> Path:
    """A described network of one of the forms that exporters write, 8 x 8 pictures, 5 labels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((rng.standard_normal(shape) * 0.3).astype(np.float32), name)

    batch: int | str
    layout, batch, opset = "NCHW", "N", 13
    weights = [weight("w1", 6, 3, 3, 3), weight("w2", 6, 5), weight("b2", 5)]
    body = [helper.make_node("Conv", ["x", "w1"], ["c"], pads=[1] * 4), helper.make_node("Relu", ["c"], ["r"])]
    pooled = [helper.make_node("GlobalAveragePool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    if kind in ("gemm", "fixed-batch", "stubborn-batch", "opset-18"):
        tail = [helper.make_node("Gemm", ["f", "w2", "b2"], ["y"])]
        batch = 1 if "batch" in kind else "N"
        opset = 18 if kind == "opset-18" else 13
        if kind == "stubborn-batch":
            weights.append(numpy_helper.from_array(np.array([1, 6], np.int64), "one"))
            pooled[1] = helper.make_node("Reshape", ["p", "one"], ["f"])
        nodes = [*body, *pooled, *tail]
    elif kind == "matmul-add-softmax":
        nodes = [*body, *pooled, helper.make_node("MatMul", ["f", "w2"], ["m"]),
                 helper.make_node("Add", ["m", "b2"], ["a"]),
                 helper.make_node("Softmax", ["a"], ["y"], axis=1)]  # fmt: skip
    elif kind == "conv-then-pool":  # as SqueezeNet
        weights[1:] = [weight("w3", 5, 6, 1, 1)]
        nodes = [*body, helper.make_node("Conv", ["r", "w3"], ["c2"]), helper.make_node("Relu", ["c2"], ["r2"]),
                 helper.make_node("GlobalAveragePool", ["r2"], ["y"])]  # fmt: skip
    elif kind == "tokens":  # as a vision transformer that averages its tokens last
        weights.append(numpy_helper.from_array(np.array([0, 6, 64], np.int64), "shape"))
        nodes = [*body, helper.make_node("Reshape", ["r", "shape"], ["t0"]),
                 helper.make_node("Transpose", ["t0"], ["t"], perm=[0, 2, 1]),
                 helper.make_node("MatMul", ["t", "w2"], ["m"]),
                 helper.make_node("ReduceMean", ["m"], ["y"], axes=[1], keepdims=0)]  # fmt: skip
    else:  # channels last, as Keras writes
        assert kind == "nhwc"
        layout = "NHWC"
        nodes = [helper.make_node("Transpose", ["pixels"], ["x"], perm=[0, 3, 1, 2]), *body, *pooled,
                 helper.make_node("Gemm", ["f", "w2", "b2"], ["y"])]  # fmt: skip
    name, shape = ("pixels", [batch, 8, 8, 3]) if layout == "NHWC" else ("x", [batch, 3, 8, 8])
    graph = helper.make_graph(
        nodes, kind, [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path = folder / f"{kind}.onnx"
    onnx.save(model, path)
    values = "probabilities" if "softmax" in kind else "logits"
    description = ModelDescription(
        task="classify",
        labels=tuple("abcde"),
        input=InputDescription(width=8, height=8, fit="stretch", scale=1 / 255, layout=layout),
        output=OutputDescription(values=values),
    )
    describe_model(path, description)
    return path


@pytest.mark.parametrize(
    "kind",
    ["gemm", "matmul-add-softmax", "conv-then-pool", "nhwc", "tokens", "opset-18", "fixed-batch", "stubborn-batch"],
)
def test_any_form_of_network_is_a_backbone(tmp_path: Path, kind: str):
    data, output = colours(tmp_path / "data"), tmp_path / "head.onnx"
    done = call("--backbone", foreign(tmp_path, kind), "--data", data, "-o", output)
    assert done.exit_code == 0, done.output
    assert "embeddings of 6 numbers" in done.stdout
    model = ms.load_model(output)
    assert model.fixed_batch == (1 if kind == "stubborn-batch" else None)
    rows = list(ms.classify(str(data), model=model))
    assert all(row.label == Path(row.path).parent.name for row in rows)


def test_a_tensor_may_be_chosen_by_name(tmp_path: Path):
    data, output = colours(tmp_path / "data"), tmp_path / "head.onnx"
    backbone = foreign(tmp_path, "gemm")
    assert call("--backbone", backbone, "--data", data, "-o", output, "--layer", "r").exit_code == 0
    done = call("--backbone", backbone, "--data", data, "-o", output, "--layer", "nothing")
    assert done.exit_code == 4
    assert "no tensor 'nothing'" in done.stderr


def test_several_labels_at_once(tmp_path: Path):
    rng, lines = np.random.default_rng(2), ["path,label"]
    for number in range(60):
        red, blue = number % 2, number // 2 % 2
        noise = rng.integers(-30, 30, (10, 10, 3))
        picture = np.clip(np.array((30 + 190 * red, 60, 30 + 190 * blue)) + noise, 0, 255)
        save(tmp_path / f"{number}.png", picture.astype(np.uint8))
        lines.append(f"{number}.png,{'|'.join(['red'] * red + ['blue'] * blue)}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    output = tmp_path / "head.onnx"
    done = call("--backbone", foreign(tmp_path, "gemm"), "--data", tmp_path / "labels.csv", "-o", output)
    assert done.exit_code == 0, done.output
    model = ms.load_model(output)
    assert (model.description.labels, model.description.output.kind) == (("blue", "red"), "multilabel")
    assert model.description.metrics["test_exact_match"] >= 0.9
    both, neither = save(tmp_path / "both.png", np.full((9, 9, 3), (220, 60, 220), np.uint8)), tmp_path / "0.png"
    scores = {row.label: row.score for row in ms.classify(str(both), model=model, top=0)}
    assert min(scores.values()) > 0.5
    assert max(row.score for row in ms.classify(str(neither), model=model, top=0)) < 0.5


def test_the_head_is_scikit_learns_model_on_plain_embeddings():
    """Standardisation is folded in: the logits are those of a pipeline with the chosen C."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(3)
    for classes in (2, 3):
        numbers = np.arange(90) % classes
        rows = (rng.standard_normal((90, 7)) * 5 + 3 + numbers[:, None]).astype(np.float32)
        head = fit_head(rows, np.eye(classes, dtype=bool)[numbers], multilabel=False, seed=0)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=head.strength[0], max_iter=5000))
        expected = pipeline.fit(rows.astype(np.float64), numbers).predict_proba(rows.astype(np.float64))
        probabilities = activate(rows @ head.weights + head.bias, multilabel=False)
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_a_label_on_everything_cannot_be_learnt():
    with pytest.raises(InputError, match="nothing to tell apart"):
        fit_head(np.ones((4, 2), np.float32), np.ones((4, 1), bool), multilabel=True, seed=0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: [p.unlink() for p in (data / "red").iterdir()], "red: no pictures in this label's folder"),
        (lambda data: [p.unlink() for p in sorted((data / "red").iterdir())[1:]], "1 readable pictures of 'red'"),
        (lambda data: [p.write_bytes(b"\x89PNG\r\n\x1a\n") for p in (data / "red").iterdir()], "0 readable pictures"),
        (lambda data: [p.write_bytes(b"") for p in data.rglob("*.png")], "none of 24 pictures can be read"),
        (lambda data: shutil.rmtree(data / "red"), "only one label"),
        (shutil.rmtree, "No such file"),
    ],
    ids=["empty", "one", "broken", "all-empty", "one-label", "gone"],
)
def test_data_that_cannot_be_learnt_from(tmp_path: Path, spoil, message: str):
    data, output = colours(tmp_path / "data"), tmp_path / "head.onnx"
    spoil(data)
    done = call("--backbone", foreign(tmp_path, "gemm"), "--data", data, "-o", output)
    assert done.exit_code == 3
    assert message in done.output
    assert not output.exists()


def test_a_model_without_a_weighted_layer_is_no_backbone(tmp_path: Path):
    done = call("--backbone", "digits-forest", "--data", colours(tmp_path / "data"), "-o", tmp_path / "head.onnx")
    assert done.exit_code == ModelError.exit_code
    assert "no layer with weights" in done.stderr


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def nonsense(path: Path) -> None:
    path.write_bytes(b"\x08\x07nonsense")


def secrets(path: Path) -> None:
    """Weights that lie outside the model's folder."""
    import onnx

    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())


def a_million_nodes(path: Path) -> None:
    """A chain, written byte by byte."""
    link = encode(1, encode(1, b"x") + encode(2, b"x") + encode(4, b"Identity"))
    path.write_bytes(encode(1, 8) + encode(7, link * 1_000_000) + encode(8, encode(1, b"") + encode(2, 13)))


def wrong_types(path: Path) -> None:
    import onnx

    model = onnx.load(path)
    model.graph.initializer[0].data_type = onnx.TensorProto.STRING
    path.write_bytes(model.SerializeToString())


def other_labels(path: Path) -> None:
    sidecar = path.with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace('"a", "b"', '"a"'))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncated, "not a usable ONNX file: truncated"),
        (nonsense, "not a usable ONNX file"),
        (secrets, "refers to data outside its folder"),
        (a_million_nodes, "more than 200,000 nodes"),
        (wrong_types, "ONNX Runtime refuses the model"),
        (other_labels, "field labels: 4 of them, but the model gives 5"),
    ],
)
def test_a_backbone_that_is_broken_or_hostile_ends_in_one_sentence(tmp_path: Path, spoil, message: str):
    backbone = foreign(tmp_path, "gemm")
    spoil(backbone)
    done = call("--backbone", backbone, "--data", colours(tmp_path / "data", count=2), "-o", tmp_path / "head.onnx")
    assert done.exit_code == ModelError.exit_code
    assert message in done.stderr
    assert not (tmp_path / "head.onnx").exists()


def test_broken_pictures_are_left_out_by_name(tmp_path: Path):
    data = colours(tmp_path / "data")
    (data / "red" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = call("--backbone", foreign(tmp_path, "gemm"), "--data", data, "-o", tmp_path / "head.onnx")
    assert done.exit_code == 0
    assert f"left out: {data / 'red' / '0.png'}: " in done.stdout


def test_pictures_are_read_as_in_use(ants_bees: tuple[Path, str], test_data: Path):
    """Training's own input of a photograph is, to the last bit, what classify feeds."""
    from mediasift.engines.onnx.recipe import fitted, smallest_size
    from mediasift.media.pictures.images import decode

    wanted = ms.load_model(ants_bees[0]).description.input
    file = next((test_data / "ants-bees" / "train" / "bees").iterdir())
    ((_, pixels, _),) = read_pictures([file], wanted)
    (decoded,) = decode(file.read_bytes(), needs=smallest_size(wanted))
    assert (pixels == fitted(decoded.image, wanted)).all()
