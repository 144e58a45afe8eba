"""What the golden cases cannot show: sharing, caches, whole kinds, and what is never said."""

from __future__ import annotations

from typing import Any

from kube2git.core.cleaning import Cleaner, Context, ContextBuilder, RuleSet, engine

CLEANER = Cleaner(RuleSet.default(), Context())


def secret(**annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", "namespace": "shop", "annotations": annotations},
        "data": {"password": "aHVudGVyMg=="},
    }


def test_parts_that_no_rule_touches_are_shared_and_not_copied() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "uid": "b", "labels": {"c": "d"}},
        "data": {"e": "f"},
    }
    clean = CLEANER.clean(body).body
    assert clean is not None
    assert clean is not body
    assert clean["data"] is body["data"]
    assert clean["metadata"]["labels"] is body["metadata"]["labels"]  # type: ignore[index]
    assert CLEANER.clean(clean).body is clean


def test_an_explanation_says_where_and_why_but_no_values() -> None:
    body = secret(
        **{
            "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"hunter2"}}',
            "example.com/copy": '{"stringData":{"password":"hunter2"}}',
        }
    )
    explained = CLEANER.explain(body)
    assert [(found.path, found.rule.id) for found in explained.removed] == [
        (
            'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]',
            "last-applied",
        ),
        ('metadata.annotations["example.com/copy"]', "secret-copies"),
    ]
    assert "data.password" in {found.path for found in explained.kept}
    assert "hunter2" not in repr(explained)
    assert "aHVudGVyMg" not in repr(explained)


def test_an_item_of_a_list_is_told_by_its_place() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "web", "namespace": "shop"},
        "secrets": [{"name": "mine"}, {"name": "web-token-x7v2k"}],
    }
    assert [found.path for found in CLEANER.explain(body).removed] == ["secrets[1]"]


def test_a_kind_that_is_left_out_as_a_whole_need_not_be_listed() -> None:
    rules = RuleSet.default()
    left_out = rules.skipped_kind("Event.events.k8s.io")
    assert left_out is not None
    assert left_out.id == "events"
    body = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"}}
    assert CLEANER.clean(body) == engine.Cleaned(None, left_out)
    # Of these some objects are left out, and some are a person's.
    some = ("Pod", "EndpointSlice.discovery.k8s.io", "Secret", "Namespace", *ContextBuilder.KINDS)
    assert [rules.skipped_kind(kind) for kind in some] == [None] * len(some)


def test_more_names_than_the_cache_holds() -> None:
    count = engine._MAX_CACHED_NAMES + 10
    annotations = {f"example.com/{number}": "a" for number in range(count)}
    doomed = {"kapp.k14s.io/original": "{}", "example.com/copy": '{"data":{}}'}
    clean = CLEANER.clean(secret(**annotations, **doomed)).body
    assert clean is not None
    assert clean["metadata"]["annotations"] == annotations


def test_what_stays_for_no_special_reason_is_not_mentioned() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {"app.kubernetes.io/managed-by": "me"}},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]},
    }
    assert CLEANER.explain(pod).kept == ()
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {"clusterIP": "None"},
    }
    assert [found.rule.id for found in CLEANER.explain(service).kept] == ["cluster-ip-headless"]
    service["spec"] = {"clusterIP": "10.0.0.7"}
    assert [found.rule.id for found in CLEANER.explain(service).kept] == ["cluster-ip-chosen"]
