"""What must exist before what: waves of objects, deterministic, whatever the order of the input.

The graph is pure and holds no bodies. Writing goes by its waves, deleting by the same graph in
reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.edges import Edge, Strength, Until
from kube2git.core.planning.needs import needs_of
from kube2git.core.planning.ranks import rank_of
from kube2git.core.workloads import WORKLOADS

QUICK = frozenset({"CustomResourceDefinition.apiextensions.k8s.io"})
"""Kinds that are ready within moments; waiting for others must not hold the rest up."""

LIMITS = frozenset({"LimitRange", "NetworkPolicy.networking.k8s.io", "ResourceQuota"})

WEBHOOKS = frozenset(
    {
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    }
)


class Gate(NamedTuple):
    """Many wait for many: all of ``after`` for all of ``before``, optionally."""

    before: tuple[ObjectRef, ...]
    after: tuple[ObjectRef, ...]
    reason: str
    """A clause on one of ``after``: ``waits for …``."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Objects that do not wait for each other, in the order in which to begin them."""

    refs: tuple[ObjectRef, ...]
    awaits: tuple[ObjectRef, ...] = ()
    """Must be *ready*, not only applied, before this wave begins."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Objects that wait for each other, and the edges left out to break it."""

    refs: tuple[ObjectRef, ...]
    dropped: tuple[Edge, ...]

    @property
    def is_harmless(self) -> bool:
        """True when only optional edges had to go."""
        return all(edge.strength is Strength.OPTIONAL for edge in self.dropped)

    def __str__(self) -> str:
        names = ", ".join(map(str, self.refs))
        edges = "; ".join(f"{edge.after} does not wait for {edge.before}" for edge in self.dropped)
        return f"These objects wait for each other: {names}. To break the circle, {edges}."


@dataclass(frozen=True)
class Graph:
    """The order of a set of objects."""

    waves: tuple[Wave, ...]
    deletion_waves: tuple[Wave, ...]
    """First what nothing else needs; ``awaits`` is empty, each wave waits for the one before."""
    circles: tuple[Circle, ...]
    _needs: Mapping[ObjectRef, tuple[Edge, ...]]
    _held_by_gates: Mapping[ObjectRef, tuple[str, ...]]

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> Graph:
        """Order a set of objects, each given once."""
        by_ref = {manifest.ref: manifest for manifest in manifests}
        refs = sorted(by_ref, key=_tie_key)
        edges = sorted(_unique(needs_of(by_ref)), key=attrgetter("after", "before"))
        return _Builder(refs, edges, tuple(_gates(refs))).build()

    def needs(self, ref: ObjectRef) -> tuple[Edge, ...]:
        """Return the edges by which an object waits for others."""
        return self._needs.get(ref, ())

    def explain(self, ref: ObjectRef) -> tuple[str, ...]:
        """Return, one clause each, why an object does not come first; () when nothing holds it."""
        return (*map(str, self.needs(ref)), *self._held_by_gates.get(ref, ()))


def _tie_key(ref: ObjectRef) -> tuple[tuple[int, int], ObjectRef]:
    return (rank_of(ref.kind_group), ref)


def _unique(edges: Iterator[Edge]) -> Iterable[Edge]:
    """Keep one edge for each pair: strong before optional, ready before applied."""
    best: dict[tuple[ObjectRef, ObjectRef], Edge] = {}
    for edge in edges:
        pair = (edge.after, edge.before)
        known = best.get(pair)
        if known is None or _weight(edge) < _weight(known):
            best[pair] = edge
    return best.values()


def _weight(edge: Edge) -> tuple[bool, bool, str]:
    return (edge.strength is not Strength.STRONG, edge.until is not Until.READY, edge.reason)


def _gates(refs: Sequence[ObjectRef]) -> Iterator[Gate]:
    limits: dict[str, list[ObjectRef]] = {}
    running: dict[str, list[ObjectRef]] = {}
    for ref in refs:
        if ref.kind_group in LIMITS:
            limits.setdefault(ref.namespace, []).append(ref)
        elif ref.kind_group in WORKLOADS:
            running.setdefault(ref.namespace, []).append(ref)
    for namespace in sorted(limits.keys() & running.keys()):
        reason = (
            f"waits for the quotas, limit ranges and network policies of {namespace}: "
            "Pods that start before them escape them"
        )
        yield Gate(tuple(limits[namespace]), tuple(running[namespace]), reason)
    webhooks = tuple(ref for ref in refs if ref.kind_group in WEBHOOKS)
    others = tuple(ref for ref in refs if ref.kind_group not in WEBHOOKS)
    if webhooks and others:
        reason = "waits for everything else: a webhook that does not answer refuses what it is for"
        yield Gate(others, webhooks, reason)


class _Link(NamedTuple):
    """One arrow between numbered nodes; gates are nodes behind the objects."""

    before: int
    after: int
    edge: Edge | None
    """None: to or from a gate."""


class _Builder:
    def __init__(
        self, refs: Sequence[ObjectRef], edges: Sequence[Edge], gates: tuple[Gate, ...]
    ) -> None:
        self._refs = refs
        self._gates = gates
        self._number = {ref: number for number, ref in enumerate(refs)}
        self._size = len(refs) + len(gates)
        number = self._number
        self._links = [_Link(number[edge.before], number[edge.after], edge) for edge in edges]
        for position, gate in enumerate(gates, len(refs)):
            self._links += [_Link(position, number[ref], None) for ref in gate.after]
            self._links += [_Link(number[ref], position, None) for ref in gate.before]

    def build(self) -> Graph:
        links, circles = self._without_circles()
        needs: dict[ObjectRef, list[Edge]] = {}
        for link in links:
            if link.edge is not None:
                needs.setdefault(link.edge.after, []).append(link.edge)
        held: dict[ObjectRef, list[str]] = {}
        for gate in self._gates:
            for ref in gate.after:
                held.setdefault(ref, []).append(gate.reason)
        return Graph(
            waves=self._waves(links),
            deletion_waves=self._deletion_waves(links),
            circles=circles,
            _needs={ref: tuple(edges) for ref, edges in needs.items()},
            _held_by_gates={ref: tuple(reasons) for ref, reasons in held.items()},
        )

    def _without_circles(self) -> tuple[list[_Link], tuple[Circle, ...]]:
        component = _components(self._size, self._links)
        members: dict[int, list[int]] = {}
        for node, number in enumerate(component):
            members.setdefault(number, []).append(node)
        kept: list[_Link] = []
        inside: dict[int, list[_Link]] = {}
        for link in self._links:
            if component[link.before] == component[link.after]:
                inside.setdefault(component[link.before], []).append(link)
            else:
                kept.append(link)
        circles = []
        for number in sorted(inside, key=lambda number: members[number]):
            accepted, dropped = _break(inside[number])
            kept += accepted
            refs = tuple(self._refs[node] for node in members[number] if node < len(self._refs))
            edges = tuple(link.edge for link in dropped if link.edge is not None)
            if edges:
                circles.append(Circle(refs, edges))
        return kept, tuple(circles)

    def _waves(self, links: Sequence[_Link]) -> tuple[Wave, ...]:
        """Put each object into the first wave that its needs allow.

        Levels are (phase, step): waiting until a workload is ready opens a new phase, which comes
        after all steps of the phase before, so that nobody waits for a Pod without need.
        """
        level = [(0, 0)] * self._size
        awaits: dict[int, set[ObjectRef]] = {}
        for node, incoming in _topological(self._size, links):
            for link in incoming:
                phase, step = level[link.before]
                is_ready_edge = link.edge is not None and link.edge.until is Until.READY
                if is_ready_edge and self._refs[link.before].kind_group not in QUICK:
                    level[node] = max(level[node], (phase + 1, 0))
                else:
                    level[node] = max(level[node], (phase, step + 1))
                if is_ready_edge:
                    awaits.setdefault(node, set()).add(self._refs[link.before])
        return self._grouped(level, awaits)

    def _deletion_waves(self, links: Sequence[_Link]) -> tuple[Wave, ...]:
        turned = [_Link(link.after, link.before, link.edge) for link in links]
        level = [(0, 0)] * self._size
        for node, incoming in _topological(self._size, turned):
            for link in incoming:
                level[node] = max(level[node], (0, level[link.before][1] + 1))
        return self._grouped(level, {}, is_reversed=True)

    def _grouped(
        self,
        level: Sequence[tuple[int, int]],
        awaits: Mapping[int, set[ObjectRef]],
        *,
        is_reversed: bool = False,
    ) -> tuple[Wave, ...]:
        groups: dict[tuple[int, int], list[int]] = {}
        for node in range(len(self._refs)):
            groups.setdefault(level[node], []).append(node)
        waves = []
        for key in sorted(groups):
            # Nodes are numbered in the order that breaks ties.
            nodes = groups[key][::-1] if is_reversed else groups[key]
            waiting = {ref for node in nodes for ref in awaits.get(node, ())}
            refs = tuple(self._refs[node] for node in nodes)
            waves.append(Wave(refs, tuple(sorted(waiting))))
        return tuple(waves)


def _topological(size: int, links: Sequence[_Link]) -> Iterator[tuple[int, list[_Link]]]:
    """Yield each node after all that it waits for, with the links that lead to it."""
    incoming: list[list[_Link]] = [[] for _ in range(size)]
    outgoing: list[list[int]] = [[] for _ in range(size)]
    for link in links:
        incoming[link.after].append(link)
        outgoing[link.before].append(link.after)
    missing = [len(found) for found in incoming]
    ready = [node for node in range(size) if not missing[node]]
    for node in ready:
        yield node, incoming[node]
        for after in outgoing[node]:
            missing[after] -= 1
            if not missing[after]:
                ready.append(after)


def _break(links: Sequence[_Link]) -> tuple[list[_Link], list[_Link]]:
    """Keep as many links as go without a circle: strong ones first, then gates, then optional.

    The links out of a gate come before those into it: it is better that one object does not hold
    the gate up than that the gate opens for all.
    """
    following: dict[int, list[int]] = {}
    accepted: list[_Link] = []
    dropped: list[_Link] = []
    for link in sorted(links, key=_keep_key):
        if _reaches(following, link.after, link.before):
            dropped.append(link)
        else:
            following.setdefault(link.before, []).append(link.after)
            accepted.append(link)
    return accepted, dropped


def _keep_key(link: _Link) -> tuple[int, int, int]:
    if link.edge is None:
        return (1 if link.before > link.after else 2, link.before, link.after)
    return (0 if link.edge.strength is Strength.STRONG else 3, link.before, link.after)


def _reaches(following: Mapping[int, list[int]], start: int, goal: int) -> bool:
    seen = {start}
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node == goal:
            return True
        for after in following.get(node, ()):
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return False


def _components(size: int, links: Sequence[_Link]) -> list[int]:
    """Number the strongly connected components (Tarjan, without recursion)."""
    following: list[list[int]] = [[] for _ in range(size)]
    for link in links:
        following[link.before].append(link.after)
    order = [-1] * size
    low = [0] * size
    component = [-1] * size
    stack: list[int] = []
    count = found = 0
    for root in range(size):
        if order[root] != -1:
            continue
        work = [(root, iter(following[root]))]
        order[root] = low[root] = count
        count += 1
        stack.append(root)
        while work:
            node, rest = work[-1]
            for after in rest:
                if order[after] == -1:
                    order[after] = low[after] = count
                    count += 1
                    stack.append(after)
                    work.append((after, iter(following[after])))
                    break
                if component[after] == -1:
                    low[node] = min(low[node], order[after])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == order[node]:
                    while True:
                        member = stack.pop()
                        component[member] = found
                        if member == node:
                            break
                    found += 1
    return component
