"""Models, and the machine that runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from mediasift.engines.onnx import report
from mediasift.engines.onnx.checking import Check, check_description
from mediasift.engines.onnx.describe import write_sidecar
from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.pull import pull
from mediasift.engines.onnx.registry import Entry, entries, where
from mediasift.engines.onnx.session import load_model
from mediasift.run.doctor import Finding, findings
from mediasift.run.progress import Transfer
from mediasift.sources.labelled import read_labelled


def list_models() -> list[tuple[Entry, Path | None]]:
    """Every model the registry knows, and its file where it is on this machine."""
    return [(entry, where(entry)) for entry in entries().values()]


def show_model(model: str) -> Iterator[str]:
    """Lines on a model: labels, recipe, layers, parameters, origin, scores."""
    return report.show(model)


def verify_models() -> Iterator[tuple[str, str]]:
    """(name, empty or what is wrong) of every known model on this machine."""
    return report.verify()


def pull_model(model: str, *, source: str | None = None, progress: TextIO | None = None) -> Path:
    """The file of a known model, fetched if it is not on this machine; resumed if it was cut before.

    Args:
        model: A name of `list_models`.
        source: A file or another URL to take it from; the bytes must be the registered ones.
        progress: Where to tell how far it is.
    """
    told = Transfer(progress, model)
    try:
        return pull(model, source=source, told=told)
    finally:
        told.close()


def describe_model(path: str | Path, description: ModelDescription) -> Path:
    """Write a foreign ONNX file's description beside it, once it has run as described; returns the sidecar's path."""
    return write_sidecar(Path(path), description)


def check_model(model: str | Path, folder: str | Path) -> Check:
    """How well a model's description does on a folder with a folder per label (or a CSV), and what would do better."""
    return check_description(load_model(model), read_labelled(Path(folder)))


def doctor() -> list[Finding]:
    """What works on this machine and what does not."""
    return list(findings())
