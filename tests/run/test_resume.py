from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mediasift.errors import InputError, OutputError, UsageError
from mediasift.run.job import Job, settings
from mediasift.run.resume import differences
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from mediasift.tasks.transcribe import Transcribe
from tests.pictures import save, solid
from tests.run.planted import Planted
from tests.stand_ins import cut_short

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        save(folder / f"{number:02}.png", solid((number, 0, 0), 4, 4))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return folder


def table(photos: Path, **options) -> Any:
    """A run over the folder that notes what it reads in `log`."""
    log = options.pop("log", str(photos.parent / "log"))
    task = Planted(
        evil=False,
        log=log,
        slow_s=options.pop("slow_s", 0),
        **{"batch_size": 3, "jobs": 2, **{name: one for name, one in options.items() if name not in ("keep", "named")}},
    )
    keep, named = options.get("keep", ()), options.get("named", [str(photos)])
    return Table(Stream(Job(task=task, inputs=Inputs(named=named, keep=keep))))


def read(photos: Path) -> list[str]:
    """Names of the files that were read since the last call."""
    log = photos.parent / "log"
    names = [Path(line.split()[0]).name for line in log.read_text().splitlines()] if log.exists() else []
    log.write_text("")
    return sorted(names)


def whole(photos: Path) -> bytes:
    """The bytes of a table that nothing interrupted."""
    out = photos.parent / "whole.csv"
    table(photos).write(out, restart=True)
    read(photos)
    return out.read_bytes()


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
@pytest.mark.parametrize("after", [0, 1, 7, 12])
def test_the_same_call_goes_on_where_the_last_one_ended(photos: Path, tmp_path: Path, after: int, name: str):
    expected = tmp_path / f"whole{Path(name).suffix}"
    table(photos).write(expected)
    read(photos)
    out = tmp_path / name
    cut_short(table(photos), out, after)
    assert not out.exists()
    done = read(photos)
    table(photos).write(out)
    assert out.read_bytes() == expected.read_bytes()
    finished = [f"{number:02}.png" for number in range(12)][:after]
    assert set(finished) <= set(done)
    assert not set(finished) & set(read(photos))
    assert not out.with_name(f"{name}.journal.jsonl").exists()
    assert json.loads(out.with_name(f"{name}.run.json").read_text())["counts"]["taken_over"] == after


def test_a_finished_table_is_left_alone(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    table(photos).write(out)
    before = [path.read_bytes() for path in (out, tmp_path / "out.csv.run.json")]
    read(photos)
    again = table(photos)
    again.write(out)
    assert again.left_alone
    assert (again.summary.rows, again.summary.error_rows) == (13, 1)
    assert read(photos) == []
    assert before == [path.read_bytes() for path in (out, tmp_path / "out.csv.run.json")]
    again = table(photos)
    again.write(out, restart=True)
    assert len(read(photos)) == 12
    assert out.read_bytes() == before[0]


@pytest.mark.parametrize("finished", [False, True])
def test_other_settings_are_refused_with_the_difference(photos: Path, tmp_path: Path, finished: bool):
    out = tmp_path / "out.csv"
    if finished:
        table(photos).write(out)
    else:
        cut_short(table(photos), out, 3)
    with pytest.raises(UsageError, match=r"max_megapixels was 100\.0, now 50.*--restart"):
        table(photos, max_megapixels=50).write(out)
    with pytest.raises(UsageError, match="inputs was"):
        table(photos, named=[str(photos), str(photos)]).write(out)
    with pytest.raises(UsageError, match="spreadsheet_safe was false, now true"):
        table(photos).write(out, spreadsheet_safe=True)
    table(photos, max_megapixels=50).write(out, restart=True)


@pytest.mark.parametrize("finished", [False, True])
def test_what_rows_cost_and_a_password_may_change(photos: Path, tmp_path: Path, finished: bool):
    """Neither stands in journal and manifest, and none of them keeps a table from being continued."""
    out = tmp_path / "out.csv"
    if finished:
        table(photos, password="first word").write(out)
        written = out.with_name("out.csv.run.json").read_text()
    else:
        cut_short(table(photos, password="first word"), out, 3)
        written = out.with_name("out.csv.journal.jsonl").read_text()
    assert "first word" not in written
    before = read(photos)
    again = table(photos, batch_size=1, jobs=0, threads=1, timeout_s=77, max_memory_gb=9, password="second word")
    again.write(out)
    assert again.left_alone == finished
    assert len(before + read(photos)) <= 12 + 2 * 9, "what was done is not done again"
    assert "second word" not in out.with_name("out.csv.run.json").read_text()


def test_settings_that_cost_decide_no_row():
    """A raised limit, a yes, another folder of answers: the same table."""
    cheap = {"engine": "google", "project": "p", "language": "de-DE"}
    dear = {**cheap, "paid": "dir", "parallel": 9, "request_timeout_s": 7.0, "price": 1.0, "max_cost": 5.0, "yes": True,
            "jobs": 3, "threads": 2, "isolate": True, "timeout_s": 9.0, "max_memory_gb": 1.0}  # fmt: skip
    first, second = (settings(Job(task=Transcribe(**one), inputs=Inputs(named=["a.wav"]))) for one in (cheap, dear))
    assert first == second
    assert first.keys() >= {"task", "inputs", "engine", "project", "language", "level", "keep"}
    assert first != settings(Job(task=Transcribe(**{**cheap, "language": "en-GB"}), inputs=Inputs(named=["a.wav"])))


def test_another_version_may_not_go_on_with_a_run_but_leaves_a_finished_table_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cut_short(table(photos), tmp_path / "begun.csv", 3)
    table(photos).write(tmp_path / "finished.csv")
    monkeypatch.setattr("mediasift.tables.manifest.__version__", "99.0")
    with pytest.raises(UsageError, match=r'mediasift was "[\d.]+", now "99\.0"'):
        table(photos).write(tmp_path / "begun.csv")
    table(photos).write(tmp_path / "finished.csv")
    with pytest.raises(UsageError, match="mediasift was"):
        table(photos).write(tmp_path / "finished.csv", update=True)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_update_reads_only_what_is_new_and_keeps_what_is_gone(photos: Path, tmp_path: Path, name: str):
    out = tmp_path / name
    table(photos).write(out)
    read(photos)
    save(photos / "05b.png", solid((55, 0, 0), 4, 4))
    update = table(photos)
    update.write(out, update=True)
    assert read(photos) == ["05b.png"]
    expected = tmp_path / f"whole{Path(name).suffix}"
    table(photos).write(expected)
    assert out.read_bytes() == expected.read_bytes()
    read(photos)

    (photos / "03.png").unlink()
    update = table(photos)
    update.write(out, update=True)
    assert [Path(path).name for path in update.summary.vanished] == ["03.png"]
    assert read(photos) == []
    assert update.summary.rows == 14
    table(photos).write(out, update=True)
    assert table_rows(out) == 14


def table_rows(out: Path) -> int:
    return json.loads(out.with_name(f"{out.name}.run.json").read_text())["counts"]["rows"]


def test_update_takes_other_inputs_and_an_input_that_is_named_twice(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    one = str(photos / "01.png")
    table(photos, named=[one, one]).write(out)
    read(photos)
    table(photos, named=[one, str(photos / "02.png"), one]).write(out, update=True)
    assert read(photos) == ["02.png"]
    paths = [line.split(",")[0] for line in out.read_text().splitlines()[1:]]
    assert sorted(Path(path).name for path in paths) == ["01.png", "01.png", "02.png"]


def test_update_keeps_the_cells_of_carried_along_columns(photos: Path, tmp_path: Path):
    (tmp_path / "posts.csv").write_text("path,post,red\nphotos/01.png,p1,x\nphotos/gone.png,p2,\n")
    posts = {"named": [str(tmp_path / "posts.csv")], "keep": ("post", "red")}
    table(photos, **posts).write(tmp_path / "out.csv")
    read(photos)
    (tmp_path / "posts.csv").write_text("path,post,red\nphotos/01.png,p1,x\nphotos/gone.png,p2,\nphotos/02.png,p3,y\n")
    table(photos, **posts).write(tmp_path / "out.csv", update=True)
    assert read(photos) == ["02.png"]
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "path,page,frame,time_s,red,post,input_red,error"
    assert lines[1:] == [
        "photos/01.png,,,,1,p1,x,",
        "photos/gone.png,,,,,p2,,not-found: no such file",
        "photos/02.png,,,,2,p3,y,",
    ]


@pytest.mark.parametrize("how", ["edited", "foreign", "no manifest"])
def test_a_table_that_is_not_as_we_left_it_is_never_overwritten(photos: Path, tmp_path: Path, how: str):
    out = tmp_path / "out.csv"
    if how == "foreign":
        out.write_text("mine\n")
    else:
        table(photos).write(out)
        if how == "edited":
            out.write_text(out.read_text().replace(",11,", ",eleven,"))
        else:
            (tmp_path / "out.csv.run.json").unlink()
    before = out.read_bytes()
    for options in ({}, {"restart": True}, {"update": True}):
        with pytest.raises(OutputError, match="never overwritten"):
            table(photos).write(out, **options)
    assert out.read_bytes() == before


def test_a_table_edited_while_a_run_goes_on_is_noticed_when_it_is_continued(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    table(photos).write(out)
    save(photos / "new.png", solid((77, 0, 0), 4, 4))
    run = table(photos)
    run._rows._runner.run_together = lambda _sources: iter([][:1] or (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.write(out, update=True)
    out.write_text(out.read_text() + "one more\n")
    with pytest.raises(OutputError, match="never overwritten"):
        table(photos).write(out, update=True)


def test_a_vanished_input_of_an_unfinished_run_keeps_its_rows(photos: Path, tmp_path: Path):
    cut_short(table(photos), tmp_path / "out.csv", 5)
    (photos / "02.png").unlink()
    (photos / "09.png").unlink()
    run = table(photos)
    run.write(tmp_path / "out.csv")
    assert [Path(path).name for path in run.summary.vanished] == ["02.png"]
    assert run.summary.rows == 12


def test_a_file_that_changed_between_two_attempts_is_read_again(photos: Path, tmp_path: Path):
    cut_short(table(photos), tmp_path / "out.csv", 5)
    read(photos)
    save(photos / "02.png", solid((200, 0, 0), 6, 6))
    table(photos).write(tmp_path / "out.csv")
    assert "02.png" in read(photos)
    assert (tmp_path / "out.csv").read_bytes() == whole(photos)


def test_nothing_to_read_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError):
        table(tmp_path / "photos").write(tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.EACCES, errno.EROFS)


@pytest.mark.parametrize("seed", range(60))
def test_faults_at_random_moments_lose_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
):
    """Writing fails here and there; every time the run ends with an OutputError, and the same call goes on."""
    expected = whole(photos)
    chance = random.Random(seed)
    out = tmp_path / "out.csv"
    monkeypatch.setattr("mediasift.system.lines.SYNC_S", 0)

    def failing(real, name: str):
        def call(*arguments, **options):
            if chance.random() < 0.08:
                if name == "pwrite" and chance.random() < 0.5:
                    real(arguments[0], bytes(arguments[1])[: chance.randrange(5)], arguments[2])  # torn
                code = chance.choice(FAULTS)
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        return call

    failures = 0
    while failures < 200:
        with monkeypatch.context() as faulty:
            faulty.setattr("mediasift.system.lines.os", _Os(failing))
            faulty.setattr("mediasift.system.files.os", _Os(failing))
            try:
                table(photos).write(out)
                break
            except OutputError as error:
                failures += 1
                assert str(error)
    assert out.read_bytes() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log", "out.csv", "out.csv.run.json", "photos", "whole.csv", "whole.csv.run.json"
    ]  # fmt: skip


class _Os:
    """The module `os` with calls that write and may fail."""

    def __init__(self, failing) -> None:
        for name in ("write", "pwrite", "fsync", "ftruncate", "replace"):
            setattr(self, name, failing(getattr(os, name), name))

    def __getattr__(self, name: str):
        return getattr(os, name)


def limited(photos: Path, out: Path, limits: str) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own that sets limits on itself first."""
    code = (
        f"import resource, sys\nfrom pathlib import Path\nfrom tests.run.test_resume import table\n{limits}\n"
        "from mediasift.errors import MediasiftError\n"
        f"try:\n    table(Path({str(photos)!r}), log='').write({str(out)!r})\n"
        "except MediasiftError as error:\n    print(error)\n    sys.exit(error.exit_code)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "inference")},
    )  # fmt: skip


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX systems")


@POSIX
def test_a_real_limit_on_file_sizes_is_exit_6_and_the_run_goes_on_when_it_is_lifted(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    for size in (300, 900, 1500):
        done = limited(photos, out, f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))")
        assert done.returncode == 6, done.stderr
        assert "ulimit -f" in done.stdout
        assert not out.exists()
    before = (tmp_path / "out.csv.journal.jsonl").stat().st_size
    assert before > 300
    assert limited(photos, out, "").returncode == 0
    assert out.read_bytes() == whole(photos)


@POSIX
def test_too_few_file_descriptors_stop_the_run_and_are_no_error_rows(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    spoil = (
        "import os\nfrom mediasift.sources.content import LocalFile\nheld = []\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "read = LocalFile.head\n"
        "def spoiled(file, size):\n"
        "    if file.path.name == '06.png':\n"
        "        try:\n"
        "            while True: held.append(os.open('/dev/null', os.O_RDONLY))\n"
        "        except OSError: pass\n"
        "    return read(file, size)\n"
        "LocalFile.head = spoiled"
    )
    done = limited(photos, out, spoil)
    assert done.returncode in (3, 6), done.stdout + done.stderr  # a reader needs the next file first, or the table does
    assert "too many open files" in done.stdout.lower()
    assert not out.exists()
    assert limited(photos, out, "").returncode == 0
    assert out.read_bytes() == whole(photos)


def test_outputs_that_cannot_be_are_refused_before_anything_is_read(photos: Path, tmp_path: Path):
    long = tmp_path / f"{'x' * 240}.csv"
    with pytest.raises(OutputError, match="too long"):
        table(photos).write(long)
    with pytest.raises(OutputError, match="does not exist"):
        table(photos).write(tmp_path / "no" / "out.csv")
    (tmp_path / "dir.csv").mkdir()
    with pytest.raises(OutputError):
        table(photos).write(tmp_path / "dir.csv")
    assert read(photos) == []
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OutputError, match="may not be written"):
            table(photos).write(tmp_path / "locked" / "out.csv")


def test_differences_are_named():
    before = {"a": {"x": 1, "inputs": ["p"]}, "b": {"y": [1, 2]}}
    now = {"a": {"x": 2, "inputs": ["q"]}, "b": {"y": (1, 2)}}
    assert differences(before, now, ("a", "b")) == ["x was 1, now 2", 'inputs was ["p"], now ["q"]']
    assert differences(before, now, ("a", "b"), ()) == ["x was 1, now 2"]
