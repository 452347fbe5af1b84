"""The index is as safe as the journal: checked lines, one run at a time, nothing of others overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.compare.index import NOT_KEPT, Index
from mediasift.errors import OutputError, UsageError
from mediasift.sources.content import LocalFile
from mediasift.sources.memory import Array
from mediasift.sources.naming import Source
from mediasift.tasks.fingerprint import Fingerprint
from tests.stand_ins import damaged

ROOT = Path(__file__).resolve().parents[2]
MADE_BY = {"task": "fingerprint", "width": 32}


def source(path: Path) -> Source:
    return Source(path=path.name, content=LocalFile(path))


def fingerprint(width: int, **more) -> Fingerprint:
    return Fingerprint(path="somewhere", width=width, height=2, vector=np.array([width, 0.5], np.float32), **more)


def filled(folder: Path, count: int = 4) -> tuple[Path, list[Any], list[int]]:
    """An index of so many files; the files and the places of their lines."""
    sources: list[Any] = [source(folder / f"{number}.png") for number in range(count)]
    for number, one in enumerate(sources):
        one.content.path.write_bytes(bytes(number + 1))
    with Index(folder / "index", MADE_BY) as index:
        places = [index.append(one, index.state(one), [fingerprint(n)]) for n, one in enumerate(sources)]
    return folder / "index", sources, places


def test_what_was_kept_is_found_again_while_the_file_is_the_same(tmp_path: Path):
    path, sources, places = filled(tmp_path)
    with Index(path, MADE_BY) as index:
        assert [index.find(one) for one in sources] == places
        (row,) = index.rows(places[2], Fingerprint)
        assert (row.path, row.width, row.vector.tolist()) == ("", 2, [2, 0.5])
        sources[1].content.path.write_bytes(b"another")
        sources[3].content.path.unlink()
        assert [index.find(one) is None for one in sources] == [False, True, False, True]
        assert index.append(sources[1], index.state(sources[1]), [fingerprint(9)]) > places[-1]
    with Index(path, MADE_BY) as index:  # of two lines on a file the later counts
        assert next(index.rows(index.find(sources[1]), Fingerprint)).width == 9


def test_errors_and_arrays_are_not_kept(tmp_path: Path):
    path, sources, _ = filled(tmp_path)
    array = Source(path="array[0]", content=Array("array[0]", np.zeros((2, 2, 3), np.uint8)))
    before = path.read_bytes()
    with Index(path, MADE_BY) as index:
        assert index.append(sources[0], index.state(sources[0]), [fingerprint(1, error="damaged: x")]) == NOT_KEPT
        assert index.append(array, index.state(array), [fingerprint(1)]) == NOT_KEPT
    assert path.read_bytes() == before


@settings(max_examples=100)
@given(st.data())
def test_any_cut_and_any_damage_drops_only_what_comes_after(tmp_path_factory, data: st.DataObject):
    path, sources, places = filled(tmp_path_factory.mktemp("cut"))
    whole = path.read_bytes()
    at = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(whole))  # the length depends on the folder's name
    left = damaged(whole, at, data)
    path.write_bytes(left)
    try:
        index = Index(path, MADE_BY)
    except UsageError as error:  # a first line that is whole, or begins as none of ours
        assert at < places[0], error
        assert path.read_bytes() == left
        return
    with index:
        for number, (one, place) in enumerate(zip(sources, places, strict=True)):
            line = index.find(one)
            if line is not None:
                assert line == place
                assert next(index.rows(place, Fingerprint)).width == number
            else:
                assert at < ([*places[1:], len(whole)][number])
        missing = [one for one in sources if index.find(one) is None]
        for one in missing:
            index.append(one, index.state(one), [fingerprint(7)])
    with Index(path, MADE_BY) as index:
        assert all(index.find(one) is not None for one in sources)


def test_a_second_run_is_refused_while_the_first_has_it_open(tmp_path: Path):
    path, sources, _ = filled(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom mediasift.compare.index import Index\n"
        "from mediasift.errors import OutputError\n"
        f"try:\n    Index(Path({str(path)!r}), {MADE_BY!r})\n"
        "except OutputError as error:\n    print(error)\n    sys.exit(6)\n"
    )
    with Index(path, MADE_BY) as index:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "inference")},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (6, "")
        assert f"{path}: another run has this index open; wait for it" in done.stdout
        with pytest.raises(OutputError, match="another run"):
            Index(path, MADE_BY)
        assert index.find(sources[0]) is not None
    Index(path, MADE_BY).close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"my notes\n", "no index of mediasift"),
        (b"{}", "no index of mediasift"),
        (
            b'{"mediasift_index":1,"made_by":{"task":"fingerprint"}}\n{"file":"/a"',
            "older version.*delete it",
        ),
        (b'{"mediasift_index":9}\n', "older version.*delete it"),
    ],
)
def test_what_is_no_index_of_this_version_is_refused_and_stays(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "index"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        Index(path, MADE_BY)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_other_settings_are_refused_with_the_difference(tmp_path: Path):
    path, *_ = filled(tmp_path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="width 32, not 64"):
        Index(path, {**MADE_BY, "width": 64})
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_an_index_may_be_a_link_to_another_disk(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    path, sources, places = filled(tmp_path / "disk")
    (tmp_path / "link").symlink_to(path)
    with Index(tmp_path / "link", MADE_BY) as index:
        assert index.find(sources[0]) == places[0]
