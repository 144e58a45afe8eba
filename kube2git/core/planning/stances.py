"""Whose fields give way: for each field manager, whether kube2git takes over, yields or stops.

A rule names managers, not objects: a conflict is never resolved by blind force. The first rule
that fits decides; a user's rules stand before these.
"""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube2git.core import fieldpath
from kube2git.core.fieldpath import Path
from kube2git.core.ownership import Owner
from kube2git.core.wire import Json

OWN_MANAGER = "kube2git"
"""The one field manager of every write of kube2git."""


class Stance(enum.StrEnum):
    """What to do about a field that someone else has set."""

    TAKE_OVER = "take-over"
    """Write the commit's value; the other manager loses the field."""
    YIELD = "yield"
    """Leave the field to the other manager, and say so."""
    FAIL = "fail"
    """Leave the whole object as it is, and list the conflict."""


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """One line of the table: fields of these managers get this stance."""

    manager: str
    """A shell glob."""
    stance: Stance
    reason: str
    subresource: str = "*"
    """A shell glob; "" is the object itself."""
    fields: str = ""
    """Dotted names without list items, ``webhooks.clientConfig``: it and all below; "": any."""

    def fits(self, owner: Owner, path: Path) -> bool:
        if not fnmatch.fnmatchcase(owner.manager, self.manager):
            return False
        if not fnmatch.fnmatchcase(owner.subresource, self.subresource):
            return False
        names = fieldpath.fields_only(path)
        return not self.fields or names == self.fields or names.startswith(f"{self.fields}.")


_CA = "it puts the certificate of its own authority here, which the commit cannot know"
_SERVER = "it is part of the control plane and writes the field again"

DEFAULT_RULES: tuple[OwnerRule, ...] = (
    OwnerRule(OWN_MANAGER, Stance.TAKE_OVER, "it is kube2git's own earlier write"),
    OwnerRule(
        "before-first-apply",
        Stance.TAKE_OVER,
        "the server's name for whatever was there before field owners were recorded",
    ),
    OwnerRule("kube-controller-manager", Stance.YIELD, "an autoscaler sets the replicas", "scale"),
    OwnerRule("keda*", Stance.YIELD, "KEDA sets the replicas", "scale"),
    OwnerRule("*", Stance.YIELD, "it reports a state, not an intent", "status"),
    OwnerRule("kube-controller-manager", Stance.YIELD, _SERVER),
    OwnerRule("cloud-controller-manager", Stance.YIELD, _SERVER),
    OwnerRule("kube-scheduler", Stance.YIELD, _SERVER),
    OwnerRule("kube-apiserver", Stance.YIELD, _SERVER),
    OwnerRule("kubelet", Stance.YIELD, _SERVER),
    OwnerRule(
        "clusterrole-aggregation-controller",
        Stance.YIELD,
        "it gathers the rules from other ClusterRoles",
        fields="rules",
    ),
    *(
        OwnerRule(manager, Stance.YIELD, _CA, fields=fields)
        for manager in ("cert-manager-cainjector", "cainjector", "pilot-discovery")
        for fields in (
            "webhooks.clientConfig.caBundle",
            "spec.conversion.webhook.clientConfig.caBundle",
            "spec.caBundle",
        )
    ),
    OwnerRule("kubectl*", Stance.FAIL, "a person or a script set it with kubectl"),
    OwnerRule("helm", Stance.FAIL, "Helm set it, and will again at the next upgrade"),
    OwnerRule("Helm", Stance.FAIL, "Helm set it, and will again at the next upgrade"),
    OwnerRule("helm-controller", Stance.FAIL, "Flux set it, and will again within minutes"),
    OwnerRule("kustomize-controller", Stance.FAIL, "Flux set it, and will again within minutes"),
    OwnerRule("argocd*", Stance.FAIL, "Argo CD set it, and may again within minutes"),
    OwnerRule("*", Stance.FAIL, "somebody else set it"),
)


def rule_for(rules: Sequence[OwnerRule], owner: Owner, path: Path) -> OwnerRule:
    """Return the first rule that fits; the built-in table's last row fits everything."""
    for rule in rules:
        if rule.fits(owner, path):
            return rule
    return DEFAULT_RULES[-1]


@dataclass(frozen=True, slots=True)
class Yielded:
    """A field that differs and is left to its owner."""

    path: Path
    owners: tuple[Owner, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field that a server-side apply without force was refused for."""

    owner: Owner
    field: str
    """As the server writes it: ``.spec.containers[name="web"].image``."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How the same object may be sent again."""

    body: Json
    """Without the fields that are yielded."""
    is_forced: bool
    """True when the rest takes fields over; force then touches only what the rules allow."""
    taken: tuple[Conflict, ...]
    yielded: tuple[Yielded, ...]
    refused: tuple[tuple[Conflict, str], ...]
    """(conflict, why). Not empty: the object must not be sent."""


_MANAGER = re.compile(
    r'conflicts? with "(?P<manager>[^"]*)"(?: with subresource "(?P<subresource>[^"]*)")?'
    r"(?P<update> using )?"
)


def parse_conflicts(status: Mapping[str, Any]) -> tuple[Conflict, ...]:
    """Return the conflicts that a Status names, in its order; () when it names none.

    Form: apimachinery, managedfields/internal/conflict.go.
    """
    found = []
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") != "FieldManagerConflict":
            continue
        match = _MANAGER.match(str(cause.get("message") or ""))
        owner = Owner("")
        if match is not None:
            operation = "Update" if match["update"] else "Apply"
            owner = Owner(match["manager"], match["subresource"] or "", operation)
        found.append(Conflict(owner, str(cause.get("field") or "")))
    return tuple(found)


def resolve(body: Json, conflicts: Iterable[Conflict], rules: Sequence[OwnerRule]) -> Resolution:
    """Decide each conflict by its owner's rule; what cannot be found in ``body`` is refused."""
    taken: list[Conflict] = []
    yielded: list[Yielded] = []
    refused: list[tuple[Conflict, str]] = []
    for conflict in conflicts:
        path = fieldpath.read_server_text(conflict.field, body)
        if not path:
            refused.append((conflict, "the field was not found in the object that was sent"))
            continue
        rule = rule_for(rules, conflict.owner, path)
        if rule.stance is Stance.TAKE_OVER:
            taken.append(conflict)
        elif rule.stance is Stance.YIELD:
            yielded.append(Yielded(path, (conflict.owner,), rule.reason))
        else:
            refused.append((conflict, rule.reason))
    return Resolution(
        fieldpath.without(body, [field.path for field in yielded]),
        is_forced=bool(taken),
        taken=tuple(taken),
        yielded=tuple(yielded),
        refused=tuple(refused),
    )
