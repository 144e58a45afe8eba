"""wire: what a list response says is read exactly, or refused; nothing passes for an empty list."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core import wire
from kube2git.core.wire import Json, MalformedJsonError
from tests.unit.core import nasty

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"

PAGE = b"""{"kind":"DeploymentList","apiVersion":"apps/v1",
 "metadata":{"resourceVersion":"812","continue":"abc","remainingItemCount":7},
 "items":[
  {"metadata":{"name":"web","namespace":"shop","uid":"u-1","resourceVersion":"800",
               "labels":{"a":"b"}},"spec":{"replicas":2},"status":{}},
  {"metadata":{"name":"db","namespace":"shop","uid":"u-2","resourceVersion":"790"},"unknown":[1.5]}
 ]}"""


def test_a_page_tells_its_revision_its_next_token_and_its_items() -> None:
    page = wire.skim(PAGE)
    assert (page.resource_version, page.continue_token) == ("812", "abc")
    assert page.list_kind == "DeploymentList"
    assert page.items[0].meta == wire.ItemMeta("web", "shop", "u-1", "800")
    assert [item.meta.name for item in page.items] == ["web", "db"]


def test_an_item_is_decoded_whole_and_gets_the_kind_that_its_list_left_out() -> None:
    body = wire.skim(PAGE).items[1].decode("apps/v1", "Deployment")
    assert list(body) == ["apiVersion", "kind", "metadata", "unknown"]
    assert body["apiVersion"] == "apps/v1"
    assert body["unknown"] == [1.5]


def test_an_item_that_names_its_own_kind_keeps_it() -> None:
    page = wire.skim(b'{"items":[{"kind":"B","apiVersion":"x/v2","metadata":{"name":"a"}}]}')
    body = page.items[0].decode("x/v1", "A")
    assert (body["apiVersion"], body["kind"]) == ("x/v2", "B")


@pytest.mark.parametrize("items", [b"null", b"[]"])
def test_a_list_without_items_is_empty(items: bytes) -> None:
    page = wire.skim(
        b'{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":' + items + b"}"
    )
    assert page.items == []
    assert (page.resource_version, page.continue_token) == ("5", "")


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":410}',
        b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"hunter2"}}',
        b"<html><body>hunter2</body></html>",
        PAGE[:-1],
        PAGE[:200],
        PAGE + b"{",
        b'{"items":{}}',
        b'{"items":["hunter2"]}',
        b'{"items":[{"spec":{}}]}',
        b'{"items":[{"metadata":{"name":{"hunter2":1}}}]}',
        b'{"items":[{"metadata":{"name":"hunter2\xff"}}]}',
        b'{"items":[{"metadata":{"name":"a"},"x":' + DEEP + b"}]}",
    ],
)
def test_what_is_not_a_whole_list_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(MalformedJsonError) as caught:
        wire.skim(data)
    assert str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_nested_too_deeply_is_told_from_what_is_broken() -> None:
    page = b'{"items":[{"metadata":{"name":"a"},"x":%s}]}'
    for read, data in ((wire.skim, page % DEEP), (wire.decode, DEEP)):
        with pytest.raises(wire.TooDeepError):
            read(data)
    with pytest.raises(MalformedJsonError) as caught:
        wire.skim(page % b"")
    assert not isinstance(caught.value, wire.TooDeepError)


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"a":1}}', b"NaN", b"1e999", b'"hunter2\xff"', b'"\\ud800"', DEEP]
)
def test_what_is_not_json_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(MalformedJsonError) as caught:
        wire.decode(data)
    assert str(caught.value)
    assert "hunter2" not in str(caught.value)


@settings(max_examples=50)
@given(nasty.any_mapping)
def test_json_comes_back_in_its_order(body: Json) -> None:
    decoded = wire.decode(wire.encode(body))
    assert decoded == body
    assert list(decoded) == list(body)


@settings(max_examples=50)
@given(nasty.any_mapping, st.randoms(use_true_random=False))
def test_a_digest_ignores_the_order_of_keys(body: Json, chance: random.Random) -> None:
    keys = list(body)
    chance.shuffle(keys)
    shuffled = {key: body[key] for key in keys}
    assert wire.digest({"a": [shuffled]}) == wire.digest({"a": [body]})


@settings(max_examples=50)
@given(nasty.any_json, nasty.any_json)
def test_a_digest_tells_values_apart(one: object, other: object) -> None:
    equal = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (wire.digest(one) == wire.digest(other)) == equal


def test_a_digest_stays_what_it_was() -> None:
    body = {"b": [1, True, None, "é\n"], "a": {}}
    assert wire.canonical(body) == '{"a":{},"b":[1,true,null,"é\\n"]}'.encode()
    assert wire.digest(body) == "629406d5d5a1d43360296b37dd8f36320340eb74"


def test_json_for_people_is_indented_and_not_escaped() -> None:
    body = {"b": [1, True, None, "é\n"], "a": {}, "c": []}
    assert wire.readable(body) == (
        '{\n  "b": [\n    1,\n    true,\n    null,\n    "é\\n"\n  ],\n  "a": {},\n  "c": []\n}'
    )


@settings(max_examples=50)
@given(nasty.any_json)
def test_json_for_people_says_the_same(value: object) -> None:
    assert json.loads(wire.readable(value)) == value


def test_an_apply_body_survives_the_yaml_reader_of_the_api_server() -> None:
    # "---" makes kubectl take the JSON for YAML, which the API server does with an apply body.
    texts = list(nasty.texts(4000, seed=4))
    values = {f"k{index}": text for index, text in enumerate(texts)}
    # A key of a JSON object is a simple key to that reader: at most 1024 characters.
    keys = {text: index for index, text in enumerate(texts) if len(text) < 500}
    body = {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "v": values, "k": keys}
    answer = subprocess.run(
        [KUBECTL, "label", "--local", "--filename=-", "--output=json", "a=b"],
        input=b"---\n" + wire.apply_body(body),
        capture_output=True,
        env={**os.environ, "KUBECONFIG": os.devnull},
        check=True,
    ).stdout
    read = json.loads(answer)
    assert {
        key: (text, read["v"][key]) for key, text in values.items() if read["v"][key] != text
    } == {}
    assert read["k"] == keys


@settings(max_examples=50)
@given(nasty.any_mapping)
def test_an_apply_body_says_the_same(body: Json) -> None:
    assert json.loads(wire.apply_body(body)) == body
