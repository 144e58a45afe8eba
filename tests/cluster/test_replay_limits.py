"""Replays with little: few rights, few requests, a namespace that does not go, a webhook that is
down. What can be done is done, and what cannot is told in time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.test_replay import Json, Replayer, actions, config_map, verdicts
from tests.controlplane import ControlPlane, access
from tests.controlplane.ports import choose_ports

FLOW = "flowcontrol.apiserver.k8s.io/v1"


@pytest.fixture
def replayer(cluster: ControlPlane, target: ControlPlane, tmp_path: Path) -> Replayer:
    return Replayer(cluster, target, tmp_path)


@pytest.fixture
def filled(replayer: Replayer, namespace: str) -> str:
    for name in ("a", "b"):
        replayer.put(replayer.source, config_map(namespace, name, k="1"))
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
    """Give the kubeconfig of a ServiceAccount with rights on a few kinds and next to no seats."""
    every = ["create", "delete", "get", "list", "patch", "update", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["configmaps", "namespaces", "services"], "verbs": every},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": every},
        # Cleaning asks which kinds are served, and by whom.
        {
            "apiGroups": ["apiextensions.k8s.io", "autoscaling"],
            "resources": ["customresourcedefinitions", "horizontalpodautoscalers"],
            "verbs": ["list", "watch"],
        },
    ]
    account = {"name": "replayer", "namespace": "kube-system"}
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
        "priorityLevelConfiguration": {"name": "replayer"},
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
    rbac = "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "replayer"}
    subjects = [{"kind": "ServiceAccount", **account}]
    objects: list[tuple[str, Json]] = [
        ("/api/v1/namespaces/kube-system/serviceaccounts", {}),
        (f"/apis/{rbac}/v1/clusterroles", {"rules": rules}),
        (f"/apis/{rbac}/v1/clusterrolebindings", {"roleRef": role, "subjects": subjects}),
        (
            f"/apis/{FLOW}/prioritylevelconfigurations",
            {"spec": {"type": "Limited", "limited": limited}},
        ),
        (f"/apis/{FLOW}/flowschemas", {"spec": schema}),
    ]
    for path, body in objects:
        target.create(path, {"metadata": {"name": "replayer"}, **body})
    token = target.kubectl("create", "token", "replayer", "-n", "kube-system").strip()
    yield access.write_kubeconfig(
        tmp_path / "replayer.yaml",
        server=target.server,
        ca_file=target.ca_file,
        token=token,
        user="replayer",
        cluster="target",
    )
    for path, _ in reversed(objects):
        target.request("DELETE", f"{path}/replayer")


def rejected(plane: ControlPlane) -> float:
    """Return how many requests priority and fairness has turned away at the account's level."""
    text = plane.get("/metrics").body.decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("apiserver_flowcontrol_rejected_requests_total")
        and 'priority_level="replayer"' in line
    )


def test_an_account_with_few_rights_and_one_seat_replays_everything(
    replayer: Replayer, throttled: Path, namespace: str
) -> None:
    """Few seats and a queue for four, as tight for 400 objects as they would be for thousands."""
    for number in range(400):
        body = config_map(namespace, f"map-{number:03}", k="1")
        replayer.source.create(f"/api/v1/namespaces/{namespace}/configmaps", body)
    replayer.tool.export("-n", namespace)
    flags = ["-n", namespace, "--yes", "-o", "json", "--kubeconfig", str(throttled)]
    report: Json = replayer.tool.run("replay", "main", *flags).json
    assert report["report"]["complete"], report["report"]
    assert set(verdicts(report).values()) == {"created"}
    assert len(verdicts(report)) == 401
    assert rejected(replayer.target) > 0
    assert actions(replayer.report("-n", namespace)) == {}
