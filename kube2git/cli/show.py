"""kube2git show."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output


@click.command("show")
@click.argument("where", metavar="REV[:OBJECT]")
@click.option("-n", "--namespace", metavar="NS", help="Namespace of the object.")
@options.reveal_option
@options.output_option("yaml", "json", "name")
@options.repo_options
def command(*, where: str, namespace: str | None, reveal: bool, **given: Any) -> int:
    """Show an object as it is at a revision: HEAD~1:deploy/web -n shop.

    Without OBJECT, lists the objects that the revision holds. Sealed values stay sealed, unless
    --reveal shows them on a terminal.
    """
    from kube2git import wiring
    from kube2git.core import yamlio
    from kube2git.core.sealing import is_sealed, legible
    from kube2git.core.selection import split_revision
    from kube2git.flows import history

    settings = options.settings_from(given)
    repository = wiring.repository(settings)
    revision, word = split_revision(where)
    words = () if word is None else (word,)
    names = options.object_names(words, (namespace,) if namespace else ())
    form = given["output"]
    if not names:
        refs = history.objects_at(repository, revision, namespace)
        if form == "json":
            from kube2git.render.differences import ref_data

            output.answer_json([ref_data(ref) for ref in refs])
        else:
            output.answer(str(ref) for ref in refs)
        return 0
    shown = list(history.show(repository, revision, names))
    if reveal:
        unseal = wiring.unsealer(settings, output.ask_passphrase)
        shown = [
            (ref, legible(unseal(str(ref), body) if is_sealed(body) else body))
            for ref, body in shown
        ]
    if form == "name":
        output.answer(str(ref) for ref, _ in shown)
    elif form == "json":
        bodies = [body for _, body in shown]
        output.answer_json(bodies[0] if len(bodies) == 1 else bodies)
    else:
        texts = (yamlio.encode(body).decode() for _, body in shown)
        output.answer_text("---\n".join(texts))
    return 0
