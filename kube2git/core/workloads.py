"""What every kind that runs Pods has in common: where its Pod template stands, and its labels."""

from __future__ import annotations

from typing import Any

from kube2git.core.wire import Json

POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "ReplicationController": ("spec", "template", "spec"),
    "DaemonSet.apps": ("spec", "template", "spec"),
    "Deployment.apps": ("spec", "template", "spec"),
    "ReplicaSet.apps": ("spec", "template", "spec"),
    "StatefulSet.apps": ("spec", "template", "spec"),
    "Job.batch": ("spec", "template", "spec"),
    "CronJob.batch": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""kind_group -> the way to the Pod's spec, in every built-in kind that has one."""

CUSTOM_POD_SPEC = ("spec", "template", "spec")
"""Where custom resources that run Pods keep it (Argo Rollouts, Knative Services, CloneSets …)."""

SCALED = frozenset(
    {"Deployment.apps", "ReplicaSet.apps", "StatefulSet.apps", "ReplicationController"}
)
"""Built-in kinds with ``spec.replicas``."""

WORKLOADS = frozenset(POD_SPECS) - {"PodTemplate"}
"""Built-in kinds that make Pods, or are one."""


def dig(body: Any, *steps: str) -> Any:
    """Return the value at the end of nested fields; None when one of them is not there."""
    node = body
    for step in steps:
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node


def items_of(body: Any, *steps: str) -> list[Json]:
    """Return the objects in the list at the end of nested fields; [] when there is no list."""
    found = dig(body, *steps)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def pod_spec(kind_group: str, body: Json) -> Json | None:
    """Return the spec of the Pods that an object runs; None when it runs none."""
    steps = POD_SPECS.get(kind_group)
    spec = dig(body, *(steps or CUSTOM_POD_SPEC))
    if not isinstance(spec, dict) or (steps is None and not items_of(spec, "containers")):
        return None
    return spec


def pod_labels(kind_group: str, body: Json) -> dict[str, str]:
    """Return the labels of the Pods that an object runs; {} when it runs none."""
    if kind_group == "Pod":
        labels = dig(body, "metadata", "labels")
    else:
        steps = POD_SPECS.get(kind_group, CUSTOM_POD_SPEC)
        labels = dig(body, *steps[:-1], "metadata", "labels")
    return labels if isinstance(labels, dict) else {}


def all_containers(spec: Json) -> list[Json]:
    """Return the containers of a Pod's spec, of every sort."""
    return [
        container
        for sort in ("initContainers", "containers", "ephemeralContainers")
        for container in items_of(spec, sort)
    ]
