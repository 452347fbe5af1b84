"""Names that are no text, and names of one picture that are written in several ways."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediasift.sources.spellings import path_shown_as, shown_path


def test_no_two_names_are_shown_alike():
    names = ["\udcff.png", "\\xff.png", "\\\\xff.png", "\\udcff.png", "\\xFF.png", "\\x7f.png", "\\\udcff.png"]
    shown = [shown_path(name) for name in names]
    assert len(set(shown)) == len(names)
    assert shown[0] == "\\xff.png"
    assert shown[3:6] == names[3:6]  # what looks like no byte stays as it is


@given(st.lists(st.text("\udc80\udcff\\xf8a/", max_size=12), max_size=20, unique=True))
def test_any_two_names_are_shown_differently(names: list[str]):
    shown = {shown_path(name) for name in names}
    assert len(shown) == len(names)
    assert all(one.encode() for one in shown if one)
    assert [path_shown_as(shown_path(name)) for name in names] == names
