"""What the columns of a table are: in the manifest, for readers to whom an empty column says nothing of its type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mediasift as ms
from mediasift.rows import columns
from mediasift.tables.schema import TYPES, meanings
from mediasift.verbs import VERBS
from tests.pictures import save, scene


@pytest.fixture
def fields(tmp_path: Path) -> dict[str, dict]:
    save(tmp_path / "a.png", scene())
    (tmp_path / "list.csv").write_text("path,account\na.png,x\n")
    ms.info(tmp_path / "list.csv", keep=["account"]).write(tmp_path / "t.csv")
    schema = json.loads((tmp_path / "t.csv.run.json").read_text())["schema"]
    assert schema["missingValues"] == [""]
    names = (tmp_path / "t.csv").read_text().splitlines()[0].split(",")
    assert [one["name"] for one in schema["fields"]] == names
    return {one["name"]: one for one in schema["fields"]}


def test_types_units_and_ranges_are_those_of_the_columns(fields: dict[str, dict]):
    assert (fields["duration_s"]["type"], fields["duration_s"]["unit"]) == ("number", "s")
    assert fields["page"]["constraints"] == {"minimum": 1}
    assert fields["voiced"]["constraints"] == {"minimum": 0, "maximum": 1}
    assert fields["interlaced"]["type"] == "boolean"
    assert fields["sample_rate_hz"]["unit"] == "Hz"
    assert (fields["account"]["type"], fields["account"]["description"]) == (
        "string", "Carried along from the list of inputs.",
    )  # fmt: skip


def test_pandas_reads_empty_columns_as_the_schema_says(fields: dict[str, dict], tmp_path: Path, package):
    pandas = package("pandas", "dev")
    kinds = {"string": "string", "integer": "Int64", "number": "float64", "boolean": "boolean"}
    table = pandas.read_csv(tmp_path / "t.csv", dtype={name: kinds[one["type"]] for name, one in fields.items()})
    assert table["pages"].isna().all()
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        name: kinds[one["type"]] for name, one in fields.items()
    }


@pytest.mark.parametrize("verb", VERBS)
def test_every_column_has_a_meaning(verb: str):
    row = VERBS[verb].load().row
    text = meanings(row)
    for column in columns(row):
        assert column.type in TYPES
        assert text.get(column.name), column.name
        assert "None" not in text[column.name]
