"""Options, each spelled once: a field of a frozen dataclass, with its default, choices, range, unit and help.

    @dataclass(frozen=True, kw_only=True)
    class Classify(PictureSettings, RunSettings):
        top: Annotated[int, Option("Labels per picture; 0 for all.", least=0)] = 1

From it follow the command line, the Python signature, the worker's JSON, the manifest and the reference page. What a
verb reads it inherits from the settings of that kind, so no option exists where it has no effect.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from mediasift.errors import UsageError, did_you_mean

INPUTS, WHAT, OUTPUT, MACHINE = "Inputs", "What", "Output", "Machine"
GROUPS = (WHAT, INPUTS, OUTPUT, MACHINE)
"""How `--help` groups options: what a verb does, with which inputs, what it writes, and what rows cost."""


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """What is known of an option besides its name, type and default.

    Attributes:
        help: One line.
        choices: Values that are allowed; of a sequence, for each of its parts. A function is asked when it is needed.
        least, most: The range of a number, both included.
        above: The number must be larger than this.
        metavar: What `--help` shows for the value; a unit such as `SECONDS` for numbers that have one.
        default: What `--help` says of a default that the machine or another option decides.
        flag: The long name on the command line, where it is not the field's own; empty for Python alone.
        short: A short name, e.g. `-m`.
        old: Former long names, which are accepted with a warning.
        parse: Text of the command line → the value, or a dictionary of fields; it may raise a UsageError.
        multiple: A sequence is given part by part, the option repeated, rather than separated by commas.
        secret: It is never written to a journal or manifest.
        writes: It names a file or folder that the verb writes; `rerun` puts another in its place.
        check: Raises a UsageError for a value that the rest cannot describe.
    """

    help: str
    choices: Sequence[str] | Callable[[], Iterable[str]] = ()
    least: float | None = None
    most: float | None = None
    above: float | None = None
    metavar: str = ""
    default: str = ""
    flag: str | None = None
    short: str = ""
    old: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None
    multiple: bool = False
    secret: bool = False
    writes: bool = False
    check: Callable[[Any], object] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """A field with an option.

    Attributes:
        name: The field's.
        kind: bool, int, float or str: what one value is.
        is_sequence: Whether it holds several.
        takes_one: Whether one of them alone is taken, too.
        is_optional: Whether it may be None.
        default: The field's; MISSING where a value is required.
        option: What was declared.
        group: That of the class that declares it, of `GROUPS`; OUTPUT where it writes.
    """

    name: str
    kind: type
    is_sequence: bool
    takes_one: bool
    is_optional: bool
    default: Any
    option: Option
    group: str

    @property
    def flag(self) -> str:
        """The long name on the command line; empty where there is none."""
        given = self.option.flag
        return f"--{self.name.replace('_', '-')}" if given is None else given

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed values; empty for any."""
        choices = self.option.choices
        return tuple(choices() if callable(choices) else choices)

    def check(self, value: Any) -> None:
        """Raise a UsageError for a value that is not allowed."""
        if value is None and self.is_optional:
            return
        if self.is_sequence and not self.takes_one and (isinstance(value, str) or not isinstance(value, Sequence)):
            raise UsageError(f"{self.name.replace('_', ' ')} {value!r}: must be a list, e.g. [{value!r}]")
        for part in value if self.is_sequence else (value,):
            self._check_one(part)
        if self.option.check is not None:
            self.option.check(value)

    def _check_one(self, value: Any) -> None:
        option, shown = self.option, self.name.replace("_", " ")
        if (choices := self.choices) and value not in choices:
            raise UsageError(f"{shown} {value!r}: must be one of {', '.join(choices)}{did_you_mean(value, choices)}")
        if self.kind is bool and not isinstance(value, bool):
            raise UsageError(f"{shown} {value!r}: must be True or False")
        if self.kind in (int, float):
            wanted = "a whole number" if self.kind is int else "a number"
            if isinstance(value, bool) or not isinstance(value, int if self.kind is int else (int, float)):
                raise UsageError(f"{shown} {value!r}: must be {wanted}")
            if not math.isfinite(value):
                raise UsageError(f"{shown} {value:g}: must be a finite number")
            bounds = (
                ("at least", option.least, option.least is None or value >= option.least),
                ("at most", option.most, option.most is None or value <= option.most),
                ("more than", option.above, option.above is None or value > option.above),
            )
            if not all(holds for *_, holds in bounds):
                stated = " and ".join(f"{words} {limit:g}" for words, limit, _ in bounds if limit is not None)
                if option.least is not None and option.most is not None:
                    stated = f"from {option.least:g} to {option.most:g}"
                raise UsageError(f"{shown} {value:g}: must be {stated}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings: values are checked when they are made, paths become text and lists become tuples.

    Options that `class Fetching(Settings, group=INPUTS)` declares are of that group, but not those of its subclasses.
    """

    _group: ClassVar[str] = WHAT

    def __init_subclass__(cls, group: str = WHAT) -> None:
        cls._group = group

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _frozen(getattr(self, field.name)))
        for declared in options(type(self)):
            declared.check(getattr(self, declared.name))


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    return str(value) if isinstance(value, Path) else value


_known: dict[Any, tuple[Declared, ...]] = {}


def options(kind: Any) -> tuple[Declared, ...]:
    """The options of a class of settings: its own first, then those it inherits, as its bases stand."""
    if kind not in _known:
        _known[kind] = tuple(_declarations(kind))
    return _known[kind]


def _declarations(kind: Any) -> Iterator[Declared]:
    by_name = {field.name: field for field in fields(kind)}
    order: dict[str, type] = {}
    for one in kind.__mro__:
        for name in vars(one).get("__annotations__", {}):
            if name in by_name:
                order.setdefault(name, one)
    for name, home in order.items():
        hint = _hints(kind)[name]
        for part in getattr(hint, "__metadata__", ()):
            if isinstance(part, Option):
                group = OUTPUT if part.writes else vars(home).get("_group", WHAT)
                yield _declared(name, typing.get_args(hint)[0], by_name[name], part, group)


def _declared(name: str, hint: Any, field: Any, option: Option, group: str) -> Declared:
    parts = [hint]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
    is_optional = len(parts) < len(typing.get_args(hint)) and parts != [hint]
    sequence = next((part for part in parts if typing.get_origin(part) in (tuple, list, Sequence)), None)
    inner = parts[0] if sequence is None else typing.get_args(sequence)[0]
    if typing.get_origin(inner) is Literal:
        option = option if option.choices else replace(option, choices=typing.get_args(inner))
        inner = str
    kind = inner if inner in (bool, int, float) else str
    default = field.default if field.default_factory is MISSING else field.default_factory()
    several = sequence is not None
    return Declared(name, kind, several, several and len(parts) > 1, is_optional, default, option, group)


def to_json(settings: Any, *, secrets: bool = True) -> dict[str, Any]:
    """The fields as JSON values; a loaded model is named by its file.

    Args:
        settings: A dataclass.
        secrets: Also what may not be written down.
    """
    hidden = () if secrets else {one.name for one in options(type(settings)) if one.option.secret}
    return {f.name: _plain(getattr(settings, f.name)) for f in fields(settings) if f.name not in hidden}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    return str(value.path) if hasattr(value, "path") else value


def from_json(kind: Any, value: Any) -> Any:
    """A JSON value as the type `kind` says: dataclasses from objects, tuples from lists, paths from text."""
    if typing.get_origin(kind) is typing.Annotated:
        return from_json(typing.get_args(kind)[0], value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_json(hints[name], part) for name, part in value.items()})
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, list, Sequence) and isinstance(value, list):
        kinds = args if origin is tuple and args[-1:] != (...,) else [args[0]] * len(value)
        return tuple(from_json(one, part) for one, part in zip(kinds, value, strict=True))
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        several = [one for one in args if typing.get_origin(one) in (tuple, list, Sequence)]
        return from_json(several[0] if several and isinstance(value, list) else args[0], value)
    return Path(value) if kind is Path else value


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """The types of a dataclass's fields; asked once, as it takes a hundred times as long as making an object."""
    return typing.get_type_hints(kind, include_extras=True)


def comma_separated(text: str) -> tuple[str, ...]:
    """`a, b` as ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_size(text: str) -> tuple[int, int]:
    """`224x224` as (width, height)."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"size {text!r}: must be WIDTHxHEIGHT in pixels, e.g. 224x224")
    return int(width), int(height)
