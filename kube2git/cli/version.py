"""kube2git version."""

from __future__ import annotations

import click

from kube2git import __version__
from kube2git.cli import output


@click.command("version")
def command() -> int:
    """Print the version."""
    output.answer([f"kube2git {__version__}"])
    return 0
