"""Commits that can be trusted: signed by an export, verified by a replay."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.controlplane import ControlPlane
from tests.handmade import commit_file
from tests.signers import allow, make_ssh_key
from tests.tool import Tool, make_tool


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    """A tool that signs, and allows its own key."""
    key = make_ssh_key(tmp_path / "signing_key")
    signers = allow(tmp_path / "signers", {"exporter@example.com": key})
    tool = make_tool(cluster.kubeconfig, tmp_path)
    settings = {
        "git": {"signing": "ssh", "signing_key": str(key)},
        "replay": {"allowed_signers": str(signers)},
    }
    (tmp_path / "kube2git.yaml").write_text(yaml.safe_dump(settings))
    return tool


def test_an_export_signs_and_a_replay_says_who_it_was(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    tool.export("-n", namespace)
    signers = tool.home / "signers"
    tool.git("-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", "main")
    asked = ("replay", "main", "-n", namespace, "--verify", "--dry-run=server")
    assert "Signed by exporter@example.com (SHA256:" in tool.run(*asked).stdout
    header = tool.run(*asked, "-o", "json").json["plan"]["header"]
    assert header["signed_by"].startswith("exporter@example.com (SHA256:")
    checked = tool.run("check", "-n", namespace, "-o", "json", codes=(0, 1)).json
    found = {item["subject"]: item for item in checked}
    assert found["signing"]["ok"]
    assert found["signature"]["ok"]
    assert "exporter@example.com" in found["signature"]["message"]


def test_an_unsigned_commit_is_refused(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    tool.export("-n", namespace)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    commit_file(tool, f"namespaces/{namespace}/ConfigMap/x.yaml", yaml.safe_dump(body))
    asked = ("replay", "main", "-n", namespace, "--dry-run=server")
    answer = tool.run(*asked, "--verify", codes=(5,))
    assert "is not trusted. It is not signed." in answer.stderr
    assert "Signed by" not in tool.run(*asked, codes=(0, 3)).stdout
    required = {"KUBE2GIT_REPLAY_REQUIRE_SIGNATURE": "true"}
    tool.run(*asked, codes=(5,), environ=required)
    tool.run("replay", "main~1", *asked[2:], environ=required)
    checked = tool.run("check", "-n", namespace, codes=(1,))
    assert "fail  signature: The newest commit is not trusted." in checked.stdout


def test_whose_signatures_count_must_be_said(tool: Tool) -> None:
    nobody = {"KUBE2GIT_REPLAY_ALLOWED_SIGNERS": ""}
    answer = tool.run("replay", "main", "--verify", codes=(2,), environ=nobody)
    assert "set replay.allowed_signers" in answer.stderr
    required = {**nobody, "KUBE2GIT_REPLAY_REQUIRE_SIGNATURE": "true"}
    answer = tool.run("replay", "main", codes=(2,), environ=required)
    assert "replay.require_signature: this needs replay.allowed_signers" in answer.stderr


def test_an_export_that_cannot_sign_commits_nothing(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    (tool.home / "signing_key").unlink()
    checked = tool.run("check", "-n", namespace, codes=(1,)).stdout
    assert "fail  signing: Commits cannot be signed: there is no key file" in checked
    answer = tool.run("export", "-n", namespace, codes=(2,))
    assert "there is no key file" in answer.stderr
    assert tool.commits() == []
