"""What holds for every object: cleaning twice is cleaning once, and the input stays as it is."""

from __future__ import annotations

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core import wire
from kube2git.core.cleaning import Action, Cleaner, Context, RuleSet, paths
from kube2git.core.objects import ObjectRef
from kube2git.core.wire import Json

RULES = RuleSet.default()
CONTEXT = Context(
    frozenset({ObjectRef("apps", "Deployment", "shop", "web")}),
    frozenset({("shop", "web")}),
    frozenset({("example.com/v1", "Plain")}),
)
CLEANER = Cleaner(RULES, CONTEXT)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SERVER_METADATA = {
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
}


def _words() -> list[str]:
    """Return the names that rules look for, a glob standing for one of its names."""
    found = {
        step.text.replace("*", "x")
        for rule in RULES.catalogue
        for path in rule.paths
        for step in paths.parse(path)
        if not step.is_every_item
    }
    return sorted(found | {"name", "namespace", "controller", "selector", "matchLabels", "spec"})


def _kinds() -> list[tuple[str, str]]:
    found = set()
    for rule in RULES.catalogue:
        for kind in rule.kinds:
            name, _, group = kind.replace("*", "Any").partition(".")
            found.add((f"{group}/v1" if group else "v1", name))
    return sorted(found | {("example.com/v1", "Plain"), ("example.com/v1", "Other")})


values = ["", "web", "None", "true", "v1", "Helm", "Succeeded", "kube-apiserver", "kubectl", "{}"]
scalars = st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 2) | st.sampled_from(values)
names = st.sampled_from(_words())
trees = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=4),
    max_leaves=12,
)
mappings = st.dictionaries(names, trees, max_size=5)
texts = st.dictionaries(names, st.sampled_from(values), max_size=4)
entries = st.fixed_dictionaries(
    {
        "manager": st.sampled_from(["kubectl", "kube-apiserver", "kube2git"]),
        "fieldsV1": st.dictionaries(
            st.sampled_from(["f:spec", "f:metadata", "f:data"]),
            st.dictionaries(names.map(lambda name: f"f:{name}"), st.just({}), max_size=2),
            max_size=2,
        ),
    }
)
metadata = st.fixed_dictionaries(
    {"name": st.sampled_from(["web", "kubernetes", "default"])},
    optional={
        "namespace": st.sampled_from(["shop", "default", "kube-system"]),
        "uid": st.just("5ed1b347"),
        "generation": st.integers(1, 3),
        "labels": texts,
        "annotations": texts | st.just({LAST_APPLIED: '{"spec":{"clusterIP":"None"}}'}),
        "finalizers": st.lists(names, max_size=3),
        "managedFields": st.lists(entries, max_size=3),
        "ownerReferences": st.lists(
            st.fixed_dictionaries(
                {"kind": st.just("Deployment"), "name": names, "uid": names},
                optional={"controller": st.booleans()},
            ),
            max_size=2,
        ),
    },
)


@st.composite
def objects(draw: st.DrawFn, kinds: list[tuple[str, str]]) -> Json:
    api_version, kind = draw(st.sampled_from(kinds))
    body: Json = {"apiVersion": api_version, "kind": kind, "metadata": draw(metadata)}
    return {**draw(mappings), **body}


@settings(max_examples=300, deadline=None)
@given(objects(_kinds()))
def test_cleaning_twice_is_cleaning_once_and_the_input_stays(body: Json) -> None:
    before = copy.deepcopy(body)
    cleaned = CLEANER.clean(body)
    assert wire.canonical(body) == wire.canonical(before)
    if cleaned.body is None:
        assert cleaned.left_out is not None
        assert cleaned.left_out.action is Action.LEAVE_OUT
        return
    assert cleaned.left_out is None
    assert wire.canonical(CLEANER.clean(cleaned.body).body) == wire.canonical(cleaned.body)


@settings(max_examples=100, deadline=None)
@given(objects(_kinds()))
def test_a_copy_of_the_object_never_survives(body: Json) -> None:
    body["metadata"]["annotations"] = {LAST_APPLIED: "{}", "team": "a"}
    clean = CLEANER.clean(body).body
    assert clean is None or clean["metadata"].get("annotations") == {"team": "a"}


@settings(max_examples=100, deadline=None)
@given(mappings, metadata)
def test_an_unknown_kind_loses_only_what_the_server_keeps_for_itself(
    fields: Json, meta: Json
) -> None:
    meta = {key: value for key, value in meta.items() if key != "ownerReferences"}
    meta["labels"], meta["annotations"], meta["finalizers"] = {"app": "a"}, {"b": "c"}, ["d/e"]
    body = {**fields, "apiVersion": "example.com/v1", "kind": "Unknown", "metadata": meta}
    expected = {key: value for key, value in body.items() if key != "status"}
    expected["metadata"] = {k: value for k, value in meta.items() if k not in SERVER_METADATA}
    clean = CLEANER.clean(body).body
    assert wire.canonical(clean) == wire.canonical(expected)


@settings(max_examples=100, deadline=None)
@given(objects(_kinds()))
def test_an_explanation_tells_what_cleaning_did(body: Json) -> None:
    cleaned, explained = CLEANER.clean(body), CLEANER.explain(body)
    assert explained.left_out == cleaned.left_out
    changed = explained.removed or explained.normalised
    if cleaned.body is not None:
        assert bool(changed) == (wire.canonical(cleaned.body) != wire.canonical(body))
