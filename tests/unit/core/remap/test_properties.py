"""What must hold for any commit and any map."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.objects import Manifest
from kube2git.core.remap.engine import remap
from kube2git.core.remap.mapping import NamespaceMap
from tests.unit.core.remap.cases import CASES, fill

NAMES = ("prod", "web", "db", "team-a")
FRESH = ("n1", "n2", "n3", "n4")

_texts = st.sampled_from(
    [
        *NAMES,
        *(f"x.{name}.svc" for name in NAMES),
        *(f"{name}/thing" for name in NAMES),
        *(f"system:serviceaccount:{name}:x" for name in NAMES),
        *(f"system:serviceaccounts:{name}" for name in NAMES),
        "prod-web x.prod.svc and x.web.svc:80 or db",
        "x.db.svc.cluster.local,x.team-a.svc",
        "plain",
        "",
    ]
)
_KEYS = (
    *("namespace", "namespaces", "name", "kind", "aRef", "selector", "key", "values", "value"),
    *("matchLabels", "matchExpressions", "kubernetes.io/metadata.name", "prod"),
)
_keys = st.sampled_from(_KEYS)
_values: st.SearchStrategy[Any] = st.recursive(
    _texts | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
_golden = st.sampled_from([case.template for case in CASES if not case.companions])


@st.composite
def _objects(draw: st.DrawFn) -> Manifest:
    if draw(st.booleans()):
        return Manifest.of(fill(draw(_golden), draw(st.sampled_from(NAMES))))
    kind, version = draw(
        st.sampled_from([("Widget", "example.com/v1"), ("ConfigMap", "v1"), ("Pod", "v1")])
    )
    metadata = {"name": draw(st.sampled_from(NAMES)), "namespace": draw(st.sampled_from(NAMES))}
    part = "data" if kind == "ConfigMap" else "spec"
    content = draw(st.dictionaries(_keys, _values, max_size=4))
    return Manifest.of({"apiVersion": version, "kind": kind, "metadata": metadata, part: content})


_commits = st.lists(_objects(), max_size=4, unique_by=lambda manifest: manifest.ref)
_permutations = st.permutations(NAMES).map(lambda names: dict(zip(NAMES, names, strict=True)))
_fresh = st.permutations(FRESH).map(lambda names: dict(zip(NAMES, names, strict=True)))
_bijections = st.one_of(_permutations, _fresh)
few = settings(max_examples=60, deadline=None)


def parse(names: dict[str, str]) -> NamespaceMap:
    return NamespaceMap.parse([f"{old}={new}" for old, new in names.items()], NAMES)


@few
@given(_commits, _bijections)
def test_there_and_back_is_the_identity(commit: list[Manifest], names: dict[str, str]) -> None:
    there = remap(commit, parse(names))
    back = remap(there.manifests, parse({new: old for old, new in names.items()}))

    assert [manifest.body for manifest in back.manifests] == [manifest.body for manifest in commit]
    assert (there.collisions, there.conflicts) == ([], [])


@few
@given(_commits, _bijections)
def test_the_input_is_not_touched(commit: list[Manifest], names: dict[str, str]) -> None:
    before = copy.deepcopy([manifest.body for manifest in commit])

    remap(commit, parse(names), kept=["prod"])

    assert [manifest.body for manifest in commit] == before


@few
@given(_commits, _bijections, st.randoms(use_true_random=False))
def test_the_order_of_objects_and_rules_does_not_matter(
    commit: list[Manifest], names: dict[str, str], chance: random.Random
) -> None:
    shuffled, rules = list(commit), list(names.items())
    chance.shuffle(shuffled)
    chance.shuffle(rules)

    one, other = remap(commit, parse(names)), remap(shuffled, parse(dict(rules)))

    assert sorted(one.manifests, key=str) == sorted(other.manifests, key=str)
    assert sorted(one.rewrites) == sorted(other.rewrites)
    assert sorted(one.mentions) == sorted(other.mentions)
    assert sorted(one.open_references) == sorted(other.open_references)


@few
@given(_commits)
def test_names_that_nobody_uses_change_nothing(commit: list[Manifest]) -> None:
    result = remap(commit, NamespaceMap.parse(["zz=somebody", "zz-top=zz"]))

    assert all(new is old for new, old in zip(result.manifests, commit, strict=True))
    assert (result.rewrites, result.mentions) == ([], [])


@few
@given(_commits)
def test_renaming_again_finds_nothing_more(commit: list[Manifest]) -> None:
    """For fresh names. A swap is no such thing: done twice it is undone."""
    names = NamespaceMap.parse(["prod=n1", "web=n2"])
    once = remap(commit, names)

    again = remap(once.manifests, names)

    assert again.rewrites == []
    assert again.manifests == once.manifests
    assert {mention[:3] for mention in again.mentions} == {mention[:3] for mention in once.mentions}


@few
@given(_commits)
def test_a_swap_done_twice_is_undone(commit: list[Manifest]) -> None:
    swap = NamespaceMap.parse(["prod=web", "web=prod"])

    twice = remap(remap(commit, swap).manifests, swap)

    assert [manifest.body for manifest in twice.manifests] == [manifest.body for manifest in commit]


@few
@given(_commits)
def test_every_copy_is_what_it_would_be_alone(commit: list[Manifest]) -> None:
    commit = [manifest for manifest in commit if manifest.ref.namespace == "prod"]
    both = remap(commit, NamespaceMap.parse(["prod=n1", "prod=n2"]))

    for name in ("n1", "n2"):
        alone = remap(commit, NamespaceMap.parse([f"prod={name}"]))
        assert alone.manifests == [m for m in both.manifests if m.ref.namespace == name]


@few
@given(_commits)
def test_the_short_cut_for_many_names_changes_nothing(commit: list[Manifest]) -> None:
    few_names = ["prod=n1", "web=n2"]
    many = [*few_names, *(f"unused-{number}=other-{number}" for number in range(30))]

    one, other = (remap(commit, NamespaceMap.parse(rules)) for rules in (few_names, many))

    assert one.manifests == other.manifests
    assert (one.rewrites, one.mentions) == (other.rewrites, other.mentions)
