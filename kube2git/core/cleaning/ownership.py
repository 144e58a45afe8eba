"""Who set a field: a person (or a tool of theirs), or the server by itself.

Read from ``metadata.managedFields`` and from kubectl's last-applied annotation, one path at a
time: most objects are cleaned without it. Seen on a 1.37 server: what it *allocates* (clusterIP,
nodePort, ipFamilies, a Pod's nodeName) is owned by nobody, and what a person chose by their field
manager, also after others have written the object. Static defaults are owned by the creator, so
nothing here can tell a default from a choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from kube2git.core import wire
from kube2git.core.cleaning.paths import any_glob
from kube2git.core.wire import Json
from kube2git.core.workloads import dig

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

SERVER_WRITERS: tuple[str, ...] = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "cloud-controller-manager",
    "clusterrole-aggregation-controller",
    "api-priority-and-fairness-config-*",
    "service-cidr-controller",
    "kubernetes-service-cidr-controller",
    "hyperkube",  # older clusters: all components in one program
    "kubelite",  # MicroK8s
    "k3s",
)
"""Field managers that are part of the control plane, not somebody who wants something."""

_SERVER_WRITER = any_glob(SERVER_WRITERS)


@lru_cache(maxsize=1000)
def is_server_writer(manager: str) -> bool:
    """Tell whether a field manager is a part of the control plane."""
    return _SERVER_WRITER.fullmatch(manager) is not None


def _entries(body: Json) -> list[Json]:
    found = dig(body, "metadata", "managedFields")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _entries_of_people(body: Json) -> Iterator[Json]:
    for entry in _entries(body):
        if entry.get("subresource") == "status" or is_server_writer(str(entry.get("manager"))):
            continue
        if isinstance(entry.get("fieldsV1"), dict):
            yield entry


class Item(NamedTuple):
    """The item of a list that is this, or that has these fields."""

    value: Any


Names = Sequence[str | Item]


def _owned_part(fields: Any, path: Names) -> Any:
    """Return what an entry (FieldsV1, KEP-555) owns at a path; None: nothing. {} is all of it."""
    node = fields
    for step in path:
        if not isinstance(node, dict):
            return None
        if not node:
            return node
        node = _item_part(node, step.value) if isinstance(step, Item) else node.get(f"f:{step}")
    return node if isinstance(node, dict) else None


def _item_part(node: Json, item: Any) -> Any:
    for name, below in node.items():
        form, _, rest = name.partition(":")
        if form == "v" and _read(rest) == item:
            return below
        if form == "k" and isinstance(item, dict):
            keys = _read(rest)
            if keys and keys.items() <= item.items():
                return below
    return None


@lru_cache(maxsize=1000)
def _read(text: str) -> Any:
    """Read a small JSON text; {} when it is none. The result is shared: do not change it."""
    try:
        return wire.decode(text.encode())
    except wire.MalformedJsonError:
        return {}


def is_allocated(body: Json, *paths: Names) -> bool:
    """Tell whether the server chose a field's value, and nobody else has ever set it.

    ``paths`` are different names of one choice (clusterIP and clusterIPs): one that somebody set
    speaks for all. False when it cannot be known, because ownership was wiped: then keep. Our own
    manager counts like a person's: it writes what a commit says, and that was meant once.
    ``before-first-apply`` counts too: it is the server's word for "not known".
    """
    is_known = False
    for entry in _entries_of_people(body):
        fields = entry["fieldsV1"]
        if any(_owned_part(fields, path) is not None for path in paths):
            return False
        is_known = is_known or "f:spec" in fields
    return is_known and not any(_was_applied(body, path) for path in paths)


def _was_applied(body: Json, path: Names) -> bool:
    """Tell whether the last client-side ``kubectl apply`` sent a field."""
    text = dig(body, "metadata", "annotations", LAST_APPLIED)
    if not isinstance(text, str):
        return False
    node = _read_applied(text)
    for step in path:
        if isinstance(step, Item):
            items = node if isinstance(node, list) else []
            node = next((item for item in items if _is_same_item(item, step.value)), None)
        else:
            node = node.get(step) if isinstance(node, dict) else None
    return node is not None


@lru_cache(maxsize=4)  # several fields of one object are looked up, one after the other
def _read_applied(text: str) -> Any:
    try:
        return wire.decode(text.encode())
    except wire.MalformedJsonError:
        return None


_DEFAULTS = {"protocol": "TCP"}
"""Of fields that identify an item, and that a person may leave out."""


def _is_same_item(applied: Any, item: Json) -> bool:
    return isinstance(applied, dict) and all(
        applied.get(key, _DEFAULTS.get(key)) == value for key, value in item.items()
    )


def is_untouched(body: Json) -> bool:
    """Tell whether nobody but the control plane has written an object.

    False when that cannot be known, because ownership was wiped or is older than managedFields.
    """
    return bool(_entries(body)) and next(_entries_of_people(body), None) is None


def manager_of(body: Json, path: Sequence[Any]) -> str:
    """Return the field manager that last set a field of a raw object; "" when nobody owns it.

    ``path`` holds keys, and for items of lists their index, or a text whose attribute ``fields``
    names the item by (key, value) pairs: as in the paths of field differences.
    """
    names: list[str | Item] = []
    value: Any = body
    for part in path:
        if isinstance(value, list):
            value = _find_item(value, part)
            names.append(Item(value))
        else:
            value = value.get(part) if isinstance(value, dict) else None
            names.append(str(part))
    owners = [
        entry for entry in _entries(body) if _owned_part(entry.get("fieldsV1"), names) is not None
    ]
    last = max(owners, key=lambda entry: str(entry.get("time") or ""), default=None)
    return str(last.get("manager") or "") if last else ""


def _find_item(items: list[Any], part: Any) -> Any:
    if isinstance(part, int):
        return items[part] if part < len(items) else None
    wanted = dict(getattr(part, "fields", ()))
    found = (item for item in items if isinstance(item, dict) and wanted.items() <= item.items())
    return next(found, None) if wanted else None
