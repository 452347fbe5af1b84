"""How fast a model is on this machine, and why not faster: throughput, latency, stages, limits, sweeps, comparisons."""

from __future__ import annotations

SCHEMA = {"name": "mediasift.bench", "version": 3}
"""Of the result; the version goes up when a field changes its meaning or goes. docs/bench.md describes the fields."""
