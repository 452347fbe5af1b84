"""How fast a model is here, and whether that has changed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mediasift.bench.comparison import compare
from mediasift.bench.measurement import measure
from mediasift.bench.settings import BenchSettings, CompareSettings

P = ParamSpec("P")
S = TypeVar("S")
R = TypeVar("R")


def _verb(settings: Callable[P, S], work: Callable[[S], R]) -> Callable[P, R]:
    """A function that takes the settings' fields; checkers and `help` show each of them."""

    def verb(*args: P.args, **kwargs: P.kwargs) -> R:
        return work(settings(*args, **kwargs))

    verb.__doc__ = f"{work.__doc__}\n    The arguments are the options of the command line.\n"
    verb.__signature__ = inspect.signature(settings)  # type: ignore[attr-defined]
    return verb


bench = _verb(BenchSettings, measure)
compare_bench = _verb(CompareSettings, compare)
