"""What a run may remove, and what the repository then knows of each kind."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kube2git.core.coverage import Coverage, KindCoverage, Listing, merge
from kube2git.core.objects import ResourceType
from kube2git.core.ports import Discovery, KindRead, KindStatus
from kube2git.core.selection import ClusterScoped, Patterns, Selection

CONFIG_MAP = ResourceType("", "v1", "ConfigMap", "configmaps", True, versions=("v1",))
WIDGET = ResourceType("example.com", "v1", "Widget", "widgets", True, versions=("v1", "v1beta1"))
NODE_POOL = ResourceType("example.com", "v1", "NodePool", "nodepools", False, versions=("v1",))
TYPES = (CONFIG_MAP, WIDGET, NODE_POOL)

A_MAP = "namespaces/a/ConfigMap/x.yaml"
B_MAP = "namespaces/b/ConfigMap/x.yaml"
A_WIDGET = "namespaces/a/Widget.example.com/w.yaml"
POOL = "cluster/NodePool.example.com/p.yaml"
TREE = [A_MAP, B_MAP, A_WIDGET, POOL, "README.md", "namespaces/a/kustomization.yaml"]

LISTED = KindCoverage(KindStatus.LISTED, ("v1",))


def listing(
    statuses: Mapping[str, KindStatus],
    *,
    types: tuple[ResourceType, ...] = TYPES,
    failed: Mapping[str, str] | None = None,
    selection: Selection | None = None,
    before: Mapping[str, KindCoverage] | None = None,
    namespaces: tuple[str, ...] = (),
) -> Listing:
    known = {type.kind_group: type for type in types}
    return Listing(
        Coverage("uid", before or {}),
        Discovery(types, failed or {}),
        selection or Selection(),
        known,
        {},
        {
            kind: KindRead(known[kind], status, "why", namespaces)
            for kind, status in statuses.items()
        },
    )


ALL = {type.kind_group: KindStatus.LISTED for type in TYPES}


def test_what_was_listed_and_is_not_there_may_go() -> None:
    assert listing(ALL).removable(TREE, {}) == [A_MAP, B_MAP, A_WIDGET, POOL]


def test_what_is_there_stays() -> None:
    assert listing(ALL).removable(TREE, {A_MAP: 1, POOL: 1}) == [B_MAP, A_WIDGET]


@pytest.mark.parametrize("status", [KindStatus.FAILED, KindStatus.FORBIDDEN])
def test_nothing_of_an_unlisted_kind_goes(status: KindStatus) -> None:
    found = listing({**ALL, "ConfigMap": status})
    assert found.removable(TREE, {}) == [A_WIDGET, POOL]
    assert [read.type for read in found.incomplete()] == [CONFIG_MAP]
    assert found.coverage("uid").kinds["ConfigMap"].status is status


def test_a_kind_that_was_never_heard_of_again_is_incomplete() -> None:
    found = listing({"ConfigMap": KindStatus.LISTED})
    assert found.removable(TREE, {}) == [A_MAP, B_MAP]
    assert {read.type.kind for read in found.incomplete()} == {"Widget", "NodePool"}


def test_of_a_partly_listed_kind_only_the_listed_namespaces_count() -> None:
    found = listing({**ALL, "ConfigMap": KindStatus.PARTIAL}, namespaces=("b",))
    assert found.removable([A_MAP, B_MAP], {}) == [B_MAP]


def test_files_of_others_never_go() -> None:
    strangers = ["README.md", "namespaces/a/kustomization.yaml", "cluster/x/y/z.yaml"]
    assert listing(ALL).removable(strangers, {}) == []


def test_a_kind_that_a_healthy_discovery_lacks_is_gone() -> None:
    found = listing(
        {"ConfigMap": KindStatus.LISTED}, types=(CONFIG_MAP,), before={"Widget.example.com": LISTED}
    )
    assert found.gone() == ("Widget.example.com",)
    assert found.removable(TREE, {A_MAP: 1, B_MAP: 1}) == [A_WIDGET]
    assert "Widget.example.com" not in found.coverage("uid").kinds


def test_a_kind_whose_group_is_down_has_failed() -> None:
    found = listing(
        {"ConfigMap": KindStatus.LISTED},
        types=(CONFIG_MAP,),
        failed={"example.com/v1": "no answer"},
        before={"Widget.example.com": LISTED},
    )
    assert found.gone() == ()
    assert found.unserved() == ("Widget.example.com",)
    assert found.removable(TREE, {A_MAP: 1, B_MAP: 1}) == []
    assert found.coverage("uid").kinds["Widget.example.com"].status is KindStatus.FAILED


def test_a_run_over_some_kinds_takes_no_other_for_gone() -> None:
    found = listing(
        {"ConfigMap": KindStatus.LISTED},
        types=(CONFIG_MAP,),
        selection=Selection(kinds=Patterns(("configmap",))),
        before={"Widget.example.com": LISTED},
    )
    assert found.gone() == ()
    assert found.coverage("uid").kinds["Widget.example.com"] == LISTED


def test_a_run_over_some_namespaces_is_partial() -> None:
    found = listing(ALL, selection=Selection(namespaces=Patterns(("a",))))
    kinds = found.coverage("uid").kinds
    assert kinds["ConfigMap"] == KindCoverage(KindStatus.PARTIAL, ("v1",), ("a",))
    assert kinds["NodePool.example.com"].status is KindStatus.PARTIAL


def test_cluster_scoped_objects_that_were_all_listed_are_listed() -> None:
    chosen = Selection(namespaces=Patterns(("a",)), cluster_scoped=ClusterScoped.YES)
    kinds = listing(ALL, selection=chosen).coverage("uid").kinds
    assert kinds["NodePool.example.com"] == LISTED


def test_runs_over_parts_add_up_and_never_take_back() -> None:
    a = KindCoverage(KindStatus.PARTIAL, ("v1",), ("a",))
    b = KindCoverage(KindStatus.PARTIAL, ("v1",), ("b",))
    both = merge(a, b)
    assert both.namespaces == ("a", "b")
    assert merge(both, a) == both
    assert merge(LISTED, a) == LISTED
    assert merge(a, LISTED) == LISTED
    assert merge(LISTED, KindCoverage(KindStatus.FAILED)).status is KindStatus.FAILED


def test_the_served_versions_are_recorded_the_used_one_first() -> None:
    odd = ResourceType(
        "example.com", "v1beta1", "Widget", "widgets", True, versions=("v1", "v1beta1")
    )
    found = listing({"Widget.example.com": KindStatus.LISTED}, types=(odd,))
    assert found.coverage("uid").kinds["Widget.example.com"].versions == ("v1beta1", "v1")


def test_the_file_is_read_back() -> None:
    known = Coverage(
        "uid",
        {
            "ConfigMap": KindCoverage(KindStatus.PARTIAL, ("v1",), ("a",), "app=web"),
            "Widget.example.com": LISTED,
        },
        {"Secret": "why"},
    )
    assert Coverage.from_data(known.to_data()) == known


@pytest.mark.parametrize("broken", [None, [], "x", {"kinds": {"ConfigMap": {"status": "?"}}}])
def test_a_broken_file_lists_nothing(broken: object) -> None:
    kinds = Coverage.from_data(broken).kinds
    assert all(kind.status is KindStatus.FAILED for kind in kinds.values())
