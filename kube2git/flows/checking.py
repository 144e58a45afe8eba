"""Check: would an export work? Tries what an export does, up to the first write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kube2git.core.cleaning import RuleSet
from kube2git.core.ports import Cluster, KindRead, KindStatus, Repo
from kube2git.core.reading import choose_kinds
from kube2git.core.selection import Selection
from kube2git.errors import Kube2gitError


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    subject: str
    is_ok: bool
    message: str
    hint: str = ""


def check(
    open_repo: Callable[[], Repo],
    connect: Callable[[], Cluster],
    selection: Selection,
    rules: RuleSet,
) -> Iterator[Finding]:
    """Yield what was found, check by check; a failed one does not stop those after it."""
    yield from _repository(open_repo)
    yield from _cluster(connect, selection, rules)


def _repository(open_repo: Callable[[], Repo]) -> Iterator[Finding]:
    try:
        repo = open_repo()
        tip = repo.tip()
    except Kube2gitError as error:
        yield Finding("repository", False, str(error), error.hint)
        return
    held = f"its newest commit is {tip[:10]}" if tip else "the branch has no commit yet"
    yield Finding("repository", True, f"It can be read; {held}.")
    try:
        remote = repo.check_push()
    except Kube2gitError as error:
        yield Finding("remote", False, str(error), error.hint)
        return
    if remote:
        yield Finding("remote", True, f"{remote} would take a push.")
    else:
        yield Finding("remote", True, "There is none; commits stay in the local repository.")


def _cluster(
    connect: Callable[[], Cluster], selection: Selection, rules: RuleSet
) -> Iterator[Finding]:
    try:
        cluster = connect()
        identity = cluster.identity()
        discovery = cluster.discover()
    except Kube2gitError as error:
        yield Finding("cluster", False, str(error), error.hint)
        return
    yield Finding(
        "cluster", True, f"Context {identity.context} answers; server {identity.server_version}."
    )
    for group, why in sorted(discovery.failed.items()):
        yield Finding(f"API group {group}", False, why)
    kinds = choose_kinds(discovery, selection, rules)
    listed = 0
    for event in cluster.sweep(kinds.request(selection)):
        if isinstance(event, KindRead) and event.type.kind_group in kinds.exported:
            if event.status is KindStatus.LISTED:
                listed += 1
            else:
                yield Finding(event.type.resource_group, False, event.reason)
    yield Finding("rights", listed > 0, f"{listed} of {len(kinds.exported)} kinds can be listed.")
