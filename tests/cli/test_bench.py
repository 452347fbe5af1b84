"""`mediasift bench` from end to end: real runs, short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.bench import SCHEMA
from mediasift.bench.sweep import SWEPT
from mediasift.cli import main
from mediasift.engines.onnx.providers import DEVICES, provider_is_here
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write

SHORT = ("--seconds", "0.1", "--pictures", "4", "--size", "60x40", "--threads", "1", "--jobs", "1")


@pytest.fixture(autouse=True)
def _profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_PROFILES", str(tmp_path / "profiles"))


def bench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, words)], catch_exceptions=False)


def test_all_of_it(tmp_path: Path):
    done = bench("-m", "fashion-mlp", *SHORT, "--cold", "1", "--sweep", "batch=1,4", "-o", tmp_path / "a.json")
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["schema"] == SCHEMA
    assert list(result["scenarios"]) == ["single", "offline"]
    assert [one["batch_size"] for one in result["scenarios"].values()] == [1, 64]
    assert result["machine"]["instruction_sets"]
    assert result["model"]["provider"] == "CPUExecutionProvider"
    assert len(result["model"]["model_sha256"]) == 64
    parts = ("interpreter_s", "import_s", "load_s", "answer_s")
    assert sum(result["cold"][name] for name in parts) == pytest.approx(result["cold"]["median_s"])
    assert [row["batch_size"] for row in result["sweep"]] == [1, 4]
    assert result["limits"]["memory_bytes_per_second"] > 0
    assert result["stages"]["bottleneck"] in result["stages"]["alone"]
    for word in ("single", "offline", "cold start", "bottleneck", "multiply-adds", "per s"):
        assert word in done.stdout
    assert "measuring: scenario offline" in done.stderr
    again = bench("compare", tmp_path / "a.json", tmp_path / "a.json")
    assert again.exit_code in (0, 7), again.output
    assert again.stdout.count("1.000 x") == 3


@pytest.mark.parametrize("model", ["digits-lenet", "digits-forest"])
def test_own_pictures_and_no_more_than_asked_for(tmp_path: Path, model: str):
    for number in range(6):
        save(tmp_path / f"{number}.png", scene(28, 28, seed=number))
    done = bench(tmp_path, "-m", model, *SHORT, "--scenario", "offline", "--cold", "0", "--no-explain", "--quiet",
                 "-o", tmp_path / "out.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["input"]["available"] == 6
    assert result["input"]["pictures"] == 4
    assert (result["cold"], result["stages"], result["limits"], result["sweep"]) == (None, None, None, [])
    assert list(result["scenarios"]) == ["offline"]


def test_the_best_row_becomes_a_profile_that_classify_reads(tmp_path: Path):
    picture = save(tmp_path / "a.png", scene(8, 8))
    model = write(tmp_path, mean_colour())
    done = bench(picture, "-m", model, *SHORT, "--scenario", "offline", "--cold", "0", "--no-explain", "--sweep",
                 "batch=2,3", "--tune", "-o", tmp_path / "out.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "out.json").read_text())
    profile = Path(result["profile"]["path"])
    assert profile.parent == tmp_path / "profiles"
    assert str(profile) in done.stdout
    settings = json.loads(profile.read_text())["settings"]
    assert settings["batch_size"] in (2, 3)
    command = CliRunner().invoke(
        main, ["classify", str(picture), "-m", str(model), "-o", str(tmp_path / "t.csv"), "--quiet"]
    )
    assert command.exit_code == 0, command.output
    resources = json.loads((tmp_path / "t.csv.run.json").read_text())["resources"]
    assert resources["profile"] == str(profile)
    assert {name: resources[name] for name in settings} == settings
    later = ms.bench(model, picture, scenarios=["single"], seconds=0.05, cold=0, explain=False)
    assert later["settings"]["profile"] == str(profile)


def test_tuning_alone_goes_through_one_setting_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SWEPT, "batch", lambda: [1, 2])
    save(tmp_path / "a.png", scene(8, 8))
    result = ms.bench(write(tmp_path, mean_colour()), tmp_path / "a.png", scenarios=[], seconds=0.02, cold=0,
                      explain=False, tune=True)  # fmt: skip
    tried = {name: values() for name, values in SWEPT.items()}
    assert len(result["sweep"]) == sum(map(len, tried.values()))
    assert result["profile"]["threads"] in tried["threads"]
    assert result["sweep"][-1]["batch_size"] in tried["batch"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-m", "nonsense"], 4, "no model 'nonsense'"),
        (["-m", "fashion-mlp", "nowhere.png"], 3, "no picture to measure with"),
        (["-m", "fashion-mlp", "--scenario", "server"], 2, "'single', 'offline'"),
        (["-m", "fashion-mlp", "--size", "5"], 2, "WIDTHxHEIGHT"),
        (["-m", "fashion-mlp", "--sweep", "colour"], 2, "to sweep over are"),
        (["-m", "fashion-mlp", "-o", "no/folder/a.json"], 6, "make it first"),
        (["-m", "fashion-mlp", "--seconds", "0"], 2, "x>0"),
        (["-m", "resnet50-v1-12"], 4, "models pull"),
        ([], 2, "--model"),
    ],
)
def test_mistakes_end_at_once_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    done = bench(*words)
    assert done.exit_code == code, done.output
    assert message in done.output


def test_a_device_that_is_not_here_stops_the_command(tmp_path: Path):
    absent = next(name for name in DEVICES if not provider_is_here(name))
    done = bench(save(tmp_path / "a.png", scene(8, 8)), "-m", "digits-lenet", "--device", absent, *SHORT)
    assert done.exit_code == 4
    assert "not installed" in done.output


def test_help_of_both_forms():
    assert "--sweep" in bench("--help").stdout
    shown = " ".join(bench("compare", "--help").stdout.split())
    assert "--across-machines" in shown
    assert "7 undecided" in shown
