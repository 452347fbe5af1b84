"""What `models show` and `models list` say: plain lines about a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.foreign import read_hints
from mediasift.engines.onnx.onnx_file import OnnxFacts, read_facts, sha256
from mediasift.engines.onnx.registry import (
    Entry,
    Folder,
    entries,
    find_description,
    find_model,
    folders,
    models_folder,
    where,
)
from mediasift.engines.onnx.session import load_model
from mediasift.errors import ModelError

_SHOWN_LABELS = 20
_SHOWN_NODES = 5
_SHOWN_TEXT = 300


def show_model(model: str, *, layers: bool = False) -> Iterator[str]:
    """Labels, recipe, parameters, origin and scores of a model, line by line.

    Args:
        model: Name or path.
        layers: Also every layer with weights.

    Raises:
        ModelError: It is not here, has no description, or is no ONNX file.
    """
    if known := folders().get(model):
        yield f"folder      {known.path or 'not here'} ({known.bytes:,} bytes)"
        yield from (
            f"file        {name} ({size:,} bytes), sha256 {digest}" for name, (size, digest) in known.files.items()
        )
        yield f"about       {known.about}"
        yield f"limits      {known.limits}"
        yield f"origin      {known.url}, {known.licence}"
        return
    path = find_model(model)
    description = find_description(path)
    facts = read_facts(path)
    yield f"file        {path} ({path.stat().st_size:,} bytes)"
    yield f"sha256      {sha256(path)}"
    yield f"task        {description.task}"
    yield from _recipe(description)
    if labels := description.labels:
        yield f"labels      {_some(labels)}"
    yield from _layers(facts, every=layers)
    for name, value in description.metrics.items():
        yield f"metric      {name}: {value}"
    if (entry := entries().get(model)) is not None:
        yield f"limits      {entry.limits}"
    for name, value in description.provenance.items():
        yield f"origin      {name}: {value}"


def inspect_model(path: str | Path) -> Iterator[str]:
    """Inputs, outputs, last operations and metadata of any ONNX file, line by line; it need not be described.

    Raises:
        ModelError: It is no ONNX file.
    """
    path = Path(path)
    facts = read_facts(path)
    yield f"file        {path} ({path.stat().st_size:,} bytes)"
    yield f"sha256      {sha256(path)}"
    for kind, names in (("input", facts.inputs), ("output", facts.outputs)):
        for name in names:
            shape = ", ".join("?" if size is None else str(size) for size in facts.shapes[name])
            yield f"{kind:<11} {name}: {facts.types[name]}" + (f" ({shape})" if shape else "")
    makers = {name: node for node in facts.nodes for name in node.outputs}
    for name in facts.outputs:
        chain: list[str] = []
        node = makers.get(name)
        while node is not None and len(chain) < _SHOWN_NODES:
            chain.append(node.op_type)
            node = next((makers[one] for one in node.inputs if one in makers), None)
        if chain:
            yield f"ends in     {' <- '.join(chain)}"
    yield from _layers(facts, every=False)
    for location in facts.external:
        yield f"data in     {location}"
    for key, value in facts.metadata.items():
        yield f"metadata    {key}: {value if len(value) <= _SHOWN_TEXT else value[:_SHOWN_TEXT] + ' ...'}"
    hints = read_hints(path)
    if hints.labels:
        yield f"labels      {_some(hints.labels)} ({hints.label_source})"
    try:
        yield f"described   yes, as a model to {find_description(path).task}"
    except ModelError as error:
        yield f"described   no: {error}"


def _some(labels: Sequence[str]) -> str:
    more = f", ... and {len(labels) - _SHOWN_LABELS} more" if len(labels) > _SHOWN_LABELS else ""
    return f"{len(labels)}: {', '.join(labels[:_SHOWN_LABELS])}{more}"


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


def _layers(facts: OnnxFacts, *, every: bool) -> Iterator[str]:
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in facts.opsets.items())
    yield f"parameters  {facts.parameters:,}"
    kinds = Counter(node.op_type for node in facts.nodes)
    yield f"layers      {len(facts.nodes)}: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}"
    weights = {tensor.name: tensor.shape for tensor in facts.initializers}
    for node in facts.nodes if every else ():
        shapes = [weights[name] for name in node.inputs if len(weights.get(name, ())) >= 2]
        if shapes:
            yield f"            {node.op_type} {' '.join('x'.join(map(str, shape)) for shape in shapes)}"
    yield f"opsets      {opsets}" + (f"; written by {facts.producer}" if facts.producer else "")


def list_models() -> list[tuple[Entry | Folder, Path | None]]:
    """Every model the registry knows, and its file or folder where it is on this machine."""
    return [*((entry, where(entry)) for entry in entries().values()), *((one, one.path) for one in folders().values())]


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
    for known in (one for one in folders().values() if one.path):
        changed = [part.file for part in known.parts if sha256(models_folder() / part.file) != part.sha256]
        yield known.name, f"{', '.join(changed)}: another SHA-256; delete and fetch again" if changed else ""
