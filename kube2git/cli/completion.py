"""kube2git completion."""

from __future__ import annotations

import click

from kube2git.cli import output


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> int:
    """Print the completion script of a shell.

    For bash: source <(kube2git completion bash)
    """
    from click.shell_completion import get_completion_class

    from kube2git.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the three shells are click's own
    output.answer([kind(cli, {}, "kube2git", "_KUBE2GIT_COMPLETE").source()])
    return 0
