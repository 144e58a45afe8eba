"""Remotes over SSH, with the real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from kube2git.adapters.gitrepo import Access, GitRepository
from kube2git.errors import PushError, RepositoryNotFoundError
from tests.gitservers import GitSshServer
from tests.unit.adapters.gitrepo.work import (
    commit,
    commit_elsewhere,
    contents,
    remote_subjects,
)


@pytest.fixture
def server(served: Path, tmp_path: Path) -> Iterator[GitSshServer]:
    keys = tmp_path / "keys with spaces"
    keys.mkdir()
    with GitSshServer(served, keys) as server:
        yield server


@pytest.fixture
def access(server: GitSshServer) -> Access:
    return Access(ssh_key=server.key_path, ssh_known_hosts=server.known_hosts_path)


def test_a_deploy_key_fetches_and_pushes(
    server: GitSshServer, access: Access, served: Path, tmp_path: Path
) -> None:
    commit_elsewhere(served / "state.git", {"README": "theirs"}, "one")
    cache = tmp_path / "cache"
    with GitRepository.open(server.url(), cache_dir=cache, access=access, depth=1) as repo:
        assert contents(repo) == {"README": "theirs"}
        commit(repo, {"a": "1"}, "two")
        sent = repo.push()
        assert (sent.remote, sent.pushed) == (server.url(), 1)
        commit(repo, {"a": "2"}, "four")
        commit_elsewhere(served / "state.git", {"README": "more"}, "three")
        assert repo.push().rebuilt == 1
    assert remote_subjects(served / "state.git") == ["four", "three", "two", "one"]


def test_a_local_repository_pushes_to_a_named_remote(
    server: GitSshServer, access: Access, served: Path, tmp_path: Path
) -> None:
    GitRepository.create(tmp_path / "local.git")
    with GitRepository.open(
        str(tmp_path / "local.git"), remote=server.url(), access=access
    ) as repo:
        commit(repo, {"a": "1"}, "one")
        assert repo.push().pushed == 1
    assert remote_subjects(served / "state.git") == ["one"]


def test_an_unknown_host_is_refused_unless_new_ones_are_accepted(
    server: GitSshServer, access: Access, tmp_path: Path
) -> None:
    known = server.known_hosts_path.read_text()
    server.known_hosts_path.write_text("")
    with pytest.raises(PushError, match="known_hosts") as failure:
        GitRepository.open(server.url(), branch="main", cache_dir=tmp_path / "c", access=access)
    assert "ssh-keyscan" in failure.value.hint
    trusting = Access(
        access.username,
        ssh_key=access.ssh_key,
        ssh_accept_new_hosts=True,
        ssh_known_hosts=access.ssh_known_hosts,
    )
    with GitRepository.open(server.url(), cache_dir=tmp_path / "c", access=trusting) as repo:
        assert repo.fetch().fetched == 0
    assert server.known_hosts_path.read_text().split()[1:] == known.split()[1:]


def test_a_changed_host_key_is_always_refused(
    server: GitSshServer, access: Access, tmp_path: Path
) -> None:
    host = server.known_hosts_path.read_text().split()[0]
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    server.known_hosts_path.write_text(f"{host} {other}")
    trusting = Access(
        ssh_key=access.ssh_key, ssh_known_hosts=access.ssh_known_hosts, ssh_accept_new_hosts=True
    )
    with pytest.raises(PushError, match="known_hosts"):
        GitRepository.open(server.url(), branch="main", cache_dir=tmp_path / "c", access=trusting)
    assert server.commands == []


def test_a_key_that_the_server_does_not_know(
    server: GitSshServer, access: Access, tmp_path: Path
) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "other"))
    (tmp_path / "other").chmod(0o600)
    stranger = Access(ssh_key=tmp_path / "other", ssh_known_hosts=access.ssh_known_hosts)
    with pytest.raises(PushError, match="SSH key") as failure:
        GitRepository.open(server.url(), branch="main", cache_dir=tmp_path / "c", access=stranger)
    assert "right to write" in failure.value.hint


def test_no_such_repository(server: GitSshServer, access: Access, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError, match="nowhere"):
        GitRepository.open(
            server.url("nowhere.git"), branch="main", cache_dir=tmp_path / "c", access=access
        )
