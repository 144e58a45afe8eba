"""Records in the repository: read at a commit, and committed by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from kube2git.core import layout, message, yamlio
from kube2git.core.coverage import Coverage, check_format
from kube2git.core.ports import Repo
from kube2git.errors import PushError, RepositoryNotFoundError


def read_files(repo: Repo, commit: str | None) -> dict[str, bytes]:
    """Return the records of a commit: path -> bytes; refuse a repository of a newer format."""
    tree = repo.tree(commit) if commit else {}
    check_format(_meta(repo, tree, layout.FORMAT))
    paths = [path for path in tree if layout.is_snapshots_path(path)]
    return dict(zip(paths, repo.read(tree[path] for path in paths), strict=True))


def cluster_of(repo: Repo, commit: str | None) -> str:
    """Return the uid of the cluster that a commit holds; "" when it does not say."""
    tree = repo.tree(commit) if commit else {}
    return Coverage.from_data(_meta(repo, tree, layout.COVERAGE)).cluster


def commit_files(
    repo: Repo,
    base: str | None,
    files: Mapping[str, bytes | None],
    when: datetime,
    subject: str,
    lines: Sequence[str],
    trailers: Mapping[str, str],
) -> str:
    """Commit records; return the commit's id, "" when there is nothing to commit."""
    if not files:
        return ""
    text = message.compose((), trailers, subject=subject, snapshots=lines)
    with repo.writer(base) as writer:
        changes = {path: None if data is None else writer.add(data) for path, data in files.items()}
        return writer.commit(text, when, changes)


def fetch(repo: Repo) -> None:
    """Take over what others pushed; an unreachable remote does not matter where there is history.

    Raises PushError when there is none: whatever is committed would have lost its past.
    """
    try:
        repo.fetch()
    except (PushError, RepositoryNotFoundError):
        if repo.tip() is None:
            raise


def push(repo: Repo) -> str:
    """Push; return why it failed, "" when it did not."""
    try:
        repo.push()
    except (PushError, RepositoryNotFoundError) as error:
        return f"{error}" + (f" {error.hint}" if error.hint else "")
    return ""


def _meta(repo: Repo, tree: Mapping[str, str], path: str) -> dict[str, object]:
    if path not in tree:
        return {}
    (data,) = repo.read([tree[path]])
    found = yamlio.decode(data, source=path)
    return found if isinstance(found, dict) else {}
