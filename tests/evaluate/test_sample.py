"""`mediasift sample`: the folder for coders, which is blind, and the design, which is exact."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError, OutputError, UsageError
from mediasift.evaluate.coded import read_coded
from mediasift.evaluate.sample_media import Shown
from mediasift.evaluate.sample_page import coding_page
from mediasift.sources.codebook import Codebook, Value, Variable
from tests.pictures import save, solid
from tests.videos import numbered, sounding

LABELS = ("cat", "dog", "owl")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 30 pictures, a table of their labels and a codebook."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    lines = ["path,page,frame,time_s,rank,label,score,account,found,error"]
    for number in range(30):
        save(Path(f"photos/{number:02}.png"), solid((8 * number, 100, 0), 40, 30))
        label = LABELS[0 if number < 20 else 1 if number < 26 else 2]
        lines.append(f"photos/{number:02}.png,,,,1,{label},0.{number + 10},acc{number % 2},2,")
        lines.append(f"photos/{number:02}.png,,,,2,other,0.05,acc{number % 2},2,")
    lines.append('photos/broken.png,,,,,,,acc0,,"damaged: x"')
    Path("labels.csv").write_text("\n".join(lines) + "\n")
    Path("book.yaml").write_text("name: n\nvariables:\n  - {name: animal, question: Which, values: [cat, dog, owl]}\n")
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, ["sample", *arguments, "--quiet"], catch_exceptions=False)


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def page_data(folder: str) -> dict:
    text = (Path(folder) / "index.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


def test_the_folder(study: Path):
    done = call("labels.csv", "-n", "9", "-d", "coding", "--by", "label", "--codebook", "book.yaml")
    assert done.exit_code == 0, done.stderr
    assert "9 of 30 items drawn in 3 strata, for 1 coder" in done.stderr
    assert "Left out: 1 with an error" in done.stderr
    assert names("coding") == ["design.csv", "design.csv.run.json", "index.html", "media", "sheet.csv"]
    assert [path for path in names() if path.startswith(".")] == []
    sheet, design = rows("coding/sheet.csv"), rows("coding/design.csv")
    assert list(sheet[0]) == ["path", "page", "frame", "time_s", "coder", "animal", "note"]
    assert {row["path"] for row in sheet} == {row["path"] for row in design}
    assert len(sheet) == len(design) == len(names("coding/media")) == 9
    facts = {row["label"]: (row["stratum"], row["population"], row["sampled"]) for row in design}
    assert facts == {"cat": ("1", "20", "5"), "dog": ("2", "6", "2"), "owl": ("3", "4", "2")}
    assert all(float(row["probability"]) == int(row["sampled"]) / int(row["population"]) for row in design)
    sizes = {row["stratum"]: int(row["population"]) for row in design}
    weights = {
        stratum: sum(1 / float(r["probability"]) for r in design if r["stratum"] == stratum) for stratum in sizes
    }
    assert all(math.isclose(weights[stratum], sizes[stratum]) for stratum in sizes)
    manifest = json.loads(Path("coding/design.csv.run.json").read_text())
    assert manifest["settings"]["seed"] == 1
    assert manifest["sample"] == {
        "population": 30, "drawn": 9, "strata": 3, "left_out_with_error": 1, "left_out_without_part": 0,
    }  # fmt: skip
    assert read_coded("coding/sheet.csv").rows[0].answers == {}


def test_what_coders_get_says_nothing_of_the_machine(study: Path):
    """Neither a label, a score, an account nor a stratum is in the sheet, the page or the name of a file."""
    table = Path("labels.csv").read_text()
    secrets = {"cat": "CLASSY", "dog": "DOGGED", "owl": "OWLISH", "acc0": "ACCA", "other": "OTHERS"}
    for word, secret in secrets.items():
        table = table.replace(word, secret)
    Path("labels.csv").write_text(table)
    assert call("labels.csv", "-n", "12", "-d", "c", "--by", "label,account", "--coders", "2").exit_code == 0
    design = rows("c/design.csv")
    for text in (Path("c/sheet.csv").read_text(), Path("c/index.html").read_text(), *names("c/media")):
        for secret in (*secrets.values(), "stratum", "probability", "score"):
            assert secret not in text
        assert not any(str(float(row["probability"]))[:8] in text for row in design if row["probability"] != "1.0")
    assert set(page_data("c")["items"][0]) == {"unit", "name", "kind", "file", "box", "error"}


def test_the_order_and_the_files_say_nothing_of_the_strata(study: Path):
    """Strata are spread over the order and the numbers of the files as chance would: a rank test over many seeds."""
    places, numbers, draws = [], [], 60
    for seed in range(draws):
        assert call("labels.csv", "-n", "12", "-d", f"d{seed}", "--by", "label", "--seed", str(seed)).exit_code == 0
        label = {row["path"]: row["label"] for row in rows(f"d{seed}/design.csv")}
        order = [row["path"] for row in rows(f"d{seed}/sheet.csv")]
        places += [at for at, path in enumerate(order) if label[path] == "cat"]
        files = {one["unit"][0]: int(one["file"][6:10]) - 1 for one in page_data(f"d{seed}")["items"]}
        numbers += [files[path] for path in order if label[path] == "cat"]
        shutil.rmtree(f"d{seed}")
    for observed in (places, numbers):  # mean of a uniform 0..11; draws without replacement vary less
        assert abs(np.mean(observed) - 5.5) < 4 * math.sqrt((12**2 - 1) / 12 / len(observed))


def test_coders_share_the_items_and_all_code_the_overlap(study: Path):
    call("labels.csv", "-n", "12", "-d", "c", "--coders", "3", "--overlap", "3")
    sheet = rows("c/sheet.csv")
    by_coder = {coder: [row["path"] for row in sheet if row["coder"] == coder] for coder in "123"}
    assert {coder: len(paths) for coder, paths in by_coder.items()} == dict.fromkeys("123", 6)
    assert len(set(by_coder["1"]) & set(by_coder["2"]) & set(by_coder["3"])) == 3
    assert len(set().union(*by_coder.values())) == 12
    data = page_data("c")
    assert [one["coder"] for one in data["coders"]] == ["1", "2", "3"]
    for one in data["coders"]:
        assert [data["items"][at]["unit"][0] for at in one["items"]] == by_coder[one["coder"]]
    call("labels.csv", "-n", "12", "-d", "all", "--coders", "2")
    orders = [[row["path"] for row in rows("all/sheet.csv") if row["coder"] == coder] for coder in "12"]
    assert set(orders[0]) == set(orders[1])
    assert orders[0] != orders[1]


def test_the_same_seed_gives_the_same_folder_whatever_the_order_of_the_rows(study: Path):
    head, *lines = Path("labels.csv").read_text().splitlines()
    Path("turned.csv").write_text("\n".join([head, *reversed(lines)]) + "\n")
    for table in ("labels.csv", "turned.csv"):
        assert call(table, "-n", "9", "-d", table[:4], "--by", "account").exit_code == 0
    for name in ("sheet.csv", "design.csv", "index.html", "media/0001.jpg"):
        assert Path("labe", name).read_bytes() == Path("turn", name).read_bytes()
    call("labels.csv", "-n", "9", "-d", "other", "--by", "account", "--seed", "2")
    assert Path("other/design.csv").read_bytes() != Path("labe/design.csv").read_bytes()


def test_more_than_there_are_takes_all(study: Path):
    done = call("labels.csv", "-n", "500", "-d", "c")
    assert done.exit_code == 0
    assert "30 of 30 items drawn" in done.stderr
    assert "There are fewer than 500, so all are in the sample." in done.stderr
    assert {row["probability"] for row in rows("c/design.csv")} == {"1.0"}


def test_mistakes(study: Path):
    Path("full").mkdir()
    Path("full/x").write_text("")
    for arguments, code, message in [
        (("labels.csv", "-n", "9", "-d", "full"), 6, "full: is there already; name a new folder"),
        (("labels.csv", "-n", "9", "-d", "book.yaml"), 6, "book.yaml: is there already"),
        (("labels.csv", "-n", "0", "-d", "c"), 2, "Invalid value"),
        (("labels.csv", "-n", "9"), 2, "Missing option '-d' / '--directory'"),
        (("labels.csv", "-n", "9", "-d", "c", "--by", "colour"), 2, "no column 'colour'"),
        (("labels.csv", "-n", "9", "-d", "c", "--by", "score"), 2, "strata need"),
        (
            ("labels.csv", "-n", "9", "-d", "c", "--coders", "2", "--overlap", "10"),
            2,
            "overlap 10: only 9 items are drawn",
        ),
        (("labels.csv", "-n", "9", "-d", "c", "--overlap", "5"), 2, "overlap 5: is about several coders"),
        (("labels.csv", "-n", "9", "-d", "c", "--allocation", "equal"), 2, "equal: is about several strata"),
        (("labels.csv", "-n", "9", "-d", "c", "--per", "part"), 2, "has no columns of parts"),
        (("absent.csv", "-n", "9", "-d", "c"), 3, "absent.csv: cannot be read"),
        (("labels.csv", "-n", "9", "-d", "c", "--codebook", "absent.yaml"), 3, "absent.yaml: cannot be read"),
    ]:
        done = call(*arguments)
        assert (done.exit_code, message in done.stderr) == (code, True), done.stderr
        assert not Path("c").exists()
        assert not [path for path in names() if path.startswith(".")]
    with pytest.raises(UsageError, match="overlap"):
        ms.sample("labels.csv", count=9, directory="c", coders=2, overlap=99)
    with pytest.raises(OutputError, match="is there already"):
        ms.sample("labels.csv", count=9, directory="full")


def test_an_empty_folder_is_filled(study: Path):
    Path("c").mkdir()
    assert call("labels.csv", "-n", "9", "-d", "c").exit_code == 0
    assert "index.html" in names("c")


def test_from_another_folder_pictures_are_looked_for_beside_the_table(study: Path, monkeypatch):
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert call("../labels.csv", "-n", "9", "-d", "c").exit_code == 0
    shutil.rmtree("../photos")
    with pytest.raises(InputError, match=r"none of the 9 items can be shown, e\.g\. photos/.*not-found: no such file"):
        ms.sample("../labels.csv", count=9, directory="d")
    assert not Path("d").exists()


def test_a_picture_that_has_gone_stays_in_the_sheet_and_is_reported(study: Path):
    Path("photos/03.png").unlink()
    done = call("labels.csv", "-n", "30", "-d", "c")
    assert done.exit_code == 1
    assert "Not shown on the page: 1, photos/03.png: not-found: no such file" in done.stderr
    assert len(rows("c/sheet.csv")) == 30
    (gone,) = [one for one in page_data("c")["items"] if one["error"]]
    assert gone["unit"][0] == "photos/03.png"


def test_pages_frames_and_crops_are_shown_as_they_were_read(study: Path):
    """Pixels come back: a page of a TIFF, a frame of a film, a crop, a box in pixels."""
    sheets = [solid((200, 0, 0), 60, 60), solid((0, 200, 0), 60, 60)]
    Image.fromarray(sheets[0]).save("two.tif", save_all=True, append_images=[Image.fromarray(sheets[1])])
    picture = solid((0, 0, 200), 400, 400)
    picture[100:200, 200:300] = (240, 240, 0)
    save(Path("boxed.png"), picture)
    Path("t.csv").write_text(
        "path,page,frame,time_s,label,left,top,right,bottom,error\n"
        "two.tif,2,,,x,0,0,1,1,\nboxed.png,,,,x,0.5,0.25,0.75,0.5,\nboxed.png,,,,x,0,0,0.01,0.01,\n"
    )
    assert call("t.csv", "-n", "3", "-d", "c").exit_code == 0
    shown = {tuple(one["unit"]): one for one in page_data("c")["items"]}
    page = shown["two.tif", "2", "", "", "0", "0", "1", "1"]
    assert np.abs(np.asarray(Image.open(Path("c", page["file"])))[30, 30].astype(int) - (0, 200, 0)).max() < 12
    one = shown["boxed.png", "", "", "", "0.5", "0.25", "0.75", "0.5"]
    region = np.asarray(Image.open(Path("c", one["file"])).convert("RGB")).astype(int)
    height, width = region.shape[:2]
    left, top, right, bottom = one["box"]
    inside = region[int(top * height) + 4 : int(bottom * height) - 4, int(left * width) + 4 : int(right * width) - 4]
    assert np.abs(inside - (240, 240, 0)).max() < 30
    assert np.abs(region[2, 2] - (0, 0, 200)).max() < 30
    assert min(left, top, 1 - right, 1 - bottom) > 0.1  # what is around it can be seen


def test_a_box_outside_the_picture_is_no_region(study: Path):
    Path("t.csv").write_text(
        "path,page,frame,time_s,left_px,top_px,width_px,height_px\nphotos/01.png,,,,0,0,40,30\nphotos/02.png,,,,0,0,80,60\n"
    )
    done = call("t.csv", "-n", "3", "-d", "c")
    assert done.exit_code == 1
    assert "photos/02.png: damaged: its box is not inside the picture of 40x30 pixels" in done.stderr


def test_text_of_a_page_is_cropped_at_the_resolution_of_the_table(study: Path, test_data: Path):
    """Boxes of ocr are in pixels of the page at --dpi, which the table's manifest has."""
    pdf = test_data / "pdf" / "text.pdf"
    table = ms.ocr(str(pdf), level="line", dpi=300)
    table.write("o.csv")
    assert call("o.csv", "-n", "2", "-d", "c").exit_code == 0
    for one in page_data("c")["items"]:
        ink = np.asarray(Image.open(Path("c", one["file"])).convert("L"))
        height, width = ink.shape
        left, top, right, bottom = one["box"]
        box = ink[int(top * height) : int(bottom * height) + 1, int(left * width) : int(right * width) + 1]
        assert (box < 128).mean() > 0.05  # letters stand there


def test_films_and_sound_become_pieces(study: Path):
    sounding(Path("film.mkv"), numbered(100), np.zeros(44_100 * 4, np.float32))
    samples = (np.sin(np.arange(16000 * 3) * 0.2) * 20000).astype("<i2")
    with wave.open("tone.wav", "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    Path("t.csv").write_text(
        "path,page,frame,time_s,start_s,end_s,text\nfilm.mkv,,,1,1,2.5,a\ntone.wav,,,0.5,0.5,1.25,b\nfilm.mkv,,5,0.2,,,c\n"
    )
    done = call("t.csv", "-n", "3", "-d", "c", "--per", "item")
    assert done.exit_code == 0, done.stderr
    shutil.rmtree("c")
    assert call("t.csv", "-n", "2", "-d", "c").exit_code == 0
    shown = {one["unit"][0]: one for one in page_data("c")["items"]}
    assert {name: one["kind"] for name, one in shown.items()} == {"film.mkv": "film", "tone.wav": "sound"}
    with wave.open(f"c/{shown['tone.wav']['file']}") as file:
        assert file.getnframes() == round(0.75 * 16000)
        piece = np.frombuffer(file.readframes(12000), "<i2").astype(float)
    assert np.abs(piece - samples[8000:20000]).max() < 200
    with av.open(f"c/{shown['film.mkv']['file']}") as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert abs(container.duration / 1e6 - 1.5) < 0.1


def test_films_are_shown_as_they_were_read(study: Path):
    """The second of two video streams, which the table's manifest names, is shown."""
    frames = [np.full((48, 64, 3), level, np.uint8) for level in (40, 200)]
    with av.open("two.mkv", "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in frames]
        for stream in streams:
            stream.width, stream.height = 64, 48
        for number in range(25):
            for stream, image in zip(streams, frames, strict=True):
                frame = av.VideoFrame.from_ndarray(image, "rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    for number, level in ((1, 40), (2, 200)):
        ms.keyframes("two.mkv", every="5f", stream=number).write(f"k{number}.csv")
        assert call(f"k{number}.csv", "-n", "2", "-d", f"c{number}").exit_code == 0
        for file in Path(f"c{number}/media").iterdir():
            assert abs(np.asarray(Image.open(file)).mean() - level) < 6


def test_what_lies_beside_a_table_must_be_its_manifest(study: Path):
    Path("labels.csv.run.json").write_text("[]")
    done = call("labels.csv", "-n", "9", "-d", "c")
    assert done.exit_code == 3
    assert "labels.csv.run.json: is no manifest of a table" in done.stderr


def test_a_film_or_recording_without_a_place_is_copied(study: Path):
    sounding(Path("film.mkv"), numbered(50), np.zeros(44_100 * 2, np.float32))
    Path("t.csv").write_text("path,label\nfilm.mkv,x\n")
    assert call("t.csv", "-n", "1", "-d", "c").exit_code == 0
    assert Path("c/media/0001.mkv").read_bytes() == Path("film.mkv").read_bytes()
    assert page_data("c")["items"][0]["kind"] == "film"


def test_names_that_are_no_text_are_found_again(study: Path):
    name = os.fsdecode(b"photos/\xff\\x.png")
    shutil.copy("photos/01.png", name)
    Path("t.csv").write_text("path,label\nphotos/\\xff\\\\x.png,a\n")
    done = call("t.csv", "-n", "1", "-d", "c")
    assert done.exit_code == 0, done.stderr


def test_hostile_texts_are_data_on_the_page():
    """No text of a codebook or path ends the element that holds it, or is taken for a part of the template."""
    evil = "</script><script>alert(1)</script><!-- @@SCRIPT@@ $& \\1 \u2028"
    book = Codebook(name=evil, variables=(
        Variable(name="v", question=evil, definition=evil, values=(Value(value="a", label=evil),)),
    ))  # fmt: skip
    unit = (evil, "", "", "")
    page = coding_page(book, ("path", "page", "frame", "time_s"), [(1, [unit])], {unit: Shown(name=evil)}).decode()
    assert page.count("</script>") == 2
    assert page.count("<script") == 2
    assert "<!--" not in page
    assert page.count("@@SCRIPT@@") == 7
