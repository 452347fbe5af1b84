"""Plain English: words that people misread stand neither in help, nor in the documentation, nor in a message."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mediasift.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
         ROOT / "training" / "README.md"]  # fmt: skip
CODE = [path for folder in ("inference/mediasift", "training") for path in sorted((ROOT / folder).rglob("*.py"))]

AVOIDED = {
    "told": "reported, described, distinguished",
    "said": "reported, printed, spoken",
    "anew": "again",
    "parted": "split",
    "parts two": "splits two",
    "nobody": "name the actor",
    "somebody": "name the actor",
    "whoever": "name the actor",
    "whosoever": "name the actor",
    "whatsoever": "leave it out",
    "lest": "so that ... not",
    "amongst": "among",
    "wherein": "in which",
    "thereof": "of it",
    "therein": "in it",
    "whence": "from where",
    "that is none": "that is unknown, that is missing",
    "that are none": "that are unknown, that are missing",
    "without a word": "without a message",
    "must needs": "must",
}
"""Word → what to write instead."""

NAMELESS = {"found", "told", "said", "what"}
"""Variables are named for what they hold. A column `found` of a table is no variable."""

avoided = re.compile(rf"\b({'|'.join(AVOIDED)})\b", re.IGNORECASE)


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            yield from commands(f"{name} {inner}", one)


def test_help_has_no_avoided_word():
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        for words, _ in commands(name, command):
            text = CliRunner().invoke(main, [*words.split(), "--help"], catch_exceptions=False).output
            assert not avoided.findall(text), words
    assert not avoided.findall(CliRunner().invoke(main, ["--help"]).output)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documentation_has_no_avoided_word(page: Path):
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        assert not avoided.findall(line), f"{page.name}:{number}: {line}"


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of the strings that are no docstrings: messages, help texts, headings."""
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.lineno, node.value


def test_messages_have_no_avoided_word():
    for path in CODE:
        for line, text in messages(ast.parse(path.read_text(encoding="utf-8"))):
            assert not avoided.findall(text), f"{path.name}:{line}: {text}"


def test_no_name_comment_or_docstring_has_the_five_words_of_the_plan():
    for path in CODE:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not re.search(r"\b(told|anew|parted|nobody|whoever)\b", line, re.IGNORECASE), f"{path.name}:{number}"


def assigned(tree: ast.AST) -> Iterator[ast.Name | ast.arg]:
    """Variables and arguments; not the fields of classes."""
    fields = {id(node.target) for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) or (
            isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in fields
        ):
            yield node


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "training"])
def test_variables_are_named_for_what_they_hold(folder: str):
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in assigned(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.id if isinstance(node, ast.Name) else node.arg
            assert name not in NAMELESS, f"{path.relative_to(ROOT)}:{node.lineno}: {name}"


def test_the_words_to_avoid_are_found():
    tree = ast.parse('"""It was told."""\nfound = f"it said {1} anew"\nclass A:\n    found: int\n')
    assert [avoided.findall(text) for _, text in messages(tree)] == [["said"], ["anew"]]
    assert [node.id for node in assigned(tree) if isinstance(node, ast.Name)] == ["found"]
