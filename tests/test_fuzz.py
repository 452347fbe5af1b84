"""A sample of `make fuzz`: our own parsers refuse what is no such file, with an error of ours."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests import fuzz
from tests.mutants import MUTATIONS


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_mutated_bytes_are_refused_or_read(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzz, "_FOLDER", tmp_path)
    chance, whole = random.Random(1), fuzz.TARGETS[target][1]()
    for valid in whole:
        fuzz.tried(target, valid)
    for _ in range(300):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.choice((1, 2, 5))):
            data = bytearray(chance.choice(MUTATIONS)(data, chance) or data)
        fuzz.tried(target, bytes(data))
