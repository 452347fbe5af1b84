"""From what a user names to the files to read: files, folders, globs, lists, standard input.

Nothing is opened here but folders and lists; a source that cannot be read says so when it is read. Sources come
one by one, in an order that depends only on the names.
"""

from __future__ import annotations

import glob
import itertools
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from mediasift.errors import (
    EmptyFile,
    InputError,
    ItemError,
    NotFound,
    Unreadable,
    Unsupported,
    UsageError,
    did_you_mean,
)
from mediasift.sources.answers import answer_files
from mediasift.sources.archives import member_at, members
from mediasift.sources.boxes import ROW, Part, read_boxes
from mediasift.sources.buckets import is_folder, listed
from mediasift.sources.content import Content, LocalFile
from mediasift.sources.folders import Folder, Skipped
from mediasift.sources.formats import archive_suffix
from mediasift.sources.lists import LISTS, listed_lines, listed_paths
from mediasift.sources.naming import Inputs, Source, typed
from mediasift.sources.records import SHEET, SHEETS, bytes_of
from mediasift.sources.spellings import listed_file, missing_name, otherwise_composed, shown_path
from mediasift.sources.texts import Cell


def find_sources(inputs: Inputs, skipped: Skipped | None = None, *, stdin: TextIO | None = None) -> Iterator[Source]:
    """Each source, in the order of `inputs.named` and sorted by name within folders and patterns.

    Args:
        inputs: What to read.
        skipped: Counts what is left out, while the sources come.
        stdin: What `-` reads.

    Raises:
        InputError: A list cannot be read.
        UsageError: `column` or `keep` name a column that is not there.
    """
    skipped = Skipped() if skipped is None else skipped
    for named in inputs.named:
        if isinstance(named, Content):
            yield Source(path=named.name, content=named)
        else:
            sources = _from_stdin(stdin, inputs) if named == "-" else _from_path(os.fspath(named), inputs, skipped)
            for source in sources:
                shown = typed(source.path) if source.content is not None and source.content.asks else source.path
                shown = shown_path(shown)
                yield source if shown == source.path else replace(source, path=shown)


def _from_stdin(stdin: TextIO | None, inputs: Inputs) -> Iterator[Source]:
    stream = stdin or sys.stdin
    if stream is None:
        raise InputError("-: standard input is closed; give it paths, or name files")
    data = stream.buffer.read() if hasattr(stream, "buffer") else stream.read().encode("utf-8", "surrogateescape")
    if inputs.column is not None or inputs.keep:
        yield from _from_table(Path("standard input"), inputs, data)
    else:
        yield from _from_lines(listed_lines(data, "standard input", inputs.encoding), Path(), inputs)


def count_sources(inputs: Inputs) -> int:
    """How many sources there are, without making them; raises what `find_sources` raises."""
    count = 0
    for named in inputs.named:
        if not isinstance(named, Content) and os.path.isdir(named):
            count += sum(1 for _ in Folder(os.fspath(named), inputs.recursive, Skipped()).files())
        else:
            count += sum(1 for _ in find_sources(replace(inputs, named=[named])))
    return count


def check_inputs(inputs: Inputs, skipped: Skipped | None = None) -> Iterable[Source]:
    """What `find_sources` gives, once, after mistakes in what was named were looked for: folders are listed once.

    Raises:
        InputError: Nothing of what was named exists, or a list cannot be read.
        UsageError: `column` or `keep` name a column that is not there.
    """
    if "-" in inputs.names:
        return find_sources(inputs, skipped)
    for name in inputs.named:
        if isinstance(name, Content) or not os.path.isdir(name):  # lists, of which a later one may be wrong as well
            next(find_sources(replace(inputs, named=[name])), None)
    sources, missing = find_sources(inputs, skipped), list[Source]()
    for source in sources:
        if _is_there(source):
            return itertools.chain(missing, [source], sources)
        missing.append(source)
    if missing:
        names, first = ", ".join(inputs.names), missing[0].path
        if first not in inputs.names:
            raise InputError(
                f"{names[:500]}: a list, and nothing that it names is there, e.g. {first[:200]}; {_LISTED}"
            )
        raise InputError(f"{names[:500]}: no such file or folder{missing_name(first)}")
    return ()


_LISTED = "a .txt has a path on each line, of other lists --column names the column of the paths"


def _is_there(source: Source) -> bool:
    """Whether there is something to read, or something that cannot be."""
    if source.content is None:
        return not isinstance(source.failure, NotFound)
    return not isinstance(source.content, LocalFile) or os.path.lexists(source.content.name)


def _from_path(name: str, inputs: Inputs, skipped: Skipped) -> Iterator[Source]:
    if inputs.stored:
        yield from (Source(path=one.name, content=one) for one in answer_files(name))
        return
    if content := inputs.content(name):
        if is_folder(name):
            yield from _from_bucket(name, inputs, skipped)
        else:
            yield Source(path=name, content=content)
        return
    try:
        status = os.stat(name)
    except (OSError, ValueError) as error:
        yield from _from_pattern(name, inputs, skipped, error)
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _from_folder(name, inputs, skipped)
        return
    file, suffix = Path(name), Path(name).suffix.lower()
    if suffix in SHEETS:
        yield Source(path=name, failure=Unsupported(SHEET))
    elif archive_suffix(name) and stat.S_ISREG(status.st_mode):
        yield from _from_archive(name, inputs, skipped)
    elif suffix not in LISTS or not stat.S_ISREG(status.st_mode):
        yield Source(path=name, content=LocalFile(file))
    elif suffix == ".txt":
        yield from _from_lines(listed_lines(bytes_of(file), file, inputs.encoding), file.parent, inputs)
    else:
        yield from _from_table(file, inputs)


def sources_at(path: str, folder: str, inputs: Inputs) -> Iterator[Source]:
    """What `find_sources` gives of one file or folder inside a named folder."""
    for source in _of_folder(Folder(folder, inputs.recursive, Skipped()).files_at(path)):
        yield replace(source, path=shown_path(source.path))


def _from_archive(name: str, inputs: Inputs, skipped: Skipped) -> Iterator[Source]:
    try:
        for content in members(LocalFile(Path(name)), inputs.access, inputs.recursive, skipped):
            yield Source(path=f"{name}/{content.member}", content=content)
    except ItemError as error:
        yield Source(path=name, failure=error)


def _from_bucket(name: str, inputs: Inputs, skipped: Skipped) -> Iterator[Source]:
    try:
        for content in listed(name, inputs.access, inputs.recursive, skipped):
            yield Source(path=content.url, content=content)
    except ItemError as error:
        yield Source(path=name, failure=error)


def _from_folder(name: str, inputs: Inputs, skipped: Skipped) -> Iterator[Source]:
    return _of_folder(Folder(name, inputs.recursive, skipped).files())


def _of_folder(files: Iterable[tuple[str, OSError | None]]) -> Iterator[Source]:
    for path, error in files:
        if error is None:
            yield Source(path=path, content=LocalFile(path))
        else:
            yield Source(path=path, failure=Unreadable(f"the folder cannot be opened ({error.strerror})"))


def _from_pattern(name: str, inputs: Inputs, skipped: Skipped, error: OSError | ValueError) -> Iterator[Source]:
    """A name that cannot be looked up: a glob, or a failure of its own."""
    if (member := member_at(name)) is not None:
        yield Source(path=name, content=member.under(inputs.access))
        return
    if not glob.has_magic(name):
        if (file := otherwise_composed(Path(name))) is not None:
            yield from _from_path(str(file), inputs, skipped)
        elif isinstance(error, FileNotFoundError):
            yield Source(path=name, failure=NotFound("no such file or folder"))
        else:
            yield Source(path=name, failure=Unreadable(f"cannot be opened ({getattr(error, 'strerror', error)})"))
        return
    matches = sorted(glob.glob(name, recursive=True))
    if not matches:
        yield Source(path=name, failure=NotFound(f"the pattern {name} matches nothing"))
    for match in matches:
        if archive_suffix(match) and Path(match).is_file():
            yield from _from_archive(match, inputs, skipped)
        elif Path(match).is_dir():
            if not name.rstrip("/").endswith("**"):
                yield from _from_folder(match, inputs, skipped)
        else:
            yield Source(path=match, content=LocalFile(Path(match)))


def _from_lines(lines: Sequence[str], folder: Path, inputs: Inputs) -> Iterator[Source]:
    return (Source(path=line, content=_listed(line, folder, inputs)) for line in lines)


def _listed(name: str, folder: Path, inputs: Inputs) -> Content:
    """What a list names."""
    if (content := inputs.content(name.strip())) is not None:
        return content
    file = listed_file(name, folder)
    member = None if os.path.lexists(file) else member_at(name) or member_at(os.path.join(folder, name))
    return LocalFile(file) if member is None else member.under(inputs.access)


def _from_table(file: Path, inputs: Inputs, data: bytes | None = None) -> Iterator[Source]:
    if inputs.boxes:
        yield from _from_boxes(file, inputs)
        return
    if inputs.texts:
        yield from _from_texts(file, inputs, data)
        return
    for path, kept, line in listed_paths(file, inputs.column, inputs.keep, inputs.encoding, data):
        if path.strip():
            yield Source(path=path, content=_listed(path, file.parent, inputs), kept=kept)
        else:
            yield Source(path=path, kept=kept, failure=NotFound(f"line {line} of {file.name} has no path"))


def _from_texts(file: Path, inputs: Inputs, data: bytes | None) -> Iterator[Source]:
    """A source for each row, named for the table and its number."""
    if inputs.column is None:
        raise UsageError(f"{file}: say which column holds the texts: --column NAME")
    for row, (text, kept, _) in enumerate(listed_paths(file, inputs.column, inputs.keep, inputs.encoding, data), 1):
        path = f"{file}#row={row}"
        if text.strip():
            yield Source(path=path, content=Cell(path, text), kept=kept)
        else:
            yield Source(path=path, kept=kept, failure=EmptyFile("the row has no text"))


def _from_boxes(file: Path, inputs: Inputs) -> Iterator[Source]:
    """A source for each box, or for each file that has any; a file in which none was found is one, too."""
    seen: set[str] = set()
    for row in read_boxes(file, inputs.encoding):
        if inputs.boxes == "whole" and row.path in seen:
            continue
        seen.add(row.path)
        if missing := [name for name in inputs.keep if name not in row.record and name != ROW]:
            likely = did_you_mean(missing[0], row.record)
            raise UsageError(f"{file}: no column {missing[0]!r} to keep; it has {', '.join(row.record)}{likely}")
        kept, content = row.kept(inputs.keep), _listed(row.path, file.parent, inputs)
        if inputs.boxes == "whole":
            yield Source(path=row.path, content=content, kept=kept)
        elif row.failure is not None:
            yield Source(path=row.path, kept=kept, failure=row.failure)
        else:
            part = Part(content, row.page, row.frame, row.time_s, row.box, row.number)
            yield Source(path=row.path, content=part, kept=kept)
