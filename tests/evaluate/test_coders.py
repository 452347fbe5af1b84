"""Agreement on the variables of coded tables."""

from __future__ import annotations

from pathlib import Path

import krippendorff
import numpy as np
import pytest

import mediasift as ms
from mediasift.errors import InputError, UsageError
from mediasift.evaluate.agreement import NO_PAIRS, ONE_VALUE
from mediasift.tables.formats import read_table

HEAD = "path,page,frame,time_s,coder,"
CODEBOOK = """
name: protest
variables:
  - {name: protest, question: Is it one, values: ["yes", "no"]}
  - {name: size, question: How large, kind: ordinal, values: [few, dozens, hundreds], ask_if: {protest: "yes"}}
  - {name: police, question: How many, kind: number}
  - {name: things, question: Which, kind: several, values: [flag, sign]}
  - {name: words, question: What is written, kind: text}
"""


@pytest.fixture
def codebook(tmp_path: Path, package) -> Path:
    package("yaml", "codebook")
    (tmp_path / "codebook.yaml").write_text(CODEBOOK)
    return tmp_path / "codebook.yaml"


def coded(folder: Path, coder: str, lines: list[str], head: str = "protest,size,police,things,words") -> Path:
    path = folder / f"{coder}.csv"
    path.write_text("\n".join([HEAD + head, *(f"{n}.jpg,,,,{coder},{line}" for n, line in enumerate(lines))]) + "\n")
    return path


ANNA = ["yes,few,0,flag|sign,a", "no,,0,(none),b", "yes,hundreds,12,flag,c", "yes,dozens,3,sign,d", "no,,,(none),"]
BEN = ["yes,few,0,flag,a", "yes,few,0,(none),x", "yes,dozens,14,flag,c", "yes,dozens,2,sign|flag,d", "no,,1,(none),"]


def by_name(result) -> dict:
    return {(row.variable, row.label, row.measure): row for row in result.measures}


def test_each_variable_at_its_level(tmp_path: Path, codebook: Path, caplog: pytest.LogCaptureFixture):
    result = ms.agree([coded(tmp_path, "anna", ANNA), coded(tmp_path, "ben", BEN)], codebook=codebook)
    rows = by_name(result)
    sizes = np.array([[0, 2, 1], [0, 1, 1]])  # few, hundreds, dozens; few, dozens, dozens
    ordinal = krippendorff.alpha(sizes, level_of_measurement="ordinal", value_domain=[0, 1, 2])
    size = rows["size", "", "krippendorff_alpha"]
    assert (size.value, size.level, size.items) == (pytest.approx(ordinal, abs=1e-6), "ordinal", 3)
    police = np.array([[0, 0, 12, 3, np.nan], [0, 0, 14, 2, 1]])
    interval = krippendorff.alpha(police, level_of_measurement="interval")
    number = rows["police", "", "krippendorff_alpha"]
    assert (number.value, number.level, number.items) == (pytest.approx(interval, abs=1e-6), "interval", 4)
    assert rows["police", "", "agreement"].value == 0.5
    assert rows["police", "", "gwet_ac1"].value is None
    assert "for numbers" in rows["police", "", "gwet_ac1"].reason
    assert "words: free text is not compared" in caplog.text
    assert not any(row.variable == "words" for row in result.measures)


def test_several_values_are_compared_one_by_one(tmp_path: Path, codebook: Path):
    rows = by_name(ms.agree([coded(tmp_path, "anna", ANNA), coded(tmp_path, "ben", BEN)], codebook=codebook))
    assert rows["things", "", "agreement"].value == 0.6  # the same values altogether
    assert rows["things", "", "cohen_kappa"].value is None
    assert "see the rows of each value" in rows["things", "", "cohen_kappa"].reason
    flags = np.array([[1, 0, 1, 0, 0], [1, 0, 1, 1, 0]])
    alpha = krippendorff.alpha(flags, level_of_measurement="nominal")
    assert rows["things", "flag", "krippendorff_alpha"].value == pytest.approx(alpha, abs=1e-6)


def test_each_of_more_than_two_values_against_all_others(tmp_path: Path):
    one = coded(tmp_path, "anna", list("aabbdcccedda"), "letter")
    rows = by_name(ms.agree([one, coded(tmp_path, "ben", list("babbbccceddd"), "letter")]))
    assert rows["letter", "", "krippendorff_alpha"].value == pytest.approx(0.692, abs=0.0005)  # Krippendorff 2011, B
    first = np.array([[letter == "b" for letter in line] for line in ("aabbdcccedda", "babbbccceddd")]).astype(int)
    expected = krippendorff.alpha(first, level_of_measurement="nominal")
    assert rows["letter", "b", "krippendorff_alpha"].value == pytest.approx(expected, abs=1e-6)
    two = coded(tmp_path, "cleo", list("aabbaaabbabb"), "letter")
    assert {row.label for row in ms.agree([two, coded(tmp_path, "dora", list("abbbaaabbabb"), "letter")]).measures} == {
        ""
    }


def test_without_a_codebook_variables_are_names_and_files_are_coders(tmp_path: Path):
    for name, values in (("anna", "112"), ("ben", "122")):
        text = "".join(f"{n}.jpg,{value}\n" for n, value in enumerate(values))
        (tmp_path / f"{name}.csv").write_text("path,grade\n" + text)
    rows = ms.agree([tmp_path / "anna.csv", tmp_path / "ben.csv"]).measures
    assert {(row.level, row.coders) for row in rows} == {("nominal", "anna, ben")}


def test_spellings_of_one_answer_do_not_disagree_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A spreadsheet writes 1 and TRUE, R writes 1.0 and True."""
    ms.agree([coded(tmp_path, "anna", ["1,TRUE", "2,no"], "n,p"), coded(tmp_path, "ben", ["1.0,True", "2,no"], "n,p")])
    assert caplog.messages == [
        "n: answers that look alike count as different: 1 and 1.0",
        "p: answers that look alike count as different: TRUE and True",
    ]


def test_coders_of_one_file_and_cohens_kappa_of_each_pair(tmp_path: Path):
    lines = [f"{n}.jpg,,,,{coder},{value}" for coder, values in (("anna", "ynyy"), ("ben", "ynny"), ("cleo", "ynnn"))
             for n, value in enumerate(values)]  # fmt: skip
    (tmp_path / "all.csv").write_text("\n".join([HEAD + "protest", *lines]))
    rows = ms.agree([tmp_path / "all.csv"]).measures
    pairs = {row.coders: row.value for row in rows if row.measure == "cohen_kappa"}
    assert pairs == {"anna, ben": 0.5, "anna, cleo": pytest.approx(0.2), "ben, cleo": 0.5}


def test_what_is_undefined_says_why(tmp_path: Path):
    rows = by_name(
        ms.agree([coded(tmp_path, "anna", ["y", "y", ""], "p"), coded(tmp_path, "ben", ["y", "y", "y"], "p")])
    )
    alpha, kappa = rows["p", "", "krippendorff_alpha"], rows["p", "", "cohen_kappa"]
    assert (alpha.value, alpha.reason, kappa.value, kappa.reason) == (None, ONE_VALUE, None, ONE_VALUE)
    assert rows["p", "", "agreement"].value == 1
    rows = by_name(ms.agree([coded(tmp_path, "anna", ["y", ""], "p"), coded(tmp_path, "ben", ["", "n"], "p")]))
    for measure in ("agreement", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
        assert (rows["p", "", measure].value, rows["p", "", measure].reason) == (None, NO_PAIRS)
    assert rows["p", "", "cohen_kappa"].reason == "no item was coded by both"
    rows = by_name(ms.agree([coded(tmp_path, "anna", ["y,"], "p,q"), coded(tmp_path, "ben", ["n,"], "p,q")]))
    assert (rows["q", "", "agreement"].value, rows["q", "", "agreement"].items) == (None, 0)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_disagreements_have_each_coders_answer(tmp_path: Path, codebook: Path, suffix: str):
    output = tmp_path / f"disagreements.{suffix}"
    result = ms.agree(
        [coded(tmp_path, "anna", ANNA), coded(tmp_path, "ben", BEN)], codebook=codebook, disagreements=output
    )
    rows = read_table(output)
    assert list(rows[0]) == ["path", "page", "frame", "time_s", "variable", "anna", "ben"]
    listed = [(row["path"], row["variable"], row["anna"], row["ben"]) for row in rows]
    assert listed == [
        ("1.jpg", "protest", "no", "yes"), ("2.jpg", "size", "hundreds", "dozens"), ("2.jpg", "police", "12", "14"),
        ("3.jpg", "police", "3", "2"), ("0.jpg", "things", "flag|sign", "flag"),
        ("3.jpg", "things", "sign", "flag|sign"),
    ]  # fmt: skip
    assert len(result.disagreements) == len(listed)


def test_pages_frames_and_crops_are_items_of_their_own(tmp_path: Path):
    head = "path,page,frame,time_s,crop,coder,p\n"
    (tmp_path / "a.csv").write_text(head + 'scan.pdf,1,,,,anna,y\nscan.pdf,2,,,"0,0,1,1",anna,n\n')
    (tmp_path / "b.csv").write_text(head + 'scan.pdf,1.0,,,,ben,y\nscan.pdf,2,,,"0,0,1,1",ben,y\n')
    output = tmp_path / "d.csv"
    result = ms.agree([tmp_path / "a.csv", tmp_path / "b.csv"], disagreements=output)
    assert by_name(result)["p", "", "agreement"].value == 0.5
    assert output.read_text().splitlines() == [
        "path,page,frame,time_s,variable,crop,anna,ben",
        'scan.pdf,2,,,p,"0,0,1,1",n,y',
    ]


def test_the_same_seed_gives_the_same_intervals(tmp_path: Path):
    files = [coded(tmp_path, "anna", list("aabbacbcabca"), "p"), coded(tmp_path, "ben", list("abbbacbcabaa"), "p")]
    assert ms.agree(files, seed=1).measures == ms.agree(files, seed=1).measures
    assert ms.agree(files, seed=1).measures != ms.agree(files, seed=2).measures


def test_tables_that_cannot_be_compared(tmp_path: Path):
    one = coded(tmp_path, "anna", ["y"], "p")
    with pytest.raises(InputError, match="all rows are by coder 'anna'; agreement needs two"):
        ms.agree([one])
    (tmp_path / "again.csv").write_text(one.read_text())
    with pytest.raises(InputError, match=r"coder anna has coded 0\.jpg in another table, too"):
        ms.agree([one, tmp_path / "again.csv"])
    with pytest.raises(UsageError, match="no table format"):
        ms.agree([one, coded(tmp_path, "ben", ["n"], "p")], disagreements=tmp_path / "d.xlsx")
