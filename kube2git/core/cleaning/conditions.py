"""The conditions and normal forms that rules name: small pure functions of one place in an object.

When in doubt a condition says no, so that the field stays: a kept default is noise, a dropped
intent is data loss.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from kube2git.core import wire
from kube2git.core.cleaning.context import Context
from kube2git.core.cleaning.ownership import Item, is_allocated, is_untouched
from kube2git.core.objects import ObjectRef, group_of
from kube2git.core.snapshots import RESTORE_PREFIX
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of


class Site(NamedTuple):
    """One place in an object, and what is around it."""

    value: Any
    parent: Any
    """The mapping or list that holds the value."""
    key: str | int
    body: Json
    """The whole object, as the server gave it."""
    context: Context


Condition = Callable[[Site], bool]
Normaliser = Callable[[Site], Any]


def _annotations(body: Json) -> Json:
    found = dig(body, "metadata", "annotations")
    return found if isinstance(found, dict) else {}


def _labels(body: Json) -> Json:
    found = dig(body, "metadata", "labels")
    return found if isinstance(found, dict) else {}


def _place(body: Json) -> tuple[str, str]:
    namespace, name = dig(body, "metadata", "namespace"), dig(body, "metadata", "name")
    return str(namespace or ""), str(name or "")


# ── Any kind ─────────────────────────────────────────────────────────────────────────────────


def object_has_a_name(site: Site) -> bool:
    return bool(site.parent.get("name"))


def status_is_observed(site: Site) -> bool:
    served = (site.body["apiVersion"], site.body["kind"])
    return served not in site.context.kinds_without_status_subresource


def status_is_a_field(site: Site) -> bool:
    return not status_is_observed(site)


def autoscaler_sets_it(site: Site) -> bool:
    targets = site.context.hpa_targets
    if not targets:
        return False
    group, kind = group_of(site.body["apiVersion"]), site.body["kind"]
    return ObjectRef(group, kind, *_place(site.body)) in targets


def controller_made_it(site: Site) -> bool:
    """A controller owns the object, and can make it again.

    Secrets and claims hold data that their owner cannot bring back, so they are never derived.
    """
    if dig(site.value, "controller") is not True:
        return False
    holds_data = site.body.get("kind") in ("Secret", "PersistentVolumeClaim")
    return not (holds_data and site.body.get("apiVersion") == "v1")


def is_of_a_rehearsal(site: Site) -> bool:
    namespace, name = _place(site.body)
    home = name if site.body["kind"] == "Namespace" and not namespace else namespace
    return home in site.context.rehearsals


def nobody_else_wrote_it(site: Site) -> bool:
    return is_untouched(site.body)


def server_keeps_it(site: Site) -> bool:
    """The server resets the object at its start, and nobody has written it."""
    annotations = _annotations(site.body)
    marks = ("rbac.authorization.kubernetes.io/autoupdate", "apf.kubernetes.io/autoupdate-spec")
    return any(annotations.get(mark) == "true" for mark in marks) and is_untouched(site.body)


def is_rbac_default(site: Site) -> bool:
    return site.value == "rbac-defaults" and server_keeps_it(site)


def is_bare(site: Site) -> bool:
    """Nothing but its identity is left of the object."""
    is_named_only = set(dig(site.value, "metadata")) <= {"name", "namespace"}
    return is_named_only and set(site.value) <= {"apiVersion", "kind", "metadata"}


# ── Service ──────────────────────────────────────────────────────────────────────────────────


def address_is_allocated(site: Site) -> bool:
    """The clusterIP is neither headless nor chosen by a person; clusterIPs is judged as one."""
    spec = site.parent
    if spec.get("clusterIP") in (None, "", "None"):
        return False
    return is_allocated(site.body, ("spec", "clusterIP"), ("spec", "clusterIPs"))


def is_allocated_in_spec(site: Site) -> bool:
    return is_allocated(site.body, ("spec", str(site.key)))


def node_port_is_allocated(site: Site) -> bool:
    port = site.parent
    item = Item({"port": port.get("port"), "protocol": port.get("protocol", "TCP")})
    return is_allocated(site.body, ("spec", "ports", item, "nodePort"))


def address_is_kept(site: Site) -> bool:
    return site.value not in ("None", ["None"])


# ── Workloads ────────────────────────────────────────────────────────────────────────────────

_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]{5}"
"""The alphabet of apimachinery's names.SimpleNameGenerator."""
_API_ACCESS = re.compile(f"kube-api-access-{_RANDOM}")
_TOKEN_SECRET = re.compile(f"(.+)-(?:token|dockercfg)-{_RANDOM}")
_TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path


def _is_injected_volume(volume: Any, body: Json) -> bool:
    if not isinstance(volume, dict) or not isinstance(volume.get("name"), str):
        return False
    if _API_ACCESS.fullmatch(volume["name"]):
        sources = items_of(volume, "projected", "sources")
        return any("serviceAccountToken" in source for source in sources)
    account = dig(body, "spec", "serviceAccountName") or "default"
    match = _TOKEN_SECRET.fullmatch(volume["name"])
    is_token = match is not None and match[1] == account
    return is_token and dig(volume, "secret", "secretName") == volume["name"]


def volume_is_injected(site: Site) -> bool:
    return _is_injected_volume(site.value, site.body)


def mount_is_injected(site: Site) -> bool:
    mount = site.value
    if not isinstance(mount, dict) or mount.get("mountPath") != _TOKEN_MOUNT:
        return False
    volumes = items_of(site.body, "spec", "volumes")
    return any(
        volume.get("name") == mount.get("name") and _is_injected_volume(volume, site.body)
        for volume in volumes
    )


def same_as_service_account_name(site: Site) -> bool:
    return bool(site.value == site.parent.get("serviceAccountName"))


def is_not_from_the_api(site: Site) -> bool:
    """A kubelet read the Pod from a file (config.source), or shows it so (config.mirror)."""
    return bool(site.value != "api")


_SIDECARS = frozenset({"istio-proxy", "istio-init", "linkerd-proxy", "linkerd-init"})


def is_injected_sidecar(site: Site) -> bool:
    return isinstance(site.value, dict) and site.value.get("name") in _SIDECARS


def job_selects_by_itself(site: Site) -> bool:
    return dig(site.body, "spec", "manualSelector") is not True


def is_unused_by_manual_selector(site: Site) -> bool:
    if job_selects_by_itself(site):
        return False
    return site.key not in (dig(site.body, "spec", "selector", "matchLabels") or {})


def has_aggregation_rule(site: Site) -> bool:
    return bool(site.parent.get("aggregationRule"))


# ── Storage ──────────────────────────────────────────────────────────────────────────────────


def binder_chose_it(site: Site) -> bool:
    return "pv.kubernetes.io/bound-by-controller" in _annotations(site.body)


_CLASSIC_SOURCES = (
    ("", "PersistentVolumeClaim"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
)


def _is_mirrored(spec: Json) -> bool:
    return bool(spec.get("dataSource") == spec.get("dataSourceRef"))


def _is_classic(source: Any) -> bool:
    return (dig(source, "apiGroup") or "", dig(source, "kind")) in _CLASSIC_SOURCES


def is_mirror_of_data_source(site: Site) -> bool:
    return _is_mirrored(site.parent) and _is_classic(site.value)


def is_mirror_of_data_source_ref(site: Site) -> bool:
    """The server drops a dataSource of another kind when it comes alone, so dataSourceRef stays."""
    return _is_mirrored(site.parent) and not _is_classic(site.value)


def came_by_a_restore(site: Site) -> bool:
    """The server lets nobody take it out again, and what it names is gone."""
    name = site.value if isinstance(site.value, str) else dig(site.value, "name")
    return str(name).startswith(RESTORE_PREFIX)


def has_snapshot_handle(site: Site) -> bool:
    return bool(dig(site.body, "status", "snapshotHandle")) and "volumeHandle" in site.value


def by_snapshot_handle(site: Site) -> Any:
    """Name the snapshot as an import does, instead of the volume that it was taken of."""
    return {"snapshotHandle": site.body["status"]["snapshotHandle"]}


# ── Configuration and access ─────────────────────────────────────────────────────────────────


def is_generated_for_account(site: Site) -> bool:
    """An entry, or its name, is a Secret that a controller made for this ServiceAccount."""
    name = site.value.get("name") if isinstance(site.value, dict) else None
    match = _TOKEN_SECRET.fullmatch(name) if isinstance(name, str) else None
    return match is not None and match[1] == dig(site.body, "metadata", "name")


def secret_is_account_token(site: Site) -> bool:
    return bool(site.body.get("type") == "kubernetes.io/service-account-token")


def is_generated_dockercfg(site: Site) -> bool:
    marks = (
        "kubernetes.io/service-account.name",
        "openshift.io/internal-registry-auth-token.service-account",
    )
    is_dockercfg = site.value == "kubernetes.io/dockercfg"
    return is_dockercfg and any(mark in _annotations(site.body) for mark in marks)


def copies_a_secret(site: Site) -> bool:
    """A text is the JSON of an object with data, such as a tool keeps of what it applied."""
    if not (isinstance(site.value, str) and ('"data"' in site.value or "Data" in site.value)):
        return False
    try:
        found = json.loads(site.value)
    except ValueError:
        return False
    return isinstance(found, dict) and bool(found.keys() & {"data", "stringData"})


def holds_no_data(site: Site) -> bool:
    return not any(site.body.get(key) for key in ("data", "binaryData", "stringData", "subsets"))


_INJECTION_MARKS = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
    "service.alpha.openshift.io/inject-cabundle",
)


def authority_is_injected(site: Site) -> bool:
    annotations = _annotations(site.body)
    return any(mark in annotations for mark in _INJECTION_MARKS)


# ── Endpoints ────────────────────────────────────────────────────────────────────────────────


def endpoints_are_derived(site: Site) -> bool:
    """The endpoints controller made them, by its label or (before 1.33) as the owner of subsets."""
    if _place(site.body) in site.context.selectorless_services:
        return False
    maker = _labels(site.body).get("endpoints.kubernetes.io/managed-by")
    return maker == "endpoint-controller" or is_untouched(site.body)


_SLICE_CONTROLLERS = (
    "endpointslice-controller.k8s.io",
    "endpointslicemirroring-controller.k8s.io",
)


def slice_is_derived(site: Site) -> bool:
    if site.value in _SLICE_CONTROLLERS:
        return True
    namespace, _ = _place(site.body)
    service = _labels(site.body).get("kubernetes.io/service-name")
    made_by_hand = (namespace, str(service)) in site.context.selectorless_services
    return service is not None and not made_by_hand


# ── Normal forms ─────────────────────────────────────────────────────────────────────────────


def empty_list(_: Site) -> Any:
    return []


def in_order(site: Site) -> Any:
    """Sort the items of a list whose order has no meaning, by their canonical JSON."""
    if not isinstance(site.value, list):
        return site.value
    ordered = sorted(site.value, key=wire.canonical)
    return site.value if ordered == site.value else ordered


def _by_name(*functions: Callable[[Site], Any]) -> dict[str, Callable[[Site], Any]]:
    return {function.__name__.replace("_", "-"): function for function in functions}


CONDITIONS: dict[str, Condition] = _by_name(
    object_has_a_name,
    status_is_observed,
    status_is_a_field,
    autoscaler_sets_it,
    controller_made_it,
    is_of_a_rehearsal,
    nobody_else_wrote_it,
    server_keeps_it,
    is_rbac_default,
    is_bare,
    address_is_allocated,
    is_allocated_in_spec,
    node_port_is_allocated,
    address_is_kept,
    volume_is_injected,
    mount_is_injected,
    same_as_service_account_name,
    is_not_from_the_api,
    is_injected_sidecar,
    job_selects_by_itself,
    is_unused_by_manual_selector,
    has_aggregation_rule,
    binder_chose_it,
    is_mirror_of_data_source,
    is_mirror_of_data_source_ref,
    came_by_a_restore,
    has_snapshot_handle,
    is_generated_for_account,
    secret_is_account_token,
    is_generated_dockercfg,
    copies_a_secret,
    holds_no_data,
    authority_is_injected,
    endpoints_are_derived,
    slice_is_derived,
)

NORMAL_FORMS: dict[str, Normaliser] = _by_name(empty_list, in_order, by_snapshot_handle)
