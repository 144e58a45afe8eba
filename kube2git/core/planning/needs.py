"""What an object needs of the others in the same set, as data and small readers of one kind each.

Only needs inside the set count: what it does not hold may exist in the target already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kube2git.core.objects import Manifest, ObjectRef, group_of
from kube2git.core.planning.edges import CORE, Edge, Strength, Until, optional, strong
from kube2git.core.planning.podneeds import claim_edges, pod_edges
from kube2git.core.wire import Json
from kube2git.core.workloads import WORKLOADS, dig, items_of, pod_labels, pod_spec

RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
GATEWAY = "gateway.networking.k8s.io"
_SELECTED = frozenset(WORKLOADS) - {"CronJob.batch", "Job.batch"}

Manifests = Mapping[ObjectRef, Manifest]


def needs_of(manifests: Manifests) -> Iterator[Edge]:
    """Yield what every object of the set needs of the others in it, in no particular order."""
    index = _Index(manifests)
    for ref, manifest in manifests.items():
        for edge in _candidates(ref, manifest.body, index):
            if edge.before in manifests and edge.before != ref:
                yield edge


class _Index:
    """What has to be looked up across the set."""

    def __init__(self, manifests: Manifests) -> None:
        self.manifests = manifests
        self.definitions: dict[tuple[str, str], ObjectRef] = {}
        """(group, kind) -> the CustomResourceDefinition that makes it."""
        self.converters: dict[tuple[str, str], tuple[str, str]] = {}
        """(group, kind) -> (namespace, name) of the Service that converts its versions."""
        self.services: dict[tuple[str, str], ObjectRef] = {}
        """(group, version) -> the APIService that serves it."""
        self._workloads: dict[str, list[tuple[ObjectRef, dict[str, str]]]] = {}
        for ref, manifest in manifests.items():
            body = manifest.body
            if ref.kind_group == "CustomResourceDefinition.apiextensions.k8s.io":
                made = (_text(body, "spec", "group"), _text(body, "spec", "names", "kind"))
                self.definitions[made] = ref
                service = dig(body, "spec", "conversion", "webhook", "clientConfig", "service")
                if isinstance(service, dict):
                    self.converters[made] = (_text(service, "namespace"), _text(service, "name"))
            elif ref.kind_group == "APIService.apiregistration.k8s.io":
                if dig(body, "spec", "service"):
                    served = (_text(body, "spec", "group"), _text(body, "spec", "version"))
                    self.services[served] = ref
            elif ref.kind_group in _SELECTED:
                labels = pod_labels(ref.kind_group, body)
                self._workloads.setdefault(ref.namespace, []).append((ref, labels))

    def behind(self, namespace: str, name: str) -> list[ObjectRef]:
        """Return the workloads whose Pods a Service selects."""
        service = self.manifests.get(ObjectRef(CORE, "Service", namespace, name))
        selector = dig(service.body, "spec", "selector") if service is not None else None
        if not isinstance(selector, dict) or not selector:
            return []
        return [
            ref
            for ref, labels in self._workloads.get(namespace, ())
            if selector.items() <= labels.items()
        ]


def _text(body: Json, *steps: str) -> str:
    value = dig(body, *steps)
    return value if isinstance(value, str) else ""


def _candidates(ref: ObjectRef, body: Json, index: _Index) -> Iterator[Edge]:
    if ref.namespace:
        yield Edge(ref, ObjectRef(CORE, "Namespace", "", ref.namespace), "it is its namespace")
    yield from _kind_edges(ref, body, index)
    yield from _owner_edges(ref, body)
    spec = pod_spec(ref.kind_group, body)
    if spec is not None:
        yield from pod_edges(ref, spec)
    yield from _target_edges(ref, body)
    reader = _READERS.get(ref.kind_group)
    if reader is not None:
        yield from reader(ref, body, index)
    if ref.group == GATEWAY:
        yield from _route_edges(ref, body)


def _kind_edges(ref: ObjectRef, body: Json, index: _Index) -> Iterator[Edge]:
    kind = (ref.group, ref.kind)
    definition = index.definitions.get(kind)
    if definition is not None:
        yield Edge(ref, definition, "it defines the kind", until=Until.READY)
    if kind in index.converters:
        namespace, name = index.converters[kind]
        reason = "it converts the kind's versions"
        yield from optional(ref, CORE, "Service", namespace, name, reason)
        for workload in index.behind(namespace, name):
            yield Edge(ref, workload, reason, Strength.OPTIONAL, Until.READY)
    version = _text(body, "apiVersion").rpartition("/")[2]
    server = index.services.get((ref.group, version)) if ref.group else None
    if server is not None:
        yield Edge(ref, server, "it serves the kind", until=Until.READY)


def _owner_edges(ref: ObjectRef, body: Json) -> Iterator[Edge]:
    for owner in items_of(body, "metadata", "ownerReferences"):
        group, kind = group_of(_text(owner, "apiVersion")), _text(owner, "kind")
        reason = "it is its owner; the garbage collector deletes what has no owner"
        for namespace in (ref.namespace, "") if ref.namespace else ("",):
            yield from strong(ref, group, kind, namespace, owner.get("name"), reason)


def _target_edges(ref: ObjectRef, body: Json) -> Iterator[Edge]:
    """Follow scaleTargetRef and targetRef: autoscalers of every make name their target so."""
    for field in ("scaleTargetRef", "targetRef"):
        target = dig(body, "spec", field)
        if isinstance(target, dict):
            group = group_of(_text(target, "apiVersion"))
            kind, name = str(target.get("kind") or "Deployment"), target.get("name")
            if not group and kind in ("Deployment", "StatefulSet", "ReplicaSet"):
                group = "apps"
            yield from optional(ref, group, kind, ref.namespace, name, "it is its target")


def _stateful_set(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    name, reason = dig(body, "spec", "serviceName"), "its Pods get their names from it"
    yield from optional(ref, CORE, "Service", ref.namespace, name, reason)
    for template in items_of(body, "spec", "volumeClaimTemplates"):
        yield from claim_edges(ref, template)


def _claim(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    yield from claim_edges(ref, body)


def _volume(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    name, reason = dig(body, "spec", "storageClassName"), "it is its class"
    yield from optional(ref, "storage.k8s.io", "StorageClass", "", name, reason)


def _binding(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    role = dig(body, "roleRef")
    if isinstance(role, dict):
        kind = str(role.get("kind"))
        namespace = ref.namespace if kind == "Role" else ""
        yield from strong(ref, RBAC, kind, namespace, role.get("name"), "it holds the rights")
    for subject in items_of(body, "subjects"):
        if subject.get("kind") == "ServiceAccount":
            where = str(subject.get("namespace") or ref.namespace)
            name = subject.get("name")
            yield from optional(ref, CORE, "ServiceAccount", where, name, "the rights are for it")


def _service_account(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    for field in ("secrets", "imagePullSecrets"):
        for secret in items_of(body, field):
            name = secret.get("name")
            yield from optional(ref, CORE, "Secret", ref.namespace, name, "the account lists it")


def _secret(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    if body.get("type") == "kubernetes.io/service-account-token":
        name = dig(body, "metadata", "annotations", "kubernetes.io/service-account.name")
        reason = "a token whose ServiceAccount does not exist is deleted"
        yield from strong(ref, CORE, "ServiceAccount", ref.namespace, name, reason)


def _endpoints(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    name = ref.name if ref.kind == "Endpoints" else None
    name = name or dig(body, "metadata", "labels", "kubernetes.io/service-name")
    reason = "endpoints without their Service are taken away"
    yield from strong(ref, CORE, "Service", ref.namespace, name, reason)


def _ingress(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    here, spec = ref.namespace, dig(body, "spec")
    name = dig(spec, "ingressClassName")
    yield from optional(ref, "networking.k8s.io", "IngressClass", "", name, "it is its class")
    for tls in items_of(spec, "tls"):
        yield from optional(
            ref, CORE, "Secret", here, tls.get("secretName"), "it holds the certificate"
        )
    backends = [dig(spec, "defaultBackend")]
    for rule in items_of(spec, "rules"):
        backends += [path.get("backend") for path in items_of(rule, "http", "paths")]
    for backend in backends:
        name = dig(backend, "service", "name")
        yield from optional(ref, CORE, "Service", here, name, "traffic goes to it")


def _ingress_class(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    parameters = dig(body, "spec", "parameters")
    if isinstance(parameters, dict):
        group, kind = str(parameters.get("apiGroup") or ""), str(parameters.get("kind"))
        where = str(parameters.get("namespace") or "")
        yield from optional(
            ref, group, kind, where, parameters.get("name"), "it holds its parameters"
        )


def _route_edges(ref: ObjectRef, body: Json) -> Iterator[Edge]:
    """Gateway API: class, parents, backends and certificates by name."""
    spec = dig(body, "spec")
    name = dig(spec, "gatewayClassName")
    yield from optional(ref, GATEWAY, "GatewayClass", "", name, "it is its class")
    for parent in items_of(spec, "parentRefs"):
        group, kind = parent.get("group", GATEWAY), str(parent.get("kind") or "Gateway")
        where = str(parent.get("namespace") or ref.namespace)
        yield from optional(
            ref, str(group), kind, where, parent.get("name"), "traffic comes through it"
        )
    for rule in items_of(spec, "rules"):
        for backend in items_of(rule, "backendRefs"):
            group, kind = str(backend.get("group") or ""), str(backend.get("kind") or "Service")
            where = str(backend.get("namespace") or ref.namespace)
            yield from optional(ref, group, kind, where, backend.get("name"), "traffic goes to it")
    for listener in items_of(spec, "listeners"):
        for certificate in items_of(listener, "tls", "certificateRefs"):
            where = str(certificate.get("namespace") or ref.namespace)
            name = certificate.get("name")
            yield from optional(ref, CORE, "Secret", where, name, "it holds the certificate")


def _behind_service(ref: ObjectRef, service: object, reason: str, index: _Index) -> Iterator[Edge]:
    if not isinstance(service, dict):
        return
    namespace, name = str(service.get("namespace") or ""), str(service.get("name") or "")
    yield from strong(ref, CORE, "Service", namespace, name, reason)
    for workload in index.behind(namespace, name):
        yield Edge(ref, workload, reason, until=Until.READY)


def _webhooks(ref: ObjectRef, body: Json, index: _Index) -> Iterator[Edge]:
    for webhook in items_of(body, "webhooks"):
        service = dig(webhook, "clientConfig", "service")
        yield from _behind_service(ref, service, "the API server calls it", index)


def _api_service(ref: ObjectRef, body: Json, index: _Index) -> Iterator[Edge]:
    yield from _behind_service(ref, dig(body, "spec", "service"), "it serves the API", index)


def _policy(ref: ObjectRef, body: Json, index: _Index) -> Iterator[Edge]:
    kind = dig(body, "spec", "paramKind")
    if isinstance(kind, dict):
        group = group_of(_text(kind, "apiVersion"))
        definition = index.definitions.get((group, str(kind.get("kind"))))
        if definition is not None:
            reason = "it defines the kind of the policy's parameters"
            yield Edge(ref, definition, reason, until=Until.READY)


def _policy_binding(ref: ObjectRef, body: Json, index: _Index) -> Iterator[Edge]:
    policy_kind = ref.kind.removesuffix("Binding")
    name = dig(body, "spec", "policyName")
    yield from strong(ref, ADMISSION, policy_kind, "", name, "it is the policy")
    policy = index.manifests.get(ObjectRef(ADMISSION, policy_kind, "", str(name)))
    parameters = dig(body, "spec", "paramRef", "name")
    if policy is None or not isinstance(parameters, str):
        return
    kind = dig(policy.body, "spec", "paramKind")
    group, where = group_of(_text(kind, "apiVersion")), dig(body, "spec", "paramRef", "namespace")
    reason = "a policy without its parameters may refuse everything"
    name = _text(kind, "kind")
    yield from strong(ref, group, name, str(where or ""), parameters, reason)


def _flow_schema(ref: ObjectRef, body: Json, _: _Index) -> Iterator[Edge]:
    name = dig(body, "spec", "priorityLevelConfiguration", "name")
    kind = "PriorityLevelConfiguration"
    yield from optional(ref, ref.group, kind, "", name, "requests wait there")


_READERS = {
    "APIService.apiregistration.k8s.io": _api_service,
    f"ClusterRoleBinding.{RBAC}": _binding,
    f"RoleBinding.{RBAC}": _binding,
    "Endpoints": _endpoints,
    "EndpointSlice.discovery.k8s.io": _endpoints,
    "FlowSchema.flowcontrol.apiserver.k8s.io": _flow_schema,
    "Ingress.networking.k8s.io": _ingress,
    "IngressClass.networking.k8s.io": _ingress_class,
    f"MutatingAdmissionPolicy.{ADMISSION}": _policy,
    f"MutatingAdmissionPolicyBinding.{ADMISSION}": _policy_binding,
    f"MutatingWebhookConfiguration.{ADMISSION}": _webhooks,
    "PersistentVolume": _volume,
    "PersistentVolumeClaim": _claim,
    "Secret": _secret,
    "ServiceAccount": _service_account,
    "StatefulSet.apps": _stateful_set,
    f"ValidatingAdmissionPolicy.{ADMISSION}": _policy,
    f"ValidatingAdmissionPolicyBinding.{ADMISSION}": _policy_binding,
    f"ValidatingWebhookConfiguration.{ADMISSION}": _webhooks,
}
