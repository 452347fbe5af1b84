"""Texts of a table as inputs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mediasift.errors import EmptyFile, UsageError
from mediasift.items import TextItem
from mediasift.media.readers import read_source
from mediasift.sources.content import content_at
from mediasift.sources.finding import find_sources
from mediasift.sources.naming import Inputs
from mediasift.sources.texts import Cell

POSTS = 'id,path,text\n1,a.jpg,"No more,\nnow!"\n2,b.jpg, \n3,c.jpg,\u00e9t\u00e9\n'


def sources(*names: str | Path, **more):
    return list(find_sources(Inputs(named=names, column="text", keep=("id",), texts=True, **more)))


def test_each_row_is_an_input(tmp_path: Path):
    (tmp_path / "posts.csv").write_text(POSTS, encoding="utf-8")
    (tmp_path / "posts.jsonl").write_text('{"id": 7, "post": {"text": "Hi"}}\n')
    first, empty, last = sources(tmp_path / "posts.csv")
    assert (first.path, first.kept) == (f"{tmp_path}/posts.csv#row=1", (("id", "1"),))
    assert [one.content for one in (first, last)] == [
        Cell(first.path, "No more,\nnow!"), Cell(last.path, "\u00e9t\u00e9"),
    ]  # fmt: skip
    assert isinstance(empty.failure, EmptyFile)
    (inner,) = find_sources(Inputs(named=[tmp_path / "posts.jsonl"], column="post.text", texts=True))
    assert inner.content == Cell(inner.path, "Hi")
    assert list(read_source(last, "pictures", None)) == [TextItem(path=last.path, text="\u00e9t\u00e9")]


def test_standard_input_may_be_the_table():
    stream = io.TextIOWrapper(io.BytesIO(POSTS.encode()))
    rows = list(find_sources(Inputs(named=["-"], column="text", texts=True), stdin=stream))
    assert [row.path for row in rows] == [f"standard input#row={number}" for number in (1, 2, 3)]


def test_the_column_must_be_named(tmp_path: Path):
    (tmp_path / "posts.csv").write_text(POSTS, encoding="utf-8")
    with pytest.raises(UsageError, match="--column NAME"):
        list(find_sources(Inputs(named=[tmp_path / "posts.csv"], texts=True)))
    with pytest.raises(UsageError, match="no column 'words'"):
        list(find_sources(Inputs(named=[tmp_path / "posts.csv"], column="words", texts=True)))


def test_a_worker_gets_the_text_itself():
    cell = Cell("posts.csv#row=1", 'a "b"\n\ud83d')
    assert content_at(cell.address) == cell
    assert cell.size == 7
    assert cell.state() != Cell("posts.csv#row=1", "a").state()
    assert not isinstance(content_at("text:a.jpg"), Cell)
