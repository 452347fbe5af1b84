"""The one reader of text, CSV and JSON Lines that others wrote."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from mediasift.errors import InputError, UsageError

DELIMITERS = {".csv": (",", ";", "\t"), ".tsv": ("\t",), ".tab": ("\t",)}
"""How a name of CSV ends → what may stand between the cells."""

JSON_LINES = (".jsonl", ".ndjson")

SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")

SHEET = "a spreadsheet; open it, save it as CSV (in Excel: File, Save As, CSV UTF-8) and name the .csv file"
"""What is to be done with one of `SHEETS`."""

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

LINE_END = re.compile(r"\r\n|\r|\n")
_COMPARED = 20
"""Records below the first that are looked at to find what separates cells."""

_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line by which Excel says what stands between the cells."""


def composed(text: str) -> str:
    """In one normal form: an e with an accent may be one character or two (macOS writes names with two)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def bytes_of(file: Path) -> bytes:
    """What a file holds.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error


def decoded(data: bytes, name: str | Path, encoding: str | None, *, can_choose: bool = True) -> str:
    """Text with its line ends as they are, without a byte order mark.

    Args:
        data: Its bytes.
        name: For messages.
        encoding: One that Python knows; None takes UTF-8.
        can_choose: Whether the caller has an option for it, which a message can name.

    Raises:
        InputError: It is in another encoding.
        UsageError: There is no such encoding.
    """
    try:
        return data.decode(_codec(data, encoding))
    except LookupError:
        raise UsageError(f"encoding {encoding!r}: unknown; e.g. utf-8, utf-16, cp1252") from None
    except UnicodeDecodeError as error:
        likely = "utf-16" if data.startswith(_MARKS) or b"\0" in data[:100] else "cp1252"
        line = len(LINE_END.findall(data[: error.start].decode("latin-1"))) + 1
        other = f", or name its encoding, e.g. --encoding {likely}" if can_choose else ""
        raise InputError(
            f"{name}: not {encoding or 'UTF-8'} text (line {line}, byte {error.start}); save it as UTF-8{other}"
        ) from error


def _codec(data: bytes, encoding: str | None) -> str:
    """The codec that takes a byte order mark away."""
    name = codecs.lookup(encoding or "utf-8").name
    if name in ("utf-16-le", "utf-16-be") and data.startswith(_MARKS):
        return "utf-16"
    return "utf-8-sig" if name == "utf-8" else name


class Records:
    """The lines of a CSV below the one that names the columns, as Python's csv reads them; iterate once.

    Args:
        file: Seekable text at its beginning, opened with newline="".
        name: For messages.
        delimiters: What may separate cells: the one by which the first line has most of them.

    Attributes:
        names: The columns, in composed form.
        line: Number of the line, from 1, in which the record begins that was read last.

    Raises:
        InputError: Two columns have one name.
    """

    def __init__(self, file: TextIO, name: str | Path, delimiters: Sequence[str] = DELIMITERS[".csv"]) -> None:
        csv.field_size_limit(2**31 - 1)  # a book may stand in one cell
        self._file, self._ended = name, False
        self.line, self._before = 1, 0
        if separated := _SEP.fullmatch(file.readline()):
            delimiter, self._before = separated[1], 1
        else:
            delimiter = _delimiter(file, delimiters)
            file.seek(0)
        self._lines = csv.reader(self._noting_end(file), delimiter=delimiter)
        self.names = [composed(cell) for cell in next(self._checked(), [])]
        if any("\0" in column for column in self.names):
            raise InputError(f"{name}: not UTF-8 text; save it as UTF-8, or name its encoding, e.g. --encoding utf-16")
        if twice := [column for at, column in enumerate(self.names) if column and column in self.names[:at]]:
            raise InputError(f"{name}: two columns have the name {twice[0]!r}; give each a name of its own")

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Each line as column → cell; cells that a line lacks are empty, empty lines are left out.

        Raises:
            InputError: A line has more cells than there are columns, or is not CSV.
        """
        count = len(self.names)
        for cells in self._checked():
            if any(cells[count:]):
                last = self._before + self._lines.line_num
                quotes = f" (it goes on to line {last}: is a quote closed too late?)" if last > self.line else ""
                raise InputError(
                    f"{self._file}: line {self.line} has {len(cells)} cells{quotes}, but there are {count} columns; a "
                    "cell that holds the sign between cells must stand in double quotes"
                )
            if cells:
                yield dict(itertools.zip_longest(self.names, cells[:count], fillvalue=""))

    def column(self, wanted: str) -> str | None:
        """The column that is meant: of this name, however composed, else the one without the blanks around it."""
        name = composed(wanted)
        bare = [one for one in self.names if one.strip() == name.strip()]
        return name if name in self.names else bare[0] if len(bare) == 1 else None

    def _noting_end(self, lines: Iterable[str]) -> Iterator[str]:
        yield from itertools.chain(lines)  # alone, the file would be closed with the generator
        self._ended = True

    def _checked(self) -> Iterator[list[str]]:
        """Each record. One that ends with the text, not with a line, is in quotes that nothing closes."""
        while True:
            self.line = self._before + self._lines.line_num + 1
            try:
                cells = next(self._lines)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(f"{self._file}: line {self.line}: {error}") from error
            if self._ended:
                swallowed = len(LINE_END.findall(cells[-1])) - cells[-1].endswith(("\r", "\n"))
                opens = self._before + self._lines.line_num - swallowed
                raise InputError(
                    f'{self._file}: the quote " that opens a cell in line {opens} is never closed; close it, or double '
                    "it where it is part of the text"
                )
            yield cells


def _delimiter(file: TextIO, delimiters: Sequence[str]) -> str:
    """By which the first record has most cells, as csv reads it: what stands in quotes separates nothing.

    One that leaves quotes in names, or by which the next records have other numbers of cells, comes after the others.
    """

    def cells(delimiter: str, *, strict: bool) -> tuple[bool, bool, int]:
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, strict=strict)
        names: list[str] = []
        is_even = False
        with suppress(csv.Error):
            names = next(reader, [])
            is_even = all(len(one) in (0, len(names)) for one in itertools.islice(reader, _COMPARED))
        several = len(names) > 1
        return several and not any('"' in name for name in names), several and is_even, len(names)

    counts = {one: cells(one, strict=True) for one in delimiters}
    if max(count for *_, count in counts.values()) < 2:  # nothing between quotes separates, or the quotes are wrong
        counts = {one: cells(one, strict=False) for one in delimiters}
    return max(counts, key=counts.__getitem__)


class _Object(dict[str, str]):
    """A JSON object as column → cell. A cell of an object or list inside has a dotted name: `data.images.0.url`."""

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, name: str) -> str:
        cell = _at(self._value, name)
        return "" if cell is None else cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _at(value: Any, name: str) -> Any:
    """What stands at a dotted name; None for nothing. A key that holds the dot itself goes first."""
    if isinstance(value, list):
        value = {str(position): inside for position, inside in enumerate(value)}
    if not isinstance(value, dict):
        return None
    inside = {composed(key): one for key, one in value.items()}
    if name in inside:
        return inside[name]
    ways = (
        _at(inside[name[:dot]], name[dot + 1 :])
        for dot, sign in enumerate(name)
        if sign == "." and name[:dot] in inside
    )
    return next((cell for cell in ways if cell is not None), None)


class JsonRecords:
    """The objects of JSON Lines (NDJSON, as 4CAT and Zeeschuimer write it), each on a line that LF ends.

    Attributes:
        names: The columns of the first object, those inside others by their dotted names.
        line: As in `Records`.
    """

    def __init__(self, text: TextIO, name: str | Path) -> None:
        self._text, self._file, self.line = text, name, 1
        self.names = list(_leaves(next(self.objects(), {})))

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Each object.

        Raises:
            InputError: A line holds no JSON object.
        """
        return map(_Object, self.objects())

    def column(self, wanted: str) -> str | None:
        """The same name, however composed, if any object has something there."""
        name = composed(wanted)
        return name if any(_at(one, name) is not None for one in self.objects()) else None

    def objects(self) -> Iterator[dict[str, Any]]:
        """Each object, as JSON values."""
        self._text.seek(0)
        for number, line in enumerate(self._text, 1):
            self.line = number
            if line.strip():
                try:
                    value = json.loads(line, object_pairs_hook=_unique)
                except (ValueError, RecursionError) as error:
                    raise InputError(f"{self._file}: line {self.line} is not JSON ({error})") from error
                if not isinstance(value, dict):
                    raise InputError(f"{self._file}: line {self.line} is no JSON object; each line must be one")
                yield value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError(f"two values have one name, one of {', '.join(value)}")
    return value


def _leaves(value: dict[str, Any]) -> Iterator[str]:
    for key, inside in value.items():
        if isinstance(inside, dict) and inside:
            yield from (f"{composed(key)}.{name}" for name in _leaves(inside))
        else:
            yield composed(key)


def read_records(
    file: Path, encoding: str | None = None, *, data: bytes | None = None, can_choose: bool = True
) -> Records | JsonRecords:
    """The records of a file of CSV or JSON Lines, by how its name ends; other arguments as for `decoded`.

    Args:
        file: Its path, or what messages call it.
        encoding: As for `decoded`.
        data: What it holds, if that was read already; then its first character says which of both it is.
        can_choose: As for `decoded`.

    Raises:
        InputError: It cannot be read, is in another encoding, or is a spreadsheet.
        UsageError: There is no such encoding.
    """
    suffix = file.suffix.lower() if data is None else JSON_LINES[0] if data.lstrip()[:1] == b"{" else ".csv"
    if suffix in SHEETS:
        raise InputError(f"{file}: {SHEET}")
    data = bytes_of(file) if data is None else data
    decoded(data, file, encoding, can_choose=can_choose)  # as a whole, before anything comes of its first lines
    is_json = suffix in JSON_LINES
    text = io.TextIOWrapper(io.BytesIO(data), _codec(data, encoding), newline="\n" if is_json else "")
    return JsonRecords(text, file) if is_json else Records(text, file, DELIMITERS.get(suffix, DELIMITERS[".csv"]))
