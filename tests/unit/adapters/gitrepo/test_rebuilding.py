"""Own commits that are built again on top of those of others: what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube2git.adapters.gitrepo import GitRepository
from tests.gitservers import create_remote, run_git
from tests.unit.adapters.gitrepo.work import WHEN, commit, commit_elsewhere, contents, subjects


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    remote = create_remote(tmp_path, "remote.git")
    commit_elsewhere(remote, {"a": "0"}, "base")
    return remote


@pytest.fixture
def repo(tmp_path: Path, remote: Path) -> Iterator[GitRepository]:
    GitRepository.create(tmp_path / "local.git")
    with GitRepository.open(str(tmp_path / "local.git"), remote=str(remote)) as repo:
        repo.fetch()
        yield repo


def test_authors_and_their_dates_stay_and_no_commit_is_older_than_its_parent(
    repo: GitRepository, remote: Path, tmp_path: Path
) -> None:
    commit(repo, {"a": "1"}, "ours")
    commit_elsewhere(remote, {"b": "1"}, "theirs")
    repo.fetch()
    tip = repo.tip()
    assert tip
    rebuilt = repo.commit(tip)
    assert rebuilt.time >= repo.commit(rebuilt.parents[0]).time > WHEN
    date = run_git("-C", str(tmp_path / "local.git"), "log", "-1", "--format=%aI %an", "main")
    assert date == f"{WHEN.isoformat()} kube2git"


def test_the_same_commits_come_out_when_it_is_done_again(
    repo: GitRepository, remote: Path, tmp_path: Path
) -> None:
    commit(repo, {"a": "1"}, "ours")
    run_git("clone", "--quiet", "--mirror", str(tmp_path / "local.git"), str(tmp_path / "two.git"))
    commit_elsewhere(remote, {"b": "1"}, "theirs")
    with GitRepository.open(str(tmp_path / "two.git"), remote=str(remote)) as two:
        two.fetch()
        repo.fetch()
        assert two.tip() == repo.tip()


def test_a_commit_that_said_something_without_changes_stays(
    repo: GitRepository, remote: Path
) -> None:
    commit(repo, {}, "nothing changed, and that is worth a commit")
    commit(repo, {"a": "1"}, "as theirs")
    commit_elsewhere(remote, {"a": "1"}, "theirs")
    assert repo.fetch().rebuilt == 1
    assert subjects(repo) == ["nothing changed, and that is worth a commit", "theirs", "base"]


def test_merges_encodings_modes_and_submodules_of_people(
    repo: GitRepository, remote: Path, tmp_path: Path
) -> None:
    at = ("-C", str(tmp_path / "local.git"))
    base = repo.tip()
    assert base
    blob = run_git(*at, "hash-object", "-w", "--stdin", data=b"#!/bin/sh")
    entries = f"100755 blob {blob}\trun\n120000 blob {blob}\tlink\n"
    module = f"160000 commit {base}\tmodule\n"
    tree = run_git(*at, "mktree", "--missing", data=(entries + module).encode())
    side = run_git(*at, "commit-tree", tree, "-p", base, "-m", "side")
    header = f"tree {tree}\nparent {base}\nparent {side}\n"
    people = "author J\xe9r <j@k> 1700000000 +0100\ncommitter K <k@l> 1700000000 +0100\n"
    raw = f"{header}{people}encoding ISO-8859-1\n\nd\xe9j\xe0 vu\n".encode("latin1")
    merge = run_git(*at, "hash-object", "-t", "commit", "-w", "--stdin", data=raw)
    run_git(*at, "update-ref", "refs/heads/main", merge)
    commit_elsewhere(remote, {"a": "1", "b": "1"}, "theirs")
    assert repo.fetch().rebuilt == 1
    assert subjects(repo) == ["déjà vu", "theirs", "base"]
    assert next(iter(repo.log("HEAD"))).author == "Jér <j@k>"
    assert contents(repo) == {"b": "1", "run": "#!/bin/sh", "link": "#!/bin/sh"}
    listing = run_git(*at, "ls-tree", "main")
    assert all(line in listing for line in (entries + module).splitlines())
    run_git(*at, "fsck", "--strict")


def test_work_on_either_side_alone_is_kept(repo: GitRepository, remote: Path) -> None:
    for number in range(3):
        commit(repo, {f"ours/{number}": "x", "a": str(number)}, f"ours {number}")
        commit_elsewhere(remote, {f"theirs-{number}": "x"}, f"theirs {number}")
    came = repo.fetch()
    assert (came.fetched, came.rebuilt) == (3, 3)
    names = {f"ours/{number}" for number in range(3)} | {f"theirs-{number}" for number in range(3)}
    assert contents(repo).keys() == names | {"a"}
    assert repo.push().pushed == 3
    assert repo.fetch().fetched == 0
