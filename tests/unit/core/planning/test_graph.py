"""graph: one order for one set of objects, whatever the order of the input; golden files show it.

A case is golden/graph/<case>.yaml with the objects, and <case>.txt with what the graph prints.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.edges import Strength, Until
from kube2git.core.planning.graph import Graph, Wave
from tests.unit.core.planning.planned import (
    GOLDEN,
    config_map,
    deployment,
    manifests,
    obj,
    read_documents,
)

CASES = sorted((GOLDEN / "graph").glob("*.yaml"))


def printed(graph: Graph) -> str:
    """Print waves and reasons."""
    lines: list[str] = []
    for number, wave in enumerate(graph.waves, 1):
        lines.append(f"wave {number}")
        lines += [f"  when ready: {ref}" for ref in wave.awaits]
        for ref in wave.refs:
            lines.append(f"  {ref}")
            lines += [f"      {clause}" for clause in graph.explain(ref)]
    lines += [f"circle: {circle}" for circle in graph.circles]
    return "".join(f"{line}\n" for line in lines)


def case(name: str) -> list[Manifest]:
    return manifests(*read_documents(GOLDEN / "graph" / f"{name}.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_order_is_the_golden_one(path: Path) -> None:
    graph = Graph.of(case(path.stem))
    assert printed(graph) == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_two_hundred_permutations_give_one_order(path: Path) -> None:
    objects = case(path.stem)
    expected = Graph.of(objects)
    shuffler = random.Random(path.stem)
    for _ in range(200):
        shuffler.shuffle(objects)
        graph = Graph.of(objects)
        assert printed(graph) == printed(expected)
        assert graph.deletion_waves == expected.deletion_waves


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_object_is_written_once_and_deleted_once(path: Path) -> None:
    objects = case(path.stem)
    graph = Graph.of(objects)
    for waves in (graph.waves, graph.deletion_waves):
        assert sorted(ref for wave in waves for ref in wave.refs) == sorted(
            manifest.ref for manifest in objects
        )


def position(waves: tuple[Wave, ...], ref: ObjectRef) -> int:
    return next(number for number, wave in enumerate(waves) if ref in wave.refs)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_nothing_comes_before_what_it_needs_nor_goes_after(path: Path) -> None:
    graph = Graph.of(case(path.stem))
    edges = [edge for wave in graph.waves for ref in wave.refs for edge in graph.needs(ref)]
    for edge in edges:
        assert position(graph.waves, edge.before) < position(graph.waves, edge.after)
        before = position(graph.deletion_waves, edge.before)
        assert before > position(graph.deletion_waves, edge.after)
        if edge.until is Until.READY:
            assert edge.before in graph.waves[position(graph.waves, edge.after)].awaits


def test_a_circle_that_optional_edges_close_is_harmless() -> None:
    token = ObjectRef("", "Secret", "a", "token")
    builder = ObjectRef("", "ServiceAccount", "a", "builder")
    graph = Graph.of(case("circles"))
    harmless = [circle for circle in graph.circles if circle.is_harmless]
    assert [circle.refs for circle in harmless] == [(builder, token)]
    assert position(graph.waves, builder) < position(graph.waves, token)


def test_a_circle_of_strong_edges_is_broken_and_told() -> None:
    graph = Graph.of(case("circles"))
    (circle,) = [circle for circle in graph.circles if not circle.is_harmless]
    assert [ref.kind for ref in circle.refs] == ["Egg", "Hen"]
    assert len(circle.dropped) == 1
    assert str(circle).startswith("These objects wait for each other: egg.x.io/egg -n a, ")


def test_one_object_that_needs_a_webhook_does_not_let_all_come_after_it() -> None:
    graph = Graph.of(case("circles"))
    last = [[ref.name for ref in wave.refs] for wave in graph.waves[-2:]]
    assert last == [["hook"], ["made-by-hook"]]


def test_limits_stand_before_what_runs_in_their_namespace_only() -> None:
    policy = obj("networking.k8s.io/v1", "NetworkPolicy", "closed", "shop")
    graph = Graph.of(manifests(policy, deployment(), deployment(namespace="other")))
    names = [[f"{ref.namespace}/{ref.kind}" for ref in wave.refs] for wave in graph.waves]
    assert names == [["shop/NetworkPolicy", "other/Deployment"], ["shop/Deployment"]]
    (clause,) = graph.explain(ObjectRef("apps", "Deployment", "shop", "web"))
    assert clause.startswith("waits for the quotas, limit ranges and network policies of shop: ")


def test_nothing_is_an_empty_order() -> None:
    graph = Graph.of([])
    assert (graph.waves, graph.deletion_waves, graph.circles) == ((), (), ())
    assert graph.explain(ObjectRef("", "Secret", "a", "b")) == ()


@st.composite
def owned(draw: st.DrawFn) -> list[Manifest]:
    """Return ConfigMaps that own each other and read each other's, in any way."""
    count = draw(st.integers(1, 7))
    bodies = []
    for number in range(count):
        owners = draw(st.lists(st.integers(0, count - 1), max_size=2, unique=True))
        references = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": f"c{owner}"} for owner in owners
        ]
        body = config_map(f"c{number}")
        body["metadata"]["ownerReferences"] = references
        bodies.append(body)
    return manifests(*bodies)


@settings(max_examples=60)
@given(owned(), st.randoms(use_true_random=False))
def test_any_circles_are_broken_the_same_way(
    objects: list[Manifest], shuffler: random.Random
) -> None:
    graph = Graph.of(objects)
    shuffled = list(objects)
    shuffler.shuffle(shuffled)
    assert printed(Graph.of(shuffled)) == printed(graph)
    written = [ref for wave in graph.waves for ref in wave.refs]
    assert sorted(written) == sorted(manifest.ref for manifest in objects)
    for circle in graph.circles:
        assert all(edge.strength is Strength.STRONG for edge in circle.dropped)
