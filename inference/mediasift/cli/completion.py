"""What a shell completes: models, the columns of the tables that are named, choices, files and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mediasift.compare.methods import METHODS
from mediasift.engines.onnx import registry
from mediasift.errors import MediasiftError
from mediasift.settings import Declared
from mediasift.tables.formats import records_of

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_COLUMNS = ("by", "column", "keep", "label_column", "variable")
_FILES = {"DIR": "dir", "FOLDER": "dir", "FILE": "file", "TABLE": "file", "VECTORS": "file", "INPUT": "file"}
"""What a value stands for → what the shell itself completes."""


def completion_of(declared: Declared) -> Completion | None:
    """How the value of an option is completed; None where click knows, or nothing is known."""
    metavar = declared.option.metavar
    if declared.name in _COLUMNS:
        return lambda context, _, begun: _parts(begun, _columns(context), several=declared.is_sequence)
    if metavar == "MODEL":
        return models
    if metavar == "METHOD":
        return lambda _context, _, begun: _models(begun, *METHODS)
    if declared.is_sequence and declared.choices:
        return lambda _context, _, begun: _parts(begun, declared.choices, several=not declared.option.multiple)
    return files if _FILES.get(metavar) == "file" else folders if metavar in _FILES else None


def models(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """The models that mediasift knows by name; files where none begins so."""
    return _models(begun)


def _models(begun: str, *others: str) -> list[CompletionItem]:
    try:
        names = [*others, *registry.entries(), *registry.folders()]
    except MediasiftError:  # the registry is broken, which a command reports
        names = [*others]
    return _parts(begun, names) or [CompletionItem("", "file")]


def files(_context: click.Context, _option: click.Parameter, _begun: str) -> list[CompletionItem]:
    """The shell's own file names."""
    return [CompletionItem("", "file")]


def folders(_context: click.Context, _option: click.Parameter, _begun: str) -> list[CompletionItem]:
    """The shell's own folders."""
    return [CompletionItem("", "dir")]


def _parts(begun: str, names: Iterable[str], *, several: bool = False) -> list[CompletionItem]:
    """The names that begin so; of several between commas, the last is completed, and none twice."""
    before, comma, last = begun.rpartition(",") if several else ("", "", begun)
    taken = before.split(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last) and name not in taken]


def _columns(context: click.Context) -> list[str]:
    """Those of all tables on the command line so far."""
    names: dict[str, None] = {}
    for word in _words([*context.args, *context.params.values()]):
        try:
            if Path(word).is_file():
                names |= dict.fromkeys(map(str, next(iter(records_of(Path(word))))))
        except (MediasiftError, OSError, ValueError):  # it is no table, or not whole: nothing to complete
            continue
    return list(names)


def _words(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, (str, Path)):
            yield str(value)
        elif isinstance(value, tuple):
            yield from _words(value)
