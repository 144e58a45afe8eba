"""Replays into an empty cluster: everything in the order in which it needs each other, one run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from kube2git.core import layout
from kube2git.core.objects import ref_of
from tests.cluster.test_replay import (
    Json,
    Replayer,
    actions,
    config_map,
    deployment,
    repeat,
    verdicts,
)
from tests.controlplane import ControlPlane, aggregation, definitions
from tests.controlplane.ports import choose_ports
from tests.handmade import commit_files
from tests.tool import make_tool

RBAC = "rbac.authorization.k8s.io"

pytestmark = pytest.mark.needs("kwok", "aggregated")


@pytest.fixture(scope="module")
def empty(control_plane: Callable[..., ControlPlane]) -> ControlPlane:
    """Give a cluster with kubelets of kwok, and an API server that it has not been told of."""
    plane = control_plane(kwok=True, aggregated=True, registered=False)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0"}}
    node["metadata"]["annotations"] = {"kwok.x-k8s.io/node": "fake"}  # type: ignore[index]
    plane.create("/api/v1/nodes", node)
    return plane


@pytest.fixture
def replayer(cluster: ControlPlane, empty: ControlPlane, tmp_path: Path) -> Replayer:
    """Give a repository without a commit of its own cluster: tests write the files by hand."""
    found = Replayer(cluster, empty, tmp_path)
    found.tool.export("--kind", "APIService")
    return found


def write(replayer: Replayer, bodies: Iterable[Json]) -> None:
    files = {layout.path_of(ref_of(body)): yaml.safe_dump(body) for body in bodies}
    commit_files(replayer.tool, dict(files))


def named(
    kind: str, name: str, namespace: str = "", api_version: str = "v1", **rest: object
) -> Json:
    metadata: Json = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def everything(space: str) -> list[Json]:
    """Return objects of many kinds that need each other, in the worst order."""
    other = f"{space}-other"
    role = f"{space}-all"
    owned = config_map(space, "owned", k="1")
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hook"}
    ]
    of_cluster = config_map(other, "owned-by-the-cluster", k="1")
    of_cluster["metadata"]["ownerReferences"] = [
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "name": role}
    ]
    service = {"namespace": space, "name": "hook", "path": "/", "port": 443}
    webhook = {
        "name": "hook.example.com",
        "clientConfig": {"service": service},
        "rules": [
            {
                "apiGroups": ["*"],
                "apiVersions": ["*"],
                "operations": ["*"],
                "resources": ["*"],
                "scope": "Namespaced",
            }
        ],
        "namespaceSelector": {
            "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [space, other]}
            ]
        },
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "admissionReviewVersions": ["v1"],
    }
    subject = {"kind": "ServiceAccount", "name": "runner", "namespace": other}
    group = f"{space}.example.com"
    versions = [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            },
        }
    ]
    names = {"plural": "things", "kind": "Thing", "listKind": "ThingList", "singular": "thing"}
    aggregated = {"matchLabels": {f"rbac.example.com/{space}": "true"}}
    part = named("ClusterRole", f"{space}-part", api_version=f"{RBAC}/v1")
    part["metadata"]["labels"] = aggregated["matchLabels"]
    part["rules"] = [{"apiGroups": [group], "resources": ["things"], "verbs": ["get"]}]
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    return [
        named(
            "ValidatingWebhookConfiguration",
            space,
            api_version="admissionregistration.k8s.io/v1",
            webhooks=[webhook],
        ),
        named("ClusterRoleBinding", space, "", f"{RBAC}/v1", roleRef=reference, subjects=[subject]),
        named("RoleBinding", "all", other, f"{RBAC}/v1", roleRef=reference, subjects=[subject]),
        named(
            "ClusterRole",
            role,
            api_version=f"{RBAC}/v1",
            aggregationRule={"clusterRoleSelectors": [aggregated]},
        ),
        part,
        owned,
        of_cluster,
        named("Thing", "one", space, f"{group}/v1", spec={"size": 1}),
        named("ServiceAccount", "runner", other),
        named(
            "Service",
            "hook",
            space,
            spec={"selector": {"app": "hook"}, "ports": [{"port": 443, "protocol": "TCP"}]},
        ),
        deployment(space, "hook", replicas=2),
        named("ResourceQuota", "few", space, spec={"hard": {"pods": "5"}}),
        named(
            "CustomResourceDefinition",
            f"things.{group}",
            api_version="apiextensions.k8s.io/v1",
            spec={"group": group, "names": names, "scope": "Namespaced", "versions": versions},
        ),
        named("Namespace", other),
        named("Namespace", space),
    ]


@pytest.fixture
def swept(empty: ControlPlane) -> Iterator[Callable[[str], None]]:
    """Give what removes the webhook of a test, which would refuse what comes after it."""
    names: list[str] = []
    yield names.append
    for name in names:
        empty.run_kubectl("delete", "validatingwebhookconfiguration", name)


def test_all_that_needs_each_other_goes_into_an_empty_cluster_in_one_run(
    replayer: Replayer, swept: Callable[[str], None]
) -> None:
    """Whatever the order of the files, there is one plan; each order is carried out for real."""
    for seed in range(2):
        space = f"order-{seed}"
        swept(space)
        bodies = everything(space)
        random.Random(seed).shuffle(bodies)
        write(replayer, bodies)
        spaces = ["-n", space, "-n", f"{space}-other"]
        report = replayer.report(*spaces)
        assert report["report"]["complete"], report["report"]
        assert set(verdicts(report).values()) == {"created"}
        assert len(verdicts(report)) >= 14
        # The webhook refuses everything here: it can only have come last.
        refused = replayer.target.run_kubectl("create", "configmap", "late", "-n", space)
        assert "failed calling webhook" in refused.stderr
        # The garbage collector takes what has no owner, within a second.
        uid = replayer.get("deploy/hook", space)["metadata"]["uid"]
        (owner,) = replayer.get("cm/owned", space)["metadata"]["ownerReferences"]
        assert owner["uid"] == uid
        (owner,) = replayer.get("cm/owned-by-the-cluster", f"{space}-other")["metadata"][
            "ownerReferences"
        ]
        roles = f"/apis/{RBAC}/v1/clusterroles/{space}-all"
        assert owner["uid"] == replayer.target.get(roles).json()["metadata"]["uid"]
        replayer.target.wait(
            lambda roles=roles: bool(replayer.target.get(roles).json().get("rules")),  # type: ignore[misc]
            "aggregation of the ClusterRole",
        )
        assert actions(replayer.report(*spaces)) == {}


# ── API servers of the same commit ───────────────────────────────────────────────────────────────


def aggregated_api(plane: ControlPlane, group: str, version: str, port: int) -> list[Json]:
    authority = plane.ca_file.read_bytes()
    return [
        aggregation.api_service(group, version, port=port, authority=authority),
        aggregation.service(),
        aggregation.namespace(),
    ]


def test_objects_of_an_api_server_of_the_same_commit_wait_until_it_answers(
    replayer: Replayer,
) -> None:
    target, space = replayer.target, "flowers"
    version = f"{aggregation.GROUP}/{aggregation.VERSION}"
    assert target.get(f"/apis/{version}").status == 404
    rose = named("Flunder", "rose", space, version, spec={"reference": "tulip"})
    fischer = named("Fischer", "one", "", version, disallowedFlunders=["weed"])
    port = target.port("sample-apiserver")
    api = aggregated_api(target, aggregation.GROUP, aggregation.VERSION, port)
    write(replayer, [rose, fischer, named("Namespace", space), *api])
    command = ["--cluster-scoped=yes", "-n", space, "-n", aggregation.NAMESPACE]
    report = replayer.report(*command)
    assert report["report"]["complete"], report["report"]
    assert set(verdicts(report).values()) == {"created"}
    assert {"Flunder/rose", "Fischer/one"} < verdicts(report).keys()
    path = f"/apis/{version}/namespaces/{space}/flunders/rose"
    assert target.get(path).json()["spec"]["reference"] == "tulip"
    assert actions(replayer.report(*command)) == {}


def test_an_api_server_that_never_answers_holds_up_nothing_but_its_own_objects(
    replayer: Replayer, swept: Callable[[str], None]
) -> None:
    """Not even a webhook, for which there is no time left to wait when its turn comes."""
    target, space, group = replayer.target, "silent", "ghosts.example.com"
    swept(space)
    nobody = aggregated_api(target, group, "v1", *choose_ports(1))
    write(replayer, [named("Ghost", "boo", space, f"{group}/v1"), *nobody, *everything(space)])
    spaces = ["-n", space, "-n", f"{space}-other", "-n", aggregation.NAMESPACE]
    report = replayer.report(*spaces, "--replicas=0", "--timeout", "5s", codes=(3,))
    target.kubectl("delete", "apiservice", f"v1.{group}")
    found = verdicts(report)
    assert found.pop("Ghost/boo") == "not tried"
    assert set(found.values()) == {"created"}, report["report"]
    assert f"ValidatingWebhookConfiguration/{space}" in found
    (ghost,) = [one for one in report["report"]["outcomes"] if one["object"]["name"] == "boo"]
    assert f"apiservice.apiregistration.k8s.io/v1.{group} is not Available" in ghost["message"]


# ── Kinds of public projects ─────────────────────────────────────────────────────────────────────

GATEWAY = "gateway.networking.k8s.io"
SPACE = "public"


def custom_objects() -> list[Json]:
    parent = {"name": "front", "namespace": SPACE}
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    return [
        named(
            "GatewayClass", "public", "", f"{GATEWAY}/v1", spec={"controllerName": "a.example/b"}
        ),
        named(
            "Gateway",
            "front",
            SPACE,
            f"{GATEWAY}/v1beta1",
            spec={"gatewayClassName": "public", "listeners": [listener]},
        ),
        named("HTTPRoute", "web", SPACE, f"{GATEWAY}/v1beta1", spec={"parentRefs": [parent]}),
        named(
            "HTTPRoute",
            "api",
            SPACE,
            f"{GATEWAY}/v1",
            spec={"parentRefs": [parent], "rules": rules},
        ),
        named(
            "ReferenceGrant",
            "grant",
            SPACE,
            f"{GATEWAY}/v1beta1",
            spec={
                "from": [{"group": GATEWAY, "kind": "HTTPRoute", "namespace": SPACE}],
                "to": [{"group": "", "kind": "Service"}],
            },
        ),
        named("ClusterIssuer", "self", "", "cert-manager.io/v1", spec={"selfSigned": {}}),
        named("Issuer", "ca", SPACE, "cert-manager.io/v1", spec={"ca": {"secretName": "ca"}}),
        named(
            "Certificate",
            "web",
            SPACE,
            "cert-manager.io/v1",
            spec={
                "secretName": "web",
                "dnsNames": [f"web.{SPACE}.svc"],
                "issuerRef": {"name": "ca"},
            },
        ),
        named(
            "VolumeSnapshotClass",
            "public",
            "",
            "snapshot.storage.k8s.io/v1",
            driver="csi.example.com",
            deletionPolicy="Retain",
        ),
        named(
            "VolumeSnapshot",
            "data",
            SPACE,
            "snapshot.storage.k8s.io/v1",
            spec={
                "volumeSnapshotClassName": "public",
                "source": {"persistentVolumeClaimName": "data"},
            },
        ),
    ]


def test_the_fixed_point_of_the_kinds_of_public_projects(
    control_plane: Callable[..., ControlPlane], tmp_path: Path
) -> None:
    """gateway-api (two served versions, conversion None), cert-manager, volume snapshots."""
    source, target = control_plane(controllers=False), control_plane(controllers=False)
    files = [str(file) for name in definitions.MODULES for file in definitions.ensure(name)]
    arguments = [word for file in files for word in ("-f", file)]
    source.kubectl("create", "namespace", SPACE)
    source.kubectl("apply", "--server-side", *arguments)
    source.kubectl("wait", "--for=condition=Established", *arguments)
    replayer = Replayer(source, target, tmp_path / "a")
    replayer.put(source, *custom_objects())
    replayer.tool.export()
    report = replayer.report()
    assert report["report"]["complete"], report["report"]
    made = verdicts(report)
    assert set(made.values()) == {"created"}
    assert len([name for name in made if name.startswith("CustomResourceDefinition/")]) == len(
        files
    )
    assert {
        f"{body['kind']}/{body['metadata']['name']}" for body in custom_objects()
    } <= made.keys()

    assert actions(repeat(replayer)) == {}

    other = make_tool(target.kubeconfig, tmp_path / "b")
    other.export()
    before, after = replayer.tool.files(), other.files()
    for found in (before, after):
        del found[".kube2git/coverage.yaml"]
    assert after == before


def test_a_recorded_version_that_the_target_lacks_and_a_kind_that_it_lacks(
    replayer: Replayer,
) -> None:
    target = replayer.target
    (file,) = [one for one in definitions.ensure("snapshots") if "snapshotclasses" in one.name]
    definition = yaml.safe_load(file.read_text())
    target.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(definition))
    target.kubectl("wait", "--for=condition=Established", "-f", str(file))
    recorded = custom_objects()[-2]
    recorded["apiVersion"] = "snapshot.storage.k8s.io/v1beta1"
    unknown = named("Nothing", "one", "skew", "nowhere.example.com/v1")
    write(
        replayer, [recorded, unknown, config_map("skew", "map", k="1"), named("Namespace", "skew")]
    )
    report = replayer.report(codes=(3,))
    found = {item["object"]["name"]: item for item in report["plan"]["actions"]}
    assert (
        "The target does not serve the kind Nothing.nowhere.example.com" in found["one"]["reason"]
    )
    assert "is written as snapshot.storage.k8s.io/v1" in found["public"]["warnings"][0]
    assert verdicts(report) == {
        "ConfigMap/map": "created",
        "Namespace/skew": "created",
        "VolumeSnapshotClass/public": "created",
    }
    assert actions(replayer.report(codes=(3,))) == {"Nothing/one": "blocked"}
