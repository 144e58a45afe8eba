from __future__ import annotations

import base64
import logging
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube2git.adapters.kube.credentials import Credentials, find_account
from kube2git.errors import ClusterDeniedError, UsageError

TOKEN = "a-very-secret-token"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home without a kubeconfig, outside of any Pod."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return folder


def write_config(path: Path, user: dict[str, Any] | None = None, **changes: Any) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "me"}},
            {"name": "there", "context": {"cluster": "c", "user": "other"}},
        ],
        "users": [
            {"name": "me", "user": user if user is not None else {"token": TOKEN}},
            {"name": "other", "user": {"token": "other-token"}},
        ],
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


def write_plugin(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def load(kubeconfig: Path, context: str = "") -> Credentials:
    return find_account(str(kubeconfig), context).load(pool_size=2)


# ── where they are found ─────────────────────────────────────────────────────────────────────


def test_the_default_file_is_the_users_own(home: Path) -> None:
    write_config(home / ".kube" / "config")
    account = find_account("", "")
    assert account.context == "here"
    found = account.load(pool_size=1)
    assert (found.server, found.authorization()) == ("https://127.0.0.1:6443", f"Bearer {TOKEN}")


def test_kubeconfig_names_several_files_of_which_the_first_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_config(tmp_path / "one", clusters=[], contexts=[])
    second = write_config(tmp_path / "two", {"token": "of-the-second-file"})
    missing = tmp_path / "missing"
    monkeypatch.setenv("KUBECONFIG", f"{first}:{missing}:{second}")
    assert find_account("", "there").load(pool_size=1).authorization() == "Bearer other-token"
    assert find_account("", "here").load(pool_size=1).authorization() == f"Bearer {TOKEN}"


def test_a_file_that_is_given_beats_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_config(tmp_path / "one")))
    given = write_config(tmp_path / "two", {"token": "given"})
    assert load(given).authorization() == "Bearer given"
    assert load(given, "there").authorization() == "Bearer other-token"


def test_in_a_pod_its_own_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("pod-token")
    authority.write_text("certificate")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    package = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{package}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{package}.SERVICE_CERT_FILENAME", str(authority))
    account = find_account("", "")
    assert account.context == "in-cluster"
    found = account.load(pool_size=1)
    assert found.server == "https://10.0.0.1:443"
    assert found.authorization() == "bearer pod-token"
    token.write_text("renewed")
    assert account.load(pool_size=1).authorization() == "bearer renewed"


# ── which there are ──────────────────────────────────────────────────────────────────────────


def test_a_token_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file")
    config = write_config(tmp_path / "config", {"tokenFile": "token"})
    assert load(config).authorization() == "Bearer from-a-file"


def test_a_password_is_sent_as_basic_authentication(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config", {"username": "me", "password": "pass"})
    assert load(config).authorization() == "Basic " + base64.b64encode(b"me:pass").decode()


PLUGIN = """
import json
status = {"token": "from-the-plugin"}
print(json.dumps({
    "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
}))
"""


def exec_user(plugin: Path) -> dict[str, Any]:
    api_version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api_version, "command": str(plugin), "interactiveMode": "Never"}}


def test_a_plugin_is_asked(tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin", PLUGIN)
    config = write_config(tmp_path / "config", exec_user(plugin))
    assert load(config).authorization() == "Bearer from-the-plugin"


def test_a_plugin_that_fails_is_told_and_logs_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = write_plugin(tmp_path / "plugin", "import sys; sys.exit('please log in')")
    config = write_config(tmp_path / "config", exec_user(plugin))
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(ClusterDeniedError, match="please log in") as failure:
        load(config)
    assert str(plugin) in str(failure.value)
    assert failure.value.hint
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger().filters == []
    assert capfd.readouterr() == ("", "")


def test_a_plugin_that_fails_leaves_logging_as_it_was(tmp_path: Path) -> None:
    """The package logs where it should raise, which installs a handler where there is none."""
    plugin = write_plugin(tmp_path / "plugin", "import sys; sys.exit('please log in')")
    config = write_config(tmp_path / "config", exec_user(plugin))
    script = f"""
import logging
from kube2git.adapters.kube.credentials import find_account
from kube2git.errors import ClusterDeniedError
try:
    find_account({str(config)!r}, "").load(pool_size=1)
except ClusterDeniedError:
    print(len(logging.getLogger().handlers))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_plugin_that_is_missing_is_told(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config", exec_user(tmp_path / "nothing"))
    with pytest.raises(ClusterDeniedError, match="gave no credentials"):
        load(config)


# ── acting as somebody else ──────────────────────────────────────────────────────────────────


def test_acting_as_somebody_else_is_asked_for_by_headers(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config")
    account = find_account(str(config), "", as_user="jane", as_groups=("dev", "ops"))
    assert account.impersonation == (
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
    )


def test_a_kubeconfig_may_ask_for_it_too_and_flags_win(tmp_path: Path) -> None:
    user = {
        "token": TOKEN,
        "as": "robot",
        "as-uid": "7",
        "as-groups": ["machines"],
        "as-user-extra": {"reason": ["test"]},
    }
    config = write_config(tmp_path / "config", user)
    assert find_account(str(config), "").impersonation == (
        ("Impersonate-User", "robot"),
        ("Impersonate-Group", "machines"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-reason", "test"),
    )
    flagged = find_account(str(config), "", as_user="jane")
    assert flagged.impersonation == (("Impersonate-User", "jane"),)


def test_a_group_without_a_user_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--as USER"):
        find_account(str(write_config(tmp_path / "config")), "", as_groups=("dev",))


# ── what is wrong with them ──────────────────────────────────────────────────────────────────


def test_no_configuration_at_all_is_told() -> None:
    with pytest.raises(UsageError, match="no cluster is configured") as failure:
        find_account("", "")
    assert "--kubeconfig" in failure.value.hint


@pytest.mark.parametrize("context", ["", "there"])
def test_a_file_that_was_asked_for_must_exist(tmp_path: Path, context: str) -> None:
    with pytest.raises(UsageError, match="there is no kubeconfig at"):
        find_account(str(tmp_path / "missing"), context)


BROKEN: dict[str, str] = {
    "not YAML": f"users: [{{token: {TOKEN}\n  - ]",
    "an alias to nothing": f"users: *{TOKEN}",
    "empty": "",
    "a list": f"- {TOKEN}",
    "users is no list": f"users: {TOKEN}\nclusters: []\ncontexts: []\ncurrent-context: here",
    "no context": f"users: [{{name: me, user: {{token: {TOKEN}}}}}]\nclusters: []\ncontexts: []",
    "an entry without a name": (
        f"users: [{{user: {{token: {TOKEN}}}}}]\nclusters: []\ncontexts: []\ncurrent-context: here"
    ),
    "a token in the wrong place": (
        "clusters: [{name: c, cluster: {server: 'https://x'}}]\n"
        "contexts: [{name: here, context: {cluster: c, user: me}}]\n"
        f"users: [{{name: me, token: {TOKEN}}}]\ncurrent-context: here"
    ),
    "a cluster that is missing": (
        "clusters: []\ncontexts: [{name: here, context: {cluster: c, user: me}}]\n"
        f"users: [{{name: me, user: {{token: {TOKEN}}}}}]\ncurrent-context: here"
    ),
    "a plugin without its version": (
        "clusters: [{name: c, cluster: {server: 'https://x'}}]\n"
        "contexts: [{name: here, context: {cluster: c, user: me}}]\n"
        "users: [{name: me, user: {exec: {command: x, env: "
        f"[{{name: T, value: {TOKEN}}}]}}}}}}]\ncurrent-context: here"
    ),
    "a cluster without a server": (
        "clusters: [{name: c, cluster: {}}]\n"
        "contexts: [{name: here, context: {cluster: c, user: me}}]\n"
        f"users: [{{name: me, user: {{token: {TOKEN}}}}}]\ncurrent-context: here"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_kubeconfig_is_told_without_quoting_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config"
    path.write_text(BROKEN[name])
    with pytest.raises((UsageError, ClusterDeniedError)) as failure:
        load(path)
    told = f"{failure.value} {failure.value.hint}"
    assert TOKEN not in told
    assert failure.value.hint
    assert failure.value.__cause__ is None


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xff\xfe\x00\x00 not text")
    with pytest.raises(UsageError, match="cannot be used"):
        load(path)


def test_a_context_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        load(write_config(tmp_path / "config"), "nowhere")
