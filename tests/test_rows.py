"""Rows: which columns a table has, in which order, and how a row travels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from mediasift.items import Item
from mediasift.rows import Finding, Row, columns, kept_names, names_with, placed, printable, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered(Finding):
    """The columns of a task that may find nothing."""

    label: str | None = None
    score: float | None = None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Row):
    """A row about two things."""

    shared: ClassVar[tuple[str, ...]] = ("error",)

    path_a: str = ""
    path_b: str = ""


def test_place_comes_first_then_the_tasks_own_then_how_many_then_the_error():
    assert [(one.name, one.type) for one in columns(Ordered)] == [
        ("path", str), ("page", int), ("frame", int), ("time_s", float), ("label", str), ("score", float),
        ("vector", np.ndarray), ("found", int), ("error", str),
    ]  # fmt: skip
    assert [one.name for one in columns(Pair)] == ["path_a", "path_b", "error"]


def test_columns_that_come_along_stand_before_the_last_and_give_way_to_the_tables_own():
    assert names_with(["post"], Ordered)[-4:] == ["vector", "post", "found", "error"]
    assert names_with(["post"], Pair) == ["path_a", "path_b", "post", "error"]
    assert kept_names({"post": "1", "label": "x"}, Ordered) == ("post", "input_label")
    row = Ordered(path="a", label="cat", found=1, kept=(("label", "dog"), ("post", "7")))
    assert list(values(row).items())[4:] == [
        ("label", "cat"), ("score", None), ("vector", None), ("input_label", "dog"), ("post", "7"), ("found", 1),
        ("error", ""),
    ]  # fmt: skip


def test_a_row_gets_the_place_of_its_item_but_keeps_one_of_its_own():
    item = Item(path="film.mp4", page=2, frame=7, time_s=0.5, image=np.zeros((1, 1, 3), np.uint8), original_size=(1, 1))
    row = placed(Ordered(label="cat"), item, (("post", "7"),))
    assert (row.path, row.page, row.frame, row.time_s, row.kept) == ("film.mp4", 2, 7, 0.5, (("post", "7"),))
    row = placed(Ordered(path="", page=9, frame=0, time_s=0.0), item)
    assert (row.path, row.page, row.frame, row.time_s) == ("film.mp4", 9, 0, 0.0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("Wärme 😀", "Wärme 😀"), ("\udcff", "\\xff"), ("a\udc80b", "a\\x80b"), ("\ud83d", "\\ud83d")],
)
def test_halves_of_characters_become_what_they_are(text: str, shown: str):
    assert printable(text) == shown
    assert printable(text).encode() is not None
