from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from mediasift.engines.onnx.providers import DEVICES
from mediasift.errors import MissingPackage
from mediasift.system.optional import install_line, is_installed, lazily, require
from tests.test_layers import PACKAGE


def test_a_missing_package_names_the_line_to_type():
    with pytest.raises(MissingPackage, match=r"the package nowhere is not installed; type: pip install nowhere$"):
        require("nowhere.inner")
    with pytest.raises(MissingPackage, match=r"type: pip install .*\[parquet\]'?$"):
        require("nowhere", extra="parquet")
    assert not is_installed("nowhere")
    assert is_installed("numpy")


@pytest.mark.parametrize(
    ("direct", "line"),
    [
        (None, "pip install 'mediasift[ocr]'"),
        ({"url": "file:///gone/my%20checkout", "dir_info": {"editable": True}}, "pip install 'mediasift[ocr]'"),
        ({"url": "{here}", "dir_info": {"editable": True}}, "pip install -e '{path}[ocr]'"),
        ({"url": "{here}", "dir_info": {}}, "pip install '{path}[ocr]'"),
        ({"url": "{here}/a.whl", "archive_info": {}}, "pip install 'mediasift[ocr] @ {here}/a.whl'"),
        (
            {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'mediasift[ocr] @ git+https://example.org/x.git@abc'",
        ),
    ],
)
def test_the_line_to_type_installs_from_where_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: dict[str, object] | None, line: str
):
    """The six records are those of PEP 610."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "a.whl").touch()
    here = folder.as_uri()
    record = tmp_path / "first" / "mediasift-9.9.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: mediasift\nVersion: 9.9\n")
    if direct is not None:
        (record / "direct_url.json").write_text(json.dumps(direct).replace("{here}", here))
    monkeypatch.syspath_prepend(record.parent)
    assert install_line("ocr") == line.replace("{here}", here).replace("{path}", str(folder))
    words = shlex.split(install_line())
    assert words[:2] == ["pip", "install"]
    assert "[" not in words[-1]


def test_a_package_that_is_broken_inside_raises_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken_inside.py").write_text("import nowhere_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all") as caught:
        require("broken_inside")
    assert not isinstance(caught.value, MissingPackage)


def test_a_lazy_module_is_imported_with_the_first_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "heavy_one.py").write_text("value = 7")
    monkeypatch.syspath_prepend(tmp_path)
    heavy = lazily("heavy_one")
    assert "heavy_one" not in sys.modules
    assert heavy.value == 7
    assert "heavy_one" in sys.modules
    monkeypatch.delitem(sys.modules, "heavy_one")
    assert heavy.value == 7
    with pytest.raises(AttributeError):
        _ = heavy.nothing


def test_every_hint_names_the_line_that_installs_from_where_it_was_installed():
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "mediasift[" not in text or file.name == "optional.py", f"{file}: use install_line"
    assert DEVICES["openvino"].install == install_line("openvino")
    assert DEVICES["cuda"].install.endswith("(the two overwrite each other)")
