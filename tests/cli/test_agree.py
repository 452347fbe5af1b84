from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.tables.formats import read_table


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for coder, values in (("anna", "abbcab"), ("ben", "abccab")):
        text = "".join(f"{n}.jpg,{value}\n" for n, value in enumerate(values))
        Path(f"{coder}.csv").write_text("path,kind\n" + text)
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, ["agree", *arguments], catch_exceptions=False)


def test_measures_as_a_table_and_disagreements_as_another(tables: Path):
    done = call("anna.csv", "ben.csv", "--disagreements", "differ.csv")
    assert done.exit_code == 0
    rows = {(row["label"], row["measure"]): row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert float(rows["", "agreement"]["value"]) == pytest.approx(5 / 6, abs=1e-6)
    assert float(rows["", "agreement"]["low"]) < 5 / 6 <= float(rows["", "agreement"]["high"])
    assert {label for label, _ in rows} == {"", "a", "b", "c"}
    assert Path("differ.csv").read_text() == "path,page,frame,time_s,variable,anna,ben\n2.jpg,,,,kind,b,c\n"
    assert done.stderr == "1 disagreements; see differ.csv\n"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_any_format(tables: Path, suffix: str, package):
    if suffix == "parquet":
        package("pyarrow", "parquet")
    assert call("anna.csv", "ben.csv", "-o", f"agreement.{suffix}").exit_code == 0
    assert len(read_table(Path(f"agreement.{suffix}"))) == 4 * 5


def test_mistakes(tables: Path):
    assert call("anna.csv").exit_code == 3
    assert call("nowhere.csv").exit_code == 3
    assert call("anna.csv", "ben.csv", "-o", "x.xlsx").exit_code == 2
    assert call("anna.csv", "ben.csv", "--seed", "-1").exit_code == 2
    assert call().exit_code == 2
