"""Options: what a declaration accepts, refuses and how it travels as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from mediasift.errors import UsageError
from mediasift.settings import Option, Settings, comma_separated, from_json, options, parse_size, to_json


@dataclass(frozen=True, kw_only=True)
class Reading(Settings):
    """What is inherited."""

    dpi: Annotated[float, Option("Resolution.", above=0)] = 150.0


@dataclass(frozen=True, kw_only=True)
class Example(Reading):
    """One field of each kind."""

    count: Annotated[int, Option("How many.", least=1, most=9)]
    flag: Annotated[bool, Option("Whether.")] = False
    mode: Annotated[Literal["a", "b"], Option("Which.")] = "a"
    names: Annotated[Sequence[str], Option("Names.", choices=("x", "y"))] = ()
    sizes: Annotated[tuple[int, ...] | None, Option("Sizes.", least=2)] = None
    one_or_more: Annotated[str | Path | Sequence[str], Option("Files.")] = "f"
    password: Annotated[str | None, Option("Secret.", secret=True)] = None


def test_a_field_is_an_option_its_own_before_what_is_inherited():
    declared = {one.name: one for one in options(Example)}
    assert list(declared) == ["count", "flag", "mode", "names", "sizes", "one_or_more", "password", "dpi"]
    assert [one.kind for one in declared.values()] == [int, bool, str, str, int, str, str, float]
    assert declared["count"].default is MISSING
    assert declared["mode"].choices == ("a", "b")
    assert [name for name, one in declared.items() if one.is_sequence] == ["names", "sizes", "one_or_more"]
    assert [name for name, one in declared.items() if one.is_optional] == ["sizes", "password"]
    assert [name for name, one in declared.items() if one.takes_one] == ["one_or_more"]
    assert (declared["one_or_more"].flag, declared["dpi"].flag) == ("--one-or-more", "--dpi")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", 0, "count 0: must be from 1 to 9"),
        ("count", 10, "count 10: must be from 1 to 9"),
        ("count", 1.0, "count 1.0: must be a whole number"),
        ("count", True, "count True: must be a whole number"),
        ("count", "3", "count '3': must be a whole number"),
        ("dpi", 0, "dpi 0: must be more than 0"),
        ("dpi", float("nan"), "dpi nan: .*"),
        ("dpi", True, "dpi True: must be a number"),
        ("flag", 1, "flag 1: must be True or False"),
        ("mode", "c", "mode 'c': must be one of a, b"),
        ("names", ["x", "z"], "names 'z': must be one of x, y"),
        ("names", "x", r"names 'x': must be a list, e.g. \['x'\]"),
        ("sizes", [2, 1], "sizes 1: must be at least 2"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_what_is(field: str, value: Any, message: str):
    values: dict[str, Any] = {"count": 1, field: value}
    with pytest.raises(UsageError, match=f"^{message}$"):
        Example(**values)


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [("count", 9, 9), ("dpi", 72, 72), ("names", ["x", "y"], ("x", "y")), ("sizes", None, None), ("sizes", [2], (2,)),
     ("one_or_more", Path("a/b"), "a/b"), ("one_or_more", ["a"], ("a",)), ("flag", True, True)],
)  # fmt: skip
def test_a_value_that_is_allowed_is_kept_paths_as_text_and_lists_as_tuples(field: str, value: Any, kept: Any):
    values: dict[str, Any] = {"count": 1, field: value}
    assert getattr(Example(**values), field) == kept
    assert from_json(Example, to_json(Example(**values))) == Example(**values)


def test_secrets_are_for_the_worker_alone():
    settings = Example(count=1, password="secret")
    assert to_json(settings)["password"] == "secret"
    assert "password" not in to_json(settings, secrets=False)
    assert from_json(Example, to_json(settings)) == settings


def test_texts_of_the_command_line():
    assert comma_separated(" a, b,,c ") == ("a", "b", "c")
    assert parse_size("224x112") == (224, 112)
    for wrong in ("224", "0x1", "1x0", "-1x2", "axb", "1x2x3", "1.5x2"):
        with pytest.raises(UsageError, match="WIDTHxHEIGHT"):
            parse_size(wrong)
