"""Sealed files and the real sops program: each reads what the other writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube2git.core import yamlio
from kube2git.core.sealing import (
    CreationRules,
    Identities,
    Recipients,
    Scope,
    SealRule,
    recipients_of,
    unseal,
)
from kube2git.core.wire import Json
from tests.unit.core import nasty
from tests.unit.core.sealing.samples import (
    ALICE,
    BOB,
    Pair,
    base64,
    sealed,
    sealed_file,
    secret,
    ssh_pair,
)

SOPS = Path(sys.executable).parent / "sops"


class Sops:
    """The program, in a folder and with a home directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *args: str, identity: Pair | None = ALICE, editor: str = "") -> bytes:
        if identity and identity.private.startswith("-----"):
            key_file = self.home / "key"
            key_file.write_text(identity.private)
            key_file.chmod(0o600)
            keys = {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(key_file)}
        else:
            keys = {"SOPS_AGE_KEY": identity.private} if identity else {}
        done = subprocess.run(
            [str(SOPS), *args],
            capture_output=True,
            cwd=self.home,
            env={
                "HOME": str(self.home),
                "PATH": os.environ["PATH"],
                "SOPS_DISABLE_VERSION_CHECK": "1",
                "EDITOR": editor,
                **keys,
            },
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def write(self, data: bytes) -> str:
        (self.home / "file.yaml").write_bytes(data)
        return "file.yaml"

    def read(self) -> Json:
        return yamlio.decode((self.home / "file.yaml").read_bytes())

    def decrypt(self, data: bytes, identity: Pair = ALICE) -> Json:
        """Return what sops reads in a sealed file, its MAC verified."""
        body: Json = json.loads(
            self.run("decrypt", "--output-type=json", self.write(data), identity=identity)
        )
        return body

    def encrypt(self, body: Json, *options: str, recipient: str = ALICE.public) -> Json:
        """Return the document that sops makes of a clear object."""
        name = self.write(yamlio.encode(body))
        self.run("encrypt", f"--age={recipient}", "--in-place", *options, name, identity=None)
        return self.read()


@pytest.fixture
def sops(tmp_path: Path) -> Sops:
    return Sops(tmp_path)


# ── kube2git writes, sops reads ──────────────────────────────────────────────────────────────

ODD_KEYS = (
    'quote"s', "it's", "a.b/c", "sl/ash", "col:on", "ünï😀", " lead", "", "true", "1", "<<", "#",
)  # fmt: skip

EDGES: dict[str, Json] = {
    "plain": secret(data={"password": base64("hunter2"), "user": base64("app")}),
    "empty value": secret(data={"empty": "", "password": base64("x")}),
    "binary": secret(data={"keystore.jks": base64(bytes(range(256)))}),
    "1 MiB": secret(data={"large": base64(os.urandom(1 << 20))}),
    "newlines": secret(stringData={"a": "a\nb\n\n", "b": "\r\na\r\n", "c": "\n", "d": " x\n y"}),
    "looks sealed": secret(
        stringData={
            "a": "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]",
            "b": "ENC[",
            "c": "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:int]\nmore",
        }
    ),
    "odd keys": secret(stringData={key: f"value {place}" for place, key in enumerate(ODD_KEYS)}),
    "odd values": secret(stringData={f"k{at}": word for at, word in enumerate(nasty.WORDS)}),
    "odd values in clear": secret(
        annotations={f"k{at}": word for at, word in enumerate(nasty.WORDS)}, data={"a": "YQ=="}
    ),
    "no data": secret(),
    "empty data": secret(data={}, stringData={}),
    "null data": secret(data=None, stringData={"a": None}),
    "immutable": secret(data={"a": base64("b")}, immutable=True),
}


@pytest.mark.parametrize("body", EDGES.values(), ids=EDGES.keys())
def test_sops_opens_what_kube2git_seals(sops: Sops, body: Json) -> None:
    file = sealed_file(body)
    assert sops.decrypt(file) == body
    assert unseal(yamlio.decode(file), ALICE.identities) == body


any_secret = st.builds(
    secret,
    data=st.dictionaries(nasty.any_text, st.binary(max_size=40).map(base64), max_size=4),
    stringData=st.dictionaries(nasty.any_text, nasty.any_text, max_size=4),
    immutable=st.booleans(),
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=any_secret)
def test_sops_opens_any_secret(sops: Sops, body: Json) -> None:
    assert sops.decrypt(sealed_file(body)) == body


DATABASE = {
    "apiVersion": "example.com/v1",
    "kind": "Database",
    "metadata": {"name": "main", "namespace": "shop"},
    "spec": {
        "replicas": 3,
        "ratio": 0.25,
        "limit": 1.0e30,
        "tiny": 1.5e-9,
        "whole": [4.0, -0.0, 1e15, 1e20, 1e21, 2**63 - 1, 10**22],
        "public": False,
        "users": [
            {"name": "a", "password": "first", "pin": 1234, "limit": -0.5},
            {
                "name": "b",
                "password": "second",
                "pin": 0,
                "keys": ["one", "", None, True, 4.0, 1e20],
            },
        ],
    },
}
DATABASE_RULE = SealRule.of(
    "Database.example.com", ["spec.users[].password", "spec.users[].pin", "spec.users[].keys"]
)


@pytest.mark.parametrize(
    "scope",
    [
        None,
        Scope("encrypted_regex", "^users$"),
        Scope("encrypted_regex", "^(password|pin|keys)$", mac_only_encrypted=True),
        Scope("unencrypted_regex", "^(apiVersion|kind|metadata|replicas)$"),
    ],
    ids=["of the kind", "more", "mac_only_encrypted", "all but"],
)
def test_sops_opens_other_kinds_and_types(sops: Sops, scope: Scope | None) -> None:
    file = sealed_file(DATABASE, rule=DATABASE_RULE, scope=scope)
    assert b"second" not in file
    assert sops.decrypt(file) == DATABASE
    assert unseal(yamlio.decode(file), ALICE.identities) == DATABASE


def test_each_recipient_opens_a_file_alone(sops: Sops) -> None:
    body = secret(data={"a": base64("b")})
    pairs = [ALICE, BOB, ssh_pair("ed25519"), ssh_pair("rsa")]
    file = sealed_file(body, recipients=Recipients.parse(pair.public for pair in pairs))
    for pair in pairs:
        assert sops.decrypt(file, pair) == body
        assert unseal(yamlio.decode(file), pair.identities) == body


# ── sops writes, kube2git reads ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        ["--encrypted-regex=^(data|stringData)$"],
        ["--unencrypted-regex=^(apiVersion|kind|metadata|type)$"],
        ["--encrypted-suffix=Data"],
        ["--unencrypted-suffix=data"],
        [],
        ["--encrypted-regex=(?i)^(?P<name>stringdata|[d-d]ata)\\z"],
    ],
    ids=["encrypted_regex", "unencrypted_regex", "encrypted_suffix", "unencrypted_suffix", "all",
         "syntax of Go"],
)  # fmt: skip
def test_kube2git_opens_what_sops_seals(sops: Sops, options: list[str]) -> None:
    body = secret(
        data={"a": base64("b"), "empty": ""},
        stringData={"text": "line\nline\n", "enc": "ENC["},
        more={"int": 5, "float": 2.5, "truth": True, "list": ["x", {"y": 1}], "none": None},
    )
    document = sops.encrypt(body, *options)
    assert document != body
    assert unseal(document, ALICE.identities) == body


@pytest.mark.parametrize("mac_only", [True, False])
def test_a_file_without_a_setting_is_read_as_sops_reads_it(sops: Sops, mac_only: bool) -> None:
    rule = {"age": ALICE.public, "mac_only_encrypted": mac_only}
    (sops.home / ".sops.yaml").write_bytes(yamlio.encode({"creation_rules": [rule]}))
    body = secret(data={"a": base64("b")}, note_unencrypted={"x": "in clear"})
    name = sops.write(yamlio.encode(body))
    sops.run("encrypt", "--in-place", name)
    document = sops.read()
    assert document["note_unencrypted"] == body["note_unencrypted"]
    assert document["sops"].pop("unencrypted_suffix") == "_unencrypted"
    assert unseal(document, ALICE.identities) == body


def test_dates_without_quotes_are_read_as_sops_prints_them(sops: Sops) -> None:
    file = yamlio.encode(secret(stringData={"day": "DAY"}, note="DAY"))
    name = sops.write(file.replace(b"DAY", b"2026-03-01"))
    sops.run("encrypt", f"--age={ALICE.public}", "--encrypted-regex=^stringData$", "-i", name)
    document = sops.read()
    assert ",type:time]" in document["stringData"]["day"]
    clear = unseal(document, ALICE.identities)
    assert (clear["stringData"]["day"], clear["note"]) == ("2026-03-01T00:00:00Z",) * 2


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_kube2git_opens_what_sops_seals_for_an_ssh_key(sops: Sops, kind: str) -> None:
    pair = ssh_pair(kind)
    body = secret(data={"a": base64("b")})
    document = sops.encrypt(body, recipient=f"{pair.public} me@home")
    assert unseal(document, pair.identities) == body


def test_a_file_changed_by_sops_set_is_read_back(sops: Sops) -> None:
    body = secret(data={"a": base64("old"), "b": base64("other")}, stringData={"c": "x"})
    name = sops.write(sealed_file(body))
    sops.run("set", name, '["data"]["a"]', json.dumps(base64("new")))
    sops.run("set", name, '["data"]["z"]', json.dumps(base64("further")))
    changed = secret(
        data={"a": base64("new"), "b": base64("other"), "z": base64("further")},
        stringData={"c": "x"},
    )
    assert unseal(sops.read(), ALICE.identities) == changed


EDITS = """\
import pathlib, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text().replace("c: before", "# a comment\\n    c: |\\n        after\\n        all")
path.write_text(text.replace("    app: web\\n", "") + "immutable: true\\n")
"""


def test_a_file_changed_by_sops_edit_is_read_back(sops: Sops) -> None:
    script = sops.home / "edit.py"
    script.write_text(EDITS)
    body = secret(stringData={"a": "first", "c": "before", "d": "last"})
    name = sops.write(sealed_file(body, recipients=Recipients.parse([ALICE.public, BOB.public])))
    sops.run("edit", name, editor=f"{sys.executable} {script}")
    document = sops.read()
    changed = secret(stringData={"a": "first", "c": "after\nall\n", "d": "last"}, immutable=True)
    del changed["metadata"]["labels"]["app"]
    assert unseal(document, BOB.identities) == changed
    assert b"type:comment]" in (sops.home / name).read_bytes()
    assert set(recipients_of(document)) == {ALICE.public, BOB.public}


def test_a_file_with_a_new_data_key_is_read_back(sops: Sops) -> None:
    body = secret(data={"a": base64("b")})
    name = sops.write(sealed_file(body))
    sops.run("rotate", "--in-place", f"--add-age={BOB.public}", name)
    assert unseal(sops.read(), BOB.identities) == body


def test_creation_rules_mean_the_same_to_both(sops: Sops) -> None:
    rules: dict[str, Any] = {
        "creation_rules": [
            {"path_regex": r"^other/.*\.yaml$", "age": ALICE.public},
            {
                "path_regex": r"file\.yaml$",
                "age": f"{BOB.public}, {ALICE.public}",
                "encrypted_regex": "^(data|stringData)$",
                "mac_only_encrypted": True,
            },
            {"age": ALICE.public},
        ]
    }
    (sops.home / ".sops.yaml").write_bytes(yamlio.encode(rules))
    body = secret(data={"a": base64("b")})
    name = sops.write(yamlio.encode(body))
    sops.run("encrypt", "--in-place", name)
    theirs = sops.read()

    rule = CreationRules.parse(rules).rule_for(name)
    assert rule is not None
    ours = sealed(body, recipients=rule.recipients, scope=rule.chosen)
    assert set(recipients_of(ours)) == set(recipients_of(theirs)) == {ALICE.public, BOB.public}
    settings_of = {"encrypted_regex", "mac_only_encrypted"}
    assert {key: ours["sops"][key] for key in settings_of} == {
        key: theirs["sops"][key] for key in settings_of
    }
    assert unseal(theirs, Identities.parse(BOB.private)) == body
