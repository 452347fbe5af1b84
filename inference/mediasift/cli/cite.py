"""`mediasift cite TABLE.run.json`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli.derived import own_options
from mediasift.cli.options import Command
from mediasift.provenance.cite import Cite
from mediasift.tables.writers import printable_text


@click.command(cls=Command, help=inspect.getdoc(Cite))
@click.argument("manifest", type=click.Path(path_type=Path))
def command(*, manifest: Path, **chosen: Any) -> None:
    """See `Cite`."""
    cited = verbs.cite(manifest, **{name: value for name, value in chosen.items() if value is not None})
    if chosen.get("directory") is None:
        click.echo(printable_text(cited.paragraph.rstrip("\n")))
        return
    unknown = sum(answer.startswith("Unknown") for *_, answer in cited.checklist)
    click.echo(
        f"{chosen['directory']}: methods.md, references.bib, codebook.csv, codebook.md, checklist.md; {unknown} of "
        f"{len(cited.checklist)} questions of the checklist are yours to answer",
        err=True,
    )


command.params = [command.params[0], *own_options(Cite)]
