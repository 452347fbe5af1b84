"""What a release publishes: its files, one version of it, and how it is made."""

from __future__ import annotations

import sys
import zipfile
from importlib.metadata import version as installed
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

import mediasift
from tests import release
from tests.release import ROOT


def test_a_wheel_that_lacks_a_file_or_holds_another_is_not_published(tmp_path: Path):
    folder = f"mediasift-{release.version()}.dist-info"
    names = {name.replace(".dist-info", folder, 1) for name in release.in_wheel()}
    for name, present in (
        ("whole", names),
        ("wrong", names - {"mediasift/py.typed"} | {"tests/x.py", "mediasift/x.pyc"}),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as archive:
            for one in present:
                archive.writestr(one, b"")
    assert release.wrong_wheel(tmp_path / "whole.whl") == []
    assert release.wrong_wheel(tmp_path / "wrong.whl") == [
        "wrong.whl lacks mediasift/py.typed",
        "wrong.whl holds mediasift/x.pyc, which no release should",
        "wrong.whl holds tests/x.py, which no release should",
    ]


def test_the_source_archive_would_hold_these_files_and_no_others():
    files = {Path(one.distribution_path).as_posix() for one in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert release.compared(Path("sdist"), {*files, "PKG-INFO", ".gitignore"}, release.in_source_archive()) == []


def test_the_pictures_of_the_examples_are_labelled_offline_in_an_empty_folder(tmp_path: Path, photo_model: Path):
    assert release.wrong_labels(Path(sys.executable), tmp_path) == []


def test_a_tag_that_is_not_this_version_is_not_published(capsys: pytest.CaptureFixture[str]):
    assert release.main(["--tag", "v0.0.1"]) == 1
    assert f"the tag is v0.0.1, __version__ is {mediasift.__version__}" in capsys.readouterr().out
    assert not [problem for problem in release.not_ready(f"v{mediasift.__version__}") if "CITATION" in problem]


def test_without_both_archives_nothing_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert release.main([str(tmp_path)]) == 1
    assert "0 wheels and 0 source archives" in capsys.readouterr().out


def test_one_version_everywhere():
    assert release.version() == mediasift.__version__ == installed("mediasift")
