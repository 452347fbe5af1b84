"""The site of docs/: `make docs` builds it into build/docs, and warnings are errors there.

Pages that are made from the code (`make_site.py`) are written first; git ignores them.
A page of the site links to another page, or by address; files outside docs/ are pages that include them.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "inference"), str(ROOT / "docs")]

import make_site  # noqa: E402  (beside this file)

import mediasift  # noqa: E402  (from this checkout, not an installed one)

make_site.write_pages()

project, author, copyright = "mediasift", "The mediasift developers", "The mediasift developers"  # noqa: A001  (Sphinx' name)
version = release = mediasift.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples.md"]  # its parts stand on the pages of verbs
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
autodoc_typehints = "none"
autodoc_member_order = "bysource"
smartquotes = False  # --option is no dash
html_theme = "furo"
html_title = f"mediasift {version}"
html_static_path, html_css_files = ["static"], ["wide.css"]
html_show_sourcelink = html_show_sphinx = html_copy_source = False

INCLUDED = {
    "CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing", "RELEASING.md": "releasing",
    "benchmarks/README.md": "benchmarks", "training/README.md": "training",
}  # fmt: skip
"""File outside docs/ → the page that includes it."""


def with_links_of_the_site(text: str, folder: str) -> str:
    """The text of a file outside docs/ with links to pages of the site, and without those to other files."""

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path))
        page = INCLUDED.get(path, path.removeprefix("docs/").removesuffix(".md") if path.startswith("docs/") else "")
        return f"[{words}]({page}.md{'#' + anchor if anchor else ''})" if page else words

    return re.sub(r"(?<!!)\[((?:`[^`]*`|[^\]`])+)\]\(([^()\s]+)\)", link, text)


def included(_app: Sphinx, path: Path, _name: str, content: list[str]) -> None:
    """Sphinx' event `include-read`."""
    outside = os.path.relpath(ROOT / "docs" / path, ROOT)
    if outside in INCLUDED:
        content[0] = with_links_of_the_site(content[0], posixpath.dirname(outside))


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("include-read", included)
