"""What `models show` and `models list` say: plain lines about a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.onnx_file import OnnxFacts, read_facts, sha256
from mediasift.engines.onnx.registry import Entry, entries, find_description, find_model, where
from mediasift.engines.onnx.session import load_model
from mediasift.errors import ModelError

_SHOWN_LABELS = 20


def show_model(model: str) -> Iterator[str]:
    """Labels, recipe, layers, parameters, origin and scores of a model, line by line.

    Raises:
        ModelError: It is not here, has no description, or is no ONNX file.
    """
    path = find_model(model)
    description = find_description(path)
    facts = read_facts(path)
    yield f"file        {path} ({path.stat().st_size:,} bytes)"
    yield f"sha256      {sha256(path)}"
    yield f"task        {description.task}"
    yield from _recipe(description)
    if labels := description.labels:
        more = f", ... and {len(labels) - _SHOWN_LABELS} more" if len(labels) > _SHOWN_LABELS else ""
        yield f"labels      {len(labels)}: {', '.join(labels[:_SHOWN_LABELS])}{more}"
    yield from _layers(facts)
    for name, value in description.metrics.items():
        yield f"metric      {name}: {value}"
    for name, value in description.provenance.items():
        yield f"origin      {name}: {value}"


def _recipe(description: ModelDescription) -> Iterator[str]:
    given = description.input
    how = {"stretch": "stretched", "crop": "middle cropped", "pad": f"padded with {given.pad_value}"}[given.fit]
    before = f"shorter side to {given.shorter_side}, " if given.shorter_side else ""
    yield f"input       {given.width} x {given.height} {given.colour}, {before}{how}, resampled by {given.resample}"
    formula = f"(pixel * {given.scale:.6g} - {_numbers(given.mean)}) / {_numbers(given.std)}"
    yield f"            {formula}, {given.layout} {given.dtype}"
    if given.polarity != "any":
        yield f"            expects {given.polarity}; for the opposite use --invert"
    yield f"output      {description.output.values}, {description.output.kind}"


def _numbers(numbers: tuple[float, ...]) -> str:
    return f"{numbers[0]:g}" if len(numbers) == 1 else f"({', '.join(f'{n:g}' for n in numbers)})"


def _layers(facts: OnnxFacts) -> Iterator[str]:
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in facts.opsets.items())
    yield f"parameters  {facts.parameters:,}"
    kinds = Counter(node.op_type for node in facts.nodes)
    yield f"layers      {len(facts.nodes)}: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}"
    weights = {tensor.name: tensor.shape for tensor in facts.initializers}
    for node in facts.nodes:
        shapes = [weights[name] for name in node.inputs if len(weights.get(name, ())) >= 2]
        if shapes:
            yield f"            {node.op_type} {' '.join('x'.join(map(str, shape)) for shape in shapes)}"
    yield f"opsets      {opsets}" + (f"; written by {facts.producer}" if facts.producer else "")


def list_models() -> list[tuple[Entry, Path | None]]:
    """Every model the registry knows, and its file where it is on this machine."""
    return [(entry, where(entry)) for entry in entries().values()]


def verify_models() -> Iterator[tuple[str, str]]:
    """(name, "" or what is wrong) of every known model that is here: its SHA-256, and that it loads as described."""
    for entry in entries().values():
        if (path := where(entry)) is None:
            continue
        wrong = ""
        try:
            if (digest := sha256(path)) in entry.sizes:
                load_model(entry.name)
            else:
                wrong = f"{path}: SHA-256 is {digest}, should be {entry.sha256}; delete it and fetch it again"
        except ModelError as error:
            wrong = str(error)
        yield entry.name, wrong
