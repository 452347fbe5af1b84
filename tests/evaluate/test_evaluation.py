"""Labels measured against coded tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError, UsageError
from mediasift.tables.formats import read_table

HEAD = "path,page,frame,time_s,coder,protest\n"


def result(folder: Path, lines: list[str]) -> Path:
    (folder / "labels.csv").write_text("path,rank,label,score,account\n" + "".join(f"{line}\n" for line in lines))
    return folder / "labels.csv"


def coded(folder: Path, answers: str, coder: str = "anna", name: str = "coded.csv") -> Path:
    lines = [f"{n}.jpg,,,,{coder},{'yes' if one == 'y' else 'no'}\n" for n, one in enumerate(answers)]
    (folder / name).write_text(HEAD + "".join(lines))
    return folder / name


def values(evaluation, group: str = "") -> dict:
    return {(one.measure, one.label): one.value for one in evaluation.measures if one.group == group}


PREDICTED = "yyyynnnnnn"
TRUE = "yyynnnnnny"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    words = {"y": "protest", "n": "crowd"}
    lines = [f"{n}.jpg,1,{words[one]},0.{9 - n},{'ab'[n % 2]}" for n, one in enumerate(PREDICTED)]
    return result(tmp_path, lines), coded(tmp_path, TRUE)


RECODE = ("protest=yes", "*=no")


def test_a_coded_table_is_known_by_its_column_coder(files):
    one = values(ms.evaluate_labels(*files, recode=RECODE))
    assert one["accuracy", ""] == pytest.approx(8 / 10)
    assert (one["precision", "yes"], one["recall", "yes"]) == pytest.approx((3 / 4, 3 / 4))


def test_weights_of_the_design_make_shares_of_the_table_it_was_drawn_from(files, tmp_path: Path):
    """Of 8 predicted to be one 4 are coded, of 60 others 6: right are 3 of 4 and 5 of 6."""
    lines = [
        f"{n}.jpg,,,,{'protest,1,8,4,0.5' if one == 'y' else 'crowd,2,60,6,0.1'}\n" for n, one in enumerate(PREDICTED)
    ]
    (tmp_path / "design.csv").write_text(
        "path,page,frame,time_s,label,stratum,population,sampled,probability\n" + "".join(lines)
    )
    one = values(ms.evaluate_labels(*files, recode=RECODE, design=tmp_path / "design.csv"))
    assert one["accuracy", ""] == pytest.approx((8 * 3 / 4 + 60 * 5 / 6) / 68)
    assert one["precision", "yes"] == pytest.approx(3 / 4)
    assert one["recall", "yes"] == pytest.approx(6 / (6 + 10))  # 6 of the 16 that are one after all
    assert one["recall", "no"] == pytest.approx(50 / 52)


def test_equal_weights_equal_no_weights(files, tmp_path: Path):
    lines = [f"{n}.jpg,,,,1,40,10,0.25\n" for n in range(10)]
    (tmp_path / "design.csv").write_text(
        "path,page,frame,time_s,stratum,population,sampled,probability\n" + "".join(lines)
    )
    plain = ms.evaluate_labels(*files, recode=RECODE).measures
    weighted = ms.evaluate_labels(*files, recode=RECODE, design=tmp_path / "design.csv").measures
    for one, other in zip(plain, weighted, strict=True):
        assert (one.measure, one.label) == (other.measure, other.label)
        for number in ("value", "low", "high"):
            assert getattr(one, number) == pytest.approx(getattr(other, number), abs=1e-12), one.measure


def test_what_most_coders_answered_is_true(files, tmp_path: Path):
    lines = [f"{n}.jpg,,,,{coder},{'yes' if one == 'y' else 'no'}\n" for coder, answers in
             (("anna", TRUE), ("ben", TRUE), ("cleo", PREDICTED)) for n, one in enumerate(answers)]  # fmt: skip
    (tmp_path / "three.csv").write_text(HEAD + "".join(lines))
    one = ms.evaluate_labels(files[0], tmp_path / "three.csv", recode=RECODE)
    assert values(one)["accuracy", ""] == pytest.approx(0.8)
    alone = ms.evaluate_labels(files[0], tmp_path / "three.csv", recode=RECODE, coder="cleo")
    assert values(alone)["accuracy", ""] == 1
    (tmp_path / "two.csv").write_text(HEAD + "".join(lines[:10] + lines[20:]))
    with pytest.raises(InputError, match="coders disagree on protest of 2 items"):
        ms.evaluate_labels(files[0], tmp_path / "two.csv", recode=RECODE)


def test_groups_and_thresholds_follow_the_other_measures(files):
    evaluation = ms.evaluate_labels(*files, recode=RECODE, by="account", precision=0.7)
    for group, first in (("a", 0), ("b", 1)):
        right = [one == other for one, other in zip(PREDICTED[first::2], TRUE[first::2], strict=True)]
        assert values(evaluation, group)["accuracy", ""] == pytest.approx(sum(right) / 5)
    assert values(evaluation)["precision_0.7_threshold", "yes"] == 0.6  # 3 of the 4 that have the label
    assert [one.group for one in evaluation.measures if one.group][:1] == ["a"]


def test_pages_are_pictures_of_their_own(tmp_path: Path):
    (tmp_path / "r.csv").write_text("path,page,label\nscan.pdf,1,yes\nscan.pdf,2,yes\n")
    (tmp_path / "c.csv").write_text(
        "path,page,frame,time_s,coder,protest\nscan.pdf,1,,,anna,yes\nscan.pdf,2.0,,,anna,no\n"
    )
    assert values(ms.evaluate_labels(tmp_path / "r.csv", tmp_path / "c.csv"))["accuracy", ""] == 0.5


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"by": "nowhere"}, UsageError, "no column 'nowhere' to group by"),
        ({"variable": "size"}, UsageError, "there are protest"),
        ({"precision": 1.5}, UsageError, "at most 1"),
        ({"coder": "zoe"}, InputError, "no row is by coder 'zoe'"),
    ],
)
def test_mistakes(files, options: dict, kind: type, message: str):
    with pytest.raises(kind, match=message):
        ms.evaluate_labels(*files, recode=RECODE, **options)


def test_a_group_that_a_picture_has_twice_is_refused(files, tmp_path: Path):
    path = result(tmp_path, ["0.jpg,1,yes,0.9,a", "0.jpg,2,no,0.1,b"])
    with pytest.raises(InputError, match=r"0\.jpg has two values of account: 'a' and 'b'"):
        ms.evaluate_labels(path, files[1], by="account")


def test_the_command(files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    chosen = [part for pair in RECODE for part in ("--recode", pair)]
    command = ["evaluate", *map(str, files), *chosen, "--by", "account", "--recall", "0.5", "-o", "m.csv"]
    assert CliRunner().invoke(main, command, catch_exceptions=False).exit_code == 0
    rows = read_table(Path("m.csv"))
    assert {row["group"] for row in rows} == {None, "a", "b"}
    assert any(row["measure"] == "recall_0.5_threshold" for row in rows)
    Path("text.csv").write_text("path,text\na.png,one\n")
    refused = CliRunner().invoke(main, ["evaluate", "text.csv", "text.csv", "--by", "account"])
    assert (refused.exit_code, "--by is for labels; text.csv holds text" in refused.stderr) == (2, True)
    refused = CliRunner().invoke(main, ["evaluate", *map(str, files), "--plain"])
    assert (refused.exit_code, "--plain is for text" in refused.stderr) == (2, True)
