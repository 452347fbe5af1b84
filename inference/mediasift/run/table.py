"""A run as its caller sees it: rows to iterate over, or a table to write, and what became of the inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TextIO

from mediasift.errors import Interrupted, OutputError, UsageError, count_of
from mediasift.rows import Row, RowType, printable, values
from mediasift.run.journal import Journal
from mediasift.run.resume import Plan, look, plan, stored_rows
from mediasift.sources.content import content_bytes
from mediasift.sources.naming import Source
from mediasift.system.files import write_atomically
from mediasift.tables.formats import FORMATS, format_of
from mediasift.tables.manifest import Summary, manifest, manifest_path, states_of
from mediasift.tables.schema import schema
from mediasift.tables.stored import Stored
from mediasift.tables.writers import Form, html, to_frame

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 10
"""Rows that a notebook shows."""


class Rows(Protocol[RowType]):
    """Where the rows of a table come from: a stream of inputs (`Stream`), or a reduction over all of them.

    Attributes:
        row_type: Their type.
        keep: Columns of an input list that come along.
        began: When it was started.
        facts: What produces them: the model, the device.
        what: All that decides what they say, as JSON objects under `settings`, `model` and `versions`.
        resources: What they cost: threads, batch size, limits.
        sources: What is read, looked up when it is asked for.
        extends: Whether rows of new inputs can be added to a finished table; if not, every row depends on all inputs.
    """

    row_type: type[RowType]
    keep: tuple[str, ...]
    began: datetime
    facts: Mapping[str, Any]
    what: Mapping[str, Any]

    @property
    def sources(self) -> Iterable[Source]: ...  # noqa: D102  (see the class)

    @property
    def extends(self) -> bool: ...  # noqa: D102  (see the class)

    @property
    def resources(self) -> Mapping[str, Any]: ...  # noqa: D102  (see the class)

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[RowType | Stored]:
        """All rows, once. Before the first of them comes, all that can stop the run has been raised.

        Args:
            summary: Filled in with all but the counts of rows.
            journal: Begun; it keeps what is done for the next run, and has what an earlier one did.
            progress: Where to report how far it is.
        """

    def close(self) -> None:
        """Let go of what computes."""


class Opened(NamedTuple):
    """An output about to be written.

    Attributes:
        output: The table's file.
        before, manifest: What was there: the table's SHA-256, the manifest's JSON.
        journal: Of this output, open.
        todo: What is to be done.
        form: Of the rows.
        what: All that decides what they say, and in what form.
    """

    output: Path
    before: str | None
    manifest: Mapping[str, Any]
    journal: Journal
    todo: Plan
    form: Form
    what: dict[str, Any]


class Table(Generic[RowType]):
    """Rows that are computed when they are asked for, once: iterate, `write`, `print_to`, `to_dicts` or `to_pandas`.

    As a context manager it lets go of what computes when the block ends.

    Args:
        rows: Where they come from; started already, so that a missing model failed before the first file.

    Attributes:
        summary: Counts, filled in while it runs.
        left_alone: Whether `write` found the table finished and did nothing.
    """

    def __init__(self, rows: Rows[RowType]) -> None:
        self.summary = Summary()
        self.left_alone = False
        self._rows = rows
        self._taken = False
        self._first: list[Row | Stored] = []

    def __iter__(self) -> Iterator[RowType]:
        """Each row.

        Raises:
            InputError: There is nothing to read.
            UsageError: The rows were asked for before.
        """
        self._take()
        # without a journal there are no stored rows
        return (row for row in self._counted(None, None) if not isinstance(row, Stored))

    def to_dicts(self) -> list[dict[str, Any]]:
        """All rows, each as column → value; None where a column does not apply. Raises what iterating raises."""
        names = self._form().names
        return [{name: cells.get(name) for name in names} for cells in map(values, self)]

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a pandas DataFrame.

        Whole numbers are `Int64`, truth values `boolean` and text `string`, with `NA` where a column does not apply;
        other numbers are float64 with NaN; vectors are float32 (D,) in a column of objects.

        Raises:
            MissingPackage: pandas is not installed.
        """
        return to_frame(self, self._form())

    def print_to(
        self, file: IO[bytes], *, format: str, spreadsheet_safe: bool = False, progress: TextIO | None = None
    ) -> None:
        """Write the rows to an open stream as they come.

        Raises:
            UsageError: They cannot be written in that format.
        """
        name = format_of(None, format, self._rows.row_type)
        self._take()
        FORMATS[name].write(_begun(self._counted(None, progress)), self._form(spreadsheet_safe), file)

    def write(
        self, output: str | Path, *, format: str | None = None, spreadsheet_safe: bool = False,
        progress: TextIO | None = None, restart: bool = False, update: bool = False, retry_errors: bool = False,
    ) -> None:  # fmt: skip
        """Write the table and its manifest, each at once and whole, when all inputs are done.

        Until then finished inputs stand in `OUTPUT.journal.jsonl`, or in the index that was named. If the run ends in
        any way, the same call goes on where it ended. A finished table is left alone.

        Args:
            output: The table's file.
            format: A key of `tables.formats.FORMATS`; None takes the suffix.
            spreadsheet_safe: Put a `'` before text cells that a spreadsheet would take for a formula.
            progress: Where to report how far it is.
            restart: Start again. A table that was changed since it was written is not overwritten even then.
            update: Add inputs that are not in the finished table, and read those again whose files changed since; rows
                of inputs that are gone stay. Where every row depends on all inputs, make the table of those that are
                there now instead.
            retry_errors: Read inputs again whose rows carry an error, of a finished table or of one that was begun.

        Raises:
            UsageError: The name says no format; or the table was begun, or written, with other settings.
            OutputError: It cannot be written (tried before the first file is read), another run is writing it, or the
                table there is not ours.
            Interrupted: With limits, after Ctrl-C or SIGTERM.
        """
        with self._opened(
            Path(output), format, spreadsheet_safe, restart=restart, update=update, retry_errors=retry_errors
        ) as opened:
            if opened.todo == "finished":
                self.left_alone = True
                self.summary = Summary.of(opened.manifest)
                return
            try:
                self._publish(_begun(self._counted(opened.journal, progress)), opened)
            except BaseException:
                journal = opened.journal
                if opened.todo != "continue" and not (journal.has_grown or journal.table_sha256):
                    journal.forget()  # so that the corrected call just runs
                raise
            opened.journal.remove()

    @contextmanager
    def _opened(
        self, output: Path, format: str | None, spreadsheet_safe: bool, *, restart: bool, update: bool,
        retry_errors: bool,
    ) -> Iterator[Opened]:  # fmt: skip
        """The output, with its journal begun where there is something to do; what computes is let go of at the end."""
        form = self._form(spreadsheet_safe)
        name = format_of(output, format, form.row_type)
        read = FORMATS[name].read if self._rows.extends else None
        if (update or retry_errors) and self._rows.extends and read is None:
            able = ", ".join(other for other, one in FORMATS.items() if one.read is not None)
            raise UsageError(f"{output}: a .{name} cannot be added to; --update and --retry-errors are for {able}")
        if not output.parent.is_dir():
            raise OutputError(f"{output}: the folder {output.parent} does not exist; make it first")
        self._take()
        sections = {**self._rows.what, "table": {"format": name, "spreadsheet_safe": spreadsheet_safe}}
        try:
            with Journal(output) as journal:
                before, manifest_before = look(output)
                todo = plan(
                    output, before, manifest_before, journal, sections,
                    restart=restart, update=update, retry_errors=retry_errors,
                    can_extend=read is not None or not self._rows.extends,
                )  # fmt: skip
                journal.retry_errors, journal.looks_again = retry_errors, update
                if todo in ("begin", "extend"):
                    stored = stored_rows(output, read, form) if todo == "extend" and read is not None else ()
                    repeated = manifest_before.get("counts", {}).get("repeated", [])
                    since = manifest_before.get("checked", manifest_before.get("started")) if todo == "extend" else None
                    header = {"what": sections, "replaces": before, "repeated": repeated, "since": since}
                    journal.begin(header, stored, states_of(manifest_before))
                yield Opened(output, before, manifest_before, journal, todo, form, sections)
        except (Interrupted, OutputError) as error:
            if not restart:
                raise
            raise type(error)(f"{error} (but without --restart, which would begin again)") from error
        finally:
            self.close()

    def _publish(self, rows: Iterable[Row | Stored], opened: Opened) -> None:
        """The rows into the table, while they come; then the manifest."""
        sections, form = opened.what, opened.form

        def then(sha256: str) -> None:
            if self.summary.shard is not None:
                self.summary.shard["row"] = f"{form.row_type.__module__}:{form.row_type.__qualname__}"
            sections["table"]["sha256"] = sha256
            opened.journal.finish(sha256)

        write = FORMATS[sections["table"]["format"]].write
        write_atomically(opened.output, lambda file: write(rows, form, file), then=then, turns=False)
        beside = self._manifest({**sections, "schema": schema(form)})
        write_atomically(manifest_path(opened.output), lambda file: file.writelines(map(str.encode, beside)))

    def manifest(self) -> str:
        """What produced the rows, as JSON; complete when they are."""
        return "".join(self._manifest({**self._rows.what, "table": {}, "schema": schema(self._form())}))

    def inputs(self) -> Iterator[tuple[str, int | None]]:
        """Path, as the table will say it, and bytes of each input as it is now; None where they are unknown."""
        for source in self._rows.sources:
            yield printable(source.path), content_bytes(Journal.state(source))

    @property
    def rows(self) -> Rows[RowType]:
        """Where they come from."""
        return self._rows

    @property
    def facts(self) -> Mapping[str, Any]:
        """What produces the rows: the model, the device."""
        return self._rows.facts

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the same call would have again, JSON values."""
        settings: Mapping[str, Any] = self._rows.what["settings"]
        return settings

    def close(self) -> None:
        """Let go of what computes; a table that is dropped does so by itself."""
        self._rows.close()

    def __enter__(self) -> Table[RowType]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        """What a notebook shows: the first rows that were computed so far, and how many; it computes none."""
        if self._taken:
            count = f"{count_of(self.summary.rows, 'row')} from {count_of(self.summary.sources, 'input')}"
            return html(self._first, self._form()) + f"<p>{count}</p>"
        return (
            f"<p>A table of {self._rows.row_type.__name__} rows that is not computed yet. Type "
            "<code>frame = table.to_pandas()</code>, <code>rows = table.to_dicts()</code> or "
            "<code>table.write('out.csv')</code>.</p>"
        )

    def _take(self) -> None:
        if self._taken:
            raise UsageError(
                "this table was read already; its rows come once. Keep them, as in rows = list(table), or call the "
                "function that made the table again"
            )
        self._taken = True

    def _counted(self, journal: Journal | None, progress: TextIO | None) -> Iterator[RowType | Stored]:
        for row in self._rows.run(self.summary, journal, progress):
            self.summary.count(row.error)
            if len(self._first) < _SHOWN:
                self._first.append(row)
            yield row

    def _manifest(self, sections: Mapping[str, Any]) -> Iterator[str]:
        return manifest(self.summary, sections=sections, resources=self._rows.resources, started=self._rows.began)

    def _form(self, spreadsheet_safe: bool = False) -> Form:
        return Form(row_type=self._rows.row_type, kept=self._rows.keep, spreadsheet_safe=spreadsheet_safe)


def _begun(rows: Iterator[RowType | Stored]) -> Iterator[RowType | Stored]:
    """The same rows, with the first computed: an error that stops the run comes before anything is written."""
    return itertools.chain(list(itertools.islice(rows, 1)), rows)
