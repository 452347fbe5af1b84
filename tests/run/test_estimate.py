from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import mediasift as ms
from mediasift.errors import UsageError
from mediasift.run import estimate
from mediasift.run.estimate import sampled
from mediasift.run.forecast import student, time_of, total
from mediasift.run.ledger import prices
from mediasift.run.stream import job_of
from mediasift.sources.naming import Source
from mediasift.tasks.tag import Tagging
from tests.pictures import save, scene
from tests.web_server import serving


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """60 scans of one to five pages, and 40 pictures."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(60):
        first, *more = [Image.fromarray(scene(40, 30, seed=page)) for page in range(1 + number * 7 % 5)]
        first.save(folder / f"{number:02}.tif", save_all=True, append_images=more)
    for number in range(40):
        save(folder / f"{number:02}.png", scene(20 + number, 30, seed=number))
    return folder


def measures(table) -> dict[str, tuple[float | None, float | None, float | None]]:
    return {row.measure: (row.low, row.value, row.high) for row in table}


@pytest.mark.parametrize("degrees", [4, 5, 8, 19, 100, 1999])
def test_the_quantile_is_scipys(degrees: int):
    assert student(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), abs=0.003)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_of_all_inputs_the_sum_is_exact(numbers: list[int]):
    assert total(numbers, len(numbers)) == (sum(numbers),) * 3


@given(st.lists(st.integers(0, 1000), min_size=5, max_size=40), st.integers(1, 10_000))
def test_an_interval_holds_its_value_and_no_less_than_was_seen(numbers: list[int], more: int):
    value, low, high = total(numbers, len(numbers) + more)
    assert low is not None
    assert high is not None
    assert sum(numbers) <= low + 1e-6
    assert low <= value + 1e-6
    assert value <= high + 1e-6


def test_nineteen_of_twenty_intervals_hold_the_truth():
    """Of a lopsided population, as pages and seconds are; 0.95 less what so many samples may miss by chance."""
    chance = np.random.default_rng(1)
    population = chance.gamma(2, 3, 5000)
    held = rates = 0
    for _ in range(400):
        drawn = chance.choice(population, 200, replace=False)
        _, low, high = total(drawn.tolist(), len(population))
        held += low <= population.sum() <= high
        _, low, high = time_of(np.cumsum(drawn).tolist(), 0.0, len(population))
        rates += low <= population.sum() <= high
    assert min(held, rates) >= 0.91 * 400


def test_inputs_that_are_done_in_one_moment_are_one_block():
    alike = [float(1 + number // 10) for number in range(100)]
    assert time_of(alike, 0.0, 1000) == (100.0, 100.0, 100.0)
    assert time_of([5.0] * 100, 0.0, 1000) == (50.0, None, None)  # nothing to compare


def test_a_sample_of_a_listing_is_random_and_as_large_as_there_is_room():
    names = [Source(path=str(number)) for number in range(1000)]
    count, chosen = sampled(names, 50)
    assert (count, len({one.path for one in chosen})) == (1000, 50)
    assert [one.path for one in chosen] == [one.path for one in sampled(names, 50)[1]]
    assert abs(np.mean([int(one.path) for one in chosen]) - 499.5) < 150  # 3.7 standard errors
    assert sampled(names, 2000)[0] == len(sampled(names, 2000)[1]) == 1000


def test_the_intervals_hold_rows_and_bytes_of_the_run(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(estimate, "MOST", 36)
    out = tmp_path / "out.csv"
    table = ms.classify(scans)
    table.write(out)
    true = {"rows": table.summary.rows, "table": out.stat().st_size}
    held = []
    for seed in range(5):
        monkeypatch.setattr(estimate, "SEED", seed)
        estimated = measures(ms.classify(scans, estimate=4))
        held += [estimated[name][0] <= one <= estimated[name][2] for name, one in true.items()]
        assert estimated["inputs"][1] == 100
        assert estimated["time on 4 machines"][1] == pytest.approx(estimated["time here"][1] / 4, rel=1e-3)
    assert sum(held) >= 8  # of 10


def test_nothing_is_written_and_files_are_measured(scans: Path, tmp_path: Path):
    command = [sys.executable, "-P", "-m", "mediasift", "convert", "scans", "--to", "png", "-d", "out", "-o", "t.csv"]
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run([*command, "--estimate", "1", "--quiet"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before
    subprocess.run([*command, "--quiet"], cwd=tmp_path, check=True)
    numbers = {line.split(",")[0]: line.split(",")[1:4] for line in done.stdout.splitlines()[1:]}
    written = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file())
    size = (tmp_path / "t.csv").stat().st_size
    header = len((tmp_path / "t.csv").read_bytes().split(b"\n")[0]) + 1
    assert [float(one) for one in numbers["files"]] == pytest.approx([written] * 3, rel=1e-3)
    assert [float(one) for one in numbers["table"]] == pytest.approx([size - header] * 3, rel=1e-3)


@pytest.mark.parametrize("isolate", [False, True])
def test_requests_and_bytes_of_addresses(tmp_path: Path, isolate: bool):
    file = save(tmp_path / "a.png", scene(300, 200))
    with serving({f"/{number}.png": file.read_bytes() for number in range(8)}) as site:
        named = [f"{site.url}/{number}.png" for number in range(8)]
        estimated = measures(ms.convert(named, to="png", directory=tmp_path / "out", allow_private=True, estimate=1,
                                    isolate=isolate))  # fmt: skip
        asked = len(site.requests)
    assert not (tmp_path / "out").exists()
    assert estimated["requests"] == (asked,) * 3
    assert estimated["fetched"][1] == pytest.approx(8 * file.stat().st_size, rel=1e-3)


def test_money_is_that_of_a_dry_run_and_nothing_is_sent(scans: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_OFFLINE", "1")
    table = ms.tag(scans, engine="google-vision", features=["labels"], estimate=2)
    rows = {row["measure"]: row for row in table.to_dicts()}
    assert rows["money"]["unit"] == "USD"
    task = Tagging(engine="google-vision", features=["labels"])
    assert rows["money"]["value"] == prices(job_of(task, str(scans)), task)[2] > 0
    assert set(rows) == {"inputs", "money"}


@pytest.mark.parametrize("verb", [ms.compare, lambda inputs, **more: ms.classify(inputs, per="item", **more)])
def test_what_depends_on_many_inputs_is_refused(scans: Path, verb):
    with pytest.raises(UsageError, match="depends on many inputs"):
        verb(scans, estimate=1)


def test_a_part_is_estimated_as_such(scans: Path):
    parts = [measures(ms.info(scans, shard=f"{part}/3", estimate=1))["rows"][1] for part in (1, 2, 3)]
    assert sum(parts) == len(list(ms.info(scans)))
