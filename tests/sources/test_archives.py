from __future__ import annotations

import csv
import io
import json
import struct
import tarfile
import threading
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import Damaged, ItemError, NotFound, NotMedia, TooLarge
from mediasift.sources import archives
from mediasift.sources.archives import Member, member_at
from mediasift.sources.content import LocalFile, content_at
from mediasift.sources.finding import find_sources
from mediasift.sources.formats import ARCHIVES, known_format
from mediasift.sources.naming import Inputs
from tests.sources.test_remote import png

FILES = {
    "b/two.png": png(2), "a.png": png(1), "b/notes.txt": b"no media", "b/plain": png(3), ".hidden.png": png(4),
    "__MACOSX/a.png": b"x", "inner.zip": b"PK", "empty.png": b"", "ü.png": png(5),
}  # fmt: skip
MEDIA = ["a.png", "b/plain", "b/two.png", "empty.png", "ü.png"]


def make(path: Path, files: dict[str, bytes] = FILES) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        kind: Any = {"tgz": "w:gz", "tbz2": "w:bz2", "txz": "w:xz", "tar": "w:"}
        with tarfile.open(path, kind.get(path.suffix[1:], f"w:{path.suffix[1:]}")) as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return path


def named(path: Path, **options) -> list[str]:
    return [source.path.removeprefix(f"{path}/") for source in find_sources(Inputs(named=[str(path)], **options))]


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_an_archive_is_a_folder(tmp_path: Path, suffix: str, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / f"photos{suffix}")
    assert named(path) == MEDIA
    assert named(path, recursive=False) == [name for name in MEDIA if "/" not in name]
    for name in MEDIA:
        content = Member(LocalFile(path), name)
        assert content.read() == FILES[name]
        assert content.size == len(FILES[name])
        assert content_at(content.address).read() == FILES[name]
        with content.local() as copy:
            assert copy.read_bytes() == FILES[name]
    done = CliRunner().invoke(main, ["info", path.name, "-o", "out.csv", "--quiet"])  # in the worker process
    assert done.exit_code == 1, done.output
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [f"{path.name}/{name}" for name in MEDIA]
    assert [row["error"] for row in rows if row["error"]] == ["empty: the file is empty (0 bytes)"]
    skipped = json.loads(Path("out.csv.run.json").read_text())["counts"]["skipped"]
    assert skipped == {"archive": 1, "hidden": 2, "other": 1}
    (row,) = ms.info(f"{path.name}/b/two.png")  # a path of the table is an input again
    assert (row.path, row.error, row.format) == (f"{path.name}/b/two.png", "", "png")
    Path("list.csv").write_text(f"path\n{path.name}/a.png\n{path.name}/gone.png\n")
    good, gone = ms.info("list.csv")
    assert good.error == ""
    assert gone.error == "not-found: there is no such file in the archive"


def test_names_that_lead_out_are_rows_and_nothing_is_written(tmp_path: Path):
    hostile = {
        "../up.png": png(1),
        "/root.png": png(2),
        "a/../../b.png": png(3),
        "..\\win.png": png(4),
        "C:/c.png": png(5),
    }
    for suffix in (".zip", ".tar"):
        path = make(tmp_path / f"evil{suffix}", {**hostile, "good.png": png(6)})
        rows = list(ms.info(str(path)))
        assert len(rows) == 6
        assert [row.path for row in rows if not row.error] == [f"{path}/good.png"]
        assert {row.error for row in rows if row.error} == {
            "unsupported: its name leads out of the archive; unpack it yourself"
        }
    assert sorted(one.name for one in tmp_path.iterdir()) == ["evil.tar", "evil.zip"]


def test_links_and_devices_of_a_tar(tmp_path: Path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        first = tarfile.TarInfo("./one.png")
        first.size = len(png(1))
        archive.addfile(first, io.BytesIO(png(1)))
        for name, kind in (("two.png", tarfile.LNKTYPE), ("soft.png", tarfile.SYMTYPE), ("pipe.png", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "./one.png" if kind == tarfile.LNKTYPE else "/etc/passwd"
            archive.addfile(entry)
    assert named(path) == ["one.png", "two.png"]
    assert Member(LocalFile(path), "two.png").read() == png(1)


def test_of_several_members_with_one_name_the_last_counts(tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", png(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", png(2))
    assert named(path) == ["a.png"]
    assert Member(LocalFile(path), "a.png").read() == png(2)


def test_names_in_old_encodings(tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("xx1.png", "xx2.png"):
            archive.writestr(name, png(1))
    data = path.read_bytes().replace(b"xx1", "ü1".encode()).replace(b"xx2", b"\x81x2")  # UTF-8 unmarked; CP437
    path.write_bytes(data)
    assert sorted(named(path)) == ["ü1.png", "üx2.png"]


def test_an_encrypted_member_and_an_unknown_method(tmp_path: Path):
    path = make(tmp_path / "a.zip", {"a.png": png(1), "b.png": png(2)})
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\1\2")
    data[first + 8] |= 1
    second = data.index(b"PK\1\2", first + 4)
    struct.pack_into("<H", data, second + 10, 96)
    path.write_bytes(data)
    locked, unknown = ms.info(str(path))
    assert locked.error == "unsupported: it is encrypted; unpack the archive with its password"
    assert unknown.error.startswith("unsupported: the file in the archive is packed in a way that cannot be read here")


def test_bombs_are_bounded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(archives, "_BOMB_BYTES", 1 << 20)
    zeros = make(tmp_path / "a.zip", {"a.png": bytes(4 << 20), "b.png": png(1)})
    with pytest.raises(TooLarge, match="made to fill a disk"):
        Member(LocalFile(zeros), "a.png").read()
    assert Member(LocalFile(zeros), "b.png").read() == png(1)
    packed = make(tmp_path / "a.tar.gz", {"a.png": bytes(4 << 20)})
    (row,) = ms.info(str(packed))
    assert row.error.startswith("too-large: it unpacks to")
    (row,) = ms.info(str(make(tmp_path / "c.tar.xz", {"a.png": png(1)})), max_file_gb=1e-6)
    assert row.error.startswith("too-large: it unpacks to")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_an_error_and_never_wrong_bytes(tmp_path: Path, suffix: str, data):
    path = make(tmp_path / f"a{suffix}", {"a.png": png(1), "b.png": png(2)})
    broken = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        broken = broken[: data.draw(st.integers(0, len(broken) - 1))]
    else:
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    other = tmp_path / f"broken{suffix}"
    other.write_bytes(broken)
    for source in find_sources(Inputs(named=[str(other)])):
        if source.content is None:
            assert isinstance(source.failure, ItemError)
            continue
        with suppress(ItemError):
            source.content.read()


def test_a_member_is_checked_by_its_sum(tmp_path: Path):
    path = make(tmp_path / "a.zip", {"a.png": png(1)})
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        Member(LocalFile(path), "a.png").read()


def test_several_threads_read_one_archive(tmp_path: Path):
    files = {f"{number}.png": png(number) for number in range(20)}
    for suffix in (".zip", ".tar", ".tgz"):
        path, wrong = make(tmp_path / f"a{suffix}", files), list[str]()

        def read(path=path, wrong=wrong):
            for name, data in files.items():
                if Member(LocalFile(path), name).read() != data:
                    wrong.append(name)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_a_changed_archive_is_another_one(tmp_path: Path):
    path = make(tmp_path / "a.zip", {"a.png": png(1)})
    before = Member(LocalFile(path), "a.png")
    assert before.read() == png(1)
    state = before.state()
    make(path, {"a.png": png(2), "c.png": png(3)})
    assert before.read() == png(2)
    assert before.state() != state
    with pytest.raises(NotFound):
        Member(LocalFile(path), "b.png").read()


def test_what_is_no_archive(tmp_path: Path):
    for suffix in ARCHIVES:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"no archive at all, but text" * 99)
        (row,) = ms.info(str(path))
        assert row.error.startswith("damaged: the archive is damaged")
    assert member_at("a/b.png") is None


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_names_that_are_unpacked_to_one_place_are_one_member(tmp_path: Path, suffix: str):
    """As `unzip` and `tar -x` do: the last of them is there, and the table has one row."""
    path = make(
        tmp_path / f"a{suffix}", {"d/a.png": png(1), "d//a.png": png(2), "./d/./a.png": png(3), "b.png": png(4)}
    )
    assert named(path) == ["b.png", "d/a.png"]
    for name in ("d/a.png", "d//a.png", "./d/a.png"):
        assert Member(LocalFile(path), name).read() == png(3)


def test_archives_in_a_folder_are_named_and_not_looked_into(tmp_path: Path):
    folder, out = tmp_path / "in", tmp_path / "out.csv"
    folder.mkdir()
    make(folder / "one.zip")
    make(folder / "two.tar.gz")
    done = CliRunner().invoke(main, ["info", str(folder)])
    assert done.exit_code == 3
    assert "nothing to read in " in done.stderr
    assert "(archives are read where they are named, as in FOLDER/*.zip: 2 there)" in done.stderr
    (folder / "a.png").write_bytes(png(1))
    done = CliRunner().invoke(main, ["info", str(folder), "-o", str(out)])
    assert done.exit_code == 0
    assert "2 files left out, see out.csv.run.json; archives are read where they are named" in done.stderr
    assert len(list(ms.info([str(folder / "*.zip"), str(folder / "*.gz")]))) == 2 * len(MEDIA)


def test_an_archive_that_is_no_file_here_says_what_to_do():
    (row,) = ms.info([io.BytesIO(b"PK\x03\x04 and more")])
    assert row.error.startswith("not-media")
    with pytest.raises(NotMedia, match="of an archive, name the file on this machine"):
        known_format(b"PK\x03\x04 and more", ".zip")
