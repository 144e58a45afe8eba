"""History: log, show and diff of what the commits hold. Reads the repository only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kube2git.core import filing, layout, yamlio
from kube2git.core.message import Change
from kube2git.core.objects import ObjectRef
from kube2git.core.ports import Commit, PathChange, Repo
from kube2git.core.report import LogEntry, ObjectDiff
from kube2git.core.sealing import Opener
from kube2git.core.selection import (
    ClusterScoped,
    ObjectName,
    Selection,
    names_in_repository,
)
from kube2git.core.wire import Json
from kube2git.errors import RepositoryNotFoundError


def diff(
    repo: Repo,
    old: str,
    new: str,
    names: Sequence[ObjectName] = (),
    opener: Opener | None = None,
) -> Iterator[ObjectDiff]:
    """Yield what differs between two revisions, object by object, in a stable order.

    Raises RepositoryNotFoundError for a name that neither revision holds: a mistyped one, or a
    mistyped revision, must not look like no difference.
    """
    commits = repo.resolve(old), repo.resolve(new)
    changed = repo.changes(*commits)
    for name in names:
        if not any(is_named(item.path, [name]) for item in changed) and not any(
            is_named(path, [name]) for commit in commits for path in repo.tree(commit)
        ):
            raise RepositoryNotFoundError(
                f"neither {old} nor {new} holds {name}",
                hint=f"`kube2git show {new}` lists objects, and `kube2git log` commits, if this "
                "was meant as a revision.",
            )
    wanted = [item for item in changed if is_named(item.path, names)]
    yield from _object_diffs(repo, wanted, opener)


def log(
    repo: Repo,
    revision: str,
    names: Sequence[ObjectName] = (),
    *,
    limit: int = 0,
    opener: Opener | None = None,
) -> Iterator[LogEntry]:
    """Yield commits, newest first, with what each changed; of the objects named, if any.

    Objects that were deleted are found too. Raises RepositoryNotFoundError when no commit ever
    held one of the names.
    """
    tip = repo.resolve(revision)
    paths = [path for name in names for path in _paths_ever(repo, tip, name)]
    wanted = set(paths)
    for number, commit in enumerate(repo.log(tip, paths), 1):
        parent = commit.parents[0] if commit.parents else None
        changed = [
            item
            for item in repo.changes(parent, commit.id)
            if (item.path in wanted if names else layout.place_of(item.path))
        ]
        diffs = (
            tuple(_object_diffs(repo, changed, opener)) if names else tuple(_named(repo, changed))
        )
        yield LogEntry(commit, diffs, {item.ref: _managers(commit, item.ref) for item in diffs})
        if number == limit:
            return


def show(
    repo: Repo, revision: str, names: Sequence[ObjectName]
) -> Iterator[tuple[ObjectRef, Json]]:
    """Yield the objects named, as they are at a revision.

    Raises RepositoryNotFoundError for a name that the revision does not hold.
    """
    commit = repo.resolve(revision)
    tree = repo.tree(commit)
    for name in names:
        paths = sorted(path for path in tree if is_named(path, [name]))
        if not paths:
            raise RepositoryNotFoundError(
                f"{name} is not in the repository at {revision}",
                hint=f"`kube2git log {name}` tells when it was.",
            )
        for path, data in zip(paths, repo.read(tree[path] for path in paths), strict=True):
            yield filing.read(path, data)


def objects_at(repo: Repo, revision: str, namespace: str | None) -> list[ObjectRef]:
    """Return every object that a revision holds, in one namespace or in all."""
    tree = repo.tree(repo.resolve(revision))
    wanted = None if namespace is None else layout.segment(namespace)
    paths = [
        path
        for path in tree
        if (place := layout.place_of(path)) and wanted in (None, place.namespace)
    ]
    bodies = repo.read(tree[path] for path in paths)
    refs = (_ref_at(path, data) for path, data in zip(paths, bodies, strict=True))
    return sorted(refs, key=lambda ref: (ref.namespace, ref))


def is_revision(repo: Repo, word: str) -> bool:
    """Tell whether a word names a revision rather than an object."""
    try:
        repo.resolve(word)
    except RepositoryNotFoundError:
        return False
    return True


def is_selected(diff: ObjectDiff, selection: Selection) -> bool:
    """Tell whether a difference is about an object that the selection means."""
    ref = diff.ref
    metadata = (diff.new or diff.old or {}).get("metadata") or {}
    if ref.namespace:
        if not selection.wants_namespace(ref.namespace):
            return False
    elif selection.cluster_scoped is ClusterScoped.NO or not selection.namespaces.is_everything:
        return False
    return selection.wants_kind_names(names_in_repository(ref)) and (
        selection.label_selector.match(metadata.get("labels") or {})
    )


def is_named(path: str, names: Sequence[ObjectName]) -> bool:
    """Tell whether a path is the file of an object that one of the names means; no names: any."""
    place = layout.place_of(path)
    if place is None:
        return False
    if not names:
        return True
    kind, _, group = place.kind_group.partition(".")
    words = names_in_repository(ObjectRef(group, kind, "", ""))
    file = path.rpartition("/")[2]
    return any(
        name.kind in words
        and (not name.name or f"{layout.segment(name.name)}.yaml" == file)
        and (
            name.namespace is None
            or not place.namespace
            or layout.segment(name.namespace) == place.namespace
        )
        for name in names
    )


def _paths_ever(repo: Repo, tip: str, name: ObjectName) -> list[str]:
    paths = [path for path in repo.tree(tip) if is_named(path, [name])]
    if not name.name or not paths:
        pattern = f"*/{layout.segment(name.name)}.yaml" if name.name else "*.yaml"
        paths += [path for path in repo.removed_paths(tip, pattern) if is_named(path, [name])]
    if not paths:
        raise RepositoryNotFoundError(
            f"no commit that leads to this revision ever held {name}",
            hint="`kube2git show REV` lists what a commit holds.",
        )
    return sorted(set(paths))


def _object_diffs(
    repo: Repo, changed: Sequence[PathChange], opener: Opener | None
) -> Iterator[ObjectDiff]:
    found = []
    old = repo.read(item.old for item in changed if item.old)
    new = repo.read(item.new for item in changed if item.new)
    for item in changed:
        before = next(old) if item.old else None
        after = next(new) if item.new else None
        diff = _compare(item, before, after, opener)
        # A Secret that was only sealed anew says the same.
        if diff.change is not Change.CHANGED or diff.fields or diff.problem:
            found.append(diff)
    yield from sorted(found, key=lambda item: (item.ref.namespace, item.ref))


def _compare(
    item: PathChange, before: bytes | None, after: bytes | None, opener: Opener | None
) -> ObjectDiff:
    try:
        old = None if before is None else filing.read(item.path, before)[1]
        new = None if after is None else filing.read(item.path, after)[1]
    except yamlio.YamlError as error:
        # A file that a person broke must not hide all the others.
        ref = layout.presumed_ref(item.path)
        return ObjectDiff(_change_of(item), ref, (), None, None, problem=f"{error}.")
    return ObjectDiff.between(old, new, opener)


def _named(repo: Repo, changed: Sequence[PathChange]) -> Iterator[ObjectDiff]:
    """Name the objects of a commit without comparing them field by field."""
    blobs = [item.new or item.old or "" for item in changed]
    found = []
    for item, data in zip(changed, repo.read(blobs), strict=True):
        found.append(ObjectDiff(_change_of(item), _ref_at(item.path, data), (), None, None))
    yield from sorted(found, key=lambda item: (item.ref.namespace, item.ref))


def _change_of(item: PathChange) -> Change:
    if item.old is not None and item.new is not None:
        return Change.CHANGED
    return Change.ADDED if item.old is None else Change.REMOVED


def _ref_at(path: str, data: bytes) -> ObjectRef:
    try:
        return filing.read(path, data)[0]
    except yamlio.YamlError:
        return layout.presumed_ref(path)


def _managers(commit: Commit, ref: ObjectRef) -> tuple[str, ...]:
    """Read the field managers from the commit message's line on an object."""
    for line in commit.message.splitlines():
        if line[:2] == "~ " and line[2:].startswith(f"{ref}"):
            rest = line[2 + len(str(ref)) :]
            match = re.search(r" \(([^()]*)\)$", rest)
            if rest[:1] in (":", " ", "") and match:
                return tuple(match[1].split(", "))
    return ()
