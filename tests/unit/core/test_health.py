"""health: ready means what kstatus and kubectl rollout status mean, by kind."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.health import Conditions, Status, verdict
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import obj

APPS, BATCH = "apps/v1", "batch/v1"
CURRENT, WAITING, FAILED = Status.CURRENT, Status.IN_PROGRESS, Status.FAILED
CRD, AGGREGATED = "apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1"


def condition(type: str, status: str = "True", reason: str = "") -> Json:
    return {"type": type, "status": status} | ({"reason": reason} if reason else {})


def seen(api: str, kind: str, spec: Json, *conditions: Json, **status: Any) -> Json:
    """Return a live object that its controller has looked at."""
    status = {"observedGeneration": 2, **status}
    if conditions:
        status["conditions"] = list(conditions)
    return obj(api, kind, "a", "b", metadata={"generation": 2}, spec=spec, status=status)


def deployment(spec: Json, *conditions: Json, **numbers: int) -> Json:
    available = condition("Available")
    return seen(APPS, "Deployment", spec, *(conditions or (available,)), **numbers)


THREE = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
DEPLOYMENTS = [
    (deployment({"replicas": 3}, **THREE), CURRENT, "has 3 of 3 replicas available"),
    (deployment({"replicas": 0}), CURRENT, "has 0 of 0 replicas available"),
    (deployment({}), WAITING, "has 0 of 1 updated replicas"),
    (
        deployment({"replicas": 3}, **{**THREE, "updatedReplicas": 2}),
        WAITING,
        "has 2 of 3 updated replicas",
    ),
    (
        deployment({"replicas": 3}, **{**THREE, "replicas": 4}),
        WAITING,
        "has 1 old replicas that are still stopping",
    ),
    (
        deployment({"replicas": 3}, **{**THREE, "availableReplicas": 1}),
        WAITING,
        "has 1 of 3 replicas available",
    ),
    (
        deployment({"replicas": 3}, **{**THREE, "readyReplicas": 2}),
        WAITING,
        "has 2 of 3 replicas ready",
    ),
    (
        deployment({"replicas": 3}, condition("Available", "False"), **THREE),
        WAITING,
        "is not Available yet",
    ),
    (
        deployment({}, condition("Progressing", "False", "ProgressDeadlineExceeded")),
        FAILED,
        "did not progress within its progressDeadlineSeconds",
    ),
    (
        deployment({"paused": True}),
        CURRENT,
        "is paused: nobody rolls it out until it is resumed",
    ),
    (
        obj(APPS, "Deployment", "a", "b", spec={"replicas": 0}),
        WAITING,
        "has not been looked at by its controller yet",
    ),
]


def stateful_set(spec: Json, **status: Any) -> Json:
    return seen(APPS, "StatefulSet", spec, **status)


RUN = {"replicas": 3, "readyReplicas": 3, "updatedReplicas": 3}
MOVING = {"currentRevision": "one", "updateRevision": "two"}
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
STATEFUL_SETS = [
    (stateful_set({"replicas": 3}, **RUN), CURRENT, "has 3 of 3 replicas ready"),
    (
        stateful_set({"replicas": 3}, **{**RUN, "readyReplicas": 1}),
        WAITING,
        "has 1 of 3 replicas ready",
    ),
    (
        stateful_set({"replicas": 2}, **RUN),
        WAITING,
        "has 1 replicas that are still stopping",
    ),
    (
        stateful_set({"replicas": 3}, **{**RUN, "updatedReplicas": 2}),
        WAITING,
        "has 2 of 3 updated replicas",
    ),
    (
        stateful_set({"replicas": 3}, **RUN, **MOVING),
        WAITING,
        "is still moving to its newest revision",
    ),
    (
        stateful_set({"replicas": 3, **PARTITION}, **{**RUN, "updatedReplicas": 1}, **MOVING),
        CURRENT,
        "has 3 of 3 replicas ready",
    ),
    (
        stateful_set({"replicas": 3, **PARTITION}, **{**RUN, "updatedReplicas": 0}),
        WAITING,
        "has 0 of 1 updated replicas",
    ),
    (
        stateful_set({"replicas": 3, **ON_DELETE}, **{**RUN, "updatedReplicas": 0}, **MOVING),
        CURRENT,
        "has 3 of 3 replicas ready; they are updated when deleted",
    ),
    (
        stateful_set({"replicas": 3, **ON_DELETE}),
        WAITING,
        "has 0 of 3 replicas ready",
    ),
    (
        obj(APPS, "StatefulSet", "a", "b", spec={"replicas": 0}),
        WAITING,
        "has not been looked at by its controller yet",
    ),
]

NODES = {
    "desiredNumberScheduled": 2,
    "currentNumberScheduled": 2,
    "updatedNumberScheduled": 2,
    "numberAvailable": 2,
    "numberReady": 2,
}
DAEMON_SETS = [
    (seen(APPS, "DaemonSet", {}, **NODES), CURRENT, "is available on 2 of 2 nodes"),
    (
        seen(APPS, "DaemonSet", {}, **{**NODES, "currentNumberScheduled": 1}),
        WAITING,
        "runs on 1 of 2 nodes",
    ),
    (
        seen(APPS, "DaemonSet", {}, **{**NODES, "updatedNumberScheduled": 1}),
        WAITING,
        "is updated on 1 of 2 nodes",
    ),
    (
        seen(APPS, "DaemonSet", ON_DELETE, **{**NODES, "updatedNumberScheduled": 1}),
        CURRENT,
        "is available on 2 of 2 nodes",
    ),
    (
        seen(APPS, "DaemonSet", {}, **{**NODES, "numberReady": 1}),
        WAITING,
        "is available on 1 of 2 nodes",
    ),
    (
        obj(APPS, "DaemonSet", "a", "b"),
        WAITING,
        "has not been looked at by its controller yet",
    ),
]

REPLICA_SETS = [
    (
        seen(kind_api, kind, {"replicas": 2}, replicas=2, availableReplicas=2),
        CURRENT,
        "has 2 of 2 replicas available",
    )
    for kind_api, kind in ((APPS, "ReplicaSet"), ("v1", "ReplicationController"))
] + [
    (
        seen(APPS, "ReplicaSet", {"replicas": 2}, replicas=2, availableReplicas=1),
        WAITING,
        "has 1 of 2 replicas available",
    ),
    (
        seen(APPS, "ReplicaSet", {"replicas": 1}, replicas=2, availableReplicas=2),
        WAITING,
        "has 1 replicas that are still stopping",
    ),
    (
        seen(APPS, "ReplicaSet", {}, condition("ReplicaFailure")),
        WAITING,
        "cannot make its Pods",
    ),
    (
        obj(APPS, "ReplicaSet", "a", "b", spec={"replicas": 0}),
        WAITING,
        "has not been looked at by its controller yet",
    ),
]


def pod(phase: str, *conditions: Json, **status: Any) -> Json:
    return obj(
        "v1", "Pod", "a", "b", status={"phase": phase, "conditions": list(conditions), **status}
    )


LOOPING = [{"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
PODS = [
    (pod("Running", condition("Ready")), CURRENT, "is Ready"),
    (pod("Succeeded"), CURRENT, "has completed"),
    (pod("Failed"), FAILED, "has failed"),
    (pod("Running", condition("Ready", "False")), WAITING, "is running and not Ready yet"),
    (
        pod("Running", condition("Ready", "False"), containerStatuses=LOOPING),
        FAILED,
        "restarts again and again in web",
    ),
    (pod("Pending", initContainerStatuses=LOOPING), FAILED, "restarts again and again in web"),
    (
        pod("Pending", condition("PodScheduled", "False", "Unschedulable")),
        WAITING,
        "fits on no node so far",
    ),
    (pod("Pending"), WAITING, "has not started yet"),
    (obj("v1", "Pod", "a", "b"), WAITING, "has not started yet"),
]

JOBS = [
    (obj(BATCH, "Job", "a", "b"), WAITING, "has not started yet"),
    (obj(BATCH, "Job", "a", "b", status={"startTime": "t"}), CURRENT, "is running"),
    (obj(BATCH, "Job", "a", "b", spec={"suspend": True}), CURRENT, "is suspended"),
    (seen(BATCH, "Job", {}, condition("Complete")), CURRENT, "has completed"),
    (seen(BATCH, "Job", {}, condition("Suspended")), CURRENT, "is suspended"),
    (
        seen(BATCH, "Job", {}, condition("Failed", reason="BackoffLimitExceeded")),
        FAILED,
        "has failed (BackoffLimitExceeded)",
    ),
    (seen(BATCH, "CronJob", {}), CURRENT, "exists"),
]


def phase(kind: str, name: str) -> Json:
    return obj("v1", kind, "a", status={"phase": name})


def balanced(kind: str, api: str, spec: Json, *addresses: str) -> Json:
    ingress = [{"ip": address} for address in addresses]
    return obj(api, kind, "a", "b", spec=spec, status={"loadBalancer": {"ingress": ingress}})


NET = "networking.k8s.io/v1"
OTHERS = [
    (phase("PersistentVolumeClaim", "Bound"), CURRENT, "is Bound"),
    (phase("PersistentVolumeClaim", "Pending"), WAITING, "is not Bound yet"),
    (phase("PersistentVolumeClaim", "Lost"), FAILED, "has lost its volume"),
    (phase("PersistentVolume", "Available"), CURRENT, "is Available"),
    (phase("PersistentVolume", "Bound"), CURRENT, "is Bound"),
    (phase("PersistentVolume", "Pending"), WAITING, "is not Available yet"),
    (phase("PersistentVolume", "Failed"), FAILED, "could not be reclaimed"),
    (
        phase("PersistentVolume", "Released"),
        FAILED,
        "is Released: its claim is gone, and no other can have it",
    ),
    (phase("Namespace", "Active"), CURRENT, "is Active"),
    (phase("Namespace", "Terminating"), WAITING, "is not Active yet"),
    (balanced("Service", "v1", {"type": "ClusterIP"}), CURRENT, "exists"),
    (
        balanced("Service", "v1", {"type": "LoadBalancer"}),
        WAITING,
        "has no load balancer address yet",
    ),
    (balanced("Service", "v1", {"type": "LoadBalancer"}, "1.2.3.4"), CURRENT, "has an address"),
    (balanced("Ingress", NET, {}, "1.2.3.4"), CURRENT, "has an address"),
    (
        balanced("Ingress", NET, {}),
        CURRENT,
        "exists; its controller has not reported an address",
    ),
    (
        seen(
            CRD,
            "CustomResourceDefinition",
            {},
            condition("NamesAccepted"),
            condition("Established"),
        ),
        CURRENT,
        "is Established",
    ),
    (
        seen(CRD, "CustomResourceDefinition", {}, condition("Established")),
        WAITING,
        "is not Established yet",
    ),
    (
        seen(CRD, "CustomResourceDefinition", {}, condition("Established", "False", "Installing")),
        WAITING,
        "is not Established yet",
    ),
    (
        seen(CRD, "CustomResourceDefinition", {}, condition("Established", "False", "NotAccepted")),
        FAILED,
        "cannot be Established (NotAccepted)",
    ),
    (
        seen(CRD, "CustomResourceDefinition", {}, condition("NamesAccepted", "False", "Conflict")),
        FAILED,
        "has names that collide with another kind's (Conflict)",
    ),
    (obj(CRD, "CustomResourceDefinition", "a"), WAITING, "is not Established yet"),
    (seen(AGGREGATED, "APIService", {}, condition("Available")), CURRENT, "is Available"),
    (
        seen(AGGREGATED, "APIService", {}, condition("Available", "False", "MissingEndpoints")),
        WAITING,
        "is not Available yet (MissingEndpoints)",
    ),
    (obj(AGGREGATED, "APIService", "a"), WAITING, "has not reported Available yet"),
    (seen("v1", "Node", {}, condition("Ready")), CURRENT, "is Ready"),
    (seen("v1", "Node", {}, condition("Ready", "Unknown")), WAITING, "is not Ready yet"),
    (
        seen("autoscaling/v2", "HorizontalPodAutoscaler", {}, condition("AbleToScale")),
        CURRENT,
        "can scale its target",
    ),
    (
        seen(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {},
            condition("AbleToScale", "False", "FailedGetScale"),
        ),
        WAITING,
        "cannot scale its target yet (FailedGetScale)",
    ),
    (
        obj("autoscaling/v2", "HorizontalPodAutoscaler", "a", "b"),
        WAITING,
        "has not been looked at by its controller yet",
    ),
    (seen("policy/v1", "PodDisruptionBudget", {}), CURRENT, "has been computed"),
    (
        obj("policy/v1", "PodDisruptionBudget", "a", "b"),
        WAITING,
        "has not been looked at by its controller yet",
    ),
    (obj("v1", "ConfigMap", "a", "b"), CURRENT, "exists"),
    (obj("rbac.authorization.k8s.io/v1", "ClusterRole", "a"), CURRENT, "exists"),
]

FOO = "x.io/v1"
CUSTOM = [
    (seen(FOO, "Foo", {}, condition("Ready")), CURRENT, "is Ready"),
    (
        seen(FOO, "Foo", {}, condition("Ready", "False", "Waiting")),
        WAITING,
        "is not Ready yet (Waiting)",
    ),
    (seen(FOO, "Foo", {}, condition("Ready", "Unknown")), WAITING, "is not Ready yet"),
    (seen(FOO, "Foo", {}, condition("Available")), CURRENT, "is Available"),
    (
        seen(FOO, "Foo", {}, condition("Available"), condition("Ready", "False")),
        WAITING,
        "is not Ready yet",
    ),
    (
        seen(FOO, "Foo", {}, condition("Ready"), condition("Stalled", reason="Broken")),
        FAILED,
        "is Stalled (Broken)",
    ),
    (
        seen(FOO, "Foo", {}, condition("Ready"), condition("Reconciling", reason="Progressing")),
        WAITING,
        "is being reconciled (Progressing)",
    ),
    (
        obj(FOO, "Foo", "a", metadata={"generation": 3}, status={"observedGeneration": 2}),
        WAITING,
        "has not been looked at by its controller since the change",
    ),
    (
        seen(FOO, "Foo", {}),
        Status.UNKNOWN,
        "exists; nothing in its status tells whether it is ready",
    ),
    (
        obj(FOO, "Foo", "a"),
        Status.UNKNOWN,
        "exists; nothing in its status tells whether it is ready",
    ),
    (
        obj(FOO, "Foo", "a", metadata={"deletionTimestamp": "t"}),
        WAITING,
        "is being deleted",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        *DEPLOYMENTS,
        *STATEFUL_SETS,
        *DAEMON_SETS,
        *REPLICA_SETS,
        *PODS,
        *JOBS,
        *OTHERS,
        *CUSTOM,
    ],
)
def test_an_object_is_as_ready_as_its_kind_says(body: Json, status: Status, message: str) -> None:
    assert verdict(body) == (status, message)


def test_a_change_that_the_controller_has_not_seen_is_never_ready() -> None:
    body = deployment({"replicas": 3}, **THREE)
    body["metadata"]["generation"] = 3
    assert verdict(body).status is WAITING


def test_a_claim_that_nobody_uses_binds_later() -> None:
    pending = phase("PersistentVolumeClaim", "Pending")
    assert verdict(pending, is_unused_claim=True).status is CURRENT
    lost = phase("PersistentVolumeClaim", "Lost")
    assert verdict(lost, is_unused_claim=True).status is FAILED


def test_config_can_say_how_a_kind_tells() -> None:
    rules = {"Foo.x.io": Conditions(("Synced",), failed=("Broken",), is_required=True)}
    assert verdict(seen(FOO, "Foo", {}), conditions=rules).status is WAITING
    assert verdict(seen(FOO, "Foo", {}, condition("Synced")), conditions=rules).status is CURRENT
    assert verdict(seen(FOO, "Foo", {}, condition("Broken")), conditions=rules).status is FAILED


def test_a_condition_s_message_is_not_passed_on() -> None:
    told = {**condition("Ready", "False", "Waiting"), "message": "password is hunter2"}
    assert "hunter2" not in verdict(seen(FOO, "Foo", {}, told)).message


@pytest.mark.parametrize("status", [{"phase": 7, "conditions": "none"}, {"conditions": [7]}, {}])
def test_a_status_of_an_odd_shape_is_not_ready(status: Json) -> None:
    assert verdict(obj("v1", "Pod", "a", "b", status=status)).status is WAITING
