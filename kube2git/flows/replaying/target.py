"""The target while a replay goes on: its kinds, and the uids of what is there by now."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kube2git.core.objects import ObjectRef, ResourceType
from kube2git.core.ports import Target
from kube2git.core.wire import Json
from kube2git.flows.replaying.survey import Live


@dataclass
class TargetView:
    """Shared by the threads that ask and write."""

    target: Target
    live: Live
    types: dict[str, ResourceType]
    """kind_group -> the kind, of all that the target serves."""
    uids: dict[ObjectRef, str] = field(default_factory=dict)
    newest: int = 0
    """The newest revision that an answer has told of."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, target: Target, live: Live, types: Iterable[ResourceType]) -> TargetView:
        view = cls(target, live, {type.kind_group: type for type in types})
        view.newest = int(live.revision) if live.revision.isdecimal() else 0
        return view

    def type_of(self, ref: ObjectRef, api_version: str = "") -> ResourceType | None:
        """Return a kind, at the version that is asked for; None when it is not served."""
        type = self.types.get(ref.kind_group)
        version = api_version.rpartition("/")[2]
        if type is None or not version or version == type.version:
            return type
        return replace(type, version=version)

    def uid_of(self, ref: ObjectRef) -> str | None:
        """Return an object's uid in the target, None when it is not there."""
        known = self.live.objects.get(ref)
        if ref in self.uids or known is not None:
            return self.uids.get(ref) or (known.uid if known else None)
        type = self.types.get(ref.kind_group)
        if type is None or type.namespaced != bool(ref.namespace):
            return None
        found = self.target.get(type, ref.namespace, ref.name)
        if found is None:
            return None
        self.note(ref, found)
        return self.uids[ref]

    def note(self, ref: ObjectRef, raw: Json) -> None:
        """Remember what an answer tells of an object."""
        metadata = raw.get("metadata") or {}
        version = str(metadata.get("resourceVersion") or "")
        with self._lock:
            self.uids[ref] = str(metadata.get("uid") or "")
            if version.isdecimal():
                self.newest = max(self.newest, int(version))

    def forget(self, ref: ObjectRef) -> None:
        """Take note that an object is gone."""
        with self._lock:
            self.uids.pop(ref, None)
            self.live.objects.pop(ref, None)
