"""Sealing and opening without sops: round trip, tampering, whose key opens what."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kube2git.core import yamlio
from kube2git.core.sealing import (
    CannotSealError,
    Identities,
    MalformedSealError,
    Recipients,
    Scope,
    SealingError,
    SealRule,
    TamperedError,
    WrongIdentityError,
    is_sealed,
    other_keys_of,
    recipients_of,
    seal,
    unseal,
)
from kube2git.core.wire import Json
from tests.unit.core import nasty
from tests.unit.core.sealing.samples import (
    ALICE,
    BOB,
    RULE,
    WHEN,
    base64,
    sealed,
    sealed_file,
    secret,
)

BODY = secret(
    data={"password": base64("hunter2"), "token": base64("abcdef"), "empty": ""},
    stringData={"note": "two\nlines"},
)


def reopened(body: Json, *, rule: SealRule = RULE) -> Json:
    """Seal an object, write it, read it and open it."""
    return unseal(yamlio.decode(sealed_file(body, rule=rule)), ALICE.identities)


# ── What is written ──────────────────────────────────────────────────────────────────────────


def test_only_values_are_sealed_and_the_file_says_how() -> None:
    document = sealed(BODY)
    assert document["metadata"] == BODY["metadata"]
    assert document["data"].keys() == BODY["data"].keys()
    assert document["data"]["empty"] == ""
    for value in (document["data"]["password"], document["stringData"]["note"]):
        assert re.fullmatch(r"ENC\[AES256_GCM,data:\S+,iv:\S{44},tag:\S{24},type:str]", value)
    block = document["sops"]
    assert block["encrypted_regex"] == "^(data|stringData)$"  # as Flux expects it
    assert block["lastmodified"] == "2026-03-01T12:30:05Z"
    assert [entry["recipient"] for entry in block["age"]] == [ALICE.public]
    assert block["age"][0]["enc"].startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")


def test_the_time_is_written_in_utc() -> None:
    local = WHEN.astimezone(timezone(timedelta(hours=-7)))
    document = seal(BODY, RULE, ALICE.recipients, when=local.replace(microsecond=7))
    assert document["sops"]["lastmodified"] == "2026-03-01T12:30:05Z"


def test_a_document_stands_in_the_order_in_which_it_is_written() -> None:
    shuffled = dict(reversed(BODY.items()))
    document = sealed(shuffled)
    assert list(document)[:3] == ["apiVersion", "kind", "metadata"]
    assert list(document["data"]) == ["empty", "password", "token"]
    assert shuffled == BODY


def test_sealing_twice_gives_nothing_in_common() -> None:
    one, two = sealed(BODY), sealed(BODY)
    assert one["data"]["password"] != two["data"]["password"]
    assert one["sops"]["age"][0]["enc"] != two["sops"]["age"][0]["enc"]


def test_equal_values_of_one_file_look_different() -> None:
    document = sealed(secret(data={"a": base64("same"), "b": base64("same")}))
    cut = [re.findall(r"data:(\S+?),", value)[0] for value in document["data"].values()]
    assert cut[0] != cut[1]


any_body = st.fixed_dictionaries(
    {
        "apiVersion": st.just("v1"),
        "kind": st.just("Secret"),
        "metadata": st.fixed_dictionaries(
            {"name": nasty.any_text, "annotations": st.dictionaries(nasty.any_text, nasty.any_text)}
        ),
    },
    optional={
        "data": st.dictionaries(nasty.any_text, nasty.any_json, max_size=4),
        "stringData": st.dictionaries(nasty.any_text, nasty.any_text, max_size=4),
        "immutable": st.booleans(),
        "more": nasty.any_json,
    },
)


def has_large_number(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(has_large_number, node.values()))
    if isinstance(node, list):
        return any(map(has_large_number, node))
    return isinstance(node, int | float) and 2**63 <= node < 2**64


@settings(max_examples=150, deadline=None)
@given(any_body)
@example(
    secret(
        data={
            "float": [1e300, 1.5e-7, -0.0, 100.0, 5e-324],
            "int": [2**63 - 1, -(2**63), 2**64, 1e20],
        }
    )
)
def test_every_object_comes_back_as_it_was(body: Json) -> None:
    if has_large_number(body):
        with pytest.raises(CannotSealError, match="number is too large"):
            sealed(body)
    else:
        assert with_floats(reopened(body)) == with_floats(body)


def with_floats(node: Any) -> Any:
    """Tell numbers apart as JSON does, where 1 is 1.0."""
    if isinstance(node, dict):
        return {key: with_floats(value) for key, value in node.items()}
    if isinstance(node, list):
        return [with_floats(item) for item in node]
    return float(node) if type(node) is int else node


def test_types_come_back() -> None:
    body = secret(data={"values": [1, 1.5, True, False, "1", "true", None, "", [], {}]})
    values = reopened(body)["data"]["values"]
    assert [(type(value), value) for value in values] == [
        (type(value), value) for value in body["data"]["values"]
    ]


def test_opening_leaves_the_document_as_it_was() -> None:
    document = sealed(BODY)
    before = deepcopy(document)
    unseal(document, ALICE.identities)
    assert document == before


# ── What cannot be sealed ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "scope",
    [
        Scope("unencrypted_suffix", "_clear"),
        Scope("unencrypted_regex", "^(apiVersion|kind)$"),
        Scope("encrypted_regex", "^(data|stringData|name)$"),
    ],
    ids=["all", "metadata", "name"],
)
def test_a_scope_that_would_hide_the_name_is_refused(scope: Scope) -> None:
    with pytest.raises(CannotSealError, match="kind or name"):
        sealed(BODY, scope=scope)


@pytest.mark.parametrize(
    "scope",
    [
        Scope("encrypted_suffix", "_secret"),
        Scope("encrypted_regex", "^stringData$"),
        Scope("unencrypted_regex", "^(apiVersion|kind|metadata|token)$"),
    ],
    ids=["suffix", "half", "all but one"],
)
def test_a_scope_that_would_leave_a_value_in_clear_is_refused(scope: Scope) -> None:
    with pytest.raises(CannotSealError, match=r"data\.(password|token)"):
        sealed(BODY, scope=scope)


def test_an_object_with_a_field_called_sops_is_refused() -> None:
    with pytest.raises(CannotSealError, match="field `sops` of its own"):
        sealed({**BODY, "sops": {}})


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 1e19, 10**400])
def test_a_number_that_sops_cannot_read_is_refused(number: float) -> None:
    with pytest.raises(CannotSealError, match=r"value of spec\.size .*too large"):
        sealed(secret(spec={"size": number}))


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(CannotSealError, match=r"value of data\.a cannot"):
        sealed(secret(data={"a": "\ud800"}))


# ── Tampering ────────────────────────────────────────────────────────────────────────────────


def flipped(text: str, at: int) -> str:
    """Change one character of base64 into another."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def swap_values(document: Json) -> None:
    data = document["data"]
    data["password"], data["token"] = data["token"], data["password"]


def move_value(document: Json) -> None:
    document["data"]["other"] = document["data"].pop("password")


def set_field(document: Json, *keys: str, to: Any) -> None:
    node = document
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = to


OTHER = sealed(secret(name="other", data={"password": base64("different")}))

BROKEN = "ENC[AES256_GCM,data:{},iv:{},tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]"

TAMPERING: dict[str, tuple[Callable[[Json], Any], str]] = {
    "values swapped": (swap_values, r"data\.password"),
    "value moved to another key": (move_value, r"data\.other"),
    "value of another file": (
        lambda body: set_field(body, "data", "password", to=OTHER["data"]["password"]),
        r"data\.password was changed",
    ),
    "value in clear": (
        lambda body: set_field(body, "data", "password", to=base64("mine")),
        r"data\.password should be sealed",
    ),
    "value that is no text": (
        lambda body: set_field(body, "data", "password", to=5),
        r"data\.password is in clear",
    ),
    "value that is no base64": (
        lambda body: set_field(body, "data", "password", to=BROKEN.format("?", "AAAA")),
        r"data\.password should be sealed, and is not, or is damaged",
    ),
    "nonce of no usual size": (
        lambda body: set_field(body, "data", "password", to=BROKEN.format("AAAA", "AAAA")),
        r"data\.password should be sealed, and is not, or is damaged",
    ),
    "value emptied": (lambda body: set_field(body, "data", "password", to=""), "MAC"),
    "value removed": (lambda body: body["data"].pop("password"), "MAC"),
    "data removed": (lambda body: body.pop("data"), "MAC"),
    "name": (lambda body: set_field(body, "metadata", "name", to="other"), "MAC"),
    "namespace": (lambda body: set_field(body, "metadata", "namespace", to="prod"), "MAC"),
    "label": (lambda body: set_field(body, "metadata", "labels", "app", to="x"), "MAC"),
    "label added": (lambda body: set_field(body, "metadata", "labels", "b", to="x"), "MAC"),
    "type": (lambda body: set_field(body, "type", to="kubernetes.io/tls"), "MAC"),
    "order": (lambda body: body.update(kind=body.pop("kind")), "MAC"),
    "time": (
        lambda body: set_field(body, "sops", "lastmodified", to="2026-03-01T12:30:06Z"),
        r"sops\.lastmodified",
    ),
    "MAC of another file": (
        lambda body: set_field(body, "sops", "mac", to=OTHER["sops"]["mac"]),
        r"sops\.mac",
    ),
    "sops block of another file": (
        lambda body: set_field(body, "sops", to=OTHER["sops"]),
        "was changed, or comes from another place or another file",
    ),
    "what is sealed": (
        lambda body: set_field(body, "sops", "encrypted_regex", to="^stringData$"),
        "MAC",
    ),
    "what the MAC covers": (
        lambda body: set_field(body, "sops", "mac_only_encrypted", to=True),
        "MAC",
    ),
}


@pytest.mark.parametrize(("change", "says"), TAMPERING.values(), ids=TAMPERING.keys())
def test_tampering_is_noticed(change: Callable[[Json], Any], says: str) -> None:
    document = sealed(BODY)
    change(document)
    with pytest.raises(TamperedError, match=says) as caught:
        unseal(document, ALICE.identities)
    assert caught.value.hint


def test_files_whose_names_were_swapped_are_noticed() -> None:
    mine, other = sealed(BODY), deepcopy(OTHER)
    mine["metadata"]["name"], other["metadata"]["name"] = "other", "db"
    for document in (mine, other):
        with pytest.raises(TamperedError):
            unseal(document, ALICE.identities)


PARTS = {
    "data": r"data:([^,]+)",
    "iv": r"iv:([^,]+)",
    "tag": r"tag:([^,]+)",
}


@pytest.mark.parametrize("place", [("data", "password"), ("stringData", "note"), ("sops", "mac")])
@pytest.mark.parametrize("part", PARTS)
def test_one_changed_byte_is_noticed(place: tuple[str, str], part: str) -> None:
    document = sealed(BODY)
    text = document[place[0]][place[1]]
    match = re.search(PARTS[part], text)
    assert match is not None
    # All but the last two characters, whose spare bits mean nothing, or padding.
    for at in range(match.start(1), match.end(1) - 3):
        document[place[0]][place[1]] = flipped(text, at)
        with pytest.raises(TamperedError):
            unseal(document, ALICE.identities)


def test_a_changed_wrapped_key_is_noticed() -> None:
    document = sealed(BODY)
    entry = document["sops"]["age"][0]
    lines = entry["enc"].splitlines()
    for number in range(1, len(lines) - 1):
        changed = [*lines[:number], flipped(lines[number], 0), *lines[number + 1 :]]
        entry["enc"] = "\n".join(changed) + "\n"
        with pytest.raises(TamperedError, match=r"sops\.age was changed"):
            unseal(document, ALICE.identities)


def test_a_changed_type_is_noticed_or_harmless() -> None:
    document = sealed(BODY)
    document["data"]["password"] = document["data"]["password"].replace("type:str", "type:int")
    with pytest.raises(TamperedError, match=r"data\.password"):
        unseal(document, ALICE.identities)


# ── Whose key opens what ─────────────────────────────────────────────────────────────────────


def test_a_wrong_identity_is_told_whom_the_file_is_for() -> None:
    with pytest.raises(WrongIdentityError, match=f"sealed for {ALICE.public}.*none of the") as told:
        unseal(sealed(BODY), BOB.identities)
    assert "private key" in told.value.hint


def test_no_identity_is_told_so() -> None:
    with pytest.raises(WrongIdentityError, match="no identity is given"):
        unseal(sealed(BODY), Identities())


def test_any_of_several_identities_opens_the_file() -> None:
    document = sealed(BODY, recipients=Recipients.parse([BOB.public]))
    assert unseal(document, Identities.parse(ALICE.private, BOB.private)) == BODY


def with_other_keys(document: Json) -> Json:
    """Add what sops writes for other key types."""
    document["sops"]["pgp"] = [{"created_at": "2026-01-01T00:00:00Z", "enc": "-----", "fp": "A1"}]
    document["sops"]["kms"] = [{"arn": "arn:aws:kms:x", "created_at": "2026", "enc": "AQ=="}]
    document["sops"]["gcp_kms"] = []
    return document


def test_a_file_for_other_key_types_too_is_opened() -> None:
    document = with_other_keys(sealed(BODY))
    assert other_keys_of(document) == ("kms", "pgp")
    assert recipients_of(document) == (ALICE.public,)
    assert unseal(document, ALICE.identities) == BODY


def test_a_file_for_other_key_types_only_is_told_so() -> None:
    document = with_other_keys(sealed(BODY))
    document["sops"]["age"] = []
    with pytest.raises(WrongIdentityError, match=r"only for other keys \(kms, pgp\)"):
        unseal(document, ALICE.identities)


def test_keys_in_one_group_are_as_good_as_outside_of_it() -> None:
    document = sealed(BODY)
    document["sops"]["key_groups"] = [{"age": document["sops"].pop("age"), "hc_vault": []}]
    assert recipients_of(document) == (ALICE.public,)
    assert other_keys_of(document) == ()
    assert unseal(document, ALICE.identities) == BODY


def test_a_key_that_is_split_between_groups_is_told_so() -> None:
    document = sealed(BODY)
    age = document["sops"].pop("age")
    document["sops"] |= {"key_groups": [{"age": age}, {"age": age}], "shamir_threshold": 2}
    with pytest.raises(MalformedSealError, match="split between 2 key groups"):
        unseal(document, ALICE.identities)


# ── Files that are no SOPS documents ─────────────────────────────────────────────────────────


def test_a_sealed_file_is_told_from_a_clear_one() -> None:
    assert is_sealed(sealed(BODY))
    assert not is_sealed(BODY)
    assert not is_sealed({**BODY, "sops": "text"})


def test_an_object_that_an_operator_opens_is_not_ours() -> None:
    operators = {**BODY, "kind": "SopsSecret", "apiVersion": "isindir.github.com/v1alpha3"}
    assert not is_sealed({**operators, "sops": {"mac": "ENC[]"}})


MALFORMED: dict[str, tuple[Callable[[Json], Any], str]] = {
    "no mac": (lambda body: body["sops"].pop("mac"), "lacks its mac"),
    "empty mac": (lambda body: set_field(body, "sops", "mac", to=""), "lacks its mac"),
    "no time": (lambda body: body["sops"].pop("lastmodified"), "lacks its mac or its lastmod"),
    "two settings": (
        lambda body: set_field(body, "sops", "encrypted_suffix", to="x"),
        "encrypted_regex and encrypted_suffix cannot be used together",
    ),
    "comments": (
        lambda body: set_field(body, "sops", "encrypted_comment_regex", to="x"),
        "encrypted_comment_regex is not supported",
    ),
    "pattern": (lambda body: set_field(body, "sops", "encrypted_regex", to="("), "encrypted_regex"),
    "entry without a key": (lambda body: body["sops"]["age"][0].pop("enc"), "lacks its recipient"),
    "no block": (lambda body: body.pop("sops"), "not sealed"),
}


@pytest.mark.parametrize(("change", "says"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_is_told_so(change: Callable[[Json], Any], says: str) -> None:
    document = sealed(BODY)
    change(document)
    with pytest.raises(MalformedSealError, match=says):
        unseal(document, ALICE.identities)


def test_a_data_key_of_another_size_is_told_so() -> None:
    document = sealed(BODY)
    wrap = ALICE.recipients.wrap(b"short")[0]
    document["sops"]["age"][0]["enc"] = wrap.armored
    with pytest.raises(MalformedSealError, match="32 bytes"):
        unseal(document, ALICE.identities)


any_damage = st.tuples(
    st.sampled_from(["age", "mac", "lastmodified", "encrypted_regex", "key_groups", "version"]),
    nasty.any_json,
)


@settings(max_examples=150, deadline=None)
@given(any_damage)
def test_no_damage_of_the_block_ends_in_anything_but_an_error_of_ours(
    damage: tuple[str, Any],
) -> None:
    document = sealed(BODY)
    document["sops"][damage[0]] = damage[1]
    try:
        assert unseal(document, ALICE.identities) == BODY
    except SealingError as error:
        assert str(error).endswith(".")  # noqa: PT017 - either outcome is right
