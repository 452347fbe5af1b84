from __future__ import annotations

import gc
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.errors import InputError, MissingPackage, OutputError, UsageError
from mediasift.system.progress import Progress, Transfer
from tests.pictures import save, scene, solid
from tests.tiny_models import mean_colour, write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        save(folder / f"{number}.png", scene(seed=number))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "notes.txt").write_text("hello")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path, mean_colour())


def test_the_manifest_says_what_produced_the_table(photos: Path, model: Path, tmp_path: Path):
    table = ms.classify(photos, model=model, top=2)
    table.write(tmp_path / "out.csv")
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert manifest["settings"]["task"] == "classify"
    assert manifest["settings"]["top"] == 2
    assert manifest["settings"]["inputs"] == [str(photos)]
    assert manifest["model"]["provider"] == "CPUExecutionProvider"
    assert len(manifest["model"]["model_sha256"]) == 64
    counts = manifest["counts"]
    assert (counts["sources"], counts["rows"], counts["error_rows"]) == (6, 11, 1)
    assert counts["skipped"] == {"other": 1}
    assert sum(counts["errors"].values()) == 1
    assert {"read", "prepare", "infer", "longest_item", "total"} == set(manifest["seconds"])
    assert "numpy" in manifest["versions"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.csv.run.json", "photos", "tiny.onnx"]


def test_the_same_bytes_whatever_the_batch_and_the_jobs(photos: Path, model: Path, tmp_path: Path):
    tables = set()
    for batch_size, jobs in ((1, 0), (2, 1), (8, 3)):
        out = tmp_path / f"{batch_size}.csv"
        ms.classify(photos, model=model, batch_size=batch_size, jobs=jobs).write(out)
        tables.add(out.read_bytes())
    ms.classify(photos, model=model, isolate=True).write(tmp_path / "isolated.csv")
    tables.add((tmp_path / "isolated.csv").read_bytes())
    assert len(tables) == 1


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_every_format_by_its_suffix(photos: Path, model: Path, tmp_path: Path, name: str, package):
    if name.endswith("parquet"):
        package("pyarrow", "parquet")
    ms.classify(photos, model=model).write(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 100


def test_outputs_that_cannot_be(photos: Path, model: Path, tmp_path: Path):
    with pytest.raises(OutputError, match="does not exist"):
        ms.classify(photos, model=model).write(tmp_path / "no" / "out.csv")
    with pytest.raises(UsageError, match="no table format"):
        ms.classify(photos, model=model).write(tmp_path / "out.xlsx")
    (tmp_path / "dir.csv").mkdir()
    with pytest.raises(OutputError):
        ms.classify(photos, model=model).write(tmp_path / "dir.csv")


def test_nothing_to_read(tmp_path: Path, model: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"nothing to read in .*empty \(1 file there is no media\)"):
        list(ms.classify(tmp_path / "empty", model=model))


def test_lists_carry_columns_along(photos: Path, model: Path, tmp_path: Path):
    (tmp_path / "posts.csv").write_text("id,image,label\nx1,photos/1.png,mine\nx2,photos/gone.png,theirs\n")
    rows = ms.classify(tmp_path / "posts.csv", model=model, column="image", keep=["id", "label"])
    rows.write(tmp_path / "out.csv")
    header, first, second = (tmp_path / "out.csv").read_text().splitlines()
    assert header.endswith("label,label_id,score,id,input_label,found,error")
    assert first.startswith("photos/1.png,")
    assert ",x1,mine," in first
    assert ",x2,theirs,,not-found: " in second


def test_arrays_must_be_pictures(model: Path):
    for bad in (solid((1, 2, 3)).astype("float32"), solid((1, 2, 3))[:, :, :2], solid((1, 2, 3))[:0]):
        with pytest.raises(UsageError, match=r"array\[0\]: pictures are uint8"):
            list(ms.classify(bad, model=model))


def test_progress_in_plain_lines(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr("mediasift.system.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream, 100)
    for _ in range(20):
        now[0] += 1
        progress.advance(errors=1)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "100 files",
        "10 of 100 files, 1 per second, 1:30 left, 10 errors",
        "20 of 100 files, 1 per second, 1:20 left, 20 errors",
    ]


def test_progress_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(stream, 3)
    for _ in range(3):
        progress.advance(errors=0)
    progress.close()
    assert "file" in stream.getvalue()


def test_a_transfer_on_a_terminal_and_elsewhere(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    now = [100.0]
    monkeypatch.setattr("mediasift.system.progress.time.monotonic", lambda: now[0])
    terminal, plain = Terminal(), io.StringIO()
    for stream in (terminal, plain, None):
        transfer = Transfer(stream, "net")
        for here in range(0, 4_000_001, 1_000_000):
            now[0] += 6
            transfer(here, 4_000_000)
        transfer.close()
    assert "net" in terminal.getvalue()
    assert plain.getvalue().splitlines() == ["net: 1.0 of 4.0 MB", "net: 3.0 of 4.0 MB"]


def test_rows_come_once(photos: Path, model: Path, tmp_path: Path):
    table = ms.classify(photos, model=model)
    assert len(list(table)) == 6
    for again in (lambda: list(table), lambda: iter(table), table.to_dicts, lambda: table.write(tmp_path / "out.csv"),
                  lambda: table.print_to(io.BytesIO(), format="csv")):  # fmt: skip
        with pytest.raises(UsageError, match=r"read already.*rows = list\(table\)"):
            again()
    assert (table.summary.sources, table.summary.rows) == (6, 6)
    assert not (tmp_path / "out.csv").exists()
    begun = ms.classify(photos, model=model)
    next(iter(begun))
    with pytest.raises(UsageError, match="read already"):
        begun.write(tmp_path / "out.csv")
    written = ms.classify(photos, model=model)
    written.write(tmp_path / "out.csv")
    for again in (written.to_dicts, lambda: written.write(tmp_path / "other.csv")):
        with pytest.raises(UsageError, match="read already"):
            again()
    assert not (tmp_path / "other.csv").exists()


def test_what_is_refused_before_the_first_row_leaves_the_table_unread(photos: Path, model: Path, tmp_path: Path):
    table = ms.classify(photos, model=model)
    for wrong in (lambda: table.write(tmp_path / "out.xlsx"), lambda: table.write(tmp_path / "out.srt"),
                  lambda: table.print_to(io.BytesIO(), format="txt")):  # fmt: skip
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(OutputError):
        table.write(tmp_path / "no" / "out.csv")
    assert len(list(table)) == 6


def test_rows_as_dictionaries(photos: Path, model: Path, tmp_path: Path):
    (tmp_path / "posts.csv").write_text("path,id,rank\nphotos/1.png,x1,9\nphotos/gone.png,x2,8\n")
    first, second = ms.classify(tmp_path / "posts.csv", model=model, keep=["id", "rank"]).to_dicts()
    assert list(first) == list(second)
    assert list(first)[:4] == ["path", "page", "frame", "time_s"]
    assert (first["path"], first["rank"], first["id"], first["input_rank"], first["error"]) == (
        "photos/1.png", 1, "x1", "9", ""
    )  # fmt: skip
    assert isinstance(first["score"], float)
    assert (second["score"], second["id"], second["error"][:9]) == (None, "x2", "not-found")


def test_rows_as_a_data_frame(photos: Path, model: Path, package):
    package("pandas", "dev")
    frame = ms.classify(photos, model=model, top=2).to_pandas()
    assert list(frame.columns[:6]) == ["path", "page", "frame", "time_s", "crop", "rank"]
    assert frame["rank"].dtype == frame["page"].dtype == "Int64"
    assert frame["score"].dtype == frame["time_s"].dtype == "float64"
    assert frame["label"].dtype == frame["error"].dtype == "string"
    assert frame["rank"].isna().sum() == frame["score"].isna().sum() == frame["label"].isna().sum() == 1
    assert frame["rank"].max() == 2
    assert (frame["error"] != "").sum() == 1
    vectors = ms.embed(photos, model="fashion-mlp").to_pandas()["embedding"]
    assert vectors.iloc[0].dtype == np.float32
    assert vectors.isna().sum() == 1
    empty = ms.compare([photos / "1.png"]).to_pandas()
    assert (len(empty), empty["similarity"].dtype) == (0, "float64")


def test_without_pandas_it_says_what_to_type_before_anything_is_computed(
    photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mediasift.system.optional.is_installed", lambda name: name != "pandas")
    table = ms.classify(photos, model=model)
    with pytest.raises(MissingPackage, match=r"pip install pandas$"):
        table.to_pandas()
    assert len(list(table)) == 6


def test_a_notebook_shows_what_was_read_and_computes_nothing(photos: Path, model: Path, tmp_path: Path):
    save(photos / "0&.png", scene(seed=1))
    table = ms.classify(photos, model=model, top=2)
    assert "not computed yet" in table._repr_html_()
    assert "table.to_pandas()" in table._repr_html_()
    rows = iter(table)
    next(rows)
    assert table._repr_html_().count("<tr>") == 2
    list(rows)
    shown = table._repr_html_()
    assert shown.count("<tr>") == 1 + 10
    assert "0&amp;.png" in shown
    assert "<th>label</th>" in shown
    assert "<th>page</th>" not in shown
    assert "13 rows from 7 inputs" in shown
    ms.classify(photos, model=model, top=2).write(tmp_path / "out.csv")
    again = ms.classify(photos, model=model, top=2)
    again.write(tmp_path / "out.csv")
    assert again._repr_html_() == "<p>13 rows from 7 inputs</p>"


@pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX systems")
@pytest.mark.parametrize("make", [ms.classify, ms.compare])
def test_a_table_lets_its_worker_go(photos: Path, model: Path, tmp_path: Path, make):
    def started():
        table = make(photos, isolate=True) if make is ms.compare else make(photos, model=model, isolate=True)
        return table, getattr(table._rows, "stream", table._rows)._runner._worker.pid

    def gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    table, pid = started()
    assert not gone(pid)
    del table
    gc.collect()
    assert gone(pid)
    with started()[0] as table:
        pass
    table, pid = started()
    with table:
        next(iter(table))
    assert gone(pid)
    table, pid = started()
    table.write(tmp_path / "out.csv")
    assert gone(pid)


def test_a_usage_or_input_error_leaves_nothing_behind(photos: Path, model: Path, tmp_path: Path):
    (tmp_path / "a.csv").write_text("path\nphotos/1.png\n")
    (tmp_path / "b.csv").write_text("x,y\nphotos/2.png,1\n")
    out, empty = tmp_path / "out.csv", tmp_path / "empty"
    empty.mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match="--column"):
        ms.classify([tmp_path / "a.csv", tmp_path / "b.csv"], model=model).write(out)
    with pytest.raises(InputError, match="nothing to read"):
        ms.classify(empty, model=model).write(out)
    with pytest.raises(InputError, match="nothing to read"):
        ms.compare(empty).write(out)
    assert sorted(tmp_path.iterdir()) == before
    ms.classify(tmp_path / "a.csv", model=model).write(out)
    assert out.read_text().count("\n") == 2
