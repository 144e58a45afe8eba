"""The real adapter in front of an API server in memory: quick, and as faulty as a test wants."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kube2git.adapters.kube.cluster import KubeCluster
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.adapters.kube.retrying import Backoff
from kube2git.core.objects import ResourceType
from kube2git.core.ports import SweepEvent, SweepStarted
from kube2git.core.wire import Json
from tests import faults
from tests.conformance.cluster_port import config_map, found
from tests.controlplane import ports
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.store import Store, kind
from tests.faults import Answer, Fault, FaultProxy, Reply, Request

HASTY = Backoff(first=0.001, longest=0.004, longest_asked=0.01)
CRD = "CustomResourceDefinition.apiextensions.k8s.io"


def permitting(allows: Callable[[Request], bool]) -> Fault:
    """Answer 403 to what somebody may not do."""
    refusal = faults.status(403, "Forbidden", "forbidden: User cannot list resource")

    def judge(request: Request, proper: Answer) -> Reply:
        return proper(request) if allows(request) else refusal(request, proper)

    return judge


class Api:
    """An API server in memory behind a port, and clusters connected to it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.server = FakeApiServer(self.store)
        self.proxy = FaultProxy(self.server, token="a-token")
        self.folder = folder
        self.numbers = itertools.count(1)
        self._others: list[FaultProxy] = []
        self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
        self.store.split("Event", 7)
        self.split = "Event"

    def close(self) -> None:
        for proxy in (self.proxy, *self._others):
            proxy.close()

    def settings(self, kubeconfig: Path | None = None) -> ConnectionSettings:
        path = kubeconfig or self.proxy.kubeconfig(self.folder)
        return ConnectionSettings(str(path), request_timeout=5.0, backoff=HASTY)

    # ── the World of tests/conformance/cluster_port.py ───────────────────────────────────────

    def connect(self, *, page_size: int = 500) -> KubeCluster:
        return KubeCluster(connect(self.settings()), page_size=page_size)

    def connect_reader(self, namespaces: Iterable[str], *, sees_namespaces: bool) -> KubeCluster:
        allowed = {f"/api/v1/namespaces/{name}/configmaps" for name in namespaces}
        if sees_namespaces:
            allowed.add("/api/v1/namespaces")
        proxy = FaultProxy(self.server)
        self._others.append(proxy)
        proxy.on(r"^/apis?/.*", permitting(lambda request: request.path in allowed))
        return KubeCluster(connect(self.settings(proxy.kubeconfig(self.folder))))

    def connect_nowhere(self) -> KubeCluster:
        (port,) = ports.choose_ports(1)
        path = self.proxy.kubeconfig(self.folder)
        nowhere = self.folder / "nowhere.yaml"
        nowhere.write_text(path.read_text().replace(self.proxy.url, f"http://127.0.0.1:{port}"))
        return KubeCluster(connect(self.settings(nowhere)))

    def new_namespace(self) -> str:
        name = f"test-{next(self.numbers)}"
        self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def put(self, body: Json) -> None:
        self.store.put(body)

    def remove(self, kind_group: str, namespace: str, name: str) -> None:
        self.store.remove(kind_group, namespace, name)

    def add_kind(self) -> str:
        plural = f"widgets{next(self.numbers)}"
        type = kind("example.com/v1", plural.capitalize(), plural)
        self.store.types[type.kind_group] = type
        self.put(definition(type))
        return type.kind_group

    def remove_kind(self, kind_group: str) -> None:
        type = self.store.types.pop(kind_group)
        self.store.remove(CRD, "", type.resource_group)

    @contextmanager
    def failing(self, kind_group: str) -> Iterator[None]:
        path = self.store.types[kind_group].path()
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
        self.server.stale.add(f"{group}/{version}")
        yield
        self.server.stale.clear()


EXPIRED = faults.status(
    410,
    "Expired",
    "The provided continue parameter is too old to display a consistent list result.",
)


def definition(type: ResourceType) -> Json:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": type.resource_group},
        "spec": {"group": type.group, "names": {"kind": type.kind, "plural": type.plural}},
    }


def served_in(type: ResourceType, *versions: str) -> ResourceType:
    return dataclasses.replace(type, version=versions[0], versions=versions)


def one_thread(api: Api, *, page_size: int = 500) -> KubeCluster:
    return KubeCluster(connect(api.settings()), connections=1, page_size=page_size)


def fill(api: Api, namespace: str, count: int) -> dict[str, str]:
    names = [f"c{number:03}" for number in range(count)]
    for name in names:
        api.put(config_map(namespace, name))
    return dict.fromkeys(names, "1")


def names_of(events: Sequence[SweepEvent], kind: str) -> set[str]:
    return {body["metadata"]["name"] for body in found(events) if body["kind"] == kind}


def starts(events: Sequence[SweepEvent]) -> list[int]:
    return [event.attempt for event in events if isinstance(event, SweepStarted)]
