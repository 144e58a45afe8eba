"""Commits signed by git's own means, with real SSH keys and with a program in gpg's place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kube2git.adapters.gitrepo import Author, GitRepository, Signing, Trust
from kube2git.errors import Kube2gitError, UsageError
from tests.gitservers import create_remote, run_git
from tests.signers import GPG_KEY, allow, make_gpg, make_ssh_key
from tests.unit.adapters.gitrepo.work import commit, commit_elsewhere, contents

Open = Callable[..., GitRepository]
"""(signing, trust, remote=, object_format=) -> the repository."""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_ssh_key(tmp_path / "key")


@pytest.fixture
def trust(tmp_path: Path, key: Path) -> Trust:
    return Trust(allow(tmp_path / "signers", {"robot@example.com": key}))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    made: list[GitRepository] = []

    def open_it(
        signing: Signing | None = None,
        trust: Trust | None = None,
        *,
        remote: str = "",
        object_format: str = "sha1",
    ) -> GitRepository:
        path = tmp_path / f"local-{object_format}.git"
        if not path.exists():
            GitRepository.create(path, object_format=object_format)
        author = Author("Robot Ünïcode", "robot@example.com")
        repo = GitRepository.open(
            str(path), author=author, remote=remote, signing=signing, trust=trust
        )
        made.append(repo)
        return repo

    yield open_it
    for repo in made:
        repo.close()


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("size", [1, 150])
def test_commits_are_signed_with_an_ssh_key(
    opened: Open, key: Path, trust: Trust, tmp_path: Path, object_format: str, size: int
) -> None:
    repo = opened(Signing(is_ssh=True, key=str(key)), trust, object_format=object_format)
    assert repo.check_signing()
    assert repo.tip() is None
    for text in ("1", "2"):
        commit(repo, {f"f{n}": text for n in range(size)}, f"Subject {text}\n\nKey: value ünïcode")
    at = ("-C", str(tmp_path / f"local-{object_format}.git"))
    for each in repo.log("HEAD"):
        found = repo.signature(each.id)
        assert (found.is_trusted, found.signer) == (True, "robot@example.com")
        assert found.key in subprocess.check_output(["ssh-keygen", "-lf", key], text=True)
        # Git itself says so, too.
        run_git(*at, "-c", f"gpg.ssh.allowedSignersFile={trust.signers}", "verify-commit", each.id)
    assert contents(repo) == {f"f{n}": "2" for n in range(size)}
    tip = repo.commit(repo.resolve("HEAD"))
    assert tip.author == "Robot Ünïcode <robot@example.com>"
    assert tip.message == "Subject 2\n\nKey: value ünïcode"
    assert tip.time.isoformat() == "2024-05-17T12:30:00+00:00"
    run_git(*at, "fsck", "--strict")


def test_a_commit_is_the_same_signed_or_not_but_for_the_signature(opened: Open, key: Path) -> None:
    plain = opened(object_format="sha256")
    signed = opened(Signing(is_ssh=True, key=str(key)))
    for repo in (plain, signed):
        commit(repo, {"a/b": "1"}, "message")
    one, two = (repo.commit(repo.resolve("HEAD")) for repo in (plain, signed))
    assert (one.author, one.time, one.message) == (two.author, two.time, two.message)
    assert contents(plain) == contents(signed)


def test_own_commits_are_signed_again_when_they_are_rebuilt(
    opened: Open, key: Path, trust: Trust, tmp_path: Path
) -> None:
    remote = create_remote(tmp_path, "remote.git")
    commit_elsewhere(remote, {"a": "0"}, "base")
    repo = opened(Signing(is_ssh=True, key=str(key)), trust, remote=str(remote))
    repo.fetch()
    commit(repo, {"b": "1"}, "ours 1")
    commit(repo, {"b": "2"}, "ours 2")
    commit_elsewhere(remote, {"c": "1"}, "theirs")
    pushed = repo.push()
    assert (pushed.rebuilt, pushed.pushed) == (2, 2)
    assert [(each.subject, repo.signature(each.id).is_trusted) for each in repo.log("HEAD")] == [
        *(("ours 2", True), ("ours 1", True)),
        *(("theirs", False), ("base", False)),
    ]


@pytest.mark.parametrize("case", ["no file", "passphrase", "public only", "no program"])
def test_what_cannot_be_signed_is_not_committed(
    opened: Open, key: Path, tmp_path: Path, hostile_settings: Path, case: str
) -> None:
    name, error, words = str(key), Kube2gitError, ""
    if case == "no file":
        name, error, words = str(tmp_path / "none"), UsageError, "there is no key file"
    elif case == "passphrase":
        name = str(make_ssh_key(tmp_path / "locked", "a passphrase"))
        words = "protected by a passphrase"
    elif case == "public only":
        name, words = f"{key}.pub", "cannot be signed"
        key.unlink()
    else:
        with (hostile_settings / ".gitconfig").open("a") as config:
            config.write('[gpg "ssh"]\n program = /nonexistent/ssh-keygen\n')
        words = "the program /nonexistent/ssh-keygen cannot be started"
    repo = opened(Signing(is_ssh=True, key=name))
    with pytest.raises(error, match=words):
        repo.check_signing()
    with pytest.raises(error, match=words) as failure:
        commit(repo, {"a": "1"})
    assert type(failure.value) is error
    assert failure.value.hint
    assert repo.tip() is None
    found = run_git("-C", str(tmp_path / "local-sha1.git"), "count-objects", "-v")
    assert found.splitlines()[:3] == ["count: 0", "size: 0", "in-pack: 0"]


# ── Whose signature it is ────────────────────────────────────────────────────────────────────


def test_a_key_that_is_not_in_the_file_does_not_count(
    opened: Open, key: Path, tmp_path: Path
) -> None:
    other = make_ssh_key(tmp_path / "other")
    signers = allow(tmp_path / "signers", {"other@example.com": other})
    repo = opened(Signing(is_ssh=True, key=str(key)), Trust(signers))
    id = commit(repo, {"a": "1"})
    found = repo.signature(id)
    assert not found.is_trusted
    assert "replay.allowed_signers does not name" in found.reason
    signers.write_text("")
    assert not repo.signature(id).is_trusted
    signers.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        repo.signature(id)
    assert "names no file" in opened().signature(id).reason


def test_a_signature_of_another_commit_does_not_count(
    opened: Open, key: Path, trust: Trust, tmp_path: Path
) -> None:
    repo = opened(Signing(is_ssh=True, key=str(key)), trust)
    id = commit(repo, {"a": "1"}, "harmless")
    at = ("-C", str(tmp_path / "local-sha1.git"))
    forged = run_git(*at, "cat-file", "commit", id).replace("harmless", "harmful!")
    changed = run_git(*at, "hash-object", "-t", "commit", "-w", "--stdin", data=forged.encode())
    found = repo.signature(changed)
    assert not found.is_trusted
    assert "changed after it was signed" in found.reason
    # Nor does a commit that git is told to take for another one.
    run_git(*at, "replace", changed, id)
    assert not opened(None, trust).signature(changed).is_trusted


def test_a_signature_for_another_hash_function_does_not_count(
    opened: Open, key: Path, trust: Trust, tmp_path: Path
) -> None:
    repo = opened(Signing(is_ssh=True, key=str(key)), trust)
    at = ("-C", str(tmp_path / "local-sha1.git"))
    signed = run_git(*at, "cat-file", "commit", commit(repo, {"a": "1"}))
    forged = signed.replace("gpgsig ", "gpgsig-sha256 ").encode()
    id = run_git(*at, "hash-object", "-t", "commit", "-w", "--stdin", data=forged)
    assert repo.signature(id).reason == "It is not signed."


# ── GPG ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def gpg(hostile_settings: Path, tmp_path: Path) -> Path:
    program = make_gpg(tmp_path / "gpg")
    with (hostile_settings / ".gitconfig").open("a") as config:
        config.write(f"[gpg]\n program = {program}\n")
    return program


def test_commits_are_signed_with_gpg(opened: Open, gpg: Path) -> None:
    repo = opened(Signing(is_ssh=False, key="0x89ABCDEF"), Trust(gpg_keys=(GPG_KEY.lower(),)))
    assert repo.check_signing()
    found = repo.signature(commit(repo, {"a": "1"}))
    assert (found.is_trusted, found.signer) == (True, "Robot <robot@example.com>")
    assert "0x89ABCDEF" in (gpg.parent / "calls").read_text().splitlines()[0]
    without = opened(None, Trust()).signature(repo.resolve("HEAD"))
    assert not without.is_trusted
    assert "replay.allowed_gpg_keys does not name" in without.reason


def test_without_a_key_gpg_looks_for_the_authors(opened: Open, gpg: Path) -> None:
    commit(opened(Signing(is_ssh=False)), {"a": "1"})
    assert "robot@example.com" in (gpg.parent / "calls").read_text()


def test_a_key_that_gpg_does_not_have_is_told(opened: Open, gpg: Path) -> None:
    repo = opened(Signing(is_ssh=False, key="no-such-key"))
    with pytest.raises(Kube2gitError, match="gpg failed to sign the data") as failure:
        commit(repo, {"a": "1"})
    assert "gpg --sign" in failure.value.hint
    assert repo.tip() is None


def test_a_changed_commit_is_not_gpgs_either(opened: Open, gpg: Path, tmp_path: Path) -> None:
    repo = opened(Signing(is_ssh=False), Trust(gpg_keys=(GPG_KEY,)))
    at = ("-C", str(tmp_path / "local-sha1.git"))
    signed = run_git(*at, "cat-file", "commit", commit(repo, {"a": "1"}, "harmless"))
    forged = signed.replace("harmless", "harmful!").encode()
    found = repo.signature(
        run_git(*at, "hash-object", "-t", "commit", "-w", "--stdin", data=forged)
    )
    assert not found.is_trusted
    assert "changed after it was signed" in found.reason
