"""Secrets in Git: sealed, quiet, restorable, and nowhere in clear text."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.controlplane import ControlPlane
from tests.tool import Tool, make_tool

SOPS = Path(sys.executable).parent / "sops"
CANARY = "canary-7f3a9c51e0d2"

EDGES = {
    "empty": b"",
    "binary": bytes(range(256)),
    "newlines": b"a\nb\r\n\n",
    "looks-sealed": b"ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]",
    "big": os.urandom(300_000),
    "dotted.key": b"v",
    "unicode": "\U0001f6a2 ünïcödé".encode(),
}


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    """A tool with a recovery key, as `kube2git init` makes it."""
    tool = Tool(cluster.kubeconfig, tmp_path / "kube2git.git", tmp_path)
    del tool.environ["KUBE2GIT_REPO"]
    tool.run("init")
    return tool


def create_secret(cluster: ControlPlane, namespace: str, name: str, **data: bytes) -> None:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    body = {"metadata": {"name": name}, "data": encoded, "type": "Opaque"}
    cluster.create(f"/api/v1/namespaces/{namespace}/secrets", body)


def sops(tool: Tool, *args: str, **environ: str) -> str:
    done = subprocess.run(
        [str(SOPS), *args],
        env={
            **tool.environ,
            "SOPS_DISABLE_VERSION_CHECK": "1",
            "SOPS_AGE_KEY_FILE": str(tool.home / "config" / "kube2git" / "age.key"),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def path_of(namespace: str, name: str) -> str:
    return f"namespaces/{namespace}/Secret/{name}.yaml"


def test_the_real_sops_opens_every_value(
    cluster: ControlPlane, namespace: str, tool: Tool, tmp_path: Path
) -> None:
    create_secret(cluster, namespace, "edges", **EDGES)
    tool.export("-n", namespace)
    file = tmp_path / "edges.yaml"
    file.write_text(tool.files()[path_of(namespace, "edges")])
    data = yaml.safe_load(sops(tool, "-d", str(file)))["data"]
    assert {key: base64.b64decode(text) for key, text in data.items()} == EDGES


def test_unchanged_secrets_keep_their_bytes(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_secret(cluster, namespace, "a", k=b"one")
    create_secret(cluster, namespace, "b", k=b"two")
    tool.export("-n", namespace)
    before = tool.files()
    assert tool.export("-n", namespace)["commit"] is None
    for memory in (tool.home / "kube2git.git").rglob("seen-*"):
        memory.unlink()
    assert tool.export("-n", namespace)["commit"] is None
    patch = json.dumps({"stringData": {"k": "three"}})
    cluster.kubectl("patch", "-n", namespace, "secret/b", "-p", patch)
    report = tool.export("-n", namespace)
    assert [item["object"]["name"] for item in report["changes"]] == ["b"]
    after = tool.files()
    assert before[path_of(namespace, "a")] == after[path_of(namespace, "a")]
    assert before[path_of(namespace, "b")] != after[path_of(namespace, "b")]


def test_a_secret_that_was_edited_in_git_differs_from_the_cluster_until_the_next_export(
    cluster: ControlPlane, namespace: str, tool: Tool, tmp_path: Path
) -> None:
    create_secret(cluster, namespace, "a", k=b"one")
    tool.export("-n", namespace)
    tree = tmp_path / "tree"
    tool.git("clone", "-q", str(tool.repo), str(tree))
    value = json.dumps(base64.b64encode(b"from git").decode())
    sops(tool, "set", str(tree / path_of(namespace, "a")), '["data"]["k"]', value)
    person = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    tool.git("-C", str(tree), *person, "commit", "-qam", "edited")
    tool.git("-C", str(tree), "push", "-q", "origin", "HEAD:main")
    live = ("diff", "main", "--live", "-n", namespace, "-o", "name")
    assert tool.run(*live, codes=(1,)).stdout.split()[0] == "secret/a"
    plan = tool.run("replay", "main", "-n", namespace, "--dry-run=client", "-o", "json").json
    assert plan["plan"]["counts"]["update"] == 1

    (tree / path_of(namespace, "a")).write_text("data: [\nsops:\n")
    tool.git("-C", str(tree), *person, "commit", "-qam", "broken")
    tool.git("-C", str(tree), "push", "-q", "origin", "HEAD:main")
    assert f"{path_of(namespace, 'a')}, line" in tool.run("check", codes=(1,)).stdout
    assert "secret/a" in tool.run("seal", "rotate", codes=(3,)).stderr

    report = tool.export("-n", namespace)
    assert [item["object"]["name"] for item in report["changes"]] == ["a"]
    tool.run(*live)


def test_a_lost_fingerprint_key_costs_one_sealing(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_secret(cluster, namespace, "a", k=b"one")
    tool.export("-n", namespace)
    (tool.home / "config" / "kube2git" / "fingerprint.key").unlink()
    answer = tool.run("export", "-n", namespace, "-o", "json")
    assert "sealed again once" in answer.stderr
    assert answer.json["commit"]
    assert tool.export("-n", namespace)["commit"] is None


def test_a_password_in_a_config_map_is_withheld(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_secret(cluster, namespace, "db", password=CANARY.encode())
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.create(path, {"metadata": {"name": "web"}, "data": {"url": f"pg://u:{CANARY}@h"}})
    cluster.create(path, {"metadata": {"name": "other"}, "data": {"k": "v"}})
    answer = tool.run("export", "-n", namespace, "-o", "json", codes=(3,))
    assert answer.json["withheld"][0]["object"] == f"configmap/web -n {namespace}"
    assert "sealing.allow: {ConfigMap: ['data.url']}" in answer.stderr
    assert CANARY not in answer.stdout + answer.stderr
    assert f"namespaces/{namespace}/ConfigMap/other.yaml" in tool.paths()
    assert f"namespaces/{namespace}/ConfigMap/web.yaml" not in tool.paths()

    config = tool.home / "kube2git.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["sealing"]["leaks"] = "seal"
    config.write_text(yaml.safe_dump(settings))
    tool.export("-n", namespace)
    sealed = tool.files()[f"namespaces/{namespace}/ConfigMap/web.yaml"]
    assert "ENC[AES256_GCM" in sealed
    assert tool.export("-n", namespace)["commit"] is None

    settings["sealing"].update({"leaks": "withhold", "allow": {"ConfigMap": ["data.url"]}})
    config.write_text(yaml.safe_dump(settings))
    tool.export("-n", namespace)
    assert CANARY in tool.files()[f"namespaces/{namespace}/ConfigMap/web.yaml"]


def test_rotation_opens_for_the_new_key_only(
    cluster: ControlPlane, namespace: str, tool: Tool, tmp_path: Path
) -> None:
    create_secret(cluster, namespace, "a", k=b"one-and-only")
    tool.export("-n", namespace)
    keys = tool.home / "config" / "kube2git"
    (keys / "age.key").rename(keys / "old.key")
    other = tmp_path / "other"
    other.mkdir()
    newer = Tool(cluster.kubeconfig, tool.repo, other, {"XDG_CONFIG_HOME": str(keys.parent)})
    newer.run("init", str(tmp_path / "unused.git"), "--config", "new.yaml")
    recipient = yaml.safe_load((other / "new.yaml").read_text())["sealing"]["recipients"]
    settings = yaml.safe_load((tool.home / "kube2git.yaml").read_text())
    settings["sealing"] = {
        "recipients": recipient,
        "identity_files": [str(keys / "old.key"), str(keys / "age.key")],
    }
    (tool.home / "kube2git.yaml").write_text(yaml.safe_dump(settings))
    answer = tool.run("seal", "rotate")
    assert "Earlier commits still open" in answer.stderr
    text = tool.files()[path_of(namespace, "a")]
    assert recipient[0] in text
    assert tool.export("-n", namespace)["commit"] is None
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert "b25lLWFuZC1vbmx5" in sops(tool, "-d", str(file))
    with pytest.raises(AssertionError):
        sops(tool, "-d", str(file), SOPS_AGE_KEY_FILE=str(keys / "old.key"))


def test_a_recipient_that_is_none_is_told_before_anything_is_written(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_secret(cluster, namespace, "a", k=b"one")
    answer = tool.run(
        *("export", "-n", namespace), codes=(2,), environ={"KUBE2GIT_SEALING_RECIPIENTS": "age1bad"}
    )
    assert "recipient" in answer.stderr.lower()
    assert tool.commits() == []


def test_where_nothing_is_sealed_no_key_is_needed_nor_made_by_a_look(
    cluster: ControlPlane, namespace: str, tool: Tool, tmp_path: Path
) -> None:
    unusable = tmp_path / "file"
    unusable.write_text("not a folder")
    bare = make_tool(cluster.kubeconfig, tmp_path / "bare", {"XDG_CONFIG_HOME": str(unusable)})
    assert bare.export("-n", namespace)["commit"]
    tool.run("check", "-n", namespace)
    assert not (tool.home / "config" / "kube2git" / "fingerprint.key").exists()
