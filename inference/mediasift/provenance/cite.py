"""`mediasift cite`: what a paper reports of a table, all from manifests; what they lack is called unknown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated, Any

from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import find_description, find_model
from mediasift.errors import MediasiftError, count_of
from mediasift.provenance.checklist import checklist
from mediasift.provenance.evidence import VALIDATING, VERBS, evidence, sentences
from mediasift.provenance.recorded import Recorded, read_manifest, short
from mediasift.provenance.sources import bibtex, facts_of, keys, known_model
from mediasift.settings import Option, Settings, options
from mediasift.system.files import new_folder, write_atomically
from mediasift.tables.formats import FORMATS, each_record
from mediasift.tables.writers import write_lines

UNVALIDATED = "Unknown is how good these results are: no evaluation of this table is named, and none lies beside it."


@dataclass(frozen=True, kw_only=True)
class Cite(Settings):
    """Report what a paper needs of a table: methods, references, codebook and checklist, from its manifest alone.

    MANIFEST is TABLE.run.json; any verb's, also of sample, agree, evaluate and prevalence. Without -d the paragraph of
    the methods section is printed. DIR gets methods.md, references.bib, codebook.csv and codebook.md (the columns, with
    units, ranges and what an empty cell means) and checklist.md. What no manifest says is called unknown there.

    Evaluations, agreement, corrected shares and samples are taken up where they lie in the table's folder, or in one
    below it, and were made from this very table.
    """

    directory: Annotated[
        str | Path | None, Option("The folder to make; it must not be there, or be empty.", short="-d", writes=True)
    ] = None
    validated: Annotated[
        Sequence[str],
        Option("A table of evaluate, agree or prevalence that lies elsewhere; may be given several times.",
               metavar="FILE", multiple=True),
    ] = ()  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """What comes out.

    Attributes:
        paragraph: For the section on methods, Markdown.
        references: BibTeX.
        codebook: A row for each column: column, type, unit, least, most (of a Table Schema), meaning, empty_cells.
        checklist: (section, question, answer); an unknown answer begins with `Unknown`.
    """

    paragraph: str
    references: str
    codebook: tuple[Mapping[str, str], ...]
    checklist: tuple[tuple[str, str, str], ...]


def cite(path: str | Path, settings: Cite, *, kinds: Callable[[str], Any]) -> Cited:
    """What a paper reports of a table; with a folder, it is written there as well.

    Args:
        path: Its manifest.
        settings: See `Cite`.
        kinds: A verb's name → the class of its settings, or None.

    Raises:
        InputError: There is no such manifest, or one that was named has none.
        UsageError: What was named is about another table.
        OutputError: The folder is not empty, or cannot be written.
    """
    recorded = read_manifest(path)
    beside = evidence(recorded, settings.validated)
    own = [recorded] if recorded.verb in VERBS and recorded.is_unchanged else []
    proof = [sentence for one in (*own, *beside) for sentence in sentences(one)]
    if not any(one.verb in VALIDATING for one in (*own, *beside)):
        proof.append(UNVALIDATED)
    cited = Cited(
        paragraph=" ".join([*_methods(recorded, kinds(recorded.verb)), *proof]) + "\n",
        references=bibtex(keys(recorded, *beside), str(recorded.data["mediasift"])),
        codebook=tuple(codebook(recorded)),
        checklist=tuple(checklist(recorded, proof, model=_model(recorded))),
    )
    if settings.directory is not None:
        _write(Path(settings.directory), cited)
    return cited


def _methods(recorded: Recorded, kind: Any) -> Iterator[str]:
    """What was done, with what, on what, with which settings, where."""
    counts, versions, machine = (recorded.part(name) for name in ("counts", "versions", "machine"))
    about = (inspect.getdoc(kind) or "").partition("\n\n")[0].partition(":")[0].replace("\n", " ").rstrip(".")
    purpose = f" ({about[:1].lower()}{about[1:]})" if about else ""
    named = ", ".join(recorded.inputs) or "unknown inputs"
    yield (
        f"We ran `{recorded.verb or 'an unknown verb'}`{purpose} of mediasift {recorded.data['mediasift']} "
        f"[@mediasift] on {named} (inputs: {counts.get('sources', 0):,}; rows: "
        f"{counts.get('rows', 0):,}{_failed(counts)})."
    )
    yield from _model(recorded)
    if changed := list(_settings(recorded, kind)):
        yield f"Settings other than the defaults: {', '.join(changed)}."
    listed = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "mediasift")
    python = f"Python {machine.get('python', 'unknown')}, {machine.get('platform', 'unknown platform')}"
    yield f"Versions: {listed or 'unknown'}; {python}; begun {recorded.data.get('started', 'at an unknown time')}."


def _failed(counts: Mapping[str, Any]) -> str:
    errors = ", ".join(f"{count:,} {code}" for code, count in counts.get("errors", {}).items())
    skipped = sum(counts.get("skipped", {}).values())
    no_media = f"; no media: {count_of(skipped, 'file')}" if skipped else ""
    return (f"; rows with an error: {errors}" if errors else "") + no_media


def _model(recorded: Recorded) -> list[str]:
    """The model or engine, and the device."""
    facts = dict(facts_of(recorded.part("model")))
    if not facts:
        return []
    listed = ", ".join(
        f"{name.replace('_', ' ')} {short(value) if 'sha256' in name else value}" for name, value in facts.items()
        if value not in (None, "") and name not in ("device", "provider", "share_of_nodes", "notes")
    )  # fmt: skip
    texts = [f"The results come from {listed}{_known(recorded, facts)}."]
    if device := facts.get("device"):
        provider = f" ({facts['provider']})" if facts.get("provider") else ""
        texts.append(f"It ran on the device {device}{provider}.")
    return texts


def _known(recorded: Recorded, facts: Mapping[str, Any]) -> str:
    """What the registry, or the model's own file, says of a model."""
    digest = facts.get("model_sha256")
    if digest is None:
        return ""
    if (entry := known_model(digest)) is not None:
        cited = f" [{'; '.join(f'@{key}' for key in entry.cite)}]" if entry.cite else ""
        return f": {entry.name}, {entry.about}, licence {entry.licence}{cited}"
    with suppress(MediasiftError, OSError):
        file = find_model(str(recorded.part("settings").get("model")))
        if sha256(file) == digest and (provenance := find_description(file).provenance):
            stated = ("data", "pictures", "backbone", "backbone_licence", "source", "note", "licence")
            return ": by its own file, " + ", ".join(
                f"{n.replace('_', ' ')} {provenance[n]}" for n in stated if n in provenance
            )
    return "; what it was trained on and its licence are unknown to mediasift"


def _settings(recorded: Recorded, kind: Any) -> Iterator[str]:
    """Each setting that is not the verb's default."""
    values = recorded.part("settings")
    for declared in options(kind) if kind is not None else ():
        value = values.get(declared.name)
        default = list(declared.default) if isinstance(declared.default, tuple) else declared.default
        if declared.name in values and value != default and value is not None:
            usual = declared.default is MISSING or declared.option.secret
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            yield f"`{declared.name}`{'' if usual and not value else f' {shown}'}"


def codebook(recorded: Recorded) -> Iterator[Mapping[str, str]]:
    """The table's columns by its schema; how many cells are empty is counted where the table is as it was written."""
    fields = recorded.fields
    empty = _empty_cells(recorded, [str(one["name"]) for one in fields])
    for one in fields:
        limits = one.get("constraints", {})
        yield {
            "column": str(one["name"]), "type": str(one["type"]), "unit": str(one.get("unit", "")),
            "least": str(limits.get("minimum", "")), "most": str(limits.get("maximum", "")),
            "meaning": str(one.get("description", "unknown")), "empty_cells": empty.get(one["name"], "unknown"),
        }  # fmt: skip


def _empty_cells(recorded: Recorded, names: Sequence[str]) -> dict[str, str]:
    form = FORMATS.get(str(recorded.part("table").get("format")))
    if form is None or form.read is None or not recorded.is_unchanged:
        return {}
    counts = dict.fromkeys(names, 0)
    for record in each_record(recorded.table, str(recorded.part("table")["format"])):
        for name in names:
            counts[name] += record.get(name) in (None, "")
    return {name: str(count) for name, count in counts.items()}


def _write(directory: Path, cited: Cited) -> None:
    header = ["column", "type", "unit", "least", "most", "meaning", "empty_cells"]
    lines = [header, *([row[name] for name in header] for row in cited.codebook)]
    with new_folder(directory) as folder:
        write_atomically(folder / "methods.md", cited.paragraph.encode())
        write_atomically(folder / "references.bib", cited.references.encode())
        write_atomically(folder / "codebook.csv", lambda file: write_lines(lines, file))
        write_atomically(folder / "codebook.md", _markdown(lines).encode())
        text = [["section", "question", "answer"], *map(list, cited.checklist)]
        write_atomically(folder / "checklist.md", _markdown(text).encode())


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    """A table; no cell can end it."""
    header, *rows = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    shown = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in shown)
