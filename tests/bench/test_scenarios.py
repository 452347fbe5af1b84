"""Scenarios with a real model, short; and what their parts must keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediasift.bench.pictures import draw_pictures, find_pictures
from mediasift.bench.scenarios import SCENARIOS, measure
from mediasift.bench.service import poisson_arrivals, verdict
from mediasift.bench.stages import STAGES, measure_stages, together
from mediasift.bench.subject import Setup, Subject
from mediasift.bench.taking import Plan, warm_up
from mediasift.errors import InputError
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return list(draw_pictures(tmp_path_factory.mktemp("drawn"), count=5, width=60, height=40).files)


@pytest.fixture(scope="module")
def subject(pictures: list[str]) -> Subject:
    return Subject(Setup(model="digits-lenet", batch_size=4, threads=1, jobs=1), pictures)


PLAN = Plan(seconds=0.3, qps=100, target_s=5.0)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_measures_what_the_command_would_answer(subject: Subject, pictures: list[str], scenario: str):
    import mediasift as ms

    found = measure(subject, scenario, PLAN)
    rows = ms.classify(pictures, model="digits-lenet", threads=1)
    assert found["answers"] == [[row.label] for row in rows]
    assert found["errors"] == 0
    assert found["items"] >= 5
    assert found["samples"] == sum(len(part) for part in found["rounds_s"])
    assert all(sample > 0 for part in found["rounds_s"] for sample in part)
    assert found["per_second"] > 0
    assert found["cpu_s_per_item"] > 0
    assert (found["latency_s"] is None) == (scenario == "offline")
    assert found["batch_size"] == (1 if scenario == "single" else 4)


def test_one_at_a_time_is_one_after_the_other(subject: Subject):
    found = measure(subject, "single", PLAN)
    assert found["items"] == found["samples"]


def test_a_service_answers_everything_it_was_asked(subject: Subject):
    found = measure(subject, "server", PLAN)
    assert (found["items"], found["unanswered"]) == (30, 0)
    assert found["within_target"]["share"] == 1
    assert found["target_met"] == "undecided"  # 30 answers cannot tell of 99 %


def test_a_service_that_is_asked_too_much_falls_behind_and_says_so(subject: Subject):
    """200,000 a second: latencies grow with every question, because they run from when it was due."""
    found = measure(subject, "server", Plan(seconds=0.01, qps=200_000, target_s=1e-6))
    latencies = np.concatenate([part for part in found["rounds_s"] if part])
    first, last = latencies[:200], latencies[-200:]
    assert np.median(last) > 2 * np.median(first)
    assert found["mean_batch"] > 1
    assert found["target_met"] == "no"


def test_broken_pictures_are_counted(tmp_path: Path):
    good = save(tmp_path / "a.png", scene(8, 8))
    bad = tmp_path / "b.png"
    bad.write_bytes(good.read_bytes()[:60])
    write(tmp_path, mean_colour())
    subject = Subject(Setup(model=str(tmp_path / "tiny.onnx"), threads=1, jobs=1), [str(good), str(bad)])
    for scenario in SCENARIOS:
        assert measure(subject, scenario, PLAN)["errors"] > 0, scenario
    with pytest.raises(InputError, match="none of the pictures"):
        Subject(Setup(model=str(tmp_path / "tiny.onnx"), threads=1, jobs=1), [str(bad)]).one_prepared()


def test_arrivals_are_a_poisson_process():
    """Times between two are exponential: mean and standard deviation are both 1 / rate."""
    arrivals = poisson_arrivals(50, 400, seed=1)
    assert len(arrivals) == 20_000
    gaps = np.diff(arrivals)
    assert gaps.min() >= 0
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.03)
    counts = np.histogram(arrivals, bins=np.arange(0, 390))[0]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.3)  # as of a Poisson distribution


def test_arrivals_follow_their_seed():
    assert poisson_arrivals(10, 3, seed=5).tolist() == poisson_arrivals(10, 3, seed=5).tolist()
    assert poisson_arrivals(10, 3, seed=5).tolist() != poisson_arrivals(10, 3, seed=6).tolist()


def test_a_verdict_needs_enough_answers():
    good = np.full(1000, 0.01)
    assert verdict(good, 0.02)["target_met"] == "yes"
    assert verdict(good[:100], 0.02)["target_met"] == "undecided"
    late = np.where(np.arange(1000) % 20 == 0, 1.0, 0.01)
    assert verdict(late, 0.02)["target_met"] == "no"
    never = np.where(np.arange(1000) % 2 == 0, np.inf, 0.01)
    assert verdict(never, 0.02)["within_target"]["share"] == 0.5


def test_warming_up_ends_when_it_is_steady_or_at_its_limit():
    times = iter([5.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    found = warm_up(lambda: next(times), limit_s=10)
    assert (found["rounds"], found["steady"]) == (5, True)
    growing = iter(range(1, 1000))
    found = warm_up(lambda: float(next(growing)) ** 2, limit_s=0.0)
    assert (found["rounds"], found["steady"]) == (5, False)


def test_every_stage_is_measured_alone_and_the_slowest_is_the_bottleneck(subject: Subject):
    found = measure_stages(subject, 0.2)
    assert list(found["alone"]) == list(STAGES)
    assert found["pictures"] == 5
    assert all(stage["per_second"] > 0 for stage in found["alone"].values())
    alone = {"read": {"per_second": 100.0}, "decode": {"per_second": 25.0}, "infer": {"per_second": 50.0}}
    both = together(alone, 7.0)
    assert both["possible_per_second"] == pytest.approx(1 / (0.01 + 0.04 + 0.02))
    assert both["share_of_possible"] == pytest.approx(7 * 0.07)
    assert both["bottleneck"] == "decode"
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
    photos = sorted((test_data / "imagenet-photos").glob("*.[jJ]*"))[:20]
    found = []
    for photo in photos:
        with Image.open(photo) as picture:
            saved = tmp_path / "photo.jpg"
            picture.convert("RGB").save(saved, quality=90)
            found.append(saved.stat().st_size * 8 / (picture.width * picture.height))
    assert 0.5 < bits / np.median(found) < 2


def test_named_pictures_are_spread_over_all_and_other_files_left_out(tmp_path: Path):
    for number in range(10):
        save(tmp_path / f"{number}.png", scene(8, 8, seed=number))
    (tmp_path / "talk.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    (tmp_path / "empty.png").write_bytes(b"")
    found = find_pictures([tmp_path], limit=4)
    assert [Path(file).name for file in found.files] == ["0.png", "3.png", "6.png", "9.png"]
    assert found.facts["found"] == 10
    with pytest.raises(InputError, match="no picture to measure with"):
        find_pictures([tmp_path / "talk.wav"], limit=4)
