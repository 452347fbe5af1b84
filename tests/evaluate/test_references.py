"""What a result is measured against, and whose row is whose."""

from __future__ import annotations

from pathlib import Path

import pytest

import mediasift as ms
from mediasift.errors import InputError
from mediasift.evaluate.references import matched
from tests.pictures import save, solid


def value(evaluation, name: str) -> float:
    return next(one.value for one in evaluation.measures if one.measure == name and not one.label)


def evaluated(folder: Path, result: str, reference: str, **options):
    (folder / "r.csv").write_text(result)
    (folder / "t.csv").write_text(reference)
    return ms.evaluate_labels(folder / "r.csv", folder / "t.csv", **options)


@pytest.mark.parametrize(
    ("results", "references", "expected"),
    [
        (["photos/a.jpg"], ["a.jpg"], {"photos/a.jpg": "a.jpg"}),
        (["./x/../a.jpg"], ["a.jpg"], {"./x/../a.jpg": "a.jpg"}),
        (["a.jpg", "b/a.jpg"], ["a.jpg"], {"a.jpg": "a.jpg"}),  # the very path
        (["x/a.jpg", "y/a.jpg"], ["a.jpg"], {}),  # two of one name
        (["a.jpg"], ["x/a.jpg", "y/a.jpg"], {}),
        (["p/cats/1.jpg", "p/dogs/1.jpg"], ["cats/1.jpg", "dogs/1.jpg"],
         {"p/cats/1.jpg": "cats/1.jpg", "p/dogs/1.jpg": "dogs/1.jpg"}),
        (["scans/a.tif", "scans/b.png"], ["a", "b.png"], {"scans/a.tif": "a", "scans/b.png": "b.png"}),
        (["u\u0308.jpg"], ["\u00fc.jpg"], {"u\u0308.jpg": "\u00fc.jpg"}),
        (["a.jpg"], ["b.jpg"], {}),
    ],
)  # fmt: skip
def test_paths_match_by_name_where_it_is_unique(results, references, expected):
    assert matched(results, references) == expected
    assert matched(results[::-1], references[::-1]) == expected


def test_rows_without_rank_are_ordered_by_score(tmp_path: Path):
    reference = "path,label\n1,a\n"
    assert value(evaluated(tmp_path, "path,label,score\n1,b,0.2\n1,a,0.7\n1,c,0.1\n", reference), "accuracy") == 1
    ranked = "path,label,score,rank\n1,a,0.7,2\n1,b,0.2,1\n"
    assert value(evaluated(tmp_path, ranked, reference), "accuracy") == 0  # a rank goes before
    assert value(evaluated(tmp_path, "path,label\n1,b\n1,a\n", reference), "accuracy") == 0  # as the rows stand


def test_a_rank_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="column rank: 'nan' is no number"):
        evaluated(tmp_path, "path,label,rank\n1,a,1\n1,b,nan\n", "path,label\n1,a\n")


def test_a_row_that_stands_twice_counts_once_and_two_tables_in_one_are_refused(tmp_path: Path):
    row = "1,a,0.7,1\n"
    measured = evaluated(tmp_path, f"path,label,score,rank\n{row}{row}2,b,0.5,1\n", "path,label\n1,a\n2,a\n")
    assert {one.measure for one in measured.measures if one.measure.startswith("top")} == set()
    assert value(measured, "accuracy") == 0.5
    with pytest.raises(InputError, match="1 has two labels of rank 1"):
        evaluated(tmp_path, f"path,label,score,rank\n{row}1,b,0.6,1\n", "path,label\n1,a\n")


def test_labels_are_the_same_whatever_their_type(tmp_path: Path):
    (tmp_path / "r.jsonl").write_text('{"path": "1", "label": 3.0}\n{"path": "2", "label": true}\n')
    (tmp_path / "t.csv").write_text("path,label\n1,3\n2,true\n")
    assert value(ms.evaluate_labels(tmp_path / "r.jsonl", tmp_path / "t.csv"), "accuracy") == 1


@pytest.mark.parametrize(
    ("score", "message"),
    [("nan", "not from 0 to 1"), ("inf", "not from 0 to 1"), ("-0.1", "take the column out"), ("87.5", "per cent"),
     ("87%", "is no number")],
)  # fmt: skip
def test_scores_that_are_none_are_refused(tmp_path: Path, score: str, message: str):
    with pytest.raises(InputError, match=message):
        evaluated(tmp_path, f"path,label,score\n1,a,0.5\n2,b,{score}\n", "path,label\n1,a\n2,b\n")


def test_blanks_around_labels_never_count_and_case_always_does(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    measured = evaluated(tmp_path, "path,label\n1, a \n2,B\n3,caf\u00e9\n", "path,label\n1,a\n2, b\n3,cafe\u0301\n")
    assert value(measured, "accuracy") == pytest.approx(2 / 3)
    assert measured.labels == ("B", "a", "b", "caf\u00e9")
    assert caplog.messages == ["labels that look alike count as different: B and b"]


def test_a_row_that_says_nothing_was_found_is_an_answer(tmp_path: Path):
    result = "path,label,score,found,error\n1,a,0.9,1,\n2,,,0,\n3,,,,damaged: x\n"
    report = evaluated(tmp_path, result, "path,label\n1,a\n2,a\n3,a\n")
    assert (value(report, "accuracy"), value(report, "no_label"), report.missing) == (0.5, 1, ("3",))


def test_pages_are_told_apart_by_the_reference_or_refused(tmp_path: Path):
    result = "path,page,label\ns.pdf,1,a\ns.pdf,2,b\n"
    with pytest.raises(InputError, match="rows of several pages, frames or crops; put the column"):
        evaluated(tmp_path, result, "path,label\ns.pdf,a\n")
    report = evaluated(tmp_path, result, "path,page,label\nscans/s.pdf,1,a\nscans/s.pdf,2,a\nscans/s.pdf,3,a\n")
    assert value(report, "accuracy") == 0.5
    assert [one.path for one in report.mistakes] == ["scans/s.pdf, page 2"]
    assert report.missing == ("scans/s.pdf, page 3",)


def test_frames_are_told_apart_however_their_numbers_are_written(tmp_path: Path):
    result = "path,frame,label\nf.mp4,1234567,a\nf.mp4,1234568,b\n"
    measured = evaluated(tmp_path, result, "path,frame,label\nf.mp4,1234567.0,a\nf.mp4,1234568.0,b\n")
    assert (value(measured, "accuracy"), value(measured, "missing")) == (1, 0)


def test_a_folder_per_label_is_a_reference(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for label, colour in (("red", (250, 0, 0)), ("blue", (0, 0, 250))):
        for number in range(2):
            (tmp_path / "true" / label).mkdir(parents=True, exist_ok=True)
            save(tmp_path / "true" / label / f"{number}.png", solid(colour))
    rows = [f"work/{label}/{number}.png,red" for label in ("red", "blue") for number in range(2)]
    (tmp_path / "r.csv").write_text("\n".join(["path,label", *rows]))
    report = ms.evaluate_labels(tmp_path / "r.csv", tmp_path / "true")
    assert (value(report, "pictures"), value(report, "accuracy")) == (4, 0.5)
    assert caplog.messages[0].startswith(
        "4 paths are written differently and matched by name, e.g. work/blue/0.png as "
    )


def test_a_folder_of_texts_is_a_reference(tmp_path: Path):
    (tmp_path / "true").mkdir()
    (tmp_path / "true" / "a.txt").write_text("one two\u2028three\n")
    (tmp_path / "true" / "b.gt.txt").write_bytes(b"\xef\xbb\xbffour")
    (tmp_path / "true" / "c.tif.txt").write_text("five")
    rows = ["path,text", "scans/a.png,one two three", "scans/b.png,fore", "scans/c.tif,five"]
    (tmp_path / "r.csv").write_text("\n".join(rows))
    *scores, total = ms.evaluate_text(tmp_path / "r.csv", tmp_path / "true")
    assert {one.path: one.word_errors for one in scores} == {"a": 0, "b": 1, "c.tif": 0}
    assert (total.words, total.word_errors) == (5, 1)


def test_tables_in_another_encoding(tmp_path: Path):
    for name in ("r.csv", "t.csv"):
        (tmp_path / name).write_bytes("path,label\n1,ü\n".encode("cp1252"))
    with pytest.raises(InputError, match="--encoding cp1252"):
        ms.evaluate_labels(tmp_path / "r.csv", tmp_path / "t.csv")
    assert value(ms.evaluate_labels(tmp_path / "r.csv", tmp_path / "t.csv", encoding="cp1252"), "accuracy") == 1
