"""Verbs follow from their settings: signatures, types, commands and help; settings check what they are given."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import UsageError
from mediasift.settings import from_json, options, to_json
from mediasift.tasks.classify import Classify
from mediasift.tasks.task import ModelRunSettings
from mediasift.verbs import PUBLIC, VERBS
from tests.pictures import save, scene

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
import mediasift as ms
from mediasift.tasks.classify import Classification
rows = ms.classify(["a"], top=3, crops=[(0, 0, 1, 1)], jobs=2, dpi=100, keep=["x"])
first: Classification = next(iter(rows))
label: str | None = first.label
path: str | None = next(iter(ms.convert("a", "out", to="png", size=(3, 4)))).output
similar: float = ms.similarity("a", "b")
neighbours = ms.search("q", "photos", top=3)
labels: tuple[str, ...] = ms.load_model("m").description.labels
check = ms.check_model("m", "folder").given.accuracy + 1.0
"""
BAD = """
import mediasift as ms
ms.classify(["a"], topp=3)
ms.classify(["a"], top="x")
ms.info(["a"], batch_size=3)
ms.transcribe(["a"], max_megapixels=3)
ms.duplicates(["a"], match="bites")
ms.classify()
ms.nonsense(3)
"""


def test_type_checkers_see_every_keyword_and_reject_typos(tmp_path: Path):
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(BAD)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), "good.py", "bad.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={"MYPYPATH": str(ROOT / "inference")},
    )  # fmt: skip
    wrong = {line.partition(": error:")[0] for line in done.stdout.splitlines() if ": error:" in line}
    assert wrong == {f"bad.py:{number}" for number in range(3, 10)}, done.stdout


@pytest.mark.parametrize("name", VERBS)
def test_a_function_has_the_options_of_its_settings(name: str):
    parameters = inspect.signature(getattr(ms, name)).parameters
    declared = options(VERBS[name].load())
    assert set(parameters) == {"inputs", *(one.name for one in declared)}
    for one in declared:
        assert f"{one.name}: {one.option.help}" in getattr(ms, name).__doc__
        assert one.option.help.endswith("."), one.name


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if verb.help])
def test_a_command_has_the_options_of_its_settings(name: str):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    on_the_line = {opt for param in command.params for opt in param.opts}
    text = " ".join(CliRunner().invoke(main, [name, "--help"]).output.split())
    for one in options(VERBS[name].load()):
        if one.flag:
            assert one.flag in on_the_line
            assert one.flag in text


def test_every_public_name_is_there_and_nothing_else():
    assert set(PUBLIC) <= set(dir(ms))
    assert all(getattr(ms, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError):
        _ = ms.nonsense  # type: ignore[attr-defined]


def test_no_verb_has_an_option_without_effect():
    def names(verb: str) -> set[str]:
        return {one.name for one in options(VERBS[verb].load())}

    assert {"dpi", "pages", "password"} <= names("classify") & names("detect") & names("embed") & names("compare")
    assert not {"max_megapixels", "every", "dpi", "batch_size"} & names("transcribe")
    assert not {"batch_size", "threads", "max_megapixels", "every"} & names("info")
    assert not {"every", "dpi", "batch_size"} & names("shots")


def test_one_long_name_for_one_thing():
    flags = [one.flag for verb in VERBS.values() for one in options(verb.load())]
    assert "--folder" not in flags
    assert not [flag for flag in flags if "colour" in flag]


def test_a_former_name_is_accepted_with_a_warning(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    words = ["convert", str(tmp_path / "a.png"), "-d", str(tmp_path / "out"), "--colour-model", "gray", "--quiet"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "--colour-model is now --color-model" in done.stderr
    assert ",gray," in done.stdout


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top": -1}, "top -1: must be at least 0"),
        ({"top": 1.5}, "top 1.5: must be a whole number"),
        ({"top": True}, "must be a whole number"),
        ({"min_score": 2}, "min score 2: must be from 0 to 1"),
        ({"min_score": float("nan")}, "must be a finite number"),
        ({"timeout_s": 0}, "must be more than 0"),
        ({"device": "abacus"}, "device 'abacus': must be one of cpu, auto"),
        ({"crops": [(0, 0, 2, 1)]}, "crop box"),
        ({"pages": "x"}, "pages 'x'"),
        ({"every": "2"}, "every '2'"),
    ],
)
def test_values_that_cannot_be_are_refused_when_settings_are_made(values, message: str):
    with pytest.raises(UsageError, match=message):
        Classify(**values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ms.classify(5), "a path .*, a uint8 array .*; or several of them, as a list; not int"),
        (lambda: ms.classify(["a.png", None]), "each must be a path .*; number 2 is NoneType: None"),
        (lambda: ms.classify({"path": ["a.png"]}), r"name its column of paths, e\.g\. frame\['path'\]"),
        (lambda: ms.classify("a.png", "fashion-mlp"), r"by name: classify\(inputs, labels=\.\.\.\), not 'fashion-mlp'"),  # type: ignore[call-arg]
        (lambda: ms.convert("a.png", "out", 3), r"by name: convert\(inputs, directory, "),  # type: ignore[call-arg]
        (lambda: ms.similarity(["a.png", "b.png"]), r"^similarity\(\) missing"),  # type: ignore[call-arg]
        (lambda: ms.classify("a.png", topp=3), "no option 'topp'; there are .*; did you mean top"),  # type: ignore[call-arg]
        (lambda: ms.convert("a.png", "out", foo=3), "no option 'foo'; there are directory, "),  # type: ignore[call-arg]
    ],
)
def test_type_errors_say_what_is_taken(call, message: str):
    with pytest.raises(TypeError, match=message):
        call()


def test_an_array_of_names_is_a_list_of_them(tmp_path: Path):
    for name in ("a.png", "b.png"):
        save(tmp_path / name, scene(8, 8))
    names = np.array([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    for array in (names, names.astype(object)):
        assert [row.path for row in ms.info(array)] == list(names)


def test_one_table_is_as_good_as_a_list_of_it(tmp_path: Path):
    rows = "".join(f"{one}.png,{coder},{'yes' if one % 2 else 'no'}\n" for one in range(6) for coder in "ab")
    (tmp_path / "coded.csv").write_text(f"path,coder,protest\n{rows}")
    one, several = (ms.agree(tables).measures for tables in (tmp_path / "coded.csv", [str(tmp_path / "coded.csv")]))
    assert one == several


def test_a_mistyped_verb_is_answered_with_the_one_that_was_meant():
    with pytest.raises(AttributeError, match="'clasify'; did you mean classify"):
        _ = ms.clasify  # type: ignore[attr-defined]


def test_one_text_is_no_list_of_letters():
    with pytest.raises(UsageError, match=r"keep 'id': must be a list, e\.g\. \['id'\]"):
        ms.info("a.csv", keep="id")


def test_none_is_no_value_where_a_value_is_needed():
    with pytest.raises(UsageError, match="must be a whole number"):
        Classify(top=None)
    assert Classify(threads=None).threads is None


@given(
    top=st.integers(0, 9),
    crops=st.lists(st.just((0.0, 0.25, 0.5, 1.0)), max_size=3),
    keep=st.lists(st.text(max_size=3), max_size=3),
    pages=st.sampled_from([None, "1-3,5"]),
    invert=st.booleans(),
)
def test_settings_survive_the_way_through_json(**given):
    made = Classify(**given)
    assert from_json(Classify, to_json(made)) == made
    assert isinstance(made.crops, tuple)
    assert isinstance(made.keep, tuple)


def test_what_is_secret_is_not_written_down():
    made = Classify(password="open sesame")
    assert to_json(made)["password"] == "open sesame"
    assert "password" not in to_json(made, secrets=False)


def test_what_rows_cost_stands_apart():
    cost = {field.name for field in fields(ModelRunSettings)}
    assert cost == {"jobs", "isolate", "timeout_s", "max_memory_gb", "cluster", "estimate", "threads", "batch_size"}
