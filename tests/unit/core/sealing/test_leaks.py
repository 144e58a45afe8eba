"""SecretValues: where values are found, where not, and that no finding repeats one."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.objects import ObjectRef
from kube2git.core.sealing import Finding, SealRule, SecretValues
from kube2git.core.wire import Json
from tests.unit.core.sealing.samples import RULE, base64, sealed, secret

VALUE = "q8Zr2Lx9Vb4T"
DB = ObjectRef("", "Secret", "shop", "db")


def config_map(**data: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": data}


def values_of(*bodies: Json) -> SecretValues:
    values = SecretValues()
    for body in bodies:
        values.add(body, RULE)
    return values


VALUES = values_of(secret(data={"password": base64(VALUE)}))

PLACES = {
    "bare": VALUE,
    "glued": f"xx{VALUE}yy",
    "in an address": f"postgres://app:{VALUE}@db:5432/app",
    "after a line break": f"a: b\n{VALUE}\n",
    "beside quotes": f'say "{VALUE}"\\',
    "in JSON": json.dumps({"password": VALUE}),
    "base64": base64(VALUE),
    "in base64": base64(f"user:{VALUE}"),
    "in base64, elsewhere": base64(f"users:{VALUE}:more"),
    "base64 after a line break": f"a:\n{base64(VALUE)}\n",
    "base64 after a tab": f"a:\t{base64(VALUE)}",
    "after what is not ASCII": f"ü😀{VALUE}é",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
def test_a_copied_value_is_found(text: str) -> None:
    assert VALUES.search(config_map(a="x", b=text)) == [Finding("data.b", DB, "data.password")]


@pytest.mark.parametrize("before", range(12))
def test_a_value_is_found_wherever_it_begins(before: int) -> None:
    assert VALUES.search(config_map(b="-" * before + VALUE))
    assert VALUES.search(config_map(b="-" * before + VALUE + "-" * 7))


@pytest.mark.parametrize(
    "text", [VALUE[:-1], VALUE[1:], VALUE.lower(), VALUE[::-1], f"{VALUE[:6]} {VALUE[6:]}", ""]
)
def test_something_else_is_not_found(text: str) -> None:
    assert VALUES.search(config_map(a=text)) == []


def test_fields_are_named_as_the_config_takes_them() -> None:
    body = config_map(**{"app.properties": f"a={VALUE}", "list": [{"x": VALUE}, VALUE]})
    assert [finding.field for finding in VALUES.search(body)] == [
        "data.list",
        "data.list.x",
        'data["app.properties"]',
    ]
    assert SealRule.of("ConfigMap", ['data["app.properties"]'])


@pytest.mark.parametrize(
    "data", [{VALUE: "x"}, {base64(VALUE): 5}, {f"my-{VALUE}": {"deep": {"deeper": VALUE}}}]
)
def test_a_value_that_is_a_key_is_found_and_not_repeated(data: dict[str, Any]) -> None:
    assert VALUES.search(config_map(**data)) == [Finding("data", DB, "data.password")]


def test_every_secret_whose_value_is_there_is_named() -> None:
    other = "Wm3-Tq8-Zx1-Pl5"
    values = values_of(
        secret(data={"a": base64(VALUE)}),
        secret(name="second", stringData={"b": other}),
        secret(name="third", data={"c": base64(VALUE)}),
    )
    assert len(values) == 2
    assert values.search(config_map(x=f"{VALUE} {other}")) == [
        Finding("data.x", DB, "data.a"),
        Finding("data.x", DB._replace(name="second"), "stringData.b"),
    ]


@pytest.mark.parametrize("value", ['a"b\\c1d2é3/f4g5', '"\\' * 8 + "x", 'a"b"' * 5])
def test_values_with_quotes_and_backslashes_are_found(value: str) -> None:
    values = values_of(secret(stringData={"token": value}))
    assert values.search(config_map(b=f"-{value}-"))
    assert values.search(config_map(b=base64(value)))


def test_binary_values_are_found_as_base64() -> None:
    value = bytes(range(128, 160))
    values = values_of(secret(data={"keystore": base64(value)}))
    body = config_map() | {"binaryData": {"copy": base64(b"head" + value)}}
    assert values.search(body) == [Finding("binaryData.copy", DB, "data.keystore")]


def test_long_values_are_found_by_their_middle() -> None:
    value = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=5000))
    values = values_of(secret(data={"a": base64(value)}))
    assert values.search(config_map(b=value))
    assert values.search(config_map(b=value[2000:3000]))
    assert values.search(config_map(b=base64(value)))
    assert not values.search(config_map(b=value[:2000]))


def test_a_sealed_object_is_searched_in_what_stands_in_clear() -> None:
    body = secret(data={"password": base64(VALUE)})
    assert VALUES.search(sealed(body)) == []
    body["metadata"]["annotations"] = {"note": f"it is {VALUE}"}
    assert [finding.field for finding in VALUES.search(sealed(body))] == [
        "metadata.annotations.note"
    ]


def test_values_of_other_sealed_kinds_are_looked_for() -> None:
    rule = SealRule.of("Database.example.com", ["spec.password"])
    values = SecretValues()
    values.add(
        {
            "apiVersion": "example.com/v1",
            "kind": "Database",
            "metadata": {"name": "main"},
            "spec": {"password": VALUE, "size": 5, "host": "Wm3-Tq8-Zx1-Pl5"},
        },
        rule,
    )
    found = Finding("data.a", ObjectRef("example.com", "Database", "", "main"), "spec.password")
    assert values.search(config_map(a=VALUE, b="Wm3-Tq8-Zx1-Pl5")) == [found]


def test_data_that_is_no_base64_is_taken_as_text() -> None:
    values = values_of(secret(data={"a": f"!{VALUE}!", "b": None, "c": 5}))
    assert values.search(config_map(x=f"!{VALUE}!"))


@pytest.mark.parametrize(
    "form",
    ["{:05}-x1y2z3-x9y8z7-x4y5z6", "x1y2z3-x9y8-{:05}-z7-x4y5z6", "x1y2z3-x9y8z7-x4y5z6-{:05}"],
)
def test_many_values_that_are_alike_are_still_told_apart(form: str) -> None:
    alike = [form.format(number) for number in range(2000)]
    values = values_of(secret(stringData={f"k{at}": value for at, value in enumerate(alike)}))
    for number in (0, 7, 1234, 1999):
        found = values.search(config_map(a=f"[{alike[number]}]"))
        assert [finding.key for finding in found] == [f"stringData.k{number}"]
    assert values.search(config_map(a=form.format(9999))) == []
    # A text that holds what they share is not compared with all of them.
    assert max(map(len, values._windows.values())) < len(alike) / 2


any_value = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=12, max_size=300)


@settings(max_examples=200, deadline=None)
@given(
    value=any_value, before=st.text(max_size=20), after=st.text(max_size=20), coded=st.booleans()
)
def test_whatever_is_looked_for_is_found(value: str, before: str, after: str, coded: bool) -> None:
    values = values_of(secret(stringData={"secret": value}))
    text = base64(value) if coded else f"{before}{value}{after}"
    assert bool(values.search(config_map(a=text))) is bool(len(values))


def test_nothing_repeats_a_value() -> None:
    findings = VALUES.search(config_map(a=VALUE))
    assert VALUE not in f"{VALUES!r} {findings!r} {vars(VALUES)['_needles']!r}"
    assert repr(VALUES) == "SecretValues(1 values)"
