from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mediasift.errors import MissingPackage
from mediasift.system.optional import is_installed, lazily, require


def test_a_missing_package_names_the_line_to_type():
    with pytest.raises(MissingPackage, match=r"the package nowhere is not installed; type: pip install nowhere$"):
        require("nowhere.inner")
    with pytest.raises(MissingPackage, match=r"type: pip install 'mediasift\[parquet\]'$"):
        require("nowhere", extra="parquet")
    assert not is_installed("nowhere")
    assert is_installed("numpy")


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
