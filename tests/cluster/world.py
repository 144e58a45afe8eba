"""A real API server as a world of tests/conformance/cluster_port.py, and what tests do to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kube2git.adapters.kube.cluster import KubeCluster
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.adapters.kube.retrying import Backoff
from kube2git.core.wire import Json
from tests import faults
from tests.controlplane import ControlPlane, ports
from tests.faults import FaultProxy

HASTY = Backoff(first=0.01, longest=0.05)
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EXPIRED = faults.status(410, "Expired", "The provided continue parameter is too old.")


def wait_until(claim: Callable[[], bool], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def open_cluster(kubeconfig: Path, *, page_size: int = 500, as_user: str = "") -> KubeCluster:
    settings = ConnectionSettings(str(kubeconfig), as_user=as_user, backoff=HASTY)
    return KubeCluster(connect(settings), page_size=page_size)


def add_definition(plane: ControlPlane, plural: str) -> str:
    """Serve a new kind, and return its kind_group."""
    kind = plural.capitalize()
    plane.create(
        CRDS,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.example.com"},
            "spec": {
                "group": "example.com",
                "names": {"plural": plural, "kind": kind},
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
        },
    )
    cluster = open_cluster(plane.kubeconfig)
    kind_group = f"{kind}.example.com"
    wait_until(lambda: kind_group in {type.kind_group for type in cluster.discover().types})
    wait_until(lambda: plane.get(f"/apis/example.com/v1/{plural}").status == 200)
    return kind_group


def remove_definition(plane: ControlPlane, kind_group: str) -> None:
    plural = kind_group.partition(".")[0].lower()
    plane.request("DELETE", f"{CRDS}/{plural}.example.com")
    cluster = open_cluster(plane.kubeconfig)
    wait_until(lambda: plane.get(f"/apis/example.com/v1/{plural}").status == 404)
    wait_until(lambda: kind_group not in {type.kind_group for type in cluster.discover().types})


class RealWorld:
    """A real API server, whose events have an etcd of their own, behind a proxy."""

    split = "Event"

    def __init__(self, plane: ControlPlane, proxy: FaultProxy, folder: Path) -> None:
        self.plane = plane
        self.proxy = proxy
        self.folder = folder
        self.types = {
            type.kind_group: type for type in open_cluster(plane.kubeconfig).discover().types
        }

    def connect(self, *, page_size: int = 500) -> KubeCluster:
        return open_cluster(self.proxy.kubeconfig(self.folder), page_size=page_size)

    def connect_reader(self, namespaces: Iterable[str], *, sees_namespaces: bool) -> KubeCluster:
        user = f"reader-{uuid.uuid4().hex[:8]}"
        names = list(namespaces)
        for namespace in names:
            self._allow(user, "configmaps", namespace)
        if sees_namespaces:
            self._allow(user, "namespaces")
        headers = {"Impersonate-User": user}
        paths = [f"/api/v1/namespaces/{name}/configmaps?limit=1" for name in names]
        paths += ["/api/v1/namespaces?limit=1"] if sees_namespaces else []
        for path in paths:
            wait_until(
                lambda path=path: self.plane.request("GET", path, headers=headers).status == 200  # type: ignore[misc]
            )
        return open_cluster(self.plane.kubeconfig, as_user=user)

    def _allow(self, user: str, resource: str, namespace: str = "") -> None:
        role, scope = ("role", ["-n", namespace]) if namespace else ("clusterrole", [])
        name = f"{user}-{resource}"
        self.plane.kubectl("create", role, name, "--verb=list", f"--resource={resource}", *scope)
        self.plane.kubectl(
            "create", f"{role}binding", name, f"--{role}={name}", f"--user={user}", *scope
        )

    def connect_nowhere(self) -> KubeCluster:
        path = self.folder / "nowhere.yaml"
        (port,) = ports.choose_ports(1)
        text = self.plane.kubeconfig.read_text()
        path.write_text(text.replace(self.plane.server, f"https://127.0.0.1:{port}"))
        return open_cluster(path)

    def new_namespace(self) -> str:
        return self.plane.create_namespace()

    def put(self, body: Json) -> None:
        group, _, _ = str(body["apiVersion"]).rpartition("/")
        kind_group = f"{body['kind']}.{group}" if group else str(body["kind"])
        path = self.types[kind_group].path(body["metadata"]["namespace"])
        answer = self.plane.request("POST", path, body)
        if answer.status == 409:
            name = body["metadata"]["name"]
            answer = self.plane.request("PUT", f"{path}/{name}", body)
        assert answer.status in (200, 201), answer.body

    def remove(self, kind_group: str, namespace: str, name: str) -> None:
        path = self.types[kind_group].path(namespace, name)
        assert self.plane.request("DELETE", path).status == 200

    def add_kind(self) -> str:
        return add_definition(self.plane, f"w{uuid.uuid4().hex[:8]}")

    def remove_kind(self, kind_group: str) -> None:
        remove_definition(self.plane, kind_group)

    @contextmanager
    def failing(self, kind_group: str) -> Iterator[None]:
        path = self.types[kind_group].path()
        self.proxy.on(rf"^{path}\?", faults.status(500, "InternalError", "it broke"))
        yield
        self.proxy.forget()

    @contextmanager
    def forgetting(self, times: int) -> Iterator[None]:
        self.proxy.on("continue=", EXPIRED, nth=range(1, times + 1))
        yield
        self.proxy.forget()

    @contextmanager
    def down(self, group: str, version: str) -> Iterator[None]:
        self.plane.register_api(group, version, *ports.choose_ports(1))
        cluster = open_cluster(self.plane.kubeconfig)
        wait_until(lambda: f"{group}/{version}" in cluster.discover().failed)
        yield
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}"
        self.plane.request("DELETE", path)
        wait_until(lambda: not cluster.discover().failed)
