"""The coding page in a real Chromium: keys, skipped questions, what is kept, what is saved, and hostile texts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

import mediasift as ms
from mediasift.evaluate.coded import CodedTable, read_coded
from mediasift.evaluate.sample_media import Shown
from mediasift.evaluate.sample_page import coding_page
from mediasift.sources.codebook import CHOSEN, KINDS, Codebook, Value, Variable, read_codebook
from tests.browser import ENTER, ESCAPE, RIGHT, UP, Page, chromium
from tests.pictures import save, solid
from tests.videos import numbered, sounding

BOOK = """\
name: protest-2026
variables:
  - {name: protest, question: A protest, definition: People in public., values: ["yes", "no", unclear]}
  - name: size
    question: How many people
    kind: ordinal
    values: [{value: few, label: up to ten, example: a vigil}, dozens, hundreds]
    ask_if: {protest: ["yes", unclear]}
  - {name: signs, question: Which signs, kind: several, values: [flag, banner, poster], ask_if: {size: [dozens,
     hundreds]}}
  - {name: people, question: How many exactly, kind: number, ask_if: {size: few}}
  - {name: slogan, question: Which slogan, kind: text, ask_if: {signs: banner}}
"""


class CodingPage(Page):
    """The page for coders in the browser."""

    def questions(self) -> list[str]:
        return self.js("[...document.querySelectorAll('fieldset')].map((one) => one.dataset.variable)")

    def current(self) -> str:
        return self.js("document.querySelector('fieldset.current').dataset.variable")

    def saved(self, name: str) -> Path:
        """Press s; the file that the browser then downloads."""
        file = self.downloads / name
        file.unlink(missing_ok=True)
        self.press(ESCAPE, "s")
        for _ in range(600):
            if file.exists() and file.stat().st_size and not list(self.downloads.glob("*.crdownload")):
                return file
            time.sleep(0.1)
        raise AssertionError(f"no {name} after a minute; there are {list(self.downloads.iterdir())}")

    def coded(self, coder: int = 1) -> CodedTable:
        return read_coded(self.saved(f"coded-{coder}.csv"), read_codebook("book.yaml"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodingPage]:
    """A browser that downloads into a folder of the test; it must complain of nothing."""
    monkeypatch.chdir(tmp_path)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    yield CodingPage(driver, downloads)
    driver.execute_script("localStorage.clear()")
    assert CodingPage(driver, downloads).complaints() == []


def sampled(names: list[str], book: str = BOOK, folder: str = "coding", **options) -> dict:
    """A folder for coders of pictures with these names; what its page holds."""
    Path("photos").mkdir(exist_ok=True)
    for number, name in enumerate(names):
        save(Path("photos", name), solid((20 * number % 256, 90, 0), 60, 40), format="PNG")
    rows = [json.dumps({"path": f"photos/{name}", "label": "SECRET", "score": 0.5}) for name in names]
    Path("labels.jsonl").write_text("\n".join(rows), encoding="utf-8")
    Path("book.yaml").write_text(book, encoding="utf-8")
    ms.sample("labels.jsonl", count=len(names), directory=folder, codebook="book.yaml", **options)
    text = Path(folder, "index.html").read_text(encoding="utf-8")
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def pictures(count: int) -> list[str]:
    return [f"{number}.png" for number in range(count)]


def test_ten_pictures_by_keyboard_with_a_reload_between(page: CodingPage):
    data = sampled(pictures(10))
    page.open("coding")
    assert page.text("#count") == "1 of 10, 0 coded"
    assert page.questions() == ["protest"]
    shown = []
    for number in range(10):
        shown.append(page.text("#name"))
        assert page.js("document.querySelector('#shown img').decode().then(() => true)")
        assert page.js("document.querySelector('#shown img').naturalWidth") == 60
        match number % 4:
            case 0:
                page.press("2", ENTER)  # no
            case 1:
                page.press("1", "1", "7", ".", "5", ENTER)  # yes, few, 7.5
            case 2:
                page.press("1", "3", "1", "2", ENTER, *"Peace, now!", ENTER)  # yes, hundreds, flag and banner, a slogan
            case 3:
                page.press("3", "2", "0", ENTER)  # unclear, dozens, none of these
        if number == 4:
            page.press("n", *"blurred", ESCAPE)
        if number == 6:
            page.driver.refresh()
            assert page.text("#count") == "8 of 10, 7 coded"
    assert page.text("#count") == "10 of 10, 10 coded"
    assert page.text("#message") == "All are coded. Save the CSV and hand it in."
    rows = page.coded().rows
    assert [row.unit[0] for row in rows] == shown == [data["items"][at]["unit"][0] for at in range(10)]
    expected = [
        {"protest": "no"},
        {"protest": "yes", "size": "few", "people": 7.5},
        {"protest": "yes", "size": "hundreds", "signs": ("flag", "banner"), "slogan": "Peace, now!"},
        {"protest": "unclear", "size": "dozens", "signs": ()},
    ]
    assert [dict(row.answers) for row in rows] == [expected[number % 4] for number in range(10)]
    assert {row.coder for row in rows} == {"1"}
    notes = [row.note for row in rows]
    assert sorted(notes) == [*[""] * 9, "blurred"]


def test_what_is_begun_is_saved_as_far_as_it_is(page: CodingPage):
    sampled(pictures(3))
    page.open("coding").press("1", RIGHT, "2")
    answers = [dict(row.answers) for row in page.coded().rows]
    assert answers == [{"protest": "yes"}, {"protest": "no"}, {}]
    page.driver.refresh()
    assert page.text("#count") == "1 of 3, 1 coded"  # the first one that is open
    assert page.current() == "size"


def test_an_answer_that_is_taken_back_takes_what_followed_from_it(page: CodingPage):
    sampled(pictures(2))
    page.open("coding").press("1", "2", "2", ENTER, *"stop")
    assert page.questions() == ["protest", "size", "signs", "slogan"]
    page.press(ESCAPE, UP, UP, UP)
    assert page.current() == "protest"
    page.press("2")
    assert page.questions() == ["protest"]
    assert dict(page.coded().rows[0].answers) == {"protest": "no"}
    page.press(UP, "1")  # taken back again: what stood there is still there
    assert page.questions() == ["protest", "size", "signs", "slogan"]
    assert dict(page.coded().rows[0].answers) == {
        "protest": "yes", "size": "dozens", "signs": ("banner",), "slogan": "stop",
    }  # fmt: skip


def test_several_answers_are_toggled_and_stand_in_the_order_of_the_codebook(page: CodingPage):
    sampled(pictures(1))
    page.open("coding").press("1", "2", "3", "1", "2", "2")
    assert page.current() == "signs"
    assert page.coded().rows[0].answers["signs"] == ("flag", "poster")
    page.press("0")
    assert page.coded().rows[0].answers["signs"] == ()
    page.press("1", "1")
    assert "signs" not in page.coded().rows[0].answers


def test_what_is_no_number_is_shown_as_such_and_not_saved(page: CodingPage):
    sampled(pictures(1))
    page.open("coding").press("1", "1", *"1,5")
    field = "document.querySelector('[data-variable=people] input')"
    assert page.js(f"{field}.getAttribute('aria-invalid')") == "true"
    assert page.text("#count") == "1 of 1, 0 coded"
    assert "people" not in page.coded().rows[0].answers
    page.js(f"{field}.focus()")
    page.press(*"\b\b\b", "1", "e", "3")
    assert page.js(f"{field}.getAttribute('aria-invalid')") == "false"
    assert page.coded().rows[0].answers["people"] == 1000


def test_two_coders_on_one_page(page: CodingPage):
    data = sampled(pictures(9), coders=2, overlap=3)
    assert [len(one["items"]) for one in data["coders"]] == [6, 6]
    page.open("coding")
    assert "Coder 1: 6 to code, 0 done" in page.text("#coder-list")
    page.press("2", *"222222")  # coder 2 says no to all: each digit answers, and Enter goes on
    assert page.text("#who").startswith("Coder 2")
    page.press(ENTER, "2", ENTER, "2")
    assert page.text("#count") == "3 of 6, 3 coded"
    page.driver.refresh()
    assert "Coder 2: 6 to code, 3 done" in page.text("#coder-list")
    assert "Coder 1: 6 to code, 0 done" in page.text("#coder-list")
    page.press("1", "3", "1")
    one, two = page.coded(1), None
    page.js("document.querySelector('#change').click()")
    page.press("2")
    two = page.coded(2)
    assert [dict(row.answers) for row in two.rows[:3]] == [{"protest": "no"}] * 3
    assert dict(one.rows[0].answers) == {"protest": "unclear", "size": "few"}
    assert ({row.coder for row in one.rows}, {row.coder for row in two.rows}) == ({"1"}, {"2"})
    assert len({row.unit for row in one.rows} & {row.unit for row in two.rows}) == 3


EVIL = (
    "<img src=x onerror=window.hacked=1>", '"><script>window.hacked=1</script>', "</script><script>window.hacked=1//",
    "' onload='window.hacked=1", "\u202egnp.exe\u202c", 'a\nb,c"d', "${window.hacked=1}", "{{1}}", "&lt;b&gt;",
    "=HYPERLINK(1)", " blank ", "e\u0301", "javascript:window.hacked=1", "\U0001f600",
)  # fmt: skip


def test_names_of_files_are_text_and_come_back_as_they_are(page: CodingPage):
    names = [name.replace("/", "\u2215") for name in EVIL]
    sampled([f"{name}.png" for name in names])
    page.open("coding")
    paths = [f"photos/{name}.png" for name in names]
    seen = []
    for _ in names:
        assert page.js("document.querySelector('#shown img').decode().then(() => true)")
        seen.append(page.text("#name"))
        page.press(RIGHT)
    assert sorted(seen) == sorted(paths)
    assert page.js("window.hacked") is None
    assert page.js("document.querySelectorAll('body script').length") == 2
    assert sorted(row.unit[0] for row in page.coded().rows) == sorted(paths)


def test_texts_of_a_codebook_are_text(page: CodingPage):
    values = [{"value": name.replace("\n", " "), "label": name, "definition": name, "example": name} for name in EVIL]
    variable = {"name": "constructor", "question": EVIL[0], "definition": "\n".join(EVIL), "values": values}
    other = {"name": "toString", "question": EVIL[2], "kind": "text", "ask_if": {"constructor": values[10]["value"]}}
    sampled(pictures(2), book=json.dumps({"name": EVIL[1], "variables": [variable, other]}))  # JSON is YAML
    page.open("coding")
    assert page.text("#title") == page.driver.title == EVIL[1]
    assert page.text("legend") == EVIL[0]
    assert page.text("fieldset > .definition") == "\n".join(_composed(EVIL)).strip()
    labels = page.js("[...document.querySelectorAll('.value')].map((one) => one.textContent)")
    assert [one.strip() for one in labels] == [one.strip() for one in _composed(EVIL)]
    keys = page.js("[...document.querySelectorAll('.values kbd')].map((one) => one.textContent)")
    assert keys == list("123456789abcde")
    assert page.questions() == ["constructor"]
    page.press("b")  # the eleventh
    assert page.questions() == ["constructor", "toString"]
    page.press(ENTER, *EVIL[2], ENTER, "1")
    first, second = page.coded().rows
    assert first.answers == {"constructor": values[10]["value"].strip(), "toString": EVIL[2]}
    assert second.answers == {"constructor": EVIL[0]}
    assert page.js("window.hacked") is None


def _composed(texts: tuple[str, ...]) -> list[str]:
    return [text.replace("e\u0301", "é") for text in texts]


def test_the_folder_can_be_moved_and_asks_no_network(page: CodingPage):
    sampled(pictures(2))
    shutil.rmtree("photos")
    Path("coding").rename("moved to Zoë's #1 drive")
    page.open("moved to Zoë's #1 drive")
    assert page.js("document.querySelector('#shown img').decode().then(() => true)")
    addresses = page.js("performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(address.startswith("file:") for address in addresses)
    policy = page.js("document.querySelector('meta[http-equiv]').content")
    assert "default-src 'none'" in policy
    outcome = page.driver.execute_async_script(
        "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('sent'), () => done('refused'));"
    )
    assert outcome == "refused"
    log = page.driver.get_log("browser")  # which says that the page's own policy did it
    assert any("Content Security Policy" in entry["message"] for entry in log)


def test_a_browser_that_keeps_nothing_says_so(page: CodingPage):
    sampled(pictures(2))
    script = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('off'); }})"
    made = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        page.open("coding").press("2")
        assert page.text("#message").startswith("This browser keeps nothing for this page. Save the CSV")
        assert page.coded().rows[0].answers == {"protest": "no"}
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)
        page.driver.refresh()


def test_another_sample_begins_empty(page: CodingPage):
    sampled(pictures(3))
    page.open("coding").press("2")
    sampled(pictures(3), folder="other", seed=2)
    page.open("other")
    assert page.text("#count") == "1 of 3, 0 coded"
    page.open("coding")
    assert page.text("#count") == "2 of 3, 1 coded"


def any_codebook(random: Random) -> Codebook:
    """Up to six variables of any kind, each asked always or after any answers to earlier ones."""
    variables: list[Variable] = []
    for number in range(random.randint(1, 6)):
        kind = random.choice(KINDS)
        values = tuple(Value(value=f"{one}{number}", label=one) for one in "abcd"[: random.randint(1, 4)])
        chosen = [one for one in variables if one.values]
        asked = random.sample(chosen, random.randint(0, min(2, len(chosen))))
        variables.append(
            Variable(
                name=f"v{number}", question="?", kind=kind, values=values if kind in CHOSEN else (),
                ask_if=tuple((one.name, tuple(random.sample(one.answers, 1))) for one in asked),
            )
        )  # fmt: skip
    return Codebook(name="any", variables=tuple(variables))


def any_answer(random: Random, variable: Variable):
    """What the page may hold of a variable, asked or not: an answer, text that is none, or nothing."""
    if random.random() < 0.2:
        return None
    if variable.kind == "several":
        return [one for one in variable.answers if random.random() < 0.5]
    if variable.kind == "number":
        return random.choice(["1", "-2.5", "1e3", " 7 ", "1,5", "many", "Infinity", "NaN", "", "0x10"])
    if variable.kind == "text":
        return random.choice(["words", " ", 'a "b", c', "(none)", "x|y", "=1"])
    return random.choice(variable.answers)


def test_page_and_reader_agree_on_what_counts(page: CodingPage):
    """Whatever the page holds, the reader takes what it saves, and both know the same answers."""
    random, unit = Random(20), ("a.png", "", "", "")
    seen = 0
    for _ in range(40):
        book = any_codebook(random)
        columns = ("path", "page", "frame", "time_s")
        html = coding_page(book, columns, [(1, [unit])], {unit: Shown(name="a.png", error="x: y")})
        Path("index.html").write_bytes(html)
        page.open(".")
        for _ in range(5):
            raw = {one.name: any_answer(random, one) for one in book.variables}
            held = {name: answer for name, answer in raw.items() if answer is not None}
            Path("c.csv").write_text(page.js(f"(work.answers = {{0: {json.dumps(held)}}}, table())"))
            expected: dict = {}
            for one in book.variables:
                if one.name in held and one.is_asked(expected) and (answer := counted(held[one.name], one)) is not None:
                    expected[one.name] = answer
            assert read_coded("c.csv", book).rows[0].answers == expected
            seen += len(expected)
    assert seen > 150


def counted(raw, variable: Variable):
    """The answer in what a field holds; None where it is none."""
    if isinstance(raw, list):
        return tuple(raw)
    if variable.kind == "number":
        return {"1": 1.0, "-2.5": -2.5, "1e3": 1000.0, " 7 ": 7.0}.get(raw)
    return raw.strip() or None


def test_a_region_is_outlined_where_it_is(page: CodingPage):
    Path("photos").mkdir()
    save(Path("photos/a.png"), solid((200, 200, 0), 800, 600))
    Path("t.csv").write_text("path,left,top,right,bottom\nphotos/a.png,0.5,0.25,0.75,0.5\n")
    ms.sample("t.csv", count=1, directory="c")
    page.open("c")
    assert page.js("document.querySelector('#shown img').decode().then(() => true)")
    rectangle = "JSON.parse(JSON.stringify(document.querySelector('{}').getBoundingClientRect()))"
    picture, outline = (page.js(rectangle.format(one)) for one in ("#shown img", ".box"))
    margin = 75  # half of the region's shorter side, in pixels of the picture, of which 351 x 301 are shown
    scale = picture["width"] / 351
    assert abs(outline["left"] - picture["left"] - margin * scale) < 2
    assert abs(outline["top"] - picture["top"] - margin * scale) < 2
    assert abs(outline["width"] - 200 * scale) < 4
    assert abs(outline["height"] - 150 * scale) < 4


def test_films_and_sound_play_by_the_space_bar(page: CodingPage):
    sounding(Path("film.mkv"), numbered(100), np.zeros(44_100 * 4, np.float32))
    Path("t.csv").write_text("path,start_s,end_s\nfilm.mkv,1,3\n")
    ms.sample("t.csv", count=1, directory="c")
    page.open("c").press(ESCAPE, " ")
    player = "document.querySelector('#shown video')"
    for _ in range(300):
        if page.js(f"{player}.currentTime") > 0.2:
            break
        time.sleep(0.1)
    assert page.js(f"{player}.currentTime") > 0.2
    assert abs(page.js(f"{player}.duration") - 2) < 0.1
    assert page.js(f"{player}.videoWidth") == 64
    page.press(" ")
    assert page.js(f"{player}.paused")


def test_a_picture_that_has_gone_is_named(page: CodingPage):
    Path("photos").mkdir()
    Path("photos/gone.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(Path("photos/there.png"), solid((9, 9, 9)))
    Path("t.csv").write_text("path\nphotos/gone.png\nphotos/there.png\n")
    ms.sample("t.csv", count=2, directory="c")
    page.open("c")
    texts = [page.text("#shown")]
    page.press(ESCAPE, RIGHT)
    texts.append(page.text("#shown"))
    assert sorted(text[:24] for text in texts) == ["", "It cannot be shown: dama"]
