"""A codebook: what coders are asked about each item, as one file that people, machines and papers share.

    name: protest-2026
    variables:
      - name: protest
        question: Does the picture show a protest?
        definition: People gathered in public to express a demand.
        kind: nominal
        values: ["yes", "no"]
      - name: size
        question: How many people?
        kind: ordinal
        values:
          - {value: few, label: up to ten, example: a vigil}
          - dozens
        ask_if: {protest: "yes"}

Every scalar is the text that stands in the file: an unquoted `yes` or `1.0` is no truth value and no number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from mediasift.errors import InputError, did_you_mean
from mediasift.sources.records import bytes_of, composed, decoded
from mediasift.system.optional import require

Kind = Literal["nominal", "ordinal", "number", "several", "text"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""One of the values; one of them, in their order; a number; any of the values; words."""

CHOSEN = ("nominal", "ordinal", "several")
"""Kinds whose answers are chosen from the values."""

BETWEEN = "|"
"""What stands between the answers of `several` in a cell, as between labels elsewhere; `;` separates them, too."""

NOTHING = "(none)"
"""The answer of `several` where no value applies; an empty cell is not coded."""

RESERVED = (
    "path", "page", "frame", "time_s", "crop", "start_s", "end_s", "left", "top", "right", "bottom", "left_px",
    "top_px", "width_px", "height_px", "coder", "note", "stratum", "population", "sampled", "probability", "error",
)  # fmt: skip
"""Columns that coded tables and designs have beside the variables."""

_PLAIN = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "bool", "int", "float", "null", "timestamp", "merge", "value")
}
"""What YAML 1.1 takes plain scalars for; others bear a tag such as `!!python/name`."""

_NAME = re.compile(r"[^\W\d_][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One possible answer.

    Attributes:
        value: What stands in the coded table.
        label: What coders see; the same, where the codebook has no other.
        definition, example: What helps them decide; may be empty.
    """

    value: str
    label: str
    definition: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One question.

    Attributes:
        name: Its column.
        question: What coders are asked.
        definition: What the question means; may be empty.
        kind: What answers are, see `KINDS`.
        values: The possible answers in their order; empty for numbers and text.
        ask_if: Earlier variables with the answers, one of which each must have; otherwise the question is skipped.
    """

    name: str
    question: str
    definition: str = ""
    kind: Kind = "nominal"
    values: tuple[Value, ...] = ()
    ask_if: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """The values as they stand in a coded table."""
        return tuple(one.value for one in self.values)

    def is_asked(self, answers: Mapping[str, Any]) -> bool:
        """Whether the question applies, given the answers to earlier ones.

        Args:
            answers: Variable → answer, of `several` a sequence of them; None or absent where there is no answer.
        """

        def given(name: str) -> Sequence[str]:
            answer = answers.get(name)
            return () if answer is None else (answer,) if isinstance(answer, str) else answer

        return all(set(given(name)) & set(wanted) for name, wanted in self.ask_if)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """All questions about an item, in their order."""

    name: str
    variables: tuple[Variable, ...]

    def variable(self, name: str) -> Variable | None:
        """The variable of this name."""
        return next((one for one in self.variables if one.name == name), None)


def read_codebook(path: str | Path, encoding: str | None = None) -> Codebook:
    """The codebook that a YAML file holds.

    Args:
        path: The file.
        encoding: Of its text; None takes UTF-8.

    Raises:
        InputError: It cannot be read, or is no codebook; the message names the line and the variable.
        MissingPackage: PyYAML is not installed.
    """
    yaml, path = require("yaml", extra="codebook"), Path(path)
    text = decoded(bytes_of(path), path, encoding, can_choose=False)
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(f"{path}: line {mark.line + 1}: is not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"{path}: line {line}: is not YAML: the character U+{ord(text[error.position]):04X} may not stand in it"
        ) from error
    except RecursionError:
        raise InputError(f"{path}: is no codebook: it is nested too deeply") from None
    if tree is None:
        raise InputError(f"{path}: is empty; a codebook has a name and variables")
    return _Reading(path).codebook(tree)


class _Reading:
    """One file's nodes → a codebook; remembers which variable it is about, for messages."""

    def __init__(self, file: Path) -> None:
        self._file, self._about = file, ""

    def codebook(self, tree: Any) -> Codebook:
        fields = self._fields(tree, needed=("name", "variables"))
        name = self._text(fields["name"], "name")
        variables: dict[str, Variable] = {}
        for node in self._list(fields["variables"], "variables"):
            one = self._variable(node, variables)
            variables[one.name] = one
        return Codebook(name=name, variables=tuple(variables.values()))

    def _variable(self, node: Any, earlier: Mapping[str, Variable]) -> Variable:
        self._about = ""
        if _is(node, "mapping"):  # messages name the variable, whatever else is wrong with it
            named = [self._text(value, "name") for key, value in node.value if key.value == "name"]
            self._about = f", variable {named[0]}" if named else ""
        fields = self._fields(node, needed=("name", "question"), optional=("definition", "kind", "values", "ask_if"))
        name = self._name(fields["name"], earlier)
        kind: Kind = self._choice(fields["kind"], "kind", KINDS) if "kind" in fields else "nominal"
        values = self._values(fields["values"], kind) if "values" in fields else ()
        if kind in CHOSEN and not values:
            self._refuse(node, "has no values; list them, e.g. values: [a, b], or say kind: number or kind: text")
        if kind not in CHOSEN and values:
            self._refuse(fields["values"], f"kind {kind} takes no values; leave them out, or choose another kind")
        return Variable(
            name=name, question=self._text(fields["question"], "question"),
            definition=self._text(fields["definition"], "definition", empty=True) if "definition" in fields else "",
            kind=kind, values=values,
            ask_if=tuple(self._conditions(fields["ask_if"], earlier)) if "ask_if" in fields else (),
        )  # fmt: skip

    def _name(self, node: Any, earlier: Mapping[str, Variable]) -> str:
        name = self._text(node, "name")
        if not _NAME.fullmatch(name):
            self._refuse(
                node, f"name {name!r} is no column: it begins with a letter and goes on with letters, digits, _, - or ."
            )
        if name.lower() in RESERVED:
            self._refuse(node, f"name {name!r} is a column of every coded table; choose another")
        same = {other.casefold(): other for other in earlier}
        if name.casefold() in same:
            self._refuse(node, f"name {name!r}: an earlier variable is called {same[name.casefold()]}")
        return name

    def _values(self, node: Any, kind: str) -> tuple[Value, ...]:
        values: dict[str, Value] = {}
        for entry in self._list(node, "values"):
            if _is(entry, "mapping"):
                fields = self._fields(entry, needed=("value",), optional=("label", "definition", "example"))
            else:
                fields = {"value": entry}
            texts = {name: self._text(one, name, empty=name != "value") for name, one in fields.items()}
            value = texts["value"]
            if value in values:
                self._refuse(entry, f"value {value!r} stands twice")
            if value == NOTHING or "\n" in value:
                self._refuse(entry, f"value {value!r} cannot be an answer; choose another")
            if kind == "several" and re.search(r"[|;]", value):
                self._refuse(entry, f"value {value!r} holds | or ;, which separate answers of kind several")
            values[value] = Value(**{**texts, "label": texts.get("label") or value})
        return tuple(values.values())

    def _conditions(self, node: Any, earlier: Mapping[str, Variable]) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, wanted in self._pairs(node, 'ask_if, e.g. {protest: "yes"}'):
            if name not in earlier:
                self._refuse(node, f"ask_if: no earlier variable is called {name!r}{did_you_mean(name, earlier)}")
            if earlier[name].kind not in CHOSEN:
                self._refuse(node, f"ask_if: {name} is of kind {earlier[name].kind}; it needs one with values")
            entries = wanted.value if _is(wanted, "sequence") else [wanted]
            answers = tuple(self._choice(one, f"ask_if: {name}", earlier[name].answers) for one in entries)
            if not answers:
                self._refuse(wanted, f"ask_if: {name} has no answer; name one of {', '.join(earlier[name].answers)}")
            yield name, answers

    def _fields(self, node: Any, *, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
        """The entries of a mapping that has all that are needed, and no others than these."""
        known = (*needed, *optional)
        fields = self._pairs(node, f"entries such as {needed[0]}: ...")
        for key, value in fields:
            if key not in known:
                self._refuse(value, f"unknown entry {key!r}{did_you_mean(key, known)}; there are {', '.join(known)}")
        if missing := [name for name in needed if name not in dict(fields)]:
            self._refuse(node, f"{missing[0]} is missing")
        return dict(fields)

    def _pairs(self, node: Any, wanted: str) -> list[tuple[str, Any]]:
        if not _is(node, "mapping"):
            self._refuse(node, f"needs {wanted}")
        pairs: dict[str, Any] = {}
        for key, value in node.value:
            name = self._text(key, "the name of an entry")
            if name in pairs:
                self._refuse(key, f"{name!r} stands twice")
            pairs[name] = value
        return list(pairs.items())

    def _list(self, node: Any, name: str) -> list[Any]:
        if not _is(node, "sequence") or not node.value:
            self._refuse(node, f"{name} must be a list, with a - before each entry or [a, b] around all")
        return list(node.value)

    def _choice(self, node: Any, name: str, choices: Sequence[Any]) -> Any:
        text = self._text(node, name)
        if text not in choices:
            self._refuse(node, f"{name}: {text!r} is not one of {', '.join(choices)}{did_you_mean(text, choices)}")
        return text

    def _text(self, node: Any, name: str, *, empty: bool = False) -> str:
        """The text of a scalar, as it stands there, letters composed."""
        if not _is(node, "scalar") or node.tag not in _PLAIN:
            self._refuse(node, f"{name} must be plain text; put it between quotes if it holds : or [ or {{")
        text = composed(str(node.value)).strip()
        if not text and not empty:
            self._refuse(node, f"{name} is empty")
        return text

    def _refuse(self, node: Any, message: str) -> NoReturn:
        raise InputError(f"{self._file}: line {node.start_mark.line + 1}{self._about}: {message}")


def _is(node: Any, kind: Literal["scalar", "sequence", "mapping"]) -> bool:
    return bool(node.id == kind)
