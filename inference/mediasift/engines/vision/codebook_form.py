"""A codebook as a language model gets it: the prompt, the JSON schema of an answer, and the check of what comes.

The schema keeps to what all servers take that constrain an answer: every member is needed, none is unknown, and a
question that may not apply has null beside its values. Which questions apply follows from other answers, which a schema
cannot say everywhere; so that, and all the rest, is checked here whatever the server promised.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mediasift.sources.codebook import Codebook, Variable
from mediasift.sources.records import composed

Answer = str | float | tuple[str, ...]
"""A value or words; a number; of `several` the values that apply, in the codebook's order, perhaps none."""

_QUOTED = 300
"""Characters of an answer that a message quotes."""


_BRACES = 50
"""Places in an answer at which an object may begin; a model that has lost its way writes thousands."""


class Invalid(Exception):
    """What came is no answer to the question; the sentence says why, for the model and for the reader of the table."""


def prompt_of(codebook: Codebook, kind: str) -> str:
    """What a model is asked, before the picture or the text.

    Args:
        codebook: The questions.
        kind: What is coded: picture or text.
    """
    lines = [
        f"You are a coder in a content analysis. Code the {kind} below by this codebook and by nothing else.",
        "Answer with one JSON object and nothing around it. It has a member for each variable, in this order.",
        f"\nCodebook: {codebook.name}",
    ]
    for number, variable in enumerate(codebook.variables, 1):
        lines += ["", f"{number}. {_quoted(variable.name)}: {variable.question}"]
        lines += [f"   {line}" for line in _about(variable)]
    return "\n".join(lines) + "\n"


def _about(variable: Variable) -> Iterator[str]:
    if variable.definition:
        yield f"Definition: {variable.definition}"
    asked = " and ".join(f"{_quoted(name)} is {' or '.join(map(_quoted, ok))}" for name, ok in variable.ask_if)
    if asked:
        yield f"This applies only if {asked}; otherwise the answer is null."
    yield {
        "nominal": "The answer is one of these strings:",
        "ordinal": "The answer is one of these strings, which are in their order:",
        "several": "The answer is a list of those strings of these that apply, [] where none does:",
        "number": "The answer is a number.",
        "text": 'The answer is a string; "-" where there is nothing to write.',
    }[variable.kind]
    for one in variable.values:
        more = [f": {one.label}" if one.label != one.value else "", f" ({one.definition})" if one.definition else ""]
        yield f"- {_quoted(one.value)}{''.join(more)}{f' Example: {one.example}' if one.example else ''}"


def schema_of(codebook: Codebook) -> dict[str, Any]:
    """The JSON schema of an answer."""
    return object_schema({one.name: _schema(one) for one in codebook.variables})


def object_schema(members: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with all of these members, and no others."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def _schema(variable: Variable) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "string", "enum": list(variable.answers)}
    if variable.kind in ("number", "text"):
        value = {"type": "number" if variable.kind == "number" else "string"}
    elif variable.kind == "several":
        value = {"type": "array", "items": value}
    return {"anyOf": [value, {"type": "null"}]} if variable.ask_if else value


def answers_of(text: str, codebook: Codebook) -> dict[str, Answer]:
    """Variable → answer, of those that are asked.

    Raises:
        Invalid: It is no valid answer to the codebook.
    """
    given = json_object(text)
    answers: dict[str, Answer] = {}
    for variable in codebook.variables:
        value = given.pop(variable.name, None)
        if not variable.is_asked(answers):
            if value is not None:
                raise Invalid(f"{variable.name} does not apply by the other answers, so it must be null, not {value!r}")
        elif value is None:
            raise Invalid(f"{variable.name} has no answer")
        else:
            answers[variable.name] = _answer(value, variable)
    if given:
        raise Invalid(f"the codebook has no variable {next(iter(given))!r}")
    return answers


def _answer(value: Any, variable: Variable) -> Answer:
    if variable.kind == "number":
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not abs(value) <= sys.float_info.max:  # nor NaN, nor more than a float holds
            raise Invalid(f"{variable.name}: {value!r} is no number")
        return float(value)
    if variable.kind == "text":
        if not isinstance(value, str) or not value.strip():
            raise Invalid(f"{variable.name}: {value!r} is no text")
        return composed(value).strip()
    if variable.kind == "several":
        if not isinstance(value, list):
            raise Invalid(f"{variable.name}: {value!r} is no list")
        chosen = [_value(one, variable) for one in value]
        return tuple(one for one in variable.answers if one in chosen)
    return _value(value, variable)


def _value(value: Any, variable: Variable) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and composed(text) in variable.answers:
        return composed(text)
    raise Invalid(f"{variable.name}: {value!r} is not one of {', '.join(map(_quoted, variable.answers))}")


def json_object(text: str) -> dict[str, Any]:
    """The one JSON object that stands in a text, whatever is around it.

    Raises:
        Invalid: There is none; there are several; or it has one member twice.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
    objects, at, tried = list[dict[str, Any]](), text.find("{"), 0
    while at >= 0 and tried < _BRACES:
        tried += 1
        try:
            one, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            objects.append(one)
        at = text.find("{", end)
    if len(objects) != 1:
        raise Invalid(f"{len(objects) or 'no'} JSON object{'s' if objects else ''} in the answer; one is wanted")
    return objects[0]


def quoted(text: str) -> str:
    """What came, on one line, for a message."""
    line = " ".join(text.split())
    return repr(line[:_QUOTED]) + (" ..." if len(line) > _QUOTED else "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Invalid("a member stands twice in the JSON object")
    return members


def _no_constant(name: str) -> Any:
    raise Invalid(f"{name} is no JSON")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
