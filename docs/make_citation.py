"""Makes the references of CITATION.cff: the publications of the methods, from those that `mediasift cite` names.

python docs/make_citation.py
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "CITATION.cff"

TYPES = {"inproceedings": "conference-paper", "incollection": "book", "techreport": "report", "misc": "generic"}
"""BibTeX → CFF 1.2.0, where the names differ."""
NAMES = {
    "title": "title", "year": "year", "doi": "doi", "url": "url", "journal": "journal", "volume": "volume",
    "number": "issue", "booktitle": "collection-title",
}  # fmt: skip
ACCENTS = {r"\"o": "ö", r"\"u": "ü", r"\"a": "ä", r"\'e": "é", r"\'a": "á", r"\'i": "í", r"\'o": "ó", r"\'u": "ú"}


def page() -> str:
    """The file's text: what is written by hand, then the references."""
    return FILE.read_text(encoding="utf-8").split("references:\n")[0] + "references:\n" + "".join(map(entry, methods()))


def methods() -> list[str]:
    """The BibTeX entries of every method, in the bibliography's order."""
    from mediasift.provenance.sources import METHODS, bibliography

    named = {key for _, keys in METHODS for key in keys}
    return [text for key, text in bibliography().items() if key in named]


def entry(bibtex: str) -> str:
    """One reference in YAML; texts are in quotes, which JSON and YAML share."""
    kind = re.findall(r"^@(\w+)", bibtex)[0]
    given = {name: plain(value) for name, value in re.findall(r"^  (\w+) = \{(.*)\},?$", bibtex, re.MULTILINE)}
    lines = [
        f"type: {TYPES.get(kind, kind)}",
        "authors:",
        *(f"  - {author(one)}" for one in given["author"].split(" and ")),
    ]
    lines += [f"{NAMES[name]}: {text(name, value)}" for name, value in given.items() if name in NAMES]
    if "pages" in given:
        first, last = given["pages"].split("--")
        lines += [f"start: {first}", f"end: {last}"]
    if publisher := given.get("publisher"):
        lines.append(f"publisher: {{name: {json.dumps(publisher)}}}")
    if institution := given.get("institution"):
        lines.append(f"institution: {{name: {json.dumps(institution)}}}")
    if "eprint" in given:
        lines.append(f'url: "https://arxiv.org/abs/{given["eprint"]}"')
    return "  - " + "\n    ".join(lines) + "\n"


def text(name: str, value: str) -> Any:
    """A number or a text in quotes."""
    return value if name in ("year", "volume", "number") else json.dumps(value, ensure_ascii=False)


def author(name: str) -> str:
    """A person, or a name where there is no first name."""
    family, _, first = (json.dumps(part, ensure_ascii=False) for part in name.partition(", "))
    return f"{{family-names: {family}, given-names: {first}}}" if ", " in name else f"{{name: {family}}}"


def plain(value: str) -> str:
    """A field without TeX's braces and accents."""
    for tex, letter in ACCENTS.items():
        value = value.replace("{" + tex + "}", letter)
    return value.replace("{", "").replace("}", "")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "inference"))
    FILE.write_text(page(), encoding="utf-8")
