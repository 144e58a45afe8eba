"""The creation rules of a .sops.yaml; test_sops.py holds them against sops itself."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.sealing import CreationRuleError, CreationRules, Scope
from tests.unit.core.sealing.samples import ALICE, BOB, RULE, ssh_pair

SSH = ssh_pair("ed25519").public


def rules(*entries: dict[str, Any]) -> CreationRules:
    return CreationRules.parse({"creation_rules": list(entries)})


def test_the_first_rule_that_matches_a_path_holds() -> None:
    found = rules(
        {"path_regex": r"^namespaces/shop/", "age": ALICE.public},
        {"path_regex": r"\.yaml$", "age": BOB.public},
        {"age": ALICE.public},
    )
    shop, other, rest = (
        found.rule_for(path)
        for path in ("namespaces/shop/Secret/a.yaml", "other/namespaces/shop/b.yaml", "c.txt")
    )
    assert shop is not None
    assert shop.recipients == ALICE.recipients
    assert other is not None
    assert other.recipients == BOB.recipients
    assert rest is not None
    assert rest.recipients == ALICE.recipients


def test_no_rule_may_match() -> None:
    assert rules({"path_regex": "^x$", "age": ALICE.public}).rule_for("y") is None
    assert CreationRules.parse({"stores": {"yaml": {"indent": 2}}}).rule_for("y") is None


@pytest.mark.parametrize(
    "entry",
    [
        {"age": f"{ALICE.public},{BOB.public}, {SSH} me@home,"},
        {"age": f"{ALICE.public},\n  {BOB.public},\n  {SSH}\n"},
        {"age": [ALICE.public, BOB.public, SSH]},
        {"key_groups": [{"age": [ALICE.public, f"{BOB.public},{SSH}"], "pgp": []}]},
        {"age": f"{ALICE.public},{BOB.public},{SSH}", "pgp": "", "kms": None, "key_groups": []},
    ],
    ids=["commas", "lines", "list", "group", "others empty"],
)
def test_recipients_are_read_in_every_form(entry: dict[str, Any]) -> None:
    rule = rules(entry).rule_for("any")
    assert rule is not None
    assert set(rule.recipients.texts) == {ALICE.public, BOB.public, SSH}


def test_a_rule_may_say_what_is_sealed() -> None:
    rule = rules({"age": ALICE.public, "unencrypted_regex": "^kind$", "mac_only_encrypted": True})
    assert rule.rules[0].scope_for(RULE) == Scope("unencrypted_regex", "^kind$", True)


def test_a_rule_that_leaves_open_what_is_sealed_takes_the_kinds_own() -> None:
    plain, with_mac = rules(
        {"age": ALICE.public}, {"age": ALICE.public, "mac_only_encrypted": True}
    ).rules
    assert plain.scope_for(RULE) == RULE.scope
    assert with_mac.scope_for(RULE) == Scope("encrypted_regex", "^(data|stringData)$", True)


def test_other_keys_of_the_file_are_left_alone() -> None:
    parsed = CreationRules.parse(
        {"keys": [ALICE.public], "destination_rules": [{"s3_bucket": "x"}], "creation_rules": None}
    )
    assert parsed.rules == ()


AGE = {"age": ALICE.public}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (AGE | {"pgp": "AAAA"}, "uses pgp, which"),
        (AGE | {"kms": "arn:aws:kms:x", "aws_profile": "p"}, "uses aws_profile, kms, which"),
        (AGE | {"gcp_kms": ["x"], "azure_keyvault": "y"}, "uses azure_keyvault, gcp_kms, which"),
        (AGE | {"hc_vault_transit_uri": "x"}, "uses hc_vault_transit_uri, which"),
        (AGE | {"shamir_threshold": 2}, "uses shamir_threshold, which"),
        (AGE | {"something_new": True}, "uses something_new, which"),
        (AGE | {"key_groups": [{"age": [BOB.public]}]}, "both age and key_groups"),
        ({"key_groups": [{"age": [BOB.public]}, {"age": [ALICE.public]}]}, "2 key_groups"),
        ({"key_groups": [{"age": [BOB.public], "pgp": ["AAAA"]}]}, "uses pgp in key_groups"),
        ({"key_groups": [{"merge": [{"age": [BOB.public]}]}]}, "uses merge in key_groups"),
        ({"key_groups": {"age": [BOB.public]}}, "not a list of groups"),
        ({}, "No recipient is given"),
        ({"age": 5}, "not text"),
        ({"age": [ALICE.public, None]}, "not text"),
        ({"age": "age1wrong"}, "Recipient 1 begins like a public key"),
        ({"age": ALICE.private.splitlines()[-1]}, "is a private key"),
        (AGE | {"path_regex": "(?=x)"}, "path_regex that cannot be used: a group"),
        (AGE | {"path_regex": 5}, "path_regex that cannot be used: it is not text"),
        (AGE | {"encrypted_regex": "["}, "pattern of encrypted_regex cannot be used"),
        (AGE | {"encrypted_regex": "a", "encrypted_suffix": "b"}, "cannot be used together"),
        (AGE | {"unencrypted_comment_regex": "x"}, "unencrypted_comment_regex is not supported"),
    ],
)
def test_what_is_not_supported_is_named(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(CreationRuleError, match=f"Rule 2 in .sops.yaml .*{says}") as caught:
        rules(AGE, entry)
    assert caught.value.exit_code == 2
    assert ALICE.private.splitlines()[-1] not in str(caught.value) + caught.value.hint
    assert str(caught.value).count("..") == 0


@pytest.mark.parametrize("data", [{}, "text", [5]])
def test_rules_that_are_no_list_are_refused(data: Any) -> None:
    with pytest.raises(CreationRuleError, match="not a list of rules"):
        CreationRules.parse({"creation_rules": data})
