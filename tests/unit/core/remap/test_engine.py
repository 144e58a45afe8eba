from __future__ import annotations

import base64
from typing import Any

import pytest

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.remap import findings
from kube2git.core.remap.engine import remap
from kube2git.core.remap.findings import Conflict, Mention, OpenReference, Remapped, Rewrite
from kube2git.core.remap.mapping import NamespaceMap

RBAC = "rbac.authorization.k8s.io"


def make(kind: str, name: str, namespace: str = "", **fields: Any) -> Manifest:
    """Build an object; kind as Kind.group."""
    bare, _, group = kind.partition(".")
    metadata: dict[str, Any] = {"name": name, **fields.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    version = f"{group}/v1" if group else "v1"
    return Manifest.of({"apiVersion": version, "kind": bare, "metadata": metadata, **fields})


def account(namespace: str, name: str = "robot") -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def binding(*namespaces: str) -> Manifest:
    return make(f"ClusterRoleBinding.{RBAC}", "b", subjects=[account(ns) for ns in namespaces])


def config(namespace: str, name: str = "c", **data: str) -> Manifest:
    return make("ConfigMap", name, namespace, data=data)


def policy(namespace: str, *peers: Any) -> Manifest:
    return make("NetworkPolicy.networking.k8s.io", "p", namespace, spec={"ingress": list(peers)})


def label(name: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


def run(manifests: list[Manifest], *rules: str, **options: Any) -> Remapped:
    namespaces = {m.ref.namespace for m in manifests} - {""}
    return remap(manifests, NamespaceMap.parse(rules, namespaces), **options)


def refs(result: Remapped) -> list[str]:
    return [str(manifest.ref) for manifest in result.manifests]


def bodies(result: Remapped) -> list[Any]:
    return [manifest.body for manifest in result.manifests]


# ── What moves, and what stays the very same ─────────────────────────────────────────────────


def test_objects_keep_their_order_and_know_where_they_come_from() -> None:
    result = run([config("a", "2"), config("b", "1"), config("a", "1")], "a=x")

    assert refs(result) == ["configmap/2 -n x", "configmap/1 -n b", "configmap/1 -n x"]
    assert [moved.source.namespace for moved in result.objects] == ["a", "b", "a"]


def test_what_does_not_change_is_the_very_same_manifest() -> None:
    untouched = [config("web", text="nothing"), binding("web")]

    result = run([*untouched, config("a")], "a=x")

    assert result.manifests[0] is untouched[0]
    assert result.manifests[1] is untouched[1]


def test_an_empty_map_changes_nothing_but_finds_open_references() -> None:
    commit = [binding("web", "gone"), config("web")]

    result = run(commit)

    assert result.manifests == commit
    assert result.open_references == [
        OpenReference(commit[0].ref, "subjects[1].namespace", "gone", "subject-namespace")
    ]


def test_namespaces_that_every_cluster_has_are_never_open() -> None:
    assert run([binding("kube-system", "default", "kube-public")]).open_references == []


def test_namespaces_of_the_target_are_not_open() -> None:
    assert run([binding("gone")], existing=["gone"]).open_references == []


def test_excluding_a_namespace_that_is_not_there_is_no_open_reference() -> None:
    values = ["gone"]
    expression = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": values}
    peer = {"namespaceSelector": {"matchExpressions": [expression]}}

    assert run([policy("web", {"from": [peer]})]).open_references == []


def test_a_reference_that_was_renamed_to_nowhere_is_open_whatever_its_form() -> None:
    commit = [binding("db"), config("web", url="http://x.db.svc")]

    result = run(commit, "db=db2")

    assert {(found.namespace, found.rule) for found in result.open_references} == {
        ("db2", "subject-namespace"),
        ("db2", "configmap-text"),
    }


# ── Two names for one namespace ──────────────────────────────────────────────────────────────


def test_a_namespace_with_two_names_is_copied() -> None:
    result = run([make("Namespace", "a"), config("a", url="x.a.svc"), config("web")], "a=b", "a=c")

    assert refs(result) == [
        "namespace/b",
        "namespace/c",
        "configmap/c -n b",
        "configmap/c -n c",
        "configmap/c -n web",
    ]
    assert [body["data"] for body in bodies(result)[2:4]] == [
        {"url": "x.b.svc"},
        {"url": "x.c.svc"},
    ]


def test_a_namespace_may_be_kept_and_copied() -> None:
    original = config("a", url="x.a.svc", stage="a")

    result = run([original, binding("a")], "a=a", "a=b")

    assert result.manifests[0] is original
    assert bodies(result)[1]["data"] == {"url": "x.b.svc", "stage": "a"}
    assert bodies(result)[2]["subjects"] == [account("a"), account("b")]
    # In the original, "a" is no leftover.
    assert [mention.ref.namespace for mention in result.mentions] == ["b"]


def test_lists_of_others_get_every_name_of_a_copied_namespace() -> None:
    commit = [
        config("a"),
        binding("web", "a"),
        policy("web", {"from": [{"namespaceSelector": label("a"), "podSelector": {}}]}),
        make("ServiceMonitor.monitoring.coreos.com", "m", "web",
             spec={"namespaceSelector": {"matchNames": ["a", "web"]}}),
    ]  # fmt: skip

    result = run(commit, "a=b", "a=c")

    found = bodies(result)[2:]
    assert found[0]["subjects"] == [account("web"), account("b"), account("c")]
    assert found[1]["spec"]["ingress"] == [
        {
            "from": [
                {"namespaceSelector": label("b"), "podSelector": {}},
                {"namespaceSelector": label("c"), "podSelector": {}},
            ]
        }
    ]
    assert found[2]["spec"]["namespaceSelector"]["matchNames"] == ["b", "c", "web"]
    assert result.conflicts == []
    assert [rewrite for rewrite in result.rewrites if rewrite.ref.kind == "ClusterRoleBinding"] == [
        Rewrite(commit[1].ref, "subjects[1].namespace", "a", "b", "subject-namespace"),
        Rewrite(commit[1].ref, "subjects[1].namespace", "a", "c", "subject-namespace", added=True),
    ]


def test_a_field_with_one_answer_takes_the_first_and_says_so() -> None:
    webhook = make(
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        "w",
        webhooks=[{"clientConfig": {"service": {"name": "s", "namespace": "a"}}}],
    )

    result = run([config("a"), webhook], "a=b", "a=c")

    service = bodies(result)[2]["webhooks"][0]["clientConfig"]["service"]
    assert service == {"name": "s", "namespace": "b"}
    assert result.conflicts == [
        Conflict(
            webhook.ref,
            "webhooks[0].clientConfig.service.namespace",
            "The namespace a becomes b and c, but only one can be named here: b was taken.",
        )
    ]


def test_copies_of_several_namespaces_belong_together() -> None:
    commit = [config("web", db="x.db.svc"), config("db", web="x.web.svc")]

    result = run(commit, "*=green-*", "*=blue-*")

    assert {(m.ref.namespace, *m.body["data"].values()) for m in result.manifests} == {
        ("blue-web", "x.blue-db.svc"),
        ("green-web", "x.green-db.svc"),
        ("blue-db", "x.blue-web.svc"),
        ("green-db", "x.green-web.svc"),
    }
    assert result.conflicts == []


def test_copies_that_cannot_be_paired_are_told() -> None:
    result = run([config("web", db="x.db.svc"), config("db")], "web=w", "db=a", "db=b")

    assert bodies(result)[0]["data"] == {"db": "x.a.svc"}
    assert [conflict.path for conflict in result.conflicts] == ["data.db"]


# ── A source that stays in the target ────────────────────────────────────────────────────────


def test_shared_objects_get_the_copy_beside_what_stays() -> None:
    commit = [config("prod", url="x.prod.svc"), binding("prod", "web")]

    result = run(commit, "prod=staging", kept=["prod"])

    assert bodies(result)[0]["data"] == {"url": "x.staging.svc"}
    assert bodies(result)[1]["subjects"] == [account("prod"), account("staging"), account("web")]
    assert [r for r in result.rewrites if r.ref.kind == "ClusterRoleBinding"] == [
        Rewrite(
            commit[1].ref, "subjects[0].namespace", "prod", "staging", "subject-namespace", True
        )
    ]
    # What stays is in the target.
    assert {found.namespace for found in result.open_references} == {"web"}


def test_a_single_field_of_a_shared_object_is_left_to_what_stays() -> None:
    service = make(
        "APIService.apiregistration.k8s.io", "v1.x", spec={"service": {"namespace": "p"}}
    )

    result = run([config("p"), service], "p=q", kept=["p"])

    assert result.manifests[1] is service
    assert [conflict.message for conflict in result.conflicts] == [
        (
            "The namespace p stays in the target beside q, but only one can be named here: the "
            "field was left as it is."
        )
    ]


def test_an_original_that_is_replayed_beside_its_copy_is_not_said_twice() -> None:
    result = run([config("a"), binding("a")], "a=a", "a=b", kept=["a"])

    assert bodies(result)[2]["subjects"] == [account("a"), account("b")]


def test_an_item_with_a_second_reference_tells_it_once() -> None:
    selector = {
        **label("a"),
        "matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["x"]}
        ],
    }

    result = run([config("a"), policy("web", {"from": [{"namespaceSelector": selector}]})],
                 "a=b", "a=c", "x=y")  # fmt: skip

    assert [(rewrite.old, rewrite.new) for rewrite in result.rewrites[2:]] == [
        ("a", "b"),
        ("x", "y"),
        ("a", "c"),
    ]
    peers = bodies(result)[2]["spec"]["ingress"][0]["from"]
    assert [peer["namespaceSelector"]["matchExpressions"][0]["values"] for peer in peers] == [
        ["y"],
        ["y"],
    ]


def test_adding_again_what_is_there_already_changes_nothing() -> None:
    both = binding("prod", "staging")

    result = run([config("prod"), both], "prod=staging", kept=["prod"])

    assert bodies(result)[1]["subjects"] == [account("prod"), account("staging")]


# ── Two namespaces become one ────────────────────────────────────────────────────────────────


def test_a_merge_joins_lists_and_keeps_what_was_doubled_before() -> None:
    commit = [config("a", "1"), config("b", "2"), binding("a", "b", "a", "web", "c")]

    result = run(commit, "a=c", "b=c")

    assert refs(result)[:2] == ["configmap/1 -n c", "configmap/2 -n c"]
    assert [subject["namespace"] for subject in bodies(result)[2]["subjects"]] == ["c", "c", "web"]
    assert result.collisions == []


def test_colliding_names_are_all_named() -> None:
    commit = [
        config("a", "same", x="1"),
        config("b", "same", x="2"),
        config("c", "same", x="3"),
        config("a", "only"),
        make("Service", "s", "a", spec={"type": "ClusterIP"}),
        make("Service", "s", "b", spec={"type": "NodePort"}),
    ]

    result = run(commit, "a=c", "b=c")

    assert [str(collision) for collision in result.collisions] == [
        (
            "configmap/same -n c would be each of: configmap/same -n a, configmap/same -n b, "
            "configmap/same -n c"
        ),
        "service/s -n c would be each of: service/s -n a, service/s -n b",
    ]


def test_the_same_object_in_both_is_no_collision() -> None:
    result = run([config("a", "same", x="1"), config("b", "same", x="1")], "a=c", "b=c")

    assert refs(result) == ["configmap/same -n c"]
    assert result.collisions == []


def test_merged_namespaces_unite_their_labels() -> None:
    def namespace(name: str, **labels: str) -> Manifest:
        return make("Namespace", name, metadata={"labels": labels, "annotations": {name: "1"}})

    commit = [namespace("b", team="red", tier="x"), namespace("a", team="blue")]

    result = run([*commit, config("a"), config("b", "d")], "a=c", "b=c")

    (united,) = [body for body in bodies(result) if body["kind"] == "Namespace"]
    assert united["metadata"] == {
        "name": "c",
        "labels": {"team": "blue", "tier": "x"},
        "annotations": {"a": "1", "b": "1"},
    }
    assert result.conflicts == [
        Conflict(
            ObjectRef("", "Namespace", "", "c"),
            'metadata.labels["team"]',
            "The namespaces a and b become one, and differ here: the value of the first was taken.",
        )
    ]
    assert result.collisions == []


# ── What is told ─────────────────────────────────────────────────────────────────────────────


def test_a_mention_shows_the_text_around_it() -> None:
    before, after = "lorem " * 20, " ipsum" * 20
    commit = [config("a"), config("web", text=f"{before}stage\n=\ta{after} a a-b a.b b_a")]

    (mention,) = run(commit, "a=x").mentions

    assert mention[:3] == (commit[1].ref, "data.text", "a")
    assert mention.times == 2
    assert mention.text == "…em lorem lorem lorem stage = a ipsum ipsum ipsum ipsum ipsum…"
    assert len(mention.text) <= 64


def test_mentions_in_keys_and_in_short_texts() -> None:
    commit = [config("a"), config("web", **{"to-a": "a", "a": "b"})]

    assert run(commit, "a=x").mentions == [
        Mention(commit[1].ref, "data.to-a", "a", "a", 1),
        Mention(commit[1].ref, "data.a", "a", "a", 1),
    ]


@pytest.mark.parametrize(
    ("body", "is_told"),
    [
        ({"spec": {"env": [{"name": "HOME", "value": "shop"}]}}, True),
        ({"spec": {"env": [{"name": "HOME", "value": "db.shop:5432"}]}}, True),
        ({"spec": {"args": ["--namespace=shop"]}}, True),
        ({"spec": {"args": ["--for", "shop/db"]}}, True),
        ({"spec": {"targetNamespace": "shop"}}, True),
        ({"spec": {"namespaceRef": {"name": "shop"}}}, True),
        ({"spec": {"namespaceSelector": {"matchLabels": {"namespace": "shop"}}}}, True),
        ({"spec": {"expression": "object.metadata.namespace == 'shop'"}}, True),
        ({"metadata": {"annotations": {"example.com/home": "shop"}}}, True),
        ({"metadata": {"labels": {"example.com/namespace": "shop"}}}, True),
        ({"data": {"name": "shop"}}, True),
        ({"data": {"shop": "x"}}, True),
        ({"apiVersion": "shop/v1"}, False),
        ({"spec": {"group": "shop", "names": {"plural": "shop"}}}, False),
        ({"rules": [{"apiGroups": ["shop"], "resourceNames": ["shop"]}]}, False),
        ({"webhooks": [{"name": "shop"}, {"name": "check.shop.example.com"}]}, False),
        ({"spec": {"containers": [{"name": "shop", "image": "example.com/shop/web:1"}]}}, False),
        ({"spec": {"image": {"repository": "example.com/shop"}}}, False),
        ({"spec": {"rules": [{"host": "shop.example.com"}]}}, False),
        ({"spec": {"url": "https://shop.example.com/x"}}, False),
        ({"spec": {"serviceAccountName": "shop", "secretName": "shop"}}, False),
        ({"metadata": {"labels": {"app": "shop"}}}, False),
        ({"metadata": {"labels": {"shop": "yes"}}}, False),
        ({"spec": {"selector": {"matchLabels": {"app": "shop"}}}}, False),
        ({"data": {"shop.yaml": "x"}}, False),
    ],
    ids=str,
)
def test_what_may_name_a_namespace_is_told_and_nothing_else(
    body: dict[str, Any], is_told: bool
) -> None:
    """The table of what people are asked to look at."""
    kind = make("Widget.example.com", "w", "web").body
    metadata = {**kind["metadata"], **body.get("metadata", {})}
    widget = Manifest.of({**kind, **body, "metadata": metadata})

    mentions = run([config("shop"), widget], "shop=store", guess=False).mentions

    assert bool(mentions) is is_told, mentions


def test_a_key_is_mentioned_once_though_its_item_is_repeated() -> None:
    peer = {"namespaceSelector": label("a"), "podSelector": {"a": "x"}}

    result = run([config("a"), policy("web", {"from": [peer]})], "a=b", "a=c")

    assert [mention.path for mention in result.mentions] == [
        "spec.ingress[0].from[0].podSelector.a"
    ]


def test_explanations_in_the_schema_of_a_custom_resource_are_no_mentions() -> None:
    schema = {"properties": {"a": {"description": "In a.", "default": "a"}}}
    definition = make("CustomResourceDefinition.apiextensions.k8s.io", "w", spec=schema)

    result = run([config("a"), definition, config("web", description="a")], "a=b")

    assert [mention.path for mention in result.mentions] == [
        "spec.properties.a.default",
        "spec.properties.a",
        "data.description",
    ]


def test_credentials_in_an_address_are_not_shown() -> None:
    commit = [config("a"), config("web", url="amqp://user:hunter2@mq/a")]

    assert [mention.text for mention in run(commit, "a=x").mentions] == ["amqp://************@mq/a"]


def test_no_value_of_a_secret_is_ever_told() -> None:
    clear = "postgres://a:hunter2@db.a.svc/a"
    encoded = base64.b64encode(clear.encode()).decode()
    secret = make("Secret", "s", "web", data={"url": encoded}, stringData={"text": clear})

    result = run([config("a"), secret], "a=x")

    new = "postgres://a:hunter2@db.x.svc/a"
    assert bodies(result)[1]["data"] == {"url": base64.b64encode(new.encode()).decode()}
    assert bodies(result)[1]["stringData"] == {"text": new}
    assert [(mention.path, mention.text, mention.times) for mention in result.mentions] == [
        ("data.url", "", 2),
        ("stringData.text", "", 2),
    ]
    assert "hunter2" not in repr(
        (result.rewrites, result.mentions, result.open_references, result.conflicts)
    )


def test_a_name_below_base64_is_found_though_the_object_does_not_show_it() -> None:
    encoded = base64.b64encode(b"http://db.shop.svc").decode()
    secret = make("Secret", "s", "web", data={"url": encoded})

    result = run([config("shop"), secret], "shop=store")

    assert base64.b64decode(bodies(result)[1]["data"]["url"]) == b"http://db.store.svc"


def test_further_kinds_can_be_hidden() -> None:
    vault = make("Vault.example.com", "v", "web", spec={"token": "hunter2 a"})

    result = run([config("a"), vault], "a=x", hidden_kinds=["Vault.example.com"])

    assert [mention.text for mention in result.mentions] == [""]


def test_guesses_are_flagged_and_can_be_switched_off() -> None:
    widget = make("Widget.example.com", "w", "web", spec={"aRef": {"name": "x", "namespace": "a"}})

    guessed = run([config("a"), widget], "a=x")
    careful = run([config("a"), widget], "a=x", guess=False)

    assert guessed.guessed == [
        Rewrite(widget.ref, "spec.aRef.namespace", "a", "x", findings.HEURISTIC)
    ]
    assert careful.manifests[1] is widget
    assert [mention.path for mention in careful.mentions] == ["spec.aRef.namespace"]


@pytest.mark.parametrize("count", [1, 5, 40])
def test_however_many_names_there_are_the_same_is_found(count: int) -> None:
    """Few names are searched for one by one, many by cutting texts into words."""
    others = [config(f"team-{number}") for number in range(count)]
    commit = [*others, binding("team-0"), config("web", t="x.team-0.svc team-0 team-00\nteam-0")]
    result = run(commit, "team-*=dr-*")

    assert bodies(result)[-2]["subjects"] == [account("dr-0")]
    assert bodies(result)[-1]["data"] == {"t": "x.dr-0.svc team-0 team-00\nteam-0"}
    assert [mention.times for mention in result.mentions] == [2]
