"""What a commit holds, and what of it is selected: paths first, bodies only where needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import unquote

from kube2git.core import layout, yamlio
from kube2git.core.coverage import Coverage, check_format
from kube2git.core.objects import Manifest, ObjectRef, ref_of
from kube2git.core.planning.planner import Unreadable
from kube2git.core.ports import Repo
from kube2git.core.sealing import (
    MalformedSealError,
    Sealer,
    Sealing,
    SealingKeyError,
    Seals,
)
from kube2git.core.wire import Json
from kube2git.errors import Kube2gitError, RefusedError, RepositoryNotFoundError
from kube2git.flows.replaying.request import Unseal

_NEVER = datetime.min.replace(tzinfo=UTC)
SOPS = "sops"
"""The field that a sealed file has at its top."""


@dataclass(frozen=True)
class FiledObject:
    """One file of the commit that has the place of an object, before it is read."""

    path: str
    blob: str
    namespace: str
    """"" for cluster-scoped objects."""
    kind_group: str
    name: str
    """As the path tells it; of a name too long for a path, only its beginning."""

    @cached_property
    def ref(self) -> ObjectRef:
        kind, _, group = self.kind_group.partition(".")
        return ObjectRef(group, kind, self.namespace, self.name)


class CommitReader:
    """Reads one commit."""

    def __init__(
        self,
        repo: Repo,
        revision: str,
        unseal: Unseal | None,
        *,
        requires_signature: bool = False,
    ) -> None:
        self._repo = repo
        self._unseal = unseal
        self.revision = revision
        self.commit = repo.commit(repo.resolve(revision))
        self.signature = repo.signature(self.commit.id)
        if requires_signature and not self.signature.is_trusted:
            raise RefusedError(
                f"the commit {self.commit.id[:10]} is not trusted. {self.signature.reason}",
                hint="Replay one that is signed, or add its signer to replay.allowed_signers.",
            )
        self.tree = repo.tree(self.commit.id)
        check_format(self._meta(layout.FORMAT))
        self.coverage = Coverage.from_data(self._meta(layout.COVERAGE))
        self.files = tuple(_filed(self.tree))
        if not self.files:
            raise RepositoryNotFoundError(
                f"the commit {self.commit.id[:10]} holds no objects",
                hint="Is this the right --prefix? `kube2git show REV` lists what a commit holds.",
            )

    def _meta(self, path: str) -> Json:
        if path not in self.tree:
            return {}
        (data,) = self._repo.read([self.tree[path]])
        found = yamlio.decode(data, source=path)
        return found if isinstance(found, dict) else {}

    @property
    def namespaces(self) -> frozenset[str]:
        """Return every namespace that the commit holds objects of, or the object itself."""
        return frozenset(
            file.name if file.kind_group == "Namespace" else file.namespace for file in self.files
        ) - {""}

    def sealer(self, sealing: Sealing | None) -> Sealer | None:
        """Return what recognises sealed objects that are unchanged, without any private key."""
        return self._sealer(sealing) if layout.SEALS in self.tree else None

    def export_sealer(self, sealing: Sealing | None) -> Sealer | None:
        """Return what an export onto this commit would seal with; None when it would not."""
        sealer = self._sealer(sealing)
        return sealer if sealer and sealer.can_seal else None

    def _sealer(self, sealing: Sealing | None) -> Sealer | None:
        if sealing is None:
            return None
        try:
            seals = Seals.parse(self._meta(layout.SEALS))
        except (MalformedSealError, yamlio.YamlError):
            return None
        rules = self._repo.file_above(self.commit.id, ".sops.yaml")
        # Nothing is sealed here, so the time does not matter.
        return Sealer.of_commit(sealing, seals, rules, _NEVER)

    def read(self, files: Iterable[FiledObject]) -> Contents:
        """Decode files, and unseal those that are sealed."""
        chosen = tuple(files)
        found = Contents()
        for file, data in zip(chosen, self._repo.read(file.blob for file in chosen), strict=True):
            try:
                body = yamlio.decode(data, source=file.path)
                if not isinstance(body, dict):
                    raise ValueError("it holds no object")  # noqa: TRY301 - one way to be broken
                ref = ref_of(body)
            except ValueError as error:
                found.unreadable.append(Unreadable(file.path, f"{error}."))
                continue
            if SOPS in body:
                found.sealed[ref] = body
            clear = self._unsealed(file.path, ref, body, found) if SOPS in body else body
            if clear is not None:
                found.add(file.path, Manifest.of(clear))
        return found

    def _unsealed(self, path: str, ref: ObjectRef, body: Json, found: Contents) -> Json | None:
        reason = "Its values are sealed, and no key is configured to unseal them."
        if self._unseal is not None:
            try:
                return self._unseal(path, body)
            except SealingKeyError:
                # A key that cannot be used is not about this one object.
                raise
            except (Kube2gitError, ValueError) as error:
                reason = f"It cannot be unsealed: {error}"
        found.unreadable.append(Unreadable(path, reason, ref, is_sealed=True))
        return None


@dataclass
class Contents:
    """Decoded objects by path, and what could not be decoded."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    sealed: dict[ObjectRef, Json] = field(default_factory=dict)
    """Files as they were before they were unsealed: they tell which values must not be shown."""
    dropped: set[ObjectRef] = field(default_factory=set)
    """Objects that are in the commit and, for their labels, not wanted."""
    _paths: dict[ObjectRef, str] = field(default_factory=dict)

    def add(self, path: str, manifest: Manifest) -> None:
        """Take an object in; a second file of the same object is told as unreadable."""
        first = self._paths.setdefault(manifest.ref, path)
        if first != path:
            reason = f"It holds {manifest.ref}, as {first} does."
            self.unreadable.append(Unreadable(path, reason))
        else:
            self.manifests[path] = manifest

    def keep(self, wants: Callable[[Manifest], bool]) -> None:
        """Forget the objects that are not wanted after all, but for what they are called."""
        found = self.manifests
        self.manifests = {path: manifest for path, manifest in found.items() if wants(manifest)}
        self.dropped |= {found[path].ref for path in found.keys() - self.manifests.keys()}
        # Labels stand in clear beside what is sealed.
        unwanted = {ref for ref, body in self.sealed.items() if not wants(Manifest.of(body))}
        self.dropped |= unwanted
        self.unreadable = [entry for entry in self.unreadable if entry.ref not in unwanted]


def _filed(tree: Mapping[str, str]) -> Iterator[FiledObject]:
    for path in sorted(tree):
        place = layout.place_of(path)
        if place is not None:
            name = unquote(path.rpartition("/")[2].removesuffix(".yaml"))
            namespace = unquote(place.namespace)
            yield FiledObject(path, tree[path], namespace, place.kind_group, name)
