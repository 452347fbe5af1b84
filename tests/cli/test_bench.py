"""`mediasift bench` from end to end: real runs, short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.bench.measurement import SCHEMA
from mediasift.cli import main
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write

SHORT = ("--seconds", "0.1", "--pictures", "4", "--size", "60x40", "--threads", "1", "--jobs", "1")


@pytest.fixture(autouse=True)
def _profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_PROFILES", str(tmp_path / "profiles"))


def bench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, words)], catch_exceptions=False)


def test_all_of_it(tmp_path: Path, package):
    package("matplotlib", "evaluate")
    done = bench("-m", "fashion-mlp", *SHORT, "--qps", "50", "--latency-target", "1000", "--cold", "1",
                 "--sweep", "batch=1,4", "-o", tmp_path / "a.json", "--plot", tmp_path / "a.svg")  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["schema"] == SCHEMA
    assert list(result["scenarios"]) == ["single", "offline", "server"]
    assert result["model"]["provider"] == "CPUExecutionProvider"
    assert len(result["model"]["model_sha256"]) == 64
    assert result["cold"]["command_s"] > 0
    assert [row["batch_size"] for row in result["sweep"]["rows"]] == [1, 4]
    assert all(row["agreement"] == 1 for row in result["sweep"]["rows"])
    assert result["limits"]["model"]["multiply_adds_per_picture"] == 266_200
    assert result["advice"]["bottleneck"] in result["stages"]["alone"]
    for told in ("single", "offline", "server", "cold start", "bottleneck", "multiply-adds", "agreement"):
        assert told in done.stdout
    assert "measuring: scenario offline" in done.stderr
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    again = bench("compare", tmp_path / "a.json", tmp_path / "a.json")
    assert again.exit_code == 0, again.output
    assert again.stdout.count("1.000 x") == 4


@pytest.mark.parametrize("model", ["digits-lenet", "digits-forest"])
def test_own_pictures_and_no_more_than_asked_for(tmp_path: Path, model: str):
    for number in range(6):
        save(tmp_path / f"{number}.png", scene(28, 28, seed=number))
    done = bench(tmp_path, "-m", model, *SHORT, "--scenario", "offline", "--cold", "0", "--no-explain", "--quiet",
                 "-o", tmp_path / "out.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["input"]["found"] == 6
    assert result["input"]["pictures"] == 4
    assert (result["cold"], result["stages"], result["limits"], result["sweep"]) == (None, None, None, None)
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


def test_tuning_alone_goes_through_one_setting_after_the_other(tmp_path: Path):
    save(tmp_path / "a.png", scene(8, 8))
    result = ms.bench(write(tmp_path, mean_colour()), tmp_path / "a.png", scenarios=[], seconds=0.02, cold=0,
                      explain=False, tune=True)  # fmt: skip
    over, rows = result["sweep"]["over"], result["sweep"]["rows"]
    assert len(rows) == sum(len(values) for values in over.values())
    last = rows[-1]
    assert result["profile"]["threads"] <= max(over["threads"])
    assert last["batch_size"] in over["batch"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-m", "nonsense"], 4, "no model 'nonsense'"),
        (["-m", "fashion-mlp", "nowhere.png"], 3, "no picture to measure with"),
        (["-m", "fashion-mlp", "--scenario", "server"], 2, "--qps"),
        (["-m", "fashion-mlp", "--size", "5"], 2, "WIDTHxHEIGHT"),
        (["-m", "fashion-mlp", "--sweep", "colour"], 2, "one can sweep over"),
        (["-m", "fashion-mlp", "-o", "no/folder/a.json"], 6, "make it first"),
        (["-m", "fashion-mlp", "--plot", "a.gif"], 2, "plots are"),
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


def test_a_row_that_cannot_run_is_told_and_the_others_go_on(tmp_path: Path):
    """A device that is not here is one row of the table; that of the order itself stops the command."""
    from mediasift.engines.onnx.providers import DEVICES, provider_is_here

    absent = next(name for name in DEVICES if not provider_is_here(name))
    save(tmp_path / "a.png", scene(8, 8))
    model = write(tmp_path, mean_colour())
    result = ms.bench(model, tmp_path / "a.png", scenarios=[], seconds=0.02, cold=0, explain=False,
                      sweep={"device": ["cpu", absent]})  # fmt: skip
    here, missing = result["sweep"]["rows"]
    assert here["per_second"] > 0
    assert "not installed" in missing["error"]
    done = bench(tmp_path / "a.png", "-m", model, "--device", absent, *SHORT)
    assert done.exit_code == 4


def test_help_of_both_forms():
    assert "--qps" in bench("--help").stdout
    assert "--across-machines" in bench("compare", "--help").stdout
