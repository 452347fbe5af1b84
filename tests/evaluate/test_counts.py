from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.drafting import describe_model
from mediasift.evaluate.counts import item_counts, source_counts
from mediasift.rows import values
from mediasift.tasks.objects import Detection
from mediasift.tasks.ocr import TextRegion
from tests.pictures import save, solid
from tests.tasks.test_detect import described
from tests.tiny_models import constants, mean_colour, write
from tests.videos import make_video

PLACE = ["path", "page", "frame", "time_s"]

ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["a/1.jpg", "a/2.jpg", "b/1.jpg", "film.mp4", "scan.pdf"]),
        st.lists(st.tuples(st.sampled_from(["dog", "cat", "person"]), st.integers(1, 100)), max_size=4),
        st.booleans(),
        st.floats(0.1, 3),
    ),
    max_size=12,
)


def rows_of(items) -> list[Detection]:
    """A long table: every picture once, frames and pages of the film and the scan in their order."""
    rows, seen, time_s = [], set(), 0.0
    numbers = {"film.mp4": 0, "scan.pdf": 0}
    for path, objects, fails, step in items:
        if path in seen:
            continue
        place: dict = {"path": path}
        if path in numbers:
            time_s += step
            numbers[path] += 1
            film = path == "film.mp4"
            place |= {"frame": numbers[path], "time_s": time_s} if film else {"page": numbers[path]}
        else:
            seen.add(path)
        if fails:
            rows.append(Detection(**place, error="damaged: it is broken"))
        elif not objects:
            rows.append(Detection(**place, found=0))
        rows += [
            Detection(**place, label=label, score=score / 100, found=len(objects))
            for label, score in objects if not fails
        ]  # fmt: skip
    return sorted(rows, key=lambda row: list(dict.fromkeys(one.path for one in rows)).index(row.path))


def by_hand(rows: list[Detection]) -> pd.DataFrame:
    frame = pd.DataFrame([values(row) for row in rows])
    return frame.assign(label=frame["label"].astype("object"), unit=[
        "frames" if row.frame is not None else "pages" if row.page is not None else "pictures" for row in rows
    ])  # fmt: skip


@given(ITEMS)
def test_counts_per_item_are_those_of_pandas(items):
    rows = rows_of(items)
    ours = {tuple(getattr(one, name) for name in (*PLACE, "label")): one for one in item_counts(iter(rows))}
    assert len(ours) == len(list(item_counts(rows)))
    if not rows:
        return
    good = by_hand(rows).query("error == ''")
    for cells, group in good.groupby(PLACE, dropna=False):
        place = tuple(None if pd.isna(cell) else cell for cell in cells)
        counted = group.groupby("label").agg(count=("score", "size"), score=("score", "max"))
        for label, one in counted.iterrows():
            row = ours.pop((*place, label))
            assert (row.count, row.score, row.found) == (one["count"], one["score"], group["found"].max())
        if counted.empty:
            row = ours.pop((*place, None))
            assert (row.count, row.score, row.found, row.error) == (0, None, 0, "")
    assert all(row.error and row.count is None for row in ours.values())
    assert len(ours) == (by_hand(rows)["error"] != "").sum()


@given(ITEMS)
def test_counts_per_source_are_those_of_pandas(items):
    rows = rows_of(items)
    ours = {(one.path, one.unit, one.label): one for one in source_counts(iter(rows))}
    if not rows:
        assert not ours
        return
    table = by_hand(rows)
    table["source"] = [row.path if unit != "pictures" else row.path.rpartition("/")[0]
                       for row, unit in zip(rows, table["unit"], strict=True)]  # fmt: skip
    for (source, unit), group in table.groupby(["source", "unit"]):
        good, bad = group[group["error"] == ""], group[group["error"] != ""]
        read = good[PLACE].drop_duplicates()
        if not len(read) and unit == "pictures":
            continue
        labels = sorted(set(good["label"].dropna())) or [None]
        for label in labels:
            row = ours.pop((source, unit, label))
            having = good[good["label"] == label]
            present = len(having[PLACE].drop_duplicates())
            assert (row.items, row.present, row.count, row.unread) == (len(read), present, len(having), len(bad))
            assert row.share == (pytest.approx(present / len(read), abs=1e-6) if len(read) else None)
            if unit == "pictures":
                interval = binomtest(present, len(read)).proportion_ci(method="wilson")
                assert (row.low, row.high) == pytest.approx((interval.low, interval.high), abs=1e-6)
            else:
                assert (row.low, row.high) == (None, None)
            if unit == "frames":
                times = group["time_s"].drop_duplicates().tolist()
                steps = dict(zip(times, [*np.diff(times), *(np.diff(times)[-1:] if len(times) > 1 else [0])],
                                 strict=True))  # fmt: skip
                shown = having["time_s"].drop_duplicates()
                assert row.seconds == pytest.approx(sum(steps[time_s] for time_s in shown), abs=1e-5)
                if present:
                    assert (row.first_s, row.last_s) == (shown.min(), shown.max())
    assert all(row.error and row.unit is None for row in ours.values())
    assert {one[0] for one in ours} == set(table[(table["error"] != "") & (table["unit"] == "pictures")]["path"])


def test_labels_that_were_asked_for_are_counted_where_they_are_not():
    rows = [Detection(path="a.jpg", label="dog", score=0.5, found=1), Detection(path="b.jpg", found=0)]
    counts = [(row.path, row.label, row.count, row.score, row.found) for row in item_counts(rows, ["cat", "dog"])]
    assert counts == [
        ("a.jpg", "cat", 0, None, 1), ("a.jpg", "dog", 1, 0.5, 1), ("b.jpg", "cat", 0, None, 0),
        ("b.jpg", "dog", 0, None, 0),
    ]  # fmt: skip
    shares = [(row.path, row.label, row.present, row.share) for row in source_counts(rows, ["cat", "dog"])]
    assert shares == [(".", "cat", 0, 0.0), (".", "dog", 1, 0.5)]


def test_text_is_counted_in_lines_or_words():
    page = TextRegion(path="a.png", level="page", text="one\ntwo\n", confidence=0.9, found=2)
    words = [TextRegion(path="b.png", level="word", text=word, confidence=0.5, found=2) for word in ("a", "b")]
    blank = TextRegion(path="c.png", level="page", text="", found=0)
    counts = [(row.path, row.label, row.count, row.score) for row in item_counts([page, *words, blank])]
    assert counts == [("a.png", "text", 2, 0.9), ("b.png", "text", 2, 0.5), ("c.png", None, 0, None)]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of plain pictures, one of them broken, and a film that turns from red to blue."""
    monkeypatch.chdir(tmp_path)
    colours = {"a/red": (250, 0, 0), "a/gray": (90, 90, 90), "b/blue": (0, 0, 250), "b/green": (0, 250, 0)}
    for name, colour in colours.items():
        Path(name).parent.mkdir(exist_ok=True)
        save(Path(f"{name}.png"), solid(colour))
    Path("b/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write(tmp_path, mean_colour(), "colours.onnx")
    return tmp_path


def test_a_run_that_counts_is_the_long_table_counted(photos: Path):
    asked = ["classify", "a", "b", "-m", "colours.onnx", "--min-score", "0.35", "--top", "0", "--quiet"]
    for per in ("item", "source"):
        done = CliRunner().invoke(main, [*asked, "--per", per, "-o", f"{per}.csv"])
        assert done.exit_code == 1, done.output
    assert CliRunner().invoke(main, [*asked, "-o", "long.csv"]).exit_code == 1
    long = pd.read_csv("long.csv")
    with Path("item.csv").open(newline="") as file:
        items = list(csv.DictReader(file))
    assert [(row["path"], row["label"], row["count"]) for row in items] == [
        ("a/gray.png", "", "0"), ("a/red.png", "red", "1"), ("b/blue.png", "blue", "1"), ("b/broken.png", "", ""),
        ("b/green.png", "green", "1"),
    ]  # fmt: skip
    assert [float(row["score"]) for row in items if row["score"]] == long["score"].dropna().tolist()
    sources = pd.read_csv("source.csv")
    assert list(sources.columns)[:3] == ["path", "unit", "label"]
    shares = sources.set_index(["path", "label"])["share"]
    assert shares["a", "red"] == shares["b", "blue"] == shares["b", "green"] == 0.5
    assert sources.loc[sources["path"] == "b", "unread"].tolist() == [1, 1]
    assert sources["path"].tolist() == ["a", "b", "b", "b/broken.png"]
    assert sources["error"].dropna().str.startswith("damaged").all()
    manifest = json.loads(Path("item.csv.run.json").read_text())
    assert manifest["settings"]["per"] == "item"


def test_a_run_that_was_stopped_counts_what_it_has(photos: Path):
    """What is kept of a run is what was found; the same command gives the same table."""
    whole = ms.classify(["a", "b"], model="colours.onnx", per="source")
    whole.write("whole.csv")
    table = ms.classify(["a", "b"], model="colours.onnx", per="source")
    Path("part.csv.journal.jsonl").touch()
    table.write("part.csv")
    assert Path("part.csv").read_bytes() == Path("whole.csv").read_bytes()
    again = ms.classify(["a", "b"], model="colours.onnx", per="source")
    again.write("whole.csv")
    assert again.left_alone


def test_seconds_of_a_film(photos: Path):
    frames = [solid((250, 0, 0), 64)] * 20 + [solid((0, 0, 250), 64)] * 30
    film = make_video(photos / "film.mp4", frames, range(0, 5000, 100))
    long = pd.DataFrame([values(row) for row in ms.classify(film, model="colours.onnx", every="1s", min_score=0.35)])
    rows: list = list(ms.classify(film, model="colours.onnx", every="1s", min_score=0.35, per="source"))
    counts = {row.label: row for row in rows}
    assert long["label"].tolist() == ["red", "red", "blue", "blue", "blue"]
    assert {name: (row.items, row.present, row.share) for name, row in counts.items()} == {
        "blue": (5, 3, 0.6), "red": (5, 2, 0.4),
    }  # fmt: skip
    assert counts["red"].seconds == pytest.approx(2.0)
    assert counts["blue"].seconds == pytest.approx(3.0)
    assert (counts["blue"].first_s, counts["blue"].last_s) == pytest.approx((2.0, 4.0))


def test_objects_are_counted_under_the_models_own_label(tmp_path: Path):
    rows = [[32, 32, 32, 16, 0.9, 0.1], [10, 32, 8, 8, 0.6, 0.2], [48, 32, 16, 8, 0.3, 0.7]]
    path = write(tmp_path, constants({"y": np.array(rows, np.float32).T[None]}, size=(64, 64)))
    describe_model(path, described("yolov8", ("cat", "dog", "cow")[:2]))
    cat: Any
    (cat,) = ms.detect(solid((9, 9, 9), 64), model=path, labels=["CAT"], per="item")
    assert (cat.label, cat.count, cat.score, cat.found) == ("cat", 2, 0.9, 2)
    counted: list = list(ms.detect(solid((9, 9, 9), 64), model=path, per="item"))
    assert [(row.label, row.count) for row in counted] == [("cat", 2), ("dog", 1)]


def test_presence_is_evaluated_against_labels_by_hand(photos: Path):
    """Of counts and of boxes, a label that is there is predicted, however low its score."""
    Path("hand.csv").write_text("path,label\n1.jpg,dog|person\n2.jpg,\n3.jpg,dog\n4.jpg,person\n")
    Path("counts.csv").write_text(
        "path,label,count,score\n1.jpg,dog,2,0.31\n1.jpg,person,0,\n2.jpg,dog,0,\n2.jpg,person,1,0.4\n3.jpg,dog,1,0.9\n"
        "3.jpg,person,0,\n4.jpg,dog,0,\n4.jpg,person,0,\n"
    )
    Path("boxes.csv").write_text(
        "path,label,score,left_px,found\n1.jpg,dog,0.31,1,2\n1.jpg,dog,0.3,9,2\n2.jpg,person,0.4,1,1\n3.jpg,dog,0.9,1,1\n"
        "4.jpg,,,,0\n"
    )
    for name in ("counts.csv", "boxes.csv"):
        evaluation = ms.evaluate_labels(name, "hand.csv")
        measures = {(one.measure, one.label): one.value for one in evaluation.measures}
        assert measures["pictures", ""] == 4
        assert measures["exact_match", ""] == 0.25
        assert (measures["precision", "dog"], measures["recall", "dog"]) == (1, 1)
        assert (measures["precision", "person"], measures["recall", "person"]) == (0, 0)
        assert measures["support", "person"] == 2
