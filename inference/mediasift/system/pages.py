"""Pages for a browser that come with the package: they ask no network, and take no text as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

LOCAL = "'self' file:"
"""Files beside the page, as a policy names them: a page on disk is of no origin in some browsers."""


def filled(
    home: str, *, title: str, data: Mapping[str, Any], scripts: Sequence[str] = (), policy: Mapping[str, str] = {}
) -> bytes:
    """The page of a folder of the package, as HTML in UTF-8: its style, its scripts and the data stand in it.

    Args:
        home: The folder, as `package/folder`; it holds page.html, page.css and page.js.
        title: Its title.
        data: Element id → a JSON value that the script reads from that element, for each `@@ID@@` of page.html.
        scripts: Further scripts of the folder, in front of page.js.
        policy: Directive → what it allows besides what the page holds, and pictures and films of its disk or server.
    """
    style = _part(home, "page.css")
    script = "\n".join(_part(home, name) for name in (*scripts, "page.js"))
    allowed = {
        "default-src": "'none'", "img-src": LOCAL, "media-src": LOCAL, "style-src": _source(style),
        "script-src": _source(script),
    }  # fmt: skip
    parts = {
        "POLICY": "; ".join(f"{name} {sources} {policy.get(name, '')}".strip() for name, sources in allowed.items()),
        "TITLE": escape(title), "STYLE": style, "SCRIPT": script,
        **{name.upper(): embedded(value) for name, value in data.items()},
    }  # fmt: skip
    return re.sub(r"@@([A-Z]+)@@", lambda name: parts[name[1]], _part(home, "page.html")).encode()


def embedded(value: Any) -> str:
    """JSON that may stand in a script element: no text in it ends the element, and all of it is ASCII."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _part(home: str, name: str) -> str:
    package, _, folder = home.partition("/")
    return (resources.files(package) / folder / name).read_text("utf-8")


def _source(text: str) -> str:
    """How a policy allows this text alone (https://www.w3.org/TR/CSP3/)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
