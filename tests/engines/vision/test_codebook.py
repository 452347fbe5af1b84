"""A language model as a coder, over a real socket: what it is asked, what comes of any answer, what it costs."""

from __future__ import annotations

import csv
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.vision.codebook_server import JPEG_QUALITY
from mediasift.errors import ConsentNeeded, EngineError, InputError, UsageError
from mediasift.run.ledger import BOOK, Book
from mediasift.tables.formats import read_table
from tests.chat_server import FINGERPRINT, MODEL, Asked, chatting
from tests.codebook_kills import killed
from tests.pictures import save, solid
from tests.videos import make_video, numbered

BOOK_TEXT = """\
name: colours
variables:
  - name: red
    question: Is the picture red?
    values: ["yes", "no"]
  - name: how
    question: How red is it?
    kind: ordinal
    values: [pale, deep]
    ask_if: {red: "yes"}
  - name: also
    question: What else is in it?
    kind: several
    values: [green, blue]
  - name: level
    question: How much blue, in hundreds?
    kind: number
  - name: words
    question: What is written there?
    kind: text
"""
LEVELS = (20, 230)
COLORS = [(red, green, blue) for red in LEVELS for green in LEVELS for blue in LEVELS]
SHOWN = ("red", "how", "also", "level", "words")


def brain(asked: Asked) -> dict:
    """What the tiny model sees: the colour of the picture."""
    red, green, blue = (side > 128 for side in asked.color)
    return {
        "red": "yes" if red else "no", "how": ("deep" if green else "pale") if red else None,
        "also": [name for name, there in (("green", green), ("blue", blue)) if there], "level": 2 if blue else 0.5,
        "words": "unknown",
    }  # fmt: skip


def cells(color: tuple[int, int, int]) -> list[str]:
    """The same as a human coder would write it into a coded table."""
    red, green, blue = (side > 128 for side in color)
    also = "|".join(name for name, there in (("green", green), ("blue", blue)) if there) or "(none)"
    return [
        "yes" if red else "no",
        ("deep" if green else "pale") if red else "",
        also,
        "2" if blue else "0.5",
        "unknown",
    ]


@pytest.fixture
def model(package, tmp_path: Path):
    package("yaml", "codebook")
    (tmp_path / "book.yaml").write_text(BOOK_TEXT)
    with chatting(brain) as (served, url):
        yield served, {"engine": "codebook", "codebook": tmp_path / "book.yaml", "url": url, "model": MODEL,
                       "paid": tmp_path / "paid", "parallel": 1}  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, color in enumerate(COLORS):
        save(folder / f"{number}.png", solid(color, 64, 48))
    return folder


def command(photos: Path, options: dict, *more: object) -> list[str]:
    given = [f"--{name}={value}" for name, value in options.items()]
    return ["tag", str(photos), *given, *map(str, more)]


def events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / BOOK).read_text().splitlines()]


def spent(folder: Path) -> float:
    book = Book(folder)
    book.close()
    return book.usd


def test_a_row_for_each_answer(model, photos: Path):
    served, options = model
    rows = list(ms.tag(photos / "7.png", **options))
    assert [(row.feature, row.label, row.value) for row in rows] == [
        ("red", "yes", None), ("how", "deep", None), ("also", "green", None), ("also", "blue", None),
        ("level", None, "2"), ("words", None, "unknown"),
    ]  # fmt: skip
    assert {(row.engine, row.number, row.model, row.request_id) for row in rows} == {
        ("codebook", 1, f"{MODEL} {FINGERPRINT}", served.asked[0].name)
    }
    assert [row.found for row in rows] == [1, 1, 2, 2, 1, 1]
    assert all(row.answered.startswith("2026-") for row in rows)
    pale = list(ms.tag(photos / "0.png", **options))
    assert [(row.feature, row.label, row.found) for row in pale[:3]] == [
        ("red", "no", 1), ("how", None, 0), ("also", "(none)", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("isolate", [False, True])
def test_wide_is_the_table_that_people_who_see_the_same_would_write(model, photos: Path, tmp_path: Path, isolate: bool):
    _, options = model
    ms.tag(photos, **options, wide=True, isolate=isolate).write(tmp_path / "out.csv")
    rows = read_table(tmp_path / "out.csv")
    assert list(rows[0]) == ["path", "page", "frame", "time_s", "coder", "note", *SHOWN, "error"]
    assert [[row[name] or "" for name in SHOWN] for row in rows] == [cells(color) for color in COLORS]
    assert {(row["coder"], row["note"], row["error"]) for row in rows} == {(MODEL, None, None)}


def test_human_and_machine_are_compared_on_equal_terms(model, photos: Path, tmp_path: Path, monkeypatch):
    """Sample, a coded table of a person, the machine's; agreement is 1, and both say the same of the corpus."""
    _, options = model
    monkeypatch.chdir(tmp_path)
    for number in range(40):
        save(photos / f"more-{number:02}.png", solid(COLORS[number % 8], 16, 16))
    run = CliRunner()
    done = run.invoke(main, [*command(Path("photos"), options), "--wide", "-o", "machine.csv", "--quiet"])
    assert done.exit_code == 0, done.output
    sampled = ["sample", "machine.csv", "-n", "40", "-d", "coding", "--codebook", "book.yaml", "--by", "red"]
    assert run.invoke(main, sampled).exit_code == 0
    with Path("coding/sheet.csv").open(newline="") as file:
        sheet = list(csv.DictReader(file))
    true = {str(Path("photos") / f"{number}.png"): color for number, color in enumerate(COLORS)}
    true |= {f"photos/more-{number:02}.png": COLORS[number % 8] for number in range(40)}
    with Path("anna.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "page", "frame", "time_s", "coder", *SHOWN, "note"])
        writer.writerows([row["path"], "", "", "", "anna", *cells(true[row["path"]]), ""] for row in sheet)
    agreed = list(ms.agree(["anna.csv", "machine.csv"], codebook="book.yaml").measures)
    measured = {(row.variable, row.label, row.measure): row for row in agreed}
    for variable in ("red", "how"):
        assert measured[variable, "", "krippendorff_alpha"].value == 1
        assert measured[variable, "", "agreement"].coders == f"anna, {MODEL}"
    assert measured["also", "green", "agreement"].value == 1
    assert measured["red", "", "agreement"].items == 40
    for variable, value in (("red", "yes"), ("how", "deep"), ("also", "blue")):
        how = {"design": "coding/design.csv", "codebook": "book.yaml", "variable": variable}
        rows = ms.prevalence("machine.csv", ["anna.csv"], **how)
        shares = {row.method: row.share for row in rows if row.label == value}
        share = {"red": 0.5, "how": 0.25, "also": 0.5}[variable]
        assert shares["naive"] == share
        assert shares["design_based"] == pytest.approx(share)


def test_pages_frames_and_only_what_is_needed_goes_out(model, tmp_path: Path):
    from PIL import Image

    served, options = model
    pages = [Image.fromarray(solid(COLORS[page], 400, 300)) for page in (0, 4)]
    pages[0].save(tmp_path / "scan.pdf", save_all=True, append_images=pages[1:])
    make_video(tmp_path / "film.mp4", numbered(10), range(0, 1000, 100))
    rows = list(ms.tag([tmp_path / "scan.pdf", tmp_path / "film.mp4"], **options, every="5f", pixels=200))
    assert [(row.page, row.frame, row.label) for row in rows if row.feature == "red"][:2] == [
        (1, None, "no"), (2, None, "yes"),
    ]  # fmt: skip
    assert [row.frame for row in rows if row.feature == "red"][2:] == [0, 5]
    assert all(max(asked.size) <= 200 for asked in served.asked)
    assert max(served.asked[0].size) == 200
    sent = json.dumps([asked.body for asked in served.asked])
    assert not any(name in sent for name in ("scan", "film", str(tmp_path)))
    assert "Is the picture red?" in served.asked[0].text


def test_prompt_schema_and_who_answered_stand_in_the_manifest(model, photos: Path, tmp_path: Path, monkeypatch):
    served, options = model
    served.key = "sk-secret-7"
    monkeypatch.setenv("TINY_KEY", "sk-secret-7")
    for more in ((), ("--wide",)):
        output = tmp_path / f"out{len(more)}.csv"
        done = CliRunner().invoke(main, [*command(photos, options, "--key-env", "TINY_KEY", *more), "-o", str(output)])
        assert done.exit_code == 0, done.output
        manifest = json.loads((tmp_path / f"{output.name}.run.json").read_text())
        assert manifest["counts"]["models"] == {f"{MODEL} {FINGERPRINT}": 8 * 5 + 2}
        facts = manifest["model"]
        assert (facts["model"], facts["url"], facts["jpeg_quality"]) == (MODEL, options["url"], JPEG_QUALITY)
        assert "Is the picture red?" in facts["prompt"]
        assert facts["schema"]["properties"]["red"]["enum"] == ["yes", "no"]
        assert manifest["settings"]["seed"] == 1
        assert manifest["settings"]["temperature"] == 0
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"sk-secret-7" not in file.read_bytes(), file


@pytest.mark.parametrize("style", ["prose", "fenced", "thinking", "parts"])
def test_what_is_around_the_answer_does_not_matter(model, photos: Path, style: str):
    served, options = model
    served.style = style
    rows = list(ms.tag(photos / "7.png", **options))
    assert [row.label for row in rows[:2]] == ["yes", "deep"]
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("style", "says"),
    [
        ("words", "no JSON object in the answer; one is wanted"),
        ("value", 'red: \'perhaps\' is not one of "yes", "no"'),
        ("missing", "red has no answer"),
        ("unknown", "the codebook has no variable 'mood'"),
        ("two", "2 JSON objects"),
        ("torn", "no JSON object"),
        ("empty", "no JSON object"),
    ],
)
def test_an_invalid_answer_is_asked_again_and_then_quoted(model, photos: Path, style: str, says: str):
    served, options = model
    served.plans = [style]
    rows = list(ms.tag(photos / "7.png", **options))
    assert [row.error for row in rows] == [""] * 6
    assert says in served.asked[1].text
    assert [message["role"] for message in served.asked[1].body["messages"]] == ["user", "assistant", "user"]
    served.plans = [style] * 3
    (row,) = ms.tag(photos / "0.png", **options)
    assert row.error.startswith("inference: 3 answers are not valid: ")
    assert says in row.error
    assert len(served.asked) == 5
    (again,) = ms.tag(photos / "0.png", **options)
    assert again == row
    assert len(served.asked) == 5, "what has arrived is not asked for again, not even if it is wrong"


@pytest.mark.parametrize(
    ("plan", "says"),
    [("refusal", "the model does not answer: 'I cannot help with that.'"), ("filtered", "a content filter"),
     ("cut", "the answer is cut at the limit of tokens; raise --max-tokens. It is '{"), (400, "says 400: planned: 400"),
     ("html", "no chat completion")],
)  # fmt: skip
def test_what_asking_again_would_not_change_is_a_row_at_once(model, photos: Path, plan, says: str):
    served, options = model
    served.plans = [plan]
    rows = list(ms.tag([photos / "0.png", photos / "7.png"], **options, wide=True))
    assert says in rows[0].error
    assert not rows[1].error
    assert len(served.asked) == 2


def test_a_server_without_schemas_is_noted_in_every_row(model, photos: Path):
    served, options = model
    served.refuses, served.style = {"json_schema", "json_object", "seed"}, "prose"
    rows = list(ms.tag(photos, **options, wide=True))
    assert {row.note for row in rows} == {"the server does not take all that was asked: not constrained; without seed"}
    assert [dict(row.kept)["red"] for row in rows] == ["no"] * 4 + ["yes"] * 4


def test_repeated_answers_are_coders_of_their_own(model, photos: Path, tmp_path: Path):
    served, options = model

    def unsure(asked: Asked) -> dict:
        return {**brain(asked), "also": []} if asked.body["seed"] == 3 else brain(asked)

    served.brain = unsure
    ms.tag(photos, **options, repeat=3, coder="tiny", wide=True).write(tmp_path / "out.csv")
    rows = read_table(tmp_path / "out.csv")
    assert [row["coder"] for row in rows] == ["tiny #1", "tiny #2", "tiny #3"] * 8
    assert [row["also"] for row in rows[-3:]] == ["green|blue", "green|blue", "(none)"]
    assert [row["how"] for row in rows[:3]] == [None] * 3
    assert {asked.body["seed"] for asked in served.asked} == {1, 2, 3}
    agreed = ms.agree([tmp_path / "out.csv"], codebook=options["codebook"]).measures
    values = {
        (row.variable, row.label): row.value for row in agreed if row.measure == "agreement" and "3" in row.coders
    }
    assert values["red", ""] == 1
    assert values["also", "green"] == pytest.approx(2 / 3, abs=1e-6)
    tidy = list(ms.tag(photos / "0.png", **options, repeat=3, coder="tiny"))
    assert [(row.feature, row.number) for row in tidy[:6]] == [(name, n) for name in ("red", "how") for n in (1, 2, 3)]


def test_one_of_three_that_is_invalid_costs_this_one_alone(model, photos: Path):
    served, options = model
    served.plans = ["well", "value", "well"]
    rows = list(ms.tag(photos / "7.png", **options, repeat=3, retries=0, wide=True))
    assert [bool(row.error) for row in rows] == [False, True, False]
    assert [dict(row.kept)["red"] for row in rows] == ["yes", "", "yes"]


def test_answers_of_services_that_were_kept_are_wide_too(tmp_path: Path):
    """Fields: https://cloud.google.com/vision/docs/reference/rest/v1/AnnotateImageResponse."""
    labels = [{"mid": "/m/1", "description": name, "score": 0.9} for name in ("Dog", "Grass")]
    (tmp_path / "kept").mkdir()
    for name, answer in (("a", labels), ("b", [])):
        text = json.dumps({"responses": [{"labelAnnotations": answer}]})
        (tmp_path / "kept" / f"{name}.jpg.json").write_text(text)
    rows = ms.tag([], stored=tmp_path / "kept", wide=True).to_dicts()
    assert [(row["coder"], row["labels"], row["faces"]) for row in rows] == [
        ("google-vision", "Dog|Grass", ""), ("google-vision", "(none)", ""),
    ]  # fmt: skip


def test_texts_of_a_table(model, tmp_path: Path):
    served, options = model
    book = "name: n\nvariables:\n  - {name: angry, question: Is it angry, values: ['yes', 'no']}\n"
    (tmp_path / "book.yaml").write_text(book)
    (tmp_path / "posts.csv").write_text('id,text\na1,"NO MORE,\nnow!"\na2,\na3,fine\n')
    served.brain = lambda asked: {"angry": "yes" if "NO MORE" in asked.text else "no"}
    table = ms.tag(tmp_path / "posts.csv", **options, column="text", texts=True, keep=["id"], wide=True, isolate=True)
    table.write(tmp_path / "out.csv")
    rows = read_table(tmp_path / "out.csv")
    assert [(row["id"], row["angry"], row["error"]) for row in rows] == [
        ("a1", "yes", None), ("a2", None, "empty: the row has no text"), ("a3", "no", None),
    ]  # fmt: skip
    assert [row["path"] for row in rows] == [f"{tmp_path}/posts.csv#row={number}" for number in (1, 2, 3)]
    assert served.asked[0].body["messages"][0]["content"].endswith("The text:\n\nNO MORE,\nnow!\n")
    save(tmp_path / "a.png", solid(COLORS[0]))
    (row,) = ms.tag(tmp_path / "a.png", **options, texts=True, column="text")
    assert row.error.startswith("unsupported: a picture, and --texts codes the texts")


def test_what_is_kept_may_not_have_the_name_of_a_variable(model, tmp_path: Path):
    _, options = model
    save(tmp_path / "a.png", solid(COLORS[0]))
    (tmp_path / "list.csv").write_text("path,red\na.png,1\n")
    with pytest.raises(UsageError, match="--keep red"):
        ms.tag(tmp_path / "list.csv", **options, keep=["red"], wide=True)


def test_a_free_server_needs_no_consent_and_answers_are_kept(model, photos: Path):
    served, options = model
    first = list(ms.tag(photos, **options))
    assert list(ms.tag(photos, **options)) == first
    assert len(served.asked) == 8
    assert {entry["usd"] for entry in events(options["paid"])} == {0.0}
    paid = [entry for entry in events(options["paid"]) if entry["event"] == "paid"]
    assert [(one["prompt_tokens"], one["completion_tokens"]) for one in paid] == served.billed


PRICES = {"price_in": 100.0, "price_out": 400.0, "picture_tokens": 85, "max_tokens": 100}


def test_the_worst_case_is_reserved_and_what_it_did_cost_replaces_it(model, photos: Path):
    served, options = model
    with pytest.raises(ConsentNeeded, match=r"8 inputs go to a paid service: at most .* USD\. Nothing was sent"):
        ms.tag(photos, **options, **PRICES)
    with pytest.raises(UsageError, match=r"more than --max-cost 0\.1 may be due"):
        ms.tag(photos, **options, **PRICES, max_cost=0.1)
    assert not served.asked
    list(ms.tag(photos, **options, **PRICES, yes=True, retries=0))
    due = sum(100 * prompt + 400 * answer for prompt, answer in served.billed) / 1e6
    assert spent(options["paid"]) == pytest.approx(due)
    reserved = [entry["usd"] for entry in events(options["paid"]) if entry["event"] == "reserved"]
    assert min(reserved) > max(100 * prompt + 400 * answer for prompt, answer in served.billed) / 1e6


def test_the_limit_is_never_exceeded(model, photos: Path, tmp_path: Path):
    """The second run may send what the first one left; of a server that counts nothing, the worst case is due."""
    served, options = model
    served.counts = False
    more = {**PRICES, "retries": 0}
    list(ms.tag([photos / "0.png", photos / "1.png"], **options, **more, seed=9, yes=True))
    one = events(options["paid"])[0]["usd"]
    assert spent(options["paid"]) == pytest.approx(2 * one)
    with pytest.raises(UsageError, match=r"more than --max-cost .* allows"):
        list(ms.tag(photos, **options, **more, max_cost=8 * one))
    assert len(served.asked) == 8
    assert spent(options["paid"]) == pytest.approx(8 * one)
    assert len(list(ms.tag(photos, **options, **more, max_cost=10 * one, wide=True))) == 8
    assert len(served.asked) == 10


def test_prices_need_to_know_what_a_picture_is(model, photos: Path):
    _, options = model
    with pytest.raises(UsageError, match="--price-in needs --picture-tokens"):
        ms.tag(photos, **options, price_in=1.0, yes=True)
    with pytest.raises(UsageError, match="--price is not for codebook"):
        ms.tag(photos, **options, price=1.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"url": None}, "needs --url"), ({"model": None}, "--model NAME"), ({"codebook": None}, "--codebook FILE"),
     ({"features": ["faces"]}, "--features is for"), ({"wide": True, "per": "item"}, "choose one")],
)  # fmt: skip
def test_options_that_are_missing_or_of_others(model, photos: Path, change: dict, says: str):
    _, options = model
    with pytest.raises(UsageError, match=says):
        ms.tag(photos, **{**options, **change})


def test_a_broken_codebook_and_a_stopped_server_stop_before_the_first_file(model, photos: Path, tmp_path: Path):
    served, options = model
    with pytest.raises(EngineError, match="nothing answers there"):
        ms.tag(photos, **{**options, "url": "http://127.0.0.1:9/v1"})
    served.key = "sk"
    with pytest.raises(EngineError, match="says 401"):
        list(ms.tag(photos, **options))
    (tmp_path / "book.yaml").write_text("name: n\n")
    with pytest.raises(InputError, match="variables is missing"):
        ms.tag(photos, **options)


def test_offline_refuses(model, photos: Path):
    served, options = model
    done = CliRunner().invoke(main, [*command(photos, options), "--offline"])
    assert done.exit_code == 2
    assert "--offline" in done.output
    assert not served.asked


def test_a_codebook_that_changed_is_read_again_and_does_not_continue_a_table(model, photos: Path, tmp_path: Path):
    served, options = model
    ms.tag(photos / "0.png", **options).write(tmp_path / "out.csv")
    (tmp_path / "book.yaml").write_text(BOOK_TEXT.replace("[green, blue]", "[blue, green]"))
    with pytest.raises(UsageError, match=r"schema|prompt"):
        ms.tag(photos / "0.png", **options).write(tmp_path / "out.csv")
    assert len(served.asked) == 1


def test_overload_and_a_slow_server_end_well_and_one_that_never_answers_ends_as_a_row(model, photos: Path):
    served, options = model
    served.plans = [(429, {"Retry-After": "0.1"}, b"{}"), "drop", "slow"]
    assert [row.error for row in ms.tag(photos / "7.png", **options)] == [""] * 6
    served.plans = ["never"]
    rows = list(ms.tag([photos / "0.png", photos / "1.png"], **options, request_timeout_s=1.0, wide=True))
    assert "did not answer within 1 s" in rows[0].error
    assert not rows[1].error


def test_as_many_requests_at_a_time_as_asked_for(model, photos: Path):
    served, options = model
    together, barrier = [], threading.Barrier(3)

    def meeting(asked: Asked) -> dict:
        together.append(barrier.wait(30))
        return brain(asked)

    served.brain = meeting
    list(ms.tag([photos / f"{number}.png" for number in range(6)], **{**options, "parallel": 3}))
    assert sorted(together) == [0, 0, 1, 1, 2, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_killed_again_and_again_nothing_that_arrived_is_asked_for_again(package, tmp_path: Path):
    """A sample of `python -m tests.codebook_kills`."""
    package("yaml", "codebook")
    full = os.environ.get("MEDIASIFT_EXAMPLES")
    assert killed(tmp_path, pictures=100 if full else 24, kills=10 if full else 3, seed=1) == []
