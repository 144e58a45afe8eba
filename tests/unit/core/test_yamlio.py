"""yamlio: bytes that every YAML reader takes for the same values, and files that people edit."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
import yaml12
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kube2git.core import yamlio, yamlreader
from kube2git.core.wire import Json
from tests.unit.core import nasty

GOLDEN = Path(__file__).parent / "golden" / "yamlio"
KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are one to JSON: 1.0 is 1 there, but True is not, as in Python."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        is_number = {type(one), type(other)} <= {int, float}
        return is_number and float(one) == float(other)
    return type(one) is type(other) and bool(one == other)


def kubectl(*arguments: str, data: bytes = b"") -> bytes:
    done = subprocess.run(
        [KUBECTL, *arguments],
        input=data,
        capture_output=True,
        env={**os.environ, "KUBECONFIG": os.devnull},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[:2000]
    return done.stdout


def read_by_kubectl(data: bytes) -> Json:
    """Return what kubectl, that is sigs.k8s.io/yaml, reads; no server is asked."""
    answer = kubectl("label", "--local", "--filename=-", "--output=json", "a=b", data=data)
    body: Json = json.loads(answer)
    return body


# ── Writing ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", sorted(path.stem for path in GOLDEN.glob("*.json")))
def test_golden(case: str) -> None:
    body = json.loads((GOLDEN / f"{case}.json").read_text())
    expected = (GOLDEN / f"{case}.yaml").read_bytes()
    assert yamlio.encode(body).decode() == expected.decode()
    assert same(yamlio.decode(expected), body)


@given(nasty.any_mapping)
def test_what_is_written_is_read_back_by_every_reader(body: Json) -> None:
    data = yamlio.encode(body)
    assert same(yamlio.decode(data), body)
    assert same(yamlreader.read(data, "").body, body)
    assert same(yaml.load(data, Loader=yaml.CSafeLoader), body)
    assert same(YAML(typ="safe", pure=True).load(data), body)
    assert same(yaml12.parse_yaml(data.decode()), with_floats(body))


def with_floats(value: Any) -> Any:
    """Return the value as py-yaml12 reads it: integers beyond 63 bits are floats."""
    if isinstance(value, dict):
        return {key: with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_floats(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value


@settings(max_examples=50)
@given(nasty.any_mapping, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_bytes(body: Json, chance: random.Random) -> None:
    keys = list(body)
    chance.shuffle(keys)
    shuffled = {key: body[key] for key in keys}
    assert yamlio.encode(shuffled) == yamlio.encode(body)


@settings(max_examples=50)
@given(nasty.any_mapping, nasty.any_mapping)
def test_ordered_is_the_order_of_the_file(body: Json, metadata: Json) -> None:
    body = {**body, "kind": "A", "metadata": {**metadata, "name": "b"}}
    ordered = yamlio.ordered(body)
    assert same(ordered, body)
    assert every_key(ordered) == every_key(yamlreader.read(yamlio.encode(body), "").body)


def every_key(value: Any) -> list[str]:
    """Return all keys in the order in which they stand."""
    if isinstance(value, dict):
        return [name for key, item in value.items() for name in (key, *every_key(item))]
    return [name for item in value for name in every_key(item)] if isinstance(value, list) else []


def test_go_reads_thousands_of_nasty_texts_exactly() -> None:
    texts = list(nasty.texts(5000, seed=1))
    spec: Json = {
        "values": {f"k{index}": text for index, text in enumerate(texts)},
        "keys": {text: {"n": index} for index, text in enumerate(texts)},
        "lists": [
            texts,
            [[text] for text in texts[:400]],
            [{text: [text]} for text in texts[:400]],
        ],
        "numbers": [0, -1, 2**63 - 1, -(2**63), 0.1, 1e-7, 1e20, 2.0**66, 1e30, 5e-324, 1e22, -0.5],
        "others": [None, True, False, [], {}, [[], [{}, [None]]], {"": {"": [""]}}],
    }
    body = {"apiVersion": "example.org/v1", "kind": "Sample", "metadata": {"name": "a"}}
    read = read_by_kubectl(yamlio.encode({**body, "spec": spec}))["spec"]
    assert unequal(read["values"], spec["values"]) == {}
    assert unequal(read["keys"], spec["keys"]) == {}
    assert same(read, spec)


def test_kustomize_and_flux_read_nasty_texts_exactly(tmp_path: Path) -> None:
    # They use go-yaml v3. Kustomize itself cannot write control characters, so those stay out.
    texts = [text for text in nasty.texts(4000, seed=2) if not _CONTROLS & set(text)]
    values = {f"k{index}": text for index, text in enumerate(texts)}
    body = {"apiVersion": "example.org/v1", "kind": "Sample", "metadata": {"name": "a"}}
    (tmp_path / "sample.yaml").write_bytes(yamlio.encode({**body, "values": values}))
    (tmp_path / "kustomization.yaml").write_text("resources: [sample.yaml]\n")
    built = read_by_kubectl(kubectl("kustomize", str(tmp_path)))
    assert len(values) > 2000
    assert unequal(built["values"], values) == {}


_CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - set("\t\n\r")
_CONTROLS |= set("\ufeff\ufffe\uffff")


def unequal(got: Json, expected: Json) -> Json:
    return {
        key: (value, got.get(key, "missing"))
        for key, value in expected.items()
        if got.get(key, "missing") != value
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("nginx:1.27-alpine", "nginx:1.27-alpine"),
        ("registry/app@sha256:0a", "registry/app@sha256:0a"),
        ("500m", "500m"),
        ("128Mi", "128Mi"),
        ("30s", "30s"),
        ("1E", "'1E'"),
        ("8080", "'8080'"),
        ("1.27", "'1.27'"),
        ("yes", "'yes'"),
        ("it's", "'it''s'"),
        ("", "''"),
        ("a: b", "'a: b'"),
        ("é 😀", "'é 😀'"),
        ("a\x85b", '"a\\u0085b"'),
        ("a\r\nb", '"a\\r\\nb"'),
        ("a\nb", "|-\n    a\n    b"),
        ("a\n\n  b\n", "|\n    a\n\n      b"),
        ("a\n\n", "|+\n    a\n"),
        (" a\nb", '" a\\nb"'),
        (1e30, "1.0e+30"),
        (1e-7, "1.0e-07"),
        (2.5, "2.5"),
        (2.0, "2"),
        (1e20, "100000000000000000000"),
        (None, "null"),
        (True, "true"),
        ({}, "{}"),
        ([], "[]"),
        (["a", "b"], "\n  - a\n  - b"),
        ([{"b": 1, "a": 2}, [["x"]]], "\n  - a: 2\n    b: 1\n  - - - x"),
    ],
)
def test_the_look_of_a_value(value: Any, written: str) -> None:
    separator = "" if written.startswith("\n") else " "
    assert yamlio.encode({"x": {"v": value}}).decode() == f"x:\n  v:{separator}{written}\n"


def test_a_key_too_long_for_a_simple_key_is_written_as_a_complex_one() -> None:
    key = "k" * 1001
    data = yamlio.encode({key: {"a": 1}, "x": [{key: [1]}]})
    assert data.decode() == f"? {key}\n:\n  a: 1\nx:\n- ? {key}\n  :\n  - 1\n"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "\ud800", {"a": {"b": "\udfff"}}])
def test_what_yaml_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"surrogates not allowed|cannot stand in a manifest"):
        yamlio.encode({"a": value})


@pytest.mark.parametrize("value", [(1,), {1: 2}, {None: 1}, b"x", {"a", "b"}, Path("a")])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        yamlio.encode({"a": value})


def test_the_caches_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlio, "_MAX_CACHED", 50)
    body = {f"key {index}": f"value {index}" for index in range(500)}
    assert same(yamlio.decode(yamlio.encode(body)), body)
    assert len(yamlio._keys) <= 50
    assert len(yamlio._texts) <= 50


# ── Reading what people edit ─────────────────────────────────────────────────────────────────


def read(text: str) -> Json:
    return yamlio.decode(text.encode(), source="a.yaml")


SCALARS: list[tuple[str, Any]] = [
    ("yes", True),
    ("Off", False),
    ("y", True),
    ("N", False),
    ("tRue", "tRue"),
    ("~", None),
    ("", None),
    ("017", 15),
    ("0o17", 15),
    ("0x1F", 31),
    ("-0b11", -3),
    ("08", 8),
    ("1_000", 1000),
    ("1e3", 1000),
    ("1.0", 1),
    (".5", 0.5),
    (".3_1", 0.31),
    ("1e400", "1e400"),
    ("12:30:45", "12:30:45"),
    ("2001-01-01", "2001-01-01"),
    ("=", "="),
    ("'yes'", "yes"),
    ('"1"', "1"),
    ("0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF"),
    ("1e21", 1e21),
    ("!!str 1", "1"),
    ("! 1", "1"),
    ("!!int '5'", 5),
    ("!!float 1", 1),
    ("!!bool 'no'", False),
    ("!!null ''", None),
    ("{b: 1, c: [x, ]}", {"b": 1, "c": ["x"]}),
    ("a b # c", "a b"),
    (">-\n  a\n  b", "a b"),
    ("&x 1", 1),
    ("|\n  a\r\n  b", "a\nb\n"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_values_that_people_write(text: str, value: Any) -> None:
    assert same(read(f"a: {text}\n")["a"], value)


def test_values_are_read_as_kubectl_reads_them() -> None:
    lines = [f"k{index}: {text}\n" for index, (text, _) in enumerate(SCALARS)]
    document = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n" + "".join(lines)
    got = read_by_kubectl(document.encode())
    wrong = {
        text: got[f"k{index}"]
        for index, (text, value) in enumerate(SCALARS)
        if not same(got[f"k{index}"], value)
    }
    assert wrong == {}


def test_plain_scalars_mean_what_they_mean_to_kubectl() -> None:
    chance = random.Random(3)
    characters = "0123456789" * 2 + "+-._eExXoObB" + "__"
    texts = {word for word in nasty.WORDS if word.isascii() and word.isalnum()}
    while len(texts) < 4000:
        texts.add("".join(chance.choices(characters, k=chance.randint(1, 7))))
    # Integers beyond 64 bits stay exact here, and become floats there.
    plain = sorted(texts - {"-", "---", "...", "18446744073709551616"})
    lines = [f"  k{index}: {text}\n" for index, text in enumerate(plain)]
    head = "apiVersion: v1\nkind: A\nmetadata: {name: a}\ndata:\n"
    document = (head + "".join(lines)).encode()
    got, expected = read(document.decode())["data"], read_by_kubectl(document)["data"]
    keys = {f"k{index}": text for index, text in enumerate(plain)}
    differences = {
        text: (got[key], expected[key])
        for key, text in keys.items()
        if not same(got[key], expected[key])
    }
    assert differences == {}


@pytest.mark.parametrize(
    ("document", "body"),
    [
        ("{a: 1, <<: {a: 2, b: 3}}", {"a": 2, "b": 3}),
        ("{<<: {a: 2, b: 3}, a: 1}", {"a": 1, "b": 3}),
        ("<<: [{a: 2}, {a: 4, c: 5}]", {"a": 2, "c": 5}),
        (
            "a: &x {b: [1]}\nc: *x\nd: {<<: *x, e: 2}",
            {"a": {"b": [1]}, "c": {"b": [1]}, "d": {"b": [1], "e": 2}},
        ),
        ("'<<': 1", {"<<": 1}),
        ("true: 1\n10: 2\n0x10: 3\nno: 4", {"true": 1, "10": 2, "16": 3, "false": 4}),
        ("&a b: *a", {"b": "b"}),
        ("---\n---\na: 1\n---\n# nothing\n...\n", {"a": 1}),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ('{"a": "b", "c": [1, 2]}', {"a": "b", "c": [1, 2]}),
        ("%YAML 1.2\n---\na: 1", {"a": 1}),
        ("a:\n- b\nc:\n  - d\n", {"a": ["b"], "c": ["d"]}),
    ],
)
def test_documents_that_people_write(document: str, body: Json) -> None:
    assert same(read(document), body)


def test_keys_keep_the_order_of_the_file() -> None:
    assert list(read("b: 1\na: {d: 1, c: 2}\n# end\n")) == ["b", "a"]
    assert list(read("b: 1\na: {d: 1, c: 2}\n# end\n")["a"]) == ["d", "c"]


def test_aliases_are_copies() -> None:
    body = read("a: &x {b: 1}\nc: *x\n")
    body["a"]["b"] = 2
    assert body["c"] == {"b": 1}


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("document", "line", "column", "problem", "hint"),
    [
        (
            "a: 1\nb:\n  c: hunter2\n  c: hunter2\n",
            4,
            3,
            "key c stands here a second time",
            "Remove",
        ),
        ("'hunter2 x': 1\n'hunter2 x': 1\n", 2, 1, "this key stands here a second time", "Remove"),
        ("yes: 1\ntrue: 2\n", 2, 1, "key true stands", "Remove"),
        ("a: b: hunter2\n", 1, 5, "not valid YAML", "colon and a space"),
        ("a:\n\thunter2: 1\n", 2, 1, "not valid YAML", "spaces instead of tabs"),
        ("a: 'hunter2\n", 2, 1, "not valid YAML", "Close the quote"),
        ("a: >\n x\nhunter2\n", 4, 1, "not valid YAML", "colon behind the key"),
        ('a: "\\q hunter2"\n', 1, 6, "not valid YAML", "backslashes"),
        ("a: [hunter2\nb: 1\n", 2, 2, "not valid YAML", "brackets"),
        ("a: !hunter2!x y\n", 1, 4, "not valid YAML", "indentation"),
        ("a: *hunter2\n", 1, 4, "the anchor of this alias", "begins with *"),
        ("a: &hunter2 [*hunter2]\n", 1, 14, "the anchor of this alias", "begins with *"),
        ("a: !hunter2 x\n", 1, 4, "a tag stands here", "begins with !"),
        ("a: !!binary aHVudGVyMg==\n", 1, 4, "a tag stands here", "Remove the tag"),
        ("a: !!int hunter2\n", 1, 4, "a tag stands here", "Remove the tag"),
        ("a: !!set {hunter2}\n", 1, 4, "a tag stands here", "Remove the tag"),
        ("a: !!omap [hunter2: 1]\n", 1, 4, "a tag stands here", "Remove the tag"),
        ("a: -.inf\n", 1, 4, "neither infinities nor NaN", "quotes"),
        ("a: 1\n? [hunter2]\n: 1\n", 2, 3, "this key is not text", "quotes around the key"),
        ("1.5: hunter2\n", 1, 1, "this key is not text", "quotes around the key"),
        ("null: hunter2\n", 1, 1, "this key is not text", "quotes around the key"),
        ("<<: hunter2\n", 1, 1, "merge key", "alias of a mapping"),
        ("a: 1\n---\nhunter2: 1\n", 2, 1, "second document", "file of its own"),
        ('a: "\\ud83d\\ude00hunter2"\n', 1, 4, "surrogate", "\\U"),
        ("a: hunter2\nb: x\x01\n", 2, 5, "U+0001 cannot stand in YAML", '"\\u0001"'),
        ("- hunter2\n", 0, 0, "does not hold keys and values", "apiVersion"),
        ("hunter2\n", 0, 0, "does not hold keys and values", "apiVersion"),
        ("# hunter2\n---\n", 0, 0, "the file is empty", "apiVersion"),
        ("a: " + "[" * 700 + "]" * 700, 0, 0, "nested too deeply", "Nest it less"),
        ("- " * 700 + "a", 0, 0, "nested too deeply", "Nest it less"),
    ],
)
def test_what_cannot_be_read_safely_is_told_with_place_and_remedy(
    document: str, line: int, column: int, problem: str, hint: str
) -> None:
    with pytest.raises(yamlio.YamlError) as caught:
        read(document)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert problem in error.problem
    assert hint in error.hint
    place = f"a.yaml, line {line}, column {column}: " if line else "a.yaml: "
    assert str(error) == place + error.problem
    assert SECRET not in str(error) + error.hint
    assert error.__context__ is None or error.__suppress_context__
    assert SECRET not in str(error.__context__)


def test_bytes_that_are_not_utf_8_are_told_with_their_place() -> None:
    with pytest.raises(yamlio.YamlError, match="UTF-8") as caught:
        yamlio.decode(b"a: 1\nb: \xe4x\n", source="a.yaml")
    assert (caught.value.line, caught.value.column) == (2, 4)


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    with pytest.raises(yamlio.YamlError, match="too many values") as caught:
        read("\n".join(lines))
    assert caught.value.line == 7


@settings(max_examples=200)
@given(st.lists(st.sampled_from("ab1 \n\t-:?[]{}&*!|>'\"%@#,\\<~=."), max_size=30).map("".join))
def test_any_file_is_read_or_refused_in_our_own_words(text: str) -> None:
    try:
        body = read(text)
    except yamlio.YamlError:
        return
    assert same(yamlio.decode(yamlio.encode(body)), body)


# ── The configuration file ───────────────────────────────────────────────────────────────────


def test_config_knows_the_lines_of_its_keys() -> None:
    text = (
        b"# my cluster\nrepo: /x\ngit:\n  branch: main\n  remotes:\n  - name: a\n\n  - {name: b}\n"
    )
    data, lines = yamlio.decode_config(text, "kube2git.yaml")
    assert data == {
        "repo": "/x",
        "git": {"branch": "main", "remotes": [{"name": "a"}, {"name": "b"}]},
    }
    assert lines["repo",] == 2
    assert lines["git", "branch"] == 4
    assert lines["git", "remotes", 1] == 8
    assert lines["git", "remotes", 1, "name"] == 8


@pytest.mark.parametrize("text", [b"", b"# nothing yet\n", b"---\n", b"null\n"])
def test_an_empty_config_is_an_empty_mapping(text: bytes) -> None:
    assert yamlio.decode_config(text, "kube2git.yaml").body == {}


def test_a_broken_config_names_file_and_line() -> None:
    with pytest.raises(yamlio.YamlError, match=r"^kube2git\.yaml, line 2, column 1: the key repo"):
        yamlio.decode_config(b"repo: a\nrepo: b\n", "kube2git.yaml")
