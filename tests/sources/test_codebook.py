"""Codebooks: what they hold, and what a wrong one is refused with."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mediasift.errors import InputError, MissingPackage
from mediasift.sources.codebook import NOTHING, RESERVED, Value, read_codebook

PROTEST = """\
name: protest-2026
variables:
  - name: protest
    question: Does the picture show a protest?
    definition: People gathered in public to express a demand.
    kind: nominal            # nominal, ordinal, number, several, text
    values: ["yes", "no"]    # or entries with value, label, definition, example
  - name: size
    question: How many people?
    kind: ordinal
    values: [few, dozens, hundreds]
    ask_if: {protest: "yes"}
"""


@pytest.fixture
def book(tmp_path: Path):
    def read(text: str | bytes, encoding: str | None = None):
        path = tmp_path / "codebook.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_codebook(path, encoding)

    return read


def one(entries: str) -> str:
    """A codebook with one variable, whose entries begin in line 3."""
    return f"name: n\nvariables:\n  - {entries}\n"


def test_the_codebook_of_the_documentation(book):
    codebook = book(PROTEST)
    protest, size = codebook.variables
    assert codebook.name == "protest-2026"
    assert (protest.kind, protest.answers, protest.ask_if) == ("nominal", ("yes", "no"), ())
    assert protest.definition == "People gathered in public to express a demand."
    assert (size.kind, size.answers, size.ask_if) == (
        "ordinal",
        ("few", "dozens", "hundreds"),
        (("protest", ("yes",)),),
    )
    assert codebook.variable("size") is size
    assert codebook.variable("colour") is None


def test_values_may_say_more_than_their_name(book):
    text = one("{name: v, question: q, values: [{value: a, label: An A, definition: d, example: e}, {value: b}, c]}")
    assert book(text).variables[0].values == (
        Value(value="a", label="An A", definition="d", example="e"),
        Value(value="b", label="b"),
        Value(value="c", label="c"),
    )


def test_what_may_be_left_out(book):
    (variable,) = book(one("{name: v, question: q, values: [a]}")).variables
    assert (variable.kind, variable.definition, variable.ask_if) == ("nominal", "", ())


def test_scalars_are_the_text_that_stands_there(book):
    """YAML 1.1 makes truth values, numbers, dates and nothing of these."""
    words = ["yes", "no", "on", "off", "y", "true", "1", "1.0", "010", "1e3", "null", "~", "2026-11-27", "12:30:45"]
    (variable,) = book(one(f"{{name: v, question: q, values: [{', '.join(words)}]}}")).variables
    assert list(variable.answers) == words
    two = book(
        one("{name: v, question: q, values: [yes, no]}\n  - {name: w, question: 3, kind: text, ask_if: {v: yes}}")
    )
    assert two.variables[1].ask_if == (("v", ("yes",)),)
    assert two.variables[1].question == "3"


def test_when_a_question_is_asked(book):
    text = one(
        "{name: a, question: q, values: [x, y, z]}\n  - {name: b, question: q, kind: several, values: [r, s]}\n"
        "  - {name: c, question: q, kind: number, ask_if: {a: [x, y], b: r}}"
    )
    *_, c = book(text).variables
    assert c.is_asked({"a": "x", "b": ["r", "s"]})
    assert c.is_asked({"a": "y", "b": ["r"]})
    assert not c.is_asked({"a": "z", "b": ["r"]})
    assert not c.is_asked({"a": "x", "b": ["s"]})
    assert not c.is_asked({"a": "x", "b": []})
    assert not c.is_asked({"a": None, "b": ["r"]})
    assert not c.is_asked({})


V = "{name: v, question: q, values: [a, b]}"

REFUSED = {
    "": "is empty",
    "name: n": "line 1: variables is missing",
    "variables: []": "line 1: name is missing",
    "- a": "line 1: needs entries",
    "just text": "line 1: needs entries",
    "name: n\nvariables: []": "line 2: variables must be a list",
    "name: n\nvariables:\n  a: b": "line 3: variables must be a list",
    "name: n\nname: m\nvariables: [a]": "line 2: 'name' stands twice",
    "name: [n]\nvariables:\n  - " + V: "line 1: name must be plain text",
    "name: ''\nvariables:\n  - " + V: "line 1: name is empty",
    "name: n\nvariable:\n  - " + V: "line 3: unknown entry 'variable'; did you mean variables?",
    "name: n\nvariables:\n  - a": "line 3: needs entries",
    "name: n\nvariables: [\n": "line 3: is not YAML",
    "name: n\n\tvariables: x": "line 2: is not YAML",
    "name: n\n---\nname: m": "line 2: is not YAML",
    "name: *x": "line 1: is not YAML",
    "name: n\x07\n": "line 1: is not YAML: the character U+0007",
    "a: " + 600 * "[": "nested too deeply",
    one("{question: q, values: [a]}"): "line 3: name is missing",
    one("{name: v, values: [a]}"): "line 3, variable v: question is missing",
    one("{name: v, question: q}"): "line 3, variable v: has no values",
    one("{name: v, question: q, kind: text, values: [a]}"): "variable v: kind text takes no values",
    one("{name: v, question: q, kind: nominol, values: [a]}"): "kind: 'nominol' is not one of nominal, ordinal, "
    "number, several, text; did you mean nominal?",
    one("{name: v, question: q, kind: ordinal, values: []}"): "line 3, variable v: values must be a list",
    one("{name: v, question: q, values: {a: b}}"): "values must be a list",
    one("name: v\n    question: q\n    values:\n      - a\n      - b\n      - a"): "line 8, variable v: value 'a' "
    "stands twice",
    one("{name: v, question: q, values: [a, ' a ']}"): "value 'a' stands twice",
    one("{name: v, question: q, values: [[a]]}"): "value must be plain text",
    one("{name: v, question: q, values: ['']}"): "value is empty",
    one("{name: v, question: q, values: ['a\\n\\n  b']}".replace("\\n", "\n")): "cannot be an answer",
    one("{name: v, question: q, values: [(none)]}"): "cannot be an answer",
    one("{name: v, question: q, kind: several, values: [a|b]}"): "holds | or ;",
    one("{name: v, question: q, values: [{value: a, lable: b}]}"): "unknown entry 'lable'; did you mean label?",
    one("{name: v, question: q, values: [{label: b}]}"): "value is missing",
    one("{name: v, question: q, values: [!!python/name:os.system x]}"): "value must be plain text",
    one("{name: v, question: !mine q, values: [x]}"): "question must be plain text",
    one("{name: v w, question: q, values: [a]}"): "name 'v w' is no column",
    one("{name: 1v, question: q, values: [a]}"): "name '1v' is no column",
    one("{name: <b>, question: q, values: [a]}"): "name '<b>' is no column",
    one("{name: Coder, question: q, values: [a]}"): "name 'Coder' is a column of every coded table",
    one(V + "\n  - {name: V, question: q, values: [a]}"): "line 4, variable V: name 'V': an "
    "earlier variable is called v",
    one(V + "\n  - {name: w, question: q, kind: text, ask_if: {x: a}}"): "line 4, variable w: ask_if: no earlier "
    "variable is called 'x'",
    one(V + "\n  - {name: w, question: q, kind: text, ask_if: {w: a}}"): "no earlier variable is called 'w'",
    one(V + "\n  - {name: w, question: q, kind: text, ask_if: {v: c}}"): "ask_if: v: 'c' is not one of a, b",
    one(V + "\n  - {name: w, question: q, kind: text, ask_if: {v: []}}"): "ask_if: v has no answer",
    one(V + "\n  - {name: w, question: q, kind: text, ask_if: a}"): "needs ask_if, e.g. {protest:",
    one("{name: v, question: q, kind: text}\n  - {name: w, question: q, kind: text, ask_if: {v: a}}"): "v is of kind "
    "text",
    one("{<<: {name: v}, question: q, values: [a]}"): "unknown entry '<<'",
    "&a [*a]": "needs entries",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=range(len(REFUSED)))
def test_a_wrong_codebook_is_refused_with_line_and_variable(book, text: str, message: str):
    with pytest.raises(InputError) as raised:
        book(text)
    assert message in str(raised.value)
    assert "codebook.yaml: " in str(raised.value)


def test_every_reserved_column_is_refused(book):
    for name in RESERVED:
        with pytest.raises(InputError, match="is a column of every coded table"):
            book(one(f"{{name: {name}, question: q, values: [a]}}"))


def test_encodings(book, tmp_path: Path):
    text = one("{name: größe, question: 'Wie groß?', values: [klein]}")
    assert book(b"\xef\xbb\xbf" + text.encode()).variables[0].name == "größe"
    assert book(text.encode("cp1252"), "cp1252").variables[0].question == "Wie groß?"
    assert book(text.replace("ö", "o\u0308").replace("ß", "s")).variables[0].name == "größe".replace("ß", "s")
    assert book(text.replace("\n", "\r\n")).variables[0].answers == ("klein",)
    with pytest.raises(InputError, match="not UTF-8"):
        book(text.encode("cp1252"))
    with pytest.raises(InputError, match="cannot be read"):
        read_codebook(tmp_path / "absent.yaml")


def test_without_pyyaml_the_line_to_type(book, monkeypatch):
    monkeypatch.setattr("mediasift.system.optional.is_installed", lambda name: False)
    with pytest.raises(MissingPackage, match=r"type: pip install .*\[codebook\]'"):
        book(PROTEST)


@given(values=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4))
def test_whatever_stands_in_quotes_comes_back_or_is_refused(tmp_path_factory, values):
    """Any text, written by PyYAML itself."""
    path = tmp_path_factory.mktemp("book") / "b.yaml"
    variable = {"name": "v", "question": "q", "values": values}
    written = yaml.safe_dump({"name": "n", "variables": [variable]}, allow_unicode=True)
    path.write_bytes(written.encode("utf-8", "replace"))
    try:
        read = read_codebook(path).variables[0]
    except InputError:
        return
    assert len(set(read.answers)) == len(values)
    assert NOTHING not in read.answers
    assert not any("\n" in answer or answer != answer.strip() for answer in read.answers)
