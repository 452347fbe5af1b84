"""The one reader of CSV and JSON Lines, and what all that read with it make of the same file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.errors import InputError, UsageError
from mediasift.sources.labelled import read_labelled
from mediasift.sources.lists import listed_paths
from mediasift.sources.records import Records, read_records
from mediasift.tables.formats import read_table

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
        ('"a,b";"c,d";path\n', ["a,b", "c,d", "path"]),
        ('"caption, alt, more, text";path\n', ["caption, alt, more, text", "path"]),
    ],
)
def test_the_delimiter_is_what_stands_between_the_names(tmp_path: Path, header: str, names: list[str]):
    (tmp_path / "a.csv").write_text(header + "x\n")
    records = read_records(tmp_path / "a.csv")
    assert records.names == names
    assert len(list(records)) == 1


def test_the_delimiter_is_the_one_that_the_next_lines_have_too(tmp_path: Path):
    (tmp_path / "a.csv").write_text("path,a;b;c;d\nx.png,1\ny.png,2\n")
    assert read_records(tmp_path / "a.csv").names == ["path", "a;b;c;d"]
    (tmp_path / "b.csv").write_text("path;in cm, or inch, or px\nx.png;1,5\ny.png;2\n")
    assert read_records(tmp_path / "b.csv").names == ["path", "in cm, or inch, or px"]


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


SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\xa0\u3000\u200b"
"""Characters at which `str.splitlines` cuts, or which `str.strip` takes away."""

cells = st.text(f'a1 ,;\t"\r\n{SEPARATORS}é\ufeff\0', max_size=8)
long_cells = st.tuples(cells, st.sampled_from([131_073] * 15 + [10_000_000])).map(lambda one: one[0] + "w" * one[1])


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_what_python_writes_is_read_back(rows: list[tuple[str, str]]):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    text.seek(0)
    assert [tuple(record.values()) for record in Records(text, "text")] == rows


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6),
    long=st.none() | long_cells,
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    extra=st.sampled_from(["", 'a,5" wide;x\n']),
)
def test_every_cell_is_what_pythons_csv_reads_from_the_open_file(
    tmp_path_factory: pytest.TempPathFactory, rows, long, delimiter: str, end: str, quoting, encoding: str, extra: str
):
    """Written by Python's csv, read by it from the open file, and by us: cell by cell the same."""
    file = tmp_path_factory.mktemp("lists") / "list.csv"
    with file.open("w", newline="", encoding=encoding) as text:
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows([("path", "te,x;t\tof", "id"), *rows, *([] if long is None else [(long, "", "1")])])
        text.write(extra.replace("\n", end) if delimiter != "," else "")
    csv.field_size_limit(2**31 - 1)
    with file.open(newline="", encoding=encoding) as text:
        header, *expected = csv.reader(text, delimiter=delimiter)
    records = read_records(file, None if encoding.startswith("utf-8") else encoding)
    assert records.names == header
    padded = [cells + [""] * (3 - len(cells)) for cells in expected if cells]
    assert [list(record.values()) for record in records] == padded


def test_excels_first_line_names_the_delimiter(tmp_path: Path):
    for first in ("sep=|\n", '"sep=|"\r\n', "SEP=|\r"):
        (tmp_path / "a.csv").write_text(f"{first}path|a,b;c\nx.png|\n|\n", newline="")
        assert [path for path, *_ in listed_paths(tmp_path / "a.csv", None, ["a,b;c"])] == ["x.png", ""]
        assert [line for *_, line in listed_paths(tmp_path / "a.csv", None, [])] == [3, 4]


def test_a_tsv_has_tabs_and_nothing_else(tmp_path: Path):
    (tmp_path / "a.tsv").write_text("a,b,c\tpath\n1,2\tx.png\n")
    assert list(read_records(tmp_path / "a.tsv")) == [{"a,b,c": "1,2", "path": "x.png"}]
    assert read_table(tmp_path / "a.tsv") == [{"a,b,c": "1,2", "path": "x.png"}]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('path,x\na,1\nb,"open\nc,2\nd,3\n', 3),
        ('path,x\na,1\nb,"two\nlines","open\nc,2', 4),
        ('path,x\r\na,"1\r\n', 2),
        ('path,x\ra,1\rb,"', 3),
        ('sep=,\npath,x\na,"open\n', 3),
        ('path,"x\na,1\nb,2\n', 1),
    ],
)
def test_a_quote_that_nothing_closes_is_named_by_its_line(tmp_path: Path, text: str, line: int):
    (tmp_path / "a.csv").write_text(text, newline="")
    with pytest.raises(InputError, match=f"opens a cell in line {line} is never closed"):
        list(read_records(tmp_path / "a.csv"))


def test_the_line_of_a_record_is_the_one_in_which_it_begins(tmp_path: Path):
    (tmp_path / "a.csv").write_text('path,text\na.png,"two\nlines"\n,"three\n\nlines"\nb.png,1,2\n')
    listed = listed_paths(tmp_path / "a.csv", None, [])
    assert [next(listed)[2], next(listed)[2]] == [2, 4]
    with pytest.raises(InputError, match="line 7 has 3 cells"):
        next(listed)


def test_a_quote_that_is_closed_too_late_is_named_by_its_lines(tmp_path: Path):
    (tmp_path / "a.csv").write_text('path,text\na.png,"open\nb.png,2\nc.png,"x","y"\n')
    with pytest.raises(InputError, match=r"line 2 has 3 cells \(it goes on to line 4: is a quote closed too late\?\)"):
        list(read_records(tmp_path / "a.csv"))


def test_two_columns_of_one_name_are_refused_also_where_they_are_composed_otherwise(tmp_path: Path):
    (tmp_path / "a.csv").write_text("image,b,image\n1,2,3\n")
    (tmp_path / "b.csv").write_text("e\u0301,\u00e9\n1,2\n")
    (tmp_path / "c.csv").write_text("image,,\n1,,\n")  # as spreadsheets write: nobody can ask for these two
    for name in "ab":
        with pytest.raises(InputError, match="two columns have the name"):
            read_table(tmp_path / f"{name}.csv")
    assert [path for path, *_ in listed_paths(tmp_path / "c.csv", "image", [])] == ["1"]


def test_columns_are_found_however_they_are_composed(tmp_path: Path):
    (tmp_path / "a.csv").write_text("cafe\u0301,id\nx.png,1\n")
    assert [path for path, *_ in listed_paths(tmp_path / "a.csv", "caf\u00e9", [])] == ["x.png"]
    assert [kept for _, kept, _ in listed_paths(tmp_path / "a.csv", "id", ["caf\u00e9"])] == [(("caf\u00e9", "x.png"),)]


def test_a_blank_behind_the_name_of_a_column_is_forgiven(tmp_path: Path):
    (tmp_path / "a.csv").write_text("image , id\nx.png,1\n")
    assert list(listed_paths(tmp_path / "a.csv", "image", ["id"])) == [("x.png", (("id", "1"),), 2)]
    with pytest.raises(UsageError, match="no column 'img'; it has 'image ', ' id'"):
        next(listed_paths(tmp_path / "a.csv", "img", []))


def test_another_encoding_is_refused_with_what_to_type_and_read_when_it_is_typed(tmp_path: Path):
    for encoding in ("utf-16", "utf-16-le", "cp1252"):
        (tmp_path / "a.csv").write_bytes("path,label\ngröße.png,ä\n".encode(encoding))
        likely = "cp1252" if encoding == "cp1252" else "utf-16"
        with pytest.raises(InputError, match=f"not UTF-8 text.*--encoding {likely}"):
            read_table(tmp_path / "a.csv")
        assert read_table(tmp_path / "a.csv", encoding) == [{"path": "größe.png", "label": "ä"}]
    with pytest.raises(UsageError, match="encoding 'utf-61': unknown"):
        read_table(tmp_path / "a.csv", "utf-61")
    (tmp_path / "b.csv").write_bytes(b"path,label\na.png,x\nb.png,\xff\n")
    with pytest.raises(InputError, match="line 3, byte 25"):
        next(listed_paths(tmp_path / "b.csv", None, []))  # not after the first rows are computed


def test_objects_in_json_lines_have_dotted_columns(tmp_path: Path):
    lines = [
        '{"id": 1, "data": {"image": {"url": "a.png"}, "list": [{"u": "x"}, {"u": "y"}]}, "a.b": "dotted"}',
        "",
        '{"id": 2, "data": {"image": {"url": "b\u2028.png"}, "cafe\u0301": true}, "a": {"b": "inner"}}',
        '{"id": 3, "data": null}',
    ]
    file = tmp_path / "posts.ndjson"
    file.write_text("\r\n".join(lines) + "\n", encoding="utf-8-sig", newline="")
    keep = ["id", "data.list.1.u", "data.caf\u00e9", "a.b", "data.image"]
    listed = list(listed_paths(file, "data.image.url", keep))
    assert [(path, line) for path, _, line in listed] == [("a.png", 1), ("b\u2028.png", 3), ("", 4)]
    assert [[cell for _, cell in kept] for _, kept, _ in listed] == [
        ["1", "y", "", "dotted", '{"url": "a.png"}'], ["2", "", "true", "inner", '{"url": "b\u2028.png"}'],
        ["3", "", "", "", ""],
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"no column 'url'; it has id, data.image.url, data.list, a.b"):
        next(listed_paths(file, "url", []))
    with pytest.raises(UsageError, match=r"--column with one of id, data.image.url"):
        next(listed_paths(file, None, []))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "a"}\n{', "line 2 is not JSON"),
        ('{"path": "a", "path": "b"}', "two values have one name"),
        ("\n[1]\n", "line 2 is no JSON object"),
        ("[" * 99_999, "not JSON"),
    ],
)
def test_what_is_no_json_lines_says_where(tmp_path: Path, text: str, message: str):
    (tmp_path / "a.jsonl").write_text(text)
    for read in (lambda: list(listed_paths(tmp_path / "a.jsonl", None, [])), lambda: read_table(tmp_path / "a.jsonl")):
        with pytest.raises(InputError, match=message):
            read()


def test_a_spreadsheet_says_how_to_save_it(tmp_path: Path):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    for read in (lambda: read_table(tmp_path / "a.xlsx"), lambda: read_labelled(tmp_path / "a.xlsx")):
        with pytest.raises(InputError, match=r"save it as CSV"):
            read()
