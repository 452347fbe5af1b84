"""A codebook as prompt and JSON schema, and the check of what a model answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.engines.vision.codebook_form import Invalid, answers_of, json_object, prompt_of, quoted, schema_of
from mediasift.sources.codebook import Codebook, Value, Variable, read_codebook

BOOK = """\
name: protest-2026
variables:
  - name: protest
    question: Does the picture show a protest?
    definition: People gathered in public to express a demand.
    values: ["yes", "no"]
  - name: size
    question: How many people?
    kind: ordinal
    values:
      - {value: few, label: up to ten, definition: Count heads, example: a vigil}
      - dozens
    ask_if: {protest: "yes"}
  - {name: signs, question: What do they carry, kind: several, values: [flag, banner, poster], ask_if: {size: dozens}}
  - {name: age, question: How old is the oldest, kind: number}
  - {name: words, question: What is written there, kind: text}
"""

GOOD = {"protest": "yes", "size": "dozens", "signs": ["poster", "flag"], "age": 71, "words": "  No more  "}


@pytest.fixture
def book(tmp_path: Path) -> Codebook:
    (tmp_path / "book.yaml").write_text(BOOK)
    return read_codebook(tmp_path / "book.yaml")


def test_the_prompt_holds_all_that_human_coders_read(book: Codebook):
    prompt = prompt_of(book, "picture")
    for part in ("Does the picture show a protest?", "People gathered in public", "up to ten", "Count heads", "a vigil",
                 'only if "protest" is "yes"', 'only if "size" is "dozens"', '- "banner"', "a number"):  # fmt: skip
        assert part in prompt
    assert [prompt.index(f'"{one.name}":') for one in book.variables] == sorted(
        prompt.index(f'"{one.name}":') for one in book.variables
    )


def test_the_schema_keeps_to_what_strict_servers_take(book: Codebook):
    """Rules: https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas"."""
    schema = schema_of(book)
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == schema["required"] == ["protest", "size", "signs", "age", "words"]
    assert schema["properties"]["protest"] == {"type": "string", "enum": ["yes", "no"]}
    assert schema["properties"]["size"]["anyOf"] == [{"type": "string", "enum": ["few", "dozens"]}, {"type": "null"}]
    allowed = {"type", "properties", "required", "additionalProperties", "enum", "items", "anyOf"}

    def keywords(part):
        yield from part
        for inner in (*part.get("properties", {}).values(), *part.get("anyOf", ()), *filter(None, [part.get("items")])):
            yield from keywords(inner)

    assert set(keywords(schema)) <= allowed


def test_a_good_answer(book: Codebook):
    assert answers_of(json.dumps(GOOD), book) == {
        "protest": "yes", "size": "dozens", "signs": ("flag", "poster"), "age": 71.0, "words": "No more",
    }  # fmt: skip
    skipped = {**GOOD, "protest": "no", "size": None, "signs": None}
    assert list(answers_of(json.dumps(skipped), book)) == ["protest", "age", "words"]
    del skipped["size"], skipped["signs"]
    assert list(answers_of(json.dumps(skipped), book)) == ["protest", "age", "words"]
    assert answers_of(json.dumps({**GOOD, "signs": []}), book)["signs"] == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"protest": "perhaps"}, 'protest: \'perhaps\' is not one of "yes", "no"'),
        ({"protest": True}, "protest: True is not one of"),
        ({"protest": None}, "protest has no answer"),
        ({"size": None}, "size has no answer"),
        ({"protest": "no"}, "size does not apply"),
        ({"size": "few"}, "signs does not apply"),
        ({"signs": "flag"}, "signs: 'flag' is no list"),
        ({"signs": ["flag", "drum"]}, "'drum' is not one of"),
        ({"age": "71"}, "age: '71' is no number"),
        ({"age": True}, "age: True is no number"),
        ({"age": 10**400}, "is no number"),
        ({"words": " "}, "words: ' ' is no text"),
        ({"words": ["a"]}, "is no text"),
        ({"mood": "merry"}, "no variable 'mood'"),
    ],
)
def test_an_answer_that_the_codebook_does_not_have_is_none(book: Codebook, change: dict, says: str):
    with pytest.raises(Invalid) as error:
        answers_of(json.dumps({**GOOD, **change}), book)
    assert says in str(error.value)


def test_whole_numbers_name_values_that_are_written_so():
    scale = Codebook(name="n", variables=(Variable(name="a", question="?", values=tuple(
        Value(value=one, label=one) for one in ("1", "2", "yes")
    )),))  # fmt: skip
    assert answers_of('{"a": 2}', scale) == {"a": "2"}
    for wrong in ("3", "2.0", "true", "1e0"):
        with pytest.raises(Invalid):
            answers_of(f'{{"a": {wrong}}}', scale)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        'Sure: {"a": 1}. More?',
        '```json\n{"a": 1}\n```',
        '{smile} {"a": 1} {',
        'a set {1, 2}, then {"a": 1}',
    ],
)
def test_prose_around_an_object_does_not_matter(text: str):
    assert json_object(text) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON object"), ("yes", "no JSON object"), ('["a"]', "no JSON object"), ('{"a": 1', "no JSON object"),
        ('{"a": 1} or {"a": 2}', "2 JSON objects"), ('{"a": 1, "a": 2}', "stands twice"),
        ('{"a": NaN}', "NaN is no JSON"), ('{"a":' * 5000, "no JSON object"),
    ],
)  # fmt: skip
def test_what_is_not_one_object_is_no_answer(text: str, says: str):
    with pytest.raises(Invalid, match=says):
        json_object(text)


@given(st.text())
def test_any_text_is_an_answer_or_a_sentence_about_it(text: str):
    book = Codebook(name="n", variables=(Variable(name="a", question="?", kind="text"),))
    try:
        assert answers_of(text, book)["a"]
    except Invalid as error:
        assert str(error)
    assert "\n" not in quoted(text)


@given(
    st.dictionaries(st.sampled_from(["protest", "size", "age"]), st.sampled_from(["yes", "no", "few", 3, None, ["a"]]))
)
def test_what_is_accepted_obeys_the_codebook(given_answers: dict):
    variables = (
        Variable(name="protest", question="?", values=(Value(value="yes", label="yes"), Value(value="no", label="no"))),
        Variable(name="size", question="?", kind="ordinal", values=(Value(value="few", label="few"),),
                 ask_if=(("protest", ("yes",)),)),
        Variable(name="age", question="?", kind="number"),
    )  # fmt: skip
    try:
        answers = answers_of(json.dumps(given_answers), Codebook(name="n", variables=variables))
    except Invalid:
        return
    assert answers["protest"] in ("yes", "no")
    assert ("size" in answers) == (answers["protest"] == "yes")
    assert answers["age"] == 3.0
