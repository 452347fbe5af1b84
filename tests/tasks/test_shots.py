from __future__ import annotations

import csv
import statistics
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.media.video.shots import Shot as MediaShot
from mediasift.tasks.shots import summarised
from tests.pictures import scene
from tests.videos import make_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three shots of 1, 2 and 3 s at 20 frames a second; the second is darker, the third begins after a fade."""
    up, down = np.linspace(0, 1, 10), np.linspace(1, 0, 10)
    bright = [*([1.0] * 20), *([0.5] * 24), *(0.5 * down), *([0.0] * 6), *up, *([1.0] * 50)]
    seeds = [1] * 20 + [2] * 37 + [3] * 63
    scenes = {seed: scene(96, 64, seed) for seed in (1, 2, 3)}
    for seed in (2, 3):  # grey: in colours, the hue of nearly black pixels is noise
        scenes[seed] = np.repeat(scenes[seed][:, :, :1], 3, axis=2)
    frames = [(scenes[seed] * share).astype(np.uint8) for seed, share in zip(seeds, bright, strict=True)]
    return make_video(tmp_path / "film.mp4", frames, range(120), time_base=Fraction(1, 20), rate=20)


def test_shots_with_their_borders_and_measures(clip: Path):
    rows = list(ms.shots(clip))
    assert [row.begins for row in rows] == ["start", "cut", "fade"]
    assert [row.frame for row in rows][:2] == [0, 20]
    assert 54 <= rows[2].frame <= 61
    assert (rows[0].start_s, rows[0].end_s, rows[0].length_s, rows[0].frames) == (0.0, 1.0, 1.0, 20)
    assert rows[2].end_s == 6.0
    assert [row.shot for row in rows] == [1, 2, 3]
    assert rows[1].brightness < rows[0].brightness / 1.5
    assert rows[0].motion < 0.005 < rows[2].motion
    assert [row.begins for row in ms.shots(clip, fades=False)] == ["start", "cut"]


def test_the_summary_follows_from_the_shots(clip: Path):
    rows, (summary,) = list(ms.shots(clip)), list(ms.shot_summary(clip))
    lengths = [row.length_s for row in rows]
    assert (summary.duration_s, summary.shots) == (6.0, 3)
    assert summary.cuts_per_minute == pytest.approx(20)
    assert summary.mean_shot_s == pytest.approx(2)
    assert summary.median_shot_s == pytest.approx(statistics.median(lengths))
    assert (summary.shortest_shot_s, summary.longest_shot_s) == (min(lengths), max(lengths))
    weighted = sum(row.brightness * row.frames for row in rows) / 120
    assert summary.brightness == pytest.approx(weighted, abs=1e-3)


def test_a_video_of_one_frame_has_no_rate_of_cuts():
    shot = MediaShot(
        number=1, first=0, frames=1, begins="start", start_s=2.0, end_s=2.0, brightness=0.5, colourfulness=1, motion=0
    )
    summary = summarised([shot])
    assert (summary.duration_s, summary.cuts_per_minute, summary.mean_shot_s) == (0.0, 0.0, 0.0)


def test_every_video_ends_as_rows(clip: Path, test_data: Path, tmp_path: Path):
    output = tmp_path / "shots.csv"
    corrupted = test_data / "malformed" / "video" / "corrupted.mp4"
    ms.shots([clip, corrupted, test_data / "detection" / "dog.jpg", "nowhere.mkv"]).write(output)
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    errors = [row["error"].partition(":")[0] for row in rows]
    assert errors == ["", "", "", "", "damaged", "unsupported", "not-found"]
    (row, note) = ms.shot_summary(corrupted)
    assert row.shots == 1
    assert "2 of 50 frames" in note.error


def test_a_clip_without_any_frame_is_an_error(test_data: Path):
    (row,) = ms.shots(test_data / "malformed" / "video" / "mp4parse" / "test_case_1185230.mp4")
    assert row.error.startswith("damaged: 3 of 3 frames do not decode")


def test_on_the_command_line_a_row_per_shot_or_per_video(clip: Path):
    shots, summary = (
        list(csv.DictReader(CliRunner().invoke(main, ["shots", str(clip), *options]).stdout.splitlines()))
        for options in ([], ["--summary"])
    )
    assert [row["start_s"] for row in shots] == [str(row.start_s) for row in ms.shots(clip)]
    assert [(row["shots"], row["duration_s"]) for row in summary] == [("3", "6.0")]
    assert "shots" not in shots[0]
