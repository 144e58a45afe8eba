"""Fields of Services, and of endpoints that a person made."""

from kube2git.core.cleaning.catalogue.sources import (
    ARGO_CD,
    CRANE,
    GITOPS_REVERSER,
    KS,
    SEEN,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule

_STRIP, _NORMALISE, _KEEP = Action.STRIP, Action.NORMALISE, Action.KEEP

RULES: tuple[Rule, ...] = (
    Rule(
        "cluster-ip",
        _STRIP,
        ("Service",),
        ("spec.clusterIP", "spec.clusterIPs"),
        "The server allocated it; in another cluster it is out of range or in use.",
        f"{KS}; {SEEN}",
        when="address-is-allocated",
    ),
    Rule(
        "cluster-ip-headless",
        _KEEP,
        ("Service",),
        ("spec.clusterIP", "spec.clusterIPs"),
        "None makes the Service headless.",
        KS,
        values=("None", ["None"]),
    ),
    Rule(
        "cluster-ip-chosen",
        _KEEP,
        ("Service",),
        ("spec.clusterIP", "spec.clusterIPs"),
        "A person chose it, or nobody can tell any more.",
        SEEN,
        when="address-is-kept",
    ),
    Rule(
        "ip-families",
        _STRIP,
        ("Service",),
        ("spec.ipFamilies", "spec.ipFamilyPolicy"),
        "The server chose it from the cluster's own families.",
        f"{KS}; {SEEN}",
        when="is-allocated-in-spec",
    ),
    Rule(
        "ip-families-chosen",
        _KEEP,
        ("Service",),
        ("spec.ipFamilies", "spec.ipFamilyPolicy"),
        "A person chose it, or nobody can tell any more.",
        SEEN,
    ),
    Rule(
        "node-port",
        _STRIP,
        ("Service",),
        ("spec.ports[].nodePort",),
        "The server allocated it; in another cluster it may be in use.",
        f"{VELERO}; {CRANE}; {SEEN}",
        when="node-port-is-allocated",
    ),
    Rule(
        "health-check-node-port",
        _STRIP,
        ("Service",),
        ("spec.healthCheckNodePort",),
        "The server allocated it; in another cluster it may be in use.",
        f"{VELERO}; {SEEN}",
        when="is-allocated-in-spec",
    ),
    Rule(
        "node-port-chosen",
        _KEEP,
        ("Service",),
        ("spec.ports[].nodePort", "spec.healthCheckNodePort"),
        "A person chose it, or nobody can tell any more.",
        SEEN,
    ),
    Rule(
        "service-settings",
        _KEEP,
        ("Service",),
        tuple(
            f"spec.{name}"
            for name in (
                "internalTrafficPolicy",
                "externalTrafficPolicy",
                "sessionAffinity",
                "sessionAffinityConfig",
                "allocateLoadBalancerNodePorts",
                "loadBalancerClass",
                "externalIPs",
                "publishNotReadyAddresses",
                "trafficDistribution",
            )
        ),
        "Nothing tells a default from a choice, so it stays.",
        f"{GITOPS_REVERSER}; {CRANE}",
    ),
    Rule(
        "endpoint-targets",
        _STRIP,
        ("Endpoints", "EndpointSlice.discovery.k8s.io"),
        (
            *(
                f"subsets[].{addresses}[].{name}"
                for addresses in ("addresses", "notReadyAddresses")
                for name in ("targetRef.uid", "targetRef.resourceVersion", "nodeName")
            ),
            "endpoints[].targetRef.uid",
            "endpoints[].targetRef.resourceVersion",
            "endpoints[].nodeName",
        ),
        "It points to one object, or one node, of this cluster.",
        ARGO_CD,
    ),
    Rule(
        "endpoint-order",
        _NORMALISE,
        ("Endpoints",),
        ("subsets", "subsets[].addresses", "subsets[].notReadyAddresses", "subsets[].ports"),
        "Their order means nothing, and comes out differently from time to time.",
        ARGO_CD,
        how="in-order",
    ),
)
