"""Profiles: found again, only where they hold, and never above an option."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import mediasift as ms
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.errors import UsageError
from mediasift.run.job import Job
from mediasift.run.profile import find_profile, profile_path, save_profile, with_profile
from mediasift.sources.naming import Inputs
from mediasift.system import machine
from mediasift.tasks.classify import Classify
from mediasift.tasks.fingerprint import TakeFingerprints
from mediasift.tasks.info import Inform
from mediasift.tasks.task import Task
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write

SETTINGS = {"batch_size": 3, "threads": 1, "jobs": 2}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with a profile for the CPU."""
    monkeypatch.setenv("MEDIASIFT_PROFILES", str(tmp_path / "profiles"))
    path = write(tmp_path, mean_colour())
    save_profile(SETTINGS, model_sha256=sha256(path), device="cpu", origin={"per_second": 7.0})
    return path


def job(task: Task, **settings: int) -> Job:
    return Job(task=replace(task, **settings), inputs=Inputs(named=["x.png"]))


def chosen(job: Job) -> tuple[int | None, int | None, int | None]:
    return job.cost("batch_size"), job.cost("threads"), job.cost("jobs")


def test_a_job_without_settings_gets_all_of_them(model: Path):
    completed = with_profile(job(Classify(model=str(model))))
    assert chosen(completed) == (3, 1, 2)
    assert completed.profile == str(profile_path(sha256(model), "cpu"))


def test_each_option_wins_over_the_profile(model: Path):
    assert chosen(with_profile(job(Classify(model=str(model)), batch_size=9))) == (9, 1, 2)
    assert chosen(with_profile(job(Classify(model=str(model)), jobs=0))) == (3, 1, 0)
    assert chosen(with_profile(job(Classify(model=str(model)), threads=4))) == (3, 4, 2)
    all_of_them = with_profile(job(Classify(model=str(model)), batch_size=9, threads=4, jobs=0))
    assert (chosen(all_of_them), all_of_them.profile) == ((9, 4, 0), "")


def test_it_holds_for_no_other_model_device_or_machine(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = write(tmp_path, mean_colour(size=9, description=None), "other.onnx")
    assert find_profile(other, "cpu") is None
    assert find_profile(model, "openvino") is None
    assert find_profile(model, "cpu") is not None
    monkeypatch.setattr(machine, "available_cores", lambda: 1000)
    assert find_profile(model, "cpu") is None


def test_tasks_without_a_model_and_loaded_models_are_left_alone(model: Path):
    for task in (Inform(), TakeFingerprints(), Classify(model=ms.load_model(model))):
        assert with_profile(job(task)).profile == ""


def test_a_profile_never_names_a_device(model: Path):
    data = json.loads(profile_path(sha256(model), "cpu").read_text())
    assert set(data["settings"]) == {"batch_size", "threads", "jobs"}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 1, "settings": {}}'])
def test_a_broken_profile_is_told_with_what_to_do(model: Path, text: str):
    profile_path(sha256(model), "cpu").write_text(text)
    with pytest.raises(UsageError, match=r"delete it, or make it again.*--tune"):
        find_profile(model, "cpu")


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"threads": "2"}, {"jobs": -1}, {"jobs": True}])
def test_values_that_no_option_would_take_are_refused(model: Path, wrong: dict):
    path = profile_path(sha256(model), "cpu")
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "settings": {**SETTINGS, **wrong}}))
    with pytest.raises(UsageError, match="cannot be used"):
        find_profile(model, "cpu")


def test_classify_reads_it_and_the_manifest_names_it(model: Path, tmp_path: Path):
    for number in range(4):
        save(tmp_path / f"{number}.png", scene(8, 8, seed=number))
    pictures = [tmp_path / f"{number}.png" for number in range(4)]
    ms.classify(pictures, model=model).write(tmp_path / "with.csv")
    resources = json.loads((tmp_path / "with.csv.run.json").read_text())["resources"]
    assert {name: resources[name] for name in SETTINGS} == SETTINGS
    assert resources["profile"] == str(profile_path(sha256(model), "cpu"))
    ms.classify(pictures, model=model, batch_size=1, threads=1, jobs=1).write(tmp_path / "without.csv")
    assert json.loads((tmp_path / "without.csv.run.json").read_text())["resources"]["profile"] is None
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


def test_a_run_goes_on_after_a_profile_was_made(model: Path, tmp_path: Path):
    """What rows cost is no setting: a table that was finished without a profile is the same table with one."""
    picture = save(tmp_path / "a.png", scene(8, 8))
    profile = profile_path(sha256(model), "cpu")
    kept = profile.read_text()
    profile.unlink()
    ms.classify(picture, model=model).write(tmp_path / "out.csv")
    profile.write_text(kept)
    again = ms.classify(picture, model=model)
    again.write(tmp_path / "out.csv")
    assert again.left_alone
