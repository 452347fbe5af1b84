"""Stored answers of services: how other programs keep them, whose they are, which picture they are about."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.vision import google_answers, rekognition_answers
from mediasift.errors import InputError, UsageError
from mediasift.sources.answers import KEYS, answer_files, read_answers

GOOGLE = {
    "labelAnnotations": [{"mid": "/m/0bt9lr", "description": "Dog", "score": 0.9}],
    "faceAnnotations": [{"boundingPoly": {"vertices": [{"x": 10}, {"x": 40, "y": 20}]}, "detectionConfidence": 0.5,
                         "joyLikelihood": 5}],
    "imagePropertiesAnnotation": {"dominantColors": {"colors": []}},
}  # fmt: skip
REKOGNITION = {
    "Labels": [{"Name": "Dog", "Confidence": 90.0}], "LabelModelVersion": "2.0",
    "ResponseMetadata": {"RequestId": "r", "HTTPHeaders": {"date": "Sat, 28 Nov 2020 00:00:00 GMT"}},
}  # fmt: skip
AZURE_3 = {
    "categories": [{"name": "people_crowd", "score": 0.75,
                    "detail": {"celebrities": [{"name": "A B", "confidence": 0.5}]}}],
    "tags": [{"name": "crowd", "confidence": 0.9}],
    "description": {"tags": ["outdoor"], "captions": [{"text": "a crowd", "confidence": 0.5}]},
    "objects": [{"rectangle": {"x": 0, "y": 10, "w": 50, "h": 40}, "object": "person", "confidence": 0.6}],
    "faces": [{"age": 30, "gender": "Female", "faceRectangle": {"left": 10, "top": 10, "width": 20, "height": 20}}],
    "adult": {"isAdultContent": False, "adultScore": 0.125, "racyScore": 0.25, "goreScore": 0.5},
    "requestId": "q", "metadata": {"width": 100, "height": 50, "format": "Jpeg"},
}  # fmt: skip
AZURE_4 = {"modelVersion": "2023-10-01", "metadata": {"width": 100, "height": 50},
           "tagsResult": {"values": [{"name": "dog", "confidence": 0.5}]}}  # fmt: skip


def rows(file: Path, **options) -> list[dict]:
    return ms.tag([], stored=file, **options).to_dicts()


@pytest.mark.parametrize(
    ("kept", "names"),
    [
        (GOOGLE, ["kept"]),
        ({"responses": [GOOGLE, {}, GOOGLE]}, ["kept#1", "kept#2", "kept#3"]),
        ({"responses": [{**GOOGLE, "context": {"uri": "gs://b/a.pdf", "pageNumber": 2}}]}, ["gs://b/a.pdf"]),
        ({"a.jpg": GOOGLE, "b.jpg": REKOGNITION, "c.jpg": {"responses": [GOOGLE]}}, ["a.jpg", "b.jpg", "c.jpg"]),
        (
            [{"file": "a.jpg", "response": AZURE_4}, {"image": "b.jpg", "result": json.dumps(GOOGLE)}],
            ["a.jpg", "b.jpg"],
        ),
        ({"path": "a.jpg", "answers": [GOOGLE, REKOGNITION]}, ["a.jpg#1", "a.jpg#2"]),
        ({"filename": "a.jpg", **AZURE_3}, ["a.jpg"]),
    ],
)
def test_answers_are_found_whatever_is_around_them(tmp_path: Path, kept, names):
    (tmp_path / "kept.json").write_text(json.dumps(kept))
    (content,) = answer_files(str(tmp_path / "kept.json"))
    answers = list(read_answers(content))
    assert [one.picture for one in answers] == names
    assert not any(one.error for one in answers)
    paths = [row["path"] for row in rows(tmp_path / "kept.json")]
    assert list(dict.fromkeys(paths)) == names


def test_lines_and_folders_name_their_pictures(tmp_path: Path):
    (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps({"path": f"{n}.jpg", "r": REKOGNITION}) for n in (1, 2)))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "3.jpg.json").write_text(json.dumps(AZURE_4))
    (tmp_path / "x" / "notes.txt").write_text("no answer")
    named = list(dict.fromkeys(row["path"] for row in rows(tmp_path)))
    assert named == ["1.jpg", "2.jpg", "x/3.jpg"]


def test_the_table_is_that_of_the_engine(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps({"g.jpg": GOOGLE, "r.jpg": REKOGNITION, "z.jpg": AZURE_3}))
    table = rows(tmp_path / "a.json")
    google, amazon, azure = ([row for row in table if row["path"] == f"{name}.jpg"] for name in "grz")
    assert [(row["feature"], row["label"], row["attribute"], row["likelihood"]) for row in google] == [
        ("labels", "Dog", None, None), ("faces", "face", None, None), ("faces", "face", "joy", 5),
    ]  # fmt: skip
    assert [google[1][name] for name in ("left_px", "top_px", "width_px", "height_px", "left")] == [10, 0, 30, 20, None]
    assert google[0]["note"] == "not read: imagePropertiesAnnotation"
    assert [(row["feature"], row["score"], row["model"], row["request_id"], row["answered"], row["found"])
            for row in amazon] == [("labels", 0.9, "2.0", "r", "2020-11-28T00:00:00+00:00", 1),
                                   ("objects", None, "2.0", "r", "2020-11-28T00:00:00+00:00", 0)]  # fmt: skip
    things = {(row["feature"], row["label"], row["attribute"]): row for row in azure}
    assert things["labels", "people_crowd", "celebrities"]["value"] == "A B"
    assert things["faces", "face", "age"]["value"] == "30"
    assert things["sensitive", "gory", None]["score"] == 0.5
    assert [things["objects", "person", None][name] for name in ("left", "top", "right", "bottom")] == [0, 0.2, 0.5, 1]
    assert things["captions", "tag", None]["value"] == "outdoor"


def test_asked_for_features_have_a_row_each(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps({"g.jpg": GOOGLE, "r.jpg": REKOGNITION}))
    table = [(row["path"], row["feature"], row["found"], row["note"]) for row in
             rows(tmp_path / "a.json", features=["labels", "text"])]  # fmt: skip
    assert table == [
        ("g.jpg", "labels", 1, "not read: imagePropertiesAnnotation"),
        ("g.jpg", "text", 0, "not read: imagePropertiesAnnotation"),
        ("r.jpg", "labels", 1, None), ("r.jpg", "text", None, "the answer does not have this feature"),
    ]  # fmt: skip


def test_what_is_no_answer_is_a_row(tmp_path: Path):
    error = {"error": {"code": 3, "message": "Bad image data."}}
    (tmp_path / "a.json").write_text(json.dumps({"responses": [error, {"nothing": 1}]}))
    (tmp_path / "b.json").write_text("{")
    assert [row["error"].partition(":")[0] for row in rows(tmp_path)] == ["inference", "not-media", "damaged"]
    assert "Bad image data" in rows(tmp_path)[0]["error"]
    (row,) = rows(tmp_path / "b.json", engine="rekognition")
    assert row["error"].startswith("damaged: no JSON")


def test_no_key_is_needed_and_nothing_is_imported_of_the_clients(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps(REKOGNITION))
    done = CliRunner().invoke(main, ["tag", "--from", str(tmp_path / "a.json"), "--offline"])
    assert done.exit_code == 0, done.stderr
    assert [row["label"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["Dog", ""]
    with pytest.raises(UsageError, match="leave out the other inputs"):
        ms.tag(["a.jpg"], stored=tmp_path / "a.json")
    with pytest.raises(InputError, match="no such file"):
        rows(tmp_path / "nothing.json")
    (mistaken,) = rows(tmp_path / "a.json", engine="azure-vision")
    assert mistaken["error"] == "unsupported: an answer of rekognition, not of azure-vision"


def test_keys_by_which_answers_are_known_are_those_that_are_read():
    assert set(google_answers.PARTS) <= set(KEYS["google-vision"])
    assert set(rekognition_answers.PARTS) == set(KEYS["rekognition"])
