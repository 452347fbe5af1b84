from __future__ import annotations

from pathlib import Path

import pytest

from mediasift.errors import InputError
from mediasift.sources.labelled import read_labelled, split_labels
from tests.pictures import save, solid


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for label in ("cats", "dogs"):
        for number in range(2):
            folder = tmp_path / "set" / label / "deeper"
            folder.mkdir(parents=True, exist_ok=True)
            save(folder / f"{number}.png", solid((number, 0, 0)))
    (tmp_path / "set" / "cats" / "notes.md").write_text("not a picture")
    return tmp_path / "set"


def test_a_folder_per_label(pictures: Path):
    labelled = read_labelled(pictures)
    assert labelled.classes == ("cats", "dogs")
    assert [file.relative_to(pictures).as_posix() for file in labelled.files] == [
        "cats/deeper/0.png", "cats/deeper/1.png", "dogs/deeper/0.png", "dogs/deeper/1.png",
    ]  # fmt: skip
    assert labelled.labels == (("cats",), ("cats",), ("dogs",), ("dogs",))
    assert not labelled.multilabel


def test_a_table_beside_its_pictures(pictures: Path):
    table = pictures / "labels.csv"
    table.write_text("path,label,note\ncats/deeper/0.png,cat,x\ndogs/deeper/0.png,dog,y\n", encoding="utf-8-sig")
    labelled = read_labelled(table)
    assert labelled.files == (pictures / "cats/deeper/0.png", pictures / "dogs/deeper/0.png")
    assert (labelled.labels, labelled.multilabel) == ((("cat",), ("dog",)), False)


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        ("a.png,cat\na.png,dog\nb.png,dog\n", (("cat", "dog"), ("dog",))),
        ("a.png,cat|dog\nb.png,dog\n", (("cat", "dog"), ("dog",))),
        ("a.png,cat; dog\nb.png,\n", (("cat", "dog"), ())),
        ("a.png,cat|cat|dog\n", (("cat", "dog"),)),
    ],
)
def test_several_labels_or_none(tmp_path: Path, lines: str, labels):
    (tmp_path / "l.csv").write_text("path,label\n" + lines)
    labelled = read_labelled(tmp_path / "l.csv")
    assert (labelled.labels, labelled.multilabel) == (labels, True)


def test_a_label_with_a_comma_is_one(tmp_path: Path):
    (tmp_path / "l.csv").write_text('path,label\na.png,"tench, Tinca tinca"\n')
    assert read_labelled(tmp_path / "l.csv").classes == ("tench, Tinca tinca",)
    assert split_labels(" a | b;;c ") == ["a", "b", "c"]


def test_what_cannot_be_used_says_why(tmp_path: Path):
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match="one folder per label"):
        read_labelled(tmp_path / "set")
    (tmp_path / "set" / "cats").mkdir()
    with pytest.raises(InputError, match=r"cats: no pictures in this label's folder"):
        read_labelled(tmp_path / "set")
    with pytest.raises(InputError, match="No such file"):
        read_labelled(tmp_path / "nowhere")
    table = tmp_path / "l.csv"
    for text, message in [
        ("", "it has nothing"),
        ("file,label\n", "it has file, label"),
        ("path,label\n", "no pictures"),
        ("path,label\n,cat\n", "line 2 has no path"),
    ]:
        table.write_text(text)
        with pytest.raises(InputError, match=message):
            read_labelled(table)
    table.write_bytes(b"path,label\n\xff,x\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_labelled(table)


def test_pictures_beside_the_folders_of_the_labels_are_refused_not_forgotten(pictures: Path):
    save(pictures / "loose.png", solid((9, 9, 9)))
    (pictures / "notes.md").write_text("not a picture")
    with pytest.raises(InputError, match=r"beside the folders of the labels, 1 of them, such as loose\.png"):
        read_labelled(pictures)


def test_an_accent_that_is_a_character_of_its_own_makes_no_second_label(tmp_path: Path):
    (tmp_path / "l.csv").write_text("path,label\na.png,M\u00f6we\nb.png,Mo\u0308we\n", encoding="utf-8")
    assert read_labelled(tmp_path / "l.csv").classes == ("M\u00f6we",)


def test_a_table_in_another_encoding(tmp_path: Path):
    table = tmp_path / "l.csv"
    table.write_text("path,label\na.png,Möwe\nb.png,Kuh\n", encoding="cp1252")
    assert read_labelled(table, encoding="cp1252").classes == ("Kuh", "Möwe")
    with pytest.raises(InputError, match="--encoding cp1252"):
        read_labelled(table, can_choose=True)
    with pytest.raises(InputError, match=r"save it as UTF-8$"):
        read_labelled(table)
