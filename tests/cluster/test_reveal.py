"""Secrets in clear for a person at a terminal, and keys that open with a passphrase."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pyrage
import pytest
import yaml

from tests.controlplane import ControlPlane
from tests.tool import Tool

OLD, NEW = "the first password", "the second password"
PASSPHRASE = "correct horse battery"


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path, namespace: str) -> Tool:
    """A tool and two commits, between which a password changes."""
    tool = Tool(cluster.kubeconfig, tmp_path / "kube2git.git", tmp_path)
    del tool.environ["KUBE2GIT_REPO"]
    tool.run("init")
    data = {"binary": base64.b64encode(bytes(range(200))).decode()}
    body = {"metadata": {"name": "db"}, "stringData": {"password": OLD}, "data": data}
    cluster.create(f"/api/v1/namespaces/{namespace}/secrets", body)
    tool.export("-n", namespace)
    change = json.dumps({"stringData": {"password": NEW}})
    cluster.kubectl("patch", "-n", namespace, "secret/db", "-p", change)
    tool.export("-n", namespace)
    return tool


def test_values_are_shown_on_a_terminal(tool: Tool, namespace: str) -> None:
    shown = ("show", "HEAD:secret/db", "-n", namespace)
    code, said = tool.on_terminal(*shown, "--reveal")
    assert code == 0
    body = yaml.safe_load(said)
    assert body["stringData"] == {"password": NEW}
    assert base64.b64decode(body["data"]["binary"]) == bytes(range(200))
    assert "sops" not in body
    assert NEW not in tool.on_terminal(*shown)[1]

    between = ("diff", "HEAD~1", "HEAD", "-n", namespace)
    code, said = tool.on_terminal(*between, "--reveal")
    assert code == 1
    assert f"stringData.password: {OLD} -> {NEW}" in said
    code, said = tool.on_terminal(*between, "--reveal", "-o", "diff")
    assert f"-  password: '{OLD}'\n" in said
    assert f"+  password: '{NEW}'\n" in said
    assert NEW not in tool.on_terminal(*between)[1]
    code, said = tool.on_terminal("diff", "HEAD~1", "--live", "-n", namespace, "--reveal")
    assert f"stringData.password: {OLD} -> {NEW}" in said


@pytest.mark.parametrize("command", [("show", "HEAD:secret/db"), ("diff", "HEAD~1")])
def test_values_are_shown_nowhere_else(
    tool: Tool, namespace: str, command: tuple[str, ...]
) -> None:
    answer = tool.run(*command, "-n", namespace, "--reveal", codes=(2,))
    assert "on a terminal only, and stdout is none" in answer.stderr
    assert answer.stdout == ""


def test_what_no_key_opens_is_not_revealed(tool: Tool, namespace: str) -> None:
    (tool.home / "config" / "kube2git" / "age.key").unlink()
    code, said = tool.on_terminal("show", "HEAD:secret/db", "-n", namespace, "--reveal")
    assert code == 4
    assert "identit" in said


@pytest.fixture
def protected(tool: Tool) -> Path:
    """The tool's key, which opens with the passphrase only."""
    key = tool.home / "config" / "kube2git" / "age.key"
    key.write_bytes(pyrage.passphrase.encrypt(key.read_bytes(), PASSPHRASE))
    return key


def test_a_passphrase_is_asked_for_on_a_terminal(
    tool: Tool, namespace: str, protected: Path
) -> None:
    shown = ("show", "HEAD:secret/db", "-n", namespace, "--reveal")
    code, said = tool.on_terminal(*shown, typed={"Passphrase of": PASSPHRASE})
    assert code == 0
    assert NEW in said
    assert PASSPHRASE not in said
    code, said = tool.on_terminal(*shown, typed={"Passphrase of": "a wrong guess"})
    assert code == 2
    assert "does not open with the passphrase" in said
    assert "a wrong guess" not in said


def test_a_passphrase_may_come_from_a_variable(tool: Tool, namespace: str, protected: Path) -> None:
    # Nobody is asked for what is not needed, nor where nobody is.
    tool.run("show", "HEAD:secret/db", "-n", namespace)
    for command in (
        ("diff", "HEAD~1"),
        ("seal", "rotate"),
        ("replay", "HEAD~1", "--dry-run=client"),
    ):
        answer = tool.run(*command, codes=(2,))
        assert "protected by a passphrase, and none was given" in answer.stderr
        assert "sealing.passphrase_variable" in answer.stderr
    right = {"KUBE2GIT_PASSPHRASE": PASSPHRASE}
    checked = tool.run("check", "-n", namespace, codes=(0, 1), environ=right).stdout
    assert "It works: 1 of 1 sealed files open." in checked
    tool.environ["SECRET_WORDS"] = PASSPHRASE
    other = {"KUBE2GIT_SEALING_PASSPHRASE_VARIABLE": "SECRET_WORDS"}
    tool.run("diff", "HEAD~1", codes=(1,), environ=other)
    wrong = tool.run("diff", "HEAD~1", codes=(2,), environ={"KUBE2GIT_PASSPHRASE": "no"})
    assert "does not open with the passphrase" in wrong.stderr
