"""What the catalogue of cleaning claims about API servers, against a real one.

Boundary: that every kind survives an export and a replay, the tests of those show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kube2git.core import wire
from kube2git.core.cleaning import Cleaner, ContextBuilder, RuleSet, manager_of
from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.wire import Json
from tests.cluster.conftest import StartControlPlane
from tests.controlplane import ControlPlane

pytestmark = pytest.mark.needs("kwok")

RULES = RuleSet.default()


def read(plane: ControlPlane, path: str) -> Json:
    answer = plane.get(path)
    assert answer.status == 200, path
    body: Json = answer.json()
    return body


def everything(plane: ControlPlane) -> Iterator[Json]:
    """Yield every object of every kind, each kind in one version."""
    groups = read(plane, "/apis")["groups"]
    versions = ["/api/v1", *(f"/apis/{v['groupVersion']}" for g in groups for v in g["versions"])]
    seen: set[tuple[str, str]] = set()
    for version in versions:
        for resource in read(plane, version)["resources"]:
            group_version = version.removeprefix("/apis/").removeprefix("/api/")
            kind = (group_version.rpartition("/")[0], resource["name"])
            if kind in seen or "list" not in resource["verbs"]:
                continue
            seen.add(kind)
            page = wire.skim(plane.get(f"{version}/{resource['name']}").body)
            for item in page.items:
                yield item.decode(group_version, resource["kind"])


def cleaner_for(plane: ControlPlane, rules: RuleSet = RULES) -> Cleaner:
    builder = ContextBuilder()
    for path in (
        "/api/v1/services",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    ):
        version = path.rpartition("/")[0].removeprefix("/apis/").removeprefix("/api/")
        page = wire.skim(plane.get(path).body)
        for item in page.items:
            builder.add(item.decode(version, page.list_kind.removesuffix("List")))
    return Cleaner(rules, builder.build())


def exported(plane: ControlPlane) -> dict[ObjectRef, Json]:
    cleaner = cleaner_for(plane)
    cleaned = (cleaner.clean(body).body for body in everything(plane))
    return {ref_of(body): body for body in cleaned if body is not None}


def spec_of(plane: ControlPlane, path: str) -> Json:
    clean = cleaner_for(plane).clean(read(plane, path)).body
    assert clean is not None
    spec: Json = clean["spec"]
    return spec


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


# ── Who set a field ──────────────────────────────────────────────────────────────────────────

PLAIN: Json = {"type": "NodePort", "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}
CHOSEN: Json = {
    "type": "NodePort",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}],
}
ALLOCATED = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}

CREATORS = {
    "create": ("create",),
    "client-side apply": ("apply",),
    "server-side apply": ("apply", "--server-side"),
}
each_creator = pytest.mark.parametrize("creator", CREATORS.values(), ids=CREATORS)


def make_service(
    plane: ControlPlane, namespace: str, creator: tuple[str, ...], spec: Json
) -> tuple[str, Json]:
    """Create a Service; return its path and what the server made of its spec."""
    ports = [port | {"name": port.get("name", f"p{i}")} for i, port in enumerate(spec["ports"])]
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": spec | {"ports": ports},
    }
    plane.kubectl(*creator, "-f", "-", input=json.dumps(body))
    path = f"/api/v1/namespaces/{namespace}/services/web"
    raw: Json = read(plane, path)["spec"]
    assert raw.keys() >= ALLOCATED or raw["type"] == "ExternalName"
    return path, raw


def node_ports(spec: Json) -> list[int | None]:
    return [port.get("nodePort") for port in spec["ports"]]


@each_creator
def test_what_the_server_allocated_goes(
    cluster: ControlPlane, namespace: str, creator: tuple[str, ...]
) -> None:
    path, raw = make_service(cluster, namespace, creator, PLAIN)
    assert all(node_ports(raw))
    clean = spec_of(cluster, path)
    assert not clean.keys() & ALLOCATED
    assert node_ports(clean) == [None, None]
    # Others may write the object; that does not make the allocation theirs.
    cluster.kubectl("label", "-n", namespace, "service/web", "team=a")
    assert spec_of(cluster, path) == clean


@each_creator
def test_what_a_person_chose_stays(
    cluster: ControlPlane, namespace: str, creator: tuple[str, ...]
) -> None:
    # From the bands in which the server allocates last.
    number = list(CREATORS.values()).index(creator)
    address, port = f"10.0.0.{200 + number}", 30040 + number
    ports = [CHOSEN["ports"][0] | {"nodePort": port}, CHOSEN["ports"][1]]
    path, _ = make_service(
        cluster, namespace, creator, CHOSEN | {"clusterIP": address, "ports": ports}
    )
    clean = spec_of(cluster, path)
    assert clean["clusterIP"] == address
    assert clean["clusterIPs"] == [address]
    assert clean["ipFamilyPolicy"] == "SingleStack"
    assert clean["ipFamilies"] == ["IPv4"]
    assert node_ports(clean) == [port, None]
    # Somebody else reads it, changes something, and writes it all back.
    body = read(cluster, path)
    body["spec"]["publishNotReadyAddresses"] = True
    answer = cluster.request("PUT", f"{path}?fieldManager=other", body)
    assert answer.status == 200
    assert spec_of(cluster, path) == clean | {"publishNotReadyAddresses": True}


@each_creator
def test_where_ownership_was_wiped_everything_stays(
    cluster: ControlPlane, namespace: str, creator: tuple[str, ...]
) -> None:
    path, raw = make_service(cluster, namespace, creator, PLAIN)
    wipe: Json = {"metadata": {"managedFields": [{}], "annotations": None}}
    assert cluster.request("PATCH", path, wipe).status == 200
    assert spec_of(cluster, path) == raw
    # And it stays so after an apply over it, which credits all that was there to nobody.
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace, "labels": {"team": "a"}},
    }
    cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(body))
    managers = {entry["manager"] for entry in read(cluster, path)["metadata"]["managedFields"]}
    assert "before-first-apply" in managers
    assert spec_of(cluster, path) == raw


def test_what_kube2git_applied_comes_back_as_it_was_written(
    cluster: ControlPlane, target: ControlPlane, namespace: str
) -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30050}, {"name": "b", "port": 81}]
    path, _ = make_service(cluster, namespace, ("create",), PLAIN | {"ports": ports})
    clean = cleaner_for(cluster).clean(read(cluster, path)).body
    assert clean is not None
    target.kubectl("create", "namespace", namespace)
    target.kubectl(
        "apply",
        "--server-side",
        "--field-manager=kube2git",
        "-f",
        "-",
        input=json.dumps(clean),
    )
    assert node_ports(clean["spec"]) == [30050, None]
    assert cleaner_for(target).clean(read(target, path)).body == clean


def test_a_headless_service_without_selector_gets_families_that_nobody_chose(
    cluster: ControlPlane, namespace: str
) -> None:
    path, raw = make_service(
        cluster, namespace, ("create",), {"clusterIP": "None", "ports": [{"port": 80}]}
    )
    assert raw["ipFamilyPolicy"] == "RequireDualStack"
    clean = spec_of(cluster, path)
    assert clean["clusterIP"] == "None"
    assert clean["clusterIPs"] == ["None"]
    assert not clean.keys() & {"ipFamilies", "ipFamilyPolicy"}


def test_a_health_check_port_is_allocated_unless_chosen(
    cluster: ControlPlane, namespace: str
) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}
    path, raw = make_service(cluster, namespace, ("create",), spec)
    assert raw["healthCheckNodePort"]
    assert "healthCheckNodePort" not in spec_of(cluster, path)
    other = cluster.create_namespace()
    chosen = {**spec, "healthCheckNodePort": 30051}
    path, _ = make_service(cluster, other, ("create",), chosen)
    assert spec_of(cluster, path)["healthCheckNodePort"] == 30051


def test_who_changed_a_field_is_known(cluster: ControlPlane, namespace: str) -> None:
    path, _ = make_service(cluster, namespace, ("create",), PLAIN)
    merge = {"spec": {"externalTrafficPolicy": "Local"}, "metadata": {"labels": {"a.b/c": "d"}}}
    assert cluster.request("PATCH", f"{path}?fieldManager=alice", merge).status == 200
    body = read(cluster, path)
    assert manager_of(body, ("spec", "externalTrafficPolicy")) == "alice"
    assert manager_of(body, ("metadata", "labels", "a.b/c")) == "alice"
    assert manager_of(body, ("spec", "ports", 1, "port")) == "kubectl-create"
    assert manager_of(body, ("spec", "clusterIP")) == ""


# ── Particular kinds ─────────────────────────────────────────────────────────────────────────

POD: Json = {"restartPolicy": "Always", "containers": [{"name": "c", "image": "x"}]}
META: Json = {"labels": {"app": "x"}}
WORKLOADS: Json = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "plain"},
            "spec": POD,
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pinned"},
            "spec": POD
            | {
                "nodeName": "n1",
                "tolerations": [
                    {
                        "key": "node.kubernetes.io/unreachable",
                        "operator": "Exists",
                        "effect": "NoExecute",
                        "tolerationSeconds": 60,
                    }
                ],
            },
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once"},
            "spec": {"suspend": True, "template": {"spec": POD | {"restartPolicy": "Never"}}},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "manual"},
            "spec": {
                "suspend": True,
                "manualSelector": True,
                "selector": {"matchLabels": {"app": "x"}},
                "template": {"metadata": META, "spec": POD | {"restartPolicy": "Never"}},
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db"},
            "spec": {
                "replicas": 0,
                "serviceName": "db",
                "selector": {"matchLabels": {"app": "x"}},
                "template": {"metadata": META, "spec": POD | {"serviceAccountName": "default"}},
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "1Gi"}},
                        },
                    }
                ],
            },
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "db"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"},
                "maxReplicas": 3,
            },
        },
    ],
}


@pytest.fixture(scope="module")
def workloads(control_plane: StartControlPlane) -> Iterator[ControlPlane]:
    """A cluster whose Pods run, with the WORKLOADS in namespace shop."""
    plane = control_plane(kwok=True)
    plane.create("/api/v1/nodes", {"metadata": {"name": "n1"}})
    plane.kubectl("create", "namespace", "shop")
    account = "/api/v1/namespaces/shop/serviceaccounts/default"
    plane.wait(lambda: plane.get(account).status == 200, "The default account")
    plane.kubectl("create", "-n", "shop", "-f", "-", input=json.dumps(WORKLOADS))
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
    assert manual["template"]["metadata"] == META


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
