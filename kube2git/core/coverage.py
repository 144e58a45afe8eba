"""How completely each kind stands in the repository: ``.kube2git/coverage.yaml``.

The file holds nothing that changes from run to run of a quiet cluster. Replay removes nothing of
a kind that it does not call ``listed``, and export tells by it which kinds are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kube2git import __version__
from kube2git.core import layout
from kube2git.core.objects import ResourceType
from kube2git.core.ports import Discovery, KindRead, KindStatus
from kube2git.core.selection import ClusterScoped, Selection
from kube2git.errors import RefusedError

FORMAT = {"version": 1}
"""What the format file says of a prefix that is laid out as this kube2git does it."""


def check_format(found: object) -> None:
    """Raise RefusedError when a format file is of a kube2git that does things otherwise."""
    version = found.get("version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT["version"]:
        raise RefusedError(
            f"the repository is in format {version}, and this kube2git {__version__} knows "
            f"formats up to {FORMAT['version']}",
            hint="Upgrade kube2git; a newer one has written there.",
        )


@dataclass(frozen=True, slots=True)
class KindCoverage:
    """What the repository knows of one kind."""

    status: KindStatus
    versions: tuple[str, ...] = ()
    """API versions the server serves, the one used in the files first."""
    namespaces: tuple[str, ...] = ()
    """When partial: the namespaces that are complete."""
    selector: str = ""
    """When partial: the label selector of the runs that listed it."""

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"status": str(self.status)}
        if self.versions:
            data["versions"] = list(self.versions)
        if self.namespaces:
            data["namespaces"] = list(self.namespaces)
        if self.selector:
            data["selector"] = self.selector
        return data


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole file."""

    cluster: str = ""
    """uid of the Namespace kube-system of the cluster that this prefix holds."""
    kinds: Mapping[str, KindCoverage] = field(default_factory=dict)
    """kind_group -> coverage."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """kind_group -> why the whole kind is not in the repository."""

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if self.cluster:
            data["cluster"] = self.cluster
        data["kinds"] = {kind: self.kinds[kind].to_data() for kind in sorted(self.kinds)}
        if self.left_out:
            data["leftOut"] = dict(sorted(self.left_out.items()))
        return data

    @classmethod
    def from_data(cls, data: Any) -> Coverage:
        """Read what ``to_data`` wrote; what a person broke counts as not listed."""
        if not isinstance(data, dict):
            return cls()
        kinds = data.get("kinds")
        left_out = data.get("leftOut")
        return cls(
            cluster=str(data.get("cluster") or ""),
            kinds={
                str(kind): _kind_from(entry)
                for kind, entry in (kinds.items() if isinstance(kinds, dict) else ())
            },
            left_out={
                str(kind): str(why)
                for kind, why in (left_out.items() if isinstance(left_out, dict) else ())
            },
        )


def _kind_from(entry: Any) -> KindCoverage:
    if not isinstance(entry, dict):
        return KindCoverage(KindStatus.FAILED)
    try:
        status = KindStatus(str(entry.get("status")))
    except ValueError:
        status = KindStatus.FAILED
    return KindCoverage(
        status,
        tuple(str(version) for version in entry.get("versions") or ()),
        tuple(str(name) for name in entry.get("namespaces") or ()),
        str(entry.get("selector") or ""),
    )


def merge(before: KindCoverage | None, now: KindCoverage) -> KindCoverage:
    """Return what is known of a kind after a run over a part of it.

    ``now`` describes a run that was limited to some namespaces or labels (status partial), or one
    that failed. A kind that was complete stays so when a part of it was listed again; parts that
    were listed by different runs add up.
    """
    if before is None or now.status is not KindStatus.PARTIAL:
        return now
    if before.status is KindStatus.LISTED:
        return KindCoverage(KindStatus.LISTED, now.versions)
    if before.status is KindStatus.PARTIAL and before.selector == now.selector:
        names = tuple(sorted({*before.namespaces, *now.namespaces}))
        return KindCoverage(KindStatus.PARTIAL, now.versions, names, now.selector)
    return now


@dataclass(frozen=True)
class Listing:
    """How completely one run has listed what it set out to list."""

    before: Coverage
    discovery: Discovery
    selection: Selection
    exported: Mapping[str, ResourceType]
    """kind_group -> the kind, of every kind that the run writes."""
    left_out: Mapping[str, str]
    """kind_group -> why, of every kind that it leaves out as a whole."""
    results: Mapping[str, KindRead]

    def gone(self) -> tuple[str, ...]:
        """Kinds that the repository has and a healthy discovery no longer names."""
        served = {type.kind_group for type in self.discovery.types}
        return tuple(
            kind
            for kind in self.before.kinds
            if kind not in served
            and not self.discovery.is_failed(group_of_kind(kind))
            and self.selection.kinds.is_everything
            and self.selection.cluster_scoped is not ClusterScoped.NO
        )

    def unserved(self) -> tuple[str, ...]:
        """Kinds that the repository has and whose group's backend did not answer discovery."""
        served = {type.kind_group for type in self.discovery.types}
        return tuple(
            kind
            for kind in self.before.kinds
            if kind not in served and self.discovery.is_failed(group_of_kind(kind))
        )

    def incomplete(self) -> tuple[KindRead, ...]:
        """Kinds that the run wanted and did not list completely."""
        return tuple(
            self.results.get(kind, KindRead(type, KindStatus.FAILED, "It was never listed."))
            for kind, type in sorted(self.exported.items())
            if kind not in self.results or self.results[kind].status is not KindStatus.LISTED
        )

    def coverage(self, cluster: str) -> Coverage:
        """Return what the repository knows after the run."""
        kinds = dict(self.before.kinds)
        for kind in self.gone():
            del kinds[kind]
        for kind in self.unserved():
            kinds[kind] = replace(kinds[kind], status=KindStatus.FAILED, namespaces=())
        for kind, type in self.exported.items():
            now, result = self._covered(type), self.results.get(kind)
            # What a right that is missing left out is missing, however complete it once was.
            is_cut = result is not None and result.status is KindStatus.PARTIAL
            narrow = self.selection.labels or not self.selection.namespaces.is_everything
            kinds[kind] = now if is_cut and not narrow else merge(self.before.kinds.get(kind), now)
        left_out = dict(self.left_out)
        is_narrow = self.selection.cluster_scoped is ClusterScoped.NO
        if is_narrow or not self.selection.kinds.is_everything:
            left_out = {**self.before.left_out, **left_out}
        return Coverage(cluster or self.before.cluster, kinds, left_out)

    def _covered(self, type: ResourceType) -> KindCoverage:
        versions = (type.version, *(name for name in type.versions if name != type.version))
        result = self.results.get(type.kind_group)
        status = result.status if result else KindStatus.FAILED
        selection = self.selection
        if status is KindStatus.PARTIAL and result is not None:
            return KindCoverage(status, versions, result.namespaces, selection.labels)
        if status is not KindStatus.LISTED:
            return KindCoverage(status, versions)
        narrowed = type.namespaced and not selection.namespaces.is_everything
        only_needed = not type.namespaced and selection.only_needed_cluster_objects
        if selection.labels or narrowed or only_needed:
            names = selection.namespaces.literals or selection.namespaces.texts
            listed = names if type.namespaced else ()
            return KindCoverage(KindStatus.PARTIAL, versions, listed, selection.labels)
        return KindCoverage(status, versions)

    def removable(self, tree: Iterable[str], present: Mapping[str, object]) -> list[str]:
        """Return the paths of files whose object is gone.

        ``present`` has the path of every object that exists. Only kinds, and namespaces of them,
        that were listed completely count; whether the selection is about the file's object, its
        body must tell.
        """
        complete: dict[str, frozenset[str] | None] = dict.fromkeys(self.gone())
        for kind in self.exported:
            result = self.results.get(kind)
            if result is None:
                continue
            if result.status is KindStatus.LISTED:
                complete[kind] = None
            elif result.status is KindStatus.PARTIAL:
                complete[kind] = frozenset(map(layout.segment, result.namespaces))
        found = []
        for path in tree:
            if path in present:
                continue
            place = layout.place_of(path)
            if place is None or place.kind_group not in complete:
                continue
            namespaces = complete[place.kind_group]
            if namespaces is None or place.namespace in namespaces:
                found.append(path)
        return found


def group_of_kind(kind_group: str) -> str:
    """``Deployment.apps`` -> ``apps``; ``Secret`` -> ``""``."""
    return kind_group.partition(".")[2]
