"""A classifier of one's own: taught with real photographs, on networks of every form, from folders and lists."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx import onnx_file
from mediasift.engines.onnx.protobuf import encode
from mediasift.errors import InputError, ModelError, OutputError, UsageError
from tests.networks import colours, foreign
from tests.pictures import save

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory, package_needed: None):
    """Embeddings are kept apart from the user's."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def package_needed() -> None:
    for name in ("sklearn", "onnx"):
        pytest.importorskip(name)


def call(*arguments: str | Path):
    return CliRunner().invoke(main, ["train", *map(str, arguments), "--quiet"], catch_exceptions=False)


@pytest.fixture(scope="module")
def answers(ants_bees) -> list:
    """Of the model that was taught, for the rest of the photographs."""
    output, _, folder = ants_bees
    return list(ms.classify(folder / "rest", model=output))


@pytest.fixture(scope="module")
def ants_bees(own_cache: None, test_data: Path, photo_model: Path, tmp_path_factory: pytest.TempPathFactory):
    """(the model, what the command printed, the rest of the photographs): taught with 20 of each."""
    folder = tmp_path_factory.mktemp("ants-bees")
    order = np.random.default_rng(1)
    for label in ("ants", "bees"):
        photos = sorted((test_data / "ants-bees" / "train" / label).iterdir())
        chosen = set(order.permutation(len(photos))[:20].tolist())
        for number, photo in enumerate(photos):
            target = folder / ("taught" if number in chosen else "rest") / label
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, target)
    output = folder / "ants-bees.onnx"
    done = call(folder / "taught", "-o", output, "--report", folder / "mistakes.html")
    assert done.exit_code == 0, done.output
    return output, done, folder


def measures(printed: str) -> dict[str, float]:
    return {row["measure"]: float(row["value"]) for row in csv.DictReader(printed.splitlines()) if not row["label"]}


def test_nine_of_ten_unseen_photographs_are_right_after_twenty_of_each(ants_bees, answers: list):
    _, done, _ = ants_bees
    right = [row.label == Path(row.path).parent.name for row in answers]
    assert len(right) == 204
    assert np.mean(right) >= 0.90
    measured = measures(done.stdout)
    assert measured["cross_validated_pictures"] == 40
    assert measured["cross_validated_accuracy"] == pytest.approx(np.mean(right), abs=0.1)
    assert measured["accuracy_expected_with_80_pictures"] >= measured["accuracy_with_32_pictures"]


def test_its_scores_are_as_often_right_as_they_say(answers: list):
    right = np.array([row.label == Path(row.path).parent.name for row in answers])
    scores = np.array([row.score for row in answers])
    assert abs(scores.mean() - right.mean()) < 0.1  # of so few pictures, a little too modest


def test_the_file_describes_itself(ants_bees):
    output, done, folder = ants_bees
    description = ms.load_model(output).description
    assert (description.labels, description.output.kind) == (("ants", "bees"), "binary")
    assert description.provenance["pictures_of_each_label"] == {"ants": 20, "bees": 20}
    assert description.provenance["backbone"] == "efficientnet-lite0-int8"
    assert description.provenance["backbone_licence"] == "Apache-2.0"
    assert description.metrics["cross_validated_accuracy"] == measures(done.stdout)["cross_validated_accuracy"]
    assert str(folder) not in description.to_json()
    assert output.stat().st_size < 4e6


def test_its_embedding_is_the_backbones(ants_bees, photo_model: Path):
    output, _, folder = ants_bees
    picture = next((folder / "rest" / "ants").iterdir())
    (ours,), (theirs,) = (list(ms.embed(picture, model=model)) for model in (output, photo_model))
    np.testing.assert_array_equal(ours.embedding, theirs.embedding)


def test_the_surest_mistakes_are_a_page_with_pictures(ants_bees):
    _, done, folder = ants_bees
    page = (folder / "mistakes.html").read_text(encoding="utf-8")
    wrong = round(40 * (1 - measures(done.stdout)["cross_validated_accuracy"]))
    assert f"{wrong} of {wrong} mistakes" in page
    assert page.count("data:image/jpeg;base64,") == wrong
    scores = [float(score) for score in re.findall(r"</b> \((\d\.\d\d)\)", page)]
    assert scores == sorted(scores, reverse=True)


def test_a_second_run_reads_no_picture_again_and_gives_the_same_scores(ants_bees, tmp_path: Path):
    output, _, folder = ants_bees
    again = tmp_path / "again.onnx"
    trained = ms.train(folder / "taught", output=again)
    assert trained.output == again
    picture = next((folder / "rest" / "bees").iterdir())
    first, second = (next(iter(ms.classify(picture, model=model))).score for model in (output, again))
    assert first == second


@pytest.mark.parametrize(
    "kind",
    ["gemm", "matmul-add-softmax", "conv-then-pool", "nhwc", "tokens", "opset-18", "fixed-batch", "stubborn-batch"],
)
def test_any_form_of_network_is_a_backbone(tmp_path: Path, kind: str):
    data, output = colours(tmp_path / "data"), tmp_path / "head.onnx"
    ms.train(data, backbone=foreign(tmp_path, kind), output=output)
    model = ms.load_model(output)
    assert model.fixed_batch == (1 if "batch" in kind else None)
    rows = list(ms.classify(str(data), model=model))
    assert all(row.label == Path(row.path).parent.name for row in rows)


def test_a_model_that_was_made_here_is_a_backbone_again(tmp_path: Path):
    data, output = colours(tmp_path / "data"), tmp_path / "first.onnx"
    ms.train(data, backbone=foreign(tmp_path, "gemm"), output=output)
    ms.train(data, backbone=output, output=tmp_path / "second.onnx")
    import onnx

    onnx.checker.check_model(onnx.load(tmp_path / "second.onnx"), full_check=True)
    names = [node.op_type for node in onnx.load(tmp_path / "second.onnx").graph.node]
    assert names.count("Gemm") == 1  # neither the backbone's last layer nor the first head came along


@pytest.mark.parametrize("name", ["mobilenetv2-12-int8", "fashion-lenet"])
def test_eight_bit_and_grey_networks_are_backbones(tmp_path: Path, mobilenet: Path, name: str):
    data, output = colours(tmp_path / "data", count=6), tmp_path / "head.onnx"
    ms.train(data, backbone=mobilenet if name == mobilenet.stem else name, output=output)
    assert {row.label for row in ms.classify(data, model=output)} <= {"blue", "red"}


def test_a_tensor_may_be_chosen_by_name(tmp_path: Path):
    data, output = colours(tmp_path / "data"), tmp_path / "head.onnx"
    backbone = foreign(tmp_path, "gemm")
    assert call(data, "--backbone", backbone, "-o", output, "--layer", "r").exit_code == 0
    done = call(data, "--backbone", backbone, "-o", output, "--layer", "nothing")
    assert done.exit_code == 4
    assert "no layer 'nothing'" in done.stderr


def several(folder: Path, rows: Callable[[bool, bool], str], head: str = "path,label") -> Path:
    """60 pictures that are red, blue, both or neither, and a list of them."""
    rng, lines = np.random.default_rng(2), [head]
    for number in range(60):
        red, blue = bool(number % 2), bool(number // 2 % 2)
        noise = rng.integers(-30, 30, (10, 10, 3))
        picture = np.clip(np.array((30 + 190 * red, 60, 30 + 190 * blue)) + noise, 0, 255)
        save(folder / f"{number}.png", picture.astype(np.uint8))
        lines.append(f"{number}.png,{rows(red, blue)}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


def test_several_labels_at_once(tmp_path: Path):
    table = several(tmp_path, lambda red, blue: "|".join(["red"] * red + ["blue"] * blue))
    output = tmp_path / "head.onnx"
    ms.train(table, backbone=foreign(tmp_path, "gemm"), output=output)
    model = ms.load_model(output)
    assert (model.description.labels, model.description.output.kind) == (("blue", "red"), "multilabel")
    assert model.description.metrics["held_out_exact_match"] >= 0.9
    both = save(tmp_path / "both.png", np.full((9, 9, 3), (220, 60, 220), np.uint8))
    assert min(row.score for row in ms.classify(both, model=model, top=0)) > 0.5
    assert max(row.score for row in ms.classify(tmp_path / "0.png", model=model, top=0)) < 0.5


def test_one_label_that_is_there_or_not(tmp_path: Path):
    table = several(tmp_path, lambda red, _: "red" if red else "")
    output = tmp_path / "head.onnx"
    ms.train(table, backbone=foreign(tmp_path, "gemm"), output=output)
    scores = [next(iter(ms.classify(tmp_path / f"{number}.png", model=output))).score for number in (0, 1)]
    assert scores[0] < 0.5 < scores[1]


def test_columns_of_a_list_may_have_any_names(tmp_path: Path):
    table = several(tmp_path, lambda red, _: "warm" if red else "cold", head="datei,farbe")
    output = tmp_path / "head.onnx"
    backbone = foreign(tmp_path, "gemm")
    done = call(table, "--backbone", backbone, "-o", output)
    assert done.exit_code == 3
    assert "needs the columns path and label; it has datei, farbe" in done.stderr
    done = call(table, "--backbone", backbone, "-o", output, "--column", "datei", "--label-column", "farbe")
    assert done.exit_code == 0, done.output
    assert ms.load_model(output).description.labels == ("cold", "warm")
    for name in ("column", "label_column", "encoding"):
        with pytest.raises(UsageError, match="are for lists"):
            ms.train(tmp_path, output=output, backbone=backbone, **{name: "cp1252"})


def test_a_list_in_another_encoding(tmp_path: Path):
    table, output = several(tmp_path, lambda red, _: "Glut" if red else "Kälte"), tmp_path / "head.onnx"
    table.write_bytes(table.read_text().encode("cp1252"))
    backbone = foreign(tmp_path, "gemm")
    done = call(table, "--backbone", backbone, "-o", output)
    assert done.exit_code == 3
    assert "or name its encoding, e.g. --encoding cp1252" in done.stderr
    assert call(table, "--backbone", backbone, "-o", output, "--encoding", "cp1252").exit_code == 0
    assert ms.load_model(output).description.labels == ("Glut", "Kälte")


def test_a_list_without_labels(tmp_path: Path):
    table = several(tmp_path, lambda _red, _blue: "")
    done = call(table, "--backbone", foreign(tmp_path, "gemm"), "-o", tmp_path / "head.onnx")
    assert done.exit_code == 3
    assert "no picture has a label; fill in the column of labels" in done.stderr


def test_two_pictures_of_each_label_in_folders_and_folders_in_them(tmp_path: Path):
    data = tmp_path / "data"
    for label in ("蟻", "пчела"):
        for number, folder in enumerate((data / label, data / label / "more")):
            folder.mkdir(parents=True)
            level = 60 + 130 * (label == "蟻") + number * 9
            save(
                folder / f"{number}.png",
                np.random.default_rng(level).integers(level - 40, level + 40, (10, 10, 3), np.uint8),
            )
    output = tmp_path / "head.onnx"
    done = call(data, "--backbone", foreign(tmp_path, "gemm"), "-o", output)
    assert done.exit_code == 0, done.output
    assert "only 2 pictures of '蟻'" in done.stderr
    assert all(row.label in Path(row.path).parts for row in ms.classify(data, model=output))


def test_three_labels_get_a_softmax_and_class_weights_favour_the_rare_one(tmp_path: Path):
    rng = np.random.default_rng(5)
    for label, level, count in (("a", 90, 40), ("b", 110, 40), ("c", 130, 6)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(count):
            grey = np.clip(rng.normal(level, 12) + rng.normal(0, 9, (10, 10, 3)), 0, 255)
            save(tmp_path / "data" / label / f"{number}.png", grey.astype(np.uint8))
    backbone, share = foreign(tmp_path, "gemm"), {}
    for weights in (False, True):
        output = tmp_path / f"{weights}.onnx"
        trained = ms.train(tmp_path / "data", output=output, backbone=backbone, class_weights=weights)
        model = ms.load_model(output)
        assert model.description.output.kind == "single"
        share[weights] = np.mean([row.label == "c" for row in ms.classify(tmp_path / "data", model=model)])
        assert any("only 6 pictures of 'c'" in text for text in trained.warnings)
    assert share[True] > share[False]


def test_altered_copies_are_learnt_from(tmp_path: Path):
    data = colours(tmp_path / "data")
    output = tmp_path / "head.onnx"
    trained = ms.train(data, output=output, backbone=foreign(tmp_path, "gemm"), augment=True)
    assert {one.measure: one.value for one in trained.measures}["cross_validated_pictures"] == 24
    assert ms.load_model(output).description.provenance["settings"]["augment"] is True


def test_labels_that_no_picture_shows_are_reported(tmp_path: Path):
    rng = np.random.default_rng(7)
    table = several(tmp_path, lambda _red, _blue: str(rng.choice(["happy", "sad"])))
    done = call(table, "--backbone", foreign(tmp_path, "gemm"), "-o", tmp_path / "head.onnx")
    assert done.exit_code == 0
    assert "get no better answers than guessing by how frequent the labels are: happy, sad" in done.stderr


def test_near_duplicates_stay_on_one_side_and_are_reported(tmp_path: Path, own_cache: None):
    from tests.pictures import scene

    data = colours(tmp_path / "data")
    for label, number in (("red", 100), ("red", 101), ("blue", 100)):
        save(data / label / f"{number}.png", scene(60 + number % 2, 60))
    trained = ms.train(data, output=tmp_path / "head.onnx", backbone=foreign(tmp_path, "gemm"))
    (near,) = [text for text in trained.warnings if "near duplicates of others" in text]
    assert near.startswith("3 pictures")
    (different,) = [text for text in trained.warnings if "have different labels" in text]
    assert "100.png (blue)" in different


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: [p.unlink() for p in (data / "red").iterdir()], "red: no pictures in this label's folder"),
        (lambda data: [p.unlink() for p in sorted((data / "red").iterdir())[1:]], "1 readable pictures of 'red'"),
        (lambda data: [p.write_bytes(b"\x89PNG\r\n\x1a\n") for p in (data / "red").iterdir()], "0 readable pictures"),
        (lambda data: [p.write_bytes(b"") for p in data.rglob("*.png")], "none of 24 pictures can be read"),
        (lambda data: shutil.rmtree(data / "red"), "needs one folder per label|only one label"),
        (shutil.rmtree, "No such file"),
    ],
    ids=["empty", "one", "broken", "all-empty", "one-label", "gone"],
)
def test_data_that_cannot_be_learnt_from(tmp_path: Path, spoil, message: str):
    data, output = colours(tmp_path / "data"), tmp_path / "head.onnx"
    spoil(data)
    with pytest.raises(InputError, match=message):
        ms.train(data, output=output, backbone=foreign(tmp_path, "gemm"))
    assert not output.exists()


def test_a_label_on_every_picture_is_nothing_to_learn(tmp_path: Path):
    table = several(tmp_path, lambda red, _: "red|round" if red else "round")
    with pytest.raises(InputError, match="'round' is on every picture"):
        ms.train(table, output=tmp_path / "head.onnx", backbone=foreign(tmp_path, "gemm"))


def test_broken_pictures_are_left_out_by_name(tmp_path: Path):
    data = colours(tmp_path / "data")
    (data / "red" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = call(data, "--backbone", foreign(tmp_path, "gemm"), "-o", tmp_path / "head.onnx")
    assert done.exit_code == 0
    assert f"left out, 1 of them: {data / 'red' / '0.png'}: damaged" in done.stderr


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output": "head.pt"}, UsageError, "must end in .onnx"),
        ({"output": "nowhere/head.onnx"}, OutputError, "the folder nowhere does not exist"),
        ({"output": "head.onnx", "report": "page.txt"}, UsageError, "must end in .html"),
        ({"output": "head.onnx", "backbone": "digits-forest"}, ModelError, "no layer with weights"),
    ],
)
def test_what_cannot_be_is_refused_before_a_picture_is_read(tmp_path: Path, monkeypatch, options, error, message: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        ms.train("missing", **options)


def test_weights_in_another_file_are_refused(tmp_path: Path):
    import onnx

    backbone = foreign(tmp_path, "gemm")
    graph = onnx.load(backbone)
    onnx.save(graph, backbone, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(ModelError, match="keeps its weights in other files"):
        ms.train(colours(tmp_path / "data"), output=tmp_path / "head.onnx", backbone=backbone)


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


def too_many_nodes(path: Path) -> None:
    """A chain, written byte by byte."""
    link = encode(1, encode(1, b"x") + encode(2, b"x") + encode(4, b"Identity"))
    path.write_bytes(encode(1, 8) + encode(7, link * 2_001) + encode(8, encode(1, b"") + encode(2, 13)))


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
        (too_many_nodes, "more than 2,000 nodes"),
        (wrong_types, "ONNX Runtime refuses the model"),
    ],
)
def test_a_backbone_that_is_broken_or_hostile_ends_in_one_sentence(tmp_path: Path, monkeypatch, spoil, message: str):
    monkeypatch.setattr(onnx_file, "MAX_NODES", 2_000)  # for a hundred times as many, see test_hostile_models
    backbone = foreign(tmp_path, "gemm")
    spoil(backbone)
    done = call(colours(tmp_path / "data", count=2), "--backbone", backbone, "-o", tmp_path / "head.onnx")
    assert done.exit_code == ModelError.exit_code
    assert message in done.stderr
    assert not (tmp_path / "head.onnx").exists()


def test_the_rows_of_the_command_are_a_table(ants_bees):
    _, done, _ = ants_bees
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert {"measure", "label", "value", "low", "high"} <= set(rows[0])
    (accuracy,) = [row for row in rows if row["measure"] == "cross_validated_accuracy"]
    assert float(accuracy["low"]) <= float(accuracy["value"]) <= float(accuracy["high"])
    assert json.loads(ms.load_model(ants_bees[0]).description.to_json())["metrics"]
