"""What is told of speed comes from the results, and misses are told too."""

from __future__ import annotations

import pytest

from benchmarks import report
from benchmarks.measure import goal

MACHINE = {"cpu": "a processor", "cores": 2, "memory_gib": 8.0, "python": "3.11"}
RATES = {
    "ours": {"median_per_second": 30.0, "rounds": [29.0, 30.0, 33.0]},
    "peer": {"median_per_second": 10.0, "rounds": [9.0, 10.0, 11.0]},
}


def page(**values: object) -> str:
    return report.report({"bench_memory": {"date": "2026-01-01", "machine": MACHINE, "what": "something", **values}})


def wanted(measured: float | None) -> dict[str, object]:
    return goal("our thing", "theirs", measured, at_least=2.0, aim_for=4.0, agreement="all equal", why="it is slow")


def test_the_generated_page_is_up_to_date():
    assert report.REPORT.read_text(encoding="utf-8") == report.report(report.load()), "python -m benchmarks.report"


def test_the_readmes_table_is_up_to_date():
    readme = report.README.read_text(encoding="utf-8")
    assert readme.count(report.BEGIN) == readme.count(report.END) == 1
    assert report.with_table(readme, report.speed_table(report.load())) == readme, "python -m benchmarks.report"


def test_every_result_has_a_section_with_its_date_and_script():
    text = report.REPORT.read_text(encoding="utf-8")
    for name, result in report.load().items():
        assert f"(results/{name}.json): {result['date']}" in text


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (1.99, "**missed**"),
        (2.0, "met"),
        (None, "**missed**: cannot run here"),
        (3.99, "met"),
        (4.0, "met, and the aim"),
    ],
)
def test_a_goal_is_met_or_missed_as_measured(measured: float | None, verdict: str):
    assert report.verdict(wanted(measured)) == verdict


def test_a_miss_is_told_with_its_reason_and_a_hit_without():
    assert "it is slow" in page(goals=[wanted(1.5)])
    assert "it is slow" in page(goals=[wanted(None)])
    assert "it is slow" not in page(goals=[wanted(2.5)])


def test_a_goal_stands_beside_the_agreement_of_outputs_in_the_readme():
    (row,) = report.speed_table({"bench_x": {"goals": [wanted(3.0)]}}).splitlines()[2:]
    assert row == "| our thing, against theirs | 3 | 2 | met | all equal | [result](benchmarks/results/bench_x.json) |"


def test_rates_become_a_line_each_with_spread_and_with_columns_from_beside_them():
    text = page(measured=RATES, ratio_to_peer={"ours": 3.0, "peer": 1.0})
    assert "|  | per second (median) | lowest to highest | ratio to peer |" in text
    assert "| ours | 30 | 29 to 33 | 3 |" in text


def test_growth_is_shown_as_a_power_of_the_count():
    text = page(hashes=[{"count": 100, "seconds": 1.0}, {"count": 10_000, "seconds": 1000.0}])
    assert "seconds: 100 times the count cost 1,000 times as much (N^1.50)" in text


def test_nested_results_keep_every_figure():
    text = page(video={"--every shot": {"cuts": 3, "speed": RATES}, "memory": {"shot": {"1 minute": 5.5}}})
    for figure in ("- cuts: 3", "| peer | 10 | 9 to 11 |", "| shot | 5.50 |", "video", "--every shot"):
        assert figure in text


def test_a_bar_in_a_cell_does_not_end_it():
    assert r"a \| b" in page(total={"a | b": 1})


def test_what_contestants_returned_is_listed_and_not_summed_up_as_a_range():
    text = page(part={"what": "frames", "measured": RATES, "returned": {"peer": [0, None, 7]}})
    assert "| peer | 10 | 9 to 11 | 0, None, 7 |" in text
    assert "Frames." in text
