"""kube2git diff."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output


@click.command("diff")
@click.argument("revision", metavar="REV")
@click.argument("words", metavar="[REV2] [OBJECT]...", nargs=-1)
@click.option("--live", is_flag=True, help="Compare with the cluster instead of a revision.")
@options.output_option("table", "diff", "json", "name")
@options.selection_options
@options.cluster_options
@options.repo_options
def command(
    *,
    revision: str,
    words: tuple[str, ...],
    live: bool,
    **given: Any,
) -> int:
    """Compare two revisions, or a revision with the cluster, object by object.

    Without REV2 and --live, REV is compared with the branch's newest commit. Objects are named as
    kubectl does: deploy/web -n shop. Values of Secrets are masked.

    Exit codes: 0 no difference; 1 differences found; 3 the cluster could not be read completely.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE, ObjectDiff, Progress
    from kube2git.flows import comparing, history
    from kube2git.render import differences

    settings = options.settings_from(given)
    repository = wiring.repository(settings)
    opener = wiring.opener(settings)
    other = ""
    if words and not live and history.is_revision(repository, words[0]):
        other, words = words[0], words[1:]
    names = options.object_names(words, given["namespace"])
    diffs: list[ObjectDiff] = []
    is_complete = True
    if live:
        rules = wiring.rules(settings)
        with wiring.few_collections(), output.StatusLine() as status:
            for event in comparing.compare_live(
                wiring.cluster(settings),
                repository,
                revision,
                names,
                wiring.selection(settings),
                rules,
                wiring.sealing(settings),
                opener,
            ):
                if isinstance(event, Progress):
                    status.say(f"{event.phase} {event.kinds_done}/{event.kinds_total} kinds")
                else:
                    diffs = list(event.diffs)
                    is_complete = not event.incomplete
                    output.tell(
                        f"warning: {read.type.resource_group} is {read.status}. {read.reason}"
                        for read in event.incomplete
                    )
    else:
        chosen = wiring.selection(settings)
        diffs = [
            item
            for item in history.diff(repository, revision, other or "HEAD", names, opener)
            if history.is_selected(item, chosen)
        ]
    form = given["output"]
    if form == "json":
        output.answer_json(differences.as_data(diffs))
    elif form == "name":
        output.answer(differences.as_names(diffs))
    elif form == "diff":
        output.answer(differences.as_unified(diffs, output.paint()))
    else:
        output.answer(differences.as_table(diffs, output.paint()))
    if not is_complete:
        return INCOMPLETE
    return 1 if diffs else 0
