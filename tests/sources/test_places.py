"""Chosen places of a file are its pages and frames, each named as it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mediasift.items import EmptyItem, FailedItem
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.sources.content import LocalFile, content_at
from mediasift.sources.naming import Source
from mediasift.sources.places import Places, Spot
from tests.videos import make_video, numbered, shown


def read(path: Path, *spots: Spot) -> dict[Spot, Any]:
    places = content_at(str(Places(LocalFile(path), spots).address))  # as the worker gets it
    items = list(read_source(Source(path=str(path), content=places), "pictures", PictureSettings()))
    assert len(items) == len(spots)
    return {Spot(item.page, item.frame, item.time_s): item for item in items}


def test_frames_and_moments_of_a_film(tmp_path: Path):
    film = make_video(tmp_path / "film.mkv", numbered(50), range(0, 2000, 40))
    spots = [
        Spot(frame=30),
        Spot(time_s=0.5),
        Spot(time_s=0.519),
        Spot(frame=12, time_s=0.48),
        Spot(time_s=99.0),
        Spot(),
    ]
    items = read(film, *spots, Spot(frame=50))
    seen = [shown(items[spot].image) for spot in spots]
    assert seen == [30, 12, 12, 12, 49, 16]
    assert "not in the file" in str(items[Spot(frame=50)].error)


def test_pages_of_a_tiff_and_frames_of_a_gif(tmp_path: Path):
    pages = [Image.new("RGB", (8, 6), (60 * number, 0, 0)) for number in range(4)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    items = read(tmp_path / "scan.tif", Spot(page=4), Spot(page=2), Spot(), Spot(page=5))
    assert [int(items[spot].image[0, 0, 0]) for spot in (Spot(), Spot(page=2), Spot(page=4))] == [0, 60, 180]
    assert isinstance(items[Spot(page=5)], FailedItem)
    pages[0].save(tmp_path / "moves.gif", save_all=True, append_images=pages[1:], duration=100)
    items = read(tmp_path / "moves.gif", Spot(frame=3), Spot(time_s=0.15))
    assert [int(items[spot].image[0, 0, 0]) for spot in items] == [60, 180]


def test_a_picture_is_one_place_and_sound_shows_nothing(tmp_path: Path):
    Image.new("L", (5, 4), 7).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", Spot())[Spot()].image.shape == (4, 5, 3)
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.zeros(8000, "<i2").tobytes())
    items = read(tmp_path / "a.wav", Spot(time_s=0.0), Spot(time_s=0.5))
    assert {type(item) for item in items.values()} == {EmptyItem}


@pytest.mark.parametrize("spot", [Spot(page=2), Spot(frame=1)])
def test_a_picture_has_no_other_places(tmp_path: Path, spot: Spot):
    Image.new("L", (5, 4), 7).save(tmp_path / "a.png")
    assert "not in the file" in str(read(tmp_path / "a.png", spot)[spot].error)
