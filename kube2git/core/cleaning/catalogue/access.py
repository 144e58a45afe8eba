"""Fields of accounts, Secrets, Namespaces, roles, webhooks and other kinds of the control plane."""

from kube2git.core.cleaning.catalogue.sources import (
    API,
    ARGO_CD,
    CERT_MANAGER,
    CRANE,
    GITOPS_REVERSER,
    KLUCTL,
    KS,
    KUBECTL_NEAT,
    SEEN,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule

_STRIP, _NORMALISE, _KEEP = Action.STRIP, Action.NORMALISE, Action.KEEP

_RBAC_ROLES = ("ClusterRole.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io")
_BINDINGS = (
    "ClusterRoleBinding.rbac.authorization.k8s.io",
    "RoleBinding.rbac.authorization.k8s.io",
)
_WEBHOOKS = (
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
)
_HAVE_AUTHORITIES = (
    *_WEBHOOKS,
    "CustomResourceDefinition.apiextensions.k8s.io",
    "APIService.apiregistration.k8s.io",
)
_AUTHORITIES = (
    "webhooks[].clientConfig.caBundle",
    "spec.conversion.webhook.clientConfig.caBundle",
    "spec.caBundle",
)

RULES: tuple[Rule, ...] = (
    # ── Accounts, Secrets, Namespaces ────────────────────────────────────────────────────────
    Rule(
        "generated-secrets",
        _STRIP,
        ("ServiceAccount",),
        ("secrets[]", "imagePullSecrets[]"),
        "It names a Secret that a controller made for the account in this cluster.",
        f"{CRANE}; {VELERO}; {KLUCTL}",
        when="is-generated-for-account",
    ),
    Rule(
        "chosen-secrets",
        _KEEP,
        ("ServiceAccount",),
        ("secrets[]", "imagePullSecrets[]"),
        "A person named the Secret.",
        CRANE,
    ),
    Rule(
        "service-account-token-data",
        _STRIP,
        ("Secret",),
        ("data.token", 'data["ca.crt"]', "data.namespace"),
        "The server fills it in for the account.",
        VELERO,
        when="secret-is-account-token",
    ),
    Rule(
        "data-kept",
        _KEEP,
        ("ConfigMap", "Secret"),
        ('data["*"]', 'binaryData["*"]', "immutable"),
        "Data are what a person put there, an empty text and a key called status as well.",
        f"{ARGO_CD}; {GITOPS_REVERSER}",
    ),
    Rule(
        "namespace-spec",
        _STRIP,
        ("Namespace",),
        ("spec",),
        "The server adds its own finalizer to every namespace.",
        KS,
        values=({"finalizers": ["kubernetes"]},),
    ),
    Rule(
        "namespace-finalizer",
        _STRIP,
        ("Namespace",),
        ('spec.finalizers["kubernetes"]',),
        "The server adds its own finalizer to every namespace.",
        f"{KS}; {SEEN}",
    ),
    # ── Access control ───────────────────────────────────────────────────────────────────────
    Rule(
        "aggregated-rules",
        _STRIP,
        ("ClusterRole.rbac.authorization.k8s.io",),
        ("rules",),
        "A controller gathers them from other ClusterRoles by the aggregation rule, which stays.",
        f"{API}; {ARGO_CD}",
        when="has-aggregation-rule",
    ),
    Rule(
        "aggregation-rule",
        _KEEP,
        ("ClusterRole.rbac.authorization.k8s.io",),
        ("aggregationRule",),
        "It is what a person meant; the rules follow from it.",
        GITOPS_REVERSER,
    ),
    Rule(
        "null-rules",
        _NORMALISE,
        _RBAC_ROLES,
        ("rules",),
        "The server writes null for an empty list.",
        SEEN,
        how="empty-list",
        values=(None,),
    ),
    Rule(
        "binding-subjects",
        _KEEP,
        _BINDINGS,
        ("subjects[]",),
        "A person named them; replay renames their namespaces.",
        VELERO,
    ),
    # ── Webhooks and other certificate authorities ───────────────────────────────────────────
    Rule(
        "injected-authority",
        _STRIP,
        _HAVE_AUTHORITIES,
        _AUTHORITIES,
        "The annotation says that it is injected: it belongs to this cluster, and rotates.",
        CERT_MANAGER,
        when="authority-is-injected",
    ),
    Rule(
        "chosen-authority",
        _KEEP,
        _HAVE_AUTHORITIES,
        _AUTHORITIES,
        "No annotation says that it is injected. Check that it is right in another cluster.",
        CERT_MANAGER,
    ),
    Rule(
        "webhook-settings",
        _KEEP,
        _WEBHOOKS,
        tuple(
            f"webhooks[].{name}"
            for name in (
                "namespaceSelector",
                "objectSelector",
                "matchPolicy",
                "timeoutSeconds",
                "sideEffects",
            )
        ),
        "An empty selector means everything.",
        KUBECTL_NEAT,
    ),
    # ── Kinds of which other tools lose fields ───────────────────────────────────────────────
    Rule(
        "network-policy-selectors",
        _KEEP,
        ("NetworkPolicy.networking.k8s.io",),
        ("spec.podSelector", "spec.ingress", "spec.egress", "spec.policyTypes"),
        "An empty selector means everything, an empty rule everybody.",
        KUBECTL_NEAT,
    ),
    Rule(
        "top-level-fields",
        _KEEP,
        (
            "StorageClass.storage.k8s.io",
            "PriorityClass.scheduling.k8s.io",
            "RuntimeClass.node.k8s.io",
            "VolumeSnapshotClass.snapshot.storage.k8s.io",
        ),
        (
            "provisioner",
            "parameters",
            "reclaimPolicy",
            "volumeBindingMode",
            "allowVolumeExpansion",
            "mountOptions",
            "allowedTopologies",
            "value",
            "globalDefault",
            "preemptionPolicy",
            "description",
            "handler",
            "overhead",
            "scheduling",
            "driver",
            "deletionPolicy",
        ),
        "These kinds have no spec; their settings stand beside the metadata.",
        GITOPS_REVERSER,
    ),
    Rule(
        "hpa-spec",
        _KEEP,
        ("HorizontalPodAutoscaler.autoscaling",),
        ("spec.metrics", "spec.behavior"),
        "They are what a person set.",
        KS,
    ),
    # ── Nodes, when the rule that leaves them out is switched off ────────────────────────────
    Rule(
        "node-spec",
        _STRIP,
        ("Node",),
        ("spec.podCIDR", "spec.podCIDRs", "spec.providerID"),
        "The cluster or its cloud gave it to this machine.",
        VELERO,
    ),
)
