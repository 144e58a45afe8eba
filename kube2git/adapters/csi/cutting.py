"""Take cuts: write a VolumeSnapshot, and follow it and its content until the cut, and readiness.

Rule: a cut is told only when its content has the policy Retain and carries the marks, so that from
then on neither the end of the namespace nor of this process loses the snapshot. What has no cut at
the time limit is taken back: its content gets the policy Delete, and the controllers clean up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kube2git.adapters.csi import bodies, writing
from kube2git.adapters.csi.bodies import CLAIM_KIND, GROUP, SINGLE
from kube2git.adapters.csi.landscape import Change, Landscape, follow
from kube2git.core.ports import Target
from kube2git.core.snapshots import ClaimRef, CutRequest, Snapshot, SnapshotEvent, Stage, Wait
from kube2git.core.wire import Json
from kube2git.core.workloads import dig


class Cut:
    """One cut on its way."""

    def __init__(
        self, target: Target, landscape: Landscape, request: CutRequest, snapshot_class: str
    ) -> None:
        self.request = request
        self.family = GROUP if len(request.volumes) > 1 else SINGLE
        self.key = (request.volumes[0].claim.namespace, bodies.name_of(request))
        self.refusal = ""
        self.is_cut = False
        self.is_done = False
        self._target = target
        self._types = landscape.types
        self._class = snapshot_class
        self._snapshot: Json | None = None
        self._content: Json | None = None
        self._is_labelled = False

    @property
    def claims(self) -> Mapping[str, ClaimRef]:
        return {volume.handle: volume.claim for volume in self.request.volumes}

    def begin(self) -> None:
        """Write the snapshot object, unless an earlier attempt of this run has done so."""
        if self._snapshot is not None or self._content is not None:
            return
        if self.family is GROUP:
            self._label(self.key[1])
        if self.refusal:
            return
        type = self._types[self.family.snapshot]
        namespace, name = self.key
        metadata = {"namespace": namespace, "name": name, **bodies.marks(self.request)}
        spec = bodies.snapshot_spec(self.request, self._class)
        answer = writing.create(
            self._target,
            type,
            bodies.manifest(type.kind, type.api_version, metadata=metadata, spec=spec),
        )
        if answer.is_ok:
            self._snapshot = answer.body
        elif answer.status == writing.CONFLICT:  # somebody does the same run at this moment
            self._snapshot = self._target.get(type, namespace, name)
        else:
            self.refusal = writing.refusal(answer)

    def _label(self, group: str) -> None:
        self._is_labelled = bool(group)
        for claim in self.claims.values():
            reason = writing.label_claim(self._target, self._types[CLAIM_KIND], claim, group)
            self.refusal = self.refusal or (reason if group else "")

    def learn(self, change: Change) -> None:
        """Take in what became of one of the two objects."""
        body = None if change.is_gone else change.body
        if change.body["kind"].endswith("Content"):
            self._content = body
        else:
            self._snapshot = body

    def advance(self, wait: Wait) -> Iterator[SnapshotEvent]:
        """Do what can be done next, and tell what has been reached."""
        if self.is_done:
            return
        if self.refusal:
            yield from self.fail(self.refusal)
            return
        content = self._content
        if content is not None and not bodies.is_kept(content):
            content = self._keep(content)
        if content is not None and self._is_labelled:
            self._label("")  # the content names the volumes now
        taken = bodies.snapshots_of(content) if content is not None else {}
        if content is not None and (reason := self._stranger(content)):
            yield from self.fail(reason)
        elif content is not None and bodies.is_kept(content) and self.claims.keys() <= taken.keys():
            yield from self._tell(taken, wait)
        elif self._snapshot is None:
            yield from self.fail("The VolumeSnapshot was deleted while the snapshot was taken.")

    def _keep(self, content: Json) -> Json:
        type = self._types[self.family.content]
        answer = writing.apply(self._target, type, bodies.keeping(content, self.request))
        if answer.is_ok and answer.body is not None:
            self._content = answer.body
        elif answer.status not in (404, writing.CONFLICT):
            self.refusal = writing.refusal(answer)
        return self._content or content

    def _stranger(self, content: Json) -> str:
        """Return why a content shows other volumes than those that were asked for."""
        source = dig(content, "spec", "source") or {}
        handles = source.get("volumeHandles") or [source.get("volumeHandle")]
        if set(handles) == set(self.claims):
            return ""
        names = ", ".join(claim.name for claim in self.claims.values())
        return f"The volume of {names} is not the one it was when the run began."

    def _tell(self, taken: Mapping[str, Snapshot], wait: Wait) -> Iterator[SnapshotEvent]:
        wanted = {handle: taken[handle] for handle in self.claims}
        if not self.is_cut:
            self.is_cut = True
            for handle, snapshot in wanted.items():
                cut = replace(snapshot, is_ready=False, error="")
                yield SnapshotEvent(self.claims[handle], Stage.CUT, cut)
        if all(snapshot.is_ready for snapshot in wanted.values()):
            self.is_done = True
            for handle, snapshot in wanted.items():
                yield SnapshotEvent(self.claims[handle], Stage.READY, snapshot)
        elif wait is Wait.CUT:
            self.is_done = True

    def give_up(self, seconds: float) -> Iterator[SnapshotEvent]:
        """Tell how far it has come at the time limit."""
        error = bodies.error_of(self._content, self._snapshot)
        if not self.is_cut or self._content is None:
            yield from self.fail(
                f"No snapshot was taken within {seconds:.0f} seconds. "
                + (error or "The CSI driver gave no reason.")
            )
            return
        self.is_done = True
        reason = f"The snapshot was not ready within {seconds:.0f} seconds. {error}".strip()
        for handle, snapshot in bodies.snapshots_of(self._content).items():
            if claim := self.claims.get(handle):
                yield SnapshotEvent(claim, Stage.CUT, replace(snapshot, error=error), reason)

    def fail(self, reason: str) -> Iterator[SnapshotEvent]:
        """Tell that there is no snapshot, and let the controllers remove what there is of it."""
        self.is_done = True
        if self._is_labelled:
            self._label("")
        content, snapshot = self._content, self._snapshot
        if content is not None:
            type = self._types[self.family.content]
            writing.apply(self._target, type, bodies.releasing(self.family, content))
            if snapshot is None:
                writing.delete(self._target, type, content)
        if snapshot is not None:
            writing.delete(self._target, self._types[self.family.snapshot], snapshot)
        for claim in self.claims.values():
            yield SnapshotEvent(claim, Stage.FAILED, None, reason)


def take(
    target: Target, landscape: Landscape, cuts: Sequence[Cut], *, wait: Wait, seconds: float
) -> Iterator[SnapshotEvent | None]:
    """Take cuts in parallel and tell each one's news; None is a heartbeat."""
    if not cuts:
        return
    deadline = time.monotonic() + seconds
    families = {cut.family for cut in cuts}
    types = [landscape.types[kind] for f in families for kind in (f.snapshot, f.content)]
    by_key = {(cut.family, *cut.key): cut for cut in cuts}
    has_begun = False
    for change in follow(target, types, seconds):
        if change is None:
            yield None
            if not has_begun:
                has_begun = True
                beginnings: list[Callable[[], None]] = [cut.begin for cut in cuts]
                target.in_parallel(beginnings)
                for cut in cuts:
                    yield from cut.advance(wait)
        elif found := by_key.get(_key_of(change.body)):
            found.learn(change)
            if has_begun:
                yield from found.advance(wait)
        if all(cut.is_done for cut in cuts) or time.monotonic() > deadline:
            break
    for cut in cuts:
        if not cut.is_done:
            yield from cut.give_up(seconds)


def _key_of(body: Json) -> tuple[bodies.Family, str, str]:
    family = GROUP if body["kind"].startswith("VolumeGroup") else SINGLE
    if body["kind"].endswith("Content"):
        return (family, *bodies.reference_of(family, body))
    metadata = body["metadata"]
    return (family, str(metadata.get("namespace")), str(metadata.get("name")))
