"""Notices of the system, and when a file is whole: real files, real processes that write them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mediasift.sources import arrivals
from mediasift.sources.arrivals import Notices, Waiting, _mounts, file_system, writers
from mediasift.sources.finding import find_sources, sources_at
from mediasift.sources.naming import Inputs, Source
from tests.pictures import encoded, save, scene, solid

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases of Linux")


def source(file: Path) -> Source:
    (one,) = find_sources(Inputs(named=[file]))
    return one


def ready(waiting: Waiting, patience_s: float = 30) -> list[str]:
    """What comes out, at the latest then."""
    until = time.monotonic() + patience_s
    while not (paths := [Path(one.path).name for one in waiting.ready()]) and time.monotonic() < until:
        time.sleep(0.01)
    return paths


def test_a_file_comes_out_once_when_it_has_been_the_same_for_long_enough(tmp_path: Path):
    waiting, file = Waiting(0.2, lambda _: False), save(tmp_path / "a.png", solid((1, 2, 3)))
    began = time.monotonic()
    waiting.add(source(file))
    assert list(waiting.ready()) == []
    assert list(waiting) == [str(file)]
    assert ready(waiting) == ["a.png"]
    assert time.monotonic() - began >= 0.2
    assert list(waiting.ready()) == []
    assert len(waiting) == 0


def test_a_file_that_changes_begins_again_and_one_that_goes_never_comes(tmp_path: Path):
    waiting = Waiting(0.2, lambda _: False)
    changing, going = (save(tmp_path / name, solid((1, 2, 3))) for name in ("changing.png", "going.png"))
    waiting.add(source(changing))
    waiting.add(source(going))
    going.unlink()
    changing.write_bytes(b"other")
    time.sleep(0.25)
    began = time.monotonic()
    assert list(waiting.ready()) == []  # it is looked at now, and differs
    assert ready(waiting) == ["changing.png"]
    assert time.monotonic() - began >= 0.2
    assert len(waiting) == 0


WRITER = """
import sys, time
file = open(sys.argv[1], "wb")
file.write(b"x" * 100)
file.flush()
print("open", flush=True)
sys.stdin.read()
"""


@linux
def test_a_file_waits_while_another_process_has_it_open_for_writing_however_long_nothing_happens(tmp_path: Path):
    file = tmp_path / "a.png"
    with (
        writers() as is_being_written,
        subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True) as writer,
    ):  # fmt: skip
        assert writer.stdout.readline() == "open\n"
        assert is_being_written(file)
        waiting = Waiting(0.05, is_being_written)
        waiting.add(source(file))
        assert ready(waiting, patience_s=1) == []
        with file.open("rb"):  # a reader is no writer
            writer.communicate()
            assert not is_being_written(file)
        assert ready(waiting) == ["a.png"]
    assert not is_being_written(tmp_path / "nothing.png")


@linux
def test_who_opens_a_file_while_it_is_looked_at_is_not_refused(tmp_path: Path):
    """Thousands of looks while another process opens and closes the file for writing: it never fails, nor do we die."""
    file = save(tmp_path / "a.png", solid((1, 2, 3)))
    code = "import sys\nfor _ in range(3000):\n    open(sys.argv[1], 'r+b').close()\n"
    with writers() as is_being_written, subprocess.Popen([sys.executable, "-c", code, str(file)]) as writer:
        seen = set()
        while writer.poll() is None:
            seen.add(is_being_written(file))
    assert writer.returncode == 0
    assert False in seen


def taken(notices: Notices, wanted: set[str]) -> set[str]:
    """Paths of which there was notice, until all of these came."""
    paths: set[str] = set()
    until = time.monotonic() + 30
    while not wanted <= paths and time.monotonic() < until:
        paths |= {path for path, _ in notices.take(0.1)}
    return paths


@pytest.mark.parametrize("typed", ["in", "./in/", "in/../in", "link"])
def test_notices_spell_paths_as_the_folder_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str):
    monkeypatch.chdir(tmp_path)
    Path("in/sub").mkdir(parents=True)
    Path("link").symlink_to("in")
    with Notices([typed], recursive=True, poll_s=None) as notices:
        assert notices.reason == ""
        save(Path("in/ä b.png"), solid((1, 2, 3)))
        save(Path("in/sub/.tmp.png"), solid((1, 2, 3))).rename("in/sub/c.png")
        Path("in/new/deep").mkdir(parents=True)
        save(Path("in/new/deep/d.png"), solid((1, 2, 3)))
        wanted = {f"{typed.rstrip('/')}/{name}" for name in ("ä b.png", "sub/c.png", "new")}
        assert wanted <= taken(notices, wanted)
    listed = {one.path for one in find_sources(Inputs(named=[typed]))}
    noticed = {one.path for path in wanted for one in sources_at(path, typed, Inputs(named=[typed]))}
    assert noticed == listed
    assert len(listed) == 3


def test_one_file_or_folder_inside_gives_what_the_whole_folder_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", ".b.png", "c/d.png", "c/.e/f.png", "__MACOSX/g.png", "h", "c/i/j.jpg", "k.png.part"):
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        Path("in", name).write_bytes(encoded(scene(8, 8)))
    Path("in/l.csv").write_text("path\na.png\n")
    Path("in/m.png").symlink_to("nowhere")
    for recursive in (True, False):
        inputs = Inputs(named=["in"], recursive=recursive)
        whole = sorted(one.path for one in find_sources(inputs))
        inside = (f"{folder}/{name}" for folder, _, names in os.walk("in") for name in names)
        assert sorted(one.path for path in inside for one in sources_at(path, "in", inputs)) == whole
        assert [one.path for one in sources_at("in/gone.png", "in", inputs)] == []
    assert [one.path for one in sources_at("in/c", "in", Inputs(named=["in"]))] == ["in/c/d.png", "in/c/i/j.jpg"]


def test_where_there_are_no_notices_it_says_why_and_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Notices([str(tmp_path)], recursive=True, poll_s=0.5) as notices:
        assert (notices.every_s, notices.reason) == (0.5, "--poll")
        assert notices.take(0.01) == []
    monkeypatch.setattr(arrivals, "is_installed", lambda _: False)
    with Notices([str(tmp_path)], recursive=True, poll_s=None) as notices:
        assert (notices.every_s, "[watch]" in notices.reason) == (arrivals.POLL_S, True)
    monkeypatch.undo()
    with Notices([str(tmp_path), str(tmp_path / "gone")], recursive=True, poll_s=None) as notices:
        assert "the system gives no notices" in notices.reason


def test_names_of_mounts_are_taken_as_bytes_whatever_they_hold():
    table = (  # as proc_pid_mountinfo(5) has it
        b"36 35 98:0 / /with\\040blank rw,noatime master:1 - ext4 /dev/root rw\n"
        b"37 35 0:31 / /mnt/\xff\xc2\x85\xe6\x97\xa5 rw - nfs4 host:/a rw\n"
    )
    assert _mounts(table) == [("/with blank", "ext4"), (os.fsdecode(b"/mnt/\xff\xc2\x85\xe6\x97\xa5"), "nfs4")]


@linux
def test_the_kind_of_a_file_system_is_what_the_system_calls_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert file_system("/proc") == "proc"
    assert file_system("/proc/self/task") == "proc"
    stat = subprocess.run(["df", "--output=fstype", tmp_path], capture_output=True, text=True, check=True)
    assert file_system(str(tmp_path)) == stat.stdout.split()[-1]
    monkeypatch.setattr(arrivals, "_SHARED", ("proc",))
    with Notices(["/proc/self"], recursive=False, poll_s=None) as notices:
        assert notices.reason == "/proc/self is on a shared file system (proc)"
