"""What the tests of the repository adapter do again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from kube2git.core.ports import Repo
from tests.gitservers import run_git

WHEN = datetime(2024, 5, 17, 12, 30, tzinfo=UTC)


def commit(repo: Repo, changes: Mapping[str, str | None], message: str = "ours") -> str:
    """Commit texts on top of the tip."""
    with repo.writer(repo.tip()) as writer:
        blobs = {
            p: None if text is None else writer.add(text.encode()) for p, text in changes.items()
        }
        return writer.commit(message, WHEN, blobs)


def contents(repo: Repo) -> dict[str, str]:
    """Return every file at the tip."""
    tip = repo.tip()
    tree = repo.tree(tip) if tip else {}
    return {path: data.decode() for path, data in zip(tree, repo.read(tree.values()), strict=True)}


def subjects(repo: Repo) -> list[str]:
    return [commit.subject for commit in repo.log("HEAD")]


def commit_elsewhere(
    remote: Path, changes: Mapping[str, str], message: str = "theirs", branch: str = "main"
) -> str:
    """Commit in a bare repository as somebody else would, with plain git."""
    at = ("-C", str(remote))
    ref = f"refs/heads/{branch}"
    parent = run_git(*at, "for-each-ref", "--format=%(objectname)", ref)
    lines = [f"commit {ref}", f"committer Somebody <s@example.com> {int(time.time())} +0000"]
    lines += [f"data {len(message)}", message, *([f"from {parent}"] if parent else [])]
    for path, text in changes.items():
        lines += [f"M 100644 inline {path}", f"data {len(text)}", text]
    run_git(*at, "fast-import", "--quiet", data="\n".join([*lines, ""]).encode())
    return run_git(*at, "rev-parse", ref)


def remote_subjects(remote: Path, branch: str = "main") -> list[str]:
    return run_git("-C", str(remote), "log", "--format=%s", branch).splitlines()
