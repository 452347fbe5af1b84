"""A table's rows become tiles: which rows belong together, which place each shows, and of what kind a column is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediasift.errors import InputError
from mediasift.look.tiles import columns_of, grouped_by, tiles_of
from mediasift.sources.places import Spot
from mediasift.tables.formats import read_table


def tiles(tmp_path: Path, text: str):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    return tiles_of(tmp_path / "t.csv", read_table(tmp_path / "t.csv"))


def test_rows_of_one_item_are_one_tile(tmp_path: Path):
    made = tiles(tmp_path, "path,page,frame,label\na.png,,,x\nb.pdf,1,,x\na.png,,,y\nb.pdf,2.0,,x\nb.pdf,2,,y\n")
    assert [(one.where, len(one.rows)) for one in made] == [
        (("a.png", Spot()), 2), (("b.pdf", Spot(page=1)), 1), (("b.pdf", Spot(page=2)), 2),
    ]  # fmt: skip


def test_a_stretch_of_a_film_shows_its_middle_and_a_box_its_own_frame(tmp_path: Path):
    head = "path,frame,time_s,start_s,end_s,left,top,right,bottom\n"
    made = tiles(
        tmp_path, head + "f.mp4,0,0.0,0,4,,,,\nf.mp4,25,1.0,1,2,0,0,1,1\nf.mp4,50,2.0,,,,,,\nf.mp4,,3.0,,,,,,\n"
    )
    spots = [one.where[1] for one in made]
    assert spots == [Spot(time_s=2.0), Spot(frame=25), Spot(frame=50), Spot(time_s=3.0)]


def test_a_pair_is_two_tiles_and_a_query_stands_before_what_is_like_it(tmp_path: Path):
    head = "path_a,page_a,frame_a,path_b,page_b,frame_b,similarity,method,error\n"
    made = tiles(tmp_path, f"{head}a.png,,,b.pdf,3,,0.9,phash,\na.png,,,c.png,,,0.8,phash,\n")
    assert [(one.where, one.rows[0]["pair"]) for one in made] == [
        (("a.png", Spot()), 1), (("b.pdf", Spot(page=3)), 1), (("a.png", Spot()), 2), (("c.png", Spot()), 2),
    ]  # fmt: skip
    assert grouped_by([one.name for one in columns_of(made)], made) == "pair"
    for name in ("a.png", "d.png"):
        (tmp_path / name).touch()
    neighbours = "path,query,rank,similarity\nb.png,a.png,1,0.9\nc.png,a.png,2,0.8\nb.png,d.png,1,0.7\n"
    made = tiles(tmp_path, f"{neighbours}b.png,a red car,1,0.6\n")  # words are no picture
    assert [one.where[0] for one in made] == ["a.png", "b.png", "c.png", "d.png", "b.png", "b.png"]
    assert grouped_by([one.name for one in columns_of(made)], made) == "query"


def test_columns_are_numbers_only_where_each_cell_is_one(tmp_path: Path):
    made = tiles(
        tmp_path,
        "path,label,id,n,mixed,none,big,nan,neg,embedding\n"
        "a.png,1,007,1,1,,1e400,nan,-.5,1 2 3\nb.png,2,012,2.5,x,,1,1,+3,4 5 6\n",
    )
    kinds = {one.name: one.is_number for one in columns_of(made)}
    assert kinds == {"label": False, "id": False, "n": True, "mixed": False, "big": False, "nan": False, "neg": True}
    (n,) = [one for one in columns_of(made) if one.name == "n"]
    assert list(n.cells) == [1, 2.5]
    assert "none" not in kinds


def test_a_table_without_paths_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no column 'path', so that there is nothing to look at; it has a, b"):
        tiles(tmp_path, "a,b\n1,2\n")
    with pytest.raises(InputError, match=r"row 1: column page: 'x' is no number"):
        tiles(tmp_path, "path,page\na.pdf,x\n")
