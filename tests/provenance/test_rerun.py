"""`mediasift rerun`: the same numbers proven, or the first difference named; the table is never touched."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import UsageError
from mediasift.settings import options
from mediasift.verbs import VERBS
from tests.conftest import ROOT
from tests.media.sound.test_audio import voice, wav
from tests.pictures import encoded, save, scene
from tests.videos import make_video

INSECTS = "path,coder,label\nphotos/a.png,anna,ant\nphotos/b.png,anna,bee\nphotos/a.png,ben,ant\nphotos/b.png,ben,ant\n"


def call(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def checks(done: Result) -> dict[str, dict[str, str]]:
    return {row["check"]: row for row in csv.DictReader(done.stdout.splitlines())}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two drawn pictures, two digits and a film of two shots, in a folder of one's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    save(tmp_path / "photos" / "a.png", scene(seed=1))
    save(tmp_path / "photos" / "b.png", scene(seed=2))
    (tmp_path / "digits").mkdir()
    for name in ("3.png", "5.png"):
        shutil.copyfile(ROOT / "examples" / "digits" / name, tmp_path / "digits" / name)
    frames = [np.full((48, 64, 3), level, np.uint8) for level in [30] * 20 + [220] * 20]
    make_video(tmp_path / "film.mp4", frames, range(0, 1600, 40))
    (tmp_path / "list.csv").write_text("path,account\ndigits/5.png,x\ndigits/3.png,=y\n")
    return tmp_path


TABLES = {
    "classify": "classify digits -m digits-lenet --top 3 -o t.csv",
    "a list": "classify list.csv -m digits-lenet --keep account --spreadsheet-safe -o t.csv",
    "counts": "classify digits -m digits-lenet --per source -o t.jsonl",
    "vectors": "embed digits -m digits-lenet -o t.npz",
    "parquet": "info photos film.mp4 --colors -o t.parquet",
    "stills": "keyframes film.mp4 -d ./stills/ -o t.csv",
    "timeline": "timeline film.mp4 --with shots,keyframes --vtt subtitles -o t.csv",
    "groups": "duplicates photos digits --match bytes -o t.csv",
    "an old collection": "duplicates photos --against digits -o t.csv",
    "neighbours": "search photos/a.png --in photos --in digits -m phash -o t.csv",
}


@pytest.mark.parametrize("line", TABLES.values(), ids=TABLES)
def test_the_same_numbers_are_proven_and_nothing_is_overwritten(study: Path, line: str, package):
    if line.endswith("parquet"):
        package("pyarrow", "parquet")
    line = line.replace("-m phash", "--method phash")
    call(*line.split(), "--quiet")
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    done = call("rerun", f"{line.split()[-1]}.run.json")
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before
    assert all(row["result"] == "same" for row in checks(done).values()), done.stdout
    assert set(checks(done)) >= {"table", "inputs", "model", "versions", "rows"}
    assert "the same" in done.stderr


def test_verbs_that_read_tables_are_repeated(study: Path, package):
    package("yaml", "codebook")
    (study / "coded.csv").write_text(INSECTS)
    (study / "truth.csv").write_text("path,label\ndigits/3.png,3\ndigits/5.png,6\n")
    ms.classify("digits", model="digits-lenet").write("labels.csv")
    call("sample", "labels.csv", "-n", "2", "-d", "coding", "--by", "label", "--quiet")
    call("agree", "coded.csv", "-o", "agreement.csv")
    call("evaluate", "labels.csv", "truth.csv", "-o", "measures.csv", "-d", "report")
    for table in ("coding/design.csv", "agreement.csv", "measures.csv"):
        done = call("rerun", table)
        assert [row["result"] for row in checks(done).values()] == ["same"] * 4
    (study / "coded.csv").write_text(INSECTS.replace("ben,ant", "ben,bee"))
    done = call("rerun", "agreement.csv", code=1)
    assert checks(done)["inputs"]["error"] == "different: coded.csv was changed since"


@pytest.fixture
def table(study: Path) -> Path:
    ms.classify("digits", model="digits-lenet").write("t.csv")
    return study / "t.csv"


def plant(table: Path, change) -> None:
    """Another value in the manifest."""
    file = table.with_name(f"{table.name}.run.json")
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def first_difference(code: int = 1) -> tuple[str, str]:
    done = call("rerun", "t.csv.run.json", code=code)
    row = next(row for row in checks(done).values() if row["error"])
    assert row["result"] == "different"
    assert done.stderr.strip().endswith(row["error"].partition(": ")[2])
    return row["check"], row["error"].removeprefix("different: ")


def test_a_missing_input_is_named(table: Path):
    (table.parent / "digits" / "3.png").unlink()
    assert first_difference() == ("inputs", "digits/3.png is missing")


def test_a_new_input_is_named(table: Path):
    shutil.copyfile(ROOT / "examples" / "digits" / "7.jpg", table.parent / "digits" / "7.jpg")
    difference = "there are 3 inputs, digits/7.jpg among them, and 2 were recorded"
    assert first_difference() == ("inputs", difference)


def test_a_changed_input_is_named_by_its_size(table: Path):
    file = table.parent / "digits" / "5.png"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"\0")
    assert first_difference() == ("inputs", f"digits/5.png has {size + 1:,} bytes, and had {size:,}")


def test_a_changed_input_of_the_same_size_is_named_by_its_row(study: Path):
    """An uncompressed picture whose pixels are others: what it shows is another thing, and its file is newer."""
    digits = [np.asarray(picture) for picture in _uncompressed()]
    (study / "plain").mkdir()
    (study / "plain" / "x.bmp").write_bytes(encoded(digits[0], "BMP"))
    ms.classify("plain", model="digits-lenet").write("t.csv")
    (study / "plain" / "x.bmp").write_bytes(encoded(digits[1], "BMP"))
    check, difference = first_difference()
    assert check == "rows"
    assert 'row 1 (plain/x.bmp), column label: recorded "3", here "5"' in difference
    assert "the file was changed since" in difference


def _uncompressed():
    from PIL import Image

    for name in ("3.png", "5.png"):
        with Image.open(ROOT / "examples" / "digits" / name) as picture:
            yield picture.convert("RGB").resize((28, 28))


def test_another_model_is_named_before_anything_is_computed(table: Path):
    plant(table, lambda data: data["model"].update(model_sha256="f" * 64))
    check, difference = first_difference()
    assert check == "model"
    assert difference.startswith("model_sha256: recorded model_sha256 ffffffffffff; here model_sha256 ")
    assert "rows" not in checks(call("rerun", "t.csv", code=1))


def test_another_version_and_device_are_reported_and_the_numbers_proven_all_the_same(table: Path):
    plant(table, lambda data: (data["versions"].update(numpy="1.0"), data["model"].update(device="cuda")))
    done = call("rerun", "t.csv")
    rows = checks(done)
    assert (rows["versions"]["result"], rows["versions"]["recorded"]) == ("other", "numpy 1.0")
    assert (rows["device"]["result"], rows["device"]["recorded"]) == ("other", "device cuda")
    assert "other versions: numpy 1.0 there" in done.stderr


def test_a_changed_cell_is_named_by_row_and_column_with_what_may_be_its_cause(table: Path):
    plant(table, lambda data: data["versions"].update(numpy="1.0"))
    lines = table.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(",5,", ",8,")
    table.write_text("".join(lines))
    done = call("rerun", "t.csv", code=1)
    rows = checks(done)
    assert rows["table"]["error"] == "different: t.csv was changed since it was written"
    assert 'row 2 (digits/5.png), column label: recorded "8", here "5"' in rows["rows"]["error"]
    assert "versions numpy 1.0 there" in rows["rows"]["error"]
    table.write_text("".join(lines[:2]))
    rows = checks(call("rerun", "t.csv", code=1))
    assert "row 2: this run has one, the table has none" in rows["rows"]["error"]


@pytest.mark.parametrize(("by", "code"), [(5e-5, 0), (5e-4, 1)])
def test_scores_may_differ_by_the_tolerance_and_all_else_by_nothing(table: Path, by: float, code: int):
    with table.open() as file:
        rows = list(csv.DictReader(file))
    rows[0]["score"] = f"{float(rows[0]['score']) - by:.6f}"
    with table.open("w") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    plant(table, lambda data: data["table"].update(sha256=_sha256(table)))
    done = call("rerun", "t.csv", code=code)
    if code:
        assert "column score" in checks(done)["rows"]["error"]
        assert call("rerun", "t.csv", "--tolerance", "0.001")
    else:
        assert "numbers within 5e-05 of 0.0001" in checks(done)["rows"]["here"]


def _sha256(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_cannot_be_repeated_is_refused(table: Path):
    ms.classify(np.zeros((28, 28, 3), np.uint8), model="digits-lenet").write("memory.csv")
    assert "'array[0]' was in memory" in call("rerun", "memory.csv", code=2).stderr
    plant(table, lambda data: data["settings"].update(task="train"))
    assert "was made by train, which rerun does not repeat" in call("rerun", "t.csv", code=2).stderr
    assert "no such manifest" in call("rerun", "absent.csv.run.json", code=3).stderr
    Path("other.csv.run.json").write_text("[]")
    assert "is not a manifest" in call("rerun", "other.csv", code=3).stderr
    table.unlink()
    assert "t.csv: the table is not beside its manifest" in call("rerun", "t.csv.run.json", code=3).stderr


def test_from_another_folder_the_message_names_the_way_out(table: Path, monkeypatch: pytest.MonkeyPatch):
    (table.parent / "elsewhere").mkdir()
    monkeypatch.chdir(table.parent / "elsewhere")
    done = call("rerun", "../t.csv.run.json", code=3)
    assert "type the command in the folder in which the table was made" in done.stderr


def test_every_option_that_names_what_is_written_says_so():
    """Else `rerun` would write over it."""
    for verb in VERBS.values():
        for declared in options(verb.load()):
            writes = declared.option.short == "-d" or "write" in declared.option.help.lower().split(".")[0].split()
            assert declared.option.writes == (writes and not declared.choices), (verb, declared.name)


def test_paid_answers_are_taken_from_where_they_are_kept_and_never_bought_again(study: Path, package):
    pytest.importorskip("grpc")
    serving = pytest.importorskip("tests.speech_server").serving
    package("webrtcvad", "speech")
    wav(study / "talk.wav", voice(1, hertz=200))
    with serving() as (server, endpoint):
        settings = {"engine": "google", "project": "p", "language": "de-DE", "endpoint": endpoint}
        ms.transcribe("talk.wav", **settings, paid="answers", yes=True).write("t.csv")
        assert len(server.requests) == 1
        done = call("rerun", "t.csv", "--paid", "answers")
        assert checks(done)["rows"]["result"] == "same"
        for answer in Path("answers").glob("*.json"):
            answer.unlink()
        with pytest.raises(UsageError, match="is not kept there, and it is not bought again"):
            ms.rerun("t.csv", paid="answers")
        assert len(server.requests) == 1
