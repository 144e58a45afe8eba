"""Turns a revision, as people write it, into a commit id."""

from __future__ import annotations

import re

from kube2git.adapters.gitrepo.objects import ObjectReader
from kube2git.adapters.gitrepo.plumbing import Git
from kube2git.errors import RepositoryNotFoundError

_HEAD = re.compile(r"(?:HEAD|@)(?=$|[~^:]|@\{)")
_AT = re.compile(r"(?P<ref>.*?)@\{(?P<when>[^}]+)\}(?P<rest>.*)", re.DOTALL)
_CUT = "The clone is shallow: `git fetch --unshallow` brings what came before."
_NO_TIME = re.compile(r"-?\d+|u|upstream|push", re.IGNORECASE)


def resolve(git: Git, reader: ObjectReader, branch_ref: str, revision: str) -> str:
    """Return the commit that a revision names, whatever Git's syntax for it.

    HEAD is the tip of the branch that kube2git writes, whatever is checked out. A time such as
    ``main@{yesterday}`` is looked up in the reflog and, where that does not go back so far (a
    new clone), by the dates of the branch's commits. Raise RepositoryNotFoundError.
    """
    name = revision
    if revision.startswith("@{"):
        name = f"{branch_ref}{revision}"
    elif match := _HEAD.match(revision):
        name = f"{branch_ref}{revision[match.end() :]}"
    result = git.run("rev-parse", "--verify", "--end-of-options", name)
    found = result.out.decode().strip() if result.ok else ""
    at = _AT.fullmatch(name)
    is_unknown = not result.ok or "only goes back to" in result.error
    if is_unknown and at and not _NO_TIME.fullmatch(at["when"]):
        found = _by_date(git, reader, branch_ref, at)
    commit = reader.get(f"{found}^{{commit}}") if found else None
    if commit is None:
        raise _not_found(git, branch_ref, revision)
    return commit.id


def missing(git: Git, commit: str) -> RepositoryNotFoundError:
    """Return what to say of a commit that the history names and the repository lacks."""
    return RepositoryNotFoundError(
        f"The commit {commit} is not in the repository.",
        hint=_CUT if is_cut(git) else "If it should be, run `git fsck` there.",
    )


def is_cut(git: Git) -> bool:
    """Tell whether this is a shallow clone."""
    return git.run("rev-parse", "--is-shallow-repository").out.strip() == b"true"


def _by_date(git: Git, reader: ObjectReader, branch_ref: str, at: re.Match[str]) -> str:
    # The only command that reads dates as reflogs do and says so when it can't.
    date = git.run(
        "config", "--type=expiry-date", f"--default={at['when']}", "--get", "kube2git.date"
    )
    if not date.ok:
        return ""
    tip = resolve(git, reader, branch_ref, at["ref"])
    until = f"--min-age={date.out.decode().strip()}"
    commit = git.must("rev-list", "-1", "--first-parent", until, tip).decode().strip()
    return resolve(git, reader, branch_ref, f"{commit}{at['rest']}") if commit else ""


def _not_found(git: Git, branch_ref: str, revision: str) -> RepositoryNotFoundError:
    branch = branch_ref.removeprefix("refs/heads/")
    if not git.run("rev-parse", "--verify", "--quiet", branch_ref).ok:
        return RepositoryNotFoundError(
            f"There is no commit {revision}: the branch {branch} has no commit yet.",
            hint="Make the first one with `kube2git export`.",
        )
    if ".." in revision:
        return RepositoryNotFoundError(
            f"{revision} is not one commit.",
            hint="Name one; `kube2git diff` takes two, with a space between them.",
        )
    return RepositoryNotFoundError(
        f"There is no commit {revision} in the repository.",
        hint=_CUT
        if is_cut(git)
        else "`kube2git log` lists the commits; a short id needs enough digits to be unique.",
    )
