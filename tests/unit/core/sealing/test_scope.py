"""Scope: which values SOPS' settings seal."""

from __future__ import annotations

import pytest

from kube2git.core.sealing.scope import Scope, ScopeError

BODY = {
    "kind": "Secret",
    "metadata": {"name": "n", "labels": {"data": "x"}},
    "data": {"a": "1", "b_clear": "2", "c": None},
    "list": [{"password": "3"}, "4"],
}

CASES = [
    (Scope("encrypted_regex", "^data$"), {"x", "1", "2"}),
    (Scope("encrypted_regex", "pass"), {"3"}),
    (Scope("unencrypted_regex", "^(kind|metadata)$"), {"1", "2", "3", "4"}),
    (Scope("encrypted_suffix", "ist"), {"3", "4"}),
    (Scope("unencrypted_suffix", "_clear"), {"Secret", "n", "x", "1", "3", "4"}),
]


@pytest.mark.parametrize(("scope", "values"), CASES)
def test_a_key_decides_for_everything_below_it(scope: Scope, values: set[str]) -> None:
    assert {value for _, value in scope.sealed_values(BODY)} == values
    assert all(scope.seals(keys) for keys, _ in scope.sealed_values(BODY))


def test_positions_in_lists_are_no_keys() -> None:
    scope = Scope("encrypted_regex", "^(list|data)$")
    assert [keys for keys, _ in scope.sealed_values(BODY)][-2:] == [("list", "password"), ("list",)]
    assert not scope.seals(("metadata", "name"))
    assert not scope.seals(())


def test_however_many_keys_there_are_the_answer_is_right() -> None:
    scope = Scope("encrypted_regex", "^key-1")
    keys = [f"key-{number}" for number in range(12_000)]
    assert [key for key in keys if scope.names(key)] == [
        key for key in keys if key.startswith("key-1")
    ]
    assert len(scope._named) <= 10_000


@pytest.mark.parametrize(
    "settings",
    [
        {"encrypted_regex": "^data$"},
        {"unencrypted_suffix": "_x", "mac_only_encrypted": True},
        {"unencrypted_regex": "a", "encrypted_regex": "", "encrypted_suffix": None},
    ],
)
def test_settings_are_read_and_written_alike(settings: dict[str, object]) -> None:
    scope = Scope.of(settings)
    assert scope is not None
    assert scope.settings == {key: value for key, value in settings.items() if value}


def test_no_setting_is_no_scope() -> None:
    assert Scope.of({"age": [], "mac_only_encrypted": True}) is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"encrypted_regex": "a", "encrypted_suffix": "b"}, "encrypted_regex and encrypted_suffix"),
        ({"encrypted_comment_regex": "a"}, "encrypted_comment_regex is not supported"),
        ({"encrypted_regex": "(?=a)"}, "encrypted_regex cannot be used"),
        ({"encrypted_suffix": 5}, "encrypted_suffix is not text"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ScopeError, match=says):
        Scope.of(settings)


@pytest.mark.parametrize(
    ("scope", "hides"),
    [
        (Scope("encrypted_regex", "^(data|stringData)$"), False),
        (Scope("encrypted_regex", "^(name)$"), True),
        (Scope("encrypted_regex", "^(namespace)$"), True),
        (Scope("encrypted_regex", "^metadata$"), True),
        (Scope("unencrypted_suffix", "_clear"), True),
        (Scope("unencrypted_regex", "^(kind|metadata|apiVersion)$"), False),
        (Scope("unencrypted_regex", "^(kind|metadata)$"), True),
    ],
)
def test_a_scope_knows_whether_it_hides_what_the_file_holds(scope: Scope, hides: bool) -> None:
    assert scope.hides_identity is hides
