from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mediasift.errors import InputError, NotFound, Unreadable, UsageError
from mediasift.sources.content import LocalFile
from mediasift.sources.finding import check_inputs, count_sources, find_sources
from mediasift.sources.folders import Skipped
from mediasift.sources.memory import Array
from mediasift.sources.naming import Inputs, Source
from tests.pictures import save, scene


def found(*named, skipped: Skipped | None = None, stdin: str | None = None, **options) -> list[Source]:
    stream = io.StringIO(stdin) if stdin is not None else None
    return list(find_sources(Inputs(named=named, **options), skipped, stdin=stream))


def paths(*named, **options) -> list[str]:
    return [source.path for source in found(*named, **options)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p" / "sub").mkdir(parents=True)
    for name in ("b.png", "a.png", "sub/c.png"):
        save(tmp_path / "p" / name, scene())
    return tmp_path


def test_folders_are_sorted_and_recursive_and_paths_are_as_typed(folder: Path):
    assert paths("p") == ["p/a.png", "p/b.png", "p/sub/c.png"]
    assert paths("./p/") == ["./p/a.png", "./p/b.png", "./p/sub/c.png"]
    assert paths(str(folder / "p"), recursive=False) == [f"{folder}/p/a.png", f"{folder}/p/b.png"]


def test_files_come_as_named_even_twice(folder: Path):
    assert paths("p/b.png", "p/a.png", "p/b.png") == ["p/b.png", "p/a.png", "p/b.png"]


def test_folders_may_be_nested_deeper_than_python_recurses(monkeypatch: pytest.MonkeyPatch):
    top = Path(tempfile.mkdtemp())
    monkeypatch.chdir(top)
    try:
        for _ in range(1100):
            Path("d").mkdir()
            os.chdir("d")
        Path("x.png").touch()
        os.chdir(top)
        (source,) = found("d")
        assert source.path.endswith("/d/x.png")
    finally:
        subprocess.run(["rm", "-rf", str(top)], check=True)  # Python's own removal recurses


def test_what_is_no_media_is_counted(folder: Path):
    (folder / "p" / "notes.txt").write_text("hello")
    (folder / "p" / "data.csv").write_text("a,b\n")
    (folder / "p" / ".hidden.png").write_bytes(b"x")
    (folder / "p" / "__MACOSX").mkdir()
    save(folder / "p" / "__MACOSX" / "x.png", scene())
    skipped = Skipped()
    assert len(found("p", skipped=skipped)) == 3
    assert skipped == {"other": 2, "hidden": 2}


def test_media_without_a_suffix_and_broken_media_are_found(folder: Path):
    save(folder / "p" / "z.png", scene()).rename(folder / "p" / "nosuffix")
    (folder / "p" / "text.jpg").write_text("no picture")
    (folder / "p" / "empty.jpg").touch()
    assert paths("p") == ["p/a.png", "p/b.png", "p/empty.jpg", "p/nosuffix", "p/sub/c.png", "p/text.jpg"]


@pytest.mark.parametrize(
    "name", ["with space.png", "new\nline.png", "emoji-\U0001f600.png", "größe.png", "-dash.png", "%s.png"]
)
def test_odd_names(folder: Path, name: str):
    name += ".png"
    save(folder / "p" / "a.png", scene()).rename(folder / "p" / name)
    assert f"p/{name}" in paths("p")
    assert paths(f"p/{name}") == [f"p/{name}"]


def test_names_that_are_not_utf8(folder: Path):
    raw = os.fsencode(str(folder / "p")) + b"/\xff.png"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert "p/\\xff.png" in paths("p")


def test_globs_are_sorted(folder: Path):
    assert paths("p/*.png") == ["p/a.png", "p/b.png"]
    assert paths("p/**/*.png") == ["p/a.png", "p/b.png", "p/sub/c.png"]
    assert paths("p/s*") == ["p/sub/c.png"]


def test_a_name_with_brackets_that_exists_is_no_glob(folder: Path):
    save(folder / "p" / "a.png", scene()).rename(folder / "p" / "a[1].png")
    assert paths("p/a[1].png") == ["p/a[1].png"]


def test_what_is_not_there_is_a_source_that_fails(folder: Path):
    missing, pattern, long = found("p/missing.png", "p/*.tif", "x" * 5000)
    assert isinstance(missing.failure, NotFound)
    assert isinstance(pattern.failure, NotFound)
    assert isinstance(long.failure, Unreadable)


def test_link_loops_end_and_nothing_comes_twice(folder: Path):
    (folder / "p" / "loop").symlink_to(folder / "p")
    (folder / "p" / "sub" / "up").symlink_to("..")
    (folder / "p" / "inside").symlink_to("sub")
    skipped = Skipped()
    assert len(found("p", skipped=skipped)) == 3
    assert skipped["link"] == 3


def test_links_to_other_folders_are_followed_once(folder: Path):
    (folder / "other").mkdir()
    save(folder / "other" / "o.png", scene())
    (folder / "p" / "l1").symlink_to(folder / "other")
    (folder / "p" / "l2").symlink_to(folder / "other")
    assert paths("p") == ["p/a.png", "p/b.png", "p/l1/o.png", "p/sub/c.png"]


def test_a_broken_link_with_a_media_suffix_is_a_row(folder: Path):
    (folder / "p" / "gone.png").symlink_to("nowhere.png")
    source = found("p")[2]
    assert source.path == "p/gone.png"
    with pytest.raises(NotFound, match=r"nowhere\.png"):
        source.content.read()


@contextmanager
def nobody() -> Iterator[None]:
    """Root reads everything; as somebody else we see what users see."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unreadable_folders_and_files_are_errors():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir()
        save(folder / "a.png", scene()).chmod(0)
        (folder / "closed").chmod(0)
        with nobody():
            file, closed = found(folder)
            assert isinstance(closed.failure, Unreadable)
            with pytest.raises(Unreadable, match="Permission denied"):
                file.content.read()
        (folder / "closed").chmod(stat.S_IRWXU)


def test_pipes_sockets_and_folders_do_not_hang(folder: Path):
    os.mkfifo(folder / "p" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(folder / "p" / "s.png"))
        skipped = Skipped()
        assert len(found("p", skipped=skipped)) == 3
        assert skipped["special"] == 2
        for name in ("pipe.png", "s.png", "sub"):
            with pytest.raises(Unreadable):
                LocalFile(folder / "p" / name).head()


def test_text_lists(folder: Path):
    Path("list.txt").write_text("p/b.png\r\n\n  \np/a.png\nmissing.png\n", encoding="utf-8-sig")
    listed = found("list.txt")
    assert [source.path for source in listed] == ["p/b.png", "p/a.png", "missing.png"]
    with pytest.raises(NotFound):
        listed[2].content.read()


def test_listed_paths_may_be_relative_to_the_list(folder: Path):
    (folder / "p" / "list.txt").write_text("a.png\n")
    (source,) = found("p/list.txt")
    assert (source.path, source.content) == ("a.png", LocalFile(Path("p/a.png")))


def test_tables_with_columns_to_keep(folder: Path):
    Path("posts.csv").write_text('id;image;text\n1;p/b.png;"a;\nb"\n2;p/a.png;\n3;;x\n', encoding="utf-8-sig")
    listed = found("posts.csv", column="image", keep=("id", "text"))
    assert [(source.path, source.kept) for source in listed] == [
        ("p/b.png", (("id", "1"), ("text", "a;\nb"))),
        ("p/a.png", (("id", "2"), ("text", ""))),
        ("", (("id", "3"), ("text", "x"))),
    ]
    assert isinstance(listed[2].failure, NotFound)


def test_the_path_column_is_path_or_the_only_one(folder: Path):
    Path("a.csv").write_text("path,x\np/a.png,1\n")
    Path("b.csv").write_text("photo\np/b.png\n")
    Path("c.csv").write_text("photo,x\np/b.png,1\n")
    assert paths("a.csv", "b.csv") == ["p/a.png", "p/b.png"]
    with pytest.raises(UsageError, match="--column with one of photo, x"):
        paths("c.csv")


def test_wrong_columns_and_lists(folder: Path):
    Path("a.csv").write_text("path,x\n")
    with pytest.raises(UsageError, match="'y'"):
        paths("a.csv", column="y")
    with pytest.raises(UsageError, match="'z'"):
        paths("a.csv", keep=("z",))
    Path("empty.csv").touch()
    with pytest.raises(InputError, match="empty"):
        paths("empty.csv")
    Path("latin.txt").write_bytes("größe.png\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        paths("latin.txt")


def test_a_text_list_ends_its_lines_as_any_system_does(folder: Path):
    Path("mac.txt").write_bytes("p/a.png\rp/\u2028\x85\x0b.png\r".encode())
    assert paths("mac.txt") == ["p/a.png", "p/\u2028\x85\x0b.png"]


def test_a_list_with_a_name_that_is_not_utf8_is_read_as_find_wrote_it(folder: Path):
    raw = b"p/\xff.png"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such name")
    Path("list.txt").write_bytes(b"p/a.png\n" + raw + b"\np/\xfe.png\n")
    assert paths("list.txt") == ["p/a.png", "p/\\xff.png", "p/\\xfe.png"]  # of three names one is not there
    assert found("list.txt")[1].content.read() == b"x"


def test_names_that_are_composed_otherwise_or_follow_a_blank_are_found(folder: Path):
    (folder / "cafe\u0301").mkdir()
    (folder / "cafe\u0301" / "u\u0308.png").write_bytes(b"x")
    (folder / "p" / " lead.png").write_bytes(b"y")
    (folder / "posts.csv").write_text("path\ncaf\u00e9/\u00fc.png\n p/a.png\np/ lead.png\ncaf\u00e9/o\u0308.png\n")
    listed = found("posts.csv")
    assert [source.path for source in listed] == [
        "caf\u00e9/\u00fc.png",
        " p/a.png",
        "p/ lead.png",
        "caf\u00e9/o\u0308.png",
    ]
    assert [source.content.read() for source in listed[:3]] == [b"x", Path("p/a.png").read_bytes(), b"y"]
    with pytest.raises(NotFound):
        listed[3].content.read()
    assert found("caf\u00e9/\u00fc.png")[0].content.read() == b"x"
    assert len(found("caf\u00e9")) == 1
    (folder / "cafe\u0301" / "\u00fc.png").write_bytes(b"z")
    assert found("posts.csv")[0].content.read() == b"z"  # the very name, now that it is there


def test_a_spreadsheet_among_the_inputs_says_how_to_save_it(folder: Path):
    Path("posts.xlsx").write_bytes(b"PK")
    (source,) = found("posts.xlsx")
    assert "save it as CSV" in str(source.failure)


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("lists/posts-u2028.csv", "image", ["a.jpg", "b.jpg", "c,d.jpg"]),
        ("lists/bigfield.csv", "image", ["a.jpg", "b.jpg", "a.jpg"]),
        ("lists/sep.csv", "image", ["a.jpg", "b.jpg"]),
        ("lists/quoted-header-comma.csv", "image", ["a.jpg", "b.jpg"]),
        ("lists/cr-only.csv", "image", ["a.jpg", "b.jpg"]),
        ("lists/trailing-space.csv", "image", ["a.jpg ", " b.jpg"]),
        ("nfc/posts.csv", "image", ["Caf\u00e9-Z\u00fcrich.jpg"]),
        ("lists/dup-cols.csv", "image", "two columns have the name 'image'"),
        ("lists/extra-cells.csv", "image", "line 2 has 4 cells"),
        ("lists/paths-cp1252.csv", "image", "--encoding cp1252"),
        ("lists/paths-utf16.csv", "image", "--encoding utf-16"),
    ],
)
def test_lists_that_others_reported(test_data: Path, name: str, column: str, expected: list[str] | str):
    file = test_data / "reports" / "pictures" / name
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            found(file, column=column)
        return
    listed = found(file, column=column)
    assert [source.path for source in listed] == expected
    assert all(source.content.read()[:2] == b"\xff\xd8" for source in listed)


def test_lists_in_another_encoding(folder: Path):
    Path("ä.png").write_bytes(b"x")
    Path("list.txt").write_bytes("ä.png\n".encode("cp1252"))
    Path("list.csv").write_bytes("path\nä.png\n".encode("utf-16"))
    assert paths("list.txt", encoding="cp1252") == paths("list.csv", encoding="utf-16") == ["ä.png"]
    with pytest.raises(InputError, match="--encoding cp1252"):
        paths("list.txt")


def test_paths_on_stdin(folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert paths("-", stdin="p/a.png\np/b.png\n") == ["p/a.png", "p/b.png"]
    assert paths("-", stdin="p/a.png\0p/new\nline.png\0") == ["p/a.png", "p/new\nline.png"]
    monkeypatch.setattr("sys.stdin", io.StringIO("p/b.png\n"))
    assert paths("-") == ["p/b.png"]
    table = "id,image\n1,p/a.png\n"
    assert [source.kept for source in found("-", stdin=table, column="image", keep=("id",))] == [(("id", "1"),)]
    assert paths("-", stdin='{"post": {"image": "p/a.png"}}\n', column="post.image") == ["p/a.png"]
    with pytest.raises(UsageError, match="standard input: no column 'img'; it has id, image"):
        paths("-", stdin=table, column="img")
    bytes_in = io.TextIOWrapper(io.BytesIO(b"p/\xff.png\np/a.png\n"), "utf-8")  # as in most shells: errors are errors
    monkeypatch.setattr("sys.stdin", bytes_in)
    with pytest.raises(InputError, match="standard input: not UTF-8 text"):
        paths("-")


def test_arrays():
    (source,) = found(Array("array[0]", scene()))
    assert source.path == "array[0]"
    assert isinstance(source.content, Array)


def test_what_is_counted_is_what_comes(folder: Path):
    (folder / "p" / "notes.txt").touch()
    (folder / "list.txt").write_text("p/a.png\nmissing.png\n")
    for named in (["p"], ["p/a.png", "p"], ["list.txt", "p/*.png", "nothing*"]):
        assert count_sources(Inputs(named=named)) == len(found(*named))


def test_mistakes_are_found_without_listing_a_folder_twice(folder: Path, monkeypatch: pytest.MonkeyPatch):
    listed, scandir = [], os.scandir

    def scanned(path):
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scanned)
    sources = check_inputs(Inputs(named=["p"]))
    assert [source.path for source in sources] == ["p/a.png", "p/b.png", "p/sub/c.png"]
    assert listed == ["p", "p/sub"]
    with pytest.raises(InputError, match=r"gone\.png, nothing: no such file or folder"):
        check_inputs(Inputs(named=["gone.png", "nothing"]))
    assert [source.path for source in check_inputs(Inputs(named=["gone.png", "p/a.png"]))] == ["gone.png", "p/a.png"]


def test_a_hundred_thousand_files(tmp_path: Path):
    (tmp_path / "many").mkdir()
    for number in range(100_000):
        (tmp_path / "many" / f"{number:06}.png").touch()
    listed = find_sources(Inputs(named=[tmp_path / "many"]))
    assert [Path(source.path).name for source in listed] == [f"{number:06}.png" for number in range(100_000)]
