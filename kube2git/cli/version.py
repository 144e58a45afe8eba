"""kube2git version."""

from __future__ import annotations

import click

from kube2git import __version__


@click.command("version")
def command() -> int:
    """Print the version."""
    click.echo(f"kube2git {__version__}")
    return 0
