"""Is an object ready? By kind, from its live body alone: no clock, no other object.

The rules are those of kstatus (sigs.k8s.io/cli-utils) and ``kubectl rollout status``; where they
differ, or where kube2git goes another way, the rule says so.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kube2git.core.objects import ref_of
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of


class Status(enum.StrEnum):
    CURRENT = "current"
    """It is what its spec says; nothing is left to wait for."""
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    """It will not get there without somebody's help."""
    UNKNOWN = "unknown"
    """Nothing in it tells; treat it as observed, not as ready."""


class Health(NamedTuple):
    status: Status
    message: str
    """For people: a clause that goes on after the object's name."""


class Conditions(NamedTuple):
    """Which conditions tell of a kind whether it is ready."""

    ready: tuple[str, ...]
    """The first of these that the object has decides: True is ready, anything else is not yet."""
    failed: tuple[str, ...] = ()
    """Any of these being True has failed."""
    is_required: bool = False
    """True: without any such condition the object is still in progress, not unknown."""
    source: str = ""


GENERIC = Conditions(
    ready=("Ready", "Available"),
    failed=("Stalled",),
    source="kstatus, status/generic.go; Available as in kapp's and Helm's waiting",
)

CONDITIONS: dict[str, Conditions] = {
    "APIService.apiregistration.k8s.io": Conditions(
        ("Available",), is_required=True, source="kube-aggregator sets it for every APIService"
    ),
    "Gateway.gateway.networking.k8s.io": Conditions(
        ("Programmed", "Accepted"), source="Gateway API: Programmed means that traffic can flow"
    ),
    "Node": Conditions(("Ready",), is_required=True, source="the kubelet sets it"),
}
"""Kinds that tell by conditions other than the generic ones; config adds to it."""

BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
"""Groups of the API server itself: a kind of theirs without a rule is ready when it exists."""


def verdict(
    body: Json,
    *,
    is_unused_claim: bool = False,
    conditions: Mapping[str, Conditions] | None = None,
) -> Health:
    """Tell whether a live object is ready.

    ``is_unused_claim``: no Pod uses this PersistentVolumeClaim and its class binds on first use,
    so Pending is as far as it gets. ``conditions`` adds to, or replaces, rows of CONDITIONS.
    """
    kind = ref_of(body).kind_group
    if dig(body, "metadata", "deletionTimestamp"):
        return _waiting("is being deleted")
    lag = _generation_lag(body)
    if lag is not None:
        return lag
    if conditions and kind in conditions:
        return _by_conditions(body, conditions[kind], kind)
    if kind == "PersistentVolumeClaim" and is_unused_claim and _phase(body) == "Pending":
        return _current("binds when the first Pod uses it")
    rule = _RULES.get(kind)
    if rule is not None:
        return rule(body)
    return _by_conditions(body, CONDITIONS.get(kind, GENERIC), kind)


def _current(message: str) -> Health:
    return Health(Status.CURRENT, message)


def _waiting(message: str) -> Health:
    return Health(Status.IN_PROGRESS, message)


def _failed(message: str) -> Health:
    return Health(Status.FAILED, message)


def _number(body: Json, *steps: str, default: int = 0) -> int:
    value = dig(body, *steps)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _condition(body: Json, type: str) -> Json | None:
    for condition in items_of(body, "status", "conditions"):
        if condition.get("type") == type:
            return condition
    return None


def _is_true(body: Json, type: str) -> bool:
    condition = _condition(body, type)
    return condition is not None and condition.get("status") == "True"


def _why(condition: Json) -> str:
    """Return a condition's reason; its message is left out, since it can quote anything."""
    reason = condition.get("reason")
    return f" ({reason})" if reason else ""


def _phase(body: Json) -> str:
    phase = dig(body, "status", "phase")
    return phase if isinstance(phase, str) else ""


def _generation_lag(body: Json) -> Health | None:
    """kstatus: a controller that reports observedGeneration must have seen the newest one."""
    observed = dig(body, "status", "observedGeneration")
    generation = dig(body, "metadata", "generation")
    if isinstance(observed, int) and isinstance(generation, int) and observed < generation:
        return _waiting("has not been looked at by its controller since the change")
    return None


def _by_conditions(body: Json, rule: Conditions, kind: str) -> Health:
    for type in rule.failed:
        condition = _condition(body, type)
        if condition is not None and condition.get("status") == "True":
            return _failed(f"is {type}{_why(condition)}")
    # kstatus: Reconciling goes before Ready, which may still tell of the generation before.
    reconciling = _condition(body, "Reconciling")
    if reconciling is not None and reconciling.get("status") == "True":
        return _waiting(f"is being reconciled{_why(reconciling)}")
    for type in rule.ready:
        condition = _condition(body, type)
        if condition is not None:
            if condition.get("status") == "True":
                return _current(f"is {type}")
            return _waiting(f"is not {type} yet{_why(condition)}")
    if rule.is_required:
        return _waiting(f"has not reported {rule.ready[0]} yet")
    group = kind.partition(".")[2]
    if group in BUILT_IN_GROUPS:
        return _current("exists")
    return Health(Status.UNKNOWN, "exists; nothing in its status tells whether it is ready")


def _deployment(body: Json) -> Health:
    """kstatus deploymentConditions; paused as ``kubectl rollout`` never finishes."""
    progressing = _condition(body, "Progressing")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed("did not progress within its progressDeadlineSeconds")
    if dig(body, "spec", "paused") is True:
        return _current("is paused: nobody rolls it out until it is resumed")
    if dig(body, "status", "observedGeneration") is None:
        return _waiting("has not been looked at by its controller yet")
    wanted = _number(body, "spec", "replicas", default=1)
    total, updated, available, ready = (
        _number(body, "status", name)
        for name in ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
    )
    if updated < wanted:
        return _waiting(f"has {updated} of {wanted} updated replicas")
    if total > updated:
        return _waiting(f"has {total - updated} old replicas that are still stopping")
    if available < updated:
        return _waiting(f"has {available} of {updated} replicas available")
    if ready < wanted:
        return _waiting(f"has {ready} of {wanted} replicas ready")
    if not _is_true(body, "Available"):
        return _waiting("is not Available yet")
    return _current(f"has {total} of {wanted} replicas available")


def _stateful_set(body: Json) -> Health:
    """kstatus stsConditions; OnDelete still waits for as many ready Pods as the spec says.

    kstatus calls an OnDelete set current at once, which would be true before its first Pod runs.
    """
    if dig(body, "status", "observedGeneration") is None:
        return _waiting("has not been looked at by its controller yet")
    wanted = _number(body, "spec", "replicas", default=1)
    total, ready, updated = (
        _number(body, "status", name) for name in ("replicas", "readyReplicas", "updatedReplicas")
    )
    if ready < wanted:
        return _waiting(f"has {ready} of {wanted} replicas ready")
    if total > wanted:
        return _waiting(f"has {total - wanted} replicas that are still stopping")
    if dig(body, "spec", "updateStrategy", "type") == "OnDelete":
        return _current(f"has {ready} of {wanted} replicas ready; they are updated when deleted")
    partition = _number(body, "spec", "updateStrategy", "rollingUpdate", "partition")
    if updated < wanted - partition:
        return _waiting(f"has {updated} of {wanted - partition} updated replicas")
    current, newest = (dig(body, "status", name) for name in ("currentRevision", "updateRevision"))
    if partition == 0 and current != newest:
        return _waiting("is still moving to its newest revision")
    return _current(f"has {ready} of {wanted} replicas ready")


def _daemon_set(body: Json) -> Health:
    """kstatus daemonsetConditions; OnDelete does not wait for updated Pods (kubectl refuses)."""
    if dig(body, "status", "observedGeneration") is None:
        return _waiting("has not been looked at by its controller yet")
    wanted, scheduled, updated, available, ready = (
        _number(body, "status", name)
        for name in (
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberReady",
        )
    )
    if scheduled < wanted:
        return _waiting(f"runs on {scheduled} of {wanted} nodes")
    if dig(body, "spec", "updateStrategy", "type") != "OnDelete" and updated < wanted:
        return _waiting(f"is updated on {updated} of {wanted} nodes")
    if available < wanted or ready < wanted:
        return _waiting(f"is available on {min(available, ready)} of {wanted} nodes")
    return _current(f"is available on {available} of {wanted} nodes")


def _replica_set(body: Json) -> Health:
    """kstatus replicasetConditions; a ReplicationController has the same status."""
    if _is_true(body, "ReplicaFailure"):
        return _waiting("cannot make its Pods")
    if dig(body, "status", "observedGeneration") is None:
        return _waiting("has not been looked at by its controller yet")
    wanted = _number(body, "spec", "replicas", default=1)
    total, available = (_number(body, "status", name) for name in ("replicas", "availableReplicas"))
    if available < wanted:
        return _waiting(f"has {available} of {wanted} replicas available")
    if total > wanted:
        return _waiting(f"has {total - wanted} replicas that are still stopping")
    return _current(f"has {available} of {wanted} replicas available")


def _pod(body: Json) -> Health:
    """kstatus podConditions; without a clock an unschedulable Pod stays in progress."""
    phase = _phase(body)
    if phase == "Succeeded":
        return _current("has completed")
    if phase == "Failed":
        return _failed("has failed")
    if phase == "Running" and _is_true(body, "Ready"):
        return _current("is Ready")
    looping = [
        str(status.get("name"))
        for sort in ("initContainerStatuses", "containerStatuses")
        for status in items_of(body, "status", sort)
        if dig(status, "state", "waiting", "reason") == "CrashLoopBackOff"
    ]
    if looping:
        return _failed(f"restarts again and again in {', '.join(looping)}")
    scheduled = _condition(body, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "Unschedulable":
        return _waiting("fits on no node so far")
    return _waiting("is running and not Ready yet" if phase == "Running" else "has not started yet")


def _job(body: Json) -> Health:
    """kstatus jobConditions: ready means started; whether it succeeds is the Job's own matter."""
    if _is_true(body, "Complete"):
        return _current("has completed")
    failed = _condition(body, "Failed")
    if failed is not None and failed.get("status") == "True":
        return _failed(f"has failed{_why(failed)}")
    if dig(body, "spec", "suspend") is True or _is_true(body, "Suspended"):
        return _current("is suspended")
    if not dig(body, "status", "startTime"):
        return _waiting("has not started yet")
    return _current("is running")


def _claim(body: Json) -> Health:
    """kstatus pvcConditions; Lost is final, since a claim never gets another volume."""
    phase = _phase(body)
    if phase == "Bound":
        return _current("is Bound")
    if phase == "Lost":
        return _failed("has lost its volume")
    return _waiting("is not Bound yet")


def _volume(body: Json) -> Health:
    """The phases of core/v1 PersistentVolumeStatus; Released waits for a person."""
    phase = _phase(body)
    if phase in ("Available", "Bound"):
        return _current(f"is {phase}")
    if phase == "Failed":
        return _failed("could not be reclaimed")
    if phase == "Released":
        return _failed("is Released: its claim is gone, and no other can have it")
    return _waiting("is not Available yet")


def _service(body: Json) -> Health:
    """kstatus serviceConditions; a load balancer's address is waited for, as Helm does."""
    if dig(body, "spec", "type") != "LoadBalancer":
        return _current("exists")
    if items_of(body, "status", "loadBalancer", "ingress"):
        return _current("has an address")
    return _waiting("has no load balancer address yet")


def _ingress(body: Json) -> Health:
    """Current at once, as in kstatus: many controllers never write an address into its status."""
    if items_of(body, "status", "loadBalancer", "ingress"):
        return _current("has an address")
    return _current("exists; its controller has not reported an address")


def _crd(body: Json) -> Health:
    """kstatus crdConditions."""
    accepted = _condition(body, "NamesAccepted")
    if accepted is not None and accepted.get("status") == "False":
        return _failed(f"has names that collide with another kind's{_why(accepted)}")
    established = _condition(body, "Established")
    if established is None:
        return _waiting("is not Established yet")
    if established.get("status") == "True" and accepted is not None:
        return _current("is Established")
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return _failed(f"cannot be Established{_why(established)}")
    return _waiting("is not Established yet")


def _namespace(body: Json) -> Health:
    if _phase(body) == "Active":
        return _current("is Active")
    return _waiting("is not Active yet")


def _autoscaler(body: Json) -> Health:
    """Ready when it can reach its target; metrics may be missing for as long as they like."""
    able = _condition(body, "AbleToScale")
    if able is None:
        return _waiting("has not been looked at by its controller yet")
    if able.get("status") != "True":
        return _waiting(f"cannot scale its target yet{_why(able)}")
    return _current("can scale its target")


def _disruption_budget(body: Json) -> Health:
    """kstatus pdbConditions: ready once the controller has counted, whatever the count."""
    if dig(body, "status", "observedGeneration") is None:
        return _waiting("has not been looked at by its controller yet")
    return _current("has been computed")


_RULES: dict[str, Callable[[Json], Health]] = {
    "CronJob.batch": lambda _: _current("exists"),
    "CustomResourceDefinition.apiextensions.k8s.io": _crd,
    "DaemonSet.apps": _daemon_set,
    "Deployment.apps": _deployment,
    "HorizontalPodAutoscaler.autoscaling": _autoscaler,
    "Ingress.networking.k8s.io": _ingress,
    "Job.batch": _job,
    "Namespace": _namespace,
    "PersistentVolume": _volume,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "PodDisruptionBudget.policy": _disruption_budget,
    "ReplicaSet.apps": _replica_set,
    "ReplicationController": _replica_set,
    "Service": _service,
    "StatefulSet.apps": _stateful_set,
}
