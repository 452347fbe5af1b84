from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import Unreadable, UsageError
from tests.pictures import save, scene


def call(*arguments: object):
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def book(test_data: Path) -> list[Path]:
    return sorted((test_data / "book-pictures").iterdir())


def test_the_books_cosine_by_area_averaging(book: list[Path]):
    assert ms.similarity(*book, color_profile="ignore") == pytest.approx(0.866, abs=0.0005)
    (row,) = table(call("compare", *book, "--method", "pixels", "--color-profile", "ignore", "--quiet").stdout)
    assert float(row["similarity"]) == pytest.approx(0.866, abs=0.0005)
    assert (row["path_a"], row["path_b"], row["method"]) == (str(book[0]), str(book[1]), "pixels")


def test_the_books_cosine_to_four_decimals_with_pillows_resampling(book: list[Path], tmp_path: Path):
    squares = call("convert", *book, "-d", tmp_path, "--resize", "224x224", "--fit", "crop", "--resample", "bicubic",
                   "--color-profile", "ignore", "--quiet")  # fmt: skip
    files = [row["output"] for row in table(squares.stdout)]
    (row,) = table(call("compare", *files, "--method", "pixels", "--resample", "bicubic", "--quiet").stdout)
    assert float(row["similarity"]) == pytest.approx(0.86455, abs=0.00005)
    assert ms.similarity(*book, resample="bicubic", color_profile="ignore") == pytest.approx(0.86462, abs=0.0005)


def test_without_their_means_the_books_pictures_are_less_alike(book: list[Path]):
    assert ms.similarity(*book, centred=True) == pytest.approx(0.56, abs=0.01)


def test_a_matrix_and_its_pairs_agree(tmp_path: Path):
    pictures = [scene(seed=seed) for seed in range(4)]
    for method in ("phash", "dhash", "ahash", "pixels"):
        whole = ms.similarity_matrix(pictures, method=method)
        assert whole.shape == (4, 4)
        np.testing.assert_array_equal(whole, whole.T)
        np.testing.assert_array_equal(np.diag(whole), 1)
        rows = list(ms.compare(pictures, method=method))
        assert [(row.path_a, row.path_b) for row in rows] == [
            (f"array[{a}]", f"array[{b}]") for a in range(4) for b in range(a + 1, 4)
        ]
        np.testing.assert_allclose([row.similarity for row in rows], whole[np.triu_indices(4, 1)], atol=2e-6)


def test_only_similar_pairs(tmp_path: Path):
    pictures = [scene(seed=seed) for seed in (1, 2, 1)]
    for method in ("phash", "pixels"):
        (row,) = ms.compare(pictures, method=method, min_similarity=0.999)
        assert (row.path_a, row.path_b, row.similarity) == ("array[0]", "array[2]", 1)


def test_what_cannot_be_read_is_a_row_and_not_a_number(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(tmp_path / "c.png", scene())
    done = call("compare", tmp_path, "--quiet")
    assert done.exit_code == 1
    first, last = table(done.stdout)
    assert (Path(first["path_a"]).name, Path(first["path_b"]).name, first["similarity"]) == ("a.png", "c.png", "1.0")
    assert (Path(last["path_a"]).name, last["path_b"]) == ("b.png", "")
    assert last["error"]
    matrix = ms.similarity_matrix(tmp_path)
    assert np.isnan(matrix[1]).all()
    assert matrix[0, 2] == 1
    with pytest.raises(Unreadable, match=r"b\.png"):
        ms.similarity(tmp_path / "b.png", tmp_path / "nothing.png")


def test_pages_are_compared_item_by_item(tmp_path: Path):
    from PIL import Image

    pages = [Image.fromarray(scene(seed=seed)) for seed in range(3)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    rows = list(ms.compare(tmp_path / "scan.tiff"))
    assert [(row.page_a, row.page_b) for row in rows] == [(1, 2), (1, 3), (2, 3)]


def test_pictures_of_the_same_kind_are_found(photo_model: Path, test_data: Path):
    photos = [sorted((test_data / "ants-bees" / "train" / label).iterdir())[:12] for label in ("ants", "bees")]
    rows = list(ms.search(photos[0][0], photos[0][1:] + photos[1], top=8))
    assert sum(Path(row.path).parent.name == "ants" for row in rows) >= 7


def test_the_nearest_pictures(tmp_path: Path, photo_model: Path):
    for seed in range(5):
        save(tmp_path / f"{seed}.png", scene(90, 60, seed=seed))
    save(tmp_path / "3-small.jpg", scene(45, 30, seed=3), quality=80)
    query = tmp_path / "3.png"
    rows = table(call("search", query, "--in", tmp_path, "--top", 3, "--quiet").stdout)
    assert [Path(row["path"]).name for row in rows][:2] in (["3-small.jpg", "3.png"], ["3.png", "3-small.jpg"])
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert {row["query"] for row in rows} == {str(query)}
    assert [float(row["similarity"]) for row in rows] == sorted((float(r["similarity"]) for r in rows), reverse=True)
    turned = np.rot90(scene(90, 60, seed=3))
    neighbours = list(ms.search(np.ascontiguousarray(turned), tmp_path, method="phash", turns=True, min_similarity=0.9))
    assert sorted(Path(row.path).name for row in neighbours) == ["3-small.jpg", "3.png"]
    assert {row.turn for row in neighbours} == {"rotate270"}  # the neighbour, so turned, looks like the query
    (row,) = ms.search(scene(seed=9), tmp_path, min_similarity=1)
    assert (row.path, row.rank, row.query) == ("", None, "array[0]")


def test_searching_nothing(tmp_path: Path, photo_model: Path):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "a.png", scene())
    assert call("search", tmp_path / "a.png", "--in", tmp_path / "empty").exit_code == 3
    assert call("search", tmp_path / "gone.png", "--in", tmp_path / "a.png", "--quiet").exit_code == 3
    with pytest.raises(UsageError):
        ms.search(tmp_path / "a.png", tmp_path / "a.png", top=0)
    with pytest.raises(UsageError):
        ms.compare(tmp_path / "a.png", min_similarity=3)
