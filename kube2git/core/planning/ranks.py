"""Which kinds come first among objects that do not need each other. Breaks ties, nothing else."""

from __future__ import annotations

_CUSTOM = "*"

RANKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("everything stands in one", ("Namespace",)),
    (
        "they make the kinds of other objects",
        ("CustomResourceDefinition.apiextensions.k8s.io",),
    ),
    (
        "classes that others choose from",
        (
            "PriorityClass.scheduling.k8s.io",
            "RuntimeClass.node.k8s.io",
            "StorageClass.storage.k8s.io",
            "VolumeAttributesClass.storage.k8s.io",
            "CSIDriver.storage.k8s.io",
            "VolumeSnapshotClass.snapshot.storage.k8s.io",
            "IngressClass.networking.k8s.io",
            "GatewayClass.gateway.networking.k8s.io",
            "DeviceClass.resource.k8s.io",
            "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io",
        ),
    ),
    ("identities", ("ServiceAccount",)),
    (
        "rights, before those who have them",
        ("ClusterRole.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io"),
    ),
    (
        "who has the rights",
        (
            "ClusterRoleBinding.rbac.authorization.k8s.io",
            "RoleBinding.rbac.authorization.k8s.io",
        ),
    ),
    (
        "limits hold only for Pods that start after them",
        ("ResourceQuota", "LimitRange", "NetworkPolicy.networking.k8s.io"),
    ),
    ("what Pods read", ("Secret", "ConfigMap")),
    ("what Pods store", ("PersistentVolume", "PersistentVolumeClaim")),
    (
        "names, before those who look them up",
        ("Service", "Endpoints", "EndpointSlice.discovery.k8s.io"),
    ),
    ("what operators work on", (_CUSTOM,)),
    (
        "what runs",
        (
            "DaemonSet.apps",
            "Deployment.apps",
            "StatefulSet.apps",
            "ReplicaSet.apps",
            "ReplicationController",
            "Pod",
        ),
    ),
    ("what runs once, after what it talks to", ("Job.batch", "CronJob.batch")),
    (
        "what watches over what runs",
        ("HorizontalPodAutoscaler.autoscaling", "PodDisruptionBudget.policy"),
    ),
    ("the way in, when there is something behind it", ("Ingress.networking.k8s.io",)),
    (
        "the API server asks their backend",
        ("APIService.apiregistration.k8s.io",),
    ),
    (
        "they may refuse what comes after them",
        (
            "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
            "MutatingAdmissionPolicy.admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
            "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        ),
    ),
    (
        "they refuse everything after them when their backend is down",
        (
            "MutatingWebhookConfiguration.admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        ),
    ),
)
"""(reason, kind_groups), first to last. ``*`` is every kind that is not named."""

_POSITIONS = {
    kind: (rank, place) for rank, (_, kinds) in enumerate(RANKS) for place, kind in enumerate(kinds)
}


def rank_of(kind_group: str) -> tuple[int, int]:
    """Return a key that sorts kinds in the table's order."""
    return _POSITIONS.get(kind_group, _POSITIONS[_CUSTOM])
