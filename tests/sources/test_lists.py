"""The one reader of CSV, and what the three that read with it make of the same file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.errors import InputError
from mediasift.sources.labelled import read_labelled
from mediasift.sources.lists import Records, listed_paths, read_records
from mediasift.tables.reading import read_table

ROWS = [("a.png", "tench, Tinca tinca"), ("b;.png", 'a "dog"\nand\u2028a\x0bcat'), ("ü.png", "")]


def written(delimiter: str, end: str, encoding: str, *, quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([("path", "label"), *ROWS])
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_dialect_is_read_alike_by_all(tmp_path: Path, delimiter: str, end: str, encoding: str, quoting: int):
    file = tmp_path / "list.csv"
    file.write_bytes(written(delimiter, end, encoding, quoting=quoting))
    assert [tuple(record.values()) for record in read_records(file)] == ROWS
    assert [(path, kept) for path, kept, _ in listed_paths(file, None, ["label"])] == [
        (path, (("label", label),)) for path, label in ROWS
    ]
    assert [(row["path"], row["label"] or "") for row in read_table(file)] == ROWS
    assert [file.name for file in read_labelled(file).files] == [path for path, _ in ROWS]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('"size; in px, or cm";path\n', ["size; in px, or cm", "path"]),
        ('"a,b,c"\tpath\n', ["a,b,c", "path"]),
        ('path;"two\nlines, and, commas"\n', ["path", "two\nlines, and, commas"]),
        ('5" wide,path\n', ['5" wide', "path"]),
        ("path\n", ["path"]),
    ],
)
def test_the_delimiter_is_what_stands_between_the_names(tmp_path: Path, header: str, names: list[str]):
    (tmp_path / "a.csv").write_text(header + "x\n")
    records = read_records(tmp_path / "a.csv")
    assert records.names == names
    assert len(list(records)) == 1


def test_a_line_with_too_many_cells_is_refused_and_one_with_too_few_is_not(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("path,label\na.png\n\nb.png,x,,\nc.png,tench, Tinca tinca\n")
    records = iter(read_records(file))
    assert next(records) == {"path": "a.png", "label": ""}
    assert next(records) == {"path": "b.png", "label": "x"}
    for read in (lambda: next(records), lambda: read_table(file), lambda: read_labelled(file)):
        with pytest.raises(InputError, match=r"line 5 has 3 cells, but there are 2 columns; .*double quotes"):
            read()


def test_a_book_in_one_cell(tmp_path: Path):
    (tmp_path / "a.csv").write_text("path,text\na.png," + "word " * 200_000 + "\n")
    assert len(read_table(tmp_path / "a.csv")[0]["text"]) == 1_000_000
    assert [len(kept[0][1]) for *_, kept, _ in listed_paths(tmp_path / "a.csv", None, ["text"])] == [1_000_000]


cells = st.text('a1 ,;\t"\r\n\x0b\u2028é\ufeff', max_size=8)


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_what_python_writes_is_read_back(rows: list[tuple[str, str]]):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    text.seek(0)
    assert [tuple(record.values()) for record in Records(text, "text")] == rows
