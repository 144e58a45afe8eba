"""Annotations of Kubernetes itself: which ones controllers write, and which only look like it."""

from collections.abc import Iterable

from kube2git.core.cleaning.catalogue.sources import (
    ARGO_CD,
    CSI,
    GENERAL,
    KS,
    KUBE_DUMP,
    KUBECTL_NEAT,
    KW,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule

_STRIP, _KEEP = Action.STRIP, Action.KEEP
_ANY = ("*",)
_HPA = ("HorizontalPodAutoscaler.autoscaling",)


def _annotations(*names: str, under: Iterable[str] = ("",)) -> tuple[str, ...]:
    return tuple(f'{path}metadata.annotations["{name}"]' for path in under for name in names)


_TEMPLATES = ("spec.template.", "spec.jobTemplate.spec.template.")

RULES: tuple[Rule, ...] = (
    # ── Copies of the whole object, which may hold a Secret in clear ─────────────────────────
    Rule(
        "last-applied",
        _STRIP,
        _ANY,
        _annotations("kubectl.kubernetes.io/last-applied-configuration"),
        "It is a copy of the whole object, and may hold a Secret in clear.",
        KS,
        is_required=True,
    ),
    Rule(
        "applied-copies",
        _STRIP,
        _ANY,
        _annotations(
            "kapp.k14s.io/original",
            "kapp.k14s.io/original-diff*",
            "objectset.rio.cattle.io/applied",
            "banzaicloud.com/last-applied",
            "*/last-applied-configuration",
            "*/last-handled-configuration",
        ),
        "It is a tool's copy of the whole object, and may hold a Secret in clear.",
        GENERAL,
        is_required=True,
    ),
    Rule(
        "secret-copies",
        _STRIP,
        ("Secret",),
        _annotations("*"),
        "It holds a copy of the Secret in clear.",
        "kube2git",
        when="copies-a-secret",
        is_required=True,
    ),
    # ── Workloads ────────────────────────────────────────────────────────────────────────────
    Rule(
        "deployment-counters",
        _STRIP,
        ("Deployment.apps", "ReplicaSet.apps"),
        _annotations(
            "deployment.kubernetes.io/revision",
            "deployment.kubernetes.io/revision-history",
            "deployment.kubernetes.io/desired-replicas",
            "deployment.kubernetes.io/max-replicas",
        ),
        "The Deployment controller counts in it.",
        f"{KS}; {ARGO_CD}",
    ),
    Rule(
        "daemonset-counter",
        _STRIP,
        ("DaemonSet.apps",),
        _annotations("deprecated.daemonset.template.generation"),
        "The DaemonSet controller counts in it.",
        KW,
    ),
    Rule(
        "job-marks",
        _STRIP,
        ("Job.batch",),
        _annotations(
            "batch.kubernetes.io/job-tracking", "batch.kubernetes.io/cronjob-scheduled-timestamp"
        ),
        "A controller wrote it about one run.",
        KW,
    ),
    Rule(
        "restarted-at",
        _STRIP,
        _ANY,
        _annotations("kubectl.kubernetes.io/restartedAt", under=_TEMPLATES),
        "It only says when a person restarted the Pods. Applying a template without it restarts "
        "them once more.",
        f"{KW}; {KUBE_DUMP}",
        is_optional=True,
    ),
    Rule(
        "restarted-at-kept",
        _KEEP,
        _ANY,
        _annotations("kubectl.kubernetes.io/restartedAt", under=_TEMPLATES),
        "It is part of the Pod template: applying one without it restarts the Pods.",
        KW,
    ),
    Rule(
        "default-container",
        _KEEP,
        _ANY,
        _annotations(
            "kubectl.kubernetes.io/default-container",
            "kubectl.kubernetes.io/default-logs-container",
            under=("", *_TEMPLATES),
        ),
        "A person chose it; only its prefix looks like a tool's.",
        KS,
    ),
    Rule(
        "change-cause",
        _KEEP,
        _ANY,
        _annotations("kubernetes.io/change-cause"),
        "A person wrote it.",
        KW,
    ),
    Rule(
        "pod-network-status",
        _STRIP,
        ("Pod",),
        _annotations(
            "cni.projectcalico.org/containerID",
            "cni.projectcalico.org/podIP",
            "cni.projectcalico.org/podIPs",
            "k8s.v1.cni.cncf.io/network-status",
            "k8s.v1.cni.cncf.io/networks-status",
            "k8s.ovn.org/pod-networks",
        ),
        "The network plug-in wrote the addresses of this one Pod.",
        f"{GENERAL}; {KUBECTL_NEAT}",
    ),
    Rule(
        "pod-network-choice",
        _KEEP,
        _ANY,
        _annotations(
            "k8s.v1.cni.cncf.io/networks",
            "cni.projectcalico.org/*",
            "k8s.ovn.org/*",
            under=("", *_TEMPLATES),
        ),
        "A person chose the network with it.",
        GENERAL,
    ),
    # ── Elections and autoscalers ────────────────────────────────────────────────────────────
    Rule(
        "election-annotation",
        _STRIP,
        _ANY,
        _annotations("control-plane.alpha.kubernetes.io/leader"),
        "It says who leads, and is written every few seconds.",
        KS,
    ),
    Rule(
        "cluster-autoscaler-date",
        _STRIP,
        _ANY,
        _annotations("cluster-autoscaler.kubernetes.io/last-updated"),
        "The cluster autoscaler writes it every ten seconds.",
        ARGO_CD,
    ),
    Rule(
        "hpa-observations",
        _STRIP,
        _HPA,
        _annotations(
            "autoscaling.alpha.kubernetes.io/conditions",
            "autoscaling.alpha.kubernetes.io/current-metrics",
        ),
        "They are the autoscaler's status, as autoscaling/v1 shows it.",
        KS,
    ),
    Rule(
        "hpa-settings",
        _KEEP,
        _HPA,
        _annotations(
            "autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/behavior"
        ),
        "They are what a person set, as autoscaling/v1 shows it.",
        KS,
    ),
    # ── Endpoints, Secrets, nodes ────────────────────────────────────────────────────────────
    Rule(
        "endpoints-dates",
        _STRIP,
        ("Endpoints", "EndpointSlice.discovery.k8s.io"),
        _annotations(
            "endpoints.kubernetes.io/last-change-trigger-time",
            "endpoints.kubernetes.io/over-capacity",
        ),
        "A controller writes when the endpoints last changed.",
        KW,
    ),
    Rule(
        "service-account-uid",
        _STRIP,
        ("Secret",),
        _annotations("kubernetes.io/service-account.uid"),
        "It is the account's uid in this cluster; with a wrong one the Secret is deleted.",
        f"{KW}; {VELERO}",
    ),
    Rule(
        "service-account-name",
        _KEEP,
        ("Secret",),
        _annotations("kubernetes.io/service-account.name"),
        "It says for which account the Secret is.",
        KW,
    ),
    Rule(
        "node-annotations",
        _STRIP,
        ("Node",),
        _annotations(
            "node.alpha.kubernetes.io/ttl",
            "volumes.kubernetes.io/controller-managed-attach-detach",
            "csi.volume.kubernetes.io/nodeid",
            "kubeadm.alpha.kubernetes.io/*",
            "cni.projectcalico.org/*",
            "k8s.ovn.org/*",
        ),
        "Controllers keep the node's state in it.",
        KW,
    ),
    # ── Claims and volumes ───────────────────────────────────────────────────────────────────
    Rule(
        "volume-binding",
        _STRIP,
        ("PersistentVolumeClaim", "PersistentVolume"),
        _annotations(
            "pv.kubernetes.io/bind-completed",
            "pv.kubernetes.io/bound-by-controller",
            "pv.kubernetes.io/migrated-to",
        ),
        "It says that the claim is bound; in another cluster the claim would be Lost.",
        f"{KW}; {VELERO}",
    ),
    Rule(
        "claim-provisioning",
        _STRIP,
        ("PersistentVolumeClaim",),
        _annotations(
            "pv.kubernetes.io/provisioned-by",
            "volume.kubernetes.io/provisioner-deletion-secret-name",
            "volume.kubernetes.io/provisioner-deletion-secret-namespace",
            "volume.kubernetes.io/controller-modify-secret-name",
            "volume.kubernetes.io/controller-modify-secret-namespace",
            "volume.beta.kubernetes.io/storage-provisioner",
            "volume.kubernetes.io/storage-provisioner",
            "volume.kubernetes.io/storage-resizer",
            "volume.kubernetes.io/selected-node",
        ),
        "Controllers wrote it about the volume, or the node, that the claim got here.",
        f"{CSI}; {KW}; {VELERO}",
    ),
    Rule(
        "volume-provisioner",
        _KEEP,
        ("PersistentVolume",),
        _annotations(
            "pv.kubernetes.io/provisioned-by",
            "volume.kubernetes.io/provisioner-deletion-secret-name",
            "volume.kubernetes.io/provisioner-deletion-secret-namespace",
        ),
        "Without it nobody can delete the volume's storage.",
        CSI,
    ),
    Rule(
        "storage-choices",
        _KEEP,
        _ANY,
        _annotations(
            "storageclass.kubernetes.io/is-default-class",
            "snapshot.storage.kubernetes.io/is-default-class",
            "snapshot.storage.kubernetes.io/allow-volume-mode-change",
        ),
        "A person chose it.",
        CSI,
    ),
    Rule(
        "snapshot-marks",
        _STRIP,
        ("*.snapshot.storage.k8s.io", "*.groupsnapshot.storage.k8s.io"),
        (
            *_annotations(
                *(
                    f"{group}.storage.kubernetes.io/{name}"
                    for group in ("snapshot", "groupsnapshot")
                    for name in (
                        "volumesnapshot-being-created",
                        "volumesnapshot-being-deleted",
                        "volumegroupsnapshot-being-created",
                        "volumegroupsnapshot-being-deleted",
                        "deletion-secret-name",
                        "deletion-secret-namespace",
                    )
                )
            ),
            'metadata.labels["snapshot.storage.kubernetes.io/managed-by"]',
            'metadata.labels["groupsnapshot.storage.kubernetes.io/managed-by"]',
        ),
        "The snapshot controller keeps its state in it.",
        CSI,
    ),
)
