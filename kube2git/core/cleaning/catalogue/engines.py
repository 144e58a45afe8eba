"""Marks of other tools on the objects that they manage: what they do, and what a person chose."""

from kube2git.core.cleaning.catalogue.sources import (
    ARGO_CD,
    GENERAL,
    GITOPS_REVERSER,
    KW,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule

_STRIP, _KEEP = Action.STRIP, Action.KEEP
_ANY = ("*",)


def _annotations(*names: str) -> tuple[str, ...]:
    return tuple(f'metadata.annotations["{name}"]' for name in names)


RULES: tuple[Rule, ...] = (
    # ── Argo CD ──────────────────────────────────────────────────────────────────────────────
    Rule(
        "argo-cd-marks",
        _STRIP,
        _ANY,
        _annotations(
            "argocd.argoproj.io/tracking-id",
            "argocd.argoproj.io/installation-id",
            "argocd.argoproj.io/refresh",
            "argocd.argoproj.io/hydrate",
            "notified.notifications.argoproj.io",
        ),
        "Argo CD keeps in it what it owns and what it has done.",
        f"{GITOPS_REVERSER}; {ARGO_CD}",
    ),
    Rule(
        "argo-cd-choices",
        _KEEP,
        _ANY,
        _annotations(
            "argocd.argoproj.io/sync-wave",
            "argocd.argoproj.io/hook*",
            "argocd.argoproj.io/sync-options",
            "argocd.argoproj.io/compare-options",
        ),
        "A person chose it.",
        GENERAL,
    ),
    Rule(
        "argo-cd-operation",
        _STRIP,
        ("Application.argoproj.io",),
        ("operation",),
        "It is a sync that Argo CD is to carry out, once.",
        ARGO_CD,
    ),
    # ── Flux, Helm, kubectl, Velero ──────────────────────────────────────────────────────────
    Rule(
        "gitops-labels",
        _STRIP,
        _ANY,
        (
            'metadata.labels["kustomize.toolkit.fluxcd.io/*"]',
            'metadata.labels["helm.toolkit.fluxcd.io/*"]',
            'metadata.labels["kro.run/*"]',
        ),
        "They say which engine owns the object: in another cluster its pruning could delete it. "
        "They are worth keeping for an audit.",
        GITOPS_REVERSER,
        is_optional=True,
    ),
    Rule(
        "helm-marks",
        _KEEP,
        _ANY,
        ('metadata.annotations["meta.helm.sh/*"]',),
        "Helm refuses to adopt an object without them.",
        GENERAL,
    ),
    Rule(
        "helm-label",
        _KEEP,
        _ANY,
        ('metadata.labels["app.kubernetes.io/managed-by"]',),
        "Helm refuses to adopt an object without it.",
        GENERAL,
        values=("Helm",),
    ),
    Rule(
        "applyset-marks",
        _STRIP,
        _ANY,
        (
            'metadata.labels["applyset.kubernetes.io/*"]',
            'metadata.annotations["applyset.kubernetes.io/*"]',
        ),
        "It is another tool's inventory: in another cluster its pruning could delete the object.",
        f"{KW}; {GITOPS_REVERSER}",
    ),
    Rule(
        "velero-labels",
        _STRIP,
        _ANY,
        (
            'metadata.labels["velero.io/backup-name"]',
            'metadata.labels["velero.io/restore-name"]',
        ),
        "They are the trace of another restore.",
        VELERO,
    ),
    # ── Platforms ────────────────────────────────────────────────────────────────────────────
    Rule(
        "kcp-cluster",
        _STRIP,
        _ANY,
        _annotations("kcp.io/cluster"),
        "It names the workspace that the object was read from.",
        GITOPS_REVERSER,
    ),
    Rule(
        "cert-manager-progress",
        _STRIP,
        _ANY,
        (
            *_annotations("cert-manager.io/certificate-revision"),
            'metadata.labels["cert-manager.io/next-private-key"]',
        ),
        "cert-manager keeps in it how far it has come.",
        GENERAL,
    ),
    Rule(
        "cert-manager-choices",
        _KEEP,
        _ANY,
        _annotations(
            "cert-manager.io/issuer",
            "cert-manager.io/cluster-issuer",
            "cert-manager.io/inject-*",
        ),
        "A person chose it.",
        GENERAL,
    ),
    Rule(
        "openshift-generated-by",
        _STRIP,
        _ANY,
        _annotations("openshift.io/generated-by"),
        "It names the command that made the object.",
        GENERAL,
    ),
    Rule(
        "openshift-allocations",
        _STRIP,
        ("Namespace", "Project.project.openshift.io"),
        _annotations(
            "openshift.io/sa.scc.mcs",
            "openshift.io/sa.scc.uid-range",
            "openshift.io/sa.scc.supplemental-groups",
        ),
        "OpenShift allocated them in this cluster. Files that are restored belong to these users, "
        "so they are kept by default.",
        GENERAL,
        is_optional=True,
    ),
    Rule(
        "load-balancer-ids",
        _STRIP,
        ("Ingress.networking.k8s.io", "Gateway.gateway.networking.k8s.io", "Service"),
        _annotations(
            "ingress.kubernetes.io/backends",
            "ingress.kubernetes.io/forwarding-rule",
            "ingress.kubernetes.io/https-forwarding-rule",
            "ingress.kubernetes.io/https-target-proxy",
            "ingress.kubernetes.io/ssl-cert",
            "ingress.kubernetes.io/target-proxy",
            "ingress.kubernetes.io/url-map",
            "cloud.google.com/neg-status",
            *(
                f"networking.gke.io/{name}"
                for name in (
                    "addresses",
                    "backend-services",
                    "firewalls",
                    "forwarding-rules",
                    "health-checks",
                    "last-reconcile-time",
                    "ssl-certificates",
                    "target-http-proxies",
                    "target-https-proxies",
                    "url-maps",
                )
            ),
        ),
        "A controller wrote the names of this cluster's load balancers.",
        GENERAL,
    ),
    Rule(
        "rancher-endpoints",
        _STRIP,
        _ANY,
        _annotations("field.cattle.io/publicEndpoints"),
        "Rancher writes the addresses at which it sees the object.",
        GENERAL,
    ),
)
