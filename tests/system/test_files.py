from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest

import mediasift as ms
from mediasift.errors import OutputError
from mediasift.items import Item, Place
from mediasift.media.pictures.encode import still_path
from mediasift.sources.content import LocalFile
from mediasift.system.files import (
    clock,
    make_folder,
    need_folder,
    new_folder,
    path_below,
    place_suffix,
    write_atomically,
    write_file,
)
from mediasift.tasks.convert import Convert, output_path
from mediasift.tasks.ocr import page_file
from tests.pictures import save, scene


def test_bytes_and_what_writes_them(tmp_path: Path):
    hashes: list[str] = []
    write_atomically(tmp_path / "a", b"new", then=hashes.append)
    write_atomically(tmp_path / "b", lambda file: file.write(b"new"), durable=False)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"new", b"new"]
    assert hashes == ["11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"]  # sha256sum


def leftover(output: Path) -> Path:
    """What a run leaves that is killed while it writes."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom mediasift.system.files import write_atomically\n"
        "write_atomically(Path(sys.argv[1]), lambda file: (file.write(b'half'), file.flush(), os._exit(9)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(output)], check=False)
    assert done.returncode == 9
    (left,) = output.parent.glob(".mediasift-*.part")
    return left


def test_what_a_killed_run_left_is_replaced(tmp_path: Path):
    output = tmp_path / "a.csv"
    assert leftover(output).read_bytes() == b"half"
    assert not output.exists()
    write_atomically(output, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_link_in_the_way_is_never_followed(tmp_path: Path):
    output, precious = tmp_path / "a.csv", tmp_path / "precious"
    left = leftover(output)
    precious.write_bytes(b"mine")
    left.unlink()
    left.symlink_to(precious)
    write_atomically(output, b"whole")
    assert (precious.read_bytes(), output.read_bytes()) == (b"mine", b"whole")
    assert not output.is_symlink()


def test_another_command_that_writes_the_same_file(tmp_path: Path):
    output = tmp_path / "a.csv"

    def overtaken(_file: object) -> None:
        (temporary,) = tmp_path.glob("*.part")
        temporary.unlink()
        temporary.write_bytes(b"theirs, half")

    with pytest.raises(OutputError, match="another command"):
        write_atomically(output, overtaken)
    assert not output.exists()
    assert len(list(tmp_path.glob("*.part"))) == 1  # theirs


def test_threads_that_write_the_same_file_wait_for_each_other(tmp_path: Path):
    output = tmp_path / "deep" / "a.png"
    data = [bytes([number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_file, args=(output, one)) for one in data * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert output.read_bytes() in data
    assert list(output.parent.iterdir()) == [output]


def test_refusals_are_output_errors(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="the folder cannot be made"):
        make_folder(tmp_path / "file" / "x")
    with pytest.raises(OutputError, match="make it first"):
        write_atomically(tmp_path / "no" / "a.csv", b"")
    with pytest.raises(OutputError, match="too long"):
        write_atomically(tmp_path / ("x" * 300), b"")


@pytest.mark.parametrize(("path", "expected"), [
    ("a/x.png", "a/x.png"), ("/a/x.png", "_root/a/x.png"), ("../x.png", "_up/x.png"),
    ("a/../../x.png", "a/_up/_up/x.png"),
    ("./a//x.png", "a/x.png"), ("_up/x.png", "__up/x.png"), ("up/x.png", "up/x.png"), ("/", "_root"), ("", "_unnamed"),
    (PureWindowsPath("C:\\a\\x.png"), "_rootC%3a/a/x.png"),
    (PureWindowsPath("\\\\server\\share\\x.png"), "_rootserver%5cshare/x.png"),
    (PureWindowsPath("..\\x.png"), "_up/x.png"), ("12:30.jpg", "12:30.jpg"),
    ("http://h/a/x.png", "http:/h/a/x.png"), ("http://h/a//x.png", "http:/h/a/_empty/x.png"),
    ("http://h/a/", "http:/h/a/_empty"), ("http://h/./../_dot", "http:/h/_dot/_up/__dot"),
])  # fmt: skip
def test_written_files_stay_inside_their_folder(path: str, expected: str):
    assert path_below("out", path) == Path("out", expected)


def some_paths(count: int, *endings: str) -> list[str]:
    """Different paths that look like one another, absolute and relative, as few pieces as possible in them."""
    chance, paths = random.Random(1), set[str]()
    while len(paths) < count:
        folders = chance.choices(["..", "_up", "__up", "up", "a", "_root", "_rootb", "_unnamed"], k=chance.randrange(4))
        name = "".join(chance.choices(["x", "_", ".png", ".tif", ".page2", "_p2", ".page-2", "array[0]", "_f1"], k=3))
        path = chance.choice(["", "", "/"]) + "/".join([*folders, name + chance.choice(endings)])
        paths.add(str(PurePosixPath(path)))  # which is one path for `a//x` and `a/./x`, that are one file
    return sorted(paths)


def test_no_two_paths_share_a_place():
    paths = some_paths(10_000, "", ".png")
    assert len({path_below("out", path) for path in paths}) == len(paths)


def test_no_two_places_in_no_two_sources_share_a_file():
    """Copies, stills and texts: each picture, page and frame of 2,000 sources has a file of its own."""
    content, image, pages, frames = (
        LocalFile(Path("x")),
        np.zeros((1, 1, 3), np.uint8),
        (None, 2),
        ((None, None), (1, 0.0), (2, 61.5)),
    )
    paths = some_paths(2_000, "", ".png", ".jpg")
    places = [
        Item(path=path, page=page, frame=frame, time_s=time, image=image, original_size=(1, 1), content=content)
        for path in paths for page in pages for frame, time in (frames if page is None else frames[:1])
    ]  # fmt: skip
    for where in (
        lambda place: output_path(place, Convert("out")),
        lambda place: still_path("out", place, "jpeg"),
        lambda place: page_file("out", place, "txt"),
    ):
        assert len({where(place) for place in places}) == len(places)


def test_what_tells_files_of_one_source_apart():
    place = Place(path="film.mp4", frame=2087, time_s=83.5)
    assert place_suffix(place, time="_{}", frame="_f{}", page="_p{}") == "_00-01-23.500_f2087"
    assert place_suffix(place, frame=".frame{}", page=".page{}") == ".frame2087"
    assert place_suffix(Place(path="a.tif", page=2), frame=".frame-{}", page=".page-{}") == ".page-2"
    assert place_suffix(Place(path="a.tif"), frame=".frame-{}", page=".page-{}") == ""


def test_clock():
    assert [clock(time) for time in (0, 59.9996, 3600, -1.5)] == [
        "00-00-00.000", "00-01-00.000", "01-00-00.000", "-00-00-01.500",
    ]  # fmt: skip


def test_permissions_are_those_of_any_new_file(tmp_path: Path):
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_that_is_named_a_hundred_times_is_no_error(tmp_path: Path):
    picture = save(tmp_path / "a.png", scene(40, 30))
    rows = list(ms.convert([picture] * 100, tmp_path / "made", to="jpg", jobs=16))
    assert {(row.error, row.output) for row in rows} == {("", str(tmp_path / "made" / "a.png.jpg"))}
    assert len(rows) == 100
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["a.png.jpg"]


def test_a_folder_appears_whole(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    with new_folder(folder) as inside:
        (inside / "x").write_text("1")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["x"]
    with pytest.raises(OutputError, match=r"b: is there already; name a new folder"), new_folder(folder):
        raise AssertionError("nothing is done")
    assert (folder / "x").read_text() == "1"


def test_a_folder_that_is_not_filled_does_not_appear(tmp_path: Path):
    def interrupted() -> None:
        with new_folder(tmp_path / "a") as inside:
            (inside / "x").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_does_not_come_along(tmp_path: Path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom mediasift.system.files import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as inside:\n    (inside / 'old').write_text('')\n    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    with new_folder(tmp_path / "a") as inside:
        (inside / "new").write_text("")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "new"]


def test_an_empty_folder_is_filled_also_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with new_folder(Path()) as inside:
        (inside / "x").write_text("")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "x"]


def test_a_folder_that_is_needed_is_not_made(tmp_path: Path):
    need_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be made"):
        need_folder(tmp_path / "file" / "b")
