from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import mediasift as ms
from mediasift.errors import InputError, OutputError, UsageError
from mediasift.run.progress import Progress
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
    with pytest.raises(InputError, match=r"nothing to read in .*empty \(1 files there are no media\)"):
        list(ms.classify(tmp_path / "empty", model=model))


def test_lists_carry_columns_along(photos: Path, model: Path, tmp_path: Path):
    (tmp_path / "posts.csv").write_text("id,image,label\nx1,photos/1.png,mine\nx2,photos/gone.png,theirs\n")
    rows = ms.classify(tmp_path / "posts.csv", model=model, column="image", keep=["id", "label"])
    rows.write(tmp_path / "out.csv")
    header, first, second = (tmp_path / "out.csv").read_text().splitlines()
    assert header.endswith("label,label_id,score,id,input_label,error")
    assert first.startswith("photos/1.png,")
    assert ",x1,mine," in first
    assert ",x2,theirs,not-found: " in second


def test_arrays_must_be_pictures(model: Path):
    for bad in (solid((1, 2, 3)).astype("float32"), solid((1, 2, 3))[:, :, :2], solid((1, 2, 3))[:0]):
        with pytest.raises(UsageError, match=r"array\[0\]: pictures are uint8"):
            list(ms.classify(bad, model=model))


def test_progress_in_plain_lines(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr("mediasift.run.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream, 100)
    for _ in range(20):
        now[0] += 1
        progress.advance(errors=1)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "10 of 100 files, 1.0 per second, 1:30 left, 10 errors",
        "20 of 100 files, 1.0 per second, 1:20 left, 20 errors",
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
