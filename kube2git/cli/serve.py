"""kube2git serve."""

from __future__ import annotations

import os
from typing import Any

import click

from kube2git.cli import options


@click.command("serve")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Format of the log. [text]")
@options.cluster_options
@options.repo_options
def command(*, log_format: str | None, **given: Any) -> int:
    """Run exports by schedule, until it is stopped.

    The schedules are in the section serve of the configuration, which is read again when it
    changes. SIGTERM lets a run that goes on end, or rolls it back; a second one leaves at once.

    Exit codes: 0 stopped as asked; 2 the configuration has problems.
    """
    from kube2git.config import as_environment
    from kube2git.serve.daemon import Daemon

    flags = options.flags_from(given)
    if log_format:
        flags["serve.log_format"] = log_format
    return Daemon(given.get("config"), {**os.environ, **as_environment(flags)}).run()
