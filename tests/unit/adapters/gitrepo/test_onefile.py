"""One file of a served repository: by branch, tag or commit; moved, missing or out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube2git.adapters.gitrepo import read_file
from kube2git.errors import PushError, RepositoryNotFoundError
from tests.gitservers import GitHttpServer, run_git


class Team:
    """Somebody with a work tree of the served repository, and kube2git with a cache."""

    def __init__(self, served: Path, home: Path, server: GitHttpServer) -> None:
        self.server = server
        self._bare = served / "state.git"
        self._work = home / "work"
        self._cache = home / "cache"
        run_git("clone", "--quiet", str(self._bare), str(self._work))

    def git(self, *words: str) -> str:
        return run_git("-C", str(self._work), *words)

    def push(self, text: str, *onto: str) -> str:
        """Commit a text as the file, push it as each of these refs, and return the commit."""
        (self._work / "ops").mkdir(exist_ok=True)
        (self._work / "ops" / "a.yaml").write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", text)
        self.git("push", "--quiet", "--force", "origin", *(f"HEAD:{ref}" for ref in onto))
        return self.git("rev-parse", "HEAD")

    def read(
        self, revision: str, path: str = "ops/a.yaml", *, settles_for_last: bool = False
    ) -> bytes | None:
        where = self.server.url()
        return read_file(
            where, revision, path, cache_dir=self._cache, settles_for_last=settles_for_last
        )

    def strict(self) -> None:
        """Serve tips of branches and tags only to those who ask in the old way."""
        run_git("-C", str(self._bare), "config", "--unset", "uploadpack.allowAnySHA1InWant")


@pytest.fixture
def team(served: Path, tmp_path: Path) -> Iterator[Team]:
    with GitHttpServer(served) as server:
        yield Team(served, tmp_path, server)


def test_branches_tags_and_commits_name_it(team: Team) -> None:
    first = team.push("1", "refs/heads/main", "refs/heads/clusters/prod")
    team.git("tag", "-a", "-m", "first", "v1")
    team.git("push", "--quiet", "origin", "v1")
    team.push("2", "refs/heads/main", "refs/tags/light")
    team.strict()
    wanted = {
        **dict.fromkeys(("main", "HEAD", "refs/heads/main", "light"), b"2"),
        **dict.fromkeys(("clusters/prod", "v1", "refs/tags/v1", first), b"1"),
    }
    assert {revision: team.read(revision) for revision in wanted} == wanted


def test_what_moves_is_followed(team: Team) -> None:
    team.push("1", "refs/heads/main", "refs/tags/live")
    assert (team.read("main"), team.read("live")) == (b"1", b"1")
    team.git("checkout", "--quiet", "--orphan", "fresh")
    team.push("2", "refs/heads/main", "refs/tags/live")
    assert (team.read("main"), team.read("live")) == (b"2", b"2")


def test_a_tag_beats_a_branch_of_its_name(team: Team) -> None:
    team.push("branch", "refs/heads/live")
    team.push("tag", "refs/tags/live")
    assert team.read("live") == b"tag"
    assert team.read("refs/heads/live") == b"branch"


@pytest.mark.parametrize("revision", ["v2", "0" * 39 + "1", "short"])
def test_a_revision_that_is_not_there(team: Team, revision: str) -> None:
    commit = team.push("1", "refs/heads/main")
    named = commit[:10] if revision == "short" else revision
    with pytest.raises(RepositoryNotFoundError, match=f"has no revision {named}") as failure:
        team.read(named)
    assert "whole id" in failure.value.hint


def test_a_file_that_is_not_there(team: Team) -> None:
    team.push("1", "refs/heads/main")
    assert team.read("main", "a.yaml") is None
    assert team.read("main", "ops") is None


def test_a_pinned_commit_is_fetched_once(team: Team) -> None:
    commit = team.push("1", "refs/heads/main")
    assert team.read(commit) == b"1"
    asked = len(team.server.requests)
    assert team.read(commit) == b"1"
    assert len(team.server.requests) == asked


def test_while_the_server_is_away_its_last_answer_will_do_for_the_same_revision(team: Team) -> None:
    team.push("1", "refs/heads/main", "refs/tags/v1")
    team.read("main")
    team.server.misbehaviour.redirects_to = "http://127.0.0.1:9"
    with pytest.raises(PushError):
        team.read("main")
    assert team.read("main", settles_for_last=True) == b"1"
    with pytest.raises(PushError):
        team.read("v1", settles_for_last=True)


def test_a_path_is_read_where_it_is(served: Path, team: Team, tmp_path: Path) -> None:
    team.push("1", "refs/heads/main", "refs/tags/v1")
    commit = team.push("2", "refs/heads/main")
    here = str(served / "state.git")
    for revision, text in {"v1": b"1", "main": b"2", commit: b"2", "HEAD": b"2"}.items():
        assert read_file(here, revision, "ops/a.yaml", cache_dir=tmp_path / "no") == text
    assert not (tmp_path / "no").exists()
    with pytest.raises(RepositoryNotFoundError):
        read_file(here, "v2", "ops/a.yaml", cache_dir=tmp_path / "no")
