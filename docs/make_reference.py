"""Makes docs/reference.md: every verb's options and columns, from its settings and its row.

python docs/make_reference.py
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference.md"

HEAD = """# Reference

Every verb with its options and the columns of its table. This page is made from the code
(`python docs/make_reference.py`); a test keeps it true.

On the command line a verb is `mediasift VERB INPUT... --option`, in Python `ms.VERB(inputs, option=...)` after
`import mediasift as ms`. Every table begins with the columns `path`, `page`, `frame` and `time_s` (page from 1 of a PDF
or TIFF, frame from 0 in presentation order, time in seconds on the container's clock; empty where they do not apply)
and ends with `error`: `CODE: sentence`, empty where all went well. A cell that does not apply is empty.

Options of every table: `-o/--output`, `--format`, `--spreadsheet-safe`, `--restart`, `--update`, `--retry-errors`,
`--offline` and `--quiet`. Verbs that read tables or teach a model stand behind those that read inputs, with
the columns of what they report.
"""


def page() -> str:
    """The page's text."""
    from mediasift.verbs import VERBS

    verbs = [section(name, one.load(), one.load().row) for name, one in VERBS.items()]
    return HEAD + "".join([*verbs, counts(), *(section(name, *one) for name, one in others().items())])


def others() -> dict[str, tuple[Any, Any]]:
    """Verbs that read no items, and the rows that they report."""
    from mediasift.bench.settings import BenchSettings, LoadSettings
    from mediasift.engines.onnx.describe_settings import DescribeSettings
    from mediasift.evaluate.coders import Agree, Agreement
    from mediasift.evaluate.evaluation import EvaluateLabels
    from mediasift.evaluate.labels import Measure
    from mediasift.evaluate.prevalence import Prevalence, Share
    from mediasift.evaluate.sample import Sample
    from mediasift.look.settings import Look
    from mediasift.provenance.cite import Cite
    from mediasift.provenance.rerun import Check, Rerun
    from mediasift.run.watch import WatchSettings
    from mediasift.serve.settings import Serve
    from mediasift.train.settings import Train

    return {
        "train": (Train, None), "sample": (Sample, None), "agree": (Agree, Agreement),
        "prevalence": (Prevalence, Share), "evaluate": (EvaluateLabels, Measure),
        "cite": (Cite, None), "rerun": (Rerun, Check),
        "look": (Look, None), "bench": (BenchSettings, None), "bench --url": (LoadSettings, None),
        "watch": (WatchSettings, None), "models describe": (DescribeSettings, None), "serve": (Serve, None),
    }  # fmt: skip


def counts() -> str:
    """The columns of counts."""
    from mediasift.evaluate.counts import ItemCount, SourceCount

    lines = ["\n## --per\n", "What `--per` gives instead of a verb's own rows.\n"]
    for name, row_type in (("item", ItemCount), ("source", SourceCount)):
        lines += [f"`--per {name}`:", "", *columns(row_type), ""]
    return "\n".join(lines[:-1]) + "\n"


def section(name: str, settings: Any, row_type: Any) -> str:
    """One verb."""
    from mediasift.settings import options

    about = (inspect.getdoc(settings) or "").split("\n\n")[0].replace("\n", " ")
    lines = [f"\n## {name}\n", f"{about}\n", "| option | in Python | values | default | |", "|---|---|---|---|---|"]
    lines += [row(declared) for declared in options(settings)]
    if row_type is not None:
        lines += ["", *columns(row_type)]
    return "\n".join(lines) + "\n"


def row(declared: Any) -> str:
    """One option."""
    option = declared.option
    flag = f"`{option.short + ', ' if option.short else ''}{declared.flag}`" if declared.flag else ""
    if declared.default is MISSING:
        default = "required"
    elif option.default:
        default = option.default
    else:
        default = "" if declared.default in (None, (), "") else f"`{shown(declared.default)}`"
    return (
        f"| {flag} | `{declared.name}` | {values(declared)} | {default} | {option.help.replace('|', chr(92) + '|')} |"
    )


def shown(value: Any) -> str:
    """A default."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def values(declared: Any) -> str:
    """What it takes."""
    option = declared.option
    if declared.choices and not option.metavar:
        return ", ".join(f"`{choice}`" for choice in declared.choices)
    least = f"from {option.least:g}" if option.least is not None else ""
    above = f"above {option.above:g}" if option.above is not None else ""
    most = f"to {option.most:g}" if option.most is not None else ""
    bounds = " ".join(part for part in (least, above, most) if part)
    unit = option.metavar.replace("|", "\\|")
    return ", ".join(part for part in (unit, bounds) if part) or {bool: "yes or no"}.get(declared.kind, "")


def columns(row_type: Any) -> Iterator[str]:
    """The columns that are the verb's own: unit and range where they are known, and when a cell is empty."""
    from mediasift.rows import columns as of
    from mediasift.tables.schema import described, meanings

    text = {name: meaning.replace("|", "\\|") for name, meaning in meanings(row_type).items()}
    kinds = {"str": "text", "int": "whole number", "float": "number", "ndarray": "vector"}
    yield from ("| column | type | unit | range | |", "|---|---|---|---|---|")
    for column in of(row_type):
        if column.name not in ("path", "page", "frame", "time_s", "error"):
            about = described(column.name, column.type, text[column.name])
            ends = [f"{about.get('constraints', {}).get(end, '')}" for end in ("minimum", "maximum")]
            span = " to ".join(ends) if ends[1] else f"from {ends[0]}" if ends[0] else ""
            kind = kinds.get(column.type.__name__, column.type.__name__)
            yield f"| `{column.name}` | {kind} | {about.get('unit', '')} | {span} | {text[column.name]} |"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "inference"))
    PAGE.write_text(page(), encoding="utf-8")
