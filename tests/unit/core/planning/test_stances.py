"""stances: no conflict is resolved blindly; each field's owner decides what becomes of it."""

from __future__ import annotations

import pytest

from kube2git.core import fieldpath
from kube2git.core.fieldpath import Path
from kube2git.core.ownership import Owner
from kube2git.core.planning.stances import (
    DEFAULT_RULES,
    Conflict,
    OwnerRule,
    Stance,
    parse_conflicts,
    resolve,
    rule_for,
)
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import deployment

IMAGE = '.spec.template.spec.containers[name="web"].image'
# As a 1.37 server answered.
STATUS: Json = {
    "kind": "Status",
    "code": 409,
    "reason": "Conflict",
    "details": {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-create" using apps/v1',
                "field": IMAGE,
            },
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kube-controller-manager" with subresource "scale" '
                "using apps/v1",
                "field": ".spec.replicas",
            },
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "flux"',
                "field": ".spec.selector",
            },
            {"reason": "Other", "message": "", "field": "x"},
        ]
    },
}


def test_conflicts_are_read_with_their_owners() -> None:
    assert parse_conflicts(STATUS) == (
        Conflict(Owner("kubectl-create", "", "Update"), IMAGE),
        Conflict(Owner("kube-controller-manager", "scale", "Update"), ".spec.replicas"),
        Conflict(Owner("flux", "", "Apply"), ".spec.selector"),
    )


@pytest.mark.parametrize("status", [{}, {"details": None}, {"details": {"causes": None}}])
def test_a_status_without_causes_names_no_conflict(status: Json) -> None:
    assert parse_conflicts(status) == ()


def test_an_owner_that_cannot_be_read_is_nobody_s_friend() -> None:
    causes = [{"reason": "FieldManagerConflict", "message": "odd", "field": ".spec.replicas"}]
    found = resolve(
        deployment(replicas=1), parse_conflicts({"details": {"causes": causes}}), DEFAULT_RULES
    )
    assert [conflict.owner.manager for conflict, _ in found.refused] == [""]


@pytest.mark.parametrize(
    ("owner", "path", "stance"),
    [
        (Owner("kubectl"), ("data", "a"), Stance.FAIL),
        (Owner("kubectl-client-side-apply"), ("data", "a"), Stance.FAIL),
        (Owner("kubectl", "scale"), ("spec", "replicas"), Stance.FAIL),
        (Owner("helm"), ("data", "a"), Stance.FAIL),
        (Owner("kustomize-controller"), ("data", "a"), Stance.FAIL),
        (Owner("some-operator"), ("data", "a"), Stance.FAIL),
        (Owner("kube2git"), ("data", "a"), Stance.TAKE_OVER),
        (Owner("before-first-apply"), ("data", "a"), Stance.TAKE_OVER),
        (Owner("kube-controller-manager", "scale"), ("spec", "replicas"), Stance.YIELD),
        (Owner("keda-operator", "scale"), ("spec", "replicas"), Stance.YIELD),
        (Owner("anything", "status"), ("status", "x"), Stance.YIELD),
        (Owner("kube-controller-manager"), ("metadata", "annotations", "a"), Stance.YIELD),
        (Owner("clusterrole-aggregation-controller"), ("rules",), Stance.YIELD),
        (Owner("clusterrole-aggregation-controller"), ("metadata", "labels"), Stance.FAIL),
        (
            Owner("cert-manager-cainjector"),
            ("webhooks", fieldpath.Key.of({"name": "a"}), "clientConfig", "caBundle"),
            Stance.YIELD,
        ),
        (Owner("cert-manager-cainjector"), ("webhooks",), Stance.FAIL),
    ],
)
def test_the_table_decides_by_owner_and_field(owner: Owner, path: Path, stance: Stance) -> None:
    rule = rule_for(DEFAULT_RULES, owner, path)
    assert rule.stance is stance
    assert rule.reason


def test_a_user_s_rule_goes_first() -> None:
    rules = (OwnerRule("kubectl*", Stance.TAKE_OVER, "asked for"), *DEFAULT_RULES)
    assert rule_for(rules, Owner("kubectl-edit"), ("data",)).stance is Stance.TAKE_OVER
    assert rule_for(rules, Owner("helm"), ("data",)).stance is Stance.FAIL


def test_without_any_rule_the_object_is_left_alone() -> None:
    assert rule_for((), Owner("x"), ("data",)).stance is Stance.FAIL


def test_a_conflict_is_resolved_by_the_rules_of_each_owner() -> None:
    body = deployment(replicas=3)
    rules = (OwnerRule("kubectl*", Stance.TAKE_OVER, "asked for"), *DEFAULT_RULES)
    found = resolve(body, parse_conflicts(STATUS), rules)
    assert [conflict.field for conflict in found.taken] == [IMAGE]
    assert [fieldpath.text(entry.path) for entry in found.yielded] == ["spec.replicas"]
    assert [(conflict.field, why) for conflict, why in found.refused] == [
        (".spec.selector", "somebody else set it")
    ]
    assert found.is_forced
    assert found.body == deployment()


def test_yielding_alone_needs_no_force() -> None:
    found = resolve(deployment(replicas=3), parse_conflicts(STATUS)[1:2], DEFAULT_RULES)
    assert not found.is_forced
    assert found.refused == ()


def test_a_field_that_was_not_sent_is_never_taken() -> None:
    conflict = Conflict(Owner("kube2git"), ".spec.replicas")
    found = resolve(deployment(), [conflict], DEFAULT_RULES)
    assert [refused for refused, _ in found.refused] == [conflict]
    assert not found.is_forced
