"""Bring the data of claims back: look at the snapshots before anything is written, prepare the
volumes when their claims' turn comes, and take away afterwards what only served for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kube2git.core.health import Health, Status
from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.ports import PageRead, Snapshotter, SweepRequest, Verb, WriteRequest
from kube2git.core.snapshots import (
    Restoration,
)
from kube2git.core.snapshots.restoring import Restores
from kube2git.core.wire import Json
from kube2git.core.workloads import dig
from kube2git.errors import Kube2gitError
from kube2git.flows.replaying.readiness import Judge, Waiter
from kube2git.flows.replaying.target import TargetView

GRACE = 20.0
"""Seconds in which a claim that waits for its first Pod must have been given a node."""
_EVENT = "Event"
_NODE = "volume.kubernetes.io/selected-node"


@dataclass
class Restorer:
    """Carries the restores of one replay out."""

    restores: Restores
    snapshotters: Mapping[str, Snapshotter]
    run: str
    view: TargetView
    waiter: Waiter
    ready: dict[ObjectRef, Restoration] = field(default_factory=dict)
    """Claims whose data is at hand."""
    warnings: list[str] = field(default_factory=list)

    def prepare(self, claims: Iterable[ObjectRef], deadline: float) -> dict[ObjectRef, str]:
        """Make the data of claims available; return those where that failed, and why."""
        wanted = [ref for ref in claims if ref in self.restores.requests]
        by_method: dict[str, list[ObjectRef]] = {}
        for ref in wanted:
            by_method.setdefault(self.restores.requests[ref].snapshot.method, []).append(ref)
        failed: dict[ObjectRef, str] = {}
        for method, refs in by_method.items():
            try:
                self._ask(self.snapshotters[method], refs, deadline)
            except Kube2gitError as error:
                failed |= dict.fromkeys(refs, f"Its data cannot be restored: {error}.")
        for ref in wanted:
            restoration = self.ready.get(ref)
            if restoration is None:
                failed.setdefault(ref, "Its data was not restored within the time limit.")
            elif restoration.reason:
                failed[ref] = f"Its data cannot be restored. {restoration.reason}"
                del self.ready[ref]
        return failed

    def _ask(self, snapshotter: Snapshotter, refs: Sequence[ObjectRef], deadline: float) -> None:
        requests = [self.restores.requests[ref] for ref in refs]
        by_claim = {self.restores.requests[ref].claim: ref for ref in refs}
        seconds = max(1.0, deadline - time.monotonic())
        for answer in snapshotter.restore(requests, run=self.run, seconds=seconds):
            if answer is not None:
                self.ready[by_claim[answer.claim]] = answer

    def finish(self, created: Mapping[ObjectRef, Json], deadline: float) -> dict[ObjectRef, Health]:
        """Wait until restored claims are bound, and delete what only served for that.

        Return the claims that are not bound; what they come from stays. A claim that waits for its
        first Pod, and has none, is not waited for.
        """
        restored = {ref: body for ref, body in created.items() if ref in self.ready}
        if not restored:
            return {}
        soon = min(deadline, time.monotonic() + GRACE)
        left = self.waiter.wait(dict.fromkeys(restored, _bound), restored, soon)
        if left:
            # What has a node is being made; the rest may wait for a Pod that nobody wants.
            fresh = {ref: self._get(ref) or restored[ref] for ref in left}
            judges: dict[ObjectRef, Judge] = {
                ref: _bound for ref, body in fresh.items() if not _waits_for_pod(body)
            }
            left = {ref: health for ref, health in left.items() if ref not in judges}
            left |= self.waiter.wait(judges, fresh, deadline)
        for ref in left:
            if complaint := self._complaint(ref):
                self.warnings.append(f"{ref} is not bound: {complaint}")
        waiting = {self._group(ref) for ref in left} - {""}
        for ref in restored:
            passing = self.ready[ref].passing
            if ref not in left and self._group(ref) not in waiting:
                self._delete(passing)
            elif passing:
                names = ", ".join(str(ref_of(body)) for body in passing)
                self.warnings.append(
                    f"{ref} is not bound yet; until it is, its data comes from {names}, which can "
                    "be deleted then."
                )
        return left

    def _complaint(self, ref: ObjectRef) -> str:
        """Return what was last warned of about a claim, as its Events tell; "" when nothing."""
        type = self.view.types.get(_EVENT)
        warnings: dict[str, str] = {}
        request = SweepRequest([[type]] if type else [], (ref.namespace,))
        for page in self.view.target.sweep(request):
            for item in page.items if isinstance(page, PageRead) else ():
                body = item.decode("v1", _EVENT)
                about = dig(body, "involvedObject", "kind"), dig(body, "involvedObject", "name")
                if about == (ref.kind, ref.name) and body.get("type") == "Warning":
                    made = body["metadata"].get("creationTimestamp")
                    warnings[str(body.get("lastTimestamp") or made)] = str(body.get("message"))
        return " ".join(warnings[max(warnings)].split()) if warnings else ""

    def _group(self, ref: ObjectRef) -> str:
        return self.restores.requests[ref].snapshot.group

    def _get(self, ref: ObjectRef) -> Json | None:
        type = self.view.type_of(ref)
        return self.view.target.get(type, ref.namespace, ref.name) if type else None

    def _delete(self, objects: Iterable[Json]) -> None:
        for body in objects:
            ref = ref_of(body)
            type = self.view.type_of(ref, str(body["apiVersion"]))
            uid = self.view.uid_of(ref)
            if type is None or uid is None:
                continue
            options = {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": uid},
                "propagationPolicy": "Background",
            }
            answer = self.view.target.send(
                WriteRequest(Verb.DELETE, type, ref.namespace, ref.name, options)
            )
            if not answer.is_ok and answer.status != 404:
                self.warnings.append(f"{ref} is not needed any more, and could not be deleted.")


def _bound(body: Json | None) -> Health:
    phase = dig(body, "status", "phase") if body else None
    if phase == "Bound":
        return Health(Status.CURRENT, "is bound")
    return Health(Status.IN_PROGRESS, "is not bound to a volume yet")


def _waits_for_pod(claim: Json) -> bool:
    """Tell whether a claim is bound by its first Pod, and no Pod has come.

    Without that mode a provisioner is named at once; with it, only when a node is.
    """
    annotations = dig(claim, "metadata", "annotations") or {}
    is_asked_for = any(
        name in annotations
        for name in (
            "volume.kubernetes.io/storage-provisioner",
            "volume.beta.kubernetes.io/storage-provisioner",
        )
    )
    return not is_asked_for and _NODE not in annotations
