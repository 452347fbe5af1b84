"""What Prometheus asks for, and the log: a line of JSON on stderr for each request and each event."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from mediasift.system.machine import resident_bytes

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library lacks the annotation
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "mediasift_requests", "Requests by verb and HTTP status.", ("verb", "status"), registry=registry
        )
        self.seconds = Histogram(
            "mediasift_request_seconds", "From the head of a request to the end of its answer.", ("verb",),
            registry=registry, buckets=_SECONDS,
        )  # fmt: skip
        self.held = Gauge("mediasift_requests_held", "Requests that are read, wait or are computed.", registry=registry)
        self.pictures = Counter("mediasift_pictures", "Pictures that were answered.", ("verb",), registry=registry)
        self.errors = Counter("mediasift_error_rows", "Rows that carry an error.", ("code",), registry=registry)
        self.batches = Histogram(
            "mediasift_batch_size", "Pictures per model call.", ("model",), registry=registry, buckets=_SIZES
        )
        self.batch_seconds = Counter(
            "mediasift_batch_seconds", "Seconds in model calls.", ("model",), registry=registry
        )
        self.restarts = Counter("mediasift_worker_restarts", "Workers that were replaced.", registry=registry)
        self._workers = Gauge("mediasift_workers", "Workers that are ready.", registry=registry)
        self._resident = Gauge("mediasift_worker_resident_bytes", "Memory of the workers, in bytes.", registry=registry)
        self._models = Gauge(
            "mediasift_model_info", "The models.", ("name", "verb", "sha256", "device", "provider", "precision"),
            registry=registry,
        )  # fmt: skip

    def describe(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Which models there are."""
        for one in models:
            self._models.labels(
                one["name"], one["verbs"][0], one["model_sha256"], one["device"], one["provider"], one["precision"]
            ).set(1)

    def page(self, pids: Sequence[int]) -> bytes:
        """The text format of Prometheus, with the workers of these numbers."""
        self._workers.set(len(pids))
        self._resident.set(sum(map(resident_bytes, pids)))
        return generate_latest(self.registry)

    def happened(self, event: str, **fields: Any) -> None:
        """See `pool.Report`."""
        if event == "batch":
            self.batches.labels(fields["model"]).observe(fields["size"])
            self.batch_seconds.labels(fields["model"]).inc(fields["seconds"])
            return
        if event == "worker restarts":
            self.restarts.inc()
        log(event, level="warning", **fields)


def log(event: str, *, level: str = "info", **fields: Any) -> None:
    """A line of JSON on stderr."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **fields}
    sys.stderr.write(f"{json.dumps(line)}\n")
    sys.stderr.flush()
