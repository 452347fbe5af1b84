"""What `mediasift duplicates` finds on imagededup's test set, and on pictures that tests draw."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError, UsageError
from tests.pictures import save, scene, solid


def call(*arguments: object):
    return CliRunner().invoke(main, ["duplicates", *map(str, arguments)], catch_exceptions=False)


def groups(text: str) -> list[list[str]]:
    """The members' file names of each group."""
    members: dict[str, list[str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        if row["group"]:
            members.setdefault(row["group"], []).append(Path(row["path"]).name)
    return list(members.values())


def test_the_resize_is_found_at_the_default_and_nothing_else_joins(test_data: Path):
    done = call(test_data / "near-duplicates" / "mixed_images", "--quiet")
    assert groups(done.stdout) == [["ukbench00120.jpg", "ukbench00120_resize.jpg"]]
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 6
    (broken,) = [row for row in rows if row["error"]]
    assert Path(broken["path"]).name == "ukbench09268_corrupt.jpg"
    assert broken["error"].startswith("damaged: ")
    assert done.exit_code == 1


def test_the_mirrored_picture_is_found_with_turns(test_data: Path):
    done = call(test_data / "near-duplicates" / "mixed_images", "--turns", "--quiet")
    assert groups(done.stdout) == [["ukbench00120.jpg", "ukbench00120_hflip.jpg", "ukbench00120_resize.jpg"]]
    turns = {Path(row["path"]).name: row["turn"] for row in csv.DictReader(io.StringIO(done.stdout))}
    assert turns["ukbench00120_hflip.jpg"] == "mirror"
    assert turns["ukbench00120_resize.jpg"] == ""


def test_the_picture_turned_by_30_degrees_is_found_by_its_disc(test_data: Path):
    done = call(test_data / "near-duplicates" / "mixed_images", "--turns", "--method", "disc", "--quiet")
    names = ["ukbench00120.jpg", "ukbench00120_hflip.jpg", "ukbench00120_rotation.jpg"]
    assert groups(done.stdout) == [names]
    turns = {Path(row["path"]).name: row["turn"] for row in csv.DictReader(io.StringIO(done.stdout)) if row["group"]}
    assert list(turns.values()) == ["", "mirror", "rotate30"]


@pytest.mark.parametrize(("mirrored", "degrees"), [(False, 45), (False, 200), (True, 0), (True, 90), (True, 325)])
def test_the_disc_names_the_turn_that_brings_a_picture_back(mirrored: bool, degrees: int):
    from mediasift.media.pictures.transforms import rotate

    original = scene(200, 160, seed=6)
    turned = rotate(np.ascontiguousarray(original[:, ::-1]) if mirrored else original, degrees, canvas="keep")
    first, second = ms.duplicates([original, turned], method="disc", turns=True, prefer="first", min_similarity=0.95)
    assert (first.group, second.group) == (1, 1)
    back = degrees if mirrored else 360 - degrees  # a mirrored turn undoes itself
    assert second.turn == "+".join(["mirror"] * mirrored + [f"rotate{back}"] * (back > 0))


@pytest.mark.parametrize("method", ["phash", "dhash", "ahash", "disc"])
def test_the_same_jpeg_under_four_names_is_one_group(test_data: Path, method: str):
    done = call(test_data / "near-duplicates" / "formats_images", "--quiet", "--method", method)
    (group,) = groups(done.stdout)
    assert group == [f"ukbench09380.{suffix}" for suffix in ("bmp", "jpeg", "png", "svg", "webp")]
    matches = [row["match"] for row in csv.DictReader(io.StringIO(done.stdout)) if row["group"]]
    assert matches == ["", "bytes", "bytes", "bytes", "near"]  # the WebP is a copy of lesser quality


def test_on_the_whole_test_set_each_group_is_one_scene(test_data: Path):
    for group in groups(call(test_data / "near-duplicates", "--turns", "--quiet").stdout):
        scenes = {name[:12] for name in group if name != "alpha_channel_image.png"}
        assert len(scenes) == 1, group


def test_only_the_same_bytes_only_the_same_pixels(test_data: Path, tmp_path: Path):
    done = call(test_data / "near-duplicates" / "formats_images", "--match", "bytes", "--quiet")
    assert groups(done.stdout) == [[f"ukbench09380.{suffix}" for suffix in ("bmp", "jpeg", "png", "svg")]]
    picture = scene(seed=1)
    save(tmp_path / "a.png", picture)
    save(tmp_path / "b.bmp", picture)
    save(tmp_path / "c.png", picture, compress_level=0)
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes())
    changed = picture.copy()
    changed[0, 0, 0] ^= 1
    save(tmp_path / "e.png", changed)
    save(tmp_path / "f.png", scene(width=20))
    (tmp_path / "g.png").write_bytes((tmp_path / "a.png").read_bytes()[:-40])
    for arguments in (["--match", "pixels"], ["--match", "near", "--min-similarity", "1"]):
        rows = list(csv.DictReader(io.StringIO(call(tmp_path, *arguments, "--quiet").stdout)))
        matches = {Path(row["path"]).name: row["match"] for row in rows if row["group"] == "1"}
        assert {name: matches[name] for name in ("a.png", "b.bmp", "c.png", "d.png")} == {
            "a.png": "", "b.bmp": "pixels", "c.png": "pixels", "d.png": "bytes",
        }  # fmt: skip
        assert matches.get("e.png", "near") == "near"
        assert "f.png" not in matches
        assert rows[-1]["error"].startswith("damaged: ")
    assert groups(call(tmp_path, "--match", "bytes", "--quiet").stdout) == [["a.png", "d.png"]]


def test_which_picture_stands_for_a_group(tmp_path: Path):
    from PIL import Image, ImageFilter

    sharp = np.asarray(Image.fromarray(scene(200, 150, seed=3)).filter(ImageFilter.UnsharpMask(5, 300, 0)))
    save(tmp_path / "1.png", np.asarray(Image.fromarray(sharp).resize((100, 75), Image.Resampling.LANCZOS)))
    save(tmp_path / "2.png", np.asarray(Image.fromarray(sharp).resize((400, 300)).filter(ImageFilter.GaussianBlur(6))))
    save(tmp_path / "3.png", sharp)
    leaders = {}
    for rule in ("first", "largest", "sharpest"):
        rows = list(ms.duplicates(tmp_path, prefer=rule))
        assert {row.group for row in rows} == {1}
        (leader,) = {row.representative for row in rows}
        leaders[rule] = Path(leader).name
    assert leaders == {"first": "1.png", "largest": "2.png", "sharpest": "3.png"}


def test_black_plain_tiny_and_transparent_pictures():
    black, white = solid((0, 0, 0)), solid((255, 255, 255))
    for method in ("phash", "dhash", "ahash", "disc", "pixels"):
        rows = list(ms.duplicates([black, black.copy(), scene(seed=1), solid((0, 0, 0), 1, 1)], method=method))
        assert [row.group for row in rows] == [1, 1, None, 1], method
        assert [row.similarity for row in rows] == [1, 1, None, 1]
    pairs = list(ms.compare([black, white, scene(seed=1)], method="pixels"))
    assert [row.similarity for row in pairs][:2] == [0, 0]  # black has no direction
    centred = list(ms.compare([black, white, scene(seed=1)], method="pixels", centred=True))
    assert [row.similarity for row in centred] == [1, 0, 0]  # neither has plain white, without its mean


def test_transparent_pictures_are_compared_as_they_are_seen(tmp_path: Path):
    """On white: hidden colours are no likeness, and what cannot be told from a white page is one."""
    picture = scene(seed=2)
    clear = np.concatenate([picture, np.zeros((*picture.shape[:2], 1), np.uint8)], axis=2)
    save(tmp_path / "clear.png", clear)
    save(tmp_path / "opaque.png", picture)
    assert [row.match for row in ms.duplicates(tmp_path)] == [None, None]
    save(tmp_path / "white.png", np.full_like(picture, 255))
    assert [row.match for row in ms.duplicates(tmp_path)] == [None, None, "pixels"]


def test_new_pictures_against_an_old_collection(tmp_path: Path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    for seed in range(3):
        save(old / f"{seed}.png", scene(90, 60, seed=seed))
    save(old / "0-again.png", scene(90, 60, seed=0))
    (old / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(new / "copy-of-1.jpg", scene(90, 60, seed=1))
    save(new / "other.png", scene(90, 60, seed=8))
    save(new / "other-again.png", scene(45, 30, seed=8))
    save(new / "unique.png", scene(90, 60, seed=9))
    rows = list(ms.duplicates(new, against=old))
    assert [(Path(row.path).name, row.group, row.representative and Path(row.representative).name) for row in rows] == [
        ("broken.png", None, None),
        ("copy-of-1.jpg", 1, "1.png"),
        ("other-again.png", 2, "other.png"),
        ("other.png", 2, "other.png"),
        ("unique.png", None, None),
    ]
    assert rows[0].error


def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are given to be read from now on."""
    from mediasift.run.stream import Stream

    seen: list[str] = []
    original = Stream._read

    def noted(self, sources, shown):
        def listed():
            for source in sources:
                seen.append(source.content.path.name)
                yield source

        return original(self, listed(), shown)

    monkeypatch.setattr(Stream, "_read", noted)
    return seen


def test_an_index_lets_the_second_run_read_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(4):
        save(photos / f"{seed}.png", scene(seed=seed))
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    index = tmp_path / "photos.index"
    first = call(photos, "--index", index, "--quiet").stdout
    seen = read_files(monkeypatch)
    assert call(photos, "--index", index, "--quiet").stdout == first
    assert seen == ["broken.png"]
    save(photos / "2-again.png", scene(96, 64, seed=2))
    save(photos / "3.png", scene(seed=33))
    seen.clear()
    done = call(photos, "--index", index, "--quiet")
    assert sorted(seen) == ["2-again.png", "3.png", "broken.png"]
    assert groups(done.stdout) == [["2-again.png", "2.png"]]
    assert done.stdout == call(photos, "--quiet").stdout
    refused = call(photos, "--index", index, "--method", "dhash")
    assert refused.exit_code == 2
    assert "was made in another way (width 32, not 9)" in refused.stderr
    assert call(photos, "--index", tmp_path / "no" / "index").exit_code == 6
    for content in ("hello\n", "hello", "{}", '{"mediasift_index":9}\n'):  # never overwritten
        (tmp_path / "notes").write_text(content)
        assert call(photos, "--index", tmp_path / "notes").exit_code == 2
        assert (tmp_path / "notes").read_text() == content


def test_a_torn_index_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for seed in range(4):
        save(tmp_path / f"{seed}.png", scene(seed=seed))
    index = tmp_path / "i.jsonl"
    expected = call(tmp_path, "--index", index, "--quiet").stdout
    whole = index.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for cut in (0, 5, ends[0], ends[0] + 1, ends[1] - 1, ends[2] + 40, len(whole)):
        index.write_bytes(whole[:cut])
        with monkeypatch.context() as patch:
            seen = read_files(patch)
            assert call(tmp_path, "--index", index, "--quiet").stdout == expected
        assert len(seen) == 4 - max(0, whole[:cut].count(b"\n") - 1)
        assert sorted(index.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_table_in_a_file_with_its_manifest_and_no_leftovers(tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    save(photos / "a.png", scene(seed=1))
    save(photos / "b.png", scene(seed=1))
    out = tmp_path / "out.csv"
    done = call(photos, "-o", out)
    assert done.exit_code == 0
    assert "2 rows from 2 files" in done.stderr
    assert groups(out.read_text()) == [["a.png", "b.png"]]
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert manifest["settings"]["method"] == "phash"
    assert manifest["settings"]["min_similarity"] == 0.84375
    assert manifest["counts"]["rows"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.csv.run.json", "photos"]


def test_columns_of_a_list_come_along(tmp_path: Path):
    save(tmp_path / "a.png", scene(seed=1))
    (tmp_path / "list.csv").write_text("image,post\na.png,7\na.png,8\ngone.png,9\n")
    done = call(tmp_path / "list.csv", "--column", "image", "--keep", "post", "--quiet")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["post"], row["group"]) for row in rows] == [("7", "1"), ("8", "1"), ("9", "")]


def test_pages_are_compared_one_by_one(tmp_path: Path):
    from PIL import Image

    pages = [Image.fromarray(scene(seed=seed)) for seed in (1, 2, 1)]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    rows = list(ms.duplicates(tmp_path))
    assert [(row.page, row.group, row.representative_page, row.match) for row in rows] == [
        (1, 1, 1, None),
        (2, None, None, None),
        (3, 1, 1, "pixels"),
    ]


def test_options_that_exclude_each_other(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    for options in ({"match": "bytes", "turns": True}, {"method": "dhash", "centred": True}, {"min_similarity": 2},
                    {"method": "pixels", "size": 0}, {"method": "phash", "layer": "x"}):  # fmt: skip
        with pytest.raises(UsageError):
            ms.duplicates(tmp_path, **options)
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty", "--method", "no-such-model").exit_code == 4
    assert call(tmp_path / "empty").exit_code == 3


def test_a_query_or_an_old_collection_that_is_not_there_is_a_mistake(tmp_path: Path):
    save(tmp_path / "new.png", scene())
    with pytest.raises(InputError, match=r"nope.*no such file or folder;"):
        ms.search(tmp_path / "nope.png", tmp_path, method="phash")
    with pytest.raises(InputError, match=r"nope.*no such file or folder;"):
        ms.duplicates(tmp_path, against=tmp_path / "nope")
