"""`mediasift doctor`."""

from __future__ import annotations

import click

from mediasift import verbs


@click.command()
def command() -> None:
    """Report what works on this machine and what is broken; exit code 1 if something is."""
    findings = verbs.doctor()
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.state:<7} {finding.subject:<{width}}  {finding.text}")
    if any(finding.state == "broken" for finding in findings):
        raise click.exceptions.Exit(1)
