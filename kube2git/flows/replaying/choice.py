"""What of a commit a replay is about, and which namespaces it goes to."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.policy import Prune
from kube2git.core.planning.rehearsal import scratch_name
from kube2git.core.ports import Discovery
from kube2git.core.remap.closure import needed_by
from kube2git.core.remap.mapping import NamespaceMap
from kube2git.core.selection import ClusterScoped, names_in_repository
from kube2git.errors import RepositoryNotFoundError, UsageError
from kube2git.flows.replaying.commit import CommitReader
from kube2git.flows.replaying.request import Companion, ReplayRequest

NAMESPACE = "Namespace"


class Chooser:
    """Decides which objects a replay is about, as they are called in the commit."""

    def __init__(self, request: ReplayRequest, discovery: Discovery) -> None:
        self._request = request
        self._names = {type.kind_group: type.names() for type in discovery.types}
        self._kinds: dict[str, bool] = {}

    def words(self, ref: ObjectRef) -> frozenset[str]:
        """Return every word by which the kind may be called."""
        return names_in_repository(ref) | self._names.get(ref.kind_group, frozenset())

    def wants(self, ref: ObjectRef, *, is_cut: bool = False) -> bool:
        """Tell whether an object is selected by its place; ``is_cut``: its name is not whole."""
        selection, names = self._request.selection, self._request.names
        if ref.namespace and not selection.wants_namespace(ref.namespace):
            return False
        if names:
            words = self.words(ref)
            return any(
                name.matches(ref, words) or (is_cut and name.kind in words) for name in names
            )
        if ref.kind_group not in self._kinds:
            self._kinds[ref.kind_group] = selection.wants_kind_names(self.words(ref))
        if not self._kinds[ref.kind_group]:
            return False
        if ref.namespace:
            return True
        if selection.cluster_scoped is ClusterScoped.NO:
            return False
        if selection.only_needed_cluster_objects:
            return ref.kind_group == "Namespace" and selection.wants_namespace(ref.name)
        return True

    def wants_labels(self, manifest: Manifest) -> bool:
        """Tell whether an object's labels are selected."""
        labels = (manifest.body.get("metadata") or {}).get("labels") or {}
        return self._request.selection.label_selector.match(labels)


class Choice:
    """The files that are selected, those that may come along, and the namespace map."""

    def __init__(
        self, request: ReplayRequest, reader: CommitReader, discovery: Discovery, started: str
    ) -> None:
        """``started`` becomes a part of the names that a rehearsal makes.

        Raises RepositoryNotFoundError and UsageError when something that was named is not there.
        """
        self._request = request
        self.chooser = Chooser(request, discovery)
        files = reader.files
        # A name that was too long for its path is only known once the file is read.
        self.files = [
            file for file in files if self.chooser.wants(file.ref, is_cut="~" in file.name)
        ]
        self._check_names(reader.namespaces)
        selection = request.selection
        brings = request.is_partial and selection.cluster_scoped is ClusterScoped.AUTO
        # Labels are only known once a file is read: what they leave out may be needed all the same.
        selected = set() if selection.labels else {file.path for file in self.files}
        self.pool = [
            file for file in files if brings and not file.namespace and file.path not in selected
        ]
        homes = {home for home in reader.namespaces if not request.policy.protects(home)}
        maps = self._rehearsed(homes, started) if request.is_rehearsal else request.maps
        self.names = NamespaceMap.parse(maps, homes)
        if self.names.idle:
            raise UsageError(
                f"the commit holds no namespace that {', '.join(self.names.idle)} is about",
                hint=f"It holds {', '.join(sorted(homes)) or 'none'}.",
            )
        self.origins = {
            target: source
            for source in sorted(homes, reverse=True)
            for target in self.names.targets(source)
            if target != source
        }
        """Namespace of the target -> the one of the commit that gets another name there."""

    def _check_names(self, homes: Collection[str]) -> None:
        """Raise RepositoryNotFoundError for what was named and is not there, unless it is to go."""
        request = self._request
        if request.policy.prune is not Prune.NONE:
            return
        # What was named by mistake must not look like a cluster where there is nothing to do.
        prune = "to delete it from the cluster because the commit lacks it, add --prune=all"
        prune = "" if request.policy.only_data else f"; {prune}"
        for home in request.selection.namespaces.literals or ():
            if home not in homes:
                raise RepositoryNotFoundError(
                    f"the namespace {home} is not in the repository at {request.revision}",
                    hint=f"`kube2git log namespace/{home}` tells when it was{prune}.",
                )
        for name in request.names:
            is_there = any(
                name.matches(file.ref, words) or ("~" in file.name and name.kind in words)
                for file in self.files
                for words in [self.chooser.words(file.ref)]
            )
            if not is_there:
                globs = () if name.namespace else request.selection.namespaces.texts
                where = "".join(f" -n {glob}" for glob in globs)
                raise RepositoryNotFoundError(
                    f"{name}{where} is not in the repository at {request.revision}",
                    hint=f"`kube2git log {name}` tells when it was{prune}.",
                )

    def _rehearsed(self, homes: Collection[str], started: str) -> tuple[str, ...]:
        """Return the map of a rehearsal: each namespace selected gets a name of its own."""
        drilled = {
            file.name if file.kind_group == NAMESPACE else file.namespace for file in self.files
        } & set(homes)
        if not drilled:
            raise UsageError(
                "the selection holds no namespace that could be rehearsed",
                hint="Select one with -n; kube-system and its like must be named.",
            )
        return tuple(f"{home}={scratch_name(home, started)}" for home in sorted(drilled))

    @property
    def is_as_filed(self) -> bool:
        """True when every object goes into the target as its file says."""
        return not (self.names.renamed or self._request.transforms)

    @property
    def has_cut(self) -> bool:
        """True when a name was too long for its path, and is only known once the file is read."""
        return any("~" in file.name for file in (*self.files, *self.pool))

    def wants(self, manifest: Manifest) -> bool:
        """Tell whether an object of the commit is selected."""
        return self.chooser.wants(manifest.ref) and self.chooser.wants_labels(manifest)

    def namespaces(self) -> tuple[str, ...] | None:
        """Return the target's namespaces to read, when they are few and known; else None."""
        selection, names = self._request.selection, self._request.names
        if names and all(name.namespace for name in names):
            sources = {name.namespace for name in names if name.namespace}
        elif selection.namespaces.literals is not None:
            sources = set(selection.namespaces.literals)
        else:
            return None
        return tuple(sorted({new for name in sources for new in self.names.targets(name)}))

    def selects(self, ref: ObjectRef, known: Manifest | None) -> bool:
        """Tell whether an export of the selection, mapped, would hold an object of the target."""
        home = ref.name if ref.kind_group == NAMESPACE else ref.namespace
        origin = ref
        if home in self.origins:
            source = self.origins[home]
            origin = (
                ref._replace(name=source)
                if ref.kind_group == NAMESPACE
                else ref._replace(namespace=source)
            )
        elif home in self.names.renamed and home not in self.names.targets(home):
            # The namespace that was renamed: what the target has under the old name is its own.
            return False
        return self.chooser.wants(origin) and (known is None or self.chooser.wants_labels(known))


def companions(
    request: ReplayRequest, selected: Iterable[Manifest], others: Iterable[Manifest]
) -> tuple[list[Manifest], list[Companion]]:
    """Return the cluster-scoped objects that the selected ones need, and why each comes along."""
    chosen = list(selected)
    pool = [manifest for manifest in others if not manifest.ref.namespace]
    homes = [manifest.ref.name for manifest in chosen if manifest.ref.kind_group == "Namespace"]
    found = needed_by(
        [manifest.ref for manifest in chosen],
        [*chosen, *pool],
        homes if request.takes_all_kinds else (),
    )
    by_ref = {manifest.ref: manifest for manifest in pool}
    return (
        [by_ref[ref] for ref in found],
        [Companion(ref, tuple(map(str, needs))) for ref, needs in found.items()],
    )
