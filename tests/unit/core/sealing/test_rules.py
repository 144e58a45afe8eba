"""SealRule: from the fields that the config names to what SOPS can follow."""

from __future__ import annotations

import pytest

from kube2git.core.sealing import CannotSealError, SealRule, field_text, seal_rules
from kube2git.core.sealing.scope import Scope
from kube2git.errors import UsageError

# Fields of one kind -> the expression of its files.
EXPRESSIONS = [
    (["spec.password"], "^(password)$"),
    (["spec.users[].password", "spec.token"], "^(password|token)$"),
    (["spec.users.password", "spec.admin.password"], "^(password)$"),
    (['data["app.properties"]'], r"^(app\.properties)$"),
    (['data["a b:c"].d'], "^(d)$"),
    (["data.*_TOKEN"], "^(.*_TOKEN)$"),
    (["spec.*.password"], "^(password)$"),
    # What would seal the object's name too gives way to the key above it.
    (["data.*"], "^(data)$"),
    (["spec.name"], "^(spec)$"),
    (["spec.users[].name"], "^(users)$"),
    (["spec.na*"], "^(spec)$"),
    (['metadata.annotations["example.com/token"]'], r"^(example\.com/token)$"),
]


@pytest.mark.parametrize(("fields", "expression"), EXPRESSIONS)
def test_fields_become_the_keys_that_sops_looks_for(fields: list[str], expression: str) -> None:
    rule = SealRule.of("Widget.example.com", fields)
    assert rule.scope.settings == {"encrypted_regex": expression}
    assert not rule.scope.hides_identity


def test_secrets_are_sealed_as_flux_expects_it() -> None:
    assert seal_rules({})["Secret"].scope.settings == {"encrypted_regex": "^(data|stringData)$"}


def test_further_fields_of_secrets_come_on_top() -> None:
    rules = seal_rules({"Secret": ["metadata.annotations.token"], "ConfigMap": ["data.password"]})
    assert rules.keys() == {"Secret", "ConfigMap"}
    assert rules["Secret"].scope.text == "^(data|stringData|token)$"


@pytest.mark.parametrize(
    "field", ["metadata", "metadata.name", "kind", "apiVersion", "*", "metadata.*", "name.kind"]
)
def test_a_field_that_would_hide_the_object_is_refused(field: str) -> None:
    with pytest.raises(UsageError, match="which object it holds") as caught:
        SealRule.of("ConfigMap", [field])
    assert caught.value.hint


@pytest.mark.parametrize("field", ["a..b", ".a", "a.", "a b", 'a["', "a[0]", "a{b=c}", "data.ü"])
def test_a_field_that_cannot_be_read_is_refused(field: str) -> None:
    with pytest.raises(UsageError, match="cannot be read from character"):
        SealRule.of("ConfigMap", [field])


@pytest.mark.parametrize("fields", [[], [""]])
def test_no_field_is_refused(fields: list[str]) -> None:
    with pytest.raises(UsageError):
        SealRule.of("ConfigMap", fields)


def test_secrets_always_become_sealed_files_and_others_when_there_is_something_to_seal() -> None:
    rules = seal_rules({"ConfigMap": ["data.password"]})
    assert rules["Secret"].applies_to({"kind": "Secret"})
    assert rules["ConfigMap"].applies_to({"data": {"password": "x"}})
    assert not rules["ConfigMap"].applies_to({"data": {"host": "x"}})
    assert not rules["ConfigMap"].applies_to({"data": {"password": None}})


@pytest.mark.parametrize("keys", [("data", "password"), ("data", "a.b/c"), ("x y", "z"), ("$ref",)])
def test_the_text_of_a_field_is_read_as_that_field(keys: tuple[str, ...]) -> None:
    rule = SealRule.of("ConfigMap", [field_text(keys)])
    assert rule.scope.seals(keys)
    assert not rule.scope.seals(("data", "other"))


def test_a_rule_is_widened_by_fields_and_keeps_what_it_sealed() -> None:
    wider = SealRule.of("ConfigMap", ["data.k"]).wider(['metadata.annotations["a.b/c"]'])
    assert wider.scope.seals(("data", "k"))
    assert wider.scope.seals(("metadata", "annotations", "a.b/c"))
    assert not wider.scope.seals(("metadata", "annotations", "axb/c"))


def test_a_rule_that_does_not_name_what_it_seals_is_not_widened() -> None:
    rule = SealRule("ConfigMap", Scope("unencrypted_regex", "^(kind|metadata|apiVersion)$"))
    with pytest.raises(CannotSealError, match="unencrypted_regex of the sealed file"):
        rule.wider(["data.k"])
