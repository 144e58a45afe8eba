"""What every ``Cluster`` must do: one suite, run over the real adapter and over the fake.

A test module subclasses ``ClusterConformance`` and gives it a ``world``. Every test works in
namespaces of its own, so that a world may be shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pytest

from kube2git.core.objects import ResourceType
from kube2git.core.ports import (
    Cluster,
    Discovery,
    KindRead,
    KindStatus,
    PageRead,
    SweepEvent,
    SweepFinished,
    SweepRequest,
    SweepStarted,
)
from kube2git.core.wire import Json
from kube2git.errors import ClusterUnreachableError


class World(Protocol):
    """A cluster under test. What it is told to suffer lasts for one test."""

    def connect(self, *, page_size: int = 500) -> Cluster: ...

    def connect_reader(self, namespaces: Iterable[str], *, sees_namespaces: bool) -> Cluster:
        """Connect as somebody who may read ConfigMaps in these namespaces, and nothing else.

        ``sees_namespaces``: may also list the Namespaces.
        """
        ...

    def connect_nowhere(self) -> Cluster:
        """Return a cluster whose API server does not answer."""
        ...

    def new_namespace(self) -> str: ...

    def put(self, body: Json) -> None:
        """Create an object, or replace it."""
        ...

    def remove(self, kind_group: str, namespace: str, name: str) -> None: ...

    def add_kind(self) -> str:
        """Serve a new namespaced kind; return its kind_group."""
        ...

    def remove_kind(self, kind_group: str) -> None:
        """Serve a kind no longer, and wait until that shows."""
        ...

    def failing(self, kind_group: str) -> AbstractContextManager[None]:
        """Let lists of a kind fail on the server's side."""
        ...

    def forgetting(self, times: int) -> AbstractContextManager[None]:
        """Let the server forget the revision in the middle of a sweep, so many times."""
        ...

    def down(self, group: str, version: str) -> AbstractContextManager[None]:
        """Let the backend of a group be away."""
        ...

    split: str
    """The kind_group of a namespaced kind with a store of its own."""


def config_map(namespace: str, name: str, value: str = "1", **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": {"value": value},
    }


def types_of(discovery: Discovery, *kinds: str) -> tuple[ResourceType, ...]:
    by_kind = {type.kind_group: type for type in discovery.types}
    return tuple(by_kind[kind] for kind in kinds)


def request(cluster: Cluster, *kinds: str, **more: Any) -> SweepRequest:
    return SweepRequest((types_of(cluster.discover(), *kinds),), **more)


def found(events: Iterable[SweepEvent]) -> list[Json]:
    """Return the objects that stand after the last start."""
    bodies: list[Json] = []
    for event in events:
        if isinstance(event, SweepStarted):
            bodies = []
        elif isinstance(event, PageRead):
            type = event.type
            bodies += [item.decode(type.api_version, type.kind) for item in event.items]
    return bodies


def values(events: Iterable[SweepEvent], namespace: str) -> dict[str, str]:
    """Return name -> value of the ConfigMaps of a namespace that the suite has made."""
    return {
        body["metadata"]["name"]: body["data"]["value"]
        for body in found(events)
        if body["metadata"].get("namespace") == namespace and "value" in body.get("data", {})
    }


def results(events: Iterable[SweepEvent]) -> dict[str, KindRead]:
    """Return the last word on each kind."""
    reads: dict[str, KindRead] = {}
    for event in events:
        if isinstance(event, SweepStarted):
            reads = {}
        elif isinstance(event, KindRead):
            reads[event.type.kind_group] = event
    return reads


def finish(events: Sequence[SweepEvent]) -> SweepFinished:
    last = events[-1]
    assert isinstance(last, SweepFinished)
    return last


class ClusterConformance:
    """The suite."""

    # ── What there is ────────────────────────────────────────────────────────────────────────

    def test_a_cluster_has_an_identity_that_stays(self, world: World) -> None:
        identity = world.connect().identity()
        assert len(identity.uid) == 36
        assert identity.server_version.startswith("v1.")
        assert identity.context
        assert world.connect().identity() == identity

    def test_each_kind_that_can_be_listed_is_discovered_once(self, world: World) -> None:
        discovery = world.connect().discover()
        kinds = [type.kind_group for type in discovery.types]
        assert len(kinds) == len(set(kinds))
        assert {"ConfigMap", "Namespace", "Secret", "Deployment.apps", "Event"} <= set(kinds)
        assert all({"get", "list"} <= type.verbs for type in discovery.types)
        assert all(type.version in type.versions for type in discovery.types)
        (deployment,) = types_of(discovery, "Deployment.apps")
        assert deployment.namespaced
        assert deployment.resource_group == "deployments.apps"
        assert {"scale", "status"} <= deployment.subresources
        assert "deploy" in deployment.short_names
        assert not discovery.is_failed("apps")

    def test_a_new_kind_is_discovered(self, world: World) -> None:
        cluster = world.connect()
        cluster.discover()
        kind = world.add_kind()
        assert kind in {type.kind_group for type in cluster.discover().types}

    def test_a_group_whose_backend_is_down_is_failed_not_absent(self, world: World) -> None:
        with world.down("down.example.com", "v1"):
            discovery = world.connect().discover()
            assert discovery.is_failed("down.example.com")
            assert not discovery.is_failed("apps")
            assert all(reason.endswith(".") for reason in discovery.failed.values())
        assert not any(type.group == "down.example.com" for type in discovery.types)

    def test_one_object_is_read(self, world: World) -> None:
        cluster, namespace = world.connect(), world.new_namespace()
        world.put(config_map(namespace, "one", "v"))
        (type,) = types_of(cluster.discover(), "ConfigMap")
        body = cluster.get(type, namespace, "one")
        assert body is not None
        assert (body["apiVersion"], body["kind"]) == ("v1", "ConfigMap")
        assert body["data"] == {"value": "v"}
        assert cluster.get(type, namespace, "two") is None

    # ── A sweep ──────────────────────────────────────────────────────────────────────────────

    def test_a_sweep_tells_its_events_in_order(self, world: World) -> None:
        cluster, namespace = world.connect(page_size=2), world.new_namespace()
        for name in ("a", "b", "c", "d", "e"):
            metadata = {"name": name, "namespace": namespace}
            world.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        discovery = cluster.discover()
        first = types_of(discovery, "Namespace", "ConfigMap")
        second = types_of(discovery, "Deployment.apps", "Secret")
        events = list(cluster.sweep(SweepRequest((first, second))))
        start, *middle, end = events
        assert isinstance(start, SweepStarted)
        assert isinstance(end, SweepFinished)
        assert start.attempt == 1
        assert start.revision == end.revision != ""
        assert end.atomic
        reads = [event.type for event in middle if isinstance(event, KindRead)]
        assert set(reads[:2]) == set(first)
        assert set(reads[2:]) == set(second)
        done: set[ResourceType] = set()
        for event in middle:
            assert isinstance(event, PageRead | KindRead)
            assert event.type not in done
            if event.type in second:
                assert done >= set(first)
            if isinstance(event, KindRead):
                assert event.status is KindStatus.LISTED
                assert event.reason == event.revision == ""
                done.add(event.type)

    def test_pages_hold_every_object_once(self, world: World) -> None:
        cluster, namespace = world.connect(page_size=2), world.new_namespace()
        wanted = {f"c{number}": str(number) for number in range(7)}
        for name, value in wanted.items():
            world.put(config_map(namespace, name, value))
        events = list(cluster.sweep(request(cluster, "ConfigMap", namespaces=(namespace,))))
        pages = [event for event in events if isinstance(event, PageRead)]
        assert max(len(page.items) for page in pages) == 2
        assert values(events, namespace) == wanted
        total = sum(len(page.items) for page in pages)
        assert results(events)["ConfigMap"].count == total == len(found(events))

    def test_an_item_knows_its_identity_and_its_whole_body(self, world: World) -> None:
        cluster, namespace = world.connect(), world.new_namespace()
        world.put(config_map(namespace, "one", labels={"a": "b"}))
        wanted = request(cluster, "ConfigMap", namespaces=(namespace,))
        pages = [event for event in cluster.sweep(wanted) if isinstance(event, PageRead)]
        (item,) = [item for page in pages for item in page.items if item.meta.name == "one"]
        body = item.decode("v1", "ConfigMap")
        assert list(body)[:2] == ["apiVersion", "kind"]
        assert body["metadata"]["labels"] == {"a": "b"}
        assert item.meta.namespace == namespace
        assert item.meta.uid == body["metadata"]["uid"]
        assert item.meta.resource_version == body["metadata"]["resourceVersion"]
        (type,) = types_of(cluster.discover(), "ConfigMap")
        assert cluster.get(type, namespace, "one") == body

    def test_what_happens_after_the_start_is_not_seen(self, world: World) -> None:
        cluster, namespace = world.connect(page_size=2), world.new_namespace()
        for name in ("changed", "kept", "removed"):
            world.put(config_map(namespace, name, "before"))
        events = cluster.sweep(request(cluster, "ConfigMap", namespaces=(namespace,)))
        start = next(events)
        assert isinstance(start, SweepStarted)
        world.put(config_map(namespace, "added", "after"))
        world.put(config_map(namespace, "changed", "after"))
        world.remove("ConfigMap", namespace, "removed")
        rest = list(events)
        assert values(rest, namespace) == dict.fromkeys(("changed", "kept", "removed"), "before")
        assert finish(rest).atomic
        again = list(cluster.sweep(request(cluster, "ConfigMap", namespaces=(namespace,))))
        assert values(again, namespace) == {"added": "after", "changed": "after", "kept": "before"}

    def test_only_the_namespaces_asked_for_are_listed(self, world: World) -> None:
        cluster = world.connect()
        one, two, three = (world.new_namespace() for _ in range(3))
        for namespace in (one, two, three):
            world.put(config_map(namespace, "here", namespace))
        wanted = request(cluster, "ConfigMap", "Namespace", namespaces=(one, three))
        events = list(cluster.sweep(wanted))
        maps = [body for body in found(events) if body["kind"] == "ConfigMap"]
        assert {body["metadata"]["namespace"] for body in maps} == {one, three}
        names = [b["metadata"]["name"] for b in found(events) if b["kind"] == "Namespace"]
        assert {one, two, three} <= set(names)
        assert len(names) == len(set(names))
        assert {read.status for read in results(events).values()} == {KindStatus.LISTED}

    def test_a_label_selector_spares_the_kinds_that_are_listed_whole(self, world: World) -> None:
        cluster, namespace = world.connect(page_size=1), world.new_namespace()
        for kind in ("ConfigMap", "Secret"):
            for name, app in (("a", "web"), ("b", "db"), ("c", "web"), ("d", "db")):
                metadata = {"name": name, "namespace": namespace, "labels": {"app": app}}
                world.put({"apiVersion": "v1", "kind": kind, "metadata": metadata})
        wanted = request(
            cluster,
            "ConfigMap",
            "Secret",
            namespaces=(namespace,),
            label_selector="app=web",
            whole=frozenset({"Secret"}),
        )
        names = {
            (body["kind"], body["metadata"]["name"])
            for body in found(cluster.sweep(wanted))
            if "labels" in body["metadata"]
        }
        some, every = {"a", "c"}, {"a", "b", "c", "d"}
        assert names == {("ConfigMap", name) for name in some} | {
            ("Secret", name) for name in every
        }

    def test_a_sweep_may_be_left_early(self, world: World) -> None:
        cluster, namespace = world.connect(page_size=1), world.new_namespace()
        for number in range(30):
            world.put(config_map(namespace, f"c{number:02}"))
        wanted = request(cluster, "ConfigMap", namespaces=(namespace,))
        events = cluster.sweep(wanted)
        assert isinstance(events, Iterator)
        assert isinstance(next(events), SweepStarted)
        assert isinstance(next(events), PageRead)
        events.close()  # type: ignore[attr-defined]
        assert len(values(cluster.sweep(wanted), namespace)) == 30

    # ── What cannot be listed ────────────────────────────────────────────────────────────────

    def test_a_kind_that_fails_is_failed_and_the_others_are_listed(self, world: World) -> None:
        cluster = world.connect()
        with world.failing("Secret"):
            events = list(cluster.sweep(request(cluster, "Secret", "ConfigMap")))
            read = results(events)
            assert read["Secret"].status is KindStatus.FAILED
            assert "500" in read["Secret"].reason
            assert read["ConfigMap"].status is KindStatus.LISTED
            assert finish(events).atomic
        events = list(cluster.sweep(request(cluster, "Secret", "ConfigMap")))
        assert results(events)["Secret"].status is KindStatus.LISTED

    def test_a_kind_that_is_no_longer_served_is_failed_not_empty(self, world: World) -> None:
        cluster, kind = world.connect(), world.add_kind()
        wanted = request(cluster, kind, "ConfigMap")
        world.remove_kind(kind)
        read = results(cluster.sweep(wanted))
        assert read[kind].status is KindStatus.FAILED
        assert read[kind].reason.endswith(".")
        assert read["ConfigMap"].status is KindStatus.LISTED

    def test_a_kind_that_vanishes_during_the_sweep_is_failed(self, world: World) -> None:
        cluster, kind = world.connect(), world.add_kind()
        by_kind = {type.kind_group: type for type in cluster.discover().types}
        events = cluster.sweep(SweepRequest(((by_kind[kind],), (by_kind["ConfigMap"],))))
        seen = [next(events) for _ in range(2)]
        assert isinstance(seen[1], KindRead)
        assert seen[1].status is KindStatus.LISTED
        world.remove_kind(kind)
        assert results([*seen, *events])[kind].status is KindStatus.FAILED

    def test_a_reader_of_some_namespaces_gets_those(self, world: World) -> None:
        mine, other = world.new_namespace(), world.new_namespace()
        for namespace in (mine, other):
            world.put(config_map(namespace, "here", namespace))
        cluster = world.connect_reader([mine], sees_namespaces=True)
        wanted = SweepRequest((types_of(world.connect().discover(), "ConfigMap", "Secret"),))
        events = list(cluster.sweep(wanted))
        read = results(events)
        assert read["ConfigMap"].status is KindStatus.PARTIAL
        assert read["ConfigMap"].namespaces == (mine,)
        assert read["Secret"].status is KindStatus.FORBIDDEN
        for kind, plural in (("ConfigMap", "configmaps"), ("Secret", "secrets")):
            rule = f'apiGroups: [""], resources: ["{plural}"], verbs: ["list"]'
            assert rule in read[kind].reason
        assert {body["metadata"]["namespace"] for body in found(events)} == {mine}
        assert values(events, mine) == {"here": mine}
        assert finish(events).atomic

    def test_a_reader_who_does_not_see_namespaces_must_name_them(self, world: World) -> None:
        mine, other = world.new_namespace(), world.new_namespace()
        world.put(config_map(mine, "here", "x"))
        cluster = world.connect_reader([mine], sees_namespaces=False)
        types = types_of(world.connect().discover(), "ConfigMap")
        unnamed = results(cluster.sweep(SweepRequest((types,))))["ConfigMap"]
        assert unnamed.status is KindStatus.FORBIDDEN
        events = list(cluster.sweep(SweepRequest((types,), namespaces=(mine,))))
        assert results(events)["ConfigMap"].status is KindStatus.LISTED
        assert values(events, mine) == {"here": "x"}
        both = results(cluster.sweep(SweepRequest((types,), namespaces=(other, mine))))
        assert both["ConfigMap"].status is KindStatus.PARTIAL
        assert both["ConfigMap"].namespaces == (mine,)
        none = results(cluster.sweep(SweepRequest((types,), namespaces=(other,))))
        assert none["ConfigMap"].status is KindStatus.FORBIDDEN

    def test_a_forgotten_revision_starts_the_sweep_again(self, world: World) -> None:
        cluster, namespace = world.connect(page_size=2), world.new_namespace()
        wanted = {f"c{number}": "1" for number in range(7)}
        for name in wanted:
            world.put(config_map(namespace, name))
        with world.forgetting(2):
            events = list(cluster.sweep(request(cluster, "ConfigMap", namespaces=(namespace,))))
        starts = [event.attempt for event in events if isinstance(event, SweepStarted)]
        assert starts == [1, 2, 3]
        assert values(events, namespace) == wanted
        assert results(events)["ConfigMap"].status is KindStatus.LISTED
        assert finish(events).atomic

    def test_a_kind_with_a_store_of_its_own_is_listed_and_named(self, world: World) -> None:
        cluster, namespace = world.connect(), world.new_namespace()
        world.put(config_map(namespace, "here"))
        world.put(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": "e", "namespace": namespace},
                "involvedObject": {"namespace": namespace},
            }
        )
        events = list(cluster.sweep(request(cluster, world.split, "ConfigMap", "Secret")))
        read = results(events)
        assert read[world.split].status is KindStatus.LISTED
        assert read[world.split].revision not in ("", finish(events).revision)
        assert read["ConfigMap"].revision == ""
        names = {
            body["metadata"]["name"]
            for body in found(events)
            if body["metadata"].get("namespace") == namespace
        }
        assert names >= {"e", "here"}
        assert not finish(events).atomic
        assert "events" in finish(events).reason

    def test_a_server_that_does_not_answer_is_an_error(self, world: World) -> None:
        cluster = world.connect_nowhere()
        for ask in (cluster.identity, cluster.discover):
            with pytest.raises(ClusterUnreachableError) as failure:
                ask()
            assert failure.value.hint
