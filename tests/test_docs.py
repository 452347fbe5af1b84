"""The documentation tells the truth: every command, format and device is in it, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

import mediasift
from mediasift.cli import COMMANDS, main
from mediasift.engines.onnx.providers import DEVICES
from mediasift.engines.onnx.registry import entries, folders
from mediasift.tables.formats import FORMATS
from mediasift.verbs import PUBLIC

ROOT = Path(__file__).resolve().parent.parent
MADE = tuple(re.findall(r"^/docs/(\S+)$", (ROOT / ".gitignore").read_text(), re.MULTILINE))
"""Pages that are made when the site is."""
PAGES = [
    path
    for folder in (".", "docs", "training", "benchmarks", "examples")
    for path in sorted((ROOT / folder).glob("*.md"))
    if not (folder == "docs" and path.name in MADE)
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS, INSTALL, MODELS = ((ROOT / "docs" / f"{name}.md").read_text() for name in ("verbs", "install", "models"))


def test_every_command_is_in_the_table_of_verbs():
    for name in COMMANDS:
        assert re.search(rf"^\| `mediasift {name}", VERBS, re.MULTILINE), name


def test_every_option_of_every_command_has_a_help_text():
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in commands:
            assert one.help, f"{name}: no help"
            for option in one.params:
                if isinstance(option, click.Option):
                    assert option.help, f"{name} {option.name}: no help"


def test_the_pages_name_formats_devices_extras_and_models():
    for page, words in (
        (VERBS, (name for name, one in FORMATS.items() if one.suffix)),
        (INSTALL, DEVICES),
        (MODELS, ("digits-forest", "fashion-mlp", "mobilenetv2-12-int8")),
    ):
        for word in words:
            assert word in page, word
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in extras:
        assert f"`{extra}`" in INSTALL, extra
    assert {"digits-forest", "fashion-mlp"} <= set(entries())
    assert all(one.limits for known in (entries(), folders()) for one in known.values())


def test_output_shown_in_the_readme_is_real():
    """The table that the README shows for `make demo` is what the commands print."""
    shown = re.search(r"```\n\$ mediasift classify examples/digits -m digits-forest\n(.*?)```", README, re.DOTALL)
    assert shown
    done = subprocess.run(
        [sys.executable, "-m", "mediasift", "classify", "examples/digits", "-m", "digits-forest", "--format", "aligned",
         "--quiet"],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "inference")},
    )  # fmt: skip
    assert done.returncode == 1
    printed, expected = (re.sub(r"damaged: .*", "damaged", text).split() for text in (done.stdout, shown[1]))
    assert printed == expected


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a link that leads nowhere, a page that no other names, is an error."""
    folder = tmp_path_factory.mktemp("site")
    (line,) = re.findall(r"-m (sphinx .*) -b html", (ROOT / "Makefile").read_text())
    command = [
        sys.executable,
        "-m",
        *line.split(),
        "-b",
        "html",
        "-d",
        str(folder / "trees"),
        "docs",
        str(folder / "html"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_the_site_needs_no_network_to_be_read(site: Path):
    pages = sorted(site.rglob("*.html"))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"examples"} <= {page.stem for page in pages}
    assert set(COMMANDS) == {page.stem for page in (site / "verbs").glob("*.html")}
    python = (site / "python.html").read_text(encoding="utf-8")
    assert all(f'id="mediasift.{name}"' in python for name in PUBLIC)
    models = (site / "registry.html").read_text(encoding="utf-8")
    assert all(f'id="{name.replace(".", "-").lower()}"' in models for name in (*entries(), *folders()))
    for page in pages:
        loaded = re.findall(
            r"<(?:script|img|iframe|source)\b[^>]* src=\"([^\"]*)|<link\b[^>]* href=\"([^\"]*)", page.read_text()
        )
        assert loaded
        assert not [address for pair in loaded for address in pair if "//" in address], page.name
    for style in (site / "_static").rglob("*.css"):
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", style.read_text()), style.name


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    own = page.read_text(encoding="utf-8")
    outside = re.findall(r"^```\{include\} (\S+)", own, re.MULTILINE)
    text = "".join([own, *((page.parent / name).read_text(encoding="utf-8") for name in outside)])
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", head)).strip().lower().replace(" ", "-")
        for head in heads
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "`", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^()\s]+)\)", text):
        address, (path, _, anchor) = urlsplit(target), target.partition("#")
        if address.scheme:
            assert address.scheme in ("https", "http"), target
            assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", address.netloc), target
            continue
        to = page.parent / path if path else page
        if page.parent.name == "docs" and path.startswith(MADE):
            continue  # building the site checks these
        assert to.exists(), target
        assert page.parent.name != "docs" or to.parent in ((ROOT / "docs"), ROOT / "docs" / "images"), (
            f"{target}: not a page of the site"
        )
        assert not anchor or anchor in slugs(to), target


def test_one_version_everywhere():
    assert f"version: {mediasift.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_everything_public_can_be_imported():
    package: Any = mediasift
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError):
        _ = package.nonsense


@pytest.mark.parametrize(
    ("script", "file"), [("make_reference", "docs/reference.md"), ("make_citation", "CITATION.cff")]
)
def test_what_is_made_from_the_code_is_up_to_date(script: str, file: str):
    code = f"import sys; sys.path.insert(0, 'docs'); import {script}; sys.stdout.write({script}.page())"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    made = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment, encoding="utf-8")
    assert made == (ROOT / file).read_text(encoding="utf-8"), "type: make reference"


def test_citations_are_plain_yaml_with_what_a_reference_needs():
    given = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert len({one["title"] for one in given["references"]}) == len(given["references"]) > 20
    for one in given["references"]:
        assert {"type", "authors", "title"} <= one.keys(), one
        assert not set("{}\\") & set(
            str([one["title"], *(name for author in one["authors"] for name in author.values())])
        )
