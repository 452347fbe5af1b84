"""`mediasift sample`: its options, and what it makes of a table: a sheet, a page for coders, and the design."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

from mediasift.errors import InputError, UsageError
from mediasift.evaluate.coded import coded_columns
from mediasift.evaluate.sample_drawing import (
    DESIGN,
    Allocation,
    Drawn,
    Population,
    assign,
    design_fields,
    draw,
    read_population,
    shuffled,
)
from mediasift.evaluate.sample_media import Shown, show
from mediasift.evaluate.sample_page import Lists, coding_page
from mediasift.evaluate.sample_reading import ReadAgain, reading_of
from mediasift.evaluate.units import Per, Unit
from mediasift.settings import Option
from mediasift.sources.codebook import Codebook, Variable, read_codebook
from mediasift.sources.content import LocalFile
from mediasift.system.files import new_folder, write_atomically
from mediasift.system.progress import Progress
from mediasift.tables.manifest import Summary, manifest, manifest_path
from mediasift.tables.reports import made_from
from mediasift.tables.schema import schema_of
from mediasift.tables.writers import write_lines

WITHOUT = Codebook(name="label", variables=(Variable(name="label", question="Which label fits?", kind="text"),))
"""What is asked where no codebook is given; `mediasift evaluate` reads the answers."""


@dataclass(frozen=True, kw_only=True)
class Sample(ReadAgain):
    """Draw a random sample of a table for people to code, with a page on which they do so.

    DIR/index.html is the page: one item at a time, by keyboard, in any browser, without a network; it saves a CSV.
    DIR/sheet.csv is the same for a spreadsheet. Both are blind: neither says what the machine found, and the order says
    nothing. DIR/design.csv has the strata and the probability of each item, for the analysis, not for coders.

    An item is a picture, page, frame or recording; where the table has boxes or stretches of time, it is one of those.
    Rows with an error are left out. The same seed draws the same sample, in whatever order the rows stand.
    """

    directory: Annotated[
        str | Path, Option("The folder to make; it must not be there, or be empty.", short="-d", writes=True)
    ]
    count: Annotated[int, Option("How many items to draw; all, where there are fewer.", short="-n", least=1)]
    by: Annotated[
        Sequence[str],
        Option("Columns that make strata; of an item with several rows, that of rank 1 counts.", metavar="A,B"),
    ] = ()
    allocation: Annotated[
        Allocation,
        Option("Items of a stratum: in proportion to its size, or as many of each; two at least, where it has two."),
    ] = "proportional"
    per: Annotated[
        Per | None,
        Option("Draw whole items, or their boxes and stretches of time.", default="part where the table has any"),
    ] = None
    codebook: Annotated[
        str | Path | None,
        Option("What coders are asked, as YAML.", metavar="FILE", default="one question: which label fits?"),
    ] = None
    coders: Annotated[int, Option("How many people code.", least=1, most=99)] = 1
    overlap: Annotated[
        int | None,
        Option("Items that all of them code, for agreement; the others are shared out.", least=0, default="all"),
    ] = None
    seed: Annotated[int, Option("Another one draws another sample.", least=0)] = 1
    pixels: Annotated[int, Option("Longest side of pictures on the page.", least=64, metavar="PIXELS")] = 1280


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What came out.

    Attributes:
        directory: The folder.
        population: Items that could be drawn.
        strata: How many they fall into.
        drawn: The sample, by stratum.
        errors: Items that were left out, as a row of theirs carries an error.
        without_part: Items that were left out, as nothing was found in them, where boxes or stretches are drawn.
        unseen: Items that the page cannot show, each with the reason; they stand in the sheet.
    """

    directory: Path
    population: int
    strata: int
    drawn: tuple[Drawn, ...]
    errors: int
    without_part: int
    unseen: tuple[str, ...]


def sample(table: str | Path, settings: Sample, *, progress: TextIO | None = None) -> Sampled:
    """Draw a sample of a table and make the folder for its coders.

    Args:
        table: Any with the column path; ours, or anybody's.
        settings: See `Sample`.
        progress: Where to report how far it is.

    Raises:
        UsageError: Columns that are not there, or too many strata.
        InputError: The table or the codebook cannot be read, or none of the items.
        OutputError: The folder is not empty, or cannot be written.
        MissingPackage: PyYAML is not installed, and a codebook is given.
    """
    if settings.allocation == "equal" and not settings.by:
        raise UsageError("allocation equal: is about several strata; name the columns that make them with --by")
    if settings.overlap is not None and settings.coders == 1:
        raise UsageError(f"overlap {settings.overlap:,}: is about several coders; say how many with --coders")
    table, began = Path(table), datetime.now(UTC)
    codebook = WITHOUT if settings.codebook is None else read_codebook(settings.codebook)
    reading = reading_of(table, dpi=settings.dpi, password=settings.password)
    population = read_population(table, by=settings.by, per=settings.per, encoding=settings.encoding)
    drawn = draw(population, settings.count, seed=settings.seed, allocation=settings.allocation)
    overlap = len(drawn) if settings.overlap is None else settings.overlap
    if overlap > len(drawn):
        raise UsageError(f"overlap {overlap:,}: only {len(drawn):,} items are drawn; leave it out for all of them")
    units = [one.unit for one in drawn]
    lists = assign(units, settings.coders, overlap, seed=settings.seed)
    with new_folder(Path(settings.directory)) as folder, closing(Progress(progress, len(units))) as bar:
        shown = show(
            shuffled(units, settings.seed, "files"), population.columns, folder, near=table.parent,
            pixels=settings.pixels, reading=reading, progress=bar,
        )  # fmt: skip
        _check_seen(table, shown)
        write_atomically(folder / "index.html", coding_page(codebook, population.columns, lists, shown))
        _write_sheet(folder / "sheet.csv", population, codebook, lists)
        _write_design(folder / "design.csv", population, drawn)
        sections = _about(table, settings, population, drawn, folder / "design.csv")
        about = manifest(Summary(sources=1, rows=len(drawn)), sections=sections, resources={}, started=began)
        write_atomically(manifest_path(folder / "design.csv"), "".join(about).encode())
    return Sampled(
        directory=Path(settings.directory), population=len(population.units),
        strata=len(set(population.units.values())), drawn=tuple(drawn), errors=population.errors,
        without_part=population.without_part,
        unseen=tuple(f"{one.name}: {one.error}" for one in shown.values() if one.error),
    )  # fmt: skip


def _check_seen(table: Path, shown: dict[Unit, Shown]) -> None:
    """Refuse where nothing can be shown: then the command is typed in another folder than the table's paths mean."""
    if all(one.error for one in shown.values()):
        first = next(iter(shown.values()))
        raise InputError(
            f"{table}: none of the {len(shown):,} items can be shown, e.g. {first.name}: {first.error}; type the "
            "command in the folder in which the table was made"
        )


def _write_sheet(path: Path, population: Population, codebook: Codebook, lists: Lists) -> None:
    header = coded_columns(population.columns, codebook)
    empty = [""] * (len(header) - len(population.columns) - 1)
    lines = [[*unit, coder, *empty] for coder, units in lists for unit in units]
    write_atomically(path, lambda file: write_lines([header, *lines], file))


def _write_design(path: Path, population: Population, drawn: Sequence[Drawn]) -> None:
    header = _design_columns(population)
    lines = [[*one.unit, *one.values, one.stratum, one.population, one.sampled, one.probability] for one in drawn]
    write_atomically(path, lambda file: write_lines([header, *lines], file))


def _design_columns(population: Population) -> list[str]:
    by = [f"by_{name}" if name in population.columns else name for name in population.by]
    return [*population.columns, *by, *DESIGN]


def _about(
    table: Path, settings: Sample, population: Population, drawn: Sequence[Drawn], design: Path
) -> dict[str, Any]:
    return {
        **made_from("sample", settings, [table]),
        "table": {"format": "csv", "sha256": LocalFile(design).sha256()[1]},
        "schema": schema_of(design_fields(_design_columns(population))),
        "sample": {
            "population": len(population.units), "drawn": len(drawn), "strata": len(set(population.units.values())),
            "left_out_with_error": population.errors, "left_out_without_part": population.without_part,
        },
    }  # fmt: skip
