"""ranks: ties are broken by kind and group, and every row says why."""

from __future__ import annotations

from kube2git.core.planning.ranks import RANKS, rank_of


def test_each_kind_stands_in_one_row_with_a_reason() -> None:
    kinds = [kind for _, row in RANKS for kind in row]
    assert len(kinds) == len(set(kinds))
    assert all(reason for reason, _ in RANKS)


def test_kinds_are_told_apart_by_their_group() -> None:
    assert rank_of("Service.serving.knative.dev") == rank_of("Foo.x.io")
    assert rank_of("Service") < rank_of("Service.serving.knative.dev")


def test_webhooks_come_last_and_namespaces_first() -> None:
    ranks = [rank_of(kind) for _, row in RANKS for kind in row]
    assert min(ranks) == rank_of("Namespace")
    assert max(ranks) == rank_of("ValidatingWebhookConfiguration.admissionregistration.k8s.io")
    assert rank_of("Namespace") < rank_of("Foo.x.io") < rank_of("Deployment.apps")
