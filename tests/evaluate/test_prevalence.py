"""Shares corrected by a coded sample: tables in, a table out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError, UsageError
from mediasift.evaluate.prevalence import NAIVE, NO_HELP, OUTSIDE
from mediasift.tables.formats import read_table

TRUE = [True] * 40 + [False] * 160
PREDICTED = [True] * 30 + [False] * 10 + [True] * 30 + [False] * 130
"""Of 200 pictures 40 show a protest; the classifier says so of 60, of which it is right on 30."""


def table(folder: Path, *, name: str = "labels.csv", labels=("protest", "crowd"), accounts=("a", "b")) -> Path:
    lines = ["path,page,frame,time_s,rank,label,score,account,error"]
    lines += [f"{n}.jpg,,,,1,{labels[not is_one]},0.9,{accounts[n % 2]}," for n, is_one in enumerate(PREDICTED)]
    lines += ["broken.jpg,,,,,,,a,damaged: it is"]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def coded(folder: Path, which=range(200), *, name: str = "coded.csv", values=("yes", "no")) -> Path:
    lines = ["path,page,frame,time_s,coder,protest", *(f"{n}.jpg,,,,anna,{values[not TRUE[n]]}" for n in which)]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


RECODE = ("protest=yes", "*=no")


def by_name(rows) -> dict:
    return {(row.group, row.label, row.method): row for row in rows}


def test_all_items_coded_give_the_truth_and_a_point(tmp_path: Path):
    rows = by_name(ms.prevalence(table(tmp_path), [coded(tmp_path)], recode=RECODE))
    assert rows["", "yes", "naive"].share == 60 / 200
    for method in ("coded", "design_based"):
        one = rows["", "yes", method]
        assert (one.share, one.low, one.high) == pytest.approx((0.2, 0.2, 0.2)), method
    assert rows["", "yes", "prediction_powered"].share == pytest.approx(0.2)
    assert rows["", "yes", "matrix"].share == pytest.approx(0.2)
    assert (rows["", "yes", "coded"].items, rows["", "yes", "coded"].coded) == (200, 200)  # without the broken one
    assert rows["", "no", "design_based"].share == pytest.approx(0.8)


def test_a_sample_corrects_what_is_naive(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    which = np.random.default_rng(1).choice(200, 120, replace=False)
    rows = by_name(ms.prevalence(table(tmp_path), [coded(tmp_path, which)], recode=RECODE))
    naive, best = rows["", "yes", "naive"], rows["", "yes", "design_based"]
    assert (naive.low, naive.note) == (None, f"{OUTSIDE}; {NAIVE}")
    assert best.low < 0.2 < best.high < naive.share
    assert best.high - best.low < rows["", "yes", "coded"].high - rows["", "yes", "coded"].low
    assert "the 120 coded items are taken for a simple random sample of the 200" in caplog.text


def test_each_group_has_rows_of_its_own(tmp_path: Path):
    rows = by_name(ms.prevalence(table(tmp_path), [coded(tmp_path)], recode=RECODE, by="account"))
    assert {group for group, *_ in rows} == {"", "a", "b"}
    for group, first in (("a", 0), ("b", 1)):
        assert rows[group, "yes", "design_based"].share == pytest.approx(np.mean(TRUE[first::2]))
        assert rows[group, "yes", "naive"].items == 100
    one = by_name(ms.prevalence(table(tmp_path), [coded(tmp_path, range(0, 200, 2))], recode=RECODE, by="account"))
    nothing = one["b", "yes", "design_based"]
    assert (nothing.share, nothing.coded, nothing.note) == (None, 0, "no item is coded")


def design(folder: Path, strata: dict[str, tuple[int, list[int]]], by: str = "label") -> Path:
    lines = [f"path,page,frame,time_s,{by},stratum,population,sampled,probability"]
    for number, (value, (size, drawn)) in enumerate(strata.items(), 1):
        lines += [f"{n}.jpg,,,,{value},{number},{size},{len(drawn)},{len(drawn) / size}" for n in drawn]
    (folder / "design.csv").write_text("\n".join(lines) + "\n")
    return folder / "design.csv"


STRATA = {"protest": (60, [*range(15), *range(40, 55)]), "crowd": (140, [30, 31, *range(80, 106)])}
"""30 of the 60 predicted to be one, half of them rightly; 28 of the 140 others, two of which are one after all."""


def test_known_probabilities_undo_a_stratified_sample(tmp_path: Path):
    drawn = [n for _, numbers in STRATA.values() for n in numbers]
    files = table(tmp_path), [coded(tmp_path, drawn)]
    rows = by_name(ms.prevalence(*files, recode=RECODE, design=design(tmp_path, STRATA)))
    expected = 60 / 200 * 0.5 + 140 / 200 * 2 / 28
    for method in ("coded", "design_based"):
        assert rows["", "yes", method].share == pytest.approx(expected, abs=1e-6)
    without = by_name(ms.prevalence(*files, recode=RECODE))
    assert without["", "yes", "coded"].share == pytest.approx(17 / 58, abs=1e-6)  # as if drawn at random


def test_of_a_sample_that_is_not_coded_to_its_end_the_coded_stand_for_all(tmp_path: Path):
    drawn = [*STRATA["protest"][1][::2], *STRATA["crowd"][1]]
    rows = by_name(
        ms.prevalence(table(tmp_path), [coded(tmp_path, drawn)], recode=RECODE, design=design(tmp_path, STRATA))
    )
    expected = 60 / 200 * np.mean([TRUE[n] for n in STRATA["protest"][1][::2]]) + 140 / 200 * 2 / 28
    assert rows["", "yes", "coded"].share == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("strata", "which", "message"),
    [
        (
            {"protest": (61, [0, 1]), "crowd": (140, [30, 31])},
            [0, 1, 30, 31],
            "was drawn from 201 items in 2 strata, but",
        ),
        ({"protest": (60, [0, 1]), "crowd": (140, [30, 31])}, [0, 1], r"no item is coded of the stratum label 'crowd'"),
        (
            {"protest": (60, [0, 1]), "crowd": (140, [30, 31])},
            [0, 1, 2, 30],
            r"lacks 1 of the coded items, first 2\.jpg",
        ),
    ],
)
def test_a_design_that_does_not_fit_is_refused(tmp_path: Path, strata, which, message: str):
    with pytest.raises(InputError, match=message):
        ms.prevalence(table(tmp_path), [coded(tmp_path, which)], recode=RECODE, design=design(tmp_path, strata))


def test_few_items_with_the_label_are_flagged_and_no_help_is_reported(tmp_path: Path):
    rows = by_name(ms.prevalence(table(tmp_path), [coded(tmp_path, [*range(9), *range(150, 190)])], recode=RECODE))
    for method in ("coded", "design_based", "prediction_powered", "matrix"):
        assert rows["", "yes", method].note.startswith("do not rely on it: 9 coded items have the label"), method
    useless = table(tmp_path, name="same.csv", labels=("protest", "protest"))
    rows = by_name(ms.prevalence(useless, [coded(tmp_path, range(0, 200, 3))], recode=RECODE))
    assert rows["", "yes", "design_based"].note == NO_HELP


def test_coders_count_by_their_majority_and_a_tie_is_refused(tmp_path: Path):
    anna = coded(tmp_path)
    (tmp_path / "ben.csv").write_text(
        anna.read_text().replace("anna", "ben").replace("0.jpg,,,,ben,yes", "0.jpg,,,,ben,no", 1)
    )
    with pytest.raises(InputError, match=r"disagree on protest of 1 items, e\.g\. 0\.jpg; settle them"):
        ms.prevalence(table(tmp_path), [anna, tmp_path / "ben.csv"], recode=RECODE)
    rows = by_name(ms.prevalence(table(tmp_path), [anna, tmp_path / "ben.csv"], recode=RECODE, coder="ben"))
    assert rows["", "yes", "coded"].positives == 39
    (tmp_path / "cleo.csv").write_text(anna.read_text().replace("anna", "cleo"))
    rows = by_name(ms.prevalence(table(tmp_path), [anna, tmp_path / "ben.csv", tmp_path / "cleo.csv"], recode=RECODE))
    assert rows["", "yes", "coded"].positives == 40


CODEBOOK = """
name: protest
variables:
  - {name: protest, question: Is it one, values: ["yes", "no"]}
  - {name: size, question: How large, kind: ordinal, values: [few, many], ask_if: {protest: "yes"}}
  - {name: things, question: Which, kind: several, values: [flag, sign]}
"""


def test_what_is_not_asked_counts_as_none_of_the_values_and_what_is_missing_not_at_all(tmp_path: Path, package):
    package("yaml", "codebook")
    (tmp_path / "codebook.yaml").write_text(CODEBOOK)
    lines = ["path,coder,protest,size,things"]
    lines += [f"{n}.jpg,anna,yes,{'few' if n % 2 else 'many'},flag" for n in range(20)]
    lines += ["20.jpg,anna,yes,,flag", "21.jpg,anna,,,"]  # asked and not answered; nothing coded
    lines += [f"{n}.jpg,anna,no,,(none)" for n in range(100, 140)]
    (tmp_path / "coded.csv").write_text("\n".join(lines) + "\n")
    large = tmp_path / "sizes.csv"
    large.write_text("path,label\n" + "".join(f"{n}.jpg,{'few' if n < 30 else 'neither'}\n" for n in range(200)))
    options = {"codebook": tmp_path / "codebook.yaml", "variable": "size"}
    rows = by_name(ms.prevalence(large, [tmp_path / "coded.csv"], **options))
    assert {label for _, label, _ in rows} == {"few", "many"}
    assert (rows["", "few", "coded"].coded, rows["", "few", "coded"].share) == (60, pytest.approx(10 / 60, abs=1e-6))


def test_several_labels_of_an_item_count_each_on_its_own(tmp_path: Path, package):
    package("yaml", "codebook")
    (tmp_path / "codebook.yaml").write_text(CODEBOOK)
    lines = [
        "path,coder,protest,size,things",
        *(f"{n}.jpg,anna,no,,{'flag|sign' if n < 8 else 'flag'}" for n in range(16)),
    ]
    (tmp_path / "coded.csv").write_text("\n".join(lines) + "\n")
    rows_found = ["path,label,score,found"]
    for n in range(16):
        rows_found += [f"{n}.jpg,flag,0.9,2", f"{n}.jpg,sign,{0.6 if n < 10 else 0.4},2"]
    (tmp_path / "found.csv").write_text("\n".join([*rows_found, "16.jpg,,,0"]) + "\n")
    options = {"codebook": tmp_path / "codebook.yaml", "variable": "things"}
    rows = by_name(ms.prevalence(tmp_path / "found.csv", [tmp_path / "coded.csv"], **options))
    assert rows["", "flag", "naive"].share == pytest.approx(16 / 17, abs=1e-6)
    assert rows["", "sign", "naive"].share == pytest.approx(10 / 17, abs=1e-6)
    assert rows["", "sign", "coded"].share == 0.5
    (tmp_path / "one.csv").write_text("path,coder,thing\n0.jpg,anna,flag\n")
    with pytest.raises(
        InputError, match=r"0\.jpg has several labels and no ranks, e\.g\. flag and sign; one is wanted"
    ):
        ms.prevalence(tmp_path / "found.csv", [tmp_path / "one.csv"])


def test_the_corpus_for_dsl(tmp_path: Path):
    """What `dsl()` of R wants: no NA but in what is predicted, labeled 0 or 1, a probability of every item."""
    drawn = [n for _, numbers in STRATA.values() for n in numbers]
    output = tmp_path / "corpus.csv"
    options = {"recode": RECODE, "design": design(tmp_path, STRATA), "by": "account", "dsl": output}
    ms.prevalence(table(tmp_path), [coded(tmp_path, drawn)], **options)
    rows = read_table(output)
    assert list(rows[0]) == ["path", "page", "frame", "time_s", "label", "account", "labeled", "sample_prob", "true_no",
                             "true_yes", "predicted_no", "predicted_yes"]  # fmt: skip
    assert len(rows) == 200
    assert sum(int(row["labeled"]) for row in rows) == len(drawn)
    assert sum(float(row["sample_prob"]) for row in rows) == pytest.approx(len(drawn))
    assert {row["sample_prob"] for row in rows} == {"0.5", "0.2"}
    for row, is_true, predicted in zip(rows, TRUE, PREDICTED, strict=True):
        assert row["predicted_yes"] == str(int(predicted))
        assert row["true_yes"] == (str(int(is_true)) if row["labeled"] == "1" else None)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {},
            InputError,
            r"none of its labels, e\.g\. 'crowd', is a value of protest, e\.g\. 'no'; say what they count as",
        ),
        ({"recode": ["protest"]}, UsageError, "must be LABEL=VALUE"),
        ({"recode": ["a=yes", "a=no"]}, UsageError, "stands twice"),
        ({"recode": RECODE, "by": "nowhere"}, UsageError, "no column 'nowhere'"),
        ({"recode": RECODE, "variable": "size"}, UsageError, "there are protest"),
        ({"recode": RECODE, "label_column": "text"}, InputError, "no column 'text'"),
        ({"recode": RECODE, "coder": "zoe"}, InputError, "no row is by coder 'zoe'; there are anna"),
    ],
)
def test_mistakes(tmp_path: Path, options: dict, kind: type, message: str):
    with pytest.raises(kind, match=message):
        ms.prevalence(table(tmp_path), [coded(tmp_path)], **options)


def test_a_sample_of_another_table_is_refused(tmp_path: Path):
    (tmp_path / "other.csv").write_text("path,label\nx.jpg,protest\n")
    with pytest.raises(InputError, match=r"lacks 200 of the coded items, first 0\.jpg; name the table"):
        ms.prevalence(tmp_path / "other.csv", [coded(tmp_path)], recode=RECODE)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package):
    if suffix == "parquet":
        package("pyarrow", "parquet")
    monkeypatch.chdir(tmp_path)
    files = [str(table(tmp_path)), str(coded(tmp_path))]
    chosen = [part for pair in RECODE for part in ("--recode", pair)]
    done = CliRunner().invoke(main, ["prevalence", *files, *chosen, "-o", f"shares.{suffix}"], catch_exceptions=False)
    assert done.exit_code == 0
    rows = read_table(Path(f"shares.{suffix}"))
    assert [row["method"] for row in rows[:5]] == ["naive", "coded", "design_based", "prediction_powered", "matrix"]
    shown = CliRunner().invoke(main, ["prevalence", *files, *chosen], catch_exceptions=False)
    first = next(csv.DictReader(io.StringIO(shown.stdout)))
    assert (first["label"], first["method"], float(first["share"])) == ("no", "naive", 0.7)
    assert "Note: without --design" in shown.stderr
    assert CliRunner().invoke(main, ["prevalence", *files]).exit_code == 3
    assert CliRunner().invoke(main, ["prevalence", files[0]]).exit_code == 2


def test_a_machine_that_filled_in_the_codebook_itself_has_a_column_of_the_variables_name(tmp_path: Path):
    lines = ["path,protest,size", *(f"{n}.jpg,{'yes' if one else 'no'},few" for n, one in enumerate(PREDICTED))]
    (tmp_path / "machine.csv").write_text("\n".join(lines) + "\n")
    rows = by_name(ms.prevalence(tmp_path / "machine.csv", [coded(tmp_path)]))
    assert rows["", "yes", "naive"].share == 0.3
    with pytest.raises(InputError, match=r"none of its labels, e\.g\. 'few', is a value of protest"):
        ms.prevalence(tmp_path / "machine.csv", [coded(tmp_path)], label_column="size")


def test_a_machines_coded_table_says_of_each_value_whether_it_applies(tmp_path: Path, package):
    package("yaml", "codebook")
    (tmp_path / "codebook.yaml").write_text(CODEBOOK)
    cells = ["flag|sign"] * 8 + ["flag"] * 4 + ["(none)"] * 4
    for coder in ("anna", "tiny"):
        lines = [f"{n}.jpg,{coder},no,,{cell}" for n, cell in enumerate(cells)]
        (tmp_path / f"{coder}.csv").write_text("\n".join(["path,coder,protest,size,things", *lines]) + "\n")
    options = {"codebook": tmp_path / "codebook.yaml", "variable": "things"}
    rows = by_name(ms.prevalence(tmp_path / "tiny.csv", [tmp_path / "anna.csv"], **options))
    assert {label: rows["", label, "naive"].share for label in ("flag", "sign")} == {"flag": 0.75, "sign": 0.5}
    assert rows["", "flag", "coded"].share == 0.75
    both = (tmp_path / "tiny.csv").read_text() + "0.jpg,tiny #2,no,,flag\n"
    (tmp_path / "tiny.csv").write_text(both)
    with pytest.raises(InputError, match=r"has 2 coders, e\.g\. tiny and tiny #2; one is wanted"):
        ms.prevalence(tmp_path / "tiny.csv", [tmp_path / "anna.csv"], **options)


def test_several_coded_parts_of_what_is_one_item_in_the_table_are_refused(tmp_path: Path):
    (tmp_path / "parts.csv").write_text(
        'path,crop,coder,protest\n0.jpg,"0,0,1,1",anna,yes\n0.jpg,"0,0,0.5,1",anna,no\n'
    )
    with pytest.raises(InputError, match=r"0\.jpg is one item there, but several are coded"):
        ms.prevalence(table(tmp_path), [tmp_path / "parts.csv"], recode=RECODE)


def test_an_empty_cell_is_a_group_of_its_own(tmp_path: Path):
    path = table(tmp_path, accounts=("a", ""))
    rows = by_name(ms.prevalence(path, [coded(tmp_path)], recode=RECODE, by="account"))
    assert {group for group, *_ in rows} == {"", "a", "(empty)"}


@pytest.mark.parametrize("rows", ["objects", "counts"])
def test_objects_and_counts_say_what_is_there(tmp_path: Path, rows: str):
    """A person in 40 of 100 pictures, in half of them beside a dog; a dog alone in 30; nothing in 30."""
    people, dogs = range(40), range(20, 70)
    if rows == "counts":
        lines = ["path,label,count,score,found,error"]
        for n in range(100):
            lines += [f"{n}.jpg,person,{int(n in people)},,,", f"{n}.jpg,dog,{2 * (n in dogs)},,,"]
    else:
        lines = ["path,label,score,left_px,top_px,width_px,height_px,found,error"]
        lines += [f"{n}.jpg,person,0.31,0,0,9,9,2," for n in people]
        lines += [f"{n}.jpg,dog,0.99,0,0,9,9,2," for n in dogs]
        lines += [f"{n}.jpg,,,,,,,0," for n in range(70, 100)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    files = tmp_path / "table.csv", coded(tmp_path, range(100))
    shares = by_name(ms.prevalence(files[0], [files[1]], recode=("person=yes", "*=no")))
    assert (shares["", "yes", "naive"].share, shares["", "no", "naive"].share) == (0.4, 0.6)
    assert shares["", "yes", "coded"].share == 0.4
    measures = {(one.measure, one.label): one.value for one in
                ms.evaluate_labels(*files, recode=("person=yes", "*=no")).measures}  # fmt: skip
    assert (measures["exact_match", ""], measures["precision", "yes"], measures["recall", "no"]) == (1, 1, 1)
