"""Builds commits again on top of another one, path by path: what a commit changed, it changes.

Where both sides changed a path, the rebuilt commit wins: the export is the truth for the paths it
writes. Nothing is merged inside a file.
"""

from __future__ import annotations

from kube2git.adapters.gitrepo import objects, trees
from kube2git.adapters.gitrepo.fastimport import FastImport
from kube2git.adapters.gitrepo.objects import ObjectReader, RawCommit
from kube2git.adapters.gitrepo.plumbing import Git, Place
from kube2git.adapters.gitrepo.signing import Signing
from kube2git.adapters.gitrepo.trees import Entry
from kube2git.errors import RepositoryNotFoundError


def own_commits(git: Git, tip: str, *theirs: str | None) -> list[str]:
    """Return the commits on the way to ``tip`` that none of ``theirs`` holds, oldest first."""
    excluded = [f"^{commit}" for commit in theirs if commit]
    # Along first parents: the other side of a merge is in the merge's own changes.
    output = git.must("rev-list", "--first-parent", "--reverse", tip, *excluded)
    return output.decode().split()


def rebuild(
    git: Git,
    reader: ObjectReader,
    place: Place,
    commits: list[str],
    base: str,
    signing: Signing | None,
) -> tuple[str, int]:
    """Build ``commits`` again on top of ``base``; return the new tip and how many there are.

    Messages, authors and their dates stay; old signatures go, new ones come. A commit whose
    changes ``base`` already has is left out.
    """
    nothing = objects.object_id("tree", b"", place.object_format)
    raw = {commit: _raw(reader, commit) for commit in (base, *commits)}
    wanted = {
        commit: {
            path: change.new
            for path, change in trees.compare(git, _parent(raw[commit], nothing), commit).items()
        }
        for commit in commits
    }
    touched = {path for changes in wanted.values() for path in changes}
    current: dict[str, Entry | None] = {
        path: change.new
        for path, change in trees.compare(git, nothing, base).items()
        if path in touched
    }
    latest = raw[base].committed
    built = 0
    importer = FastImport(git, place, signing)
    try:
        for commit in commits:
            changes = wanted[commit]
            effective = {
                path: entry for path, entry in changes.items() if current.get(path) != entry
            }
            if changes and not effective:
                continue
            current |= effective
            source = raw[commit]
            latest = max(latest, source.committed)
            importer.commit(
                base,
                source.author,
                _at(source.committer, latest),
                source.message,
                effective,
                "" if source.encoding == "utf-8" else source.encoding,
            )
            built += 1
        return (importer.finish() if built else base), built
    finally:
        importer.discard()


def _raw(reader: ObjectReader, commit: str) -> RawCommit:
    stored = reader.get(commit)
    if stored is None or stored.kind != "commit":
        raise RepositoryNotFoundError(
            f"The commit {commit} is missing from the repository.",
            hint="Run `git fsck` there.",
        )
    return objects.split_commit(stored.data)


def _parent(commit: RawCommit, nothing: str) -> str:
    return commit.parents[0] if commit.parents else nothing


def _at(committer: bytes, seconds: int) -> bytes:
    # Git finds its way through history by dates: none may lie before its parent's.
    who, _, zone = committer.rsplit(b" ", 2)
    return b"%s %d %s" % (who, seconds, zone)
