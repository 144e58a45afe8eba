"""A seeded load of mixed objects, and the requests that create and change it."""

from __future__ import annotations

import itertools
import json
import queue
import random
import threading
from collections.abc import Iterator
from typing import Any

from tests.controlplane import ControlPlane

CONNECTIONS = 16
NAMESPACES = 40

Request = tuple[str, str, dict[str, Any]]
"""(method, path, body)."""

COUPON_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.bench.example.com"},
    "spec": {
        "group": "bench.example.com",
        "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


def objects(count: int, seed: int = 1) -> Iterator[Request]:
    """Yield ``count`` creations in proportions of a busy cluster, the same for the same seed."""
    chance = random.Random(seed)
    kinds = list(_MIX)
    weights = [weight for weight, _ in _MIX.values()]
    for number in range(count):
        kind = chance.choices(kinds, weights)[0]
        namespace = f"bench-{chance.randrange(NAMESPACES):02}"
        yield _request(kind, f"{kind.lower()}-{number}", namespace, chance)


def _request(kind: str, name: str, namespace: str, chance: random.Random) -> Request:
    path, api_version, content = _MIX[kind][1](chance)
    body: dict[str, Any] = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name, "team": f"team-{chance.randrange(9)}"},
            "annotations": {"example.com/owner": f"team-{chance.randrange(9)}@example.com"},
        },
        **content,
    }
    if kind in ("Pod", "ReplicaSet"):
        body["metadata"]["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": "owner",
                "uid": f"00000000-0000-0000-0000-{chance.randrange(10**12):012}",
                "controller": True,
            }
        ]
    return "POST", path.format(namespace=namespace), body


def _words(chance: random.Random, count: int) -> str:
    return " ".join(f"word{chance.randrange(1000)}" for _ in range(count))


def _template(chance: random.Random) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": f"c{number}",
                    "image": f"registry.example.com/app:{chance.randrange(1000)}",
                    "args": ["--verbose", f"--level={chance.randrange(9)}"],
                    "env": [
                        {"name": f"VARIABLE_{index}", "value": _words(chance, 3)}
                        for index in range(8)
                    ],
                    "ports": [{"containerPort": 8080}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                    "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
                }
                for number in range(2)
            ],
            "volumes": [{"name": "config", "configMap": {"name": "config"}}],
        },
    }


def _workload(kind: str) -> Any:
    def make(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
        spec: dict[str, Any] = {
            "replicas": chance.randrange(5),
            "selector": {"matchLabels": {"app": "web"}},
            "template": _template(chance),
        }
        if kind == "statefulsets":
            spec["serviceName"] = "web"
        return f"/apis/apps/v1/namespaces/{{namespace}}/{kind}", "apps/v1", {"spec": spec}

    return make


def _pod(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    return "/api/v1/namespaces/{namespace}/pods", "v1", {"spec": _template(chance)["spec"]}


def _config_map(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    text = "\n".join(_words(chance, 8) for _ in range(chance.randrange(5, 40)))
    data = {"app.conf": text + "\n", "level": "info", "flag": "on"}
    return "/api/v1/namespaces/{namespace}/configmaps", "v1", {"data": data}


def _secret(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    data = {"password": f"{chance.getrandbits(96):x}", "user": "app"}
    return "/api/v1/namespaces/{namespace}/secrets", "v1", {"stringData": data}


def _service(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    spec = {
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": chance.randrange(1, 9999)}],
    }
    return "/api/v1/namespaces/{namespace}/services", "v1", {"spec": spec}


def _account(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    del chance
    return "/api/v1/namespaces/{namespace}/serviceaccounts", "v1", {}


def _role(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    rules = [
        {"apiGroups": [""], "resources": ["pods", f"kind{chance.randrange(99)}"], "verbs": ["get"]}
        for _ in range(4)
    ]
    root = "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    return f"{root}/roles", "rbac.authorization.k8s.io/v1", {"rules": rules}


def _binding(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    content = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": f"s{chance.randrange(99)}"}],
    }
    root = "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    return f"{root}/rolebindings", "rbac.authorization.k8s.io/v1", content


def _ingress(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rules = [{"host": f"h{chance.randrange(9999)}.example.com", "http": {"paths": [path]}}]
    root = "/apis/networking.k8s.io/v1/namespaces/{namespace}"
    return f"{root}/ingresses", "networking.k8s.io/v1", {"spec": {"rules": rules}}


def _widget(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    spec = {f"field{index}": _words(chance, 4) for index in range(20)}
    root = "/apis/bench.example.com/v1/namespaces/{namespace}"
    return f"{root}/widgets", "bench.example.com/v1", {"spec": spec}


_MIX: dict[str, tuple[int, Any]] = {
    "ConfigMap": (20, _config_map),
    "Deployment": (14, _workload("deployments")),
    "StatefulSet": (4, _workload("statefulsets")),
    "ReplicaSet": (10, _workload("replicasets")),
    "Pod": (14, _pod),
    "Secret": (8, _secret),
    "Service": (8, _service),
    "ServiceAccount": (5, _account),
    "Role": (4, _role),
    "RoleBinding": (4, _binding),
    "Ingress": (4, _ingress),
    "Widget": (5, _widget),
}


def fill(plane: ControlPlane, count: int) -> None:
    """Create the namespaces, the custom kind and ``count`` objects."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    plane.request("POST", path, COUPON_CRD)
    namespaces: list[Request] = [
        (
            "POST",
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"bench-{number:02}"}},
        )
        for number in range(NAMESPACES)
    ]
    send(plane, iter(namespaces))
    plane.kubectl("wait", "--for=condition=Established", "crd/widgets.bench.example.com")
    for number in range(NAMESPACES):
        # The ServiceAccount admission plugin wants one before it lets a Pod in.
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        plane.request("POST", f"/api/v1/namespaces/bench-{number:02}/serviceaccounts", body)
    send(plane, objects(count))


def change(plane: ControlPlane, count: int, total: int, mark: str) -> None:
    """Change an annotation of ``count`` objects, spread over all kinds that are exported."""
    made = (request for request in objects(total) if request[2]["kind"] not in _LEFT_OUT)
    step = max(1, total * 3 // (4 * count))
    chosen = itertools.islice(made, 0, None, step)
    patch = {"metadata": {"annotations": {"example.com/changed": mark}}}
    send(
        plane,
        (
            ("PATCH", f"{path}/{body['metadata']['name']}", patch)
            for _, path, body in itertools.islice(chosen, count)
        ),
    )


_LEFT_OUT = {"Pod", "ReplicaSet"}


def send(plane: ControlPlane, requests: Iterator[Request]) -> None:
    """Send requests over parallel connections; raise on the first that is refused."""
    waiting: queue.Queue[Request | None] = queue.Queue(CONNECTIONS * 4)
    refused: list[str] = []

    def work() -> None:
        while (request := waiting.get()) is not None:
            method, path, body = request
            kind = "merge-patch+json" if method == "PATCH" else "json"
            headers = {"Content-Type": f"application/{kind}"}
            status, _, answer = plane.request(
                method, path, json.dumps(body).encode(), headers=headers
            )
            if status >= 300 and status != 409:
                refused.append(f"{method} {path}: {status} {answer[:300]!r}")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for request in requests:
        waiting.put(request)
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    if refused:
        raise RuntimeError(f"{len(refused)} requests were refused, the first: {refused[0]}")
