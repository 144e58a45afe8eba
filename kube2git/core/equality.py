"""When two bodies mean the same to the API server although they are written differently.

Only what the server itself forgets or rewrites belongs here; a difference that a person could see
in an export is a difference. For comparison only: nothing that comes out of here is ever sent.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from kube2git.core.objects import ref_of
from kube2git.core.wire import Json
from kube2git.core.workloads import POD_SPECS

Pattern = tuple[str, ...]
"""Fields from the top; ``[]`` stands for every item of a list, ``*`` for every value of a map."""


class Forgotten(NamedTuple):
    """A value that the server does not store."""

    kinds: tuple[str, ...]
    """kind_group; () for every kind."""
    path: Pattern
    values: tuple[Any, ...]
    reason: str


_TEMPLATES = tuple(sorted(set(POD_SPECS) - {"Pod"}))
_WITH_MIN_READY = (
    "DaemonSet.apps",
    "Deployment.apps",
    "ReplicaSet.apps",
    "ReplicationController",
    "StatefulSet.apps",
)
_EMPTY: tuple[Any, ...] = ({}, [], None)

FORGOTTEN: tuple[Forgotten, ...] = (
    Forgotten((), ("metadata", "labels"), _EMPTY, "omitempty in ObjectMeta"),
    Forgotten((), ("metadata", "annotations"), _EMPTY, "omitempty in ObjectMeta"),
    Forgotten((), ("metadata", "finalizers"), _EMPTY, "omitempty in ObjectMeta"),
    Forgotten((), ("metadata", "ownerReferences"), _EMPTY, "omitempty in ObjectMeta"),
    Forgotten((), ("metadata", "creationTimestamp"), (None,), "the server sets it itself"),
    Forgotten(_WITH_MIN_READY, ("spec", "minReadySeconds"), (0,), "omitempty, 0 is the default"),
    Forgotten(
        ("PersistentVolume",),
        ("spec", "storageClassName"),
        ("",),
        "omitempty; a claim's is a pointer and keeps it",
    ),
    Forgotten(
        ("PriorityClass.scheduling.k8s.io",),
        ("globalDefault",),
        (False,),
        "omitempty, false is the default",
    ),
    Forgotten(
        ("NetworkPolicy.networking.k8s.io",),
        ("spec", "ingress"),
        _EMPTY,
        "omitempty; policyTypes says that the direction is closed",
    ),
    Forgotten(
        ("NetworkPolicy.networking.k8s.io",),
        ("spec", "egress"),
        _EMPTY,
        "omitempty; policyTypes says that the direction is closed",
    ),
    Forgotten(
        ("ClusterRole.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io"),
        ("rules",),
        _EMPTY,
        "an empty list comes back as null",
    ),
    Forgotten(
        (
            "ClusterRoleBinding.rbac.authorization.k8s.io",
            "RoleBinding.rbac.authorization.k8s.io",
        ),
        ("subjects",),
        _EMPTY,
        "omitempty",
    ),
    Forgotten(("ConfigMap", "Secret"), ("data",), _EMPTY, "omitempty"),
    Forgotten(("ConfigMap",), ("binaryData",), _EMPTY, "omitempty"),
)

POD_FORGOTTEN: tuple[Forgotten, ...] = tuple(
    Forgotten((), (containers, "[]", *path), values, reason)
    for containers in ("initContainers", "containers", "ephemeralContainers")
    for path, values, reason in (
        (("env", "[]", "value"), ("",), "omitempty; an empty value is the default"),
        (("env",), _EMPTY, "omitempty"),
        (("args",), _EMPTY, "omitempty"),
        (("command",), _EMPTY, "omitempty"),
        (("ports",), _EMPTY, "omitempty"),
        (("volumeMounts",), _EMPTY, "omitempty"),
    )
)
"""The same, from the spec of a Pod or Pod template."""

_RESOURCES = tuple(("resources", sort, "*") for sort in ("limits", "requests"))

QUANTITIES: tuple[tuple[tuple[str, ...], Pattern], ...] = (
    *((("PersistentVolumeClaim",), ("spec", *path)) for path in _RESOURCES),
    *(
        (("StatefulSet.apps",), ("spec", "volumeClaimTemplates", "[]", "spec", *path))
        for path in _RESOURCES
    ),
    (("PersistentVolume",), ("spec", "capacity", "*")),
    (("ResourceQuota",), ("spec", "hard", "*")),
    *(
        (("LimitRange",), ("spec", "limits", "[]", bound, "*"))
        for bound in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    ),
    *(
        (("HorizontalPodAutoscaler.autoscaling",), ("spec", "metrics", "[]", sort, "target", value))
        for sort in ("external", "object", "pods", "resource", "containerResource")
        for value in ("averageValue", "value")
    ),
    (("RuntimeClass.node.k8s.io",), ("overhead", "podFixed", "*")),
)
"""Where built-in kinds hold a quantity, which the server writes in its canonical form."""

POD_QUANTITIES: tuple[Pattern, ...] = (
    *(
        (containers, "[]", *path)
        for containers in ("initContainers", "containers", "ephemeralContainers")
        for path in (
            *_RESOURCES,
            ("env", "[]", "valueFrom", "resourceFieldRef", "divisor"),
        )
    ),
    *_RESOURCES,
    ("overhead", "*"),
    ("volumes", "[]", "emptyDir", "sizeLimit"),
    ("volumes", "[]", "downwardAPI", "items", "[]", "resourceFieldRef", "divisor"),
    *(("volumes", "[]", "ephemeral", "volumeClaimTemplate", "spec", *path) for path in _RESOURCES),
)


def normalise_for_comparison(body: Json) -> Json:
    """Return ``body`` as the server would give it back, as far as the tables know; input kept."""
    kind = ref_of(body).kind_group
    result: Any = body
    for rule in FORGOTTEN:
        if not rule.kinds or kind in rule.kinds:
            result = _rewrite(result, rule.path, _forget(rule.values))
    for kinds, path in QUANTITIES:
        if kind in kinds:
            result = _rewrite(result, path, _canonical)
    root = POD_SPECS.get(kind)
    if root is not None:
        if kind in _TEMPLATES:
            stamp = (*root[:-1], "metadata", "creationTimestamp")
            result = _rewrite(result, stamp, _forget((None,)))
        for rule in POD_FORGOTTEN:
            result = _rewrite(result, (*root, *rule.path), _forget(rule.values))
        for path in POD_QUANTITIES:
            result = _rewrite(result, (*root, *path), _canonical)
    return dict(result)


_GONE = object()


def _forget(values: tuple[Any, ...]) -> Callable[[Any], Any]:
    def decide(value: Any) -> Any:
        same = any(value == known and type(value) is type(known) for known in values)
        return _GONE if same else value

    return decide


def _rewrite(node: Any, path: Pattern, change: Callable[[Any], Any]) -> Any:
    """Return ``node`` with ``change`` applied at every place that the pattern means."""
    if not path:
        return change(node)
    step, rest = path[0], path[1:]
    if step == "[]":
        if not isinstance(node, list):
            return node
        items = [_rewrite(item, rest, change) for item in node]
        unchanged = all(new is old for new, old in zip(items, node, strict=True))
        return node if unchanged else items
    if not isinstance(node, dict):
        return node
    result = node
    for name in list(node) if step == "*" else [step] if step in node else []:
        value = _rewrite(node[name], rest, change)
        if value is node[name]:
            continue
        if result is node:
            result = dict(node)
        if value is _GONE:
            del result[name]
        else:
            result[name] = value
    return result


def _canonical(value: Any) -> Any:
    known = quantity(value)
    return value if known is None or known == value else known


_EXACT = decimal.Context(prec=200)
_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,2}))?"
)
_SUFFIXES = {
    **{name: Decimal(1024) ** power for power, name in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
    "Pi": Decimal(1024) ** 5,
    "Ei": Decimal(1024) ** 6,
    **{
        name: Decimal(10) ** power
        for name, power in (("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9))
    },
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
}


def quantity(value: Any) -> str | None:
    """Return a Kubernetes quantity's value as a plain decimal number; None when it is not one.

    ``1k``, ``1000`` and ``1e3`` give ``1000``; ``500m`` and ``0.5`` give ``0.5``. The grammar is
    that of apimachinery's resource.Quantity.
    """
    if not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None or len(match[1]) > 40:
        return None
    factor = Decimal(10) ** int(match[3]) if match[3] else _SUFFIXES.get(match[2] or "", Decimal(1))
    number = _EXACT.normalize(_EXACT.multiply(Decimal(match[1]), factor))
    return "0" if not number else f"{number:f}"
