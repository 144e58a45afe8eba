"""Carry a plan out: along the graph, wave by wave, each wave in parallel. Deletions come last."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from kube2git.core.health import Health
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.edges import Strength, Until
from kube2git.core.planning.graph import Graph, Wave
from kube2git.core.planning.plan import Action
from kube2git.core.ports import Stopped
from kube2git.core.report import Progress
from kube2git.core.wire import Json
from kube2git.core.workloads import dig
from kube2git.errors import ClusterUnreachableError, Kube2gitError
from kube2git.flows.replaying.choice import NAMESPACE
from kube2git.flows.replaying.drafting import Draft
from kube2git.flows.replaying.inventory import Entry
from kube2git.flows.replaying.nodeports import make_room
from kube2git.flows.replaying.readiness import Judge, Waiter, absence, readiness
from kube2git.flows.replaying.request import Outcome, ReplayReport, Verdict
from kube2git.flows.replaying.restoring import Restorer
from kube2git.flows.replaying.target import TargetView
from kube2git.flows.replaying.writing import Writer

_BRING_KINDS = (
    "CustomResourceDefinition.apiextensions.k8s.io",
    "APIService.apiregistration.k8s.io",
)
_CLAIM = "PersistentVolumeClaim"
_CLASS = "StorageClass.storage.k8s.io"
_NO_TURN = "The run was interrupted before its turn."
_UNANSWERED = "The API server had not answered when the run was ended, so it may be done or not."


@dataclass
class Execution:
    """One run over one plan."""

    draft: Draft
    view: TargetView
    is_stopped: Stopped
    outcomes: dict[ObjectRef, Outcome] = field(default_factory=dict)
    answers: dict[ObjectRef, Json] = field(default_factory=dict)
    """What the server said of each object that was written."""
    not_ready: dict[ObjectRef, Health] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    stopped: str = ""

    def __post_init__(self) -> None:
        self._actions = {action.ref: action for action in self.draft.plan.writes}
        self._blocked = {
            action.ref for action in self.draft.plan.actions if action.action is Action.BLOCKED
        }
        self._deadline = time.monotonic() + self.draft.request.timeout
        self._waiter = Waiter(self.view, self._must_end)
        self._restorer = Restorer(
            self.draft.restores, self.draft.snapshotters, self.draft.name, self.view, self._waiter
        )
        self._writer = Writer(
            self.draft,
            self.view,
            self._waiter,
            self._restorer.ready,
            lambda: self._deadline,
            self._hasten,
        )
        self._lock = threading.Lock()
        self._due: set[ObjectRef] = set()
        """Whose turn it is, and that nobody has begun."""
        self._begun: set[ObjectRef] = set()
        self._seen: set[ObjectRef] = set()
        """Whose outcome has been told."""
        self._seconds: dict[str, float] = {}

    def _must_end(self) -> bool:
        return bool(self.stopped) or self.is_stopped()

    def run(self) -> Iterator[Progress | Outcome | ReplayReport]:
        """Write, wait, delete; yield progress, each outcome, and the report last."""
        if self._actions:
            self._enter()
            make_room(self.draft, self.view, self._must_end)
            yield from self._write()
            yield from self._delete()
            yield from self._finish_claims()
            yield from self._await_all()
            self._settle_inventory()
        yield self._report()

    def break_off(self) -> Iterator[Outcome | ReplayReport]:
        """Yield what came of each object so far, and the report last; nothing is waited for."""
        reasons = {True: _UNANSWERED, False: _NO_TURN}
        for ref in self._actions:
            is_begun = ref in self._begun
            verdict = Verdict.FAILED if is_begun else Verdict.NOT_TRIED
            with self._lock:
                self.outcomes.setdefault(ref, Outcome(ref, verdict, reasons[is_begun]))
        for ref in sorted(self._actions.keys() - self._seen):
            yield self.outcomes[ref]
        yield self._report()

    def _lap(self, phase: str, since: float) -> None:
        self._seconds[phase] = self._seconds.get(phase, 0.0) + time.monotonic() - since

    # ── inventory ────────────────────────────────────────────────────────────────────────────

    def _enter(self) -> None:
        """Write down what will be made and deleted, before anything is."""
        lap = time.monotonic()
        entries = self.draft.inventory.entries
        for ref, action in self._actions.items():
            is_made = action.action is Action.CREATE
            if is_made or (action.action is Action.RECREATE and ref in entries):
                entries[ref] = Entry("", self.draft.name)
            elif action.action is Action.DELETE:
                entries[ref] = Entry(action.uid, self.draft.name, is_leaving=True)
        self.draft.inventory.save()
        self._lap("inventory", lap)

    def _settle_inventory(self) -> None:
        lap = time.monotonic()
        entries = self.draft.inventory.entries
        for ref, outcome in self.outcomes.items():
            entry = entries.get(ref)
            if entry is None:
                continue
            if outcome.verdict is Verdict.DELETED:
                del entries[ref]
            elif outcome.verdict is Verdict.CONFIGURED and not entry.uid:
                # It was planned as new, and somebody else was faster.
                del entries[ref]
            elif outcome.verdict in (Verdict.CREATED, Verdict.RECREATED):
                entries[ref] = Entry(self.view.uids.get(ref, ""), entry.run)
        try:
            self.draft.inventory.save()
        except Kube2gitError as error:
            self.warnings.append(
                f"The inventory was not completed: {error}. The next replay completes it."
            )
        self._lap("inventory", lap)

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def _write(self) -> Iterator[Progress | Outcome]:
        lap = time.monotonic()
        graph = self.draft.computed.write_graph(self.draft.plan)
        self._lap("ordering", lap)
        for circle in graph.circles:
            if not circle.is_harmless:
                self.warnings.append(str(circle))
        for wave in graph.waves:
            refs = [ref for ref in wave.refs if ref in self._actions]
            if not refs:
                continue
            if wave.awaits and not self._must_end():
                yield Progress("waiting for what others need", objects=len(self.outcomes))
                self._await(wave, refs, graph)
            lap = time.monotonic()
            tried = [ref for ref in refs if self._may_try(ref, graph)]
            if any(ref in self.draft.restores.requests for ref in tried):
                yield Progress("preparing volumes", objects=len(self.outcomes))
                tried = self._with_data(tried)
            yield Progress("writing", objects=len(self.outcomes))
            self._in_parallel(tried)
            self._lap("writing", lap)
            yield from self._told(refs)

    def _in_parallel(self, refs: Iterable[ObjectRef]) -> None:
        turns = tuple(refs)
        self._due = set(turns)
        try:
            self.view.target.in_parallel([partial(self._one, ref) for ref in turns], self._must_end)
        except ClusterUnreachableError as error:
            self.stopped = f"The API server could not be reached any more: {error}."

    def _hasten(self, ref: ObjectRef) -> None:
        """Carry an action out before its turn, which may not come while others wait for it."""
        if not self._must_end():
            self._one(ref)

    def _one(self, ref: ObjectRef) -> None:
        """Carry one action out if it is due; an API server that is gone ends the whole run."""
        with self._lock:
            if ref not in self._due:
                return
            self._due.remove(ref)
        action = self._actions[ref]
        self._begun.add(ref)
        try:
            outcome, body = self._writer.carry_out(action)
        except ClusterUnreachableError:
            raise
        except Kube2gitError as error:
            outcome, body = Outcome(action.ref, Verdict.FAILED, f"{error}."), None
        with self._lock:
            self.outcomes[action.ref] = outcome
            if body is not None:
                self.answers[action.ref] = body

    def _told(self, refs: Iterable[ObjectRef]) -> Iterator[Outcome]:
        for ref in refs:
            if ref not in self.outcomes:
                self.outcomes[ref] = Outcome(ref, Verdict.NOT_TRIED, self.stopped or _NO_TURN)
            self._seen.add(ref)
            yield self.outcomes[ref]

    def _may_try(self, ref: ObjectRef, graph: Graph) -> bool:
        """Tell whether all that an object cannot do without is there; else note why not."""
        for edge in graph.needs(ref):
            if edge.strength is not Strength.STRONG:
                continue
            before = self.outcomes.get(edge.before)
            is_there = edge.before in self.draft.live.objects
            if (before is not None and not before.is_done) or (
                edge.before in self._blocked and not is_there
            ):
                reason = f"It was not tried, because it needs {edge.before}, which failed."
            elif edge.until is Until.READY and edge.before in self.not_ready:
                health = self.not_ready[edge.before]
                reason = f"It was not tried, because {edge.before} {health.message}."
            else:
                continue
            self.outcomes[ref] = Outcome(ref, Verdict.NOT_TRIED, reason)
            return False
        return True

    # ── data of claims ───────────────────────────────────────────────────────────────────────

    def _with_data(self, refs: list[ObjectRef]) -> list[ObjectRef]:
        """Prepare the volumes of claims; return the objects without those where that failed."""
        lap = time.monotonic()
        failed = self._restorer.prepare(refs, self._deadline)
        for ref, reason in failed.items():
            self.outcomes[ref] = Outcome(ref, Verdict.FAILED, reason)
        self._lap("preparing volumes", lap)
        return [ref for ref in refs if ref not in failed]

    def _finish_claims(self) -> Iterator[Progress]:
        if not self._restorer.ready or self._must_end():
            return
        lap = time.monotonic()
        yield Progress("waiting for restored volumes", objects=len(self._restorer.ready))
        self.not_ready |= self._restorer.finish(self.answers, self._deadline)
        self.warnings += self._restorer.warnings
        self._lap("waiting", lap)

    # ── waiting ──────────────────────────────────────────────────────────────────────────────

    def _await(self, wave: Wave, refs: Iterable[ObjectRef], graph: Graph) -> None:
        """Wait until what this wave's objects need is ready; take note of what is not."""
        lap = time.monotonic()
        needed = {
            edge.before for ref in refs for edge in graph.needs(ref) if edge.until is Until.READY
        }
        judge = readiness(self._is_unused_claim)
        awaited = {
            ref: judge
            for ref in wave.awaits
            if ref in needed and (ref not in self.outcomes or self.outcomes[ref].is_done)
        }
        self.not_ready |= self._waiter.wait(awaited, self.answers, self._deadline)
        if any(ref.kind_group in _BRING_KINDS for ref in awaited):
            self._learn_kinds(refs)
        self._lap("waiting", lap)

    def _learn_kinds(self, refs: Iterable[ObjectRef]) -> None:
        """Ask for the kinds again until those of new definitions and API servers are served."""
        wanted = {ref.kind_group for ref in refs}
        until = min(self._deadline, time.monotonic() + 15.0)
        while True:
            discovery = self.view.target.discover()
            self.view.types |= {type.kind_group: type for type in discovery.types}
            if wanted <= self.view.types.keys() or time.monotonic() > until or self._must_end():
                return
            time.sleep(0.1)

    def _await_all(self) -> Iterator[Progress]:
        """Wait until everything that was written is ready, if the user wants that."""
        written = {
            ref: self.answers[ref]
            for ref, outcome in self.outcomes.items()
            if outcome.is_done and ref in self.answers
        }
        if not self.draft.request.waits or self._must_end() or not written:
            return
        lap = time.monotonic()
        yield Progress("waiting until all is ready", objects=len(written))
        judge = readiness(self._is_unused_claim)
        judges: Mapping[ObjectRef, Judge] = dict.fromkeys(written, judge)
        self.not_ready |= self._waiter.wait(judges, written, self._deadline)
        self._lap("waiting", lap)

    def _is_unused_claim(self, body: Json) -> bool:
        """Tell whether a claim binds only when a Pod uses it, by its class."""
        name = dig(body, "spec", "storageClassName")
        if body.get("kind") != _CLAIM or not name:
            return False
        kind, _, group = _CLASS.partition(".")
        ref = ObjectRef(group, kind, "", str(name))
        known = self.draft.live.objects.get(ref)
        found = known.manifest.body if known else self.answers.get(ref)
        return bool(dig(found, "volumeBindingMode") == "WaitForFirstConsumer")

    # ── deleting ─────────────────────────────────────────────────────────────────────────────

    def _delete(self) -> Iterator[Progress | Outcome]:
        doomed = [ref for ref, item in self._actions.items() if item.action is Action.DELETE]
        if not doomed:
            return
        failed = [outcome.ref for outcome in self.outcomes.values() if not outcome.is_done]
        if failed and not self._must_end():
            reason = "Nothing is deleted while something that was to be written is not."
            for ref in doomed:
                self.outcomes[ref] = Outcome(ref, Verdict.NOT_TRIED, reason)
            yield from self._told(doomed)
            return
        lap = time.monotonic()
        for wave in self.draft.computed.deletion_graph(self.draft.plan).deletion_waves:
            if self._must_end():
                break
            yield Progress("deleting", objects=len(self.outcomes))
            self._in_parallel(wave.refs)
            self._await_absence(wave.refs)
            yield from self._told(wave.refs)
        yield from self._told(ref for ref in doomed if ref not in self.outcomes)
        self._lap("deleting", lap)

    def _await_absence(self, refs: Iterable[ObjectRef]) -> None:
        """Wait until a wave is gone; a Namespace, and what a finalizer holds, goes on leaving."""
        judges = {
            ref: absence(self._actions[ref].uid)
            for ref in refs
            if ref in self.outcomes
            and self.outcomes[ref].verdict is Verdict.DELETED
            and ref in self.answers
            and ref.kind_group != NAMESPACE
        }
        left = self._waiter.wait(judges, {}, min(self._deadline, time.monotonic() + 30.0))
        for ref, health in left.items():
            self.warnings.append(f"{ref} {health.message}.")

    # ── the answer ───────────────────────────────────────────────────────────────────────────

    def _report(self) -> ReplayReport:
        plan = self.draft.plan
        return ReplayReport(
            name=self.draft.name,
            outcomes=tuple(self.outcomes[ref] for ref in sorted(self.outcomes)),
            blocked=tuple(sorted(self._blocked)),
            not_ready=dict(sorted(self.not_ready.items())),
            warnings=tuple(self.warnings),
            problems=len(plan.problems),
            seconds={**self.draft.seconds, **self._seconds},
            is_interrupted=self.is_stopped(),
            stopped=self.stopped,
        )
