"""The page on which people code a sample: one file for a browser, which asks no network and takes no text as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib import resources

from mediasift.evaluate.sample_media import Shown
from mediasift.evaluate.units import Unit
from mediasift.sources.codebook import BETWEEN, NOTHING, Codebook

Lists = Sequence[tuple[int, Sequence[Unit]]]
"""(coder, the units to code in their order)."""


def coding_page(codebook: Codebook, columns: Sequence[str], lists: Lists, shown: Mapping[Unit, Shown]) -> bytes:
    """The page, as HTML in UTF-8.

    Args:
        codebook: What is asked.
        columns: Those of the units.
        lists: Who codes what.
        shown: What the page shows of each unit.
    """
    units = list(dict.fromkeys(unit for _, order in lists for unit in order))
    numbers = {unit: number for number, unit in enumerate(units)}
    data = {
        "name": codebook.name,
        "columns": list(columns),
        "variables": [asdict(one) for one in codebook.variables],
        "between": BETWEEN,
        "nothing": NOTHING,
        "items": [{"unit": unit, **asdict(shown[unit])} for unit in units],
        "coders": [{"coder": str(coder), "items": [numbers[unit] for unit in order]} for coder, order in lists],
    }
    known = {name: data[name] for name in ("columns", "variables", "coders")} | {"units": units}
    data["id"] = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]
    style, script = _part("page.css"), _part("page.js")
    local = "'self' file:"  # a page on disk is of no origin in some browsers
    policy = (
        f"default-src 'none'; img-src {local}; media-src {local}; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )
    parts = {
        "POLICY": policy, "TITLE": escape(codebook.name), "STYLE": style, "SCRIPT": script,
        "DATA": json.dumps(data).replace("<", "\\u003c"),  # so that no text in it ends the element
    }  # fmt: skip
    return re.sub(r"@@([A-Z]+)@@", lambda name: parts[name[1]], _part("page.html")).encode()


def _part(name: str) -> str:
    return (resources.files("mediasift.evaluate") / "coding" / name).read_text("utf-8")


def _source(text: str) -> str:
    """How a policy allows this text alone (https://www.w3.org/TR/CSP3/)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
