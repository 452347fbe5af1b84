"""How often the 95 % intervals of `mediasift prevalence` hold the truth, by simulation, beside those of peers.

    python -m benchmarks.bench_coverage [--corpora 2000] [--quick]

A corpus has so many items, a share of which has a label; a classifier finds it with a sensitivity and specificity; a
sample is drawn by a design and coded without error. Of each scenario so many corpora are made; counted are the
intervals that hold the corpus's own share, and those that are flagged (fewer than ten coded items have the label, or
lack it). Wanted are 93.5 % wherever ten or more coded items are expected to have the label; elsewhere flags.

Peers: `ppi_mean_ci` of ppi-python (power tuning, weights where the design has them), in an environment of its own; and
the estimator of design-based supervised learning with its normal interval (Egami, Hinck, Stewart and Wei 2023), by its
formula (the package itself is for R).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.harness import Result, run
from benchmarks.peer import Peer
from mediasift.evaluate.correction import CORRECTIONS, Sample, Undefined, effective_count, is_small
from mediasift.evaluate.labels import Z

WANTED, EXPECTED = 0.935, 10
WIDTHS = 200
"""Intervals, of the first corpora, whose widths are averaged."""
PPI, DSL = "ppi-python", "dsl's formula"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A corpus and how it is sampled.

    Attributes:
        items, coded: In the corpus and in the sample.
        share: Of the items that have the label.
        sensitivity, specificity: Of the classifier.
        design: `simple`; `label`: as many of each predicted label; `account`: as many of each of eight accounts, the
            larger of which show the label less often.
    """

    items: int = 5000
    coded: int = 300
    share: float
    sensitivity: float
    specificity: float
    design: str = "simple"

    @property
    def name(self) -> str:
        """What it is, for a table."""
        return (
            f"{self.design}, {self.coded} of {self.items}, share {self.share:g}, sensitivity {self.sensitivity:g}, "
            f"specificity {self.specificity:g}"
        )


_ACCOUNTS = 1.5 ** np.arange(8)
"""How large they are, beside each other."""
_CLASSIFIERS = ((0.9, 0.95), (0.98, 0.998), (0.6, 0.99), (0.8, 0.8))
SCENARIOS = (
    *(Scenario(share=share, sensitivity=one, specificity=other, design=design)
      for design, shares in (("simple", (0.05, 0.3)), ("label", (0.05, 0.3)), ("account", (0.1, 0.3)))
      for share in shares for one, other in _CLASSIFIERS),
    Scenario(share=0.05, sensitivity=0.9, specificity=0.95, design="account"),
    Scenario(share=0.01, sensitivity=0.9, specificity=0.99),
    Scenario(share=0.01, sensitivity=0.9, specificity=0.99, design="label"),
    Scenario(share=0.03, sensitivity=0.9, specificity=0.99),
    Scenario(share=0.1, sensitivity=0.9, specificity=0.95, coded=100),
    Scenario(share=0.1, sensitivity=0.9, specificity=0.95, coded=1000, items=2000),
    Scenario(share=0.02, sensitivity=0.7, specificity=0.98, coded=600, items=50_000),
    Scenario(share=0.97, sensitivity=0.95, specificity=0.8, coded=500),
)  # fmt: skip


def drawn(scenario: Scenario, rng: np.random.Generator) -> tuple[Sample, float]:
    """A sample of a new corpus, and the corpus's own share."""
    size = scenario.items
    account = rng.choice(len(_ACCOUNTS), size, p=_ACCOUNTS / _ACCOUNTS.sum())
    tilt = (1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9) if scenario.design == "account" else (1.0,) * 8
    true = rng.random(size) < np.minimum(1, scenario.share * np.array(tilt))[account]
    predicted = rng.random(size) < np.where(true, scenario.sensitivity, 1 - scenario.specificity)
    strata = {"simple": np.zeros(size, dtype=np.int64), "label": predicted.astype(np.int64), "account": account}
    stratum = strata[scenario.design]
    sizes = np.bincount(stratum)
    shares = np.minimum(sizes, scenario.coded // int(np.count_nonzero(sizes)))
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(stratum == one), count, replace=False) for one, count in enumerate(shares) if count]
    )
    weights = (sizes / np.maximum(shares, 1))[stratum[chosen]]
    sample = Sample(
        predicted=predicted[chosen].astype(np.float64), true=true[chosen].astype(np.float64), weights=weights,
        strata=stratum[chosen], predicted_share=float(predicted.mean()), corpus=size,
    )  # fmt: skip
    return sample, float(true.mean())


def dsl_interval(sample: Sample) -> tuple[float, float]:
    """Mean of f + R / p (y - f) over the corpus, with its normal interval."""
    size, share = sample.corpus, sample.predicted_share
    corrected = sample.predicted + sample.weights * (sample.true - sample.predicted)
    without = np.array([0.0, 1.0])  # items that are not coded count as predicted
    ones = share * size - sample.predicted.sum()
    counts = np.array([size - len(corrected) - ones, ones])
    mean = (corrected.sum() + ones) / size
    variance = ((corrected - mean) ** 2).sum() + (counts * (without - mean) ** 2).sum()
    half = Z * np.sqrt(variance / size / size)
    return mean - half, mean + half


def ours(sample: Sample) -> Iterator[tuple[str, float, float]]:
    """Method, low, high; methods that are undefined are left out."""
    for name, corrected in CORRECTIONS.items():
        try:
            one = corrected(sample)
        except Undefined:
            continue
        yield name, one.low, one.high


def simulated(scenario: Scenario, corpora: int, peer: Peer | None, seed: int = 0) -> dict[str, Any]:
    """Share of intervals that hold the truth and their mean width, by method; coded items expected; samples flagged."""
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    samples = [drawn(scenario, rng) for _ in range(corpora)]
    intervals: dict[str, list[tuple[int, float, float]]] = {}
    for number, (sample, _) in enumerate(samples):
        for name, low, high in ours(sample):
            intervals.setdefault(name, []).append((number, low, high))
        intervals.setdefault(DSL, []).append((number, *dsl_interval(sample)))
    if peer is not None:
        intervals[PPI] = [(number, *pair) for number, pair in enumerate(asked(peer, scenario, samples))]
    flagged = np.array([is_small(sample) for sample, _ in samples])
    truths = np.array([share for _, share in samples])
    coverage: dict[str, float] = {
        "expected": round(float(np.mean([effective_count(sample, 1) for sample, _ in samples])), 1),
        "flagged": round(float(flagged.mean()), 4),
    }
    width: dict[str, float] = {}
    for name, rows in intervals.items():
        numbers, lows, highs = (np.array(column) for column in zip(*rows, strict=True))
        holds = (lows <= truths[numbers] + 1e-9) & (highs >= truths[numbers] - 1e-9)
        coverage[name] = round(float(holds.mean()), 4)
        width[name] = round(float((highs - lows)[:WIDTHS].mean()), 4)
    return {"coverage": coverage, "width": width}


def asked(peer: Peer, scenario: Scenario, samples: list[Any]) -> list[tuple[float, float]]:
    """The peer's intervals of the same samples."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples.npz"
        coded = [sample for sample, _ in samples]
        arrays = {f"{name}{number}": getattr(one, name) for number, one in enumerate(coded)
                  for name in ("predicted", "true", "weights")}  # fmt: skip
        shares = np.array([one.predicted_share for one in coded])
        np.savez(file, allow_pickle=False, shares=shares, **arrays)
        answer = peer.ask(file=str(file), corpus=scenario.items)
    return [(low, high) for low, high in answer["intervals"]]


def summary(coverage: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The lowest of each method in all scenarios in which enough coded items are expected, and what is flagged."""
    enough = [one for one in coverage.values() if one["expected"] >= EXPECTED]
    few = [one["flagged"] for one in coverage.values() if one["expected"] < EXPECTED]
    lowest = {name: min(one[name] for one in enough) for name in (*CORRECTIONS, PPI, DSL) if name in enough[0]}
    return {
        f"wanted at least, with {EXPECTED} or more coded items expected": WANTED,
        "scenarios of that kind": len(enough),
        **{f"lowest coverage in these: {name}": least for name, least in lowest.items()},
        "samples flagged in the other scenarios, at least": min(few),
    }


def measure(folder: Path, quick: bool, corpora: int, with_peer: bool) -> Result:
    """Simulate every scenario."""
    del folder
    peer = Peer("ppi", ("ppi-python==0.2.3",), "ppi_mean.py") if with_peer else None
    coverage: dict[str, dict[str, float]] = {}
    widths: dict[str, dict[str, float]] = {}
    for scenario in SCENARIOS:
        result = simulated(scenario, corpora // 20 if quick else corpora, peer)
        coverage[scenario.name], widths[scenario.name] = result["coverage"], result["width"]
        print(scenario.name, result["coverage"], flush=True)
    if peer is not None:
        peer.close()
    return as_result(coverage, widths, corpora)


def as_result(coverage: dict[str, dict[str, float]], widths: dict[str, dict[str, float]], corpora: int) -> Result:
    """Coverage and widths by scenario."""
    beside = {name: {f"width: {method}": width for method, width in one.items()} for name, one in widths.items()}
    return Result(
        what=f"how often 95 % intervals of corrected shares hold the truth, of {corpora:,} simulated corpora in each "
        f"scenario, and their mean widths in the first {WIDTHS}",
        facts={**summary(coverage), **{name: one | beside[name] for name, one in coverage.items()}},
        packages=("numpy",),
    )  # fmt: skip


if __name__ == "__main__":
    peers = click.Option(["--peer/--no-peer", "with_peer"], default=True, help="Ask ppi-python, too.")
    how_many = click.Option(["--corpora"], type=int, default=2000, show_default=True, help="Of each scenario.")
    run("coverage", measure, how_many, peers)
