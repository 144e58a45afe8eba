"""Fields of kinds that run Pods, and of Pods themselves."""

from kube2git.core.cleaning.catalogue.sources import (
    API,
    CRANE,
    GENERAL,
    KS,
    KUBE_DUMP,
    KUBECTL_NEAT,
    SEEN,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule
from kube2git.core.workloads import POD_SPECS

_STRIP, _KEEP = Action.STRIP, Action.KEEP
_ANY = ("*",)

_TEMPLATES: dict[str, tuple[str, ...]] = {
    kind: tuple(
        ".".join(steps[:end]) for end in range(1, len(steps)) if "emplate" in steps[end - 1]
    )
    for kind, steps in POD_SPECS.items()
    if kind != "Pod"
}
"""kind -> the templates in it, outermost first: a CronJob holds two."""
_POD_SPECS = {kind: ".".join(steps) for kind, steps in POD_SPECS.items()}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_HAVE_TEMPLATES = tuple(_TEMPLATES)
_EVERY_TEMPLATE = tuple(dict.fromkeys(path for paths in _TEMPLATES.values() for path in paths))
_EVERY_POD_SPEC = tuple(dict.fromkeys(_POD_SPECS.values()))

_JOB_UIDS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_JOB_NAMES = ("job-name", "batch.kubernetes.io/job-name")


def _job_labels(*names: str) -> tuple[str, ...]:
    holders = ("metadata", "spec.template.metadata")
    return tuple(f'{holder}.labels["{name}"]' for holder in holders for name in names)


_INJECTED_TOLERATIONS = tuple(
    {
        "key": f"node.kubernetes.io/{key}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for key in ("not-ready", "unreachable")
)

RULES: tuple[Rule, ...] = (
    # ── Any workload ─────────────────────────────────────────────────────────────────────────
    Rule(
        "autoscaled-replicas",
        _STRIP,
        _ANY,
        ("spec.replicas",),
        "A HorizontalPodAutoscaler sets it, and would make a commit whenever it works. The "
        "autoscaler's own limits are exported.",
        GENERAL,
        when="autoscaler-sets-it",
    ),
    Rule(
        "template-timestamps",
        _STRIP,
        _HAVE_TEMPLATES,
        tuple(f"{path}.metadata.creationTimestamp" for path in _EVERY_TEMPLATE),
        "An encoder wrote the field although it is empty.",
        f"{KUBE_DUMP}; {KUBECTL_NEAT}",
    ),
    Rule(
        "template-metadata",
        _STRIP,
        _HAVE_TEMPLATES,
        tuple(f"{path}.metadata" for path in _EVERY_TEMPLATE),
        "An encoder wrote the field although it is empty.",
        SEEN,
        values=({},),
    ),
    Rule(
        "workload-settings",
        _KEEP,
        ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps"),
        tuple(
            f"spec.{name}"
            for name in (
                "revisionHistoryLimit",
                "progressDeadlineSeconds",
                "paused",
                "minReadySeconds",
            )
        ),
        "Nothing tells a default from a choice, so it stays.",
        KUBE_DUMP,
    ),
    Rule(
        "pod-settings",
        _KEEP,
        tuple(_POD_SPECS),
        tuple(
            f"{path}.{name}"
            for path in _EVERY_POD_SPEC
            for name in (
                "nodeSelector",
                "affinity",
                "securityContext",
                "dnsPolicy",
                "terminationGracePeriodSeconds",
                "restartPolicy",
            )
        ),
        "Nothing tells a default from a choice, so it stays.",
        CRANE,
    ),
    Rule(
        "service-account-alias",
        _STRIP,
        tuple(_POD_SPECS),
        tuple(f"{path}.serviceAccount" for path in _EVERY_POD_SPEC),
        "It is an old name of serviceAccountName, which the server fills in.",
        f"{KUBECTL_NEAT}; {SEEN}",
        when="same-as-service-account-name",
    ),
    Rule(
        "claim-templates",
        _STRIP,
        ("StatefulSet.apps",),
        tuple(
            f"spec.volumeClaimTemplates[].{name}"
            for name in ("metadata.creationTimestamp", "status", "apiVersion", "kind")
        ),
        "The server adds it to every claim template.",
        f"{KS}; {SEEN}",
    ),
    # ── Job ──────────────────────────────────────────────────────────────────────────────────
    Rule(
        "job-selector",
        _STRIP,
        ("Job.batch",),
        ("spec.selector",),
        "The server makes it from the Job's uid, and refuses a foreign one.",
        f"{KS}; {CRANE}",
        when="job-selects-by-itself",
    ),
    Rule(
        "job-labels",
        _STRIP,
        ("Job.batch",),
        _job_labels(*_JOB_UIDS, *_JOB_NAMES),
        "The server makes them from the Job's uid and name, and refuses foreign ones.",
        f"{KS}; {CRANE}",
        when="job-selects-by-itself",
    ),
    Rule(
        "job-uid-labels",
        _STRIP,
        ("Job.batch",),
        _job_labels(*_JOB_UIDS),
        "It is the uid of a Job in this cluster, and the Job's own selector does not use it.",
        CRANE,
        when="is-unused-by-manual-selector",
    ),
    # ── Pod ──────────────────────────────────────────────────────────────────────────────────
    Rule(
        "pod-node",
        _STRIP,
        ("Pod",),
        ("spec.nodeName",),
        "The scheduler chose the node. A node that a person named is kept.",
        f"{VELERO}; {SEEN}",
        when="is-allocated-in-spec",
    ),
    Rule(
        "pod-token-volumes",
        _STRIP,
        ("Pod",),
        ("spec.volumes[]",),
        "The server puts the account's token into every Pod.",
        f"{VELERO}; {SEEN}",
        when="volume-is-injected",
    ),
    Rule(
        "pod-token-mounts",
        _STRIP,
        ("Pod",),
        tuple(f"spec.{containers}[].volumeMounts[]" for containers in _CONTAINERS),
        "The server puts the account's token into every container.",
        f"{VELERO}; {SEEN}",
        when="mount-is-injected",
    ),
    Rule(
        "pod-tolerations",
        _STRIP,
        ("Pod",),
        ("spec.tolerations[]",),
        "The server adds it to every Pod that does not have one for this taint.",
        SEEN,
        values=_INJECTED_TOLERATIONS,
    ),
    Rule(
        "pod-priority",
        _STRIP,
        ("Pod",),
        ("spec.priority", "spec.preemptionPolicy"),
        "The server computes it from the priority class, and refuses any other value.",
        f"{CRANE}; {SEEN}",
    ),
    Rule(
        "pod-debug-containers",
        _STRIP,
        ("Pod",),
        ("spec.ephemeralContainers",),
        "They were added to the running Pod to debug it, and cannot be set at create.",
        API,
    ),
    Rule(
        "pod-sidecars",
        _KEEP,
        ("Pod",),
        ("spec.containers[]", "spec.initContainers[]"),
        "A service mesh may have injected it, and may inject it once more at replay.",
        GENERAL,
        when="is-injected-sidecar",
    ),
)
