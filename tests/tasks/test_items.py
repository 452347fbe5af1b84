"""Videos, animations and files of several pages, item by item, by the commands that look at pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from tests.pictures import save, scene
from tests.videos import make_video

SEEDS = (1, 2, 1)
"""What is seen one after another, a second each: the third is as the first."""


def seen(seed: int) -> np.ndarray:
    return scene(96, 64, seed=seed)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with a video, an animation and a file of pages that show the same."""
    folder = tmp_path / "media"
    folder.mkdir()
    make_video(folder / "clip.mp4", [seen(seed) for seed in SEEDS], (0, 1000, 2000), rate=1, options={"crf": "5"})
    pages = [Image.fromarray(seen(seed)) for seed in SEEDS]
    pages[0].save(folder / "pages.tiff", save_all=True, append_images=pages[1:])
    pages[0].save(folder / "moving.png", save_all=True, append_images=pages[1:], duration=1000)
    return folder


def places(rows) -> list[tuple]:
    return [(Path(row.path).name, row.page, row.frame, row.time_s) for row in rows]


CLIP = [("clip.mp4", None, 0, 0.0), ("clip.mp4", None, 1, 1.0), ("clip.mp4", None, 2, 2.0)]
PAGES = [("pages.tiff", 1, None, None), ("pages.tiff", 2, None, None), ("pages.tiff", 3, None, None)]
FIRST = [("moving.png", None, None, None)]


def test_embed_gives_a_vector_for_each(media: Path):
    rows = list(ms.embed(media, model="fashion-mlp"))
    assert places(rows) == CLIP + FIRST + PAGES
    np.testing.assert_array_equal(rows[4].embedding, rows[6].embedding)
    assert [row.frame for row in ms.embed(media / "moving.png", model="fashion-mlp", every="1s")] == [0, 1, 2]


def test_compare_and_search_take_each_for_itself(media: Path):
    matrix = ms.similarity_matrix([media / "clip.mp4", media / "pages.tiff"])
    assert matrix.shape == (6, 6)
    alike = np.array([[a == b for b in SEEDS * 2] for a in SEEDS * 2])
    assert (matrix[alike] > 0.95).all()
    assert (matrix[~alike] < 0.8).all()
    pairs = list(ms.compare([media / "clip.mp4", media / "pages.tiff"], min_similarity=0.95))
    places = {(row.frame_a, row.page_a, row.frame_b, row.page_b) for row in pairs}
    assert {(0, None, 2, None), (1, None, None, 2), (None, 1, None, 3)} <= places
    query = media.parent / "query.png"
    save(query, seen(2))
    best = list(ms.search(query, media, top=2, method="phash"))
    assert sorted((Path(row.path).name, row.page, row.frame) for row in best) == [
        ("clip.mp4", None, 1), ("pages.tiff", 2, None)
    ]  # fmt: skip


def test_duplicates_are_found_between_frames_and_pages(media: Path):
    rows = list(ms.duplicates([media / "clip.mp4", media / "pages.tiff"], prefer="first"))
    assert places(rows) == CLIP + PAGES
    assert [row.group for row in rows] == [1, 2, 1, 1, 2, 1]
    assert rows[2].representative_frame == 0
    exact = list(ms.duplicates(media, match="pixels", every_frame=True))
    assert [(Path(row.path).name, row.page or row.frame) for row in exact if row.group == 1][-2:] == [
        ("pages.tiff", 1), ("pages.tiff", 3)
    ]  # fmt: skip
    assert len({row.group for row in exact if Path(row.path).name != "clip.mp4"}) == 2
    assert len([row for row in exact if Path(row.path).name == "moving.png"]) == 3


def test_convert_names_the_frame_and_the_page(media: Path, tmp_path: Path):
    rows = list(ms.convert(media, tmp_path / "out", every="1s"))
    assert [Path(row.output).name for row in rows] == [
        "clip.mp4.frame0.png", "clip.mp4.frame1.png", "clip.mp4.frame2.png",
        "moving.png.frame0.png", "moving.png.frame1.png", "moving.png.frame2.png",
        "pages.tiff.page1.png", "pages.tiff.page2.png", "pages.tiff.page3.png",
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(Image.open(rows[7].output)), seen(2))


def test_info_tells_of_files_and_of_pages(media: Path):
    rows = list(ms.info(media))
    assert [(Path(row.path).name, row.kind, row.page, row.width) for row in rows] == [
        ("clip.mp4", "video", None, 96), ("moving.png", "picture", None, 96), *(
            ("pages.tiff", "picture", page, 96) for page in (1, 2, 3))
    ]  # fmt: skip
    assert rows[0].bytes == (media / "clip.mp4").stat().st_size
