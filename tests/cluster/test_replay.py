"""The promises of a replay, from one real API server into another, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube2git.core import layout
from kube2git.core.objects import ref_of
from tests.cluster.test_export import load_corpus
from tests.controlplane import ControlPlane
from tests.faults import FaultProxy
from tests.handmade import commit_file, commit_files
from tests.tool import Answer, Tool, make_tool

Json = dict[str, Any]


class Replayer:
    """Exports namespaces of one cluster and replays them into another."""

    def __init__(self, source: ControlPlane, target: ControlPlane, home: Path) -> None:
        self.source = source
        self.target = target
        self.tool = make_tool(source.kubeconfig, home)

    def put(self, plane: ControlPlane, *manifests: Json, manager: str = "kubectl-create") -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        create = ("create", "--validate=false", f"--field-manager={manager}", "-f", "-")
        plane.kubectl(*create, input=text)

    def replay(
        self, *args: str, codes: tuple[int, ...] = (0,), revision: str = "main", yes: bool = True
    ) -> Answer:
        flags = ["--kubeconfig", str(self.target.kubeconfig), "--timeout", "60s"]
        return self.tool.run(
            "replay", revision, *flags, *args, *(["--yes"] if yes else []), codes=codes
        )

    def report(self, *args: str, **options: Any) -> Json:
        answer: Json = self.replay(*args, "-o", "json", **options).json
        return answer

    def get(self, what: str, namespace: str) -> Json:
        found: Json = json.loads(self.target.kubectl("get", what, "-n", namespace, "-o", "json"))
        return found


def named_namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(namespace: str, name: str, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def deployment(namespace: str, name: str, **spec: Any) -> Json:
    labels = {"app": name}
    container = {"name": "web", "image": "example.com/web:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def actions(report: Json) -> dict[str, str]:
    """Return what is planned for each object, but for what is unchanged."""
    return {
        f"{item['object']['kind']}/{item['object']['name']}": item["action"]
        for item in report["plan"]["actions"]
        if item["action"] != "unchanged"
    }


def planned(report: Json, name: str) -> Json:
    (found,) = [item for item in report["plan"]["actions"] if item["object"]["name"] == name]
    return dict(found)


def verdicts(report: Json) -> dict[str, str]:
    return {
        f"{item['object']['kind']}/{item['object']['name']}": item["verdict"]
        for item in report["report"]["outcomes"]
    }


def repeat(replayer: Replayer, *args: str) -> Json:
    """Replay what is there already; fail unless all that the API server is asked is to read."""
    with FaultProxy.before(replayer.target) as proxy:
        kubeconfig = str(proxy.kubeconfig(replayer.tool.home))
        command = ["replay", "main", "--kubeconfig", kubeconfig, "-o", "json", "--yes", *args]
        answer: Json = replayer.tool.run(*command).json
        assert {request.method for request in proxy.requests} == {"GET"}
    assert answer["report"]["outcomes"] == []
    return answer


@pytest.fixture
def replayer(cluster: ControlPlane, target: ControlPlane, tmp_path: Path) -> Replayer:
    return Replayer(cluster, target, tmp_path)


@pytest.fixture
def space(replayer: Replayer, namespace: str) -> Iterator[str]:
    """Give a namespace of the source that the target lacks, and remove it there afterwards."""
    yield namespace
    replayer.target.run_kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_fixed_point_of_every_built_in_kind(
    control_plane: Callable[..., ControlPlane], tmp_path: Path
) -> None:
    source, empty = control_plane(), control_plane()
    source.kubectl("create", "namespace", "corpus")
    load_corpus(source, "corpus")
    replayer = Replayer(source, empty, tmp_path / "a")
    # The corpus has an APIService without a backend.
    replayer.tool.export(codes=(3,))
    report = replayer.report("--jobs=run")
    assert report["report"]["complete"], report["report"]
    assert set(verdicts(report).values()) == {"created"}
    again = repeat(replayer, "--jobs=run")
    assert set(actions(again).values()) == {"skip"}
    assert again["plan"].get("warnings", []) == report["plan"]["warnings"]

    other = make_tool(empty.kubeconfig, tmp_path / "b")
    other.export(codes=(3,))
    before, after = replayer.tool.files(), other.files()
    for files in (before, after):
        del files[".kube2git/coverage.yaml"]
    # A PersistentVolume is a record, and is not written unless it is adopted.
    assert before.keys() - after.keys() == {"cluster/PersistentVolume/corpus-static.yaml"}
    del before["cluster/PersistentVolume/corpus-static.yaml"]
    assert after == before

    adopted = replayer.report("--jobs=run", "--adopt-volumes", "pv/corpus-static")
    assert verdicts(adopted) == {"PersistentVolume/corpus-static": "created"}
    volume = json.loads(empty.kubectl("get", "pv", "corpus-static", "-o", "json"))
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_nothing_is_written_unless_somebody_says_yes(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, config_map(space, "web", k="1"))
    replayer.tool.export("-n", space)
    for args, code in (((), 5), (("--dry-run=server",), 0), (("--dry-run=client",), 0)):
        answer = replayer.replay("-n", space, *args, yes=False, codes=(code,))
        assert f"+ configmap/web -n {space}" in answer.stdout
    assert replayer.target.get(f"/api/v1/namespaces/{space}").status == 404


def test_one_object_goes_back_to_what_it_was(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, *(config_map(space, name, k="1") for name in ("a", "b")))
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    replayer.target.kubectl("delete", "cm/a", "-n", space)
    replayer.target.kubectl(
        "patch", "cm/b", "-n", space, "--field-manager=kube2git", "-p", '{"data":{"k":"2"}}'
    )
    report = replayer.report("cm/a", "-n", space)
    assert verdicts(report) == {"ConfigMap/a": "created"}
    assert replayer.get("cm/b", space)["data"] == {"k": "2"}
    missing = replayer.replay("cm/c", "-n", space, codes=(10,))
    assert f"cm/c -n {space} is not in the repository at main" in missing.stderr


def test_what_others_added_goes_and_is_told_before(replayer: Replayer, space: str) -> None:
    """Equality: a key, a label, a container, an item of a list."""
    replayer.put(replayer.source, config_map(space, "map", k="1"), deployment(space, "web"))
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    replayer.target.kubectl("patch", "cm/map", "-n", space, "-p", '{"data":{"more":"2"}}')
    replayer.target.kubectl("label", "cm/map", "-n", space, "added=yes")
    side = {"name": "side", "image": "example.com/side:1"}
    patch = {"spec": {"template": {"spec": {"containers": [side]}}}}
    replayer.target.kubectl("patch", "deploy/web", "-n", space, "-p", json.dumps(patch))

    kept = replayer.report("-n", space, "--keep-extra")
    assert verdicts(kept) == {}
    assert "added" in replayer.get("cm/map", space)["metadata"]["labels"]

    plan = replayer.report("-n", space, "--dry-run=server", yes=False)
    assert actions(plan) == {"ConfigMap/map": "update", "Deployment/web": "update"}
    removals = {item["path"]: item["owners"] for item in planned(plan, "map")["removals"]}
    assert removals == {"data.more": ["kubectl-patch"], "metadata.labels": ["kubectl-label"]} or (
        removals == {"data.more": ["kubectl-patch"], "metadata.labels.added": ["kubectl-label"]}
    )
    report = replayer.report("-n", space)
    assert report["report"]["complete"], report["report"]
    found = replayer.get("cm/map", space)
    assert found["data"] == {"k": "1"}
    assert "added" not in found["metadata"].get("labels", {})
    containers = replayer.get("deploy/web", space)["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["web"]
    assert actions(replayer.report("-n", space)) == {}


def test_a_conflict_names_owner_and_field_and_is_decided_by_the_user(
    replayer: Replayer, space: str
) -> None:
    replayer.put(replayer.source, config_map(space, "map", k="1"))
    replayer.tool.export("-n", space)
    theirs = named_namespace(space), config_map(space, "map", k="2")
    replayer.put(replayer.target, *theirs, manager="helm")
    report = replayer.report("-n", space, codes=(3,))
    blocked = planned(report, "map")
    assert blocked["action"] == "blocked"
    assert "helm owns data.k" in blocked["reason"]
    assert "--take-over=helm" in blocked["reason"]
    assert replayer.get("cm/map", space)["data"] == {"k": "2"}

    left = replayer.report("-n", space, "--yield=helm")
    assert planned(left, "map")["action"] == "unchanged"
    assert replayer.get("cm/map", space)["data"] == {"k": "2"}

    taken = replayer.report("-n", space, "--take-over=helm")
    assert verdicts(taken) == {"ConfigMap/map": "configured"}
    assert replayer.get("cm/map", space)["data"] == {"k": "1"}


def test_an_autoscaler_keeps_its_replicas(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, deployment(space, "web", replicas=2))
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    path = f"/apis/apps/v1/namespaces/{space}/deployments/web/scale"
    answer = replayer.target.request(
        "PATCH", f"{path}?fieldManager=kube-controller-manager", {"spec": {"replicas": 5}}
    )
    assert answer.status == 200
    report = replayer.report("-n", space)
    assert planned(report, "web")["action"] == "unchanged"
    assert planned(report, "web")["kept"][0]["path"] == "spec.replicas"
    assert replayer.get("deploy/web", space)["spec"]["replicas"] == 5


def unchangeable(space: str, version: int) -> list[Json]:
    """Return objects whose versions 1 and 2 differ in what never changes."""
    is_new = version == 2
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": "fixed", "namespace": space}
    template = deployment(space, "fixed")["spec"]["template"]
    template["spec"]["containers"][0]["image"] = f"example.com/web:{version}"
    storage = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{version}Gi"}},
    }
    claim = {"metadata": {"name": "data"}, "spec": storage}
    specs: list[tuple[str, str, Json]] = [
        (
            "batch/v1",
            "Job",
            {"template": {"spec": {**template["spec"], "restartPolicy": "Never"}}},
        ),
        (
            "v1",
            "Service",
            {"ports": [{"port": 80}], **({} if version == 1 else {"clusterIP": "None"})},
        ),
        (
            "apps/v1",
            "StatefulSet",
            {
                "replicas": 0,
                "serviceName": "fixed",
                "selector": {"matchLabels": {"app": "fixed"}},
                "template": template,
                "volumeClaimTemplates": [claim],
            },
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            {
                "storageClassName": f"class-{version}",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        ),
    ]
    return [
        {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
        for api_version, kind, spec in specs
    ] + [
        {**config_map(space, "fixed", k=str(version)), "immutable": True},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": rbac,
                "kind": "ClusterRole",
                "name": "edit" if is_new else "view",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": space}],
        },
    ]


def test_what_never_changes_is_created_anew_only_when_asked(replayer: Replayer, space: str) -> None:
    replayer.tool.export("-n", space)

    def put(version: int) -> None:
        bodies = unchangeable(space, version)
        files = {layout.path_of(ref_of(body)): yaml.safe_dump(body) for body in bodies}
        commit_files(replayer.tool, dict(files))

    put(1)
    assert set(verdicts(replayer.report("-n", space)).values()) == {"created"}
    put(2)
    kinds = {body["kind"] for body in unchangeable(space, 2)}
    report = replayer.report("-n", space, codes=(3,))
    blocked = {
        item["object"]["kind"]: item["reason"]
        for item in report["plan"]["actions"]
        if item["action"] == "blocked"
    }
    assert blocked.keys() == kinds
    assert all("never changes once the object exists" in reason for reason in blocked.values())
    refused = "Deleting a claim can delete its data"
    assert {kind for kind in kinds if "Add --recreate" in blocked[kind]} == kinds - {
        "PersistentVolumeClaim"
    }
    assert refused in blocked["PersistentVolumeClaim"]
    assert verdicts(report) == {}

    uids = {kind: replayer.get(f"{kind}/fixed", space)["metadata"]["uid"] for kind in kinds}
    done = verdicts(replayer.report("-n", space, "--recreate", codes=(3,)))
    assert done == {f"{kind}/fixed": "recreated" for kind in kinds - {"PersistentVolumeClaim"}}
    for kind in kinds:
        is_same = replayer.get(f"{kind}/fixed", space)["metadata"]["uid"] == uids[kind]
        assert is_same == (kind == "PersistentVolumeClaim")
    found = replayer.get("cm/fixed", space)
    assert (found["data"], found["immutable"]) == ({"k": "2"}, True)


def commit(tool: Tool, path: str, body: Json | None) -> None:
    """Commit a file, as a person would, or remove it."""
    commit_file(tool, path, None if body is None else yaml.safe_dump(body))


def test_an_invalid_object_never_leads_to_a_deletion(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, config_map(space, "ok", k="1"), deployment(space, "web"))
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    uid = replayer.get("deploy/web", space)["metadata"]["uid"]
    broken = deployment(space, "web", replicas=-1)
    commit(replayer.tool, f"namespaces/{space}/Deployment.apps/web.yaml", broken)
    commit(replayer.tool, f"namespaces/{space}/ConfigMap/ok.yaml", config_map(space, "ok", k="2"))
    report = replayer.report("-n", space, "--recreate", codes=(3,))
    assert planned(report, "web")["action"] == "blocked"
    assert "spec.replicas" in planned(report, "web")["reason"]
    assert replayer.get("deploy/web", space)["metadata"]["uid"] == uid
    assert replayer.get("cm/ok", space)["data"] == {"k": "2"}


def test_a_saved_plan_is_carried_out_only_while_it_holds(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, config_map(space, "map", k="1"), deployment(space, "web"))
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    folder = f"namespaces/{space}"
    commit(replayer.tool, f"{folder}/ConfigMap/map.yaml", config_map(space, "map", k="2"))
    scaled = deployment(space, "web", replicas=2)
    commit(replayer.tool, f"{folder}/Deployment.apps/web.yaml", scaled)
    file = str(replayer.tool.home / "plan.json")
    replayer.replay("-n", space, "--plan-out", file, yes=False)
    assert replayer.get("cm/map", space)["data"] == {"k": "1"}
    replayer.target.kubectl("annotate", "cm/map", "-n", space, "a=b")
    late = replayer.replay("-n", space, "--plan", file, codes=(5,))
    assert "configmap/map" in late.stderr
    assert "has changed since the plan was made" in late.stderr
    assert replayer.get("cm/map", space)["data"] == {"k": "1"}
    replayer.replay("-n", space, "--plan-out", file, yes=False)
    # A status makes no plan stale, though it makes another resourceVersion.
    before = replayer.get("deploy/web", space)["metadata"]["resourceVersion"]
    condition = {"type": "example.com/Seen", "status": "True"}
    patch = json.dumps({"status": {"conditions": [condition]}})
    replayer.target.kubectl("patch", "deploy/web", "-n", space, "--subresource=status", "-p", patch)
    assert replayer.get("deploy/web", space)["metadata"]["resourceVersion"] != before
    replayer.replay("-n", space, "--plan", file)
    assert replayer.get("cm/map", space)["data"] == {"k": "2"}
    assert replayer.get("deploy/web", space)["spec"]["replicas"] == 2


def test_a_plan_for_one_cluster_writes_nothing_to_another(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, config_map(space, "map", k="1"))
    replayer.tool.export("-n", space)
    file = str(replayer.tool.home / "plan.json")
    replayer.replay("-n", space, "--plan-out", file, yes=False)
    # In the wrong one, too, there would be something to do.
    replayer.source.kubectl("delete", "cm/map", "-n", space)
    with FaultProxy.before(replayer.source) as proxy:
        kubeconfig = str(proxy.kubeconfig(replayer.tool.home))
        command = ["replay", "main", "-n", space, "--plan", file, "--kubeconfig", kubeconfig]
        refused = replayer.tool.run(*command, "--yes", codes=(5,))
        asked = [request for request in proxy.requests if request.method != "GET"]
    assert f"+ configmap/map -n {space}" in refused.stdout
    assert asked
    assert all(request.query["dryRun"] == "All" for request in asked)
    uids = [
        plane.get("/api/v1/namespaces/kube-system").json()["metadata"]["uid"]
        for plane in (replayer.target, replayer.source)
    ]
    context = yaml.safe_load(replayer.target.kubeconfig.read_text())["current-context"]
    for words in (f"{context} (cluster {uids[0]})", f"context faulty (cluster {uids[1]})"):
        assert words in refused.stderr
    assert f"Choose --context {context}, or make a new plan" in refused.stderr


def role_binding(namespace: str) -> Json:
    account = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    group = {
        "kind": "Group",
        "apiGroup": "rbac.authorization.k8s.io",
        "name": f"system:serviceaccounts:{namespace}",
    }
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "view", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [account, group],
    }


def node_port_service(namespace: str, port: int, name: str = "open") -> Json:
    """Return a Service with a node port, which is one for the whole cluster: choose another.

    From 30000 to 30085: ports above are those that the server gives out first.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "nodePort": port, "protocol": "TCP", "targetPort": 80}],
        },
    }


def test_a_copy_under_another_name_mapped_back_is_the_original(
    replayer: Replayer, space: str
) -> None:
    copy = f"{space}-copy"
    dns = config_map(space, "url", url=f"http://db.{space}.svc.cluster.local:5432/x")
    replayer.put(replayer.source, dns, role_binding(space), deployment(space, "web"))
    replayer.tool.export("-n", space)
    report = replayer.report("-n", space, "--map", f"{space}={copy}")
    assert report["report"]["complete"], report["report"]
    there = make_tool(replayer.target.kubeconfig, replayer.tool.home / "there")
    there.export("-n", copy)
    back = {
        path.replace(copy, space): text.replace(copy, space)
        for path, text in there.files().items()
        if path.startswith(("namespaces/", "cluster/Namespace/"))
    }
    original = {
        path: text
        for path, text in replayer.tool.files().items()
        if path.startswith(("namespaces/", "cluster/Namespace/"))
    }
    assert back == original
    assert not [text for text in there.files().values() if f"{space}\n" in text]
    replayer.target.kubectl("delete", "namespace", copy, "--wait=false")


def test_two_copies_beside_each_other_and_a_node_port_that_is_taken(
    replayer: Replayer, space: str
) -> None:
    replayer.put(replayer.source, node_port_service(space, 30010))
    replayer.tool.export("-n", space)
    one, two = f"{space}-one", f"{space}-two"
    report = replayer.report("-n", space, "--map", f"{space}={one}", "--map", f"{space}={two}")
    assert report["report"]["complete"], report["report"]
    ports = {replayer.get("svc/open", name)["spec"]["ports"][0]["nodePort"] for name in (one, two)}
    assert 30010 in ports
    assert len(ports) == 2
    for name in (one, two):
        replayer.target.kubectl("delete", "namespace", name, "--wait=false")


def balanced_service(namespace: str, health_port: int, name: str) -> Json:
    """Return a Service whose health checks have a node port, which never changes."""
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "allocateLoadBalancerNodePorts": False,
        "healthCheckNodePort": health_port,
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def test_services_swap_their_node_ports_in_one_replay(replayer: Replayer, space: str) -> None:
    names = ("a", "b", "c")
    replayer.tool.export("-n", space)

    def put(ports: tuple[int, ...], health: tuple[int, ...]) -> None:
        bodies = [*map(node_port_service, [space] * 3, ports, names)]
        bodies += map(balanced_service, [space] * 2, health, ("lb-1", "lb-2"))
        files = {layout.path_of(ref_of(body)): yaml.safe_dump(body) for body in bodies}
        commit_files(replayer.tool, dict(files))

    def found() -> list[int]:
        items = replayer.get("svc", space)["items"]
        specs = {item["metadata"]["name"]: item["spec"] for item in items}
        ports = [specs[name]["ports"][0]["nodePort"] for name in names]
        return ports + [specs[name]["healthCheckNodePort"] for name in ("lb-1", "lb-2")]

    put((30021, 30022, 30023), (30025, 30026))
    replayer.replay("-n", space)
    assert found() == [30021, 30022, 30023, 30025, 30026]
    put((30022, 30023, 30021), (30026, 30025))
    report = replayer.report("-n", space, "--recreate")
    assert report["report"]["complete"], report["report"]
    moved = {f"Service/{name}": "configured" for name in names}
    assert verdicts(report) == {**moved, "Service/lb-1": "recreated", "Service/lb-2": "recreated"}
    for name, port, holder in (("a", 30022, "b"), ("lb-1", 30026, "lb-2")):
        words = f"takes the node port {port} over from service/{holder} -n {space}"
        assert words in planned(report, name)["warnings"][0]
    assert found() == [30022, 30023, 30021, 30026, 30025]
    put((30022, 30023, 30021), (30025, 30026))
    replayer.tool.environ["KUBE2GIT_REPLAY_CONNECTIONS"] = "1"
    replayer.replay("-n", space, "--recreate")
    assert found() == [30022, 30023, 30021, 30025, 30026]

    # Whose port is somebody else's business is not moved, and who wants it is told so before.
    patch = '[{"op": "replace", "path": "/spec/ports/0/nodePort", "value": 30024}]'
    replayer.target.kubectl("patch", "svc/a", "-n", space, "--type=json", "-p", patch)
    services = f"namespaces/{space}/Service"
    commit(replayer.tool, f"{services}/b.yaml", node_port_service(space, 30024, "b"))
    refused = replayer.report("-n", space, codes=(3,))
    assert {planned(refused, name)["action"] for name in ("a", "b")} == {"blocked"}
    assert (
        f"30024 over from service/a -n {space}, but that is blocked"
        in (planned(refused, "b")["reason"])
    )
    assert verdicts(refused) == {}
    assert found() == [30024, 30023, 30021, 30025, 30026]


def test_objects_that_would_become_one_are_refused_before_any_write(
    replayer: Replayer, cluster: ControlPlane, space: str
) -> None:
    other = cluster.create_namespace()
    replayer.put(replayer.source, *(config_map(name, "map", of=name) for name in (space, other)))
    replayer.tool.export("-n", space, "-n", other)
    answer = replayer.replay("-n", space, "-n", other, "--map", f"{other}={space}", codes=(5,))
    assert f"configmap/map -n {space} would be each of" in answer.stderr
    assert replayer.target.get(f"/api/v1/namespaces/{space}").status == 404


def test_prune_takes_only_what_replays_made(replayer: Replayer, space: str) -> None:
    made = [config_map(space, f"map-{number}", k="1") for number in range(12)]
    replayer.put(replayer.source, *made)
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    replayer.put(replayer.target, config_map(space, "mine", k="1"))
    commit_file(replayer.tool, f"namespaces/{space}/ConfigMap/map-0.yaml", None)
    left = replayer.report("-n", space)
    assert actions(left) == {}
    report = replayer.report("-n", space, "--prune=owned")
    assert verdicts(report) == {"ConfigMap/map-0": "deleted"}
    assert replayer.get("cm/mine", space)["data"] == {"k": "1"}
    assert actions(replayer.report("-n", space, "--prune=owned")) == {}


def test_prune_to_exactly_what_the_commit_holds_and_its_guards(
    replayer: Replayer, space: str
) -> None:
    made = [config_map(space, f"map-{number}", k="1") for number in range(4)]
    replayer.put(replayer.source, *made)
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    replayer.put(replayer.target, config_map(space, "mine", k="1"))
    refused = replayer.replay("-n", space, "--prune=all", codes=(5,))
    assert "more than 10%" in refused.stderr
    assert "--allow-prune=many" in refused.stderr
    assert replayer.get("cm/mine", space)
    report = replayer.report("-n", space, "--prune=all", "--allow-prune=many")
    assert verdicts(report) == {"ConfigMap/mine": "deleted"}


def test_no_guard_gives_way_unless_it_is_named(replayer: Replayer, space: str) -> None:
    """The commit holds all of these kinds, and nothing of what the target has."""
    target, group = replayer.target, f"{space}.example.com"
    names = {"plural": "things", "kind": "Thing", "listKind": "ThingList", "singular": "thing"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    mine: list[Json] = [
        named_namespace(space),
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"things.{group}"},
            "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "mine", "namespace": space},
            "spec": storage,
        },
    ]
    replayer.put(target, *mine)
    kinds = ["--kind", "Namespace", "--kind", "CustomResourceDefinition"]
    kinds += ["--kind", "PersistentVolumeClaim"]
    replayer.tool.export(*kinds)
    files: dict[str, str | None] = dict.fromkeys(replayer.tool.paths() - {layout.COVERAGE})
    other = config_map(space, "other", k="1")
    commit_files(replayer.tool, {**files, layout.path_of(ref_of(other)): yaml.safe_dump(other)})
    command = [*kinds, "--prune=all"]
    flags = [
        f"--allow-prune={guard}" for guard in ("empty", "many", "namespaces", "crds", "claims")
    ]
    refused = replayer.replay(*command, codes=(5,))
    assert all(flag in refused.stderr for flag in flags)
    almost = replayer.replay(*command, *flags[:-1], codes=(5,))
    assert flags[-1] in almost.stderr
    assert not any(flag in almost.stderr for flag in flags[:-1])
    plan = replayer.report(*command, *flags, "--dry-run=client", yes=False)
    doomed = (f"Namespace/{space}", f"CustomResourceDefinition/things.{group}")
    assert {actions(plan)[name] for name in doomed} == {"delete"}
    claims = [one for one in plan["plan"]["actions"] if one["object"]["namespace"] == space]
    assert [(one["object"]["name"], one["action"]) for one in claims] == [("mine", "delete")]
    target.kubectl("get", "ns", space)
    target.kubectl("get", "pvc/mine", "-n", space)
    target.kubectl("delete", "crd", f"things.{group}")


def test_an_incomplete_commit_deletes_nothing(replayer: Replayer, space: str) -> None:
    replayer.put(replayer.source, config_map(space, "map", k="1"))
    replayer.tool.export("-n", space, "-l", "team=nobody")
    replayer.tool.export("-n", space, "--kind", "Namespace")
    replayer.put(replayer.target, named_namespace(space), config_map(space, "mine", k="1"))
    report = replayer.report(
        "-n", space, "--prune=all", "--allow-prune=many", "--allow-prune=empty"
    )
    assert planned(report, "mine")["action"] == "skip"
    assert "does not tell whether it is complete" in planned(report, "mine")["reason"]
