"""Scenarios and stages with a real model, short; and what their parts must keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mediasift as ms
from mediasift.bench.child import ask
from mediasift.bench.scenarios import LIMITS, SCENARIOS, STAGES, TIMED, measure, summary, together
from mediasift.bench.subject import Setup, Subject, draw_pictures, find_pictures
from mediasift.errors import InputError
from tests.pictures import save, scene
from tests.tasks.test_segment import LOGITS, describe, network
from tests.tiny_models import mean_colour, write


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return draw_pictures(tmp_path_factory.mktemp("drawn"), count=5, width=60, height=40)[0]


@pytest.fixture(scope="module")
def subject(pictures: list[str]) -> Subject:
    return Subject(Setup(model="digits-lenet", batch_size=4, threads=1, jobs=1), pictures)


@pytest.mark.parametrize("name", TIMED)
def test_whatever_is_timed_has_positive_samples(subject: Subject, name: str):
    part = measure(subject, name, 0.1, least=5)
    result = summary([part])
    assert len(part["rounds_s"]) >= 5
    assert result["samples"] == sum(len(one) for one in result["rounds_s"])
    assert all(sample > 0 for one in result["rounds_s"] for sample in one)
    assert result["per_second"] > 0
    assert (result["latency_s"] is not None) == (name == "single")
    if name in {*SCENARIOS, *STAGES}:
        assert part["items"] % 5 == 0
    if name in LIMITS:
        assert result["per_second"] > 1e6  # multiply-adds or bytes, of any machine
    if name == "single":
        assert part["items"] == result["samples"]


def test_the_work_that_is_timed_is_that_of_the_commands(subject: Subject, pictures: list[str]):
    labels = [row.label for row in ms.classify(pictures, model="digits-lenet", threads=1)]
    ((work, count),) = STAGES["infer"](subject, 2)
    batches: Any = work()
    assert count == 10
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [row.label for batch in batches for (row,) in batch] == labels * 2
    singles: Any = [work() for work, _ in SCENARIOS["single"](subject, 1)]
    assert [single[0].rows[0].label for single in singles] == labels


def test_measurements_of_one_thing_become_one():
    first = {"items": 20, "seconds": 2.0, "cpu_s": 1.0, "peak_bytes": 5, "warm_up": {}, "rounds_s": [[0.1], [0.1]]}
    both = summary([first, {**first, "items": 30, "seconds": 3.0, "cpu_s": 3.0, "peak_bytes": 9, "rounds_s": [[0.1]]}])
    assert (both["per_second"], both["cpu_s_per_item"], both["cores_busy"]) == (10, 0.08, 0.8)
    assert (both["samples"], both["median_s"], both["peak_bytes"]) == (3, 0.1, 9)
    assert both["rounds_s"] == [[0.1], [0.1], [0.1]]


def test_broken_pictures_are_counted_and_left_out_of_stages(tmp_path: Path):
    good = save(tmp_path / "a.png", scene(8, 8))
    bad = tmp_path / "b.png"
    bad.write_bytes(good.read_bytes()[:60])
    model = str(write(tmp_path, mean_colour()))
    setup = Setup(model=model, threads=1, jobs=1)
    assert ask(setup, [str(good), str(bad)], ["single"], seconds=0.01)["errors"] == 1
    assert len(Subject(setup, [str(bad), str(good)]).held) == 1
    with pytest.raises(InputError, match="none of the pictures"):
        ask(setup, [str(bad)], ["read"], seconds=0.01)


def test_the_slowest_stage_is_the_bottleneck_and_times_add_up():
    alone = {"read": {"per_second": 25.0}, "prepare": {"per_second": 100.0}, "infer": {"per_second": 50.0}}
    both = together(alone, 7.0)
    assert both["possible_per_second"] == pytest.approx(1 / (0.04 + 0.01 + 0.02))
    assert both["share_of_possible"] == pytest.approx(7 * 0.07)
    assert both["bottleneck"] == "read"
    assert sum(both["share_of_time"].values()) == pytest.approx(1)


def test_drawn_pictures_are_always_the_same_and_cost_bytes_as_photographs_do(tmp_path: Path, test_data: Path):
    """Bits per pixel of the test photographs, saved in the same quality, lie within a factor of two."""
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw_pictures(tmp_path / name, count=2, width=500, height=375)
    first, second = ([path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("a", "b"))
    assert first == second
    bits = np.mean([len(data) for data in first]) * 8 / (500 * 375)
    photographs = []
    for photo in sorted((test_data / "imagenet-photos").glob("*.[jJ]*"))[:20]:
        with Image.open(photo) as picture:
            saved = tmp_path / "photo.jpg"
            picture.convert("RGB").save(saved, quality=90)
            photographs.append(saved.stat().st_size * 8 / (picture.width * picture.height))
    assert 0.5 < bits / np.median(photographs) < 2


def test_named_pictures_are_spread_over_all_and_other_files_left_out(tmp_path: Path):
    for number in range(10):
        save(tmp_path / f"{number}.png", scene(8, 8, seed=number))
    (tmp_path / "talk.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    (tmp_path / "empty.png").write_bytes(b"")
    files, facts = find_pictures([tmp_path], limit=4)
    assert [Path(file).name for file in files] == ["0.png", "3.png", "6.png", "9.png"]
    assert facts["available"] == 10
    with pytest.raises(InputError, match="no picture to measure with"):
        find_pictures([tmp_path / "talk.wav"], limit=4)


def test_a_model_that_segments_is_measured(tmp_path: Path, pictures: list[str]):
    model = describe(network(tmp_path), LOGITS)
    subject = Subject(Setup(model=str(model), threads=1, jobs=1), pictures)
    ((work, count),) = STAGES["infer"](subject, 1)
    batches: Any = work()
    labels = [row.label for row in ms.segment(pictures, model=model, threads=1)]
    assert count == 5
    assert [row.label for batch in batches for rows in batch for row in rows] == labels
