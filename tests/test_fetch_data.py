from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests import fetch_data
from tests.fetch_data import LIST, fetch, main, wanted


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of three files, of which one holds other bytes now and one is gone; where they come from."""
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "one #1.png").write_bytes(b"one")
    (folder / "two.wav").write_bytes(b"spoiled")
    one, two = (hashlib.sha256(data).hexdigest() for data in (b"one", b"two"))
    text = f"{folder.as_uri()}/\n{one}\tphotos/one.png\tone #1.png\n{two}\tsounds/two.wav\n{two}\tsounds/gone.wav\n"
    (tmp_path / "data.tsv").write_text(text)
    monkeypatch.setattr(fetch_data, "LIST", tmp_path / "data.tsv")
    return folder


def test_what_is_public_is_fetched_checked_and_not_fetched_twice(
    public: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    here = tmp_path / "data"
    assert main([str(here)]) == 1
    assert (here / "photos" / "one.png").read_bytes() == b"one"
    assert [path.name for path in here.rglob("*") if path.is_file()] == ["one.png"]
    printed = capsys.readouterr().out
    assert "sounds/two.wav" in printed
    assert "holds other bytes" in printed
    assert "gone.wav cannot be fetched" in printed
    (public / "one #1.png").unlink()
    assert main([str(here), "photos/"]) == 0
    (here / "photos" / "one.png").write_bytes(b"cut")
    assert main([str(here), "photos/"]) == 1


def test_every_file_of_the_list_is_the_one_that_tests_read(test_data: Path):
    files = list(wanted(LIST.read_text(encoding="utf-8")))
    assert len(files) > 600
    assert all(file.address.startswith("https://") for file in files)
    _ = test_data / "imagenet-photos"  # stand-ins, among which there are none, are not the files of the list
    here = {path.name for path in Path(test_data).iterdir()}
    present = (file for file in files if file.name.partition("/")[0] in here)
    assert fetch(Path(test_data), present, get=lambda address: pytest.fail(f"{address} is here already")) == []
