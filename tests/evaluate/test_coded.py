"""Coded tables: read against a codebook, whatever program wrote them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.errors import InputError
from mediasift.evaluate.coded import answer_cell, coded_columns, read_coded
from mediasift.evaluate.units import number_text, part_columns, unit_columns, unit_of
from mediasift.sources.codebook import Codebook, Value, Variable
from mediasift.tables.writers import write_lines


def values(*names: str) -> tuple[Value, ...]:
    return tuple(Value(value=name, label=name) for name in names)


BOOK = Codebook(
    name="protest",
    variables=(
        Variable(name="protest", question="?", values=values("yes", "no")),
        Variable(
            name="size", question="?", kind="ordinal", values=values("1", "2", "3"), ask_if=(("protest", ("yes",)),)
        ),
        Variable(name="signs", question="?", kind="several", values=values("flag", "banner", "poster")),
        Variable(name="people", question="?", kind="number"),
        Variable(name="slogan", question="?", kind="text"),
    ),
)
HEADER = "path,page,frame,time_s,coder,protest,size,signs,people,slogan,note\n"


@pytest.fixture
def coded(tmp_path: Path):
    def read(text: str, codebook: Codebook | None = BOOK, name: str = "anna.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_coded(path, codebook)

    return read


def test_answers_of_every_kind(coded):
    table = coded(HEADER + "a.jpg,,,,1,yes,2,poster|flag,12.5,Peace now!,blurred\nb.pdf,2,,,1,no,,(none),,,\n")
    first, second = table.rows
    assert table.columns == ("path", "page", "frame", "time_s")
    assert (first.unit, first.coder, first.note) == (("a.jpg", "", "", ""), "1", "blurred")
    assert first.answers == {
        "protest": "yes", "size": "2", "signs": ("flag", "poster"), "people": 12.5, "slogan": "Peace now!",
    }  # fmt: skip
    assert second.unit == ("b.pdf", "2", "", "")
    assert second.answers == {"protest": "no", "signs": ()}


def test_an_empty_cell_is_not_coded_and_no_label_is_an_answer(coded):
    empty, nothing = coded(HEADER + "a.jpg,,,,1,,,,,,\nb.jpg,,,,1,,,(none),,,\n").rows
    assert empty.answers == {}
    assert nothing.answers == {"signs": ()}


def test_cells_as_pandas_and_spreadsheets_write_them(coded):
    (row,) = coded(HEADER + " a.jpg,2.0,,1.50,anna ,yes ,2.0,flag; banner,3.0,,\n").rows
    assert row.unit == (" a.jpg", "2", "", "1.5")
    assert row.coder == "anna"
    assert row.answers == {"protest": "yes", "size": "2", "signs": ("flag", "banner"), "people": 3.0}


def test_json_lines_hold_lists_and_numbers(coded):
    row = {"path": "a.jpg", "page": 1, "protest": "yes", "size": 3, "signs": ["flag"], "people": 4, "slogan": None}
    (read,) = coded(json.dumps(row), name="ben.jsonl").rows
    assert read.coder == "ben"
    assert read.answers == {"protest": "yes", "size": "3", "signs": ("flag",), "people": 4.0}
    assert coded(json.dumps({**row, "signs": []}), name="ben.jsonl").rows[0].answers["signs"] == ()


def test_letters_composed_otherwise_are_the_same_answer(coded):
    book = Codebook(name="n", variables=(Variable(name="v", question="?", values=values("café")),))
    assert coded("path,v\na.jpg,cafe\u0301\n", book).rows[0].answers == {"v": "café"}


def test_without_a_codebook_every_other_column_is_a_variable(coded):
    table = coded("path,page,coder,label,note\na.jpg,,x,dog|cat,n\na.jpg,,y,,\n", None)
    assert [one.name for one in table.variables] == ["label"]
    assert [(row.coder, row.answers) for row in table.rows] == [("x", {"label": "dog|cat"}), ("y", {})]
    with pytest.raises(InputError, match="no column holds answers"):
        coded("path,coder\na.jpg,x\n", None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,,,,1,Yes,,,,,", "row 1, variable protest: 'Yes' is not one of yes, no; did you mean yes?"),
        ("a.jpg,,,,1,TRUE,,,,,", "variable protest: 'TRUE' is not one of yes, no"),
        ("a.jpg,,,,1,no,2,,,,", "variable size: is answered, but asked only if protest is yes"),
        ("a.jpg,,,,1,,2,,,,", "variable size: is answered, but asked only if protest is yes"),
        ("a.jpg,,,,1,yes,4,,,,", "variable size: '4' is not one of 1, 2, 3"),
        ("a.jpg,,,,1,yes,,flag|bannner,,,", "variable signs: 'bannner' is not one of flag, banner, poster; did"),
        ("a.jpg,,,,1,yes,,,many,,", "variable people: 'many' is no number"),
        ('a.jpg,,,,1,yes,,,"1,5",,', "variable people: '1,5' is no number; write a point instead of the comma"),
        ("a.jpg,,,,1,yes,,,1_000,,", "'1_000' is no number"),
        ("a.jpg,,,,1,yes,,,inf,,", "is no finite number"),
        ("a.jpg,x,,,1,yes,,,,,", "row 1: column page: 'x' is no number"),
        (",,,,1,yes,,,,,", "row 1: has no path"),
        ("a.jpg,,,,1,yes,,,,,\na.jpg,,,,1,no,,,,,", "row 2: coder 1 has a.jpg twice"),
        ("a.jpg,1,,,1,yes,,,,,\na.jpg,1.0,,,1,no,,,,,", "row 2: coder 1 has a.jpg twice"),
    ],
)
def test_what_the_codebook_does_not_have_is_refused(coded, row: str, message: str):
    with pytest.raises(InputError) as raised:
        coded(HEADER + row + "\n")
    assert message in str(raised.value)


def test_a_column_that_is_missing_is_named(coded):
    with pytest.raises(InputError, match="no column 'size'"):
        coded("path,protest\na.jpg,yes\n")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "protest": st.sampled_from(["yes", "no"]),
            "signs": st.sets(st.sampled_from(["flag", "banner", "poster"])).map(
                lambda chosen: tuple(one for one in ("flag", "banner", "poster") if one in chosen)
            ),
            "people": st.floats(allow_nan=False, allow_infinity=False),
            "slogan": st.text(st.characters(codec="utf-8", exclude_characters="\0"))
            .map(str.strip)
            .filter(lambda text: text.isascii() and text),
        },
    )
)
def test_what_is_written_comes_back(tmp_path_factory, answers):
    header = coded_columns(("path", "page", "frame", "time_s"), BOOK)
    cells = {"path": "a.jpg", "coder": "1", **{name: answer_cell(answer) for name, answer in answers.items()}}
    file = io.BytesIO()
    write_lines([header, [cells.get(name) for name in header]], file)
    path = tmp_path_factory.mktemp("coded") / "c.csv"
    path.write_bytes(file.getvalue())
    assert read_coded(path, BOOK).rows[0].answers == answers


def test_units_are_known_by_the_columns_that_a_table_has():
    boxes = ("left_px", "top_px", "width_px", "height_px")
    classify = ("path", "page", "frame", "time_s", "crop", "rank", "label")
    detect = (*classify, *boxes, "left", "top", "right", "bottom")
    assert part_columns(classify) == ()
    assert part_columns(detect) == ("left", "top", "right", "bottom")
    assert part_columns((*classify, *boxes)) == boxes
    assert part_columns(("path", "start_s", "end_s", "text")) == ("start_s", "end_s")
    assert part_columns(("path", "start_s", "length_s")) == ()
    assert unit_columns(detect, "item") == ("path", "page", "frame", "time_s", "crop")
    assert unit_columns(detect, "part")[-4:] == ("left", "top", "right", "bottom")


def test_a_unit_is_the_same_whatever_wrote_it():
    columns = ("path", "page", "frame", "time_s")
    unit = ("a.mp4", "", "25", "0.1")
    assert unit_of({"path": "a.mp4", "frame": 25, "time_s": 0.1}, columns, "t") == unit
    assert unit_of({"path": "a.mp4", "page": None, "frame": "25.0", "time_s": "0.10"}, columns, "t") == unit
    assert unit_of({"path": "a.mp4", "page": float("nan"), "frame": 25.0, "time_s": "1e-1"}, columns, "t") == unit
    assert number_text(-0.0, "t") == "0"
    assert number_text("1e300", "t") == number_text(1e300, "t")
