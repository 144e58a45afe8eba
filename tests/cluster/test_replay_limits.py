"""Replays with little: the chart's rights and no others, few requests, a namespace that does not
go, a webhook that is down. What can be done is done, and what cannot is told in time."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube2git.core import layout, yamlio
from kube2git.core.objects import ref_of
from tests import helm
from tests.cluster.test_replay import Json, Replayer, config_map, verdicts
from tests.controlplane import ControlPlane, access
from tests.controlplane.ports import choose_ports
from tests.handmade import commit_files

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEVEL = "replayer"
SHARE = {"ConfigMap": 100, "ServiceAccount": 49, "Role": 40, "RoleBinding": 40, "Service": 20}
"""Small objects of each namespace; with the namespace they are 250."""


@pytest.fixture
def replayer(cluster: ControlPlane, target: ControlPlane, tmp_path: Path) -> Replayer:
    return Replayer(cluster, target, tmp_path)


@pytest.fixture
def filled(replayer: Replayer, namespace: str) -> str:
    replayer.put(replayer.source, *(config_map(namespace, name, k="1") for name in ("a", "b")))
    replayer.tool.export("-n", namespace)
    return namespace


def test_a_namespace_that_does_not_go_holds_up_nothing_but_its_own_objects(
    replayer: Replayer, filled: str
) -> None:
    target, other = replayer.target, f"{filled}-other"
    path = f"/api/v1/namespaces/{filled}"
    stuck: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held"}}
    stuck["metadata"]["finalizers"] = ["example.com/never"]
    target.create("/api/v1/namespaces", {"metadata": {"name": filled}})
    target.create(f"{path}/configmaps", stuck)
    target.request("DELETE", path)
    maps = ["--map", f"{filled}={filled}", "--map", f"{filled}={other}", "--timeout", "4s"]
    begun = time.monotonic()
    answer = replayer.replay("-n", filled, *maps, "-o", "json", codes=(3,))
    # Far from endless: the limit of 4 seconds, and what a busy machine needs besides.
    assert time.monotonic() - begun < 60
    found = {
        (item["object"]["namespace"] or item["object"]["name"], item["object"]["name"]): item
        for item in answer.json["report"]["outcomes"]
    }
    assert {found[other, name]["verdict"] for name in (other, "a", "b")} == {"created"}
    assert found[filled, filled]["verdict"] == "failed"
    assert "is still being deleted" in found[filled, filled]["message"]
    assert {found[filled, name]["verdict"] for name in ("a", "b")} == {"not tried"}

    free = {"metadata": {"finalizers": None}}
    headers = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps(free).encode()
    target.request("PATCH", f"{path}/configmaps/held", body, headers=headers)
    resumed = replayer.report("-n", filled, *maps[:4], "--timeout", "60s")
    assert resumed["report"]["complete"], resumed["report"]
    assert replayer.get("cm/a", filled)["data"] == {"k": "1"}


def test_a_webhook_that_is_down_holds_up_only_what_it_is_asked_about(
    replayer: Replayer, filled: str
) -> None:
    target, (port,) = replayer.target, choose_ports(1)
    hook: Json = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": filled},
        "webhooks": [
            {
                "name": "down.example.com",
                "clientConfig": {"url": f"https://localhost:{port}/"},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["configmaps"],
                    }
                ],
                "matchConditions": [{"name": "a", "expression": "request.name == 'a'"}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": filled}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    target.create(hooks, hook)
    begun = time.monotonic()
    report = replayer.report("-n", filled, "--timeout", "3s", codes=(3,))
    assert time.monotonic() - begun < 60
    found = verdicts(report)
    assert (found["ConfigMap/a"], found["ConfigMap/b"]) == ("failed", "created")
    (outcome,) = [one for one in report["report"]["outcomes"] if one["object"]["name"] == "a"]
    assert 'failed calling webhook "down.example.com"' in outcome["message"]
    target.request("DELETE", f"{hooks}/{filled}")
    assert verdicts(replayer.report("-n", filled)) == {"ConfigMap/a": "created"}


@pytest.fixture
def throttled(target: ControlPlane, tmp_path: Path) -> Iterator[Path]:
    """Give the kubeconfig of the chart's account for replays, which has next to no seats."""
    home = target.create_namespace("k2g")
    values = {"config": {"repo": "https://git.example.com/state"}, "replay": {"enabled": True}}
    chart = helm.render(values, namespace=home)
    name = helm.one(chart, "ServiceAccount", "-replay")["metadata"]["name"]
    account = {"name": name, "namespace": home}
    limited = {
        "nominalConcurrencyShares": 1,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {
            "type": "Queue",
            "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 4},
        },
    }
    anything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
    schema = {
        "priorityLevelConfiguration": {"name": LEVEL},
        # Before all others; 1 belongs to the server's own.
        "matchingPrecedence": 2,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                "resourceRules": [{**anything, "clusterScope": True}],
            }
        ],
    }
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    objects: list[tuple[str, Json]] = [
        (f"/api/v1/namespaces/{home}/serviceaccounts", helm.one(chart, "ServiceAccount", name)),
        (f"{rbac}/clusterroles", helm.one(chart, "ClusterRole", "-replay")),
        (f"{rbac}/clusterrolebindings", helm.one(chart, "ClusterRoleBinding", "-replay")),
        (
            f"{FLOW}/prioritylevelconfigurations",
            {"metadata": {"name": LEVEL}, "spec": {"type": "Limited", "limited": limited}},
        ),
        (f"{FLOW}/flowschemas", {"metadata": {"name": LEVEL}, "spec": schema}),
    ]
    for path, body in objects:
        target.create(path, body)
    token = target.kubectl("create", "token", name, "-n", home).strip()
    yield access.write_kubeconfig(
        tmp_path / "replayer.yaml",
        server=target.server,
        ca_file=target.ca_file,
        token=token,
        user="replayer",
        cluster="target",
    )
    for path, body in reversed(objects):
        target.request("DELETE", f"{path}/{body['metadata']['name']}")


def rejected(plane: ControlPlane) -> float:
    """Return how many requests priority and fairness has turned away at the account's level."""
    text = plane.get("/metrics").body.decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("apiserver_flowcontrol_rejected_requests_total")
        and f'priority_level="{LEVEL}"' in line
    )


def small(kind: str, namespace: str, name: str) -> Json:
    """Return an object of a kind, as small as it can be."""
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "Role", "name": name.replace("rolebinding", "role")}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    rule = {"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]}
    bodies: dict[str, Json] = {
        "ConfigMap": {"data": {"k": "1"}},
        "ServiceAccount": {},
        "Role": {"rules": [rule]},
        "RoleBinding": {"roleRef": role, "subjects": [subject]},
        "Service": {"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}},
    }
    return {
        "apiVersion": f"{group}/v1" if kind.startswith("Role") else "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        **bodies[kind],
    }


def test_the_account_of_the_chart_replays_two_thousand_objects_through_a_narrow_door(
    replayer: Replayer, throttled: Path, namespace: str
) -> None:
    """Rights of its own and no others, and requests turned away again and again."""
    homes = [f"{namespace}-{number}" for number in range(8)]
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}} for home in homes
    ]
    objects += [
        small(kind, home, f"{kind.lower()}-{number:03}")
        for home in homes
        for kind, count in SHARE.items()
        for number in range(count)
    ]
    assert len(objects) == 2000
    replayer.tool.export("-n", namespace)
    commit_files(
        replayer.tool,
        {layout.path_of(ref_of(body)): yamlio.encode(body).decode() for body in objects},
    )
    flags = ["-n", f"{namespace}-*", "-o", "json", "--kubeconfig", str(throttled)]
    report: Json = replayer.tool.run("replay", "main", *flags, "--yes", timeout=400).json
    assert report["report"]["complete"], report["report"]
    found = Counter(one["verdict"] for one in report["report"]["outcomes"])
    assert found == {"created": 2000}
    assert report["plan"]["counts"] == {"create": 2000}
    assert rejected(replayer.target) > 0
    again: Json = replayer.tool.run("replay", "main", *flags, timeout=400).json
    assert again["plan"]["counts"] == {"unchanged": 2000}
    replayer.target.kubectl("delete", "namespace", "--wait=false", *homes)
