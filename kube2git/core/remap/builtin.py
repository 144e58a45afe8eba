"""Where Kubernetes' own kinds name namespaces. Data only.

Sources are the type and field of the Kubernetes API as of 1.37, or the annotation's project.
"""

from __future__ import annotations

from kube2git.core.remap.embedding import CLAIM, POD
from kube2git.core.remap.forms import NAME_LABEL, Form
from kube2git.core.remap.references import ReferenceRule as Rule

_ROLES = ("Role.rbac.authorization.k8s.io", "ClusterRole.rbac.authorization.k8s.io")
_BINDINGS = (
    "RoleBinding.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
)
_VOLUME = ("PersistentVolume",)
_CLASSES = (
    "StorageClass.storage.k8s.io",
    "VolumeSnapshotClass.snapshot.storage.k8s.io",
    "VolumeGroupSnapshotClass.groupsnapshot.storage.k8s.io",
)
_WEBHOOKS = (
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
)
_POLICIES = (
    "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
    "MutatingAdmissionPolicy.admissionregistration.k8s.io",
)
_POLICY_BINDINGS = (
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
)
_NETWORK_POLICY = ("NetworkPolicy.networking.k8s.io",)
_CLUSTER_POLICIES = (
    "AdminNetworkPolicy.policy.networking.k8s.io",
    "BaselineAdminNetworkPolicy.policy.networking.k8s.io",
    "ClusterNetworkPolicy.policy.networking.k8s.io",
)
_INGRESS = ("Ingress.networking.k8s.io", "Ingress.extensions")
_ANY_CONTAINER = "spec.containers|initContainers|ephemeralContainers[]"
_AFFINITY = "spec.affinity.podAffinity|podAntiAffinity"
_REQUIRED = f"{_AFFINITY}.requiredDuringSchedulingIgnoredDuringExecution[]"
_PREFERRED = f"{_AFFINITY}.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm"

# fmt: off
RULES: tuple[Rule, ...] = (
    # ── every object ─────────────────────────────────────────────────────────────────────────
    Rule(
        "object-namespace", ("*",), "metadata.namespace", Form.NAMESPACE,
        "The namespace that the object lives in.", "meta/v1 ObjectMeta.namespace",
    ),
    Rule(
        "owner-namespace", ("*",), "metadata.ownerReferences[]{kind=Namespace}.name",
        Form.NAMESPACE, "An object may be owned by its Namespace, which is cluster-scoped.",
        "meta/v1 OwnerReference",
    ),
    Rule(
        "helm-release-namespace", ("*",), 'metadata.annotations["meta.helm.sh/release-namespace"]',
        Form.NAMESPACE, "Helm refuses to adopt an object whose release lies elsewhere.",
        "Helm: pkg/action/validate.go",
    ),
    Rule(
        "inject-ca", ("*",),
        'metadata.annotations["cert-manager.io/inject-ca-from|cert-manager.io/inject-ca-from-secret"]',
        Form.NAMESPACED_NAME, "The Certificate or Secret that cert-manager takes the CA from.",
        "cert-manager: CA injector",
    ),
    Rule(
        "replicate-from", ("*",),
        'metadata.annotations["reflector.v1.k8s.emberstack.com/reflects|'
        'replicator.v1.mittwald.de/replicate-from"]',
        Form.NAMESPACED_NAME, "The object of another namespace that this one is a copy of.",
        "Reflector, kubernetes-replicator: annotations",
    ),
    Rule(
        "replicate-to", ("*",),
        'metadata.annotations["reflector.v1.k8s.emberstack.com/reflection-*-namespaces|'
        'replicator.v1.mittwald.de/replicate-to|'
        'replicator.v1.mittwald.de/replication-allowed-namespaces"]',
        Form.COMMA_LIST, "The namespaces that the object is copied to.",
        "Reflector, kubernetes-replicator: annotations",
    ),
    Rule(
        "annotation-text", ("*",), "metadata.annotations.*", Form.TEXT,
        "Annotations hold URLs and JSON with the names of services.", "DNS-based service discovery",
    ),
    # ── core ─────────────────────────────────────────────────────────────────────────────────
    Rule(
        "namespace-name", ("Namespace",), "metadata.name", Form.NAMESPACE,
        "The namespace itself.", "core/v1 Namespace",
    ),
    Rule(
        "namespace-label", ("Namespace",), f'metadata.labels["{NAME_LABEL}"]', Form.NAMESPACE,
        "The server forces this label to equal the name.", "well-known labels",
    ),
    Rule(
        "configmap-text", ("ConfigMap",), "data.*", Form.TEXT,
        "Configuration files hold the names of services.", "DNS-based service discovery",
    ),
    Rule(
        "secret-text", ("Secret",), "stringData.*", Form.TEXT,
        "Connection strings hold the names of services.", "DNS-based service discovery",
    ),
    Rule(
        "secret-encoded-text", ("Secret",), "data.*", Form.ENCODED_TEXT,
        "Connection strings hold the names of services: a copy must not write to the original's "
        "database.", "DNS-based service discovery",
    ),
    Rule(
        "external-name", ("Service",), "spec.externalName", Form.DNS,
        "A Service may stand for one of another namespace.", "core/v1 ServiceSpec.externalName",
    ),
    Rule(
        "endpoints-target", ("Endpoints",),
        "subsets[].addresses|notReadyAddresses[].targetRef.namespace", Form.NAMESPACE,
        "The Pod behind a hand-made address.", "core/v1 EndpointAddress.targetRef",
    ),
    Rule(
        "endpointslice-target", ("EndpointSlice.discovery.k8s.io",),
        "endpoints[].targetRef.namespace", Form.NAMESPACE,
        "The Pod behind a hand-made address.", "discovery/v1 Endpoint.targetRef",
    ),
    # ── pods and every pod template ──────────────────────────────────────────────────────────
    Rule(
        "template-annotation-text", (POD,), "metadata.annotations.*", Form.TEXT,
        "Annotations hold URLs and JSON with the names of services.", "DNS-based service discovery",
    ),
    Rule(
        "affinity-namespaces", (POD,), f"{_REQUIRED}.namespaces", Form.LIST,
        "Where the Pods to be near to, or far from, live.", "core/v1 PodAffinityTerm.namespaces",
    ),
    Rule(
        "affinity-selector", (POD,), f"{_REQUIRED}.namespaceSelector", Form.SELECTOR,
        "The same by label.", "core/v1 PodAffinityTerm.namespaceSelector",
    ),
    Rule(
        "preferred-affinity-namespaces", (POD,), f"{_PREFERRED}.namespaces", Form.LIST,
        "Where the Pods to be near to, or far from, live.", "core/v1 PodAffinityTerm.namespaces",
    ),
    Rule(
        "preferred-affinity-selector", (POD,), f"{_PREFERRED}.namespaceSelector", Form.SELECTOR,
        "The same by label.", "core/v1 PodAffinityTerm.namespaceSelector",
    ),
    Rule(
        "env-value", (POD,), f"{_ANY_CONTAINER}.env[].value", Form.DNS,
        "Programs are told their services in the environment.", "core/v1 EnvVar.value",
    ),
    Rule(
        "command-line", (POD,), f"{_ANY_CONTAINER}.args|command[]", Form.DNS,
        "Programs are told their services on the command line.", "core/v1 Container.args, command",
    ),
    Rule(
        "exec-command", (POD,), f"{_ANY_CONTAINER}.*Probe|lifecycle.**.exec.command[]", Form.DNS,
        "Probes and hooks call services.", "core/v1 ExecAction.command",
    ),
    Rule(
        "http-host", (POD,), f"{_ANY_CONTAINER}.*Probe|lifecycle.**.httpGet.host", Form.HOST,
        "Probes and hooks call services.", "core/v1 HTTPGetAction.host",
    ),
    Rule(
        "dns-search", (POD,), "spec.dnsConfig.searches[]", Form.DNS,
        "A search domain names the namespace.", "core/v1 PodDNSConfig.searches",
    ),
    Rule(
        "host-alias", (POD,), "spec.hostAliases[].hostnames[]", Form.DNS,
        "An entry of /etc/hosts may stand for a Service.", "core/v1 HostAlias.hostnames",
    ),
    Rule(
        "nfs-server", (POD,), "spec.volumes[].nfs.server", Form.DNS,
        "A file server may run in the cluster.", "core/v1 NFSVolumeSource.server",
    ),
    Rule(
        "csi-inline-attributes", (POD,), "spec.volumes[].csi.volumeAttributes.*", Form.DNS,
        "A driver may be told a server that runs in the cluster.",
        "core/v1 CSIVolumeSource.volumeAttributes",
    ),
    Rule(
        "template-namespace", (POD, CLAIM), "metadata.namespace", Form.NAMESPACE,
        "A template may say what its objects get anyway: the namespace of their owner.",
        "meta/v1 ObjectMeta.namespace",
    ),
    Rule(
        "job-template-namespace", ("CronJob.batch",), "spec.jobTemplate.metadata.namespace",
        Form.NAMESPACE, "As in a pod template.", "meta/v1 ObjectMeta.namespace",
    ),
    Rule(
        "device-claim-template-namespace", ("ResourceClaimTemplate.resource.k8s.io",),
        "spec.metadata.namespace", Form.NAMESPACE, "As in a pod template.",
        "meta/v1 ObjectMeta.namespace",
    ),
    Rule(
        "account-secret", ("ServiceAccount",), "secrets[].namespace", Form.NAMESPACE,
        "The Secrets of an account lie beside it.", "core/v1 ServiceAccount.secrets",
    ),
    # ── storage ──────────────────────────────────────────────────────────────────────────────
    Rule(
        "claim-data-source", (CLAIM,), "spec.dataSourceRef.namespace", Form.NAMESPACE,
        "The snapshot or claim that the data comes from.", "core/v1 TypedObjectReference.namespace",
    ),
    Rule(
        "volume-claim", _VOLUME, "spec.claimRef.namespace", Form.NAMESPACE,
        "The claim that the volume is for.", "core/v1 PersistentVolumeSpec.claimRef",
    ),
    Rule(
        "volume-csi-secret", _VOLUME, "spec.csi.*SecretRef.namespace", Form.NAMESPACE,
        "The driver's credentials, for each of its calls.", "core/v1 CSIPersistentVolumeSource",
    ),
    Rule(
        "volume-azure-secret", _VOLUME, "spec.azureFile.secretNamespace", Form.NAMESPACE,
        "The credentials of the file share.", "core/v1 AzureFilePersistentVolumeSource",
    ),
    Rule(
        "volume-plugin-secret", _VOLUME, "spec.*.secretRef.namespace", Form.NAMESPACE,
        "The credentials of cephfs, rbd, scaleIO, flexVolume, iscsi, storageos, cinder.",
        "core/v1 *PersistentVolumeSource.secretRef",
    ),
    Rule(
        "volume-gluster-endpoints", _VOLUME, "spec.glusterfs.endpointsNamespace", Form.NAMESPACE,
        "The Endpoints of the servers.", "core/v1 GlusterfsPersistentVolumeSource",
    ),
    Rule(
        "volume-nfs-server", _VOLUME, "spec.nfs.server", Form.DNS,
        "A file server may run in the cluster.", "core/v1 NFSVolumeSource.server",
    ),
    Rule(
        "volume-csi-attributes", _VOLUME, "spec.csi.volumeAttributes.*", Form.DNS,
        "A driver may be told a server that runs in the cluster.",
        "core/v1 CSIPersistentVolumeSource.volumeAttributes",
    ),
    Rule(
        "class-secret", _CLASSES,
        'parameters["*secret-namespace|*ecretNamespace"]', Form.NAMESPACE,
        "The credentials of the driver; templates such as ${pvc.namespace} stay.",
        "CSI: secrets and credentials; in-tree provisioners",
    ),
    Rule(
        "snapshot-content", ("VolumeSnapshotContent.snapshot.storage.k8s.io",),
        "spec.volumeSnapshotRef.namespace", Form.NAMESPACE,
        "The VolumeSnapshot that it is bound to.", "snapshot/v1 VolumeSnapshotContentSpec",
    ),
    Rule(
        "group-snapshot-content", ("VolumeGroupSnapshotContent.groupsnapshot.storage.k8s.io",),
        "spec.volumeGroupSnapshotRef.namespace", Form.NAMESPACE,
        "The VolumeGroupSnapshot that it is bound to.", "groupsnapshot/v1 *ContentSpec",
    ),
    # ── rights ───────────────────────────────────────────────────────────────────────────────
    Rule(
        "subject-namespace", _BINDINGS, "subjects[+].namespace", Form.NAMESPACE,
        "Where the ServiceAccount lives.", "rbac/v1 Subject.namespace",
    ),
    Rule(
        "subject-user", _BINDINGS, "subjects[+]{kind=User}.name", Form.USER,
        "A ServiceAccount by its user name.", "authentication: service account tokens",
    ),
    Rule(
        "subject-group", _BINDINGS, "subjects[+]{kind=Group}.name", Form.GROUP,
        "All ServiceAccounts of a namespace.", "authentication: service account tokens",
    ),
    Rule(
        "namespace-rule", _ROLES, "rules[]{resources=namespaces}.resourceNames", Form.LIST,
        "Rights on single Namespaces.", "rbac/v1 PolicyRule.resourceNames",
    ),
    Rule(
        "flow-account", ("FlowSchema.flowcontrol.apiserver.k8s.io",),
        "spec.rules[].subjects[+].serviceAccount.namespace", Form.NAMESPACE,
        "Whose requests are meant.", "flowcontrol/v1 ServiceAccountSubject",
    ),
    Rule(
        "flow-user", ("FlowSchema.flowcontrol.apiserver.k8s.io",),
        "spec.rules[].subjects[+].user.name", Form.USER,
        "Whose requests are meant.", "flowcontrol/v1 UserSubject",
    ),
    Rule(
        "flow-group", ("FlowSchema.flowcontrol.apiserver.k8s.io",),
        "spec.rules[].subjects[+].group.name", Form.GROUP,
        "Whose requests are meant.", "flowcontrol/v1 GroupSubject",
    ),
    Rule(
        "flow-namespaces", ("FlowSchema.flowcontrol.apiserver.k8s.io",),
        "spec.rules[].resourceRules[].namespaces", Form.LIST,
        "Which namespaces' requests are meant.", "flowcontrol/v1 ResourcePolicyRule.namespaces",
    ),
    # ── network ──────────────────────────────────────────────────────────────────────────────
    Rule(
        "network-from", _NETWORK_POLICY, "spec.ingress[].from[+].namespaceSelector", Form.SELECTOR,
        "Whose traffic is let in.", "networking/v1 NetworkPolicyPeer.namespaceSelector",
    ),
    Rule(
        "network-to", _NETWORK_POLICY, "spec.egress[].to[+].namespaceSelector", Form.SELECTOR,
        "Where traffic may go.", "networking/v1 NetworkPolicyPeer.namespaceSelector",
    ),
    Rule(
        "cluster-policy-subject", _CLUSTER_POLICIES,
        "spec.subject.namespaces", Form.SELECTOR,
        "Which namespaces the policy is about.", "policy.networking.k8s.io subject",
    ),
    Rule(
        "cluster-policy-subject-pods", _CLUSTER_POLICIES,
        "spec.subject.pods.namespaceSelector", Form.SELECTOR,
        "Which Pods the policy is about.", "policy.networking.k8s.io subject",
    ),
    Rule(
        "cluster-policy-peer", _CLUSTER_POLICIES,
        "spec.ingress|egress[].from|to[+].namespaces", Form.SELECTOR,
        "The other side of the traffic.", "policy.networking.k8s.io peers",
    ),
    Rule(
        "cluster-policy-peer-pods", _CLUSTER_POLICIES,
        "spec.ingress|egress[].from|to[+].pods.namespaceSelector", Form.SELECTOR,
        "The other side of the traffic.", "policy.networking.k8s.io peers",
    ),
    Rule(
        "ingress-annotation", _INGRESS,
        'metadata.annotations["*-secret|*-configmap|*/auth-proxy-set-headers"]',
        Form.NAMESPACED_NAME, "Credentials and files that the controller reads elsewhere.",
        "ingress-nginx, HAProxy: annotations",
    ),
    Rule(
        "traefik-annotation", _INGRESS,
        'metadata.annotations["traefik.ingress.kubernetes.io/*"]', Form.TRAEFIK,
        "Traefik puts the namespace before the name of its objects.", "Traefik: CRD provider names",
    ),
    Rule(
        "ingress-class-parameters", ("IngressClass.networking.k8s.io",),
        "spec.parameters.namespace", Form.NAMESPACE,
        "The class's parameters may lie in a namespace.",
        "networking/v1 IngressClassParametersReference",
    ),
    # ── admission, extension of the API ──────────────────────────────────────────────────────
    Rule(
        "webhook-service", _WEBHOOKS, "webhooks[].clientConfig.service.namespace", Form.NAMESPACE,
        "The Service that answers.", "admissionregistration/v1 ServiceReference",
    ),
    Rule(
        "webhook-url", _WEBHOOKS, "webhooks[].clientConfig.url", Form.DNS,
        "The address that answers.", "admissionregistration/v1 WebhookClientConfig.url",
    ),
    Rule(
        "webhook-selector", _WEBHOOKS, "webhooks[].namespaceSelector", Form.SELECTOR,
        "Which namespaces' objects are asked about.", "admissionregistration/v1 *Webhook",
    ),
    Rule(
        "policy-selector", _POLICIES, "spec.matchConstraints.namespaceSelector", Form.SELECTOR,
        "Which namespaces' objects are judged.", "admissionregistration/v1 MatchResources",
    ),
    Rule(
        "policy-binding-selector", _POLICY_BINDINGS, "spec.matchResources.namespaceSelector",
        Form.SELECTOR, "Which namespaces' objects are judged.",
        "admissionregistration/v1 MatchResources",
    ),
    Rule(
        "policy-binding-parameters", _POLICY_BINDINGS, "spec.paramRef.namespace", Form.NAMESPACE,
        "Where the parameters lie.", "admissionregistration/v1 ParamRef.namespace",
    ),
    Rule(
        "conversion-service", ("CustomResourceDefinition.apiextensions.k8s.io",),
        "spec.conversion.webhook.clientConfig.service.namespace", Form.NAMESPACE,
        "The Service that converts between versions.", "apiextensions/v1 ServiceReference",
    ),
    Rule(
        "conversion-url", ("CustomResourceDefinition.apiextensions.k8s.io",),
        "spec.conversion.webhook.clientConfig.url", Form.DNS,
        "The address that converts between versions.", "apiextensions/v1 WebhookClientConfig.url",
    ),
    Rule(
        "apiservice", ("APIService.apiregistration.k8s.io",), "spec.service.namespace",
        Form.NAMESPACE, "The Service behind an aggregated API.",
        "apiregistration/v1 ServiceReference",
    ),
)
# fmt: on
