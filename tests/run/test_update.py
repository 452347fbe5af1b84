"""`--update` and `--retry-errors`: a finished table that is added to is the table of a fresh run."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediasift as ms
from mediasift.run.job import Job
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from mediasift.tables.formats import FORMATS
from mediasift.tables.manifest import manifest_path
from tests.pictures import save, solid
from tests.run.planted import Planted, Red

EXAMPLES = int(os.environ.get("MEDIASIFT_EXAMPLES", "8"))
"""Lists for each format; 500 is what is promised."""

NAMES = ["a.png", "b.png", "=c.png", "pages.tif", "broken.jpg", "gone.png"]
WORDS = ["", "p1", "p2", "=1+1", "'", "ü\n,"]

Lines = list[tuple[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with one row, with three rows, with an error; one that is not there."""
    from PIL import Image

    place = tmp_path_factory.mktemp("update")
    for number, name in enumerate(NAMES[:3]):
        save(place / name, solid((number, 0, 0), 4, 4))
    pages = [Image.fromarray(solid((page, 0, 0), 4, 4)) for page in range(3)]
    pages[0].save(place / "pages.tif", save_all=True, append_images=pages[1:])
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return place


def run(folder: Path, lines: Lines, out: Path, *, safe: bool = False, **how: bool) -> Table[Red]:
    """Write the table of a list with a column that comes along."""
    listed = folder / "list.csv"
    with listed.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "post"), *lines])
    inputs = Inputs(named=[str(listed), str(folder / "a.png")], keep=("post",))
    table: Table[Red] = Table(Stream(Job(task=Planted(evil=False, jobs=0), inputs=inputs)))
    table.write(out, spreadsheet_safe=safe, **how)
    return table


def rows_of(out: Path) -> Counter[str]:
    read = FORMATS[out.suffix[1:]].read
    assert read is not None
    with out.open("rb") as file:
        return Counter(repr(record) for record in read(file))


listing = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(WORDS)), max_size=7)


@pytest.mark.parametrize("form", [name for name, one in FORMATS.items() if one.read is not None])
def test_an_update_is_a_fresh_run(folder: Path, tmp_path_factory: pytest.TempPathFactory, form: str):
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(first=listing, more=listing, order=st.randoms(use_true_random=False), safe=st.booleans())
    def check(first: Lines, more: Lines, order, safe: bool) -> None:
        place = tmp_path_factory.mktemp("tables")
        out, fresh = place / f"out.{form}", place / f"fresh.{form}"
        both = [*first, *more]
        order.shuffle(both)
        run(folder, first, out, safe=safe)
        run(folder, both, out, safe=safe, update=True)
        run(folder, both, fresh, safe=safe)
        assert rows_of(out) == rows_of(fresh)
        run(folder, [*both, *more], out, safe=safe, update=True)  # what an update wrote can be added to
        run(folder, [*both, *more], fresh, safe=safe, update=True)
        assert rows_of(out) == rows_of(fresh)

    check()


def test_the_same_picture_more_and_less_often(folder: Path, tmp_path: Path):
    """As `bag dress bag` and one more: four rows, not three."""
    out = tmp_path / "out.csv"
    run(folder, [("b.png", ""), ("=c.png", ""), ("b.png", "")], out)
    table = run(folder, [("b.png", ""), ("=c.png", ""), ("b.png", ""), ("pages.tif", "")], out, update=True)
    assert table.summary.rows == 1 + 3 + 3
    assert run(folder, [("b.png", ""), ("b.png", ""), ("b.png", "")], out, update=True).summary.rows == 1 + 3 + 1 + 3
    assert run(folder, [("pages.tif", "")], out, update=True).summary.rows == 1 + 3 + 1 + 3


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_failed_inputs_are_tried_again(folder: Path, tmp_path: Path, form: str):
    lines = [("a.png", "p1"), ("later.png", "p2"), ("a.png", "p1"), ("broken.jpg", "p3")]
    out, fresh, later = tmp_path / f"out.{form}", tmp_path / f"fresh.{form}", folder / "later.png"
    assert run(folder, lines, out).summary.error_rows == 2
    save(later, solid((99, 0, 0), 4, 4))
    try:
        assert run(folder, lines, out).left_alone
        table = run(folder, lines, out, retry_errors=True)
        assert (table.summary.error_rows, table.summary.taken_over) == (1, 3)
        run(folder, lines, fresh)
        assert out.read_bytes() == fresh.read_bytes()
    finally:
        later.unlink()


def test_nothing_failed_nothing_is_done(folder: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    run(folder, [("b.png", "")], out)
    assert run(folder, [("b.png", "")], out, retry_errors=True).left_alone


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_files_that_changed_since_are_read_again(tmp_path: Path, form: str):
    place = tmp_path / "in"
    place.mkdir()
    for number in range(5):
        save(place / f"{number}.png", solid((number, 0, 0), 4, 4))
    save(place / "a.png", solid((77, 0, 0), 4, 4))
    out, fresh = tmp_path / f"out.{form}", tmp_path / f"fresh.{form}"
    lines = [(f"{number}.png", "p") for number in (0, 1, 2, 3, 1)]
    run(place, lines, out)
    before = (place / "1.png").stat()
    save(place / "1.png", solid((201, 0, 0), 4, 4))
    os.utime(place / "1.png", ns=(before.st_atime_ns, before.st_mtime_ns))  # as `rsync -t` and archives leave it
    (place / "4.png").replace(place / "2.png")
    table = run(place, lines, out, update=True)
    assert table.summary.taken_over == 3
    run(place, lines, fresh)
    assert rows_of(out) == rows_of(fresh)
    assert run(place, lines, out, update=True).summary.taken_over == len(lines) + 1


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "npz"])
@pytest.mark.parametrize("name", ["post", "e\u0301", "\u00e9"])
def test_half_characters_and_accents_in_what_comes_along(tmp_path: Path, form: str, name: str):
    """As JSON has them where a program cut an emoji in two; and as macOS writes names."""
    save(tmp_path / "a.png", solid((1, 0, 0), 4, 4))
    out, listed = tmp_path / f"out.{form}", tmp_path / "list.jsonl"
    listed.write_text(json.dumps({"path": "a.png", name: "cut \ud83d \0"}) + "\n")
    for update in (False, True, True):
        with ms.info(listed, column="path", keep=[name]) as table:
            table.write(out, update=update)
        assert (table.summary.rows, table.summary.vanished) == (1, [])


def test_a_line_without_a_path_is_named_by_its_present_number(tmp_path: Path):
    save(tmp_path / "a.png", solid((1, 0, 0), 4, 4))
    out, listed = tmp_path / "out.csv", tmp_path / "list.csv"
    for lines, number in ((["a.png,1", ",2"], 3), (["a.png,1", "a.png,3", ",2"], 4)):
        listed.write_text("\n".join(["path,post", *lines]) + "\n")
        with ms.info(listed, keep=["post"]) as table:
            table.write(out, update=True)
        errors = [row["error"] for row in csv.DictReader(out.read_text().splitlines()) if row["error"]]
        assert errors == [f"not-found: line {number} of list.csv has no path"]


@pytest.mark.parametrize("link", ["of the file", "of a folder"])
def test_a_link_that_leads_elsewhere_since_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str):
    monkeypatch.chdir(tmp_path)
    for name, side in (("old", 4), ("new", 8)):
        Path(name).mkdir()
        save(Path(name, "a.png"), solid((1, 0, 0), side, side))
    ends = "/a.png" if link == "of the file" else ""
    path = "now" if ends else "now/a.png"
    for target, width in (("old", "4"), ("new", "8")):
        Path("now").unlink(missing_ok=True)
        Path("now").symlink_to(target + ends)
        with ms.info([path]) as table:
            table.write("out.csv", update=True)
        assert [row["width"] for row in csv.DictReader(Path("out.csv").read_text().splitlines())] == [width]


def renamed(here: Path, other: Path) -> None:
    """One folder in the place of another, as a whole: none of its files is touched."""
    aside = here.with_name("aside")
    here.rename(aside)
    other.rename(here)
    aside.rename(other)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "npz"])
def test_a_folder_in_the_place_of_another_is_read_again(tmp_path: Path, form: str):
    here, other = tmp_path / "in", tmp_path / "other"
    for place, side in ((here, 4), (other, 8)):
        place.mkdir()
        for name in ("a.png", "b.png"):
            save(place / name, solid((1, 0, 0), side, side))
    out, fresh = tmp_path / f"out.{form}", tmp_path / f"fresh.{form}"
    for _ in range(3):
        with ms.info([here, here / "b.png"]) as table:
            table.write(out, update=True)
        with ms.info([here, here / "b.png"]) as again:
            again.write(fresh, restart=True)
        assert rows_of(out) == rows_of(fresh)
        renamed(here, other)
    renamed(here, other)
    with ms.info([here, here / "b.png"]) as table:
        table.write(out, update=True)
    assert table.summary.taken_over == 3


def test_a_table_that_says_nothing_of_states_goes_by_the_clock(tmp_path: Path):
    """As one of an earlier version; the update writes down the states."""
    place, out = tmp_path / "in", tmp_path / "out.csv"
    place.mkdir()
    for name in ("a.png", "b.png"):
        save(place / name, solid((1, 0, 0), 4, 4))
    ms.info(place).write(out)
    beside = manifest_path(out)
    earlier = json.loads(beside.read_text())
    states = earlier["inputs"].pop("states")
    beside.write_text(json.dumps(earlier))
    save(place / "c.png", solid((1, 0, 0), 4, 4))
    with ms.info(place) as table:
        table.write(out, update=True)
    assert table.summary.taken_over == 2
    assert json.loads(beside.read_text())["inputs"]["states"].startswith(states)
    save(place / "b.png", solid((2, 0, 0), 8, 8))
    with ms.info(place) as table:
        table.write(out, update=True)
    assert table.summary.taken_over == 2


def test_a_listed_file_that_is_gone_is_an_error_as_in_a_fresh_run(tmp_path: Path):
    for name in ("a.png", "b.png"):
        save(tmp_path / name, solid((1, 0, 0), 4, 4))
    out, fresh, named = tmp_path / "out.csv", tmp_path / "fresh.csv", [tmp_path / "a.png", tmp_path / "b.png"]
    ms.info(named).write(out)
    (tmp_path / "b.png").unlink()
    ms.info(named).write(out, update=True)
    ms.info(named).write(fresh)
    assert rows_of(out) == rows_of(fresh)
