"""From pictures to a corrected share: classify, sample, code, agree, evaluate, prevalence, each on the table before."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.tables.formats import read_table

CODEBOOK = """
name: insects
variables:
  - name: insect
    question: Which insect is it?
    values: [ant, bee, other]
"""
CODED, CODERS, ERROR = 120, 3, 0.06
RECODE = ["--recode", "ant=ant", "--recode", "bee=bee", "--recode", "*=other"]


def call(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def code(sheet: list[dict], seed: int) -> list[list[str]]:
    """What simulated coders fill in: the true label, and in 6 of 100 cases another one."""
    rng, rows = np.random.default_rng(seed), [["path", "page", "frame", "time_s", "coder", "insect", "note"]]
    for row in sheet:
        true = "ant" if "/ants/" in row["path"] else "bee"
        wrong = rng.choice([one for one in ("ant", "bee", "other") if one != true])
        rows.append([row["path"], "", "", "", row["coder"], str(wrong) if rng.random() < ERROR else true, ""])
    return rows


@pytest.fixture
def corpus(test_data: Path, photo_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package) -> Path:
    """A table of 244 photographs of ants and bees, which were labelled among the thousand labels of ImageNet."""
    package("yaml", "codebook")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(test_data / "ants-bees" / "train")
    call("classify", "photos", "-m", photo_model, "-o", "labels.csv", "--quiet")
    Path("codebook.yaml").write_text(CODEBOOK)
    return tmp_path / "labels.csv"


@pytest.mark.parametrize("by", [(), ("label",)], ids=["simple", "by label"])
def test_the_truth_lies_in_the_interval(corpus: Path, by: tuple[str, ...]):
    labels = {row["path"]: row["label"] for row in read_table(corpus)}
    true = {name: sum(f"/{name}s/" in path for path in labels) / len(labels) for name in ("ant", "bee")}
    assert len(labels) == 244

    strata = ["--by", ",".join(by), "-n", 200] if by else ["-n", CODED]
    call("sample", corpus, "-d", "coding", "--codebook", "codebook.yaml", "--coders", CODERS, *strata)
    sheet = read_table(Path("coding/sheet.csv"))
    with Path("coded.csv").open("w", newline="") as file:
        csv.writer(file).writerows(code(sheet, 1))

    call("agree", "coded.csv", "--codebook", "codebook.yaml", "-o", "agreement.csv", "--disagreements", "differ.csv")
    agreement = {(row["label"], row["measure"]): row for row in read_table(Path("agreement.csv"))}
    expected = (1 - ERROR) ** 2 + ERROR**2 / 2  # both are right, or wrong in the same way
    assert float(agreement[None, "agreement"]["low"]) < expected < float(agreement[None, "agreement"]["high"])
    assert 0.7 < float(agreement[None, "krippendorff_alpha"]["value"]) < 0.95
    assert len(read_table(Path("differ.csv"))) > 0

    shared = ["coded.csv", "--codebook", "codebook.yaml", "--design", "coding/design.csv", *RECODE]
    call("evaluate", corpus, *shared, "-o", "measures.csv")
    measures = {(row["measure"], row["label"]): row for row in read_table(Path("measures.csv"))}
    right = np.mean([label == ("ant" if "/ants/" in path else "bee") for path, label in labels.items()])
    assert float(measures["accuracy", None]["low"]) < right < float(measures["accuracy", None]["high"])

    call("prevalence", corpus, *shared, "-o", "shares.csv", "--dsl", "corpus.csv")
    shares = {(row["label"], row["method"]): row for row in read_table(Path("shares.csv"))}
    for name, share in true.items():
        naive = float(shares[name, "naive"]["share"])
        assert naive < share - 0.04  # many ants and bees are called something else
        best = shares[name, "design_based"]
        assert not float(best["low"]) < naive < float(best["high"])
        for method in ("coded", "design_based", "prediction_powered", "matrix"):
            one = shares[name, method]
            assert float(one["low"]) < share < float(one["high"]), (name, method)
    assert len(read_table(Path("corpus.csv"))) == 244
