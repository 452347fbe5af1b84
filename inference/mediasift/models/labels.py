"""Reading label files: one label a line, or the JSON forms that come with ImageNet models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mediasift.errors import DescriptionError


def read_labels(file: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and their identifiers (empty when the file has none), in the order of the model's outputs.

    Understood are: text, one label a line; JSON `["cat", "dog"]`; JSON `[["n02123045", "tabby"], ...]`; JSON
    `{"0": "cat", "1": "dog"}`; JSON `{"0": ["n02123045", "tabby"], ...}` (Keras' `imagenet_class_index.json`).

    Raises:
        DescriptionError: The file cannot be read or is none of these.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptionError(f"{file}: the labels cannot be read ({error})") from error
    if file.suffix.lower() != ".json":
        labels = tuple(line.strip() for line in text.splitlines() if line.strip())
        if not labels:
            raise DescriptionError(f"{file}: no labels in it")
        return labels, ()
    try:
        return _from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DescriptionError(f"{file}: not a JSON list of labels ({error})") from error


def _from_json(data: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(data, dict):
        data = [data[str(position)] for position in range(len(data))]
    if not isinstance(data, list) or not data:
        raise ValueError("a list or an object with the keys 0, 1, 2 ... is needed")
    if all(isinstance(entry, str) for entry in data):
        return tuple(data), ()
    if all(isinstance(entry, list) and len(entry) == 2 for entry in data):
        return tuple(str(label) for _, label in data), tuple(str(identifier) for identifier, _ in data)
    raise ValueError("entries must all be texts, or all be pairs of identifier and label")
