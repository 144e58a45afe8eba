"""Which objects a run is about: patterns for namespaces and kinds, a label selector, scope.

Patterns are shell globs; one that begins with ``!`` takes away again. A list of exclusions only
means everything but those.
"""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kube2git.core.objects import ObjectRef, ResourceType


class ClusterScoped(enum.StrEnum):
    """Whether cluster-scoped objects belong to a selection."""

    AUTO = "auto"
    """All of them when every namespace is selected, else those that the selected ones need."""
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class Patterns:
    """Globs with ``!`` exclusions; no patterns match everything."""

    texts: tuple[str, ...] = ()

    @cached_property
    def _wanted(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_compile(text) for text in self.texts if not text.startswith("!"))

    @cached_property
    def _unwanted(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_compile(text[1:]) for text in self.texts if text.startswith("!"))

    @property
    def is_everything(self) -> bool:
        return not self.texts or self.texts == ("*",)

    @property
    def literals(self) -> tuple[str, ...] | None:
        """The names themselves when no pattern needs a look at what exists; else None."""
        if not self.texts or any(re.search(r"[*?\[!]", text) for text in self.texts):
            return None
        return tuple(sorted(set(self.texts)))

    def match(self, *names: str) -> bool:
        """Tell whether any of an object's names is wanted and none is unwanted."""
        if any(pattern.fullmatch(name) for pattern in self._unwanted for name in names):
            return False
        if not self._wanted:
            return True
        return any(pattern.fullmatch(name) for pattern in self._wanted for name in names)


def _compile(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))


@dataclass(frozen=True)
class Selection:
    """What a run is about. The default selects everything."""

    namespaces: Patterns = field(default_factory=Patterns)
    kinds: Patterns = field(default_factory=Patterns)
    """Matched in lower case against every name of a kind: kind.group, plural, singular, short."""
    labels: str = ""
    cluster_scoped: ClusterScoped = ClusterScoped.AUTO

    @property
    def is_everything(self) -> bool:
        return (
            self.namespaces.is_everything
            and self.kinds.is_everything
            and not self.labels
            and self.cluster_scoped is not ClusterScoped.NO
        )

    @cached_property
    def _lower_kinds(self) -> Patterns:
        return Patterns(tuple(text.lower() for text in self.kinds.texts))

    @cached_property
    def label_selector(self) -> LabelSelector:
        return LabelSelector.parse(self.labels)

    def wants_kind(self, type: ResourceType) -> bool:
        return self.wants_kind_names(type.names())

    def wants_kind_names(self, names: Iterable[str]) -> bool:
        """Tell whether a kind that goes by these names, in lower case, is selected."""
        return self._lower_kinds.match(*names)

    def unknown_kinds(self, types: Iterable[ResourceType]) -> list[str]:
        """Return the words of the selection, globs aside, by which none of the kinds goes."""
        known = {name for type in types for name in type.names()}
        words = {text.removeprefix("!") for text in self._lower_kinds.texts}
        return sorted(word for word in words - known if not re.search(r"[*?\[]", word))

    def wants_namespace(self, name: str) -> bool:
        return self.namespaces.match(name)

    @property
    def only_needed_cluster_objects(self) -> bool:
        """True when cluster-scoped objects come only if a selected namespace needs them."""
        return self.cluster_scoped is ClusterScoped.AUTO and not self.namespaces.is_everything


class LabelSelectorError(ValueError):
    """The text is not a label selector; the message says where."""


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<set>{_LABEL})\s+(?P<verb>in|notin)\s*\((?P<values>[^()]*)\)"
    rf"|(?P<key>{_LABEL})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|(?P<absent>!?)\s*(?P<exists>{_LABEL}))\s*(?:,|$)"
)


@dataclass(frozen=True)
class LabelSelector:
    """A label selector as ``kubectl -l`` takes it: ``app=web,tier in (a,b),!canary``."""

    requirements: tuple[tuple[str, str, frozenset[str]], ...] = ()
    """(key, in | notin | exists | absent, values)."""

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """Read a selector; raise LabelSelectorError when it is not one."""
        found: list[tuple[str, str, frozenset[str]]] = []
        position = 0
        if not text.strip():
            return cls()
        while position < len(text):
            match = _REQUIREMENT.match(text, position)
            if match is None or (text[match.end() - 1] == "," and match.end() == len(text)):
                raise LabelSelectorError(
                    f"the label selector {text!r} cannot be read from character {position + 1} on"
                )
            if match["set"]:
                values = frozenset(value.strip() for value in match["values"].split(","))
                found.append((match["set"], match["verb"], values))
            elif match["key"]:
                verb = "notin" if match["op"] == "!=" else "in"
                found.append((match["key"], verb, frozenset([match["value"]])))
            else:
                found.append(
                    (match["exists"], "absent" if match["absent"] else "exists", frozenset())
                )
            position = match.end()
        return cls(tuple(found))

    def match(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is selected."""
        for key, verb, values in self.requirements:
            present = key in labels
            if verb == "in" and not (present and labels[key] in values):
                return False
            if verb == "notin" and present and labels[key] in values:
                return False
            if verb == "exists" and not present:
                return False
            if verb == "absent" and present:
                return False
        return True


class ObjectNameError(ValueError):
    """The words given do not name objects."""


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object as a person names it: ``deployment.apps/web``; "" for every name of a kind."""

    kind: str
    """Any name of the kind, in lower case, with or without its group."""
    name: str
    namespace: str | None

    def matches(self, ref: ObjectRef, names: Iterable[str]) -> bool:
        """Tell whether ``ref``, whose kind goes by ``names``, is meant."""
        return (
            (not self.name or self.name == ref.name)
            and (self.namespace is None or not ref.namespace or self.namespace == ref.namespace)
            and self.kind in names
        )

    def __str__(self) -> str:
        where = f" -n {self.namespace}" if self.namespace else ""
        return f"{self.kind}/{self.name}{where}" if self.name else f"{self.kind}{where}"


def parse_object_names(words: Iterable[str], namespace: str | None) -> tuple[ObjectName, ...]:
    """Read ``kind/name``, ``kind`` or ``kind name`` as kubectl does; raise ObjectNameError."""
    words = tuple(words)
    if len(words) > 1 and all("/" not in word for word in words):
        kind, *names = words
        return tuple(ObjectName(kind.lower(), name, namespace) for name in names)
    found = []
    for word in words:
        kind, _, name = word.partition("/")
        if not kind or "/" in name:
            raise ObjectNameError(f"{word!r} does not name an object; write for example deploy/web")
        found.append(ObjectName(kind.lower(), name, namespace))
    return tuple(found)


_OBJECT_AT = re.compile(r"(.*?):((?:[A-Za-z][\w.-]*(?:/.*)?)?)", re.DOTALL)


def split_revision(where: str) -> tuple[str, str | None]:
    """Split ``REV:OBJECT``; None where no object is named.

    Both may hold colons: ``main@{10:30}:deploy/web``, ``HEAD:clusterrole/system:node``.
    """
    match = _OBJECT_AT.fullmatch(where)
    return (match[1], match[2]) if match else (where, None)


def names_in_repository(ref: ObjectRef) -> frozenset[str]:
    """Return the words for a kind that can be told without asking a server.

    The repository holds kinds, not plurals, so this knows ``deployment``, ``deployment.apps``,
    English plurals, and kubectl's short names of built-in kinds.
    """
    kind = ref.kind.lower()
    words = {kind, f"{kind}s", f"{kind}es"}
    if kind.endswith("y"):
        words.add(f"{kind[:-1]}ies")
    words.update(_SHORT_NAMES.get((ref.group, ref.kind), ()))
    if ref.group:
        words |= {f"{word}.{ref.group}" for word in words}
    return frozenset(words)


_SHORT_NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("cm",),
    ("", "Endpoints"): ("ep",),
    ("", "LimitRange"): ("limits",),
    ("", "Namespace"): ("ns",),
    ("", "PersistentVolume"): ("pv",),
    ("", "PersistentVolumeClaim"): ("pvc",),
    ("", "Pod"): ("po",),
    ("", "ReplicationController"): ("rc",),
    ("", "ResourceQuota"): ("quota",),
    ("", "Service"): ("svc",),
    ("", "ServiceAccount"): ("sa",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("crd", "crds"),
    ("apps", "DaemonSet"): ("ds",),
    ("apps", "Deployment"): ("deploy",),
    ("apps", "ReplicaSet"): ("rs",),
    ("apps", "StatefulSet"): ("sts",),
    ("autoscaling", "HorizontalPodAutoscaler"): ("hpa",),
    ("batch", "CronJob"): ("cj",),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("csr",),
    ("networking.k8s.io", "Ingress"): ("ing",),
    ("networking.k8s.io", "NetworkPolicy"): ("netpol",),
    ("policy", "PodDisruptionBudget"): ("pdb",),
    ("scheduling.k8s.io", "PriorityClass"): ("pc",),
    ("storage.k8s.io", "StorageClass"): ("sc",),
}
