"""From a sweep's events to objects that can be cleaned: which kinds, and in which order.

Some rules of cleaning need facts from other objects (does an autoscaler own these replicas?). The
kinds that hold such facts are listed first, and their pages wait until all of them are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kube2git.core import wire
from kube2git.core.cleaning import Cleaner, ContextBuilder, RuleSet
from kube2git.core.objects import ResourceType
from kube2git.core.ports import (
    Discovery,
    KindRead,
    PageRead,
    SweepEvent,
    SweepFinished,
    SweepRequest,
    SweepStarted,
)
from kube2git.core.selection import ClusterScoped, Selection

SECRET = "Secret"  # noqa: S105 - the name of the kind
NO_RECIPIENT = "no recipient is configured to seal its values"


@dataclass(frozen=True)
class Kinds:
    """Which kinds a run writes, leaves out, and lists."""

    exported: dict[str, ResourceType]
    """kind_group -> the kind."""
    left_out: dict[str, str]
    """kind_group -> the rule, or the reason, by which the whole kind is left out."""
    phases: tuple[tuple[ResourceType, ...], ...]
    sealed: frozenset[str] = frozenset()
    """kind_groups whose objects come before all others: their values must be known by then."""

    def request(self, selection: Selection) -> SweepRequest:
        return SweepRequest(
            self.phases, selection.namespaces.literals, selection.labels, ContextBuilder.KINDS
        )

    def fingerprint(self) -> str:
        """Return the identity of the choice of kinds and of the versions they are read in."""
        return wire.digest(sorted((kind, type.version) for kind, type in self.exported.items()))


def choose_kinds(
    discovery: Discovery,
    selection: Selection,
    rules: RuleSet,
    sealed: frozenset[str] = frozenset(),
) -> Kinds:
    """Decide which kinds are exported, and which are read only to know how to clean others.

    ``sealed`` are the kind_groups that can be sealed; without Secret among them Secrets are left
    out.
    """
    exported: dict[str, ResourceType] = {}
    left_out: dict[str, str] = {}
    first: list[ResourceType] = []
    later: list[ResourceType] = []
    last: list[ResourceType] = []
    for type in discovery.types:
        kind = type.kind_group
        wanted = selection.wants_kind(type) and (
            type.namespaced or selection.cluster_scoped is not ClusterScoped.NO
        )
        if wanted and (rule := rules.skipped_kind(kind)):
            left_out[kind] = rule.id
        elif wanted and kind == SECRET and SECRET not in sealed:
            left_out[kind] = NO_RECIPIENT
        elif wanted:
            exported[kind] = type
        if kind in ContextBuilder.KINDS or (kind in exported and kind in sealed):
            first.append(type)
        elif kind in exported and not type.namespaced and selection.only_needed_cluster_objects:
            last.append(type)
        elif kind in exported:
            later.append(type)
    phases = tuple(tuple(phase) for phase in (first, later, last) if phase)
    return Kinds(exported, left_out, phases, sealed & exported.keys())


@dataclass(frozen=True)
class CleanerReady:
    """All that the rules need to know is known; pages follow."""

    cleaner: Cleaner
    fingerprint: str
    """Of the rules and of the facts from other objects."""


def in_cleaning_order(
    events: Iterable[SweepEvent], kinds: Kinds, rules: RuleSet
) -> Iterator[SweepEvent | CleanerReady]:
    """Pass on a sweep's events, holding pages back until ``CleanerReady`` has been passed.

    Pages of kinds that are not exported are used for their facts and not passed on. After each
    SweepStarted everything begins again.
    """
    asked = {type.kind_group for phase in kinds.phases for type in phase} & (
        ContextBuilder.KINDS | kinds.sealed
    )
    missing: set[str] = set()
    builder, waiting, is_ready = ContextBuilder(), list[PageRead](), False
    for event in events:
        if isinstance(event, SweepStarted):
            missing = set(asked)
            builder, waiting, is_ready = ContextBuilder(), [], False
            yield event
            continue
        if isinstance(event, PageRead):
            kind = event.type.kind_group
            if kind in ContextBuilder.KINDS and kind in missing:
                for item in event.items:
                    builder.add(item.decode(event.type.api_version, event.type.kind))
            if kind in kinds.exported:
                if is_ready:
                    yield event
                else:
                    waiting.append(event)
            continue
        if isinstance(event, KindRead):
            missing.discard(event.type.kind_group)
        if not is_ready and (not missing or isinstance(event, SweepFinished)):
            is_ready = True
            context = builder.build()
            yield CleanerReady(
                Cleaner(rules, context),
                wire.digest([rules.fingerprint(), context.fingerprint()]),
            )
            yield from sorted(waiting, key=lambda page: page.type.kind_group not in kinds.sealed)
            waiting = []
        yield event
