from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.errors import NotFound, OutputError, UsageError
from mediasift.rows import Row, printable
from mediasift.run.finished import Finished
from mediasift.run.journal import VERSION, Journal, journal_path
from mediasift.run.resume import plan
from mediasift.sources.content import LocalFile
from mediasift.sources.memory import Array
from mediasift.sources.naming import Source
from mediasift.system import locks
from mediasift.tables.stored import Stored
from tests.pictures import solid
from tests.run.planted import Red
from tests.stand_ins import damaged

HEADER = {"what": {"settings": {"top": 1}}, "replaces": None}


def source(path: Path | str, **kept: str) -> Source:
    return Source(path=str(path), content=LocalFile(Path(path)), kept=tuple(kept.items()))


def append(journal: Journal, one: Source, state: Any, rows: list[Row]) -> int:
    """Write down one finished source; where its rows stand."""
    finished = Finished(source=one, row_type=Red, given=rows, errors=sum(1 for row in rows if row.error))
    (place,) = journal.append([finished], [(state, 0)])
    return place


def filled(output: Path, count: int = 5) -> list[int]:
    """A journal with so many finished sources, as a killed run leaves it; the places where their lines begin."""
    with Journal(output) as journal:
        journal.begin(HEADER)
        return [
            append(journal, source(f"{i}.png", post=f"p{i}"), "unknown", [Red(path=f"{i}.png", red=i), Red(red=None)])
            for i in range(count)
        ]


def test_what_was_appended_is_found_again(tmp_path: Path):
    output = tmp_path / "out.csv"
    places = filled(output)
    with Journal(output) as journal:
        assert journal.header == {"mediasift_journal": VERSION, **HEADER, "crc": journal.header["crc"]}
        assert len(journal) == 5
        assert [journal.find(source(f"{i}.png", post=f"p{i}")) for i in range(5)] == places
        assert journal.find(source("0.png", post="other")) is None
        assert journal.find(source("9.png")) is None
        first, second = journal.rows(places[3], Red)
        assert (first.path, first.red, first.kept) == ("3.png", 3, (("post", "p3"),))
        assert second.red is None
        assert journal.path_at(places[4]) == "4.png"


def test_it_can_be_read_at_any_time_as_json_lines(tmp_path: Path):
    with Journal(tmp_path / "out.csv") as journal:
        journal.begin(HEADER)
        append(journal, source("a.png"), [1, 2], [Red(path="a.png", red=7)])
        lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert lines[-1]["rows"] == [{"red": 7}]


@settings(max_examples=150)
@given(st.data())
def test_any_cut_and_any_damage_drops_only_what_comes_after(tmp_path_factory, data: st.DataObject):
    output = tmp_path_factory.mktemp("cut") / "out.csv"
    places = filled(output)
    whole = journal_path(output).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    left = damaged(whole, at, data)
    journal_path(output).write_bytes(left)
    try:
        journal = Journal(output)
    except OutputError as error:
        assert at < len(whole.partition(b"\n")[0]) + 1, error  # nothing is dropped in silence
        return
    with journal:
        for i, place in enumerate(places):
            line = journal.find(source(f"{i}.png", post=f"p{i}"))
            if line is not None:
                assert line == place
                assert [row.red for row in journal.rows(place, Red)] == [i, None]
        ends = [*places[1:], len(whole)]
        assert len(journal) >= sum(end <= at for end in ends)
        if journal.header is not None:
            append(journal, source("new.png"), "unknown", [Red(path="new.png", red=99)])
    with Journal(output) as journal:
        if journal.header is not None:
            assert journal.find(source("new.png")) is not None


def test_a_file_that_changed_is_not_finished(tmp_path: Path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"one")
    with Journal(tmp_path / "out.csv") as journal:
        journal.begin(HEADER)
        append(journal, source(picture), Journal.state(source(picture)), [Red(red=1)])
    with Journal(tmp_path / "out.csv") as journal:
        assert journal.find(source(picture)) is not None
        picture.write_bytes(b"other")
        assert journal.find(source(picture)) is None
        assert journal.vanished() == []
    array = Source(path="array[0]", content=Array("array[0]", solid((1, 2, 3))))
    assert Journal.state(array) != Journal.state(Source(path="array[0]", content=Array("array[0]", solid((1, 2, 4)))))


def test_what_was_not_there_is_read_when_it_appears(tmp_path: Path):
    picture = tmp_path / "a.png"
    missing = Source(path=str(picture), failure=NotFound("no such file or folder"))
    with Journal(tmp_path / "out.csv") as journal:
        journal.begin(HEADER)
        for one in (missing, source(tmp_path / "listed.png")):
            append(journal, one, Journal.state(one), [Red(error="not-found: no such file")])
    with Journal(tmp_path / "out.csv") as journal:
        assert journal.find(missing) is not None
        assert journal.find(source(tmp_path / "listed.png")) is not None
        for name in ("a.png", "listed.png"):
            (tmp_path / name).write_bytes(b"one")
            assert journal.find(source(tmp_path / name)) is None


def test_names_of_any_bytes(tmp_path: Path):
    strange = source("a\udcff\n\x1b[31m😀.png")
    with Journal(tmp_path / "out.csv") as journal:
        journal.begin(HEADER)
        append(journal, strange, "unknown", [Red(path=strange.path, red=1)])
    with Journal(tmp_path / "out.csv") as journal:
        place = journal.find(strange)
        assert place is not None
        assert next(journal.rows(place, Red)).path == printable(strange.path)


def test_the_second_run_is_refused_and_the_third_is_not(tmp_path: Path):
    with Journal(tmp_path / "out.csv"), pytest.raises(OutputError, match="another run is writing this table"):
        Journal(tmp_path / "out.csv")
    with Journal(tmp_path / "out.csv") as journal:
        assert journal.header is None
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_where_the_file_system_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_locks(_file: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks, "_system_lock", no_locks)
    beside = tmp_path / "out.csv.journal.jsonl.lock"
    beside.write_text("another-host 1")
    with pytest.raises(OutputError, match="another run"):
        Journal(tmp_path / "out.csv")
    with pytest.raises(OutputError, match=r"process 1 on another-host, by .*\.lock"):
        Journal(tmp_path / "out.csv")
    long_ago = time.time() - 2 * locks.STALE_S
    os.utime(beside, (long_ago, long_ago))  # as a process leaves it that was killed on another machine
    with Journal(tmp_path / "out.csv"):
        assert beside.read_text() == locks._owner()
        beside.write_text("another-host 1")  # as if we had slept for so long that it was taken over
        assert not locks.is_ours(journal_path(tmp_path / "out.csv"))
    beside.write_text(f"{socket.gethostname()} 4194400")  # larger than any process number of Linux
    with Journal(tmp_path / "out.csv"):
        assert beside.read_text() == locks._owner()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_is_touched_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "BEAT_S", 0.01)
    path = tmp_path / "a"
    assert locks._take_lock_file(locks._lock_file(path))
    os.utime(locks._lock_file(path), (0, 0))
    until = time.monotonic() + 10
    while locks._lock_file(path).stat().st_mtime == 0 and time.monotonic() < until:
        time.sleep(0.01)
    assert locks._lock_file(path).stat().st_mtime > 0
    locks.unlock(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
def test_who_writes_the_table_is_named(tmp_path: Path):
    with Journal(tmp_path / "out.csv"), pytest.raises(OutputError, match=f"another run.*process {os.getpid()} on this"):
        Journal(tmp_path / "out.csv")


def test_a_journal_of_another_version_keeps_what_it_has(tmp_path: Path):
    filled(tmp_path / "out.csv")
    path = journal_path(tmp_path / "out.csv")
    head = json.dumps({"mediasift_journal": 99, **HEADER}, separators=(",", ":"))[:-1].encode()
    first = head + b',"crc":"%08x"}\n' % zlib.crc32(head)
    path.write_bytes(first + path.read_bytes().partition(b"\n")[2])
    before = path.read_bytes()
    with Journal(tmp_path / "out.csv") as journal:
        assert journal.is_of_another_version
        with pytest.raises(UsageError, match=r"another version.*--restart"):
            plan(
                tmp_path / "out.csv",
                None,
                {},
                journal,
                {},
                restart=False,
                update=False,
                retry_errors=False,
                can_extend=True,
            )
    assert path.read_bytes() == before


def test_somebody_elses_file_of_that_name_stays(tmp_path: Path):
    beside = journal_path(tmp_path / "out.csv")
    beside.write_text("my notes\n")
    with pytest.raises(OutputError, match="not a journal of mediasift"):
        Journal(tmp_path / "out.csv")
    assert beside.read_text() == "my notes\n"
    beside.unlink()
    (tmp_path / "elsewhere").write_text("")
    beside.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError):
        Journal(tmp_path / "out.csv")


def test_rows_of_a_finished_table_are_taken_over_whole_or_not_at_all(tmp_path: Path):
    output = tmp_path / "out.csv"

    def stored(fail: bool):
        yield "a.png", {}, [Stored(cells=("a.png", "7", ""))]
        if fail:
            raise KeyboardInterrupt
        yield "b.png", {}, [Stored(cells=("b.png", "8", ""))]

    with pytest.raises(KeyboardInterrupt), Journal(output) as journal:
        journal.begin(HEADER, stored(fail=True))
    with Journal(output) as journal:
        assert (journal.header, len(journal)) == (None, 0)
        journal.begin(HEADER, stored(fail=False))
    with Journal(output) as journal:
        assert len(journal) == 2
        place = journal.find(source("b.png"))
        assert list(journal.rows(place, Red)) == [Stored(cells=("b.png", "8", ""))]
        assert [journal.path_at(gone) for gone in journal.vanished()] == ["a.png"]


def test_a_folder_that_was_moved_away_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mediasift.system.lines.SYNC_S", 0)
    (tmp_path / "here").mkdir()
    with Journal(tmp_path / "here" / "out.csv") as journal:
        journal.begin(HEADER)
        (tmp_path / "here").rename(tmp_path / "there")
        with pytest.raises(OutputError, match="put its folder back"):
            append(journal, source("a.png"), "unknown", [Red(red=1)])
    with Journal(tmp_path / "there" / "out.csv") as journal:
        assert journal.find(source("a.png")) is not None
