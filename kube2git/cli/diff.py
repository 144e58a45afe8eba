"""kube2git diff."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from kube2git.cli import options, output, stopping

if TYPE_CHECKING:
    from kube2git.config import Settings
    from kube2git.core.selection import ObjectName
    from kube2git.flows.replaying import Draft

_LOCAL = (
    "This compares without asking the API server what it would do. "
    "`kube2git replay REV --prune=all --dry-run=server` asks."
)


@click.command("diff")
@click.argument("revision", metavar="REV")
@click.argument("words", metavar="[REV2] [OBJECT]...", nargs=-1)
@click.option("--live", is_flag=True, help="Compare with the cluster instead of a revision.")
@click.option(
    "--map", "maps", multiple=True, metavar="FROM=TO", help="With --live: a renamed namespace."
)
@options.reveal_option
@options.output_option("table", "diff", "json", "name")
@options.selection_options
@options.cluster_options
@options.repo_options
def command(
    *,
    revision: str,
    words: tuple[str, ...],
    live: bool,
    maps: tuple[str, ...],
    reveal: bool,
    **given: Any,
) -> int:
    """Compare two revisions, or a revision with the cluster, object by object.

    Without REV2 and --live, REV is compared with the branch's newest commit. Objects are named as
    kubectl does: deploy/web -n shop. Values of Secrets are masked, unless --reveal shows them on a
    terminal.

    --live compares as a replay with --prune=all does, and only reads: what it calls equal, a replay
    leaves as it is.

    Exit codes: 0 no difference; 1 differences found; 3 the cluster could not be read completely.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE, ObjectDiff
    from kube2git.core.selection import Patterns
    from kube2git.errors import UsageError
    from kube2git.flows import history
    from kube2git.render import differences, plans

    settings = options.settings_from(given)
    repository = wiring.repository(settings)
    opener = wiring.opener(settings, output.ask_passphrase, reveals=reveal)
    other = ""
    if words and not live and history.is_revision(repository, words[0]):
        other, words = words[0], words[1:]
    names = options.object_names(words, Patterns(given["namespace"]).literals or ())
    diffs: list[ObjectDiff] = []
    is_complete = True
    if live:
        draft = _draft(settings, revision, names, maps)
        diffs = plans.drift(draft, reveals=reveal)
        is_complete = not draft.plan.problems
        if is_complete:
            _check_names(draft)
        output.tell(f"warning: {problem.sentence}" for problem in draft.plan.problems)
        output.tell(plans.left_alone(draft.plan, output.paint()))
        if diffs:
            output.tell([_LOCAL])
    elif maps:
        raise UsageError("--map goes with --live", hint="A revision has its own names.")
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


def _check_names(draft: Draft) -> None:
    """Raise RepositoryNotFoundError for a name that neither the commit nor the cluster holds."""
    from kube2git.core.selection import names_in_repository
    from kube2git.errors import RepositoryNotFoundError

    kinds = {type.kind_group: type.names() for type in draft.discovery.types}
    served = frozenset().union(*kinds.values())
    refs = [action.ref for action in draft.plan.actions]
    for name in draft.request.names:
        if not name.name and name.kind in served:
            continue  # All of a kind may be none.
        # In the cluster the namespace may go by another name.
        anywhere = replace(name, namespace=None) if draft.request.maps else name
        if not any(
            anywhere.matches(ref, names_in_repository(ref) | kinds.get(ref.kind_group, frozenset()))
            for ref in refs
        ):
            raise RepositoryNotFoundError(
                f"neither {draft.request.revision} nor the cluster holds {name}",
                hint="Check kind, name and namespace. Of what the cluster holds, only what an "
                f"export would counts: `kube2git explain {name}` tells.",
            )


def _draft(
    settings: Settings, revision: str, names: tuple[ObjectName, ...], maps: tuple[str, ...]
) -> Draft:
    """Plan the replay that would make the cluster what the revision says, by reading alone."""
    from kube2git import wiring
    from kube2git.core.planning.policy import Allowance, Prune
    from kube2git.flows import replaying

    request = replaying.ReplayRequest(
        revision=revision,
        names=names,
        selection=wiring.selection(settings),
        maps=maps,
        policy=wiring.policy(settings, prune=Prune.ALL, allowed=frozenset(Allowance)),
        dry_run=replaying.DryRun.CLIENT,
        transforms=wiring.transforms(settings),
        catalogue=wiring.references(settings),
        inventory_namespace="",
        prefix=settings.git.prefix,
    )
    repository = wiring.repository(settings)
    with stopping.told(stopping.UNWRITTEN), wiring.few_collections():
        return output.follow(
            replaying.make_plan(
                wiring.target(settings),
                repository,
                request,
                rules=wiring.rules(settings),
                clock=wiring.now,
                unseal=wiring.unsealer(settings, output.ask_passphrase),
                sealing=wiring.sealing(settings),
                memory=wiring.memory(settings, repository),
            )
        )
