from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mediasift.errors import NotFound, Unreadable, Unsupported, UsageError
from mediasift.items import Clip, Item, MediaFile
from mediasift.media.information import information
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings, SoundSettings
from mediasift.media.video.footage import open_footage
from mediasift.rows import Row
from mediasift.run.job import source_from_json, source_to_json
from mediasift.sources.content import SCHEMES, Content, LocalFile, content_at
from mediasift.sources.formats import HEAD_BYTES
from mediasift.sources.memory import Array, Bytes
from mediasift.sources.naming import Source
from mediasift.sources.remote import WebFile
from tests.pictures import save, scene, solid
from tests.videos import make_video, numbered

DATA = bytes(range(256)) * 40


class Member(Content):
    """What a further kind of content has to say: its name, and how it is opened."""

    name = "inner.bin"

    def open(self):
        return io.BytesIO(DATA)


def local(folder: Path) -> Content:
    (folder / "a.bin").write_bytes(DATA)
    return LocalFile(folder / "a.bin")


FILES: dict[str, Callable[[Path], Content]] = {
    "local": local,
    "bytes": lambda _: Bytes("a.bin", DATA),
    "member": lambda _: Member(),
}


@pytest.fixture(params=FILES)
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Content:
    return FILES[request.param](tmp_path)


def test_every_kind_reads_the_same(content: Content):
    assert content.read() == DATA
    assert content.head() == DATA[:HEAD_BYTES]
    assert content.sha256() == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert content.size in (len(DATA), None)
    assert content.suffix == ".bin"
    with content.open() as file:
        assert file.seekable()
        file.seek(-2, os.SEEK_END)
        assert file.read() == b"\xfe\xff"


def test_every_kind_has_a_file_for_libraries_that_insist(content: Content):
    with content.local() as path:
        assert path.read_bytes() == DATA
        assert path.suffix == ".bin"
    assert path.exists() == isinstance(content, LocalFile)


def test_signs_of_life_while_a_hash_is_made(content: Content):
    signs: list[int] = []
    content.sha256(lambda: signs.append(1))
    assert signs


@pytest.mark.parametrize("content", [Array("array[0]", solid((1, 2, 3)))])
def test_what_is_no_file_says_so(content: Content):
    for ask in (content.head, content.read, content.sha256, lambda: content.local().__enter__()):
        with pytest.raises(Unsupported):
            ask()
    assert content.size is None


# states


def test_the_state_of_a_file_betrays_another_in_its_place(tmp_path: Path):
    path, other = tmp_path / "a.bin", tmp_path / "b.bin"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    before = LocalFile(path).state()
    assert before == LocalFile(path).state()
    shutil.copystat(path, other)
    other.replace(path)
    after = LocalFile(path).state()
    assert before is not None
    assert after is not None
    assert before[:2] == after[:2]  # size and time of change say nothing
    assert before != after


def test_the_state_of_a_file_changes_with_its_bytes(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    status, before = path.stat(), LocalFile(path).state()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert LocalFile(path).state() != before
    path.unlink()
    assert LocalFile(path).state() is None
    assert LocalFile(path).size is None
    assert LocalFile(Path("a\0b")).state() is None


def test_the_state_of_what_python_gives():
    assert Bytes("a", b"x").state() == Bytes("b", b"x").state() != Bytes("a", b"y").state()
    array = np.zeros((2, 6), np.uint8)
    states = {Array("a", one).state() for one in (array, array + 1, array.reshape(4, 3), array.T)}
    assert len(states) == 4
    assert Array("b", array[:, ::-1]).state() == Array("a", array).state()


# what only looks like a file


def attempts(content: Content) -> list[Callable[[], object]]:
    return [content.head, content.read, content.sha256, lambda: content.local().__enter__()]


def test_what_is_not_there(tmp_path: Path):
    (tmp_path / "link.png").symlink_to("nowhere.png")
    for path, match in ((tmp_path / "a.png", "no such file"), (tmp_path / "link.png", r"a link to nowhere\.png")):
        for ask in attempts(LocalFile(path)):
            with pytest.raises(NotFound, match=match):
                ask()


def test_pipes_sockets_and_folders_do_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    Path("link.png").symlink_to("pipe.png")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("s.png")
        for name, match in (
            ("pipe.png", "pipe"),
            ("link.png", "pipe"),
            ("s.png", "cannot"),
            (".", "folder"),
            ("a\0", "null"),
        ):
            for ask in attempts(LocalFile(Path(name))):
                with pytest.raises(Unreadable, match=match):
                    ask()


def test_a_link_is_what_it_leads_to(tmp_path: Path):
    content = local(tmp_path)
    (tmp_path / "link.bin").symlink_to("a.bin")
    link = LocalFile(tmp_path / "link.bin")
    assert (link.read(), link.state()) == (DATA, content.state())
    assert link.address != content.address


# addresses


def test_an_address_leads_back_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("a.bin").write_bytes(DATA)
    strange = Path("\udcff\n.bin")
    strange.write_bytes(DATA)
    addresses = [LocalFile(path).address for path in (Path("a.bin"), strange)]
    monkeypatch.chdir("/")
    for address in addresses:
        assert content_at(address).read() == DATA
    assert content_at("https://b.test/a.flac") == WebFile("https://b.test/a.flac")


def test_a_further_scheme_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SCHEMES, "mem://", lambda address: Bytes(address, DATA))
    assert content_at("mem://a.bin").read() == DATA


def test_sources_travel_by_address(tmp_path: Path):
    save(tmp_path / "a.png", solid((1, 2, 3)))
    here = Source(path="a.png", content=LocalFile(tmp_path / "a.png"))
    for source in (here, Source(path="https://b.test/a", content=WebFile("https://b.test/a"))):
        assert source_from_json(source_to_json(source), Row) == source
    failed = source_from_json(source_to_json(Source(path="x", failure=NotFound("no such file or folder"))), Row)
    assert (type(failed.failure), str(failed.failure)) == (NotFound, "no such file or folder")
    for content in (Bytes("a.png", b""), Array("array[0]", solid((1, 2, 3)))):
        with pytest.raises(UsageError, match="stay in their process"):
            source_to_json(Source(path="a", content=content))


# bytes, from end to end


def items(content: Content, reads: str = "pictures", **options) -> list:
    kind = SoundSettings if reads == "sound" else PictureSettings
    return list(read_source(Source(path=content.name, content=content), reads, kind(**options)))


def both(path: Path) -> tuple[LocalFile, Bytes]:
    return LocalFile(path), Bytes(path.name, path.read_bytes())


def test_bytes_of_pictures(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    Image.fromarray(scene()).save(tmp_path / "a.tga")
    for name in ("a.png", "a.tga"):
        (first,), (second,) = (items(content) for content in both(tmp_path / name))
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.image, scene())
        assert isinstance(second.content, Bytes)


def test_bytes_of_a_pdf(test_data: Path):
    path = test_data / "pdf" / "multipage.pdf"
    first, second = (items(content, dpi=40) for content in both(path))
    assert [item.page for item in first] == [item.page for item in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    assert len({tuple(information(content)) for content in both(path)}) == 1


def test_bytes_of_a_video_and_its_sound(tmp_path: Path, test_data: Path):
    path = make_video(tmp_path / "a.mp4", numbered(30), range(30))
    for every in ("1f", "iframe", "shot"):
        first, second = (items(content, every=every) for content in both(path))
        assert [item.frame for item in first] == [item.frame for item in second]
        assert all((one.image == other.image).all() for one, other in zip(first, second, strict=True))
    (video,) = items(both(path)[1], "video")
    assert isinstance(video, MediaFile)
    with open_footage(video.content) as footage:
        assert len(footage.timetable.ticks) == 30
    first, second = (items(content, "sound") for content in both(test_data / "speech" / "jfk.mp3"))
    assert all(isinstance(clip, Clip) for clip in first)
    assert all((one.waveform == other.waveform).all() for one, other in zip(first, second, strict=True))
    assert len({tuple(information(content)) for content in both(test_data / "speech" / "jfk.mp3")}) == 1


def test_no_copy_of_bytes_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    data = make_video(tmp_path / "a.mp4", numbered(10), range(10)).read_bytes()
    frames: Any = read_source(Source(path="a", content=Bytes("a.mp4", data)), "pictures", PictureSettings(every="1f"))
    next(frames)
    assert len(list((tmp_path / "copies").iterdir())) == 1
    frames.close()
    assert not list((tmp_path / "copies").iterdir())


def test_what_a_task_reads_decides():
    array = Array("array[0]", solid((1, 2, 3)))
    assert [type(items(array, reads)[0]) for reads in ("pictures", "frames")] == [Item, Item]
    for content, reads in ((array, "files"), (array, "video"), (array, "sound")):
        with pytest.raises(Unsupported, match="an a"):
            items(content, reads)
    (file,) = items(Bytes("a.gif", b"GIF89a"), "files")
    assert isinstance(file, MediaFile)
