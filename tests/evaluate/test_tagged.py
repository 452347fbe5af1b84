"""Agreement of services on what pictures show, by a file that says which of their labels mean the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import mediasift as ms
from mediasift.errors import InputError, UsageError
from mediasift.evaluate.tagged import Mapped, read_mapping, read_tagged

MAPPING = """variable,engine,feature,label,min_score
dog,google-vision,labels,Dog,
dog,rekognition,labels,Dog,0.8
dog,rekognition,labels,Puppy,
violence,google-vision,sensitive,violence,
violence,rekognition,sensitive,Violence,
"""


def google(labels: list[str], violence: str) -> dict:
    return {"labelAnnotations": [{"description": name, "score": 0.9} for name in labels],
            "safeSearchAnnotation": {"violence": violence}}  # fmt: skip


def amazon(labels: dict[str, float], moderation: list[str]) -> dict:
    return {"Labels": [{"Name": name, "Confidence": share} for name, share in labels.items()],
            "ModerationLabels": [{"Name": name, "Confidence": 90} for name in moderation]}  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """Four pictures; on the dog they agree on three, on violence on two of three, as one failed."""
    answers = {
        "google": {"1": google(["Dog", "Pet"], "VERY_LIKELY"), "2": google(["Cat"], "UNLIKELY"),
                   "3": google(["dog"], "POSSIBLE"), "4": google(["Car"], "LIKELY")},
        "amazon": {"1": amazon({"Dog": 95}, ["Violence"]), "2": amazon({"Dog": 60}, []),
                   "3": amazon({"Puppy": 70}, ["Violence"]), "4": {"Labels": [{"Name": "Dog", "Confidence": 99}]}},
    }  # fmt: skip
    paths = []
    for name, kept in answers.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(kept))
        paths.append(tmp_path / f"{name}.csv")
        ms.tag([], stored=tmp_path / f"{name}.json").write(paths[-1])
    (tmp_path / "labels.csv").write_text(MAPPING)
    return paths


def test_services_are_coders_of_what_the_mapping_names(tables: list[Path], tmp_path: Path):
    lines = read_mapping(tmp_path / "labels.csv")
    assert lines[1] == Mapped(variable="dog", engine="rekognition", feature="labels", label="Dog", min_score=0.8)
    google, amazon = (read_tagged(path, lines) for path in tables)
    assert [(row.coder, row.answers["dog"]) for row in google.rows] == [
        ("google", "yes"), ("google", "no"), ("google", "yes"), ("google", "no"),
    ]  # fmt: skip
    assert [row.answers["dog"] for row in amazon.rows] == ["yes", "no", "yes", "yes"]
    assert [row.answers.get("violence") for row in google.rows] == ["yes", "no", "no", "yes"]
    assert [row.answers.get("violence") for row in amazon.rows] == ["yes", "no", "yes", None], "not asked"


def test_their_agreement_is_that_of_the_formula(tables: list[Path], tmp_path: Path):
    result = ms.agree(tables, mapping=str(tmp_path / "labels.csv"))
    measured = {(row.variable, row.measure): (row.value, row.items) for row in result.measures if not row.label}
    assert measured["dog", "agreement"] == (0.75, 4)
    assert measured["violence", "agreement"] == (pytest.approx(2 / 3, abs=1e-6), 3)
    # Cohen 1960: yes-yes 2, no-no 1, no-yes 1: observed 0.75, expected 0.5 * 0.75 + 0.5 * 0.25
    assert measured["dog", "cohen_kappa"] == (0.5, 4)
    assert [(row.path, row.variable) for row in result.disagreements] == [("4", "dog"), ("3", "violence")]


def test_a_table_of_several_services_has_several_coders(tables: list[Path], tmp_path: Path):
    rows = [row for path in tables for row in csv.DictReader(path.read_text().splitlines())]
    with (tmp_path / "both.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (row, *_) = ms.agree([tmp_path / "both.csv"], mapping=str(tmp_path / "labels.csv")).measures
    assert (row.value, row.coders) == (0.75, "google-vision, rekognition")


def test_mistakes_are_named(tables: list[Path], tmp_path: Path):
    with pytest.raises(InputError, match="is a table of tags; compare them with --mapping"):
        ms.agree(tables)
    with pytest.raises(UsageError, match="choose one"):
        ms.agree(tables, mapping="a", codebook="b")
    (tmp_path / "none.csv").write_text("variable,engine,label\ndog,azure-vision,dog\n")
    with pytest.raises(InputError, match="no line for google-vision"):
        ms.agree(tables, mapping=str(tmp_path / "none.csv"))
    (tmp_path / "empty.csv").write_text("variable,engine,label\ndog,,dog\n")
    with pytest.raises(InputError, match="row 1: engine is empty"):
        ms.agree(tables, mapping=str(tmp_path / "empty.csv"))
