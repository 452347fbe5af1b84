"""`mediasift demo`: a folder of made files, the verbs run on it one after the other, and a page that shows all."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated, Any

from mediasift import __version__
from mediasift.demo.inputs import MEDIA, REFERENCE, make_inputs
from mediasift.demo.steps import RESULTS, STEPS, Step, command_words
from mediasift.errors import InputError, OutputError
from mediasift.settings import Option, Settings
from mediasift.sources.content import LocalFile
from mediasift.system.files import faults, make_folder, new_folder, write_atomically
from mediasift.tables.formats import read_table

PAGE, RECORD = "index.html", "tour.json"
_GRACE_S = 5.0
"""What Ctrl-C is sent to, which it reaches as well, ends by itself."""


@dataclass(frozen=True, kw_only=True)
class Demo(Settings):
    """Make a small folder of pictures, a film, a letter and speech, and try a dozen verbs on it.

    Each command is shown as you would type it, with some rows of its table; DIR/index.html shows them all. Nothing is
    fetched. What a part is missing for is named with the line that installs it. The same command again goes on where it
    was interrupted; a folder that holds something else is refused.
    """

    directory: Annotated[str | Path, Option("The folder to make.", short="-d")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A step that was taken.

    Attributes:
        step: Which.
        command: As a user types it.
        lines: What is shown of its result; of a step that is left out, why.
        exit_code: Of the command; None where it is left out.
        message: What it reports of a failure; empty where it went as it should.
        cells: The shown rows of its table, the header first.
    """

    step: Step
    command: str
    lines: Sequence[str]
    exit_code: int | None
    message: str = ""
    cells: Sequence[Sequence[str]] = ()


def tour(settings: Demo) -> Iterator[Taken]:
    """Make the folder, or take that of an unchanged tour, and each step as it ends.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
        EngineError: espeak-ng is here, and fails.
    """
    folder = Path(settings.directory)
    shown = f"./{folder}" if str(folder).startswith("-") else str(folder)
    if not (folder / RECORD).exists():
        with new_folder(folder) as new:
            make_inputs(new, shown)
            write_atomically(new / RECORD, json.dumps({**_about(shown), "files": _hashes(new)}, indent=1).encode())
    elif change := _changed(folder, shown):
        raise OutputError(f"{folder}: {change}; name a new folder with -d, or an empty one")
    make_folder(folder / RESULTS)
    steps = list[Taken]()
    for step in STEPS:
        steps.append(_taken(step, folder, shown))
        yield steps[-1]
        if steps[-1].message:
            return
    write_atomically(folder / PAGE, _page(steps).encode())


def _about(shown: str) -> dict[str, Any]:
    return {"version": __version__, "named": shown, "from": str(Path.cwd())}


def _hashes(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of each made file."""
    with faults(folder):
        files = [one for one in sorted((folder / MEDIA).rglob("*")) if not one.is_dir()]
        return {
            one.relative_to(folder).as_posix(): LocalFile(one).sha256()[1] for one in (*files, *folder.glob(REFERENCE))
        }


def _changed(folder: Path, shown: str) -> str:
    """Why a folder is not the unchanged tour of the same command; empty where it is."""
    try:
        record = json.loads(LocalFile(folder / RECORD).read())
        before, about, now = record.pop("files"), _about(shown), _hashes(folder)
        for name in dict.fromkeys((*before, *now)):
            if before.get(name) != now.get(name):
                return f"is a tour in which {name} is another one"
        named = {"version": "made by mediasift", "named": "made with -d", "from": "made from the folder"}
        return next((f"is a tour {named[key]} {record[key]}" for key in about if record[key] != about[key]), "")
    except (InputError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"holds something else than a tour ({error})"


def _taken(step: Step, folder: Path, shown: str) -> Taken:
    words = command_words(step, shown)
    command = shlex.join(["mediasift", *words])
    if lacks := step.lacks(folder):
        return Taken(step=step, command=command, lines=[f"Left out; {lacks}"], exit_code=None)
    exit_code, out, err = _run(words)
    if exit_code not in (0, 1 if step.fails else 0):
        return Taken(step=step, command=command, lines=(), exit_code=exit_code, message=err.strip() or out.strip())
    if not step.columns:
        lines = _cut((out or err).strip().split("\n"), step, "line")
        return Taken(step=step, command=command, lines=lines, exit_code=exit_code)
    rows = [["" if row[name] is None else str(row[name]) for name in step.columns]
            for row in read_table(folder / step.table)]  # fmt: skip
    head, *body = _aligned([list(step.columns), *rows])
    cells = [step.columns, *_ends(rows, step)]
    return Taken(step=step, command=command, lines=[head, *_cut(body, step, "row")], exit_code=exit_code, cells=cells)


def _run(words: Sequence[str]) -> tuple[int, str, str]:
    """What a command leaves: exit code, standard output, standard error."""
    asked = [sys.executable, "-P", "-m", "mediasift", *words]
    with subprocess.Popen(  # noqa: S603  (ourselves)
        asked, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate()
        except BaseException:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
            process.terminate()
            raise
    return process.returncode, out, err


def _ends(rows: Sequence[Any], step: Step) -> list[Any]:
    """The first and the last rows that are shown."""
    return [*rows[: step.first], *rows[max(step.first, len(rows) - step.last) :]]


def _cut(lines: Sequence[str], step: Step, unit: str) -> list[str]:
    """The same lines, and how many are between them."""
    ends = _ends(lines, step)
    left = len(lines) - len(ends)
    between = [f"... {left:,} more {unit}{'s' * (left > 1)}"] if left else []
    return [*ends[: step.first], *between, *ends[step.first :]]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{background:#eee;color:#222;padding:.6rem;overflow-x:auto}td,th{text-align:left;padding:.1rem .8rem .1rem 0}"""


def _page(steps: Sequence[Taken]) -> str:
    """HTML that asks no network and runs no script."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A tour of mediasift</title>'
    parts = [f'<!doctype html><html lang="en">{head}<style>{_STYLE}</style><h1>A tour of mediasift</h1>']
    for one in steps:
        parts.append(f"<h2>{escape(one.step.title)}</h2><pre>{escape(one.command)}</pre>")
        if one.cells:
            names, *rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in one.cells]
            body = "".join(f"<tr>{row}</tr>" for row in rows)
            parts.append(f"<table><thead><tr>{names.replace('td>', 'th>')}</tr></thead><tbody>{body}</tbody></table>")
            parts.append(f'<p><a href="{one.step.table}">{one.step.table}</a></p>')
        elif one.exit_code is not None and "{tour}/look" in one.step.words:
            page = f"{one.step.words.rpartition('{tour}/')[2]}/{PAGE}"
            parts.append(f'<p><a href="{page}">{page}</a></p>')
        else:
            parts.append(f"<p>{'<br>'.join(map(escape, one.lines))}</p>")
    return "\n".join(parts) + "\n"
