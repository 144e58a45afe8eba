"""Rehearse a replay: into namespaces made for it, which are removed again, whatever happens.

A namespace is removed only if this run has made it: it carries the mark of the run, and is deleted
by its uid.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kube2git.core.answers import classify
from kube2git.core.cleaning import REHEARSAL
from kube2git.core.objects import ObjectRef, ResourceType
from kube2git.core.planning.rehearsal import Lack, Missing, claims_that_stay, missing_of
from kube2git.core.ports import Stopped, Verb, WriteRequest
from kube2git.core.remap.closure import named_by
from kube2git.core.report import Progress
from kube2git.core.workloads import dig
from kube2git.errors import ClusterDeniedError, InterruptedRunError, Kube2gitError
from kube2git.flows.replaying.choice import NAMESPACE
from kube2git.flows.replaying.drafting import Draft
from kube2git.flows.replaying.executing import Execution
from kube2git.flows.replaying.readiness import Waiter, absence
from kube2git.flows.replaying.request import Outcome, ReplayReport
from kube2git.flows.replaying.target import TargetView

FAREWELL = 2.0
"""Seconds that a run that was ended takes to ask for the deletion of what it made."""
REMOVING = "removing"
"""The phase that is no part of a recovery."""


@dataclass(slots=True)
class Scratch:
    """One namespace that a rehearsal has made."""

    name: str
    source: str
    """The namespace that it stands for."""
    uid: str = ""
    """Not known before the API server has answered."""
    is_leaving: bool = False
    """Its deletion has begun."""
    is_removed: bool = False
    message: str = ""
    """Why it is still there; "" when it is gone, or was to stay."""


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """What a rehearsal has shown."""

    replay: ReplayReport
    scratch: tuple[Scratch, ...]
    missing: tuple[Missing, ...]
    """What a recovery would have missed, sorted."""
    is_kept: bool
    volumes_left: tuple[ObjectRef, ...]
    """Claims whose class keeps the volume when they are deleted."""
    seconds: Mapping[str, float]

    @property
    def recovery_seconds(self) -> float:
        """From the start until everything was ready."""
        return sum(value for phase, value in self.seconds.items() if phase != REMOVING)

    @property
    def is_complete(self) -> bool:
        is_clean = self.is_kept or all(one.is_removed for one in self.scratch)
        return self.replay.is_complete and not self.missing and is_clean


@dataclass
class Rehearsal:
    """One rehearsal of one draft."""

    draft: Draft
    view: TargetView
    is_stopped: Stopped
    is_kept: bool
    made: dict[str, Scratch] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    _seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> Iterator[Progress | Outcome | RehearsalReport]:
        """Make the namespaces, replay, look what is missing, remove; yield the report last."""
        missing = self._missing()
        try:
            lap = time.monotonic()
            yield Progress("making the namespaces")
            self._make()
            self._seconds["namespaces"] = time.monotonic() - lap
            for event in Execution(self.draft, self.view, self.is_stopped).run():
                if isinstance(event, ReplayReport):
                    replay = event
                else:
                    yield event
            if not self.is_kept:
                lap = time.monotonic()
                yield Progress("removing what was made")
                self._delete()
                self._await_absence()
                self._seconds[REMOVING] = time.monotonic() - lap
        except (KeyboardInterrupt, GeneratorExit):
            if self.made:
                raise self._interrupted() from None
            raise
        except BaseException as error:
            self._clear_away(error)
            raise
        yield RehearsalReport(
            replay,
            tuple(self.made[name] for name in sorted(self.made)),
            missing,
            self.is_kept,
            () if self.is_kept else self._volumes_left(),
            {**replay.seconds, **self._seconds},
        )

    def _clear_away(self, error: BaseException) -> None:
        """Remove what was made before something went wrong; raise when it stays."""
        if self.is_kept:
            return
        try:
            self._delete()
        except KeyboardInterrupt:
            raise self._interrupted() from None
        stays = [one.name for one in self.made.values() if one.message]
        if stays:
            why = f": {error}" if isinstance(error, Kube2gitError) else ""
            raise Kube2gitError(
                f"the rehearsal ended early, and left {', '.join(stays)} behind{why}",
                hint=self._remedy(),
            ) from error

    def _interrupted(self) -> InterruptedRunError:
        """Ask for the deletion of what nobody waits for any longer; return what tells of it."""
        if not self.is_kept:
            # In a thread, since the API server may be just what does not answer.
            asking = threading.Thread(target=self._delete, daemon=True)
            asking.start()
            with contextlib.suppress(KeyboardInterrupt):
                asking.join(FAREWELL)
        leaving = [one.name for one in self.made.values() if one.is_leaving]
        staying = [one.name for one in self.made.values() if not one.is_leaving]
        told = [f"it leaves {', '.join(staying)} behind"] if staying else []
        told += [f"the deletion of {', '.join(leaving)} was not waited for"] if leaving else []
        return InterruptedRunError(
            f"the rehearsal was interrupted, and {'; '.join(told)}", hint=self._remedy()
        )

    def _remedy(self) -> str:
        return f"To remove what is left: kubectl delete namespace -l {REHEARSAL}={self.mark}"

    def _namespace_type(self) -> ResourceType:
        return self.view.types[NAMESPACE]

    def _make(self) -> None:
        """Create every namespace; raise unless each of them is new."""
        type = self._namespace_type()
        for action in self.draft.plan.writes:
            ref = action.ref
            if ref.kind_group != NAMESPACE or self.is_stopped():
                continue
            body = self.draft.computed.adapted[ref].body
            labels = {**(dig(body, "metadata", "labels") or {}), REHEARSAL: self.mark}
            body = {**body, "metadata": {**body["metadata"], "labels": labels}}
            # Noted first: whoever interrupts the request must be told of it.
            self.made[ref.name] = Scratch(ref.name, self.draft.scratch[ref.name])
            answer = self.view.target.send(WriteRequest(Verb.CREATE, type, "", ref.name, body))
            # An answer that was lost on its way looks as if somebody else had been faster.
            found = answer.body if answer.is_ok else self.view.target.get(type, "", ref.name)
            if found is None or dig(found, "metadata", "labels", REHEARSAL) != self.mark:
                del self.made[ref.name]
                refusal = classify(answer.status, answer.body, NAMESPACE)
                raise Kube2gitError(
                    f"the namespace {ref.name} cannot be made: {refusal.message}",
                    hint="A rehearsal needs the right to create and delete namespaces.",
                )
            self.made[ref.name].uid = str(found["metadata"]["uid"])

    def _delete(self) -> None:
        """Ask for the deletion of every namespace that this run has made."""
        type = self._namespace_type()
        for one in self.made.values():
            if one.is_leaving:
                continue
            if not one.uid:
                one.message = "Whether it was made is not known."
                continue
            options = {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": one.uid},
                "propagationPolicy": "Background",
            }
            try:
                answer = self.view.target.send(
                    WriteRequest(Verb.DELETE, type, "", one.name, options)
                )
            except Kube2gitError as error:
                one.message = f"It could not be deleted: {error}."
                continue
            one.is_leaving = answer.is_ok or answer.status == 404
            if not one.is_leaving:
                refusal = classify(answer.status, answer.body, NAMESPACE)
                one.message = f"It could not be deleted: {refusal.message}"

    def _await_absence(self) -> None:
        """Wait until the namespaces are gone, even after Ctrl-C: a second one ends that too."""
        judges = {
            ObjectRef("", NAMESPACE, "", one.name): absence(one.uid)
            for one in self.made.values()
            if not one.message
        }
        deadline = time.monotonic() + self.draft.request.timeout
        try:
            held = Waiter(self.view, lambda: False).wait(judges, {}, deadline)
        except Kube2gitError as error:
            for one in self.made.values():
                one.message = one.message or f"It is being deleted; the end was not seen: {error}."
            return
        for ref in judges:
            one = self.made[ref.name]
            one.is_removed = ref not in held
            one.message = f"It {held[ref].message}." if ref in held else ""

    # ── what a recovery would have missed ────────────────────────────────────────────────────

    def _missing(self) -> tuple[Missing, ...]:
        draft = self.draft
        found = list(missing_of(draft.plan, self.view.types, draft.computed.adapted))
        found += [
            Missing(
                Lack.REFERENCE,
                leads.ref,
                f"{leads.path} names the namespace {leads.namespace}, which is neither replayed "
                "nor in the target.",
            )
            for leads in draft.remapped.open_references
        ]
        found += self._missing_cluster_objects()
        return tuple(sorted(found, key=lambda one: (one.lack, one.ref, one.sentence)))

    def _missing_cluster_objects(self) -> Iterator[Missing]:
        manifests = [
            adapted.manifest
            for ref, adapted in self.draft.computed.adapted.items()
            if ref.namespace in self.draft.scratch
        ]
        for ref, need in named_by(manifests).items():
            if ref in self.draft.computed.adapted:
                continue
            try:
                is_there = self.view.uid_of(ref) is not None
            except ClusterDeniedError:
                continue
            if not is_there:
                yield Missing(
                    Lack.CLUSTER_OBJECT,
                    need.by,
                    f"{need.path} names {ref}, which neither the target nor the commit holds.",
                )

    def _volumes_left(self) -> tuple[ObjectRef, ...]:
        adapted = self.draft.computed.adapted
        created = (adapted[action.ref].manifest for action in self.draft.plan.writes)
        return tuple(claims_that_stay(created, self.draft.live.objects))
