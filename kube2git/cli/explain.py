"""kube2git explain."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output


@click.command("explain")
@click.argument("words", metavar="OBJECT...", nargs=-1, required=True)
@click.option("-n", "--namespace", metavar="NS", help="Namespace of the objects.")
@click.option("--kept", is_flag=True, help="Show what is kept on purpose, too.")
@options.output_option("table", "json")
@options.cluster_options
@options.repo_options
def command(*, words: tuple[str, ...], namespace: str | None, kept: bool, **given: Any) -> int:
    """Show what cleaning removes from a live object, by which rule, and why.

    A rule is switched off in the config file: cleaning.disable: [its id].
    """
    from kube2git import wiring
    from kube2git.flows import explaining
    from kube2git.render import explanations

    settings = options.settings_from(given)
    names = options.object_names(words, (namespace,) if namespace else ())
    explained = explaining.explain(wiring.cluster(settings), names, wiring.rules(settings))
    if given["output"] == "json":
        output.answer_json([explanations.as_data(ref, found) for ref, found in explained])
        return 0
    for ref, found in explained:
        output.answer(explanations.as_table(ref, found, output.paint(), is_full=kept))
    return 0
