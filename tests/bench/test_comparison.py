"""Two results beside each other: ratios, verdicts, refusals."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mediasift.bench.comparison import Comparison, compare, read_result, verdict
from mediasift.bench.statistics import Ratio
from mediasift.cli import main
from mediasift.errors import InputError, UsageError


def rounds(median: float, seed: int) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [(median * rng.normal(1, 0.01, 50)).tolist() for _ in range(10)]


def result(*, single_s: float = 0.01, offline_s: float = 0.004, seed: int = 0) -> dict[str, Any]:
    """As `bench -o` writes it, as far as a comparison looks."""
    return {
        "schema": {"name": "mediasift.bench", "version": 1},
        "machine": {"id": "abc", "processor": "P", "cores": 2},
        "model": {"model": "m.onnx", "model_sha256": "00"},
        "settings": {"batch_size": 8},
        "versions": {"mediasift": "1"},
        "input": {"drawn": True, "pictures": 4, "mean_bytes": 10},
        "cold": {"command_s": 0.5, "rounds_s": [[0.5], [0.51], [0.49], [0.5], [0.505]]},
        "scenarios": {
            "single": {"median_s": single_s, "peak_bytes": 100, "rounds_s": rounds(single_s, seed)},
            "offline": {"median_s": offline_s, "peak_bytes": 100, "rounds_s": rounds(offline_s, seed + 1)},
        },
    }


def both(before: dict[str, Any], after: dict[str, Any], **options: Any) -> Comparison:
    return compare(before, after, **{"across_machines": False, "tolerance": 0.05, "seed": 0, **options})


def test_a_faster_scenario_is_told_with_its_ratio():
    found = both(result(), result(single_s=0.005, seed=5))
    rows = {row.measure: row for row in found.rows}
    assert list(rows) == ["cold", "single", "offline"]
    assert rows["single"].speed.ratio == pytest.approx(2, rel=0.02)
    assert [rows[name].verdict for name in rows] == ["same", "faster", "same"]
    assert not found.is_regression


def test_a_slower_scenario_is_a_regression_beyond_the_tolerance():
    before, after = result(), result(offline_s=0.0048, seed=5)
    assert both(before, after).is_regression
    assert not both(before, after, tolerance=0.25).is_regression


def test_noise_is_no_regression():
    before, after = result(), result()
    after["scenarios"]["offline"]["rounds_s"] = [[0.003], [0.0041], [0.009], [0.0042], [0.0045]]
    assert not both(before, after).is_regression


def test_three_rounds_decide_nothing():
    before, after = result(), result()
    before["cold"]["rounds_s"], after["cold"]["rounds_s"] = [[0.5]] * 3, [[0.9]] * 3
    found = both(before, after)
    assert found.rows[0].verdict == "undecided"
    assert not found.is_regression


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.8, 0.94, "slower"), (0.8, 0.96, "same"), (1.0, 1.2, "same"), (1.06, 1.2, "faster"), (0.9, 1.2, "same")],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, expected: str):
    assert verdict(Ratio(ratio=(low + high) / 2, low=low, high=high), 0.05) == expected


def test_unanswered_questions_make_a_service_slower():
    before, after = result(), result()
    for one, missing in ((before, 0), (after, 40)):
        one["scenarios"]["server"] = {"median_s": 0.01, "qps": 5.0, "rounds_s": [
            [0.01] * (50 - missing) + [None] * missing for _ in range(10)
        ]}  # fmt: skip
    assert {row.measure: row.verdict for row in both(before, after).rows}["server"] == "slower"
    after["scenarios"]["server"]["qps"] = 6.0
    assert "server" not in {row.measure for row in both(before, after).rows}


def test_different_machines_are_refused_unless_told_otherwise():
    other = result()
    other["machine"] = {"id": "xyz", "processor": "Q", "cores": 64}
    with pytest.raises(
        UsageError, match=r"different machines \(P with 2 cores and Q with 64 cores\).*--across-machines"
    ):
        both(result(), other)
    found = both(result(), other, across_machines=True)
    assert "machine cores: 2 → 64" in found.differences


def test_different_pictures_are_refused():
    other = result()
    other["input"] = {**other["input"], "pictures": 5}
    with pytest.raises(UsageError, match="different pictures"):
        both(result(), other)


def test_what_differs_is_told():
    other = copy.deepcopy(result())
    other["model"]["model_sha256"] = "11"
    other["settings"]["batch_size"] = 4
    assert both(result(), other).differences == ("model model_sha256: 00 → 11", "settings batch_size: 8 → 4")


def test_nothing_in_common_is_refused():
    other = result()
    other["cold"], other["scenarios"] = None, {}
    with pytest.raises(UsageError, match="no scenario in common"):
        both(result(), other)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no result"), ("[1]", "no result"), ("{}", "no result"), ('{"schema": {"version": 99}}', "measure again")],
)
def test_files_that_are_no_results_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_result(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_result(tmp_path / "missing.json")


def command(folder: Path, before: dict[str, Any], after: dict[str, Any], *options: str) -> Result:
    (folder / "a.json").write_text(json.dumps(before))
    (folder / "b.json").write_text(json.dumps(after))
    return CliRunner().invoke(
        main, ["bench", "compare", str(folder / "a.json"), str(folder / "b.json"), *options], catch_exceptions=False
    )


def test_exit_codes_of_the_command(tmp_path: Path):
    slower = result(offline_s=0.008, seed=5)
    assert command(tmp_path, result(), result(seed=7)).exit_code == 0
    done = command(tmp_path, result(), slower)
    assert done.exit_code == 1
    assert "offline" in done.output
    assert "slower" in done.output
    assert command(tmp_path, result(), slower, "--tolerance", "0.9").exit_code == 0
    slower["machine"]["id"] = "other"
    assert command(tmp_path, result(), slower).exit_code == 2
    assert command(tmp_path, result(), slower, "--across-machines").exit_code == 1
    assert command(tmp_path, {}, slower).exit_code == 3
