"""Dates that there were, places that there are, and blocks that go into copies."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import mediasift as ms
from mediasift.media.pictures.exif import moment
from tests.pictures import save, scene


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021:05:03 12:00:00", "2021-05-03T12:00:00"), ("2021-05-03T23:59:59", "2021-05-03T23:59:59"),
        ("2020:02:29 00:00:00", "2020-02-29T00:00:00"), ("2021:02:29 00:00:00", None), ("2021:00:00 00:00:00", None),
        ("2016:02:30 10:00:00", None), ("2021:13:01 10:00:00", None), ("2021:01:01 24:04:20", None),
        ("2021:01:01 25:61:61", None), ("2021:01:01 10:60:00", None), ("0000:00:00 00:00:00", None), ("", None),
        (None, None), ("2016:12:31 23:59:60", "2016-12-31T23:59:60"), ("    :  :     :  :  ", None),
    ],
)  # fmt: skip
def test_only_moments_that_there_were(text: str | None, expected: str | None):
    assert moment(text, None) == expected


def test_offsets():
    assert moment("2021:05:03 12:00:00", "+02:00") == "2021-05-03T12:00:00+02:00"
    assert moment("2021:05:03 12:00:00", "+25:00") == "2021-05-03T12:00:00"
    assert moment("2021:05:03 12:00:00", "+02:99") == "2021-05-03T12:00:00"


@pytest.mark.parametrize("name", ["date-zero-month.jpg", "date-impossible.jpg", "date-spaces.jpg"])
def test_reported_dates_that_do_not_exist(name: str, test_data: Path):
    (row,) = ms.info(test_data / "reports" / "pictures" / name)
    assert (row.captured, row.error) == (None, "")


def test_reported_dates_and_places_that_do(test_data: Path):
    folder = test_data / "reports" / "pictures"
    (row,) = ms.info(folder / "date-ok.jpg")
    assert row.captured is not None
    places = {"gps-noref": None, "gps-0-0-denominator": None, "gps-minutes90": -33.8543333, "gps-zero": 0.0}
    for name, latitude in places.items():
        (row,) = ms.info(folder / f"{name}.jpg")
        assert row.latitude == (None if latitude is None else pytest.approx(latitude, abs=1e-6))


def test_what_was_kept_is_said(tmp_path: Path):
    block = Image.Exif()
    block[0x0112], block[0x010F] = 6, "a camera"
    save(tmp_path / "with.jpg", scene(), exif=block)
    save(tmp_path / "without.jpg", scene())
    for keep, expected in (("keep", ["kept", "none"]), ("without-place", ["kept", "none"]), ("strip", [None, None])):
        rows = list(ms.convert(tmp_path, tmp_path.parent / f"out-{keep}", exif=keep))
        assert [row.exif for row in rows] == expected
        with Image.open(rows[0].output or "") as copy:
            assert copy.getexif().get(0x010F) == (None if keep == "strip" else "a camera")
            assert copy.getexif().get(0x0112, 1) == 1
