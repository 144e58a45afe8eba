"""immutable: the table names what a real server refuses, and no kind that holds data is deleted."""

from __future__ import annotations

import pytest

from kube2git.core.planning.immutable import IMMUTABLE, immutable_fields, recreation

# kind_group -> (all fields of the causes, those that never change), as a 1.37 server answered a
# forced dry-run apply of an object that changes all of them at once.
SEEN: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("Deployment.apps", ("spec.selector",), ("spec.selector",)),
    (
        "StatefulSet.apps",
        ("spec.volumeClaimTemplates", "spec.serviceName", "spec.podManagementPolicy"),
        ("spec.volumeClaimTemplates", "spec.serviceName", "spec.podManagementPolicy"),
    ),
    ("StatefulSet.apps", ("spec",), ("spec",)),
    (
        "Job.batch",
        ("spec.podReplacementPolicy", "spec.completions", "spec.template", "spec.managedBy"),
        ("spec.completions", "spec.template", "spec.managedBy"),
    ),
    ("Service", ("spec.clusterIPs[0]",), ("spec.clusterIPs[0]",)),
    ("Service", ("spec.loadBalancerClass",), ("spec.loadBalancerClass",)),
    ("Pod", ("spec",), ("spec",)),
    ("Pod", ("spec.containers",), ("spec.containers",)),
    (
        "PersistentVolume",
        ("spec.persistentvolumesource", "volumeMode"),
        ("spec.persistentvolumesource", "volumeMode"),
    ),
    ("PersistentVolumeClaim", ("spec", "volumeMode"), ("spec", "volumeMode")),
    (
        "PersistentVolumeClaim",
        ("spec.resources.requests.storage",),
        ("spec.resources.requests.storage",),
    ),
    ("RoleBinding.rbac.authorization.k8s.io", ("roleRef",), ("roleRef",)),
    ("ConfigMap", ("immutable", "data"), ("immutable", "data")),
    ("Secret", ("type", "immutable", "data"), ("type", "immutable", "data")),
    ("PriorityClass.scheduling.k8s.io", ("value",), ("value",)),
    ("StorageClass.storage.k8s.io", ("provisioner", "parameters"), ("provisioner", "parameters")),
    ("ResourceQuota", ("spec.scopes",), ("spec.scopes",)),
    ("CSIDriver.storage.k8s.io", ("spec.attachedRequired",), ("spec.attachedRequired",)),
    (
        "CustomResourceDefinition.apiextensions.k8s.io",
        ("spec.scope", "spec.names.kind", "status.storedVersions[0]"),
        ("spec.scope", "spec.names.kind", "status.storedVersions[0]"),
    ),
]


@pytest.mark.parametrize(("kind", "causes", "never"), SEEN)
def test_the_table_knows_what_a_server_refuses(
    kind: str, causes: tuple[str, ...], never: tuple[str, ...]
) -> None:
    assert immutable_fields(kind, causes) == never


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("Deployment.apps", "spec.template.metadata.labels"),
        ("Deployment.apps", "spec.selectors"),
        ("Deployment.apps", "spec"),
        ("Deployment.other.io", "spec.selector"),
        ("Foo.x.io", "spec"),
        ("PersistentVolume", "spec.capacity"),
    ],
)
def test_any_other_field_is_merely_invalid(kind: str, field: str) -> None:
    assert immutable_fields(kind, (field,)) == ()


@pytest.mark.parametrize(
    "kind",
    [
        "PersistentVolumeClaim",
        "PersistentVolume",
        "Namespace",
        "CustomResourceDefinition.apiextensions.k8s.io",
        "Foo.x.io",
    ],
)
def test_what_takes_others_with_it_is_never_recreated(kind: str) -> None:
    found = recreation(kind)
    assert not found.is_allowed
    assert found.reason.endswith(".")


def test_only_a_stateful_set_leaves_its_pods_behind() -> None:
    assert {kind for kind in IMMUTABLE if recreation(kind).orphans} == {"StatefulSet.apps"}


def test_every_kind_that_may_be_recreated_says_what_it_costs() -> None:
    allowed = [kind for kind in IMMUTABLE if recreation(kind).is_allowed]
    assert "Deployment.apps" in allowed
    assert all(recreation(kind).reason.endswith(".") for kind in allowed)
