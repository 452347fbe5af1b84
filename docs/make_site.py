"""Pages of the site that are made while it is built: one per verb, models, methods, the Python functions."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from make_reference import columns, others, row

DOCS = Path(__file__).resolve().parent


def write_pages() -> None:
    """Write each page that is not there as it should be."""
    for name, text in pages().items():
        path = DOCS / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File → text."""
    from mediasift.cli import COMMANDS

    shown = examples()
    verbs = {f"verbs/{name}.md": verb_page(name, shown.get(name, "")) for name in COMMANDS}
    return {**verbs, "registry.md": models_page(), "methods.md": methods_page(), "python.md": python_page()}


def examples() -> dict[str, str]:
    """Verb → its part of examples.md, whose lines a test runs."""
    parts = re.split(r"^## (\S+)\n", (DOCS / "examples.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def verb_page(name: str, shown: str) -> str:
    """Examples, options and columns of a command."""
    from mediasift.cli import COMMANDS, main
    from mediasift.verbs import VERBS

    command = main.get_command(click.Context(main), name)
    settings = {name: (one.load(), one.load().row) for name, one in VERBS.items()} | others()
    lines = [f"# {name}\n", f"{COMMANDS[name]}\n", shown.strip(), ""]
    several = command.commands if isinstance(command, click.Group) else {"": command}
    for inner, one in several.items():
        of, row_type = settings.get(f"{name} {inner}".strip() if inner != "run" else name, (None, None))
        lines += [f"## {f'{name} {inner}'.strip()}: options\n" if inner else "## Options\n"]
        lines += [f"{about(of, one)}\n", "| option | in Python | values | default | |", "|---|---|---|---|---|"]
        lines += [*options(one, of), ""]
        if row_type is not None:
            lines += [f"## {'Columns' if not inner else f'{name} {inner}: columns'}\n", COLUMNS, *columns(row_type), ""]
    return "\n".join(lines).rstrip() + "\n"


COLUMNS = "A cell that does not apply is empty. Columns of every table: [table](../tables.md).\n"


def about(settings: Any, command: Any) -> str:
    """What the command does, in a paragraph or more."""
    text = inspect.getdoc(settings) if settings is not None else command.help
    return re.split(r"\n\n(?:Attributes|Args|Raises|Returns):", text or "")[0].replace("\b", "")


def options(command: Any, settings: Any) -> Iterator[str]:
    """A line for each option of the command line, then those of Python alone."""
    from mediasift.settings import options as of

    declared = {one.name: one for one in of(settings)} if settings is not None else {}
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            yield row(declared.pop(option.name)) if option.name in declared else of_click(option)
    yield from (row(one) for one in declared.values() if not one.flag)


def of_click(option: click.Option) -> str:
    """An option that is no field of the settings."""
    kind = option.type
    choices = ", ".join(f"`{one}`" for one in kind.choices) if isinstance(kind, click.Choice) else ""
    values = choices or ("yes or no" if option.is_flag else (option.metavar or kind.name.upper()).replace("|", "\\|"))
    is_given = isinstance(option.default, (int, float, str)) and option.default not in (False, "")
    default = "required" if option.required else f"`{option.default}`" if is_given else ""
    return f"| `{', '.join([*option.opts, *option.secondary_opts])}` |  | {values} | {default} | {option.help} |"


def models_page() -> str:
    """Every model that has a name."""
    from mediasift.engines.onnx.registry import entries, entry_description, exported_models, find_description, folders

    lines = [MODELS]
    elsewhere = {"efficientnet-lite0-int8": "[measured](training.md#the-classifier-of-photographs)"}
    for one in entries().values():
        known = find_description(exported_models() / one.file) if not one.description else entry_description(one)
        scores = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.metrics.items())
        origin = known.provenance
        comes = f"`mediasift models pull {one.name}`" if one.url else "in the package"
        if one.package:
            comes = f"the extra `{one.package['extra']}`"
        lines += [
            f"## {one.name}\n", f"{one.about}.\n", "| | |", "|---|---|",
            f"| task | {known.task}, {len(known.labels or ())} labels |",
            f"| score | {scores or elsewhere.get(one.name) or UNMEASURED} |",
            f"| data | {origin.get('data') or origin.get('source', '')} |",
            f"| licence | {one.licence} |", f"| known limits | {one.limits} |",
            f"| where from | {comes}, {one.bytes / 1e6:.1f} MB |",
            f"| publications | {'<br>'.join(reference(key) for key in one.cite)} |", "",
        ]  # fmt: skip
    for folder in folders().values():
        lines += [
            f"## {folder.name}\n", f"{folder.about}.\n", "| | |", "|---|---|", "| task | transcribe |",
            "| score | [word error rates](speech.md#how-often-words-are-wrong) |",
            f"| licence | {folder.licence} |", f"| known limits | {folder.limits} |",
            f"| where from | `mediasift models pull {folder.name}`, {folder.bytes / 1e6:,.0f} MB |", "",
        ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


UNMEASURED = "none is recorded: measure it on your own pictures (`mediasift evaluate`)"
MODELS = """# Models known by name

Made from the registry and from what each file says of itself; `mediasift models show NAME` shows more. A score is one
that its maker recorded with the file, on the data's own test set. [Models from elsewhere](models.md) are described.
"""


def python_page() -> str:
    """Every public name, from its docstring."""
    import mediasift
    from mediasift.verbs import PUBLIC

    lines = [PYTHON]
    for name in PUBLIC:
        one = getattr(mediasift, name)
        kind = "autoclass" if inspect.isclass(one) else "autofunction"
        members = "\n   :members:" if kind == "autoclass" else ""
        lines += [f"## {name}\n", f"```{{eval-rst}}\n.. {kind}:: mediasift.{name}{members}\n```\n"]
    return "\n".join(lines).rstrip() + "\n"


PYTHON = """# Python reference

`import mediasift as ms`: everything that it offers, from its docstrings. Keywords of a verb are its options: what each
means stands on the verb's page ([verbs](verbs.md)).
"""


def accented(sign: re.Match[str]) -> str:
    """A letter with TeX's accent."""
    marks = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303"}
    return unicodedata.normalize("NFC", sign[2] + marks[sign[1]]) if sign[1] in marks else sign[0]


def reference(key: str) -> str:
    """A publication in one line."""
    from mediasift.provenance.sources import bibliography

    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", bibliography()[key], re.MULTILINE))
    fields = {
        name: re.sub(r"\\(\W)(\w)", accented, re.sub("[{}]", "", text)).replace("\\", "")
        for name, text in fields.items()
    }
    place = next((fields[name] for name in ("journal", "booktitle", "publisher", "note") if name in fields), "")
    address = fields.get("url") or (f"https://doi.org/{fields['doi']}" if "doi" in fields else "")
    parts = [
        fields.get("author", "").replace(" and ", "; "),
        fields.get("year", ""),
        fields["title"],
        place,
        f"<{address}>" if address else "",
    ]
    return ". ".join(part.rstrip(".") for part in parts if part)


def methods_page() -> str:
    """Which publication is behind which setting."""
    from mediasift.compare.methods import CENTRED_MIN_SIMILARITY, METHODS, MODEL_MIN_SIMILARITY
    from mediasift.provenance import sources

    lines = [METHODS_HEAD, "| `--method` | least similarity of duplicates |", "|---|---|"]
    defaults = {**METHODS, "pixels --centred": CENTRED_MIN_SIMILARITY, "a model's name": MODEL_MIN_SIMILARITY}
    lines += [f"| `{name}` | {value:g} |" for name, value in defaults.items()]
    lines += ["", "## Publications\n"]
    for conditions, keys in sources.METHODS:
        words = ", ".join(
            f"`{name}` is {' or '.join(str(one) for one in values if one is not None)}"
            for name, values in conditions.items()
        )
        lines += [f"Where {words}:\n", *(f"- {reference(key)}" for key in keys), ""]
    return "\n".join(lines).rstrip() + "\n"


METHODS_HEAD = """# Methods and thresholds

Each default below can be changed by an option of the verb. `mediasift cite` names the methods that a table used.

| what | default | where it comes from |
|---|---|---|
| cuts of videos | 27 of 255 and 1.75 times those around, or 15 and 3 times | [measured on clips](video.md#shots) |
| shortest shot | 0.3 s | [in time, whatever the frame rate](video.md#shots) |
| duplicates | by method, below | [measured on photographs and their copies](similarity.md) |
| faces and objects | `--min-score` of `detect` | [the model's own scale](verbs/detect.md): set it on yours |
| intervals of shares | 95 % | [coverage, simulated](prevalence.md#how-it-is-computed-and-how-well-it-covers) |
| agreement of coders | none is built in | [which number when](agreement.md#which-number-when) |
| a guess, in speech | a mean confidence below 0.45 | [speech](speech.md#how-often-words-are-wrong) |
| a pause, in speech | 0.3 s, 25 dB below the loudest | [de Jong and Wempe](speech.md#pitch-loudness-pauses) |

## Least similarity
"""
