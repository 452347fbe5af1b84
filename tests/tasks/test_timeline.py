from __future__ import annotations

import csv
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.errors import InferenceFailed, Unsupported, UsageError
from mediasift.media.video.webvtt import webvtt
from mediasift.run.pipeline import Pipeline
from mediasift.sources.content import LocalFile
from mediasift.sources.naming import Source
from mediasift.tasks.classify import Classification
from mediasift.tasks.task import Started
from mediasift.tasks.timeline import StartedTimeline, Timeline
from mediasift.tasks.timeline_parts import PARTS, Moment, StartedPart
from tests.pictures import BLUE, solid
from tests.tiny_models import constants, mean_colour, write
from tests.videos import beginning, make_video

SEEN = ("shots", "keyframes", "classify", "detect")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of red, three of blue."""
    frames = [solid((230, 20, 20), 64, 48)] * 50 + [solid(BLUE, 64, 48)] * 75
    return make_video(tmp_path / "film.mp4", frames, range(125), time_base=Fraction(1, 25))


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A classifier by colour, and a detector that always sees one cat."""
    (tmp_path / "c").mkdir()
    (tmp_path / "d").mkdir()
    head = np.array([[32, 32, 32, 16, 0.9]], np.float32).T[None]
    detector = write(tmp_path / "d", constants({"y": head}, size=(64, 64)))
    describe_model(detector, ModelDescription(
        task="detect",
        input=InputDescription(width=64, height=64, fit="stretch"),
        output=OutputDescription(values="boxes", kind="multilabel", decoder="yolov8"),
        labels=("cat",),
    ))  # fmt: skip
    return {"classify_model": write(tmp_path / "c", mean_colour()), "detect_model": detector}


def test_everything_on_one_clock(clip: Path, models: dict[str, Path]):
    rows = list(ms.timeline(clip, parts=SEEN, every="2s", **models))
    assert [(row.kind, row.start_s, row.end_s, row.shot, row.label) for row in rows if row.kind != "keyframe"] == [
        ("shot", 0.0, 2.0, 1, "start"), ("label", 0.0, 2.0, 1, "red"), ("object", 0.0, 2.0, 1, "cat"),
        ("shot", 2.0, 5.0, 2, "cut"), ("label", 2.0, 4.0, 2, "blue"), ("object", 2.0, 4.0, 2, "cat"),
        ("label", 4.0, 5.0, 2, "blue"), ("object", 4.0, 5.0, 2, "cat"),
    ]  # fmt: skip
    assert [row.start_s for row in rows] == sorted(row.start_s for row in rows)
    assert [row.shot for row in rows if row.kind == "keyframe"] == [1, 2]
    boxes = {(row.left, row.top, row.right, row.bottom) for row in rows if row.kind == "object"}
    assert boxes == {(0.25, 0.375, 0.75, 0.625)}
    assert {(row.kind, row.found) for row in rows} == {("shot", None), ("keyframe", None), ("label", 1), ("object", 1)}
    nothing = ms.timeline(clip, parts=["detect"], every="2s", min_score=0.95, **models)
    assert [(row.kind, row.label, row.found) for row in nothing] == [("object", None, 0)] * 3


@pytest.mark.parametrize("every", ["1s", "10f", "iframe"])
def test_its_rows_are_those_of_the_single_commands(test_data: Path, models: dict[str, Path], every: str):
    path = test_data / "video" / "bikes.mp4"
    rows = list(ms.timeline(path, parts=("shots", "keyframes", "classify"), every=every, min_score=0, **models))
    shots, keyframes = list(ms.shots(path)), list(ms.keyframes(path))
    labels = list(ms.classify(path, model=models["classify_model"], every=every))
    assert [(row.frame, row.start_s, row.end_s) for row in rows if row.kind == "shot"] == [
        (shot.frame, shot.start_s, shot.end_s) for shot in shots
    ]
    assert [(row.frame, row.score) for row in rows if row.kind == "keyframe"] == [
        (frame.frame, frame.sharpness) for frame in keyframes
    ]
    assert [(row.frame, row.label, row.score) for row in rows if row.kind == "label"] == [
        (label.frame, label.label, label.score) for label in labels
    ]
    alone = list(ms.timeline(path, parts=("classify",), every=every, min_score=0, **models))
    assert [(row.frame, row.label, row.score) for row in alone] == [(one.frame, one.label, one.score) for one in labels]


def test_a_label_for_each_shot(clip: Path, models: dict[str, Path]):
    rows = list(ms.timeline(clip, parts=("classify",), every="shot", **models))
    assert [(row.kind, row.label, row.shot) for row in rows] == [("label", "red", 1), ("label", "blue", 2)]


def test_text_lies_where_it_is_read_and_lasts_until_the_next_look(tmp_path: Path):
    written = np.full((480, 640, 3), 255, np.uint8)
    cv2.putText(written, "Hello refugees", (60, 430), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
    empty = np.full_like(written, 255)
    path = make_video(tmp_path / "a.mp4", [empty] * 25 + [written] * 25, range(50), time_base=Fraction(1, 25))
    (row,) = ms.timeline(path, parts=("ocr",), every="1s", ocr_engine="rapidocr", threads=1)
    assert (row.kind, row.frame, row.start_s, row.end_s, row.error) == ("text", 25, 1.0, 1.96, "")
    assert row.text.lower().replace(" ", "") == "hellorefugees"
    assert row.score > 0.8
    assert 0.05 < row.left < 0.15
    assert 0.55 < row.top < 0.85 < row.bottom <= 1
    assert row.right < 1
    (alone,) = [text for text in ms.ocr(path, engine="rapidocr", level="line", every="1s", threads=1) if text.text]
    assert (alone.frame, alone.text, alone.confidence) == (row.frame, row.text, row.score)


def test_speech_is_that_of_transcribe_among_the_shots(test_data: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = beginning(test_data / "video" / "obama_speech.mp4", Path("speech.mp4"), 5)
    rows = list(ms.timeline(path, parts=("shots", "transcribe"), vtt="out"))
    spoken = [row for row in ms.transcribe(path) if row.text]
    assert [(row.start_s, row.end_s, row.text, row.score) for row in rows if row.kind == "speech"] == [
        (one.start_s, one.end_s, one.text, one.confidence) for one in spoken
    ]
    assert spoken
    assert [row.start_s for row in rows] == sorted(row.start_s for row in rows)
    assert all(row.shot for row in rows)
    (subtitles,) = Path("out").rglob("*.vtt")
    assert f"speech {spoken[0].text}" in subtitles.read_text()


def test_a_video_without_sound_says_so_and_keeps_its_shots(clip: Path):
    rows = list(ms.timeline(clip, parts=("shots", "transcribe")))
    assert [row.kind for row in rows if not row.error] == ["shot", "shot"]
    assert [row.error for row in rows if row.error] == ["unsupported: it has no sound track"]
    with pytest.raises(UsageError, match="pocketsphinx, whisper, onnx"):
        ms.timeline(clip, parts=("transcribe",), speech_engine="google")


def with_sound(film: Path, path: Path, spoiled: slice) -> Path:
    """The film with two seconds of a tone beside it, of whose packets some are overwritten."""
    with av.open(str(film)) as source, av.open(str(path), "w") as out:
        pictures, sound = out.add_stream_from_template(source.streams.video[0]), out.add_stream("aac", rate=16_000)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = pictures
                out.mux(packet)
        tone = (8000 * np.sin(np.arange(32_000) * 0.17)).astype(np.int16)
        samples = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        samples.sample_rate = 16_000
        out.mux([*sound.encode(samples), *sound.encode(None)])
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    for position, size in packets[spoiled]:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("spoiled", [slice(1, None, 3), slice(None)])
def test_sound_that_does_not_decode_is_an_error_as_it_is_of_transcribe(clip: Path, tmp_path: Path, spoiled: slice):
    path = with_sound(clip, tmp_path / "talk.mp4", spoiled)
    lost = [(row.time_s, row.error) for row in ms.transcribe(path) if row.error]
    assert len(lost) == 1
    rows = list(ms.timeline(path, parts=("shots", "transcribe")))
    assert [(row.time_s, row.error) for row in rows if row.error] == lost
    assert [(row.kind, row.start_s) for row in rows if not row.error] == [("shot", 0.0), ("shot", 2.0)]
    assert {row.kind for row in rows if row.error} == {"speech"}


def test_each_video_is_decoded_once(clip: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    """Counted where frames come out of the decoder."""
    from mediasift.media.video.video import Video

    counted = []
    decoded = Video._decoded

    def counting(self, *packets, **how):
        for frame in decoded(self, *packets, **how):
            counted.append(frame.number)
            yield frame

    monkeypatch.setattr(Video, "_decoded", counting)
    list(ms.timeline(clip, parts=SEEN, every="1s", **models))
    assert counted == list(range(125))


def test_webvtt_is_what_players_read(
    clip: Path, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """FFmpeg's own reader finds the cues, at the written times."""
    monkeypatch.chdir(tmp_path)
    list(ms.timeline("film.mp4", parts=("shots", "detect"), every="2s", vtt="out", **models))
    assert (
        (tmp_path / "out" / "film.mp4.vtt")
        .read_text()
        .startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nshot 1 (start)\n")
    )
    with av.open("out/film.mp4.vtt") as container:
        cues = [(float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p).decode())
                for p in container.demux() if p.size]  # fmt: skip
    assert cues == [
        (0.0, 2.0, "shot 1 (start)"), (0.0, 2.0, "object cat 0.90"), (2.0, 3.0, "shot 2 (cut)"),
        (2.0, 2.0, "object cat 0.90"), (4.0, 1.0, "object cat 0.90"),
    ]  # fmt: skip


def test_webvtt_has_no_markup_and_no_empty_cue():
    text = webvtt([(-1.0, -1.0, "a < b\n& --> c"), (3599.9996, 3600.0, "x")])
    assert text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.040\na &lt; b &amp; --&gt; c\n\n01:00:00.000 --> 01:00:00.040\nx\n"
    )


def test_every_video_ends_as_rows(test_data: Path):
    corrupted = test_data / "malformed" / "video" / "corrupted.mp4"
    rows = list(ms.timeline([corrupted, test_data / "detection" / "dog.jpg", "nowhere.mp4"]))
    assert [row.error.partition(":")[0] for row in rows] == ["", "", "damaged", "unsupported", "not-found"]


def test_settings_are_checked_before_the_first_file(clip: Path):
    with pytest.raises(UsageError, match=", ".join(PARTS)):
        ms.timeline(clip, parts=("smell",))
    with pytest.raises(UsageError, match="a timeline of nothing"):
        ms.timeline(clip, parts=())


def test_on_the_command_line(clip: Path, models: dict[str, Path], tmp_path: Path):
    asked = ["timeline", str(clip), "--with", "shots,classify", "--classify-model", str(models["classify_model"]),
             "--every", "iframe", "-o", str(tmp_path / "t.csv"), "--quiet"]  # fmt: skip
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"shot", "label"}


class Refusing(Started):
    """Labels frames in batches, and refuses those that hold a frame from the culprits; or every frame beforehand."""

    batch_size = 4

    def __init__(self, culprits: set[int], unprepared: set[int] | None = None) -> None:
        self.culprits, self.unprepared = culprits, unprepared or set()
        self.facts = {"model": "refusing"}

    def prepare(self, item):
        if item.frame in self.unprepared:
            raise Unsupported("not this one")
        return item.frame

    def infer(self, batch):
        if self.culprits & set(batch):
            raise InferenceFailed("cannot take it")
        return [[Classification(label=str(frame), score=1.0)] for frame in batch]


def test_a_refused_batch_and_a_broken_part_cost_their_own_rows_only(clip: Path):
    settings = Timeline(parts=("shots", "classify", "detect"), every="10f")
    parts = {"classify": StartedPart("label", Refusing({30})), "detect": StartedPart("object", Refusing(set(), {40}))}
    task = StartedTimeline(settings, parts)
    pipeline = Pipeline(task, row_type=Moment, reads="timeline", options=settings, jobs=2)
    finished: Any
    (finished,) = pipeline.run([Source(path="film", content=LocalFile(clip))])
    for kind, culprit, error in (
        ("label", 30, "inference: cannot take it"), ("object", 40, "unsupported: not this one"),
    ):  # fmt: skip
        rows = [row for row in finished.rows if row.kind == kind]
        assert [row.frame for row in rows] == list(range(0, 125, 10))
        assert {row.frame: row.error for row in rows if row.error} == {culprit: error}
        (failed,) = [row for row in rows if row.error]
        assert (failed.start_s, failed.end_s) == (culprit / 25, (culprit + 10) / 25)
    assert [row.start_s for row in finished.rows if row.kind == "shot"] == [0.0, 2.0]


def test_several_films_and_the_command_line_give_the_same(clip: Path, models: dict[str, Path], tmp_path: Path):
    """In another process, several films at a time, each with its own shots."""
    other = make_video(tmp_path / "b.mp4", [solid(BLUE, 64, 48)] * 60, range(60), time_base=Fraction(1, 25))
    one_by_one = [row for path in (clip, other) for row in ms.timeline(path, parts=SEEN, every="5f", **models)]
    assert list(ms.timeline([clip, other], parts=SEEN, every="5f", isolate=True, **models)) == one_by_one


def test_subtitles_of_a_timeline_count_from_the_beginning(test_data: Path, tmp_path: Path):
    source = test_data / "reports/av/wrap_speech.ts"  # its clock begins at -5.38 s
    moments = list(ms.timeline(source, parts=["shots", "transcribe"], vtt=tmp_path))
    assert min(moment.start_s for moment in moments) < -5
    (written,) = tmp_path.rglob("*.vtt")
    cues = [line for line in written.read_text().splitlines() if "-->" in line]
    assert len(cues) == len(moments)
    assert all(
        re.fullmatch(r"00:0\d\.\d{3} --> 00:0\d\.\d{3}|00:00:0\d\.\d{3} --> 00:00:0\d\.\d{3}", cue) for cue in cues
    )
    assert any(".1" in cue.split(" --> ")[0] and "01.7" in cue for cue in cues)  # the speech: 0.13 to 1.77 s
