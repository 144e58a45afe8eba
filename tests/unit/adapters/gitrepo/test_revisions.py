"""Revisions that need a real repository: reflogs, tags, dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kube2git.adapters.gitrepo import GitRepository
from kube2git.errors import RepositoryNotFoundError
from tests.gitservers import run_git

BEGIN = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepository]:
    """A repository with a commit a day, made just now."""
    GitRepository.create(tmp_path / "r.git", branch="state")
    with GitRepository.open(str(tmp_path / "r.git")) as repo:
        for day in range(4):
            with repo.writer(repo.tip()) as writer:
                when = BEGIN + timedelta(days=day)
                writer.commit(f"day {day}", when, {"a": writer.add(b"%d" % day)})
        yield repo


def subject(repo: GitRepository, revision: str) -> str:
    return repo.commit(repo.resolve(revision)).subject


def test_the_branch_has_a_reflog_from_the_start(repo: GitRepository) -> None:
    assert subject(repo, "state@{0}") == "day 3"
    assert subject(repo, "@{1}") == "day 2"
    assert subject(repo, "HEAD@{2}") == "day 1"
    assert subject(repo, "@{1}~1") == "day 1"
    assert subject(repo, "state@{now}") == "day 3"


def test_times_before_the_reflog_are_those_of_commits(repo: GitRepository) -> None:
    assert subject(repo, "state@{2024-03-02 13:00:00 +0000}") == "day 1"
    assert subject(repo, "@{2024-03-03 11:59:00 +0000}") == "day 1"
    assert subject(repo, "HEAD@{2024-03-03 12:00:00 +0000}~1") == "day 1"
    assert subject(repo, "state~1@{2024-03-09}") == "day 2"
    assert subject(repo, "state@{yesterday}") == "day 3"


def test_without_a_reflog_too(repo: GitRepository, tmp_path: Path) -> None:
    run_git("clone", "--quiet", "--bare", str(tmp_path / "r.git"), str(tmp_path / "c.git"))
    with GitRepository.open(str(tmp_path / "c.git")) as copy:
        assert subject(copy, "state@{2024-03-02 13:00:00 +0000}") == "day 1"
        assert subject(copy, "@{yesterday}") == "day 3"


@pytest.mark.parametrize(
    "unknown",
    ["state@{2024-02-01}", "state@{no time}", "state@{9}", "@{u}", "HEAD:a"],
)
def test_what_is_not_there_is_told(repo: GitRepository, unknown: str) -> None:
    with pytest.raises(RepositoryNotFoundError) as failure:
        repo.resolve(unknown)
    assert unknown in str(failure.value)
    assert "kube2git log" in failure.value.hint


def test_a_range_is_told_from_what_is_not_there(repo: GitRepository) -> None:
    with pytest.raises(RepositoryNotFoundError, match=r"HEAD~1\.\.HEAD is not one commit"):
        repo.resolve("HEAD~1..HEAD")


def test_what_a_shallow_clone_lacks_is_told_with_the_remedy(
    repo: GitRepository, tmp_path: Path
) -> None:
    run_git(
        "clone", "-q", "--bare", "--depth=1", f"file://{tmp_path / 'r.git'}", str(tmp_path / "cut")
    )
    with GitRepository.open(str(tmp_path / "cut"), branch="state") as cut:
        (commit,) = cut.log("HEAD")
        for ask in (
            lambda: cut.changes(commit.parents[0], commit.id),
            lambda: cut.resolve("HEAD~1"),
        ):
            with pytest.raises(RepositoryNotFoundError) as failure:
                ask()
            assert "git fetch --unshallow" in failure.value.hint


def test_a_branch_that_is_not_there_is_told(repo: GitRepository) -> None:
    with pytest.raises(RepositoryNotFoundError, match="other"):
        repo.resolve("other@{yesterday}")


def test_tags_and_texts(repo: GitRepository, tmp_path: Path) -> None:
    at = ("-C", str(tmp_path / "r.git"))
    run_git(*at, "tag", "light", "state~1")
    run_git(*at, "tag", "-a", "-m", "x", "heavy", "state~2")
    assert subject(repo, "light") == "day 2"
    assert subject(repo, "heavy") == "day 1"
    assert subject(repo, ":/day 0") == "day 0"
    assert subject(repo, "HEAD^{/day 1}") == "day 1"


def test_head_is_the_branch_that_is_written(repo: GitRepository, tmp_path: Path) -> None:
    at = ("-C", str(tmp_path / "r.git"))
    run_git(*at, "branch", "other", "state~3")
    run_git(*at, "symbolic-ref", "HEAD", "refs/heads/other")
    with GitRepository.open(str(tmp_path / "r.git"), branch="state") as named:
        assert subject(named, "HEAD") == "day 3"
        assert subject(named, "@~1") == "day 2"
        assert subject(named, "other") == "day 0"
