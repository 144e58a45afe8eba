"""kube2git log."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output


@click.command("log")
@click.argument("words", metavar="[OBJECT]...", nargs=-1)
@click.option("--rev", default="", metavar="REV", help="Start here. [the newest commit]")
@click.option("-m", "--max-count", type=click.IntRange(min=1), metavar="N", help="At most N.")
@click.option("-n", "--namespace", metavar="NS", help="Namespace of the objects.")
@options.output_option("table", "json")
@options.repo_options
def command(
    *, words: tuple[str, ...], rev: str, max_count: int | None, namespace: str | None, **given: Any
) -> int:
    """Show the history of the cluster, newest first.

    With OBJECT (deploy/web -n shop): the commits that changed it, the fields that changed and who
    changed them. Objects that were deleted are found too.
    """
    from kube2git import wiring
    from kube2git.flows import history
    from kube2git.render import histories

    settings = options.settings_from(given)
    repository = wiring.repository(settings)
    opener = wiring.opener(settings, output.ask_passphrase)
    names = options.object_names(words, (namespace,) if namespace else ())
    entries = history.log(repository, rev or "HEAD", names, limit=max_count or 0, opener=opener)
    if given["output"] == "json":
        output.answer_json([histories.as_data(entry) for entry in entries])
        return 0
    paint = output.paint()
    for entry in entries:
        output.answer(histories.as_table(entry, paint, is_full=bool(names)))
    return 0
