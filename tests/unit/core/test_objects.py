"""objects: identity without version and uid."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.objects import Manifest, ObjectRef, ResourceType, group_of, ref_of
from kube2git.core.wire import Json

DEPLOYMENTS = ResourceType(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    namespaced=True,
    singular="deployment",
    short_names=("deploy",),
)
ROLES = ResourceType("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False)
NAMESPACES = ResourceType("", "v1", "Namespace", "namespaces", False, short_names=("ns",))
PODS = ResourceType("", "v1", "Pod", "pods", True)


@pytest.mark.parametrize(
    ("body", "ref"),
    [
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}},
            ObjectRef("", "Secret", "b", "a"),
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
            ObjectRef("apps", "Deployment", "", "a"),
        ),
        (
            {"apiVersion": "x.io/v2", "kind": "Y", "metadata": {"name": "a:b", "namespace": None}},
            ObjectRef("x.io", "Y", "", "a:b"),
        ),
    ],
)
def test_identity_is_group_kind_namespace_and_name(body: Json, ref: ObjectRef) -> None:
    assert ref_of(body) == ref


@pytest.mark.parametrize(
    ("body", "lacks"),
    [
        ({"kind": "A", "metadata": {"name": "a"}}, "no apiVersion"),
        ({"apiVersion": 1, "kind": "A", "metadata": {"name": "a"}}, "no apiVersion"),
        ({"apiVersion": "v1", "kind": "", "metadata": {"name": "a"}}, "no kind"),
        ({"apiVersion": "v1", "kind": "A"}, "no metadata.name"),
        ({"apiVersion": "v1", "kind": "A", "metadata": ["name"]}, "no metadata.name"),
        ({"apiVersion": "v1", "kind": "A", "metadata": {"name": ""}}, "no metadata.name"),
        ({"apiVersion": "v1", "kind": "A", "metadata": {"name": True}}, "no metadata.name"),
        (
            {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "namespace": 0}},
            "namespace is not a string",
        ),
    ],
)
def test_an_object_without_identity_is_refused(body: Json, lacks: str) -> None:
    with pytest.raises(ValueError, match=lacks):
        ref_of(body)


def test_a_ref_is_written_as_kubectl_names_objects() -> None:
    assert str(ObjectRef("apps", "Deployment", "shop", "web")) == "deployment.apps/web -n shop"
    assert str(ObjectRef("", "Namespace", "", "shop")) == "namespace/shop"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("system:node", "system:node"),
        ("a b\\ü😀", "a b\\ü😀"),
        ("a\n~ configmap/b: data (alice)", "a%0A~ configmap/b: data (alice)"),
        ("a\x1b[31m\x9b", "a%1B[31m%C2%9B"),
        ("a\u202eb\udc80", "a%E2%80%AEb%ED%B2%80"),
    ],
)
def test_a_name_cannot_forge_a_message(name: str, written: str) -> None:
    assert str(ObjectRef("", "Role", "shop", name)) == f"role/{written} -n shop"


def test_the_group_is_what_stands_before_the_version() -> None:
    assert group_of("v1") == ""
    assert group_of("apps/v1") == "apps"
    assert group_of("snapshot.storage.k8s.io/v1beta1") == "snapshot.storage.k8s.io"


def test_a_kind_is_written_with_its_group_except_for_core() -> None:
    assert ObjectRef("apps", "Deployment", "a", "b").kind_group == "Deployment.apps"
    assert (DEPLOYMENTS.kind_group, DEPLOYMENTS.resource_group) == (
        "Deployment.apps",
        "deployments.apps",
    )
    assert (PODS.kind_group, PODS.resource_group, PODS.api_version) == ("Pod", "pods", "v1")
    assert DEPLOYMENTS.api_version == "apps/v1"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("shop", "web-0"), "/api/v1/namespaces/shop/pods/web-0"),
        (DEPLOYMENTS.path("shop"), "/apis/apps/v1/namespaces/shop/deployments"),
        (NAMESPACES.path("", "shop"), "/api/v1/namespaces/shop"),
        (NAMESPACES.path("shop", "shop"), "/api/v1/namespaces/shop"),
        (
            ROLES.path("", "system:node"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
        ),
        (
            ROLES.path("", "what? #1"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/what%3F%20%231",
        ),
    ],
)
def test_the_path_of_a_collection_or_object(path: str, expected: str) -> None:
    assert path == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda s: "/" not in s))
def test_any_name_stays_one_segment_of_the_path(name: str) -> None:
    head, _, tail = ROLES.path("", name).rpartition("/")
    assert head.endswith("/clusterroles")
    assert tail.isascii()
    assert not set(tail) & set("?# ")
    assert unquote(tail) == name


def test_a_cluster_scoped_ref_never_has_a_namespace() -> None:
    assert NAMESPACES.ref("shop", "shop") == ObjectRef("", "Namespace", "", "shop")
    assert PODS.ref("shop", "web") == ObjectRef("", "Pod", "shop", "web")


def test_a_kind_answers_to_all_its_names() -> None:
    assert DEPLOYMENTS.names() == {
        "deployment",
        "deployments",
        "deploy",
        "deployment.apps",
        "deployments.apps",
        "deploy.apps",
    }
    assert NAMESPACES.names() == {"namespace", "namespaces", "ns"}


def manifest(**fields: Any) -> Manifest:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    return Manifest.of({**head, **fields})


def test_manifests_are_equal_when_ref_and_content_are() -> None:
    one = manifest(data={"x": "1", "y": "2"})
    assert one == manifest(data={"y": "2", "x": "1"})
    assert one != manifest(data={"x": "1"})
    assert len({one, manifest(data={"y": "2", "x": "1"})}) == 1


def test_a_manifest_does_not_show_its_content() -> None:
    assert "hunter2" not in repr(manifest(data={"password": "hunter2"}))
