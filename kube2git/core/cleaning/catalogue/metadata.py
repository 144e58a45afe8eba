"""What the server keeps for itself in objects of every kind; annotations aside."""

from kube2git.core.cleaning.catalogue.sources import (
    API,
    CSI,
    GENERAL,
    KS,
    KUBECTL_NEAT,
    KW,
    SEEN,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule

_STRIP, _KEEP = Action.STRIP, Action.KEEP
_ANY = ("*",)

_SNAPSHOT_FINALIZERS = tuple(
    f"{group}.storage.kubernetes.io/{name}"
    for group in ("snapshot", "groupsnapshot")
    for name in (
        "volumesnapshot-bound-protection",
        "volumesnapshot-as-source-protection",
        "volumesnapshot-in-group-protection",
        "volumesnapshotcontent-bound-protection",
        "volumegroupsnapshot-bound-protection",
        "volumegroupsnapshotcontent-bound-protection",
        "pvc-as-source-protection",
    )
)
_SERVER_FINALIZERS = (
    "kubernetes.io/pvc-protection",
    "kubernetes.io/pv-protection",
    "kubernetes.io/pv-controller",
    "external-provisioner.volume.kubernetes.io/finalizer",
    "external-attacher/*",
    "provisioner.storage.kubernetes.io/cloning-protection",
    "provisioner.storage.kubernetes.io/volumesnapshot-as-source-protection",
    *_SNAPSHOT_FINALIZERS,
    "service.kubernetes.io/load-balancer-cleanup",
    "foregroundDeletion",
    "orphan",
    "batch.kubernetes.io/job-tracking",
    "networking.k8s.io/service-cidr-finalizer",
    "customresourcecleanup.apiextensions.k8s.io",
    "resource.kubernetes.io/delete-protection",
)

RULES: tuple[Rule, ...] = (
    Rule(
        "uid",
        _STRIP,
        _ANY,
        ("metadata.uid",),
        "The server makes a new one at create, and refuses a foreign one at update.",
        KS,
        is_required=True,
    ),
    Rule(
        "resource-version",
        _STRIP,
        _ANY,
        ("metadata.resourceVersion",),
        "It changes at every write, and the server refuses to create an object that has one.",
        KS,
        is_required=True,
    ),
    Rule(
        "generation",
        _STRIP,
        _ANY,
        ("metadata.generation",),
        "It counts changes in this cluster.",
        KS,
    ),
    Rule(
        "creation-timestamp",
        _STRIP,
        _ANY,
        ("metadata.creationTimestamp",),
        "The server sets it at create.",
        KS,
    ),
    Rule(
        "deletion-marks",
        _STRIP,
        _ANY,
        ("metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds"),
        "The server sets them when the object is being deleted.",
        KS,
    ),
    Rule(
        "self-link",
        _STRIP,
        _ANY,
        ("metadata.selfLink",),
        "Old servers set it; it is an address in this cluster.",
        KS,
    ),
    Rule(
        "managed-fields",
        _STRIP,
        _ANY,
        ("metadata.managedFields",),
        "The server's books on who set which field; they change at every write.",
        KS,
        is_required=True,
    ),
    Rule(
        "generate-name",
        _STRIP,
        _ANY,
        ("metadata.generateName",),
        "The name that was made from it is what counts.",
        VELERO,
        when="object-has-a-name",
    ),
    Rule(
        "owner-uids",
        _STRIP,
        _ANY,
        ("metadata.ownerReferences[].uid",),
        "It is the owner's uid in this cluster; elsewhere the garbage collector would delete the "
        "object. Replay looks the owner up by name.",
        f"{VELERO}; {SEEN}",
    ),
    Rule(
        "server-finalizers",
        _STRIP,
        _ANY,
        tuple(f'metadata.finalizers["{name}"]' for name in _SERVER_FINALIZERS),
        "A controller adds it again; without the controller the object could never be deleted.",
        f"{CSI}; {SEEN}; {GENERAL}",
    ),
    Rule(
        "user-finalizers",
        _KEEP,
        _ANY,
        ("metadata.finalizers[]",),
        "It is the contract of somebody's operator.",
        KUBECTL_NEAT,
    ),
    Rule(
        "all-finalizers",
        _STRIP,
        _ANY,
        ("metadata.finalizers",),
        "For replay into clusters without the operators that remove them.",
        KUBECTL_NEAT,
        is_optional=True,
    ),
    Rule(
        "namespace-name-label",
        _STRIP,
        ("Namespace",),
        ('metadata.labels["kubernetes.io/metadata.name"]',),
        "The server forces it to equal the name.",
        KW,
    ),
    Rule(
        "workload-child-labels",
        _STRIP,
        ("Pod", "ReplicaSet.apps"),
        tuple(
            f'metadata.labels["{name}"]'
            for name in (
                "pod-template-hash",
                "controller-revision-hash",
                "pod-template-generation",
                "statefulset.kubernetes.io/pod-name",
                "apps.kubernetes.io/pod-index",
                "batch.kubernetes.io/job-completion-index",
            )
        ),
        "A controller marked its children with it; this one has no owner.",
        KW,
    ),
    Rule(
        "replay-label",
        _STRIP,
        _ANY,
        ('metadata.labels["kube2git.io/replay"]',),
        "It is the trace of kube2git's own replay.",
        "kube2git",
    ),
    Rule(
        "snapshot-group-label",
        _STRIP,
        ("PersistentVolumeClaim",),
        ('metadata.labels["kube2git.io/snapshot-group"]',),
        "kube2git selects claims with it while it takes a group snapshot.",
        "kube2git",
    ),
    Rule(
        "token-dates",
        _STRIP,
        ("Secret",),
        (
            'metadata.labels["kubernetes.io/legacy-token-last-used"]',
            'metadata.labels["kubernetes.io/legacy-token-invalid-since"]',
        ),
        "The server writes the day on which the token was last used.",
        KW,
    ),
    Rule(
        "status",
        _STRIP,
        _ANY,
        ("status",),
        "Controllers report in it what they see; nobody means it.",
        API,
        when="status-is-observed",
    ),
    Rule(
        "status-field",
        _KEEP,
        _ANY,
        ("status",),
        "Its CustomResourceDefinition has no status sub-resource, so it is a field like others.",
        GENERAL,
        when="status-is-a-field",
    ),
)
