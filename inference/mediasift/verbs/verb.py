"""How settings and a row become a function: what `import mediasift` offers and what the command line calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from mediasift.errors import UsageError, did_you_mean
from mediasift.evaluate.counts import Counts
from mediasift.evaluate.wide import Wide
from mediasift.rows import Row
from mediasift.run.estimate import Estimated
from mediasift.run.stream import stream_of
from mediasift.run.table import Table
from mediasift.settings import options
from mediasift.sources.memory import Named

P = ParamSpec("P")
R = TypeVar("R", bound=Row)


def verb(settings: Callable[P, object], row: type[R]) -> Callable[Concatenate[Named, P], Table[R]]:
    """A function of inputs and settings that gives a started table of such rows.

    Args:
        settings: The class; its keywords are the function's.
        row: The class of its rows, for type checkers.
    """
    del row

    def call(inputs: Named, /, *args: P.args, **kwargs: P.kwargs) -> Table[R]:
        _check_names(settings, args, kwargs)
        table: Table[R] = table_of(settings(*args, **kwargs), inputs)
        return table

    call.__doc__ = _documented(settings)
    call.__signature__ = _signature(settings)  # type: ignore[attr-defined]  # of functions, mypy does not know it
    return call


def _check_names(settings: Any, args: Sequence[object], given: Iterable[str]) -> None:
    known = [declared.name for declared in options(settings)]
    places = [one.name for one in fields(settings) if one.init and not one.kw_only]
    if len(args) > len(places):
        before = ", ".join(["inputs", *places])
        raise TypeError(f"options are given by name: {settings.name}({before}, {known[0]}=...), not {args[-1]!r:.40}")
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"no option {unknown[0]!r}; there are {', '.join(known)}{did_you_mean(unknown[0], known)}")


def _signature(settings: Any) -> inspect.Signature:
    """Inputs, then the verb's own options, then those it inherits; types without what `Option` adds to them."""
    kinds = get_type_hints(settings)
    given = {name: one.replace(annotation=kinds[name]) for name, one in inspect.signature(settings).parameters.items()}
    inputs = inspect.Parameter("inputs", inspect.Parameter.POSITIONAL_ONLY, annotation=Named)
    order = [given[declared.name] for declared in options(settings)]
    ordered = sorted(order, key=lambda one: one.kind)
    return inspect.Signature([inputs, *ordered], return_annotation="Table")


def table_of(settings: Any, inputs: Named) -> Any:
    """The started table: of a task over its inputs or what it will take, of counts, or of a verb that makes its own."""
    if hasattr(settings, "table"):
        return settings.table(inputs)
    per, is_wide = getattr(settings, "per", None), getattr(settings, "wide", False)
    if settings.estimate is not None and per is None:
        if is_wide:
            raise UsageError("estimate: leave --wide out; a run with it takes as long and costs as much")
        return Table(Estimated(settings, inputs))
    stream = stream_of(settings, inputs)
    if is_wide:
        return Table(Wide(stream))
    return Table(stream if per is None else Counts(stream, per))


def _documented(settings: Any) -> str:
    """The class's text, and a line for each option."""
    named = "Paths, folders, globs, lists, or uint8 arrays (H, W, 3) in RGB; one or several."
    lines = [inspect.getdoc(settings) or "", "", "Args:", f"    inputs: {named}"]
    for declared in options(settings):
        choices = f" One of {', '.join(declared.choices)}." if declared.choices and not declared.option.metavar else ""
        default = f" Default: {declared.option.default}." if declared.option.default else ""
        lines.append(f"    {declared.name}: {declared.option.help}{choices}{default}")
    return "\n".join(lines)
