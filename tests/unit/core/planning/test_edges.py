"""edges: an edge says in words what it means, and no edge comes of what is no name."""

from __future__ import annotations

import pytest

from kube2git.core.objects import ObjectRef
from kube2git.core.planning.edges import Edge, Strength, Until, optional, strong

POD = ObjectRef("", "Pod", "shop", "a")
SECRET = ObjectRef("", "Secret", "shop", "s")


def test_an_edge_says_what_it_waits_for_and_why() -> None:
    assert str(Edge(POD, SECRET, "its Pods read it")) == (
        "waits for secret/s -n shop: its Pods read it"
    )
    ready = Edge(POD, SECRET, "so", until=Until.READY)
    assert str(ready) == "waits for secret/s -n shop to be ready: so"


def test_edges_are_as_strong_as_they_are_named() -> None:
    (edge,) = strong(POD, "", "Secret", "shop", "s", "so")
    assert edge == Edge(POD, SECRET, "so", Strength.STRONG, Until.APPLIED)
    (edge,) = optional(POD, "", "Secret", "shop", "s", "so")
    assert edge == Edge(POD, SECRET, "so", Strength.OPTIONAL, Until.APPLIED)


@pytest.mark.parametrize("name", [None, "", 7, ["s"]])
def test_what_is_no_name_names_nothing(name: object) -> None:
    assert list(strong(POD, "", "Secret", "shop", name, "so")) == []
    assert list(optional(POD, "", "Secret", "shop", name, "so")) == []
