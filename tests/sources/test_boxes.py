from __future__ import annotations

from pathlib import Path

import pytest

from mediasift.errors import Damaged, InputError
from mediasift.sources.boxes import CARRIED, Part, box_columns, read_boxes
from mediasift.sources.content import LocalFile, content_at
from mediasift.sources.finding import find_sources
from mediasift.sources.naming import Inputs
from mediasift.tasks.convert import Convert
from mediasift.tasks.detect import Detect

HEAD = "path,page,frame,time_s,label,score,left,top,right,bottom,found,error\n"


def table(folder: Path, *lines: str) -> Path:
    path = folder / "boxes.csv"
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return path


def test_each_box_has_its_place_and_its_number(tmp_path: Path):
    file = table(
        tmp_path, "a.jpg,,,,face,0.9,0.1,0.2,0.3,0.4,2,", "a.jpg,,,,face,0.8,0,0,1,1,2,", "b.jpg,,,,,,,,,,0,",
        "f.mp4,,7,0.28,face,0.7,0,0,0.5,0.5,1,", "f.mp4,,8,0.32,face,0.7,0,0,0.5,0.5,1,",
        "c.pdf,3,,,face,0.6,0,0,1,1,1,", "d.jpg,,,,,,,,,,,damaged: it is cut off",
    )  # fmt: skip
    rows = list(read_boxes(file))
    assert [(row.path, row.page, row.frame, row.time_s, row.number) for row in rows] == [
        ("a.jpg", None, None, None, 1), ("a.jpg", None, None, None, 2), ("b.jpg", None, None, None, 1),
        ("f.mp4", None, 7, 0.28, 1), ("f.mp4", None, 8, 0.32, 1), ("c.pdf", 3, None, None, 1),
        ("d.jpg", None, None, None, 1),
    ]  # fmt: skip
    assert rows[0].box == (0.1, 0.2, 0.3, 0.4)
    assert rows[2].box is None
    assert isinstance(rows[-1].failure, Damaged)
    assert rows[-1].failure.as_cell() == "damaged: it is cut off"
    assert box_columns(file) == ("box_row", "label", "score", "left", "top", "right", "bottom")
    assert set(box_columns(file)[1:]) <= set(CARRIED)


def test_every_box_is_a_source_of_its_own_or_every_picture_is(tmp_path: Path):
    lines = ("a.jpg,,,,face,0.9,0.1,0.2,0.3,0.4,2,", "a.jpg,,,,face,0.8,0,0,1,1,2,", "b.jpg,,,,,,,,,,0,")
    file = table(tmp_path, *lines)
    sources = list(find_sources(Inputs.of(Detect(boxes=str(file)), [str(file)])))
    assert [(one.path, dict(one.kept)["score"]) for one in sources] == [
        ("a.jpg", "0.9"),
        ("a.jpg", "0.8"),
        ("b.jpg", ""),
    ]
    whole = list(find_sources(Inputs.of(Convert("out", boxes=str(file), blur=True), [str(file)])))
    assert [(one.path, one.kept, type(one.content)) for one in whole] == [
        ("a.jpg", (), LocalFile), ("b.jpg", (), LocalFile),
    ]  # fmt: skip


def test_a_part_is_found_again_by_its_address(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"12345")
    part = Part(LocalFile(tmp_path / "a.jpg"), 3, 7, 0.25, (0.1, 0.2, 0.3, 0.4), 2)
    assert part.address is not None
    again = content_at(part.address)
    assert again == part
    assert again.state() == part.state()
    assert again.state() != Part(part.whole, 3, 8, 0.25, part.box, 2).state()
    assert (again.name, again.read()) == (part.name, b"12345")
    assert content_at("box:a.jpg") == LocalFile(Path("box:a.jpg")), "a file may have that name"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg,,,,face,0.9,0.5,0.2,0.3,0.4,1,", "line 2: left, top, right, bottom are 0.5, 0.2, 0.3, 0.4; they must"),
        ("a.jpg,,,,face,0.9,0.1,0.2,,0.4,1,", "are 0.1, 0.2, empty, 0.4"),
        ("a.jpg,,,,face,0.9,x,0.2,0.3,0.4,1,", "column left: 'x' is no number"),
        ("a.jpg,,,,face,0.9,10,20,30,40,1,", "fractions from 0 to 1"),
    ],
)
def test_what_is_no_box_is_named_with_its_line(tmp_path: Path, line: str, message: str):
    with pytest.raises(InputError, match=message):
        list(read_boxes(table(tmp_path, line)))


def test_a_table_without_boxes_says_what_it_lacks(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("path,label\na.jpg,dog\n")
    with pytest.raises(InputError, match="no column 'left'"):
        box_columns(tmp_path / "labels.csv")
    with pytest.raises(InputError, match=r"\.csv, \.tsv and \.jsonl tables; type: mediasift detect .*boxes\.csv"):
        box_columns(tmp_path / "boxes.parquet")
