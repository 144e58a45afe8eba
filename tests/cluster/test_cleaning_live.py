"""What the catalogue of cleaning claims about API servers, against a real one.

Boundary: that every kind survives an export and a replay, the tests of those show; who set a
field, test_ownership_live.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube2git.core.objects import ObjectRef
from kube2git.core.wire import Json
from tests.cluster.cleaned import RULES, cleaner_for, everything, exported, read, spec_of
from tests.cluster.conftest import StartControlPlane
from tests.controlplane import ControlPlane

pytestmark = pytest.mark.needs("kwok")

# ── A cluster in which nobody has done anything ──────────────────────────────────────────────


CHANGES = {
    ObjectRef("", "Namespace", "", "kube-public"): ("label", "namespace/kube-public", "team=a"),
    ObjectRef("", "ServiceAccount", "kube-public", "default"): (
        "annotate",
        "-nkube-public",
        "serviceaccount/default",
        "a=b",
    ),
    ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "view"): (
        "label",
        "clusterrole/view",
        "team=a",
    ),
    ObjectRef("rbac.authorization.k8s.io", "ClusterRoleBinding", "", "system:node"): (
        "set",
        "subject",
        "clusterrolebinding/system:node",
        "--group=mine",
    ),
    ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "system:basic-user"): (
        "annotate",
        "--overwrite",
        "clusterrole/system:basic-user",
        "rbac.authorization.kubernetes.io/autoupdate=false",
    ),
    ObjectRef("flowcontrol.apiserver.k8s.io", "FlowSchema", "", "probes"): (
        "annotate",
        "flowschema/probes",
        "a=b",
    ),
    ObjectRef("scheduling.k8s.io", "PriorityClass", "", "system-node-critical"): (
        "label",
        "priorityclass/system-node-critical",
        "team=a",
    ),
    ObjectRef("", "Service", "default", "kubernetes"): (
        "label",
        "-ndefault",
        "service/kubernetes",
        "team=a",
    ),
}


def test_a_new_cluster_holds_nothing_and_then_what_a_person_changed(
    control_plane: StartControlPlane,
) -> None:
    plane = control_plane()
    account = "/api/v1/namespaces/kube-public/serviceaccounts/default"
    plane.wait(lambda: plane.get(account).status == 200, "The default accounts")
    assert len({body["kind"] for body in everything(plane)}) > 15
    # Controllers are still at work on their own objects.
    plane.wait(lambda: exported(plane) == {}, "An export of nothing", timeout=30)
    for arguments in CHANGES.values():
        plane.kubectl(*arguments)
    plane.wait(lambda: exported(plane).keys() == CHANGES.keys(), "The changes", timeout=30)
    role = exported(plane)[ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "view")]
    assert "rules" not in role
    assert "aggregationRule" in role
    plane.stop()


# ── Particular kinds ─────────────────────────────────────────────────────────────────────────

POD: Json = {"restartPolicy": "Always", "containers": [{"name": "c", "image": "x"}]}
WORKLOADS = (Path(__file__).parent / "workloads.yaml").read_text()


@pytest.fixture(scope="module")
def workloads(control_plane: StartControlPlane) -> Iterator[ControlPlane]:
    """A cluster whose Pods run, with the WORKLOADS in namespace shop."""
    plane = control_plane(kwok=True)
    plane.create("/api/v1/nodes", {"metadata": {"name": "n1"}})
    plane.kubectl("create", "namespace", "shop")
    account = "/api/v1/namespaces/shop/serviceaccounts/default"
    plane.wait(lambda: plane.get(account).status == 200, "The default account")
    plane.kubectl("create", "-n", "shop", "-f", "-", input=WORKLOADS)
    pods = "/api/v1/namespaces/shop/pods"
    plane.wait(
        lambda: [pod["status"]["phase"] for pod in read(plane, pods)["items"]] == ["Running"] * 2,
        "The Pods",
    )
    yield plane
    plane.stop()


def test_a_pod_loses_what_the_scheduler_and_admission_added(workloads: ControlPlane) -> None:
    raw = read(workloads, "/api/v1/namespaces/shop/pods/plain")["spec"]
    added = {"nodeName", "priority", "preemptionPolicy", "volumes", "tolerations", "serviceAccount"}
    assert raw.keys() >= added
    clean = spec_of(workloads, "/api/v1/namespaces/shop/pods/plain")
    assert not clean.keys() & added
    assert "volumeMounts" not in clean["containers"][0]
    assert clean.keys() - POD.keys() <= {
        # Defaults, which nothing tells from choices.
        "dnsPolicy",
        "enableServiceLinks",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "terminationGracePeriodSeconds",
    }


def test_a_node_and_a_toleration_that_a_person_named_stay(workloads: ControlPlane) -> None:
    clean = spec_of(workloads, "/api/v1/namespaces/shop/pods/pinned")
    assert clean["nodeName"] == "n1"
    assert [one["tolerationSeconds"] for one in clean["tolerations"]] == [60]


def test_nobody_can_choose_the_priority_of_a_pod(cluster: ControlPlane, namespace: str) -> None:
    for field in ({"priority": 5}, {"preemptionPolicy": "Never"}):
        body = {"metadata": {"generateName": "a-"}, "spec": POD | field}
        answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)
        assert answer.status == 403
        assert b"priority admission controller computed" in answer.body


def test_a_job_loses_what_was_made_from_its_uid(workloads: ControlPlane) -> None:
    raw = read(workloads, "/apis/batch/v1/namespaces/shop/jobs/once")
    assert "controller-uid" in raw["spec"]["template"]["metadata"]["labels"]
    clean = cleaner_for(workloads).clean(raw).body
    assert clean is not None
    assert "selector" not in clean["spec"]
    assert "metadata" not in clean["spec"]["template"]
    assert clean["metadata"] == {"name": "once", "namespace": "shop"}
    manual = spec_of(workloads, "/apis/batch/v1/namespaces/shop/jobs/manual")
    assert manual["selector"] == {"matchLabels": {"app": "x"}}
    assert manual["template"]["metadata"] == {"labels": {"app": "x"}}


def test_a_claim_template_loses_what_the_server_added(workloads: ControlPlane) -> None:
    path = "/apis/apps/v1/namespaces/shop/statefulsets/db"
    (raw,) = read(workloads, path)["spec"]["volumeClaimTemplates"]
    assert raw.keys() > {"metadata", "spec"}
    clean = spec_of(workloads, path)
    (template,) = clean["volumeClaimTemplates"]
    assert template.keys() == {"metadata", "spec"}
    assert template["metadata"] == {"name": "data"}
    assert "serviceAccount" not in clean["template"]["spec"]


def test_replicas_that_an_autoscaler_sets_go(workloads: ControlPlane) -> None:
    path = "/apis/apps/v1/namespaces/shop/statefulsets/db"
    assert read(workloads, path)["spec"]["replicas"] == 0
    assert "replicas" not in spec_of(workloads, path)


def test_endpoints_and_slices_of_controllers_are_left_out_and_hand_made_ones_stay(
    cluster: ControlPlane, namespace: str
) -> None:
    for name, selector in (("derived", {"app": "x"}), ("by-hand", None)):
        spec = {"selector": selector, "ports": [{"port": 80}]}
        body = {"metadata": {"name": name}, "spec": spec}
        cluster.create(f"/api/v1/namespaces/{namespace}/services", body)
    subsets = [{"addresses": [{"ip": "10.9.9.9"}], "ports": [{"port": 80}]}]
    by_hand = {"metadata": {"name": "by-hand"}, "subsets": subsets}
    cluster.create(f"/api/v1/namespaces/{namespace}/endpoints", by_hand)
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    cluster.create(
        slices,
        {
            "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "by-hand"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.9.9.8"]}],
        },
    )
    cluster.wait(lambda: len(read(cluster, slices)["items"]) == 3, "The controllers' slices")
    cluster.wait(
        lambda: cluster.get(f"/api/v1/namespaces/{namespace}/endpoints/derived").status == 200,
        "The controller's endpoints",
    )
    found = {
        str(ref)
        for ref in exported(cluster)
        if ref.namespace == namespace and ref.kind.startswith("Endpoint")
    }
    assert found == {
        f"endpoints/by-hand -n {namespace}",
        f"endpointslice.discovery.k8s.io/mine -n {namespace}",
    }


def test_the_sources_of_a_claim_are_mirrored_and_one_is_kept(
    cluster: ControlPlane, namespace: str
) -> None:
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    snapshot = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "a"}
    claim = {"kind": "PersistentVolumeClaim", "name": "a"}
    populator = {"apiGroup": "example.com", "kind": "Populator", "name": "a"}
    for name, given, kept in (
        ("snapshot", {"dataSourceRef": snapshot}, {"dataSource": snapshot}),
        ("claim", {"dataSource": claim}, {"dataSource": claim}),
        ("populator", {"dataSourceRef": populator}, {"dataSourceRef": populator}),
        # The server itself drops this one, which is why the other field must stay.
        ("dropped", {"dataSource": populator}, {}),
    ):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        cluster.create(claims, {"metadata": {"name": name}, "spec": spec | given})
        clean = spec_of(cluster, f"{claims}/{name}")
        assert {key: value for key, value in clean.items() if key.startswith("data")} == kept


def test_a_volume_that_the_binder_chose_goes_and_a_chosen_one_stays(
    cluster: ControlPlane, namespace: str
) -> None:
    for name in ("bound", "chosen"):
        volume = f"{namespace}-{name}"
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/a"},
            "storageClassName": volume,
            "persistentVolumeReclaimPolicy": "Retain",
        }
        cluster.create("/api/v1/persistentvolumes", {"metadata": {"name": volume}, "spec": spec})
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": volume,
            "resources": {"requests": {"storage": "1Gi"}},
        } | ({"volumeName": volume} if name == "chosen" else {})
        claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        cluster.create(claims, {"metadata": {"name": name}, "spec": claim})
        path = f"{claims}/{name}"
        cluster.wait(
            lambda path=path: read(cluster, path)["status"]["phase"] == "Bound",  # type: ignore[misc]
            "The binding",
        )
        raw = read(cluster, path)
        assert raw["spec"]["volumeName"] == volume
        clean = cleaner_for(cluster).clean(raw).body
        assert clean is not None
        assert clean["metadata"] == {"name": name, "namespace": namespace}
        assert ("volumeName" in clean["spec"]) == (name == "chosen")
        static = cleaner_for(cluster).clean(read(cluster, f"/api/v1/persistentvolumes/{volume}"))
        assert static.body is not None
        assert static.body["metadata"] == {"name": volume}
        assert static.body["spec"]["claimRef"].keys() == {"apiVersion", "kind", "name", "namespace"}


def test_a_namespace_keeps_a_persons_finalizer(cluster: ControlPlane, namespace: str) -> None:
    name = f"{namespace}-held"
    spec = {"finalizers": ["example.com/mine"]}
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}, "spec": spec})
    raw = read(cluster, f"/api/v1/namespaces/{name}")
    assert raw["spec"]["finalizers"] == ["example.com/mine", "kubernetes"]
    assert spec_of(cluster, f"/api/v1/namespaces/{name}") == spec


def test_the_server_writes_null_for_a_role_without_rules(
    cluster: ControlPlane, namespace: str
) -> None:
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
    cluster.create(roles, {"metadata": {"name": "none"}, "rules": []})
    raw = read(cluster, f"{roles}/none")
    assert raw["rules"] is None
    clean = cleaner_for(cluster).clean(raw).body
    assert clean is not None
    assert clean["rules"] == []


def test_empty_templates_are_written_by_the_server(cluster: ControlPlane, namespace: str) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/cronjobs"
    template = {"spec": {"template": {"spec": POD | {"restartPolicy": "Never"}}}}
    spec = {"schedule": "0 3 * * 0", "jobTemplate": template}
    cluster.create(jobs, {"metadata": {"name": "nightly"}, "spec": spec})
    assert read(cluster, f"{jobs}/nightly")["spec"]["jobTemplate"]["metadata"] == {}
    clean = spec_of(cluster, f"{jobs}/nightly")["jobTemplate"]
    assert clean.keys() == {"spec"}
    assert clean["spec"]["template"].keys() == {"spec"}


def test_a_status_without_sub_resource_is_a_field(cluster: ControlPlane, namespace: str) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    group = f"{namespace}.example.com"
    version: Json = {"name": "v1", "served": True, "storage": True, "schema": schema}
    for kind in ("Plain", "Usual"):
        subresources: Json = {"subresources": {"status": {}}} if kind == "Usual" else {}
        plural = f"{kind.lower()}s"
        definition = {
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [version | subresources],
            },
        }
        cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        path = f"/apis/{group}/v1/namespaces/{namespace}/{plural}"
        cluster.wait(lambda path=path: cluster.get(path).status == 200, kind)  # type: ignore[misc]
        body = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "a"}}
        cluster.create(path, body | {"status": {"wanted": True}})
        if kind == "Usual":
            merge = {"status": {"seen": True}}
            assert cluster.request("PATCH", f"{path}/a/status", merge).status == 200
        raw = read(cluster, f"{path}/a")
        assert "status" in raw
        clean = cleaner_for(cluster).clean(raw).body
        assert clean is not None
        assert ("status" in clean) == (kind == "Plain")


def test_the_token_of_an_account_is_left_out_and_explained_without_its_value(
    cluster: ControlPlane, namespace: str
) -> None:
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    annotations = {"kubernetes.io/service-account.name": "default"}
    body = {
        "metadata": {"name": "token", "annotations": annotations},
        "type": "kubernetes.io/service-account-token",
    }
    cluster.create(secrets, body)
    cluster.wait(lambda: "token" in read(cluster, f"{secrets}/token").get("data", {}), "The token")
    raw = read(cluster, f"{secrets}/token")
    left_out = cleaner_for(cluster).explain(raw).left_out
    assert left_out is not None
    assert left_out.id == "service-account-tokens"
    kept = RULES.with_changes(disabled=["service-account-tokens"])
    explained = cleaner_for(cluster, kept).explain(raw)
    assert {found.path for found in explained.removed} >= {
        "data.token",
        'data["ca.crt"]',
        'metadata.annotations["kubernetes.io/service-account.uid"]',
    }
    assert raw["data"]["token"] not in repr(explained)
