"""Which kinds an API server serves: each once, at its best version, and which groups are down.

The aggregated form (apidiscovery.k8s.io) takes two requests; servers before 1.26 get the old one,
a request a group version. A group whose backend does not answer is told as failed: nobody may
take its kinds for gone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kube2git.adapters.kube.answers import Response
from kube2git.adapters.kube.connection import Connection
from kube2git.core import wire
from kube2git.core.objects import ResourceType
from kube2git.core.ports import Discovery
from kube2git.errors import ClusterUnreachableError

AGGREGATED = "apidiscovery.k8s.io"
ACCEPT = ",".join(
    [
        f"application/json;g={AGGREGATED};v=v2;as=APIGroupDiscoveryList",
        f"application/json;g={AGGREGATED};v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    ]
)
ROOTS = ("/api", "/apis")


@dataclass(frozen=True, slots=True)
class Twin:
    """A kind that only shows objects which another kind holds."""

    group: str
    kinds: frozenset[str]
    home: str
    """The group that holds them."""
    home_kind: str = ""
    """Their kind there; "" when it is the same."""
    reason: str = ""


TWINS = (
    Twin(
        "events.k8s.io",
        frozenset({"Event"}),
        "",
        reason="one store for both groups since 1.8",
    ),
    Twin(
        "extensions",
        frozenset({"DaemonSet", "Deployment", "ReplicaSet"}),
        "apps",
        reason="moved in 1.9; the old group served the same objects until 1.16",
    ),
    Twin(
        "extensions",
        frozenset({"Ingress", "NetworkPolicy"}),
        "networking.k8s.io",
        reason="moved; the old group served the same objects until it was removed (1.16, 1.22)",
    ),
    Twin(
        "extensions",
        frozenset({"PodSecurityPolicy"}),
        "policy",
        reason="moved in 1.10; the old group served the same objects until 1.16",
    ),
    Twin(
        "authorization.openshift.io",
        frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}),
        "rbac.authorization.k8s.io",
        reason="OpenShift answers for them by proxy since 3.7",
    ),
    Twin(
        "project.openshift.io",
        frozenset({"Project"}),
        "",
        "Namespace",
        reason="an OpenShift project is a view of the Namespace of that name",
    ),
    Twin(
        "image.openshift.io",
        frozenset({"ImageStreamTag", "ImageTag"}),
        "image.openshift.io",
        "ImageStream",
        reason="computed from the image stream",
    ),
)


@dataclass(slots=True)
class _Version:
    """One version of one group, with the resources that it is known to serve."""

    group: str
    version: str
    resources: list[ResourceType]
    failure: str = ""

    @property
    def name(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(slots=True)
class _Answer:
    """The last answer of one root, to be asked about again by its tag."""

    tag: str
    versions: list[_Version]


class DiscoveryReader:
    """Asks what is served; asking again costs little when nothing has changed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: dict[str, _Answer] = {}
        self.last: Discovery | None = None
        """What was read last."""

    def read(self) -> Discovery:
        """Return what the server serves now; raise ClusterUnreachableError, ClusterDeniedError."""
        versions = [version for root in ROOTS for version in self._read_root(root)]
        failed = {version.name: version.failure for version in versions if version.failure}
        self.last = Discovery(tuple(choose_types(versions)), failed)
        return self.last

    def _read_root(self, root: str) -> list[_Version]:
        known = self._answers.get(root)
        headers = {"Accept": ACCEPT}
        if known:
            headers["If-None-Match"] = known.tag
        response = self._connection.get(root, headers=headers)
        if response.status == 304 and known:
            return known.versions
        if not response.is_ok:
            raise response.error("asking which kinds there are")
        body = _decoded(response)
        if AGGREGATED not in response.headers.get("Content-Type", ""):
            return list(self._read_old(root, body))
        versions = list(_aggregated(body))
        tag = response.headers.get("ETag")
        if tag:
            self._answers[root] = _Answer(tag, versions)
        return versions

    def _read_old(self, root: str, body: Mapping[str, Any]) -> Iterator[_Version]:
        for group, version in _old_versions(body):
            path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
            response = self._connection.get(path)
            if response.is_ok:
                found = list(_old_resources(group, version, _decoded(response)))
                yield _Version(group, version, found)
            else:
                why = f"Asked for its kinds, the API server answered {response.explanation()}."
                yield _Version(group, version, [], why)


def choose_types(versions: Iterable[_Version]) -> Iterator[ResourceType]:
    """Yield each kind that can be listed once: at its group's most preferred live version.

    A kind may be served only in a version that its group does not prefer, so the choice is made
    kind by kind. ``versions`` come in the order of preference.
    """
    offers: dict[tuple[str, str], list[ResourceType]] = {}
    for version in sorted(versions, key=lambda version: bool(version.failure)):
        for type in version.resources:
            if {"get", "list"} <= type.verbs:
                offers.setdefault((type.group, type.kind), []).append(type)
    for (group, kind), types in offers.items():
        if not any(_shows(twin, group, kind, offers) for twin in TWINS):
            yield replace(types[0], versions=tuple(dict.fromkeys(one.version for one in types)))


def _shows(twin: Twin, group: str, kind: str, served: Container[tuple[str, str]]) -> bool:
    is_meant = group == twin.group and kind in twin.kinds
    return is_meant and (twin.home, twin.home_kind or kind) in served


def _decoded(response: Response) -> Mapping[str, Any]:
    try:
        body = wire.decode(response.body)
    except wire.MalformedJsonError:
        body = None
    if not isinstance(body, dict):
        raise ClusterUnreachableError(
            "asking which kinds there are: the answer is not that of an API server",
            hint="Look at the server's address in the kubeconfig.",
        )
    return body


# ── the aggregated form ──────────────────────────────────────────────────────────────────────


def _aggregated(body: Mapping[str, Any]) -> Iterator[_Version]:
    for group in body.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            number = version["version"]
            found = [
                _aggregated_resource(name, number, entry)
                for entry in version.get("resources") or ()
                if (entry.get("responseKind") or {}).get("kind")
            ]
            stale = version.get("freshness") == "Stale"
            yield _Version(name, number, found, _stale_reason(name, number) if stale else "")


def _stale_reason(group: str, version: str) -> str:
    return (
        "Its backend does not answer, so that what it serves is unknown; "
        f"`kubectl get apiservice {version}.{group}` says why."
    )


def _aggregated_resource(group: str, version: str, entry: Mapping[str, Any]) -> ResourceType:
    return ResourceType(
        group=group,
        version=version,
        kind=entry["responseKind"]["kind"],
        plural=entry["resource"],
        namespaced=entry.get("scope") == "Namespaced",
        verbs=frozenset(entry.get("verbs") or ()),
        singular=entry.get("singularResource") or "",
        short_names=tuple(entry.get("shortNames") or ()),
        categories=tuple(entry.get("categories") or ()),
        subresources=frozenset(one["subresource"] for one in entry.get("subresources") or ()),
    )


# ── the old form ─────────────────────────────────────────────────────────────────────────────


def _old_versions(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (group, version) of APIVersions or APIGroupList, preferred versions first."""
    for version in body.get("versions") or ():
        yield "", version
    for group in body.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("version")
        numbers = [entry["version"] for entry in group.get("versions") or ()]
        for number in sorted(numbers, key=lambda number: number != preferred):
            yield group["name"], number


def _old_resources(group: str, version: str, body: Mapping[str, Any]) -> Iterator[ResourceType]:
    entries = body.get("resources") or ()
    names = [entry["name"].partition("/") for entry in entries]
    for entry in entries:
        plural = entry["name"]
        if "/" in plural:
            continue
        yield ResourceType(
            group=group,
            version=version,
            kind=entry["kind"],
            plural=plural,
            namespaced=bool(entry.get("namespaced")),
            verbs=frozenset(entry.get("verbs") or ()),
            singular=entry.get("singularName") or "",
            short_names=tuple(entry.get("shortNames") or ()),
            categories=tuple(entry.get("categories") or ()),
            subresources=frozenset(sub for owner, _, sub in names if sub and owner == plural),
        )
