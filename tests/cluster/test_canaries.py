"""Every command and every likely error over Secrets with known values, which must be nowhere."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import faults
from tests.controlplane import ControlPlane
from tests.faults import Answer, FaultProxy, Reply, Request
from tests.handmade import commit_file
from tests.signers import allow, make_ssh_key
from tests.tool import Tool

CANARY = "canary-7f3a9c51e0d2"
VALUES = (CANARY, CANARY[::-1], f"{CANARY}-2", f"{CANARY}-3")
LEVELS = ((), ("-vv",))
"""What -v says, -vv says too."""
TAKING_OVER = ("--take-over=kubectl*",)
ANY = tuple(range(30))
"""How a command ends does not matter here, only what it says."""


def needles() -> list[str]:
    """Return the values, and the parts of their base64 forms that no neighbour changes."""
    encoded = []
    for text in (CANARY, CANARY[::-1]):
        for shift in range(3):
            whole = base64.b64encode(b"x" * shift + text.encode()).decode()
            encoded.append(whole[4:-4])
    return [*VALUES[:2], *encoded]


class Ear:
    """Runs commands and keeps all that they say, with the files that they leave."""

    def __init__(self, tool: Tool, temporary: Path) -> None:
        self.tool = tool
        self.temporary = temporary
        temporary.mkdir()
        self.said: dict[str, str] = {}
        self.level: tuple[str, ...] = ()

    def run(self, *args: str, codes: tuple[int, ...] = (0,), **environ: str) -> str:
        words = (*args, *self.level)
        environ = {"TMPDIR": str(self.temporary), **environ}
        answer = self.tool.run(*words, codes=codes, environ=environ)
        text = answer.stdout + answer.stderr
        self.said[f"{len(self.said)}: {' '.join(words)} ({answer.code})"] = text
        return text

    def assert_silence(self) -> None:
        """Look for every value in everything."""
        found = [
            (words, needle)
            for words, text in self.said.items()
            for needle in needles()
            if needle in text
        ]
        assert found == []
        repo = self.tool.home / "kube2git.git"
        listed = ("git", "-C", str(repo), "cat-file", "--batch-all-objects", "--batch", "--buffer")
        objects = subprocess.run(listed, capture_output=True, check=True).stdout
        assert len(objects) > 10_000
        files = [path for path in self.tool.home.rglob("*") if path.is_file()]
        for needle in needles():
            assert needle.encode() not in objects
            assert [path for path in files if needle.encode() in path.read_bytes()] == []


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    tool = Tool(cluster.kubeconfig, tmp_path / "kube2git.git", tmp_path)
    del tool.environ["KUBE2GIT_REPO"]
    tool.run("init")
    key = make_ssh_key(tmp_path / "signing_key")
    config = yaml.safe_load((tmp_path / "kube2git.yaml").read_text())
    config["git"] = {"signing": "ssh", "signing_key": str(key)}
    signers = allow(tmp_path / "signers", {"exporter@example.com": key})
    config["replay"] = {"allowed_signers": str(signers)}
    (tmp_path / "kube2git.yaml").write_text(yaml.safe_dump(config))
    return tool


@pytest.fixture
def ear(cluster: ControlPlane, namespace: str, tool: Tool) -> Ear:
    """Secrets in the cluster, and two exports between which one changes."""
    encoded = base64.b64encode(VALUES[1].encode()).decode()
    body = {
        "metadata": {"name": "db"},
        "stringData": {"password": VALUES[0]},
        "data": {"token": encoded},
    }
    cluster.create(f"/api/v1/namespaces/{namespace}/secrets", body)
    applied = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "applied", "namespace": namespace},
        "stringData": {"password": VALUES[2]},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(applied))
    ear = Ear(tool, tool.home / "tmp")
    ear.level = ("-vv",)
    ear.run("export", "-n", namespace)
    change_password(cluster, namespace, VALUES[3])
    return ear


def change_password(cluster: ControlPlane, namespace: str, value: str) -> None:
    patch = json.dumps({"stringData": {"password": value}})
    cluster.kubectl("patch", "-n", namespace, "secret/db", "-p", patch)


def test_no_command_says_a_value(cluster: ControlPlane, namespace: str, ear: Ear) -> None:
    space = ("-n", namespace)
    ear.run("diff", "HEAD", "--live", *space, codes=(1,))
    ear.level = ()
    ear.run("export", *space, "-o", "json", "--profile")
    for number, level in enumerate(LEVELS):
        ear.level = level
        form = ("diff", "json")[number]
        change_password(cluster, namespace, f"{CANARY}-{number}")
        ear.run("diff", "HEAD", "--live", *space, "-o", form, codes=(1,))
        ear.run("diff", "HEAD~1", "HEAD", *space, "-o", form, codes=(1,))
        replay = ("replay", "HEAD", *space, "--verify", *TAKING_OVER, "-o", form)
        ear.run(*replay, "--plan-out", str(ear.tool.home / f"plan{number}"), codes=(0, 3))
        ear.run("seal", "rotate")
        form = ("table", "json")[number]
        ear.run("export", *space, "-o", form)
        ear.run("log", "secret/db", *space, "-o", form)
        ear.run("explain", "secret/applied", *space, "-o", form)
        ear.run("check", *space, "-o", form, codes=(0, 1))
        ear.run("show", "HEAD:secret/db", *space)
    ear.level = ("-vv",)
    ear.run("diff", "HEAD~1", "HEAD", *space, codes=(1,))
    ear.run("init")
    ear.run("replay", "HEAD~1", *space, *TAKING_OVER, "--yes", codes=(0, 3))
    assert "/secrets: 200, " in "".join(ear.said.values())
    assert any("Signed by" in text for text in ear.said.values())
    ear.assert_silence()


def echo(request: Request, proper: Answer) -> Reply:
    """Fail, and tell all that was asked, as an admission webhook may."""
    del proper
    words = request.body.decode("utf-8", "replace")
    return faults.status(422, "Invalid", f"Secret is invalid: {words}")(request, _never)


def crash(request: Request, proper: Answer) -> Reply:
    """Answer 500 with what should have been the answer."""
    plain = Request(
        request.method, request.target, {**request.headers, "accept-encoding": "identity"}
    )
    words = proper(plain).body.decode("utf-8", "replace")
    return faults.status(500, "InternalError", f"cannot convert {words}")(request, _never)


def _never(request: Request) -> Reply:
    raise AssertionError


@pytest.mark.parametrize("level", LEVELS[1:])
def test_no_error_says_a_value(
    cluster: ControlPlane, namespace: str, ear: Ear, level: tuple[str, ...]
) -> None:
    ear.level = level
    tool, space = ear.tool, ("-n", namespace)
    ear.run("export", *space, codes=(2,), KUBE2GIT_SEALING_RECIPIENTS="age1bad")
    ear.run("diff", "HEAD", *space, "--live", codes=(2,), SOPS_AGE_KEY="AGE-SECRET-KEY-1BAD")
    config = tool.home / "nobody.yaml"
    config.write_text(json.dumps(unreachable()))
    ear.run("export", *space, "--kubeconfig", str(config), codes=(20,))
    config.unlink()
    leak = {"metadata": {"name": "web"}, "data": {"url": f"pg://u:{VALUES[3]}@h"}}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.create(path, leak)
    ear.run("export", *space, codes=(3,))
    cluster.kubectl("delete", "configmap/web", *space)

    with FaultProxy.before(cluster) as proxy:
        faulty = ("--kubeconfig", str(proxy.kubeconfig(tool.home)))
        proxy.on("/secrets", crash, nth=range(1, 4))
        ear.run("export", *space, *faulty, codes=ANY)
        ear.run("explain", "secret/db", *space, *faulty, codes=ANY)
        proxy.forget()
        for method in ("POST", "PATCH", "PUT"):
            proxy.on("/secrets", echo, method=method)
        for form in ("table", "json"):
            ear.run(
                *("replay", "HEAD~1", *space, *faulty, *TAKING_OVER, "--yes", "-o", form),
                codes=(3,),
            )

    file = f"namespaces/{namespace}/Secret/db.yaml"
    sealed = yaml.safe_load(tool.files()[file])
    sealed["data"]["password"] = sealed["data"]["token"]
    commit_file(tool, file, yaml.safe_dump(sealed, sort_keys=False))
    ear.run("replay", "HEAD", *space, "--dry-run=server", codes=ANY)
    ear.run("replay", "HEAD", *space, "--verify", "--dry-run=server", codes=(5,))
    ear.run("diff", "HEAD~1", "HEAD", *space, "-o", "json", codes=ANY)
    ear.run("check", *space, codes=(1,))
    ear.run("seal", "rotate", codes=ANY)
    ear.assert_silence()


def unreachable() -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": CANARY}}],
    }


BUG = """
import sys
from kube2git.cli.main import main
from kube2git.core.sealing import sealer

def fail(*args, **more):
    try:
        {}[str(args)]
    except KeyError:
        raise ValueError(f"unexpected {args} {more}")

sealer.Sealer.seal = sealer.Sealer.rule_for = fail
main(sys.argv[1:])
"""


@pytest.mark.parametrize("level", LEVELS)
def test_a_bugs_traceback_says_where_and_no_value(
    namespace: str, ear: Ear, level: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUG, "export", "-n", namespace, *level],
        env=ear.tool.environ,
        cwd=ear.tool.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "this is a bug in kube2git (ValueError)" in done.stderr
    assert "exporting" in done.stderr
    assert "KeyError\nwhich led to:" in done.stderr
    ear.said["bug"] = done.stdout + done.stderr
    ear.assert_silence()
