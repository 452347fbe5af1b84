from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.media.pictures.probe import color_code_points
from tests.pictures import encoded, scene

AVIF = encoded(scene(), "AVIF")


def test_the_colours_of_the_primary_picture():
    assert color_code_points(AVIF) == (1, 13)  # BT.709 and sRGB, as libavif writes them
    at = AVIF.index(b"colrnclx") + 8
    assert color_code_points(AVIF[:at] + bytes((0, 9, 0, 16)) + AVIF[at + 4 :]) == (9, 16)


def test_colours_of_another_item_are_not_its_own():
    """The table gives the primary picture no property of colour: what stands in the file belongs to another."""
    at = AVIF.index(b"ipma")
    count = AVIF[at + 14]
    without = bytearray(AVIF)
    for number in range(at + 15, at + 15 + count):
        if without[number] & 0x7F == nclx_number():
            without[number] = 0
    assert color_code_points(bytes(without)) is None


def nclx_number() -> int:
    """Which property of the file, from 1, is its colr box; each begins with its size."""
    start = at = AVIF.index(b"ipco") + 4
    number = 1
    while AVIF[at + 4 : at + 8] != b"colr":
        at += int.from_bytes(AVIF[at : at + 4], "big")
        number += 1
        assert at < start + 500
    return number


@given(st.integers(0, len(AVIF)), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5))
def test_broken_boxes_are_no_colours_and_no_crash(cut: int, changes: list[tuple[int, int]]):
    data = bytearray(AVIF)
    for place, value in changes:
        data[place % len(data)] = value
    color_code_points(bytes(data[:cut]))


@pytest.mark.parametrize(
    ("name", "points"),
    [("colors_sdr_srgb", (1, 13)), ("colors_hdr_rec2020", (9, 16)), ("colors_text_hdr_p3", (12, 16)),
     ("seine_sdr_gainmap_srgb", (1, 13))],
)  # fmt: skip
def test_files_of_libavif_are_what_their_names_say(test_data: Path, name: str, points: tuple[int, int]):
    (path,) = (test_data / "valid-images").rglob(f"{name}.avif")
    assert color_code_points(path.read_bytes()) == points
