"""The port ``Repo`` in memory, and a remote that several of them can share.

    remote = FakeRemote()
    repo = FakeRepo(remote=remote)

Passes the same suite as the real adapter: tests/conformance/repo_port.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

from kube2git.adapters.gitrepo.objects import trailers
from kube2git.core.ports import Commit, CommitWriter, PathChange, RepoState, Signature, Synced
from kube2git.errors import (
    PushError,
    RefusedError,
    RepositoryLockedError,
    RepositoryNotFoundError,
)

Files = dict[str, str]
"""Path from the repository's top -> blob id."""


@dataclass
class Store:
    """What a repository holds, whatever its branch; shared by repositories and their remote."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    files: dict[str, Files] = field(default_factory=dict)
    """Commit id -> all its files."""
    signatures: dict[str, Signature] = field(default_factory=dict)
    """Commit id -> what its signature is worth; the others are not signed."""

    def put_blob(self, data: bytes) -> str:
        id = blob_id(data)
        self.blobs[id] = data
        return id

    def put_commit(
        self, parent: str | None, message: str, author: str, when: datetime, files: Files
    ) -> str:
        text = repr((parent, message, author, when.isoformat(), sorted(files.items())))
        id = hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()
        parents = (parent,) if parent else ()
        self.commits[id] = Commit(id, parents, author, when, message, trailers(message))
        self.files[id] = files
        return id

    def history(self, tip: str | None) -> list[str]:
        """Return the commits from a tip on, newest first."""
        found = []
        while tip:
            found.append(tip)
            tip = next(iter(self.commits[tip].parents), None)
        return found

    def apply(self, base: str | None, changes: Mapping[str, str | None]) -> Files:
        """Return the files of ``base`` with some changed."""
        files = dict(self.files[base]) if base else {}
        for path, id in changes.items():
            if id is None:
                files.pop(path, None)
            else:
                files[path] = id
        return files


@dataclass
class FakeRemote:
    """The other end: one branch, and what may go wrong there."""

    store: Store = field(default_factory=Store)
    tip: str | None = None
    rejects: str = ""
    """When set, pushes are turned down with these words."""
    is_unreachable: bool = False
    before_push: Callable[[], None] | None = None
    """Called once when a push arrives, before it is looked at: somebody else may be faster."""

    def commit(self, changes: Mapping[str, bytes | None], message: str, when: datetime) -> str:
        """Commit as somebody else."""
        blobs = {
            path: None if data is None else self.store.put_blob(data)
            for path, data in changes.items()
        }
        files = self.store.apply(self.tip, blobs)
        author = "Somebody <somebody@example.com>"
        self.tip = self.store.put_commit(self.tip, message, author, when, files)
        return self.tip


def blob_id(data: bytes) -> str:
    """Return the id of a file's bytes, as git makes it."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class _State:
    """What several views of one repository share."""

    store: Store
    tip: str | None = None
    pushed: str | None = None
    """What the remote had when we last spoke to it."""
    holder: object | None = None


class FakeRepo:
    """A repository in memory."""

    def __init__(
        self,
        *,
        prefix: str = "",
        remote: FakeRemote | None = None,
        author: str = "kube2git <kube2git@localhost>",
        of: FakeRepo | None = None,
    ) -> None:
        """Make one; ``of`` opens an existing one again, with another prefix perhaps."""
        self.prefix = prefix
        self.author = author
        self.remote: FakeRemote | None = of.remote if of else remote
        self._state: _State = of._state if of else _State(remote.store if remote else Store())
        self._depth = 0

    @property
    def store(self) -> Store:
        return self._state.store

    @contextmanager
    def lock(self) -> Iterator[None]:
        if self._state.holder not in {None, self}:
            raise RepositoryLockedError("The repository is in use by another run.")
        self._state.holder = self
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._state.holder = None

    def tip(self) -> str | None:
        return self._state.tip

    def resolve(self, revision: str) -> str:
        base, steps = revision, 0
        if match := re.fullmatch(r"(.+?)(?:~(\d+)|(\^))", revision):
            base, steps = match[1], int(match[2] or 1)
        if base in {"HEAD", "@", "main"}:
            found = [self._state.tip] if self._state.tip else []
        else:
            short = base if re.fullmatch(r"[0-9a-f]{4,40}", base) else "no commit's id"
            found = [id for id in self.store.commits if id.startswith(short)]
        history = self.store.history(found[0]) if len(found) == 1 else []
        if len(history) <= steps:
            raise RepositoryNotFoundError(
                f"There is no commit {revision} in the repository.", hint="Look at the log."
            )
        return history[steps]

    def commit(self, commit: str) -> Commit:
        if commit not in self.store.commits:
            raise RepositoryNotFoundError(f"The commit {commit} is not in the repository.")
        return self.store.commits[commit]

    def signature(self, commit: str) -> Signature:
        unsigned = Signature(False, reason="It is not signed.")
        return self.store.signatures.get(self.commit(commit).id, unsigned)

    def tree(self, commit: str) -> dict[str, str]:
        self.commit(commit)
        below = f"{self.prefix}/" if self.prefix else ""
        return {
            path[len(below) :]: id
            for path, id in self.store.files[commit].items()
            if path.startswith(below)
        }

    def read(self, blobs: Iterable[str]) -> Iterator[bytes]:
        for id in blobs:
            if id not in self.store.blobs:
                raise RepositoryNotFoundError(f"The object {id} is not in the repository.")
            yield self.store.blobs[id]

    def file_above(self, commit: str, name: str) -> tuple[bytes, str] | None:
        parts = self.prefix.split("/") if self.prefix else []
        for depth in range(len(parts), -1, -1):
            id = self.store.files[commit].get("/".join([*parts[:depth], name]))
            if id is not None:
                return self.store.blobs[id], "/".join(parts[depth:])
        return None

    def blob_id(self, data: bytes) -> str:
        return blob_id(data)

    @contextmanager
    def writer(self, parent: str | None) -> Iterator[CommitWriter]:
        with self.lock():
            yield _FakeWriter(self, parent)

    def log(self, revision: str, paths: Sequence[str] = ()) -> Iterator[Commit]:
        limits = [self._full(path) for path in paths] or ([self.prefix] if self.prefix else [])
        for id in self.store.history(self.resolve(revision)):
            commit = self.store.commits[id]
            before = self.store.files[commit.parents[0]] if commit.parents else {}
            touched = {path for path, _ in before.items() ^ self.store.files[id].items()}
            if not limits or any(
                path == limit or path.startswith(f"{limit}/")
                for path in touched
                for limit in limits
            ):
                yield commit

    def changes(self, old: str | None, new: str) -> list[PathChange]:
        before, after = self.tree(old) if old else {}, self.tree(new)
        return [
            PathChange(path, before.get(path), after.get(path))
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
        ]

    def removed_paths(self, revision: str, pattern: str) -> list[str]:
        found = set()
        for id in self.store.history(self.resolve(revision)):
            commit = self.store.commits[id]
            before = self.tree(commit.parents[0]) if commit.parents else {}
            found |= {path for path in before if path not in self.tree(id)}
        return sorted(path for path in found if fnmatchcase(path, pattern))

    def state(self) -> RepoState:
        ours, theirs = (self.store.history(id) for id in (self._state.tip, self._state.pushed))
        unpushed = [id for id in ours if id not in theirs] if self.remote else []
        return RepoState(len(unpushed), sum(map(len, self.store.blobs.values())))

    def check_signing(self) -> bool:
        return False

    def check_push(self) -> str:
        if self.remote is None:
            return ""
        self._reach(self.remote)
        return "memory"

    def fetch(self) -> Synced:
        remote = self.remote
        if remote is None:
            return Synced("")
        with self.lock():
            self._reach(remote)
            ours, theirs = self.store.history(self._state.tip), self.store.history(remote.tip)
            known = set(self.store.history(self._state.pushed))
            self._state.pushed = remote.tip
            if not theirs or theirs[0] in ours:
                return Synced("memory")
            own = [id for id in ours if id not in known and id not in theirs]
            synced = Synced("memory", fetched=len([id for id in theirs if id not in ours]))
            tip, rebuilt = theirs[0], 0
            for id in reversed(own):
                commit = self.store.commits[id]
                before = self.store.files[commit.parents[0]] if commit.parents else {}
                now = self.store.files[id]
                touched = {path for path, _ in before.items() ^ now.items()}
                files = self.store.apply(tip, {path: now.get(path) for path in touched})
                if touched and files == self.store.files[tip]:
                    continue
                tip = self.store.put_commit(tip, commit.message, commit.author, commit.time, files)
                rebuilt += 1
            self._state.tip = tip
            return replace(synced, rebuilt=rebuilt)

    def push(self) -> Synced:
        remote = self.remote
        if remote is None:
            return Synced("")
        with self.lock():
            total = Synced("memory")
            while self._state.tip != self._state.pushed:
                self._reach(remote)
                if remote.before_push:
                    overtake, remote.before_push = remote.before_push, None
                    overtake()
                if remote.tip == self._state.pushed:
                    if remote.rejects:
                        raise PushError(
                            f"Pushing to memory failed: {remote.rejects}", hint="Allow it."
                        )
                    sent = self.store.history(self._state.tip)
                    kept = self.store.history(remote.tip)
                    remote.tip = self._state.pushed = self._state.tip
                    return replace(total, pushed=len(sent) - len(kept))
                came = self.fetch()
                total = replace(
                    total,
                    fetched=total.fetched + came.fetched,
                    rebuilt=total.rebuilt + came.rebuilt,
                )
            return total

    def _reach(self, remote: FakeRemote) -> None:
        if remote.is_unreachable:
            raise PushError("The remote could not be reached.", hint="Check the network.")

    def _full(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path


class _FakeWriter:
    def __init__(self, repo: FakeRepo, parent: str | None) -> None:
        self._repo = repo
        self._parent = parent
        self._added: dict[str, bytes] = {}

    def add(self, data: bytes) -> str:
        self._added[blob_id(data)] = data
        return blob_id(data)

    def commit(self, message: str, when: datetime, changes: Mapping[str, str | None]) -> str:
        repo, store = self._repo, self._repo.store
        store.blobs.update(self._added)
        full = {repo._full(path): id for path, id in changes.items()}
        files = store.apply(self._parent, full)
        for path in sorted(files.keys() - full.keys()):
            if any(ours and _collide(path, name) for name, ours in full.items()):
                raise RefusedError(f"{path} stands where this run has to write.", hint="Move it.")
        if repo._state.tip != self._parent:
            raise RepositoryLockedError("Somebody else moved the branch.", hint="Run it again.")
        text = message.strip("\n")
        repo._state.tip = store.put_commit(self._parent, text, repo.author, when, files)
        return repo._state.tip


def _collide(one: str, two: str) -> bool:
    """Tell whether one of two paths would be a folder of the other's name."""
    return one.startswith(f"{two}/") or two.startswith(f"{one}/")
