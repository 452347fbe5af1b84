"""Two results beside each other: ratios, verdicts, refusals, exit codes; and two models or installations in turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.bench.comparison import Comparison, compare_results, read_result
from mediasift.cli import main
from mediasift.errors import InputError, UsageError
from tests.pictures import save, scene

ROOT = Path(__file__).resolve().parents[2]


def measured(median: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rounds = [(median * rng.normal(1, 0.01, 50)).tolist() for _ in range(10)]
    return {"median_s": median, "peak_bytes": 100, "errors": 0, "rounds_s": rounds}


def result(*, single_s: float = 0.01, offline_s: float = 0.004, seed: int = 0) -> dict[str, Any]:
    """As `bench -o` writes it, as far as a comparison looks."""
    return {
        "schema": {"name": "mediasift.bench", "version": 3},
        "machine": {"id": "abc", "processor": "P", "cores": 2},
        "model": {"model": "m.onnx", "model_sha256": "00"},
        "settings": {"batch_size": 8},
        "versions": {"mediasift": "1"},
        "input": {"drawn": True, "pictures": 4, "mean_bytes": 10},
        "cold": {"median_s": 0.5, "rounds_s": [[0.5], [0.51], [0.49], [0.5], [0.505]]},
        "scenarios": {"single": measured(single_s, seed), "offline": measured(offline_s, seed + 1)},
    }


def verdicts(before: dict[str, Any], after: dict[str, Any], tolerance: float = 0.05) -> dict[str, str]:
    return {row.measure: row.verdict for row in compare_results(before, after, tolerance=tolerance).rows}


def test_a_faster_scenario_is_reported_with_its_ratio():
    comparison = compare_results(result(), result(single_s=0.005, seed=5), tolerance=0.05)
    assert [row.measure for row in comparison.rows] == ["cold", "single", "offline"]
    assert comparison.rows[1].speed.ratio == pytest.approx(2, rel=0.02)
    assert [row.verdict for row in comparison.rows] == ["same", "faster", "same"]
    assert comparison.verdict == "same"


def test_a_slower_scenario_is_slower_beyond_the_tolerance():
    before, after = result(), result(offline_s=0.0048, seed=5)
    assert compare_results(before, after, tolerance=0.05).verdict == "slower"
    assert compare_results(before, after, tolerance=0.25).verdict == "same"


def test_noise_and_too_few_rounds_are_undecided():
    before, after = result(), result()
    after["scenarios"]["offline"]["rounds_s"] = [[0.003], [0.0041], [0.009], [0.0042], [0.0045]]
    before["cold"]["rounds_s"], after["cold"]["rounds_s"] = [[0.5]] * 3, [[0.9]] * 3
    assert verdicts(before, after) == {"cold": "undecided", "single": "same", "offline": "undecided"}


def test_what_differs_is_listed():
    other = result()
    other["model"]["model_sha256"] = "11"
    other["settings"]["batch_size"] = 4
    other["scenarios"]["single"]["errors"] = 3
    comparison = compare_results(result(), other, tolerance=0.05)
    assert comparison.differences == (
        "model model_sha256: 00 → 11", "settings batch_size: 8 → 4", "single errors: 0 → 3"
    )  # fmt: skip


def test_other_pictures_and_nothing_in_common_are_refused():
    other = result()
    other["input"]["pictures"] = 5
    with pytest.raises(UsageError, match="different pictures"):
        compare_results(result(), other, tolerance=0.05)
    other = {**result(), "cold": None, "scenarios": {}}
    with pytest.raises(UsageError, match="no scenario in common"):
        compare_results(result(), other, tolerance=0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no result"), ("[1]", "no result"), ("{}", "no result"),
     ('{"schema": {"name": "mediasift.bench", "version": 1}}', "measure again")],
)  # fmt: skip
def test_files_that_are_not_results_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_result(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_result(tmp_path / "missing.json")


def command(folder: Path, before: dict[str, Any], after: dict[str, Any], *options: str) -> Result:
    (folder / "a.json").write_text(json.dumps(before))
    (folder / "b.json").write_text(json.dumps(after))
    words = ["bench", "compare", str(folder / "a.json"), str(folder / "b.json"), *options]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def test_exit_codes_of_the_command(tmp_path: Path):
    slower = result(offline_s=0.008, seed=5)
    assert command(tmp_path, result(), result(seed=7)).exit_code == 0
    assert command(tmp_path, result(), result(single_s=0.001)).exit_code == 0
    done = command(tmp_path, result(), slower)
    assert done.exit_code == 1
    assert "slower" in next(line for line in done.output.splitlines() if line.startswith("offline"))
    unsure = result()
    unsure["cold"]["rounds_s"] = [[0.3], [0.6], [0.4], [0.9], [0.5]]
    done = command(tmp_path, result(), unsure)
    assert done.exit_code == 7
    assert "undecided" in next(line for line in done.output.splitlines() if line.startswith("cold"))
    assert command(tmp_path, {**result(), "cold": unsure["cold"]}, slower).exit_code == 1  # slower comes first
    assert command(tmp_path, result(), slower, "--tolerance", "0.9").exit_code == 0
    slower["machine"] = {"id": "xyz", "processor": "Q", "cores": 64}
    done = command(tmp_path, result(), slower)
    assert done.exit_code == 2
    assert "P with 2 cores and Q with 64 cores" in done.output
    done = command(tmp_path, result(), slower, "--across-machines")
    assert done.exit_code == 1
    assert "machine cores: 2 → 64" in done.output
    assert command(tmp_path, {}, slower).exit_code == 3
    assert command(tmp_path, result(), result(), "photos").exit_code == 2


def test_models_and_installations_are_measured_in_turn(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A model here, and another one in the checkout that these tests are part of."""
    picture = save(tmp_path / "a.png", scene(8, 8))
    comparison: Comparison = ms.compare_bench("digits-lenet", f"PYTHON={ROOT}", picture, run=True, model="fashion-mlp",
                                              rounds=5, seconds=0.1, threads=1, jobs=1)  # fmt: skip
    assert [row.measure for row in comparison.rows] == ["cold", "single", "offline"]
    assert all(row.before_s > 0 and row.after_s > 0 for row in comparison.rows)
    assert comparison.verdict in ("slower", "undecided", "same", "faster")
    assert comparison.differences[0] == "model model: digits-lenet.onnx → fashion-mlp.onnx"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nonsense", "digits-lenet"], 4, "no model 'nonsense'"),
        ([f"PYTHON={ROOT}", "digits-lenet"], 2, "-m MODEL"),
        (["digits-lenet", "PYTHON=nowhere/python", "-m", "digits-lenet"], 5, "neither an interpreter nor a checkout"),
        (["digits-lenet", "digits-lenet", "--rounds", "2"], 2, "x>=5"),
    ],
)
def test_what_cannot_be_measured_in_turn_ends_at_once(words: list[str], code: int, message: str):
    done = CliRunner().invoke(main, ["bench", "compare", "--run", "--pictures", "1", *words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    assert message in done.output


def test_another_interpreter_without_mediasift_says_what_it_needs(tmp_path: Path):
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho 'No module named mediasift' >&2\nexit 1\n")
    interpreter.chmod(0o755)
    words = ["bench", "compare", "--run", "digits-lenet", f"PYTHON={interpreter}", "-m", "digits-lenet"]
    done = CliRunner().invoke(main, [*words, "--pictures", "1"], catch_exceptions=False)
    assert done.exit_code == 5
    assert "No module named mediasift; it needs a mediasift that measures by version 3" in done.output
