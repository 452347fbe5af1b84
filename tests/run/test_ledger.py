"""What paid answers cost: asked first, limited, written down; with Google's real client and a server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import ConsentNeeded, UsageError
from mediasift.run.ledger import BOOK, Book, _dollars
from tests.conftest import ROOT
from tests.media.sound.test_audio import voice, wav

grpc = pytest.importorskip("grpc")
serving = pytest.importorskip("tests.speech_server").serving
Code = grpc.StatusCode

SECOND_USD = 1.0
"""A second of sound, at a price of 60 USD a minute."""


@pytest.fixture
def google(package, tmp_path: Path):
    package("webrtcvad", "speech")
    with serving() as (server, endpoint):
        options = {"engine": "google", "project": "p", "language": "de-DE", "endpoint": endpoint,
                   "paid": tmp_path / "paid", "price": 60.0, "max_cost": 10.0}  # fmt: skip
        yield server, options


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    folder = tmp_path / "talks"
    folder.mkdir()
    for number in range(3):
        wav(folder / f"{number}.wav", voice(1, hertz=200 + 50 * number))
    return folder


def events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / BOOK).read_text().splitlines()]


def spent(folder: Path) -> float:
    book = Book(folder)
    book.close()
    return book.usd


def command(talks: Path, options: dict, *more: str) -> list[str]:
    return ["transcribe", str(talks), "--engine", "google", "--project", "p", "--language", "de-DE", "--endpoint",
            options["endpoint"], "--paid", str(options["paid"]), "--price", "60", *more]  # fmt: skip


@pytest.mark.parametrize("isolate", [False, True])
def test_nothing_is_sent_from_python_without_consent(google, talks: Path, isolate: bool):
    server, options = google
    with pytest.raises(ConsentNeeded, match=r"3 inputs .* at most 3\.00 USD.*max_cost"):
        ms.transcribe(talks, **{**options, "max_cost": None}, isolate=isolate)
    with pytest.raises(UsageError, match=r"3\.00 USD: more than --max-cost 2 may be due"):
        ms.transcribe(talks, **{**options, "max_cost": 2}, isolate=isolate)
    assert not server.requests
    assert not options["paid"].exists()


def test_the_command_line_shows_the_price_and_wants_a_yes(google, talks: Path):
    server, options = google
    asked = CliRunner().invoke(main, command(talks, options))
    assert asked.exit_code == 2
    assert "at most 3.00 USD" in asked.stderr
    assert not server.requests
    done = CliRunner().invoke(main, command(talks, options, "--yes"))
    assert done.exit_code == 0
    assert "at most 3.00 USD" in done.stderr
    assert len(server.requests) == 3
    assert sorted(events(options["paid"])) == ["paid"] * 3 + ["reserved"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX systems")
@pytest.mark.parametrize(("answer", "code", "sent"), [(b"n\n", 1, 0), (b"y\n", 0, 3)])
def test_on_a_terminal_the_question_is_asked(google, talks: Path, answer: bytes, code: int, sent: int):
    import pty

    server, options = google
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mediasift", *command(talks, options)], stdin=theirs, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "inference")},
    ) as process:  # fmt: skip
        os.write(ours, answer)
        _, shown = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"at most 3.00 USD" in shown
    assert b"Send it? [y/N]" in shown
    assert process.returncode == code
    assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "0.00"), (0.00001, "0.0001"), (0.003, "0.0030"), (1.001, "1.01"), (3, "3.00")]
)
def test_what_is_due_at_most_is_rounded_up(usd: float, text: str):
    assert _dollars(usd) == text


def test_above_the_limit_nothing_more_is_sent_and_what_was_answered_is_kept(google, talks: Path, tmp_path: Path):
    server, options = google
    list(ms.transcribe(wav(tmp_path / "before.wav", voice(2, hertz=990)), **options))
    limited = {**options, "max_cost": 4.0, "parallel": 1}
    with pytest.raises(UsageError, match=r"4\.00 USD are spent or reserved.*up to 1\.00 USD"):
        list(ms.transcribe(talks, **limited))
    assert len(server.requests) == 1 + 2
    assert spent(options["paid"]) == pytest.approx(4 * SECOND_USD)
    rows = list(ms.transcribe(talks, **{**limited, "max_cost": 5.0}))
    assert [row.text for row in rows] == ["Hello world."] * 3
    assert len(server.requests) == 1 + 3, "the two that were paid are not sent again"


def test_with_a_higher_limit_the_same_table_goes_on(google, talks: Path, tmp_path: Path):
    server, options = google
    list(ms.transcribe(wav(tmp_path / "before.wav", voice(2, hertz=990)), **options))
    limited = {**options, "max_cost": 4.0, "parallel": 1}
    with pytest.raises(UsageError, match="more than --max-cost 4 allows"):
        ms.transcribe(talks, **limited).write(tmp_path / "out.csv")
    table = ms.transcribe(talks, **{**limited, "max_cost": 5.0, "parallel": 2, "yes": True})
    table.write(tmp_path / "out.csv")
    assert (table.summary.rows, table.summary.error_rows) == (3, 0)
    assert len(server.requests) == 1 + 3


def test_only_what_may_be_due_stays_in_the_book(google, talks: Path):
    server, options = google
    server.failures = [Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE]
    rows = list(ms.transcribe(talks, **{**options, "parallel": 1}))
    assert [bool(row.error) for row in rows] == [True, False, False]
    assert events(options["paid"]) == ["reserved", "released", "reserved", "released", "reserved", "reserved", "paid",
                                       "reserved", "paid"]  # fmt: skip
    assert spent(options["paid"]) == pytest.approx(3 * SECOND_USD), "whether the lost one was done is not known"


def test_killed_between_reservation_and_answer_it_counts_as_paid(google, talks: Path):
    server, options = google
    server.delay_s = 60
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference")}
    more = ("--max-cost", "4", "--parallel", "1", "--quiet", "-o", str(talks.parent / "out.csv"))
    full = [sys.executable, "-m", "mediasift", *command(talks, options, *more)]
    run = subprocess.Popen(full, env=environment, start_new_session=True)
    until = time.monotonic() + 60
    while not server.requests:
        assert run.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    until = time.monotonic() + 20
    while not free(options["paid"]):  # the worker ends by itself
        assert time.monotonic() < until
        time.sleep(0.05)
    assert events(options["paid"]) == ["reserved"]
    server.delay_s = 0
    assert subprocess.run(full, env=environment, check=False).returncode == 0
    assert spent(options["paid"]) == pytest.approx(4 * SECOND_USD)
    with pytest.raises(UsageError, match=r"4\.00 USD are spent or reserved"):
        list(ms.transcribe(wav(talks.parent / "one.wav", voice(1, hertz=700)), **{**options, "max_cost": 4}))


def free(folder: Path) -> bool:
    try:
        Book(folder).close()
    except UsageError:
        return False
    return True


def test_answers_of_the_time_before_the_book_are_found(google, talks: Path):
    server, options = google
    before = list(ms.transcribe(talks, **options))
    (options["paid"] / BOOK).unlink()
    assert list(ms.transcribe(talks, **{**options, "max_cost": 3.5})) == before
    assert len(server.requests) == 3
    assert not (options["paid"] / BOOK).exists()


def test_the_same_piece_at_the_same_time_is_sent_once(google, tmp_path: Path):
    server, options = google
    server.delay_s = 0.3
    paths = [wav(tmp_path / f"{number}.wav", voice(1)) for number in range(4)]
    assert [row.text for row in ms.transcribe(paths, **options)] == ["Hello world."] * 4
    assert len(server.requests) == 1


def test_two_runs_do_not_write_one_book(google, talks: Path):
    server, options = google
    book = Book(options["paid"])
    with pytest.raises(UsageError, match="another run buys answers there"):
        list(ms.transcribe(talks, **options))
    book.close()
    assert not server.requests
    assert len(list(ms.transcribe(talks, **options))) == 3


def test_a_line_that_a_kill_cut_off_is_none(tmp_path: Path):
    book = Book(tmp_path)
    book.note("reserved", {"a": 1.5})
    book.close()
    with (tmp_path / BOOK).open("a") as file:
        file.write('{"event": "reserved", "key": "b", "us')
    book = Book(tmp_path)
    assert book.usd == 1.5
    book.note("released", {"a": 1.5})
    book.close()
    assert spent(tmp_path) == 0


@pytest.mark.parametrize("damage", [lambda text: text.replace("1.5", "0.5"), lambda _: '{"event":"paid","usd":1.5}\n'])
def test_a_book_that_was_changed_is_refused_rather_than_forgotten(tmp_path: Path, damage):
    book = Book(tmp_path)
    book.note("reserved", {"a": 1.5})
    book.note("reserved", {"b": 2.5})
    book.close()
    (tmp_path / BOOK).write_text(damage((tmp_path / BOOK).read_text()))
    before = (tmp_path / BOOK).read_text()
    with pytest.raises(UsageError, match=r"damaged or changed.*--paid"):
        Book(tmp_path)
    assert (tmp_path / BOOK).read_text() == before
    (tmp_path / BOOK).write_text("my notes\n")
    with pytest.raises(UsageError, match="not a book of mediasift"):
        Book(tmp_path)
