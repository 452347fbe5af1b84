"""Reading label files: the forms that come with classifiers, as text or JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mediasift.errors import DescriptionError
from mediasift.sources.lists import split_lines

Labels = tuple[tuple[str, ...], tuple[str, ...]]
"""Labels and their identifiers (empty when there are none), in the order of the model's outputs."""

_NUMBERED = re.compile(r"(\d+)(?:\s*[:,;\t]\s*|\s+)(\S.*)")
_WORDNET = re.compile(r"(n\d{8})[\s,:]+(\S.*)")


def read_labels(file: Path) -> Labels:
    """Labels and their identifiers (empty when the file has none), in the order of the model's outputs.

    Text, one label a line; each may have its number (`0 cat`, `0: cat`, `0,cat`; all of them, counting from 0) or its
    WordNet id (`n02123045 tabby, tabby cat`). JSON `["cat", "dog"]`; `[["n02123045", "tabby"], ...]`; `{"0": "cat"}`;
    `{"0": ["n02123045", "tabby"], ...}` (Keras' `imagenet_class_index.json`); `{"cat": 0, "dog": 1}` (Keras'
    `class_indices`); an object whose `id2label` is one of these (the `config.json` of a Transformers model).

    Raises:
        DescriptionError: The file cannot be read or is none of these.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DescriptionError(f"{file}: the labels cannot be read ({error})") from error
    if file.suffix.lower() != ".json":
        lines = [line.strip() for line in split_lines(text)]
        if not lines:
            raise DescriptionError(f"{file}: no labels in it")
        return _from_lines(lines)
    try:
        return labels_from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DescriptionError(f"{file}: not a JSON list of labels ({error})") from error


def _from_lines(lines: list[str]) -> Labels:
    known = [match for line in lines if (match := _WORDNET.fullmatch(line))]
    if len(known) == len(lines):
        return tuple(match[2] for match in known), tuple(match[1] for match in known)
    numbered = [match for line in lines if (match := _NUMBERED.fullmatch(line))]
    if [int(match[1]) for match in numbered] == list(range(len(lines))):
        return tuple(match[2] for match in numbered), ()
    return tuple(lines), ()


def labels_from_json(data: Any) -> Labels:
    """The labels in a JSON value of one of the forms that `read_labels` names.

    Raises:
        ValueError, KeyError: It is none of them.
    """
    if isinstance(data, dict) and "id2label" in data:
        data = data["id2label"]
    if isinstance(data, dict) and data and all(type(number) is int for number in data.values()):
        data = {str(number): label for label, number in data.items()}
    if isinstance(data, dict):
        named = {str(position): label for position, label in data.items()}
        data = [named[str(position)] for position in range(len(named))]
    if not isinstance(data, list) or not data:
        raise ValueError("a list or an object with the keys 0, 1, 2 ... is needed")
    if all(isinstance(entry, str) for entry in data):
        return tuple(data), ()
    if all(isinstance(entry, list) and len(entry) == 2 for entry in data):
        return tuple(str(label) for _, label in data), tuple(str(identifier) for identifier, _ in data)
    raise ValueError("entries must all be texts, or all be pairs of identifier and label")
