"""`mediasift doctor`."""

from __future__ import annotations

import click

from mediasift import verbs


@click.command()
def command() -> None:
    """Report what works on this machine and what is broken; exit code 1 if something is."""
    found = verbs.doctor()
    width = max(len(finding.subject) for finding in found)
    for finding in found:
        click.echo(f"{finding.state:<7} {finding.subject:<{width}}  {finding.text}")
    if any(finding.state == "broken" for finding in found):
        raise click.exceptions.Exit(1)
