"""Draws are seeded, take as many of each label, and measure on the other pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mediasift.errors import InputError
from mediasift.sources.labelled import Labelled
from tests.networks import colours, foreign
from tests.training.conftest import needs
from training.draws import drawn, main


def labelled(*labels: str) -> Labelled:
    files = tuple(Path(f"{number}.png") for number in range(len(labels)))
    return Labelled(name="set", files=files, labels=tuple((label,) for label in labels))


def test_of_each_label_as_many_are_taught_in_seeded_order():
    data = labelled(*["a"] * 9, *["b"] * 6)
    taught = drawn(data, 4, seed=1)
    assert (taught[:9].sum(), taught[9:].sum()) == (4, 4)
    assert np.array_equal(taught, drawn(data, 4, seed=1))
    assert not np.array_equal(taught, drawn(data, 4, seed=2))
    with pytest.raises(InputError, match="6 pictures of 'b'; --each 6 leaves none"):
        drawn(data, 6, seed=1)


def test_colours_are_learnt_from_four_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Red and blue cannot be mistaken, so the share is known: all of the 8 others of each."""
    needs("sklearn", "onnx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, backbone = colours(tmp_path / "data"), foreign(tmp_path, "gemm")
    done = CliRunner().invoke(
        main, [str(data), "--network", str(backbone), "--each", "4", "--draws", "2"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert (row["way"], row["pictures_of_each"], row["draws"]) == ("head", "4", "2")
    assert (row["accuracy"], row["sd"], row["worst"]) == ("1.0000", "0.0000", "1.0000")
    assert 0.5 < float(row["mean_score"]) < 1


def test_pictures_with_several_labels_are_refused(tmp_path: Path):
    (tmp_path / "l.csv").write_text("path,label\na.png,cat|dog\nb.png,cat\n")
    done = CliRunner().invoke(main, [str(tmp_path / "l.csv"), "--each", "2"])
    assert done.exit_code == 3
    assert "draws are of pictures with one" in done.stderr
