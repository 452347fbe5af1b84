from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import mediasift as ms
from mediasift.errors import OutputError, UsageError
from mediasift.rows import Finding, Row, from_json, to_json, values
from mediasift.system.files import write_atomically
from mediasift.tables.formats import FORMATS, format_of, formats_for, read_table
from mediasift.tables.stored import Stored
from mediasift.tables.writers import Form
from tests.pictures import save, scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Row):
    """A row with a column of every type."""

    label: str | None = None
    count: int | None = None
    score: float | None = None
    good: bool | None = None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Something(Finding):
    """A row of what may find nothing."""

    label: str | None = None


ROWS = [
    Sample(path="a.jpg", label="dog, big", count=1, score=0.25, good=True, vector=np.array([1, 0.5], np.float32)),
    Sample(path='b "x"\n.jpg', page=2, frame=0, time_s=1.5, label="=1+1", good=False, kept=(("post", "p1"),)),
    Sample(path="c.jpg", error="damaged: x"),
]
NAMES = ["path", "page", "frame", "time_s", "label", "count", "score", "good", "vector", "post", "error"]


def written(name: str, rows=ROWS, **options) -> bytes:
    out = io.BytesIO()
    FORMATS[name].write(iter(rows), Form(row_type=Sample, kept=("post",), **options), out)
    return out.getvalue()


def test_how_much_was_found_stands_last_before_the_error():
    row = Something(path="a.jpg", label="dog", found=0, kept=(("post", "p1"), ("found", "2")))
    names = ["path", "page", "frame", "time_s", "label", "post", "input_found", "found", "error"]
    assert Form(row_type=Something, kept=("post", "found")).names == names
    assert list(values(row).items()) == list(
        zip(names, ("a.jpg", None, None, None, "dog", "p1", "2", 0, ""), strict=True)
    )
    assert from_json(Something, to_json(row), row.path, row.kept) == row


def test_csv():
    header, *rows = csv.reader(io.StringIO(written("csv").decode(), newline=""))
    assert header == NAMES
    assert rows == [
        ["a.jpg", "", "", "", "dog, big", "1", "0.25", "true", "1 0.5", "", ""],
        ['b "x"\n.jpg', "2", "0", "1.5", "=1+1", "", "", "false", "", "p1", ""],
        ["c.jpg", "", "", "", "", "", "", "", "", "", "damaged: x"],
    ]


def test_jsonl():
    rows = [json.loads(line) for line in written("jsonl").splitlines()]
    assert list(rows[0]) == NAMES
    assert rows[0]["vector"] == [1, 0.5]
    assert rows[1]["label"] == "=1+1"
    assert rows[2] == {**dict.fromkeys(NAMES), "path": "c.jpg", "error": "damaged: x"}


def test_parquet(package):
    package("pyarrow", "parquet")
    import pyarrow.parquet as parquet

    table = parquet.read_table(io.BytesIO(written("parquet")))
    assert table.column_names == NAMES
    assert table.schema.field("score").type == "double"
    assert table.to_pylist()[0]["vector"] == [1, 0.5]
    assert table.to_pylist()[2]["label"] is None


@pytest.mark.parametrize("name", [name for name in formats_for(Sample) if FORMATS[name].suffix])
def test_a_table_without_rows_still_has_its_columns(name: str, package):
    if name == "parquet":
        package("pyarrow", "parquet")
    data = written(name, rows=[])
    assert name == "jsonl" or data


def test_aligned_leaves_out_empty_columns_and_obeys_nobody():
    lines = written("aligned", [Sample(path="a\x1b[31m.jpg", label="dog", score=0.5)]).decode().splitlines()
    assert lines[0].split() == ["path", "label", "score"]
    assert lines[1].split() == ["a\\x1b[31m.jpg", "dog", "0.5000"]


def test_spreadsheet_safe_is_asked_for():
    assert b"'=1+1" not in written("csv")
    assert b"'=1+1" in written("csv", spreadsheet_safe=True)


def test_spreadsheet_safe_covers_names_of_columns_and_is_read_back():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Plain(Row):
        pass

    form = Form(row_type=Plain, kept=("=cmd|x", "ok"), spreadsheet_safe=True)
    for name in ("csv", "jsonl", "npz"):
        out = io.BytesIO()
        FORMATS[name].write([Plain(path="@a", kept=(("=cmd|x", "'=1"), ("ok", "'2")))], form, out)
        out.seek(0)
        (record,) = FORMATS[name].read(out)
        assert list(record) == ["path", "page", "frame", "time_s", "'=cmd|x", "ok", "error"]
        assert (record["path"], record["'=cmd|x"], record["ok"]) == ("'@a", "''=1", "'2")
        assert [form.read(record[column]) for column in ("path", "'=cmd|x", "ok")] == ["@a", "'=1", "'2"]


def test_a_table_safe_for_spreadsheets_can_be_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "-x.png", scene())
    save(tmp_path / "y.png", scene())

    def write(lines: list[str], name: str, **options: bool) -> str:
        Path("posts.csv").write_text("\n".join(["path,=n", *lines]))
        ms.info("posts.csv", keep=["=n"]).write(name, spreadsheet_safe=True, **options)
        return Path(name).read_text()

    write(["-x.png,@1"], "t.csv")
    both = ["-x.png,@1", "y.png,'=2"]
    assert write(both, "t.csv", update=True) == write(both, "fresh.csv")


def test_no_table_has_two_columns_of_one_name():
    with pytest.raises(UsageError, match="two columns 'input_label'"):
        Form(row_type=Sample, kept=("label", "input_label"))


def test_halves_of_characters_and_nul_are_text_in_every_format(package):
    package("pyarrow", "parquet")
    for name, one in FORMATS.items():
        if one.read is not None:
            rows = [Sample(path="a", label=label) for label in ("x\ud800\udcffy", "\0x\0")]
            out = io.BytesIO(written(name, rows))
            assert [row["label"] for row in one.read(out)] == ["x\\ud800\\xffy", "\\x00x\\x00"]


def test_columns_of_text_in_npz_cost_what_the_text_costs():
    rows = [Sample(path=f"{number}.png", label="w" * (100_000 if number == 7 else 3)) for number in range(300)]
    tracemalloc.start()
    data = written("npz", rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) < 1_000_000  # padded they are 120 MB
    assert peak < 20_000_000
    labels = [row["label"] for row in FORMATS["npz"].read(io.BytesIO(data))]
    assert labels == [row.label for row in rows]
    small = np.load(io.BytesIO(written("npz")))
    assert small["label"].dtype == np.dtype("<U8")
    assert small["label"].tolist() == ["dog, big", "=1+1", ""]


def test_only_a_file_can_be_a_table(tmp_path: Path):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "pipe.csv")
    for name, message in (("folder", "is a folder"), ("pipe", "is a pipe or device"), ("link", "is a pipe or device")):
        with pytest.raises(OutputError, match=message):
            format_of(tmp_path / f"{name}.csv", None)
    assert format_of(tmp_path / "new.csv", None) == "csv"


def test_names_that_are_not_utf8_are_shown():
    assert b"\\xff.jpg" in written("csv", [Sample(path="\udcff.jpg")])
    assert json.loads(written("jsonl", [Sample(path="\udcff.jpg")]))["path"] == "\\xff.jpg"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
"""Halves of characters and NUL are spelled, see above."""


@given(texts, texts, st.none() | st.floats(allow_nan=False), st.none() | st.integers(-(2**60), 2**60))
def test_any_values_come_back_from_csv_and_jsonl(path, label, score, count):
    row = Sample(path=path, label=label, score=score, count=count)
    cells = next(csv.DictReader(io.StringIO(written("csv", [row]).decode(), newline="")))
    assert (cells["path"], cells["label"]) == (path, label)
    assert (float(cells["score"]) if cells["score"] else None) == score
    cells = json.loads(written("jsonl", [row]))
    assert (cells["path"], cells["label"], cells["score"], cells["count"]) == (path, label, score, count)


@given(texts, st.none() | st.floats(allow_nan=False), st.lists(st.floats(width=32, allow_nan=False), max_size=4))
def test_any_row_survives_json(label, score, vector):
    row = Sample(path="x", label=label, score=score, vector=np.array(vector, np.float32), kept=(("a", label),))
    back = from_json(Sample, json.loads(json.dumps(to_json(row))), row.path, row.kept)
    assert (back.label, back.score, back.kept) == (row.label, row.score, row.kept)
    assert back.vector.tolist() == row.vector.tolist()


def test_the_suffix_says_the_format():
    assert format_of(Path("a.CSV"), None) == "csv"
    assert format_of(Path("a.x"), "jsonl") == "jsonl"
    assert format_of(None, None) == "csv"
    for output, chosen in ((Path("a.xlsx"), None), (Path("a"), None), (Path("a.csv"), "aligned")):
        with pytest.raises(UsageError, match=r"\.csv, \.jsonl, \.parquet"):
            format_of(output, chosen)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path):
    out = tmp_path / "out.csv"
    out.write_text("old")

    def fails(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="the disk or your quota is full"):
        write_atomically(out, fails)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]
    write_atomically(out, lambda file: file.write(b"new"))
    assert out.read_text() == "new"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has a full disk at hand")
def test_a_full_disk_is_an_error_of_the_writer():
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="space"):
        FORMATS["csv"].write(iter(ROWS), Form(row_type=Sample), full)


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(OutputError, match="does not exist"):
        write_atomically(tmp_path / "no" / "out.csv", lambda file: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken(Row):
    """A row of a recording."""

    start_s: float | None = None
    end_s: float | None = None
    speaker: str | None = None
    text: str | None = None


SPOKEN = [
    Spoken(path="a.wav", start_s=0.0, end_s=1.25, speaker="A & B", text="yes\n\nno <i>"),
    Spoken(path="a.wav", start_s=2.0, end_s=2.0, text="--> x"),
    Spoken(path="a.wav"),
]


def test_formats_are_offered_only_for_rows_that_have_their_columns():
    assert formats_for(Sample) == ("csv", "jsonl", "parquet", "npz", "aligned")
    assert formats_for(Spoken) == tuple(FORMATS)
    with pytest.raises(UsageError, match=r"srt: this table has no column start_s; choose csv, jsonl, parquet, npz$"):
        format_of(Path("a.srt"), None, Sample)
    with pytest.raises(UsageError, match=r"\.npz, \.txt, \.srt, \.vtt, or choose"):
        format_of(Path("a.xyz"), None, Spoken)


def test_subtitles():
    made = {}
    for name in ("txt", "srt", "vtt"):
        out = io.BytesIO()
        FORMATS[name].write(SPOKEN, Form(row_type=Spoken), out)
        made[name] = out.getvalue().decode()
    assert made["txt"] == "yes\n\nno <i>\n--> x\n"
    assert made["srt"] == (
        "1\n00:00:00,000 --> 00:00:01,250\nyes no <i>\n\n2\n00:00:02,000 --> 00:00:02,000\n--> x\n\n"
    )
    assert made["vtt"] == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\n<v A &amp; B>yes no &lt;i&gt;\n"
        "\n00:00:02.000 --> 00:00:02.040\n--&gt; x\n"
    )


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.read])
def test_what_can_be_added_to_is_read_back_and_written_as_it_was(name: str, package):
    if name == "parquet":
        package("pyarrow", "parquet")
    data = written(name)
    cells = [Stored(cells=tuple(record.values())) for record in FORMATS[name].read(io.BytesIO(data))]
    assert len(cells) == len(ROWS)
    assert [row.error for row in cells] == [row.error for row in ROWS]
    if name != "npz":  # whose numbers become floats
        assert written(name, cells) == data


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "npz"])
def test_whole_tables_are_read_by_their_suffix(tmp_path: Path, suffix: str, package):
    if suffix == "parquet":
        package("pyarrow", "parquet")
    rows = [Sample(path="a.jpg", label="one\u2028line", kept=(("post", "p"),)), Sample(path="b.jpg")]
    (tmp_path / f"a.{suffix}").write_bytes(written(suffix, rows))
    first, second = read_table(tmp_path / f"a.{suffix}")
    assert list(first) == NAMES
    assert (first["path"], first["label"], first["post"]) == ("a.jpg", "one\u2028line", "p")
    assert (second["label"], second["score"]) == (None, None)
