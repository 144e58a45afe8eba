"""Identity: which object, which kind, which selection. Frozen values without version and uid."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote

from kube2git.core import wire
from kube2git.core.wire import Json


class ObjectRef(NamedTuple):
    """One object, whatever the API version that it is read through. Sorts by these fields."""

    group: str
    """API group; "" for core."""
    kind: str
    namespace: str
    """"" for a cluster-scoped object."""
    name: str

    @property
    def kind_group(self) -> str:
        """``Deployment.apps``, ``Secret``: the group always, except for core."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def __str__(self) -> str:
        where = f" -n {self.namespace}" if self.namespace else ""
        return f"{self.kind_group.lower()}/{_on_one_line(self.name)}{where}"


def _on_one_line(name: str) -> str:
    """Return a name as it may stand in a message.

    Names of RBAC objects may hold line breaks, escape sequences of terminals and characters that
    turn the direction of writing, and so forge what others read. As in paths they become %XX; a
    % of its own they cannot hold.
    """
    if name.isprintable():
        return name
    return "".join(
        char if char.isprintable() else quote(char, errors="surrogatepass") for char in name
    )


def ref_of(body: Json) -> ObjectRef:
    """Return the identity of a decoded object; raise ValueError naming what it lacks."""
    metadata = body.get("metadata")
    api_version, kind = body.get("apiVersion"), body.get("kind")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not (isinstance(api_version, str) and api_version):
        raise ValueError("the object has no apiVersion")
    if not (isinstance(kind, str) and kind):
        raise ValueError("the object has no kind")
    if not (isinstance(metadata, dict) and isinstance(name, str) and name):
        raise ValueError("the object has no metadata.name")
    namespace = metadata.get("namespace")
    if not (namespace is None or isinstance(namespace, str)):
        raise ValueError("the object's metadata.namespace is not a string")
    # Shared strings: a hundred thousand refs would hold as many copies of the same few words.
    intern = sys.intern
    return ObjectRef(intern(group_of(api_version)), intern(kind), intern(namespace or ""), name)


def group_of(api_version: str) -> str:
    """``apps/v1`` -> ``apps``; ``v1`` -> ``""``."""
    group, slash, _ = api_version.rpartition("/")
    return group if slash else ""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind as an API server serves it, at the version chosen for it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    """Every version of this kind that the server serves, preferred first."""
    subresources: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def kind_group(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def resource_group(self) -> str:
        """``deployments.apps``: as in RBAC rules and kubectl."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of the collection, or of one object in it, percent-encoded."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        # RBAC names may hold any character but / and %, "?" and "#" among them.
        tail = f"/{quote(name, safe=':@')}" if name else ""
        return f"{root}{scope}/{self.plural}{tail}"

    def ref(self, namespace: str, name: str) -> ObjectRef:
        return ObjectRef(self.group, self.kind, namespace if self.namespaced else "", name)

    def names(self) -> frozenset[str]:
        """Every word by which a person may call this kind, in lower case."""
        words = {self.kind.lower(), self.plural, self.singular, *self.short_names} - {""}
        if self.group:
            words |= {f"{word}.{self.group}" for word in words}
        return frozenset(words)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A clean object: what a file in the repository says. Two are equal when ref and digest are."""

    ref: ObjectRef
    digest: str
    body: Json = field(compare=False, repr=False)

    @classmethod
    def of(cls, body: Json) -> Manifest:
        """Wrap a clean object; raise ValueError when it lacks apiVersion, kind or name."""
        return cls(ref_of(body), wire.digest(body), body)
