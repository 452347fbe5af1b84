"""The page of every kind of table in a real Chromium, hostile names, what lies beside it, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError, OutputError, UsageError
from mediasift.look.page import Shape, write_page
from mediasift.look.settings import Look, look
from mediasift.look.thumbnails import TakeThumbnails, ordered, thumbnails
from mediasift.look.tiles import tiles_of
from mediasift.system.progress import Progress
from mediasift.tables.formats import read_table
from tests.browser import ENTER, ESCAPE, RIGHT, Page, chromium
from tests.look.__main__ import colour, counted, driven, pictures, wait
from tests.pictures import save, solid
from tests.videos import make_video, numbered, sounding


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.chdir(tmp_path)
    opened = Page(driver, tmp_path)
    yield opened
    assert opened.complaints() == []


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def photos(*names: str) -> None:
    Path("photos").mkdir(exist_ok=True)
    for number, name in enumerate(names):
        save(Path("photos", name), solid((20 * number % 256, 90, 0), 60, 40), format="PNG")


def shown(page: Page, table: str, **options) -> Page:
    """The page of a table, opened."""
    ms.look(table, directory="page", **options)
    page.open("page")
    wait(page)
    return page


def held(folder: str = "page") -> dict:
    """The data of a page."""
    text = Path(folder, "index.html").read_text("utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def texts(page: Page, selector: str) -> list[str]:
    return page.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent.trim())")


def test_five_hundred_pictures(page: Page, tmp_path: Path):
    look(pictures(tmp_path / "study", 500), Look(directory="page", isolate=True))
    driven(page, Path("page"), 500)


def test_thumbnails_in_scripts_beside_the_page(page: Page, tmp_path: Path):
    """What a page of more than 5,000 pictures does, with 300."""
    table = pictures(tmp_path / "study", 300)
    tiles = tiles_of(table, read_table(table))
    places = ordered([tile.where for tile in tiles])
    Path("page").mkdir()
    shape = Shape(title="t", note="", near=table.parent, folder=Path("page"))
    write_page(
        Path("page"), shape, tiles, places,
        thumbnails(places, table.parent, TakeThumbnails(side=32), Progress()), most_inside=100,
    )  # fmt: skip
    assert sorted(one.name for one in Path("page/thumbnails").iterdir()) == [f"{number}.js" for number in range(5)]
    driven(page, Path("page"), 300)
    assert len(page.js("[...scripts.keys()]")) == 5


EVIL = (
    "<img src=x onerror=window.hacked=1>", '"><script>window.hacked=1//', "' onload='window.hacked=1", 'a\nb,c"d',
    "${window.hacked=1}", "&lt;b&gt;", "javascript:window.hacked=1", "\u202egnp.exe\u202c", "__proto__", "constructor",
    "e\u0301 # ? %41 \\", "\u2028\u2029",
)  # fmt: skip


def test_names_labels_and_columns_are_never_markup(page: Page):
    names = [f"{name}.png".replace("/", "\u2215") for name in EVIL]
    photos(*names)
    labels = [*EVIL, "</script><script>window.hacked=1</script>", "<!--<script>"][: len(names)]
    labels[0] = "</script><script>window.hacked=1</script>"
    rows = [
        {"path": f"photos/{name}", "label": label, "constructor": label, "<b>": "</script>", "error": ""}
        for name, label in zip(names, labels, strict=True)
    ]
    rows[-1]["error"] = "x: <script>window.hacked=1</script>"
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shown(page, "t.jsonl")
    raw = Path("page/index.html").read_bytes()
    assert raw.partition(b'id="data">')[2].partition(b"</script")[0].isascii()
    assert raw.count(b"</script") == 3
    assert held()["places"]["path"] == [f"photos/{name}" for name in names]
    assert sorted(page.js("named('label').values")) == sorted(labels)
    page.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.press(RIGHT, ENTER)
    for name in names:
        wait(page, "document.querySelector('#picture > img').naturalWidth === 60")  # the link leads to the file
        assert page.text("#name") == f"photos/{name}"
        page.press(RIGHT)
    assert page.js("window.hacked") is None
    assert page.js("document.querySelectorAll('script').length") == 3
    page.press(ESCAPE)
    page.js("(at('search').value = '</script><', at('search').dispatchEvent(new Event('input')))")
    wait(page, "order.length === 1")


def test_the_page_asks_no_network(page: Page):
    photos("a.png")
    Path("t.csv").write_text("path,label\nphotos/a.png,x\nhttp://127.0.0.1:9/b.png,y\n")
    assert ms.look("t.csv", directory="page").unseen == 1
    page.open("page")
    wait(page)
    addresses = page.js("performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(address.startswith(("file:", "data:")) for address in addresses)
    assert held()["places"]["link"] == ["../photos/a.png", ""]
    text = Path("page/index.html").read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=.?https?:", text)


def test_boxes_and_masks_are_drawn_where_they_are(page: Page):
    photos("a.png", "b.png")
    Image.fromarray(np.pad(np.full((20, 30), 255, np.uint8), 10)).save("mask.png")
    lines = json.dumps([[6, 4, 30, 4, 30, 20, 6, 20]])
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [
        {"path": "photos/a.png", "label": "cat", "score": 0.9, "left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.6},
        {"path": "photos/a.png", "label": "dog", "score": 0.8, "left_px": 30, "top_px": 10, "width_px": 15,
         "height_px": 20},
        {"path": "photos/b.png", "label": "cat", "score": 0.7, "mask": "mask.png"},
        {"path": "photos/b.png", "label": "owl", "score": 0.6, "polygons": lines},
        {"path": "photos/b.png", "label": "bee", "score": 0.6, "left": 0.5, "top": 0.5, "right": 7, "bottom": 0.9},
    ]))  # fmt: skip
    shown(page, "t.jsonl")
    data = held()
    assert data["boxes"][:4] == [[100, 200, 500, 600], [500, 250, 750, 750], 0, 0]
    assert "its box is not inside the picture of 60x40 pixels" in data["boxes"][4]
    assert data["outlines"] == {"3": [[100, 100, 500, 100, 500, 500, 100, 500]]}
    assert data["masks"] == {"2": "../mask.png"}
    assert "its box is not inside" in " ".join(texts(page, ".tile .wrong"))
    page.press(RIGHT, ENTER)
    assert texts(page, ".name-tag") == ["cat 0.9", "dog 0.8"]
    rectangle = "JSON.parse(JSON.stringify(document.querySelector('{}').getBoundingClientRect()))"
    whole, box = (page.js(rectangle.format(one)) for one in ("#picture", "#picture svg rect"))
    assert abs(box["left"] - whole["left"] - 0.1 * whole["width"]) < 2
    assert abs(box["width"] - 0.4 * whole["width"]) < 3
    page.press("b")
    assert page.js("getComputedStyle(document.querySelector('#picture svg')).display") == "none"
    page.press("b", ESCAPE)
    page.js("[...document.querySelectorAll('.values label')].find((one) => one.innerText.startsWith('cat')).click()")
    assert page.js("document.querySelectorAll('.tile').length") == 2
    assert page.js("document.querySelectorAll('.tile svg > rect').length") == 2  # a box and a mask: of cats alone


def test_shots_are_a_strip_with_time_codes_and_play_from_there(page: Page):
    film = numbered(100)
    sounding(Path("film.mp4"), film, np.zeros(44_100 * 4, np.float32))
    Path("t.csv").write_text(
        "path,page,frame,time_s,shot,start_s,end_s,length_s,error\n"
        "film.mp4,,0,0.0,1,0.0,1.0,1.0,\nfilm.mp4,,25,1.0,2,1.0,2.5,1.5,\nfilm.mp4,,62,2.5,3,2.5,4.0,1.5,\n"
    )
    shown(page, "t.csv")
    assert texts(page, ".head") == ["film.mp4 3 · 0:00:04.0"]
    assert texts(page, ".badge") == ["0:00:00.0", "0:00:01.0", "0:00:02.5"]
    strip = page.driver.find_element("css selector", ".strip")
    from selenium.webdriver import ActionChains

    ActionChains(page.driver).move_to_element_with_offset(strip, 0, 0).click().perform()  # its middle: second 2
    assert page.js("tiles.time_s[current]") == "1"
    page.press(ENTER)
    page.js("document.querySelector('#play').click()")
    wait(page, "document.querySelector('#stage video')?.currentTime >= 1")
    assert len(list(Path("page/large").iterdir())) == 3


def test_speech_in_sound_is_a_list_of_texts(page: Page):
    import wave

    with wave.open("talk.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.zeros(32_000, "<i2").tobytes())
    Path("t.csv").write_text(
        "path,time_s,start_s,end_s,text,confidence,found\ntalk.wav,0.5,0.5,2,good morning,0.9,2\n"
        "talk.wav,2,2,3.5,to all of you,0.8,2\n"
    )
    assert ms.look("t.csv", directory="page").unseen == 0
    page.open("page")
    wait(page)
    assert texts(page, ".tile.row .main") == ["good morning 0.9", "to all of you 0.8"]
    assert texts(page, ".note-sign") == ["♪", "♪"]
    page.press(RIGHT, ENTER)
    page.js("document.querySelector('#play').click()")
    wait(page, "document.querySelector('#stage audio')?.currentTime >= 0.5")


def test_duplicates_pairs_and_queries_stand_side_by_side(page: Page):
    photos(*"abcdef")
    names = [f"photos/{name}" for name in "abcdef"]
    Path("d.csv").write_text(
        "path,group,representative,similarity,match\n"
        + "".join(f"{name},{group},{lead},1,\n" for name, group, lead in zip(
            names, ["1", "2", "1", "", "2", ""], [names[0], names[1], names[0], "", names[1], ""], strict=True))
    )  # fmt: skip
    shown(page, "d.csv")
    assert texts(page, ".head") == ["group 1 2", "group 2 2", "without group 2"]
    assert page.js("order.map(pathOf).join('').replaceAll('photos/', '')") == "acbedf"
    assert page.js("lines.length") == 2  # as many side by side as there is room for
    Path("p.csv").write_text(
        "path_a,page_a,frame_a,path_b,page_b,frame_b,similarity\nphotos/a,,,photos/b,,,0.75\nphotos/a,,,photos/c,,,0.5\n"
    )
    shown(page, "p.csv")
    assert texts(page, ".head") == ["pair 1 · similarity 0.75 2", "pair 2 · similarity 0.5 2"]
    Path("s.csv").write_text("path,query,rank,similarity\nphotos/b,photos/a,1,0.9\nphotos/c,photos/a,2,0.8\n")
    shown(page, "s.csv")
    assert texts(page, ".tile .main") == ["the query", "similarity 0.9", "similarity 0.8"]


def test_what_a_browser_cannot_show_has_a_larger_copy(page: Page):
    scan = [Image.new("RGB", (900, 600), (200, 30 * number, 0)) for number in range(2)]
    scan[0].save("scan.tif", save_all=True, append_images=scan[1:])
    make_video(Path("film.mkv"), numbered(50), range(0, 2000, 40))
    Path("t.csv").write_text("path,page,frame,label\nscan.tif,1,,x\nscan.tif,2,,y\nfilm.mkv,,30,z\n")
    shown(page, "t.csv", large=300)
    large = sorted(Path("page/large").iterdir())
    sizes = []
    for one in large:
        with Image.open(one) as picture:
            sizes.append(picture.size)
    assert sizes == [(300, 200), (300, 200), (64, 48)]
    page.press(RIGHT, ENTER)
    wait(page, "document.querySelector('#picture > img').naturalWidth === 300")
    page.press(RIGHT)
    assert page.text("#name") == "scan.tif, p. 2"


def test_what_is_missing_or_damaged_is_a_tile_with_its_sentence(page: Page):
    photos("a.png")
    Path("photos/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("t.csv").write_text("path,label\nphotos/a.png,x\nphotos/gone.png,y\nphotos/bad.png,z\n,w\n")
    done = CliRunner().invoke(main, ["look", "t.csv", "-d", "page", "--quiet"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "page/index.html: 4 tiles of 4 rows" in done.stderr
    assert "Not to be seen: 3, e.g. photos/gone.png: not-found: no such file" in done.stderr
    page.open("page")
    wait(page)
    assert [text.split(":")[0] for text in texts(page, ".lacking")] == ["not-found", "damaged", "not-found"]
    page.press("e")
    assert counted(page) == 3


def test_the_map_of_vectors(page: Page):
    names = [f"{number}.png" for number in range(12)]
    photos(*names)
    random = np.random.default_rng(1)
    vectors = np.repeat(np.eye(2, 4), 6, axis=0) + random.normal(0, 0.02, (12, 4))
    paths = [f"photos/{name}" for name in names]
    np.savez("v.npz", path=np.array(paths), embedding=vectors.astype(np.float32))
    shown(page, None, map="v.npz", clusters=2)
    assert texts(page, ".head") == ["cluster 1 6", "cluster 2 6"]
    import pyarrow.parquet

    points = pyarrow.parquet.read_table("page/points.parquet").to_pylist()
    assert [row["path"] for row in points] == paths
    assert {tuple(sorted(row)) for row in points} == {
        ("cluster", "error", "frame", "page", "path", "time_s", "typical", "x", "y")
    }
    assert [row["cluster"] for row in points] == [points[0]["cluster"]] * 6 + [points[6]["cluster"]] * 6
    tile = page.js("order[3]")
    h, v = page.js(f"map.screen({tile})")
    left, top = (page.js(f"at('plot').getBoundingClientRect().{axis}") for axis in "xy")
    event = f"{{bubbles: true, pointerId: 1, clientX: {h + left}, clientY: {v + top}}}"
    page.js("(at('plot').setPointerCapture = () => {})")
    for name in ("pointerdown", "pointerup"):
        page.js(f"at('plot').dispatchEvent(new PointerEvent('{name}', {event}))")
    assert page.text("#name") == page.js(f"pathOf({tile})")
    page.press(ESCAPE)
    Path("t.csv").write_text("path,label\n" + "".join(f"{path},L{at % 3}\n" for at, path in enumerate(paths[:5])))
    looked = ms.look("t.csv", directory="page", map="v.npz")
    assert (looked.tiles, looked.rows) == (5, 5)
    assert {"label", "x", "y", "cluster", "typical"} <= {one["name"] for one in held()["columns"]}
    Path("t.csv").write_text("path,label\nelse.png,x\n")
    with pytest.raises(InputError, match=r"none of its items has a vector in v.npz"):
        ms.look("t.csv", directory="other", map="v.npz")
    assert not Path("other").exists()


def test_every_number_of_the_table_is_on_the_page_and_its_thumbnail_is_its_own():
    names = [f"{number}.png" for number in range(9)]
    Path("photos").mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (40, 30), colour(number * 1000)).save(Path("photos", name))
    Path("t.csv").write_text(
        "path,score,kept\n"
        + "".join(f"photos/{name},0.{number},k{number}\n" for number, name in enumerate(reversed(names)))
    )
    ms.look("t.csv", directory="page", pixels=32, jobs=2)
    data = held()
    assert {one["name"]: one["cells"] for one in data["columns"]} == {
        "score": [0, *(number / 10 for number in range(1, 9))], "kept": list(range(9)),
    }  # fmt: skip
    assert [data["places"]["path"][place] for place in data["tiles"]["place"]] == [
        f"photos/{name}" for name in reversed(names)
    ]
    for path, seen in zip(data["places"]["path"], data["places"]["color"], strict=True):
        assert bytes.fromhex(seen) == bytes(colour(int(Path(path).stem) * 1000))


def test_the_same_command_replaces_its_own_folder_and_no_other():
    photos("a.png", "b.png")
    before = {path: path.read_bytes() for path in Path("photos").iterdir()}
    Path("t.csv").write_text("path,label\nphotos/a.png,x\n")
    Path("empty").mkdir()
    for folder in ("page", "page", "empty"):
        ms.look("t.csv", directory=folder)
    Path("t.csv").write_text("path,label\nphotos/b.png,x\n")
    ms.look("t.csv", directory="page")
    assert held()["places"]["path"] == ["photos/b.png"]
    Path("page/notes.txt").write_text("mine")
    for folder in ("page", "photos"):
        with pytest.raises(OutputError, match="is there already; name a new folder"):
            ms.look("t.csv", directory=folder)
    assert Path("page/notes.txt").read_text() == "mine"
    Path("other").mkdir()
    Path("other/index.html").write_text("mine")
    Path("other/index.html.run.json").write_text('{"settings": {}}')
    with pytest.raises(OutputError):
        ms.look("t.csv", directory="other")
    assert {path: path.read_bytes() for path in Path("photos").iterdir()} == before
    assert [one for one in Path().iterdir() if one.name.startswith(".")] == []
    assert json.loads(Path("page/index.html.run.json").read_text())["look"]["tables"][0]["path"] == "t.csv"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, UsageError, "nothing to look at: name a table, or vectors with --map"),
        ({"table": "t.csv", "clusters": 3}, UsageError, "clusters 3: are those of a map"),
        ({"table": "gone.csv"}, InputError, "gone.csv"),
        ({"table": "t.txt"}, InputError, "no table"),
        ({"map": "t.csv"}, InputError, "no table of vectors"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_and_leaves_nothing(options: dict, error: type[Exception], message: str):
    Path("t.csv").write_text("path,label\na.png,x\n")
    table = options.pop("table", None)
    with pytest.raises(error, match=re.escape(message)):
        ms.look(table, directory="page", **options)
    assert [one.name for one in Path().iterdir()] == ["t.csv"]


def test_the_folder_moves_with_its_pictures(page: Page):
    photos("a.png")
    Path("t.csv").write_text("path,label\nphotos/a.png,x\n")
    ms.look("t.csv", directory="page")
    Path("moved to Zoë's #1 drive").mkdir()
    for name in ("page", "photos"):
        shutil.move(name, "moved to Zoë's #1 drive")
    page.open("moved to Zoë's #1 drive/page")
    wait(page)
    page.press(RIGHT, ENTER)
    wait(page, "document.querySelector('#picture > img').naturalWidth === 60")


def test_a_kill_leaves_the_page_that_was_there_and_the_same_command_makes_the_new_one(tmp_path: Path):
    photos("a.png")
    Path("t.csv").write_text("path,label\nphotos/a.png,x\n")
    ms.look("t.csv", directory="page")
    before = Path("page/index.html").read_bytes()
    table = pictures(tmp_path / "study", 400)
    for folder in ("page", "new"):
        command = [sys.executable, "-m", "mediasift", "look", str(table), "-d", folder, "--quiet"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(tmp_path.glob(".mediasift-*.part")):
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert Path("page/index.html").read_bytes() == before
    assert not Path("new").exists()
    look(table, Look(directory="new", isolate=True))
    look(table, Look(directory="page", isolate=True))
    assert len(held("new")["places"]["path"]) == len(held("page")["places"]["path"]) == 400
    assert list(tmp_path.glob(".mediasift-*")) == []


def test_what_fails_leaves_the_page_that_was_there():
    photos("a.png")
    Path("t.csv").write_text("path,label\nphotos/a.png,x\n")
    ms.look("t.csv", directory="page")
    before = Path("page/index.html").read_bytes()
    Path("t.csv").write_text("path,page\nphotos/a.png,first\n")
    with pytest.raises(InputError, match="column page: 'first' is no number"):
        ms.look("t.csv", directory="page")
    assert Path("page/index.html").read_bytes() == before
