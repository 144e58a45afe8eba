from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from kube2git.core.wire import Json
from tests.conformance.cluster_port import ClusterConformance
from tests.fakes.cluster import FakeCluster
from tests.fakes.store import Store, kind
from tests.unit.adapters.kube.api import Api


class FakeWorld:
    """The fake itself."""

    def __init__(self) -> None:
        self.store = Store()
        self.made: list[FakeCluster] = []
        self.numbers = itertools.count(1)
        self.split = "Event"
        self.connect().split("Event")

    def connect(self, *, page_size: int = 500) -> FakeCluster:
        self.made.append(FakeCluster(store=self.store, page_size=page_size))
        return self.made[-1]

    def connect_reader(self, namespaces: Iterable[str], *, sees_namespaces: bool) -> FakeCluster:
        cluster = self.connect()
        for kind_group in self.store.types:
            cluster.forbid(kind_group, except_in=namespaces if kind_group == "ConfigMap" else ())
        cluster.sees_namespaces = sees_namespaces
        return cluster

    def connect_nowhere(self) -> FakeCluster:
        cluster = self.connect()
        cluster.is_unreachable = True
        return cluster

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
        return type.kind_group

    def remove_kind(self, kind_group: str) -> None:
        del self.store.types[kind_group]

    @contextmanager
    def failing(self, kind_group: str) -> Iterator[None]:
        for cluster in self.made:
            cluster.fail(kind_group)
        yield
        for cluster in self.made:
            cluster.heal()

    @contextmanager
    def forgetting(self, times: int) -> Iterator[None]:
        for cluster in self.made:
            cluster.restarts = times
        yield

    @contextmanager
    def down(self, group: str, version: str) -> Iterator[None]:
        self.store.down[f"{group}/{version}"] = "Its backend does not answer."
        yield
        self.store.down.clear()


class TestFakeCluster(ClusterConformance):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()


class TestKubeCluster(ClusterConformance):
    @pytest.fixture
    def world(self, api: Api) -> Api:
        return api
