"""What an object needs that lives in no namespace: every such field, as data.

``NEEDS``: an object names a cluster-scoped one. ``BELONGS``: a cluster-scoped object names the
namespace that it serves, and is of no use without it, nor the namespace without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube2git.core.remap.embedding import CLAIM, POD
from kube2git.core.remap.forms import Form


@dataclass(frozen=True, slots=True)
class NeedRule:
    """A field that holds the name of a cluster-scoped object."""

    kinds: tuple[str, ...]
    """As in ReferenceRule."""
    path: str
    needed: str
    """``Kind.group`` of the object that is named."""
    reason: str


@dataclass(frozen=True, slots=True)
class BelongRule:
    """A field by which a cluster-scoped object says which namespace it serves."""

    kinds: tuple[str, ...]
    path: str
    form: Form
    reason: str


_BINDINGS = (
    "RoleBinding.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
)
_WEBHOOKS = (
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
)
_CLASS = "StorageClass.storage.k8s.io"
_ISSUER = "ClusterIssuer.cert-manager.io"
_STORE = "ClusterSecretStore.external-secrets.io"
_SNAPSHOT = "snapshot.storage.k8s.io"
_GROUP_SNAPSHOT = "groupsnapshot.storage.k8s.io"
_INGRESS = ("Ingress.networking.k8s.io", "Ingress.extensions")
_CLAIMS = ("ResourceClaim.resource.k8s.io", "ResourceClaimTemplate.resource.k8s.io")
_KEDA = ("ScaledObject.keda.sh", "ScaledJob.keda.sh")

# fmt: off
NEEDS: tuple[NeedRule, ...] = (
    NeedRule((POD,), "spec.priorityClassName", "PriorityClass.scheduling.k8s.io",
             "Admission refuses Pods of an unknown priority class."),
    NeedRule((POD,), "spec.runtimeClassName", "RuntimeClass.node.k8s.io",
             "Admission refuses Pods of an unknown runtime class."),
    NeedRule((CLAIM,), "spec.storageClassName", _CLASS,
             "Without its class a claim stays Pending."),
    NeedRule((CLAIM,), 'metadata.annotations["volume.beta.kubernetes.io/storage-class"]', _CLASS,
             "The old way to name the class."),
    NeedRule((CLAIM,), "spec.volumeName", "PersistentVolume",
             "The volume that the claim is bound to."),
    NeedRule((CLAIM,), "spec.volumeAttributesClassName", "VolumeAttributesClass.storage.k8s.io",
             "Without its class a claim stays Pending."),
    NeedRule(("PersistentVolume",), "spec.storageClassName", _CLASS,
             "A volume and its claim name the same class."),
    NeedRule(("Cluster.postgresql.cnpg.io",), "spec.storage|walStorage.storageClass", _CLASS,
             "The class of the database's claims."),
    NeedRule(_BINDINGS, "roleRef{kind=ClusterRole}.name", "ClusterRole.rbac.authorization.k8s.io",
             "A binding gives the rights of a role."),
    NeedRule(_INGRESS, "spec.ingressClassName", "IngressClass.networking.k8s.io",
             "No controller serves an Ingress of an unknown class."),
    NeedRule(_INGRESS, 'metadata.annotations["kubernetes.io/ingress.class"]',
             "IngressClass.networking.k8s.io", "The old way to name the class."),
    NeedRule((*_INGRESS, "Gateway.gateway.networking.k8s.io"),
             'metadata.annotations["cert-manager.io/cluster-issuer"]', _ISSUER,
             "It signs the certificate."),
    NeedRule(("Gateway.gateway.networking.k8s.io",), "spec.gatewayClassName",
             "GatewayClass.gateway.networking.k8s.io",
             "No controller serves a Gateway of an unknown class."),
    NeedRule(("Certificate.cert-manager.io", "CertificateRequest.cert-manager.io"),
             "spec.issuerRef{kind=ClusterIssuer}.name", _ISSUER, "It signs the certificate."),
    NeedRule(("ExternalSecret.external-secrets.io", "PushSecret.external-secrets.io"),
             "spec.secretStoreRef{kind=ClusterSecretStore}.name", _STORE,
             "The secret is read from there."),
    NeedRule(("ExternalSecret.external-secrets.io",),
             "spec.data|dataFrom[].sourceRef.storeRef{kind=ClusterSecretStore}.name", _STORE,
             "The secret is read from there."),
    NeedRule(("PushSecret.external-secrets.io",),
             "spec.secretStoreRefs[]{kind=ClusterSecretStore}.name", _STORE,
             "The secret is written there."),
    NeedRule((f"VolumeSnapshot.{_SNAPSHOT}",), "spec.volumeSnapshotClassName",
             f"VolumeSnapshotClass.{_SNAPSHOT}", "It says how snapshots are made."),
    NeedRule((f"VolumeSnapshot.{_SNAPSHOT}",), "spec.source.volumeSnapshotContentName",
             f"VolumeSnapshotContent.{_SNAPSHOT}", "The snapshot that was imported."),
    NeedRule((f"VolumeSnapshotContent.{_SNAPSHOT}",), "spec.volumeSnapshotClassName",
             f"VolumeSnapshotClass.{_SNAPSHOT}", "It says how snapshots are deleted."),
    NeedRule((f"VolumeGroupSnapshot.{_GROUP_SNAPSHOT}",), "spec.volumeGroupSnapshotClassName",
             f"VolumeGroupSnapshotClass.{_GROUP_SNAPSHOT}", "It says how snapshots are made."),
    NeedRule(_CLAIMS, "spec.**.deviceClassName", "DeviceClass.resource.k8s.io",
             "It says which devices are meant."),
    NeedRule(("FlowSchema.flowcontrol.apiserver.k8s.io",), "spec.priorityLevelConfiguration.name",
             "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io",
             "The level that the requests go to."),
    NeedRule(_KEDA, "spec.triggers[].authenticationRef{kind=ClusterTriggerAuthentication}.name",
             "ClusterTriggerAuthentication.keda.sh", "The scaler's credentials."),
)

BELONGS: tuple[BelongRule, ...] = (
    BelongRule(("ClusterRoleBinding.rbac.authorization.k8s.io",), "subjects[].namespace",
               Form.NAMESPACE, "It gives rights to an account of the namespace."),
    BelongRule(("ClusterRoleBinding.rbac.authorization.k8s.io",), "subjects[]{kind=User}.name",
               Form.USER, "It gives rights to an account of the namespace."),
    BelongRule(("ClusterRoleBinding.rbac.authorization.k8s.io",), "subjects[]{kind=Group}.name",
               Form.GROUP, "It gives rights to all accounts of the namespace."),
    BelongRule(("PersistentVolume",), "spec.claimRef.namespace",
               Form.NAMESPACE, "It is bound to a claim of the namespace."),
    BelongRule((f"VolumeSnapshotContent.{_SNAPSHOT}",), "spec.volumeSnapshotRef.namespace",
               Form.NAMESPACE, "It is bound to a snapshot of the namespace."),
    BelongRule(_WEBHOOKS, "webhooks[].clientConfig.service.namespace",
               Form.NAMESPACE, "A Service of the namespace answers it."),
    BelongRule(_WEBHOOKS, "webhooks[].clientConfig.url",
               Form.DNS, "A Service of the namespace answers it."),
    BelongRule(("APIService.apiregistration.k8s.io",), "spec.service.namespace",
               Form.NAMESPACE, "A Service of the namespace answers it."),
    BelongRule(("CustomResourceDefinition.apiextensions.k8s.io",),
               "spec.conversion.webhook.clientConfig.service.namespace",
               Form.NAMESPACE, "A Service of the namespace converts its objects."),
)
# fmt: on
